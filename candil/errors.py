"""Blame is the first thing an error says: theirs, ours, or a person refused.

``code`` is stable and machine-readable; ``message`` is a sentence in English for logs and APIs.
Pages translate by code, so no sentence here reaches a patient.
"""

from typing import ClassVar


class CandilError(Exception):
    """Base of every error we raise on purpose."""

    status: ClassVar[int] = 500

    def __init__(self, code: str, message: str = "", **detail: object) -> None:
        super().__init__(message or code)
        self.code = code
        self.message = message or code
        self.detail = detail


class PeerError(CandilError):
    """The peer sent something wrong: malformed, too large, out of order. Only the peer suffers."""

    status = 400


class Refused(CandilError):
    """A person asked for something the rules do not allow now. Nothing is broken."""

    status = 409


class NotAuthenticated(Refused):
    """Nobody we know: no session, or it has ended."""

    status = 401


class NotAllowed(Refused):
    """Somebody we know, who may not do this. Vague on purpose towards the outside."""

    status = 403


class NotFound(Refused):
    """No such thing, or not for this person: both look the same from outside."""

    status = 404


class TooMany(Refused):
    """Over a rate limit; ``detail['retry_after_s']`` says when to try again."""

    status = 429


class ConfigError(CandilError):
    """The configuration cannot work; the message names the setting and the fix."""


class Unavailable(CandilError):
    """Something of ours is not there just now; trying again later makes sense."""

    status = 503


class StorageFailed(CandilError):
    """The database could not promise durability. Nothing may be acknowledged after this."""

    status = 503

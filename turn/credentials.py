"""Time-limited TURN credentials, as coturn's ``use-auth-secret`` checks them.

The username carries its own expiry and the password is an HMAC over it, so the TURN server needs
no account list and no connection to us: both sides only share a secret.
"""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass, field

MAX_LIFE_S = 3600
MIN_LIFE_S = 60
_RENEW_AT = 0.75  # of the life: on a bad line the renewal still has a quarter of it to get through
_PARTICIPANT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class TurnCredential:
    """What one participant shows to the TURN server. The password never prints."""

    username: str
    password: str = field(repr=False)
    expires_at: int
    """Unix seconds. An allocation made before this moment lives on after it; a new one is refused."""
    renew_after: float
    """Unix seconds from which the page should hold a newer credential."""


def mint(secret: str, participant_id: str, now: float, life_s: float = MAX_LIFE_S) -> TurnCredential:
    """A credential for one participant, valid for ``life_s`` (clamped to 1 minute .. 1 hour).

    The caller calls this only for a participant whom the doctor has admitted: whoever holds a
    credential can send through the relay. This function cannot know, so it does not check.
    """
    if not _PARTICIPANT_ID.fullmatch(participant_id):
        raise ValueError("participant id must be 1-64 letters, digits, '_' or '-'")
    life_s = min(max(life_s, MIN_LIFE_S), MAX_LIFE_S)
    expires_at = int(now + life_s)
    username = f"{expires_at}:{participant_id}"
    return TurnCredential(
        username=username,
        password=password_for(secret, username),
        expires_at=expires_at,
        renew_after=now + life_s * _RENEW_AT,
    )


def password_for(secret: str, username: str) -> str:
    """base64(HMAC-SHA1(secret, username)). SHA-1 is coturn's choice; as an HMAC it is not broken."""
    digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()

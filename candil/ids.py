"""Identifiers and secrets. Ids name things and may be logged; tokens open things and never are."""

import hashlib
import secrets
from typing import Protocol

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base32: no i, l, o, u to misread
_UNAMBIGUOUS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz"  # base 56, unambiguous
ID_LENGTH = 16  # 80 bits
INVITATION_TOKEN_LENGTH = 12  # 69 bits: not guessable at any allowed rate, short enough for one SMS
SECRET_LENGTH = 32


class IdSource(Protocol):
    """Where new ids and secrets come from; tests pass a counted one."""

    def new_id(self, prefix: str) -> str: ...
    def new_invitation_token(self) -> str: ...
    def new_secret(self) -> str: ...


class RandomIds:
    """Ids from the operating system's generator."""

    def new_id(self, prefix: str) -> str:
        """A fresh id such as ``con_7m2k9qv0c3t8xw1z``; the prefix names the kind."""
        return f"{prefix}_" + "".join(secrets.choice(_ALPHABET) for _ in range(ID_LENGTH))

    def new_invitation_token(self) -> str:
        return "".join(secrets.choice(_UNAMBIGUOUS) for _ in range(INVITATION_TOKEN_LENGTH))

    def new_secret(self) -> str:
        return "".join(secrets.choice(_UNAMBIGUOUS) for _ in range(SECRET_LENGTH))


class CountedIds:
    """Predictable ids for tests."""

    def __init__(self) -> None:
        self._count = 0

    def _next(self) -> int:
        self._count += 1
        return self._count

    def new_id(self, prefix: str) -> str:
        return f"{prefix}_{self._next():0{ID_LENGTH}d}"

    def new_invitation_token(self) -> str:
        return f"{self._next():0{INVITATION_TOKEN_LENGTH}d}"

    def new_secret(self) -> str:
        return f"{self._next():0{SECRET_LENGTH}d}"


def token_hash(token: str) -> str:
    """What the database keeps of a token: SHA-256, hex. Tokens have enough entropy to need no salt.
    One that came in a header may hold bytes that are no UTF-8."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()

"""Argon2id hashes of passwords. Slow on purpose: call it in a thread, outside any transaction."""

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MIN_LENGTH = 10
MAX_LENGTH = 200  # longer ones only cost us time
_hasher = PasswordHasher()
_NOBODY = _hasher.hash("nobody has this password")


def hash_password(password: str) -> str:
    return _hasher.hash(password)


def verify_password(stored_hash: str | None, password: str) -> bool:
    """Whether it matches. With no account the same time is spent, so that answers tell nothing about logins."""
    if len(password) > MAX_LENGTH:
        return False
    try:
        _hasher.verify(stored_hash or _NOBODY, password)
    except (VerificationError, InvalidHashError):
        return False
    return stored_hash is not None

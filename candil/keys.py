"""Secrets kept in files that only the service may read, made at the first start."""

import os
import secrets
from pathlib import Path

from candil.errors import ConfigError

TICKET_KEY_FILE = "tickets.key"
MIN_CHARS = 32


def ticket_key(data_dir: Path, configured: Path | None) -> str:
    """The key that signs WebSocket tickets: from the configured file, or one made and kept in ``data_dir``."""
    if configured is not None:
        return read_secret(configured, "[security] secret_key_file")
    path = data_dir / TICKET_KEY_FILE
    if not path.exists():
        _write_private(path, secrets.token_urlsafe(48))
    return read_secret(path, str(path))


def read_secret(path: Path, where: str) -> str:
    try:
        text = path.read_text().strip()
    except OSError as error:
        raise ConfigError("secret_file", f"{where}: {path} cannot be read ({error.strerror}).") from None
    if len(text) < MIN_CHARS:
        raise ConfigError("secret_file", f"{where}: {path} must hold at least {MIN_CHARS} characters.")
    return text


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())

"""Secrets kept in files that only the service may read, made at the first start."""

import contextlib
import os
import secrets
import tempfile
from pathlib import Path

from candil.errors import ConfigError

TICKET_KEY_FILE = "tickets.key"
MIN_CHARS = 32


def ticket_key(data_dir: Path, configured: Path | None) -> str:
    """The key that signs WebSocket tickets: from the configured file, or one made and kept in ``data_dir``."""
    if configured is not None:
        return read_secret(configured, "[security] secret_key_file")
    path = data_dir / TICKET_KEY_FILE
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _write_private(path, secrets.token_urlsafe(48))
    except OSError as error:
        raise ConfigError("data_dir", f"[storage] data_dir {data_dir} cannot be used ({error.strerror}).") from None
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
    """The whole file or none, and the first one when two processes start together."""
    descriptor, unfinished = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # readable by us alone
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(unfinished, path)
    finally:
        os.unlink(unfinished)

"""Choosing, migrating and opening the configured database."""

from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine

from candil.config.settings import StorageSettings
from candil.errors import ConfigError
from candil.store.database import Database, PostgresqlDatabase, SqliteDatabase
from candil.store.engine import FILE_NAME, postgresql_engine, sqlite_engine, sync_directory


def migrate(settings: StorageSettings) -> None:
    """Bring the database to the current schema, creating it when absent."""
    engine = _migration_engine(settings)
    try:
        with engine.connect() as connection, connection.begin():
            upgrade(connection)
    finally:
        engine.dispose()
    if not settings.database_url:
        sync_directory(settings.data_dir)
        sync_directory(settings.data_dir.absolute().parent)


def open_database(settings: StorageSettings, on_failed: Callable[[], None] = lambda: None) -> Database:
    """The migrated database, ready for use."""
    if settings.database_url:
        return PostgresqlDatabase(settings.database_url, on_failed)
    return SqliteDatabase(settings.data_dir, database_key(settings), on_failed)


def upgrade(connection: Connection) -> None:
    """Run every migration not yet applied, on an open transaction."""
    with as_file(files("candil.store") / "migrations") as folder:
        config = Config()
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def database_key(settings: StorageSettings) -> str:
    """The key as 64 hex digits, or empty when the database is not encrypted."""
    path = settings.database_key_file
    if path is None:
        return ""
    try:
        key = path.read_text().strip()
        bytes.fromhex(key)
    except (OSError, ValueError):
        key = ""
    if len(key) != 64:
        raise ConfigError("database_key", f"{path} must hold the database key as 64 hex digits.")
    return key


def _migration_engine(settings: StorageSettings) -> Engine:
    if settings.database_url:
        return postgresql_engine(settings.database_url, pool_size=1)
    data_dir: Path = settings.data_dir
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError("data_dir", f"[storage] data_dir {data_dir} cannot be made ({error.strerror}).") from None
    return sqlite_engine(data_dir / FILE_NAME, writer=True, synchronous="EXTRA", key=database_key(settings))

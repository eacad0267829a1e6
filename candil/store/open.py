"""Choosing, migrating and opening the configured database."""

import fcntl
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script.revision import ResolutionError
from alembic.util.exc import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from candil.config.settings import StorageSettings
from candil.errors import ConfigError
from candil.store.database import Database
from candil.store.engine import FILE_NAME, create_private_file, postgresql_engine, sqlite_engine, sync_directory
from candil.store.failures import SQLITE_NOTADB, Verdict, judge_postgresql, judge_sqlite
from candil.store.postgresql import PostgresqlDatabase
from candil.store.sqlite import SqliteDatabase

MIGRATION_LOCK = 0x63616E64  # PostgreSQL advisory lock: processes that start together migrate one by one


def migrate(settings: StorageSettings) -> None:
    """Bring the database to the current schema, creating it when absent."""
    if settings.database_url:
        engine = postgresql_engine(settings.database_url, pool_size=1)
    else:
        made = _prepare_folder(settings.data_dir)
        path = settings.data_dir / FILE_NAME
        engine = sqlite_engine(path, writer=True, migrating=True, key=database_key(settings))
    try:
        with _one_by_one(settings), _opening(settings), engine.connect() as connection, connection.begin():
            _upgrade_checked(connection)
    finally:
        engine.dispose()
    if not settings.database_url:
        for folder in (settings.data_dir, *made):
            sync_directory(folder)


def open_database(settings: StorageSettings, on_failed: Callable[[], None] = lambda: None) -> Database:
    """The migrated database, ready for use."""
    if settings.database_url:
        return PostgresqlDatabase(settings.database_url, on_failed)
    with _opening(settings):
        return SqliteDatabase(settings.data_dir, database_key(settings), on_failed)


@contextmanager
def _one_by_one(settings: StorageSettings) -> Iterator[None]:
    """Processes of one machine that start together take turns: switching a new file to WAL does not wait for
    others, it fails. The lock goes with the process that holds it. PostgreSQL has its own, inside the transaction."""
    if settings.database_url:
        yield
        return
    descriptor = os.open(settings.data_dir, os.O_RDONLY | os.O_DIRECTORY)  # never the file: SQLite locks that
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _upgrade_checked(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
        upgrade(connection)
        return
    upgrade(connection)
    if broken := connection.exec_driver_sql("PRAGMA foreign_key_check").all():
        raise RuntimeError(f"a migration left {len(broken)} dangling references")


def upgrade(connection: Connection) -> None:
    """Run every migration not yet applied, on an open transaction."""
    with as_file(files("candil.store") / "migrations") as folder:
        config = Config()
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            if not isinstance(error.__cause__, ResolutionError):
                raise
            fix = "install that version again, or put back the backup from before the update"
            raise ConfigError("database_newer", f"The database was made by a newer Candil: {fix}.") from error


def database_key(settings: StorageSettings) -> str:
    """The key as 64 hex digits, or empty when the database is not encrypted."""
    path = settings.database_key_file
    if path is None:
        return ""
    try:
        key = path.read_text().strip()
    except (OSError, ValueError):
        key = ""
    if not re.fullmatch("[0-9A-Fa-f]{64}", key):
        raise ConfigError("database_key", f"{path} must hold the database key as 64 hex digits.")
    return key


def _prepare_folder(data_dir: Path) -> list[Path]:
    """Make data_dir and the database file, readable by us alone; the folders whose entries that changed."""
    absolute = data_dir.absolute()
    new = [folder for folder in (absolute, *absolute.parents) if not folder.exists()]
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        create_private_file(data_dir / FILE_NAME)
    except OSError as error:
        raise ConfigError("data_dir", f"[storage] data_dir {data_dir} cannot be used ({error.strerror}).") from None
    return [folder.parent for folder in new]


@contextmanager
def _opening(settings: StorageSettings) -> Iterator[None]:
    """Say what is wrong with a database that does not open, and where to mend it."""
    try:
        yield
    except DBAPIError as error:
        if settings.database_url:
            if judge_postgresql(error) is Verdict.CALLER:
                raise
            problem = "does not answer or refuses us; check host, name, user and password"
            raise ConfigError("database_url", f"[storage] database_url: PostgreSQL {problem}.") from error
        verdict = judge_sqlite(error)
        file = settings.data_dir / FILE_NAME
        if getattr(error.orig, "sqlite_errorcode", 0) & 0xFF == SQLITE_NOTADB:
            fix = "set [storage] database_key_file to the key it was made with, or to nothing if it never had one"
            raise ConfigError("database_key", f"{file} does not open with this key: {fix}.") from error
        if verdict is Verdict.BUSY:
            raise ConfigError("database_busy", f"{file} is in use by another program; stop it first.") from error
        if verdict is not Verdict.CALLER:
            raise ConfigError("data_dir", f"{file} does not open ({error.orig}).") from error
        raise

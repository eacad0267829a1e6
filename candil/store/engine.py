"""Opening a database so that a commit means what we promise.

SQLite comes with the wheel, never from the system: versions before 3.51.3 can corrupt a WAL that two
connections checkpoint at once. WAL with synchronous=FULL keeps every commit through a power cut;
EXTRA is used while creating and migrating, because the switch to WAL unlinks a rollback journal and
only EXTRA syncs the directory after that.
"""

import os
from pathlib import Path
from typing import Any

import sqlcipher3.dbapi2
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.pool import NullPool, QueuePool

from candil.errors import ConfigError

OLDEST_SQLITE = (3, 51, 3)
FILE_NAME = "candil.sqlite"


def check_sqlite_version() -> str:
    """The version in use; ConfigError when it may corrupt data."""
    version: str = sqlcipher3.dbapi2.sqlite_version
    if tuple(map(int, version.split("."))) < OLDEST_SQLITE:
        raise ConfigError("sqlite_too_old", f"SQLite {version} can corrupt a WAL; install sqlcipher3 0.6.4 or newer.")
    return version


def sqlite_engine(path: Path, *, writer: bool, synchronous: str = "FULL", key: str = "") -> Engine:
    """An engine on one file. The writer takes the write lock when a transaction begins, so a transaction
    never fails half way for a lock; readers see a snapshot. ``key`` is 64 hex digits or empty."""
    check_sqlite_version()
    engine = create_engine(
        f"sqlite:///{path}",
        module=sqlcipher3.dbapi2,
        poolclass=QueuePool if not writer else NullPool,
        **({} if writer else {"pool_size": 4, "max_overflow": 0}),
        connect_args={"check_same_thread": False, "timeout": 10.0},
    )

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # we begin transactions ourselves, below
        cursor = connection.cursor()
        if key:
            cursor.execute(f"PRAGMA key = \"x'{key}'\"")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute(f"PRAGMA synchronous = {synchronous}")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA mmap_size = 0")
        cursor.close()

    begin = "BEGIN IMMEDIATE" if writer else "BEGIN"

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    return engine


def postgresql_engine(url: str, *, pool_size: int) -> Engine:
    """An engine on PostgreSQL through psycopg, committing synchronously."""
    engine = create_engine(
        url.replace("postgresql://", "postgresql+psycopg://", 1),
        pool_size=pool_size,
        max_overflow=0,
        pool_pre_ping=True,
        pool_timeout=10,
    )

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit = on")
            cursor.execute("SET lock_timeout = '10s'")
        connection.commit()

    return engine


def sync_directory(path: Path) -> None:
    """Make a created or renamed entry of this directory survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

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
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.pool import NullPool, QueuePool

from candil.errors import ConfigError

OLDEST_SQLITE = (3, 51, 3)
FILE_NAME = "candil.sqlite"
LOCK_TIMEOUT_MS = 10_000  # PostgreSQL: how long a statement waits for a row another process holds
BUSY_TIMEOUT_S = 10.0  # how long the writer waits while another program (a backup, a migration) holds the lock


def check_sqlite_version() -> str:
    """The version in use; ConfigError when it may corrupt data."""
    version: str = sqlcipher3.dbapi2.sqlite_version
    if tuple(map(int, version.split("."))) < OLDEST_SQLITE:
        raise ConfigError("sqlite_too_old", f"SQLite {version} can corrupt a WAL; install sqlcipher3 0.6.4 or newer.")
    return version


def sqlite_engine(path: Path, *, writer: bool, migrating: bool = False, key: str = "", pool_size: int = 1) -> Engine:
    """An engine on one file. The writer takes the write lock when a transaction begins, so a transaction
    never fails half way for a lock; readers see a snapshot and cannot write. ``key`` is 64 hex digits or empty."""
    check_sqlite_version()
    engine = create_engine(
        f"sqlite:///{path}",
        module=sqlcipher3.dbapi2,
        **({"poolclass": NullPool} if writer else {"poolclass": QueuePool, "pool_size": pool_size, "max_overflow": 0}),
        connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_S},
    )
    pragmas = _pragmas(writer=writer, migrating=migrating, key=key)

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # we begin transactions ourselves, below
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(pragma)
        mode = cursor.execute("PRAGMA journal_mode").fetchone()[0]
        cursor.close()
        if mode != "wal":  # SQLite does not raise where shared memory is missing, as on some network drives
            raise ConfigError("data_dir", f"{path} is on a file system that cannot keep commits; use a local disk.")

    begin = "BEGIN IMMEDIATE" if writer else "BEGIN"

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    if not writer:

        @event.listens_for(engine, "before_execute")
        def _on_execute(_connection: object, statement: Any, *_: object) -> None:
            """PostgreSQL refuses this; SQLite would leave the lock out and hide the mistake."""
            if getattr(statement, "_for_update_arg", None) is not None:
                raise InvalidRequestError("a read-only transaction cannot lock rows")

    return engine


def _pragmas(*, writer: bool, migrating: bool, key: str) -> list[str]:
    """What a new connection is told, in this order: the key before anything is read, and synchronous before
    the switch to WAL that it is to make durable."""
    pragmas = [f"PRAGMA key = \"x'{key}'\""] if key else []
    pragmas += [
        f"PRAGMA synchronous = {'EXTRA' if migrating else 'FULL'}",
        "PRAGMA journal_mode = WAL",
        # A migration that rebuilds a table drops the old one, which would take its children along;
        # candil.store.open checks every reference when it is done.
        f"PRAGMA foreign_keys = {'OFF' if migrating else 'ON'}",
        "PRAGMA mmap_size = 0",
    ]
    return pragmas if writer else [*pragmas, "PRAGMA query_only = ON"]


def postgresql_engine(url: str, *, pool_size: int) -> Engine:
    """An engine on PostgreSQL through psycopg, committing synchronously."""
    engine = create_engine(
        url.replace("postgresql://", "postgresql+psycopg://", 1),
        pool_size=pool_size,
        max_overflow=0,
        pool_pre_ping=True,
        pool_timeout=10,
        connect_args={
            "connect_timeout": 5,
            "keepalives_idle": 10,  # a server lost without a word is noticed within half a minute
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 20_000,
        },
    )

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit = on")
            cursor.execute(f"SET lock_timeout = {LOCK_TIMEOUT_MS}")
        connection.commit()

    return engine


def sync_directory(path: Path) -> None:
    """Make a created or renamed entry of this directory survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def create_private_file(path: Path) -> None:
    """Make an empty file that only we may read, unless it exists; SQLite gives its WAL the same mode."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))

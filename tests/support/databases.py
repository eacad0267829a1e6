"""Migrated, empty databases for tests, made once and copied or emptied afterwards."""

import shutil
from collections.abc import Callable
from pathlib import Path

import psycopg
from sqlalchemy import Connection

from candil.config.settings import StorageSettings
from candil.store import tables
from candil.store.engine import FILE_NAME
from candil.store.open import migrate


def sqlite_settings(data_dir: Path) -> StorageSettings:
    return StorageSettings(data_dir=data_dir)


def postgresql_settings(url: str) -> StorageSettings:
    return StorageSettings(database_url=url)


def copy_sqlite(template: Path, data_dir: Path) -> StorageSettings:
    """A database as migrated in ``template`` (a data_dir whose database is closed)."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copy(template / FILE_NAME, data_dir / FILE_NAME)
    return sqlite_settings(data_dir)


def migrated_sqlite(data_dir: Path) -> Path:
    migrate(sqlite_settings(data_dir))
    return data_dir


def empty_postgresql(url: str) -> None:
    """Delete every row; the schema stays."""
    names = ", ".join(f'"{name}"' for name in tables.metadata.tables)
    with psycopg.connect(url) as connection:
        connection.execute(f"TRUNCATE {names} RESTART IDENTITY CASCADE".encode())


def put_meta(name: str) -> Callable[[Connection], str]:
    """The smallest write: one row in ``meta``. Answers its name."""

    def write(tx: Connection) -> str:
        tx.execute(tables.meta.insert().values(name=name, value=""))
        return name

    return write


def meta_names(tx: Connection) -> set[str]:
    return set(tx.scalars(tables.meta.select().with_only_columns(tables.meta.c.name)))

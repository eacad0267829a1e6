"""Rows as frozen structs: a repository's functions take a Connection and give these back."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Select, Table
from sqlalchemy.dialects import postgresql, sqlite

S = TypeVar("S", bound=msgspec.Struct)


def one(tx: Connection, query: Select[Any], row_type: type[S]) -> S | None:
    """The only row of a query as ``row_type``, or None."""
    row = tx.execute(query).mappings().one_or_none()
    return None if row is None else row_type(**row)


def many(tx: Connection, query: Select[Any], row_type: type[S]) -> list[S]:
    return [row_type(**row) for row in tx.execute(query).mappings()]


def insert(tx: Connection, table: Table, row: msgspec.Struct | Mapping[str, Any]) -> None:
    tx.execute(table.insert().values(**(msgspec.structs.asdict(row) if isinstance(row, msgspec.Struct) else row)))


def insert_unless_present(tx: Connection, table: Table, row: msgspec.Struct | Mapping[str, Any]) -> bool:
    """Insert unless a row with one of its unique keys exists, also one that another process commits meanwhile;
    whether it was inserted."""
    values = msgspec.structs.asdict(row) if isinstance(row, msgspec.Struct) else row
    dialect = postgresql if tx.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).values(**values).on_conflict_do_nothing()
    # SQLAlchemy does not keep an INSERT's count unless asked; on PostgreSQL it would be -1.
    return tx.execute(statement, execution_options={"preserve_rowcount": True}).rowcount > 0

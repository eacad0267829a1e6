"""Note operations as they were acknowledged, and the records that were signed."""

import msgspec
from sqlalchemy import Connection, select

from candil.store import tables as t
from candil.store.rows import insert, many, one


class NoteOperationRow(msgspec.Struct, frozen=True):
    """One edit of one field; ``outcome`` is ``applied`` or ``conflict``."""

    consult_id: str
    revision: int
    client_id: str
    client_seq: int
    base_revision: int
    field: str
    value: str
    outcome: str
    author_id: str
    at: float


class RecordRow(msgspec.Struct, frozen=True):
    """A signed record; ``document`` is its canonical JSON."""

    consult_id: str
    revision: int
    document: str
    sha256: str
    signed_by: str
    signed_at: float


def add_operation(tx: Connection, row: NoteOperationRow) -> None:
    insert(tx, t.note_operations, row)


def operation_by_client(tx: Connection, consult_id: str, client_id: str, client_seq: int) -> NoteOperationRow | None:
    o = t.note_operations.c
    query = select(t.note_operations).where(
        o.consult_id == consult_id, o.client_id == client_id, o.client_seq == client_seq
    )
    return one(tx, query, NoteOperationRow)


def operations_after(tx: Connection, consult_id: str, revision: int = 0) -> list[NoteOperationRow]:
    o = t.note_operations
    query = select(o).where(o.c.consult_id == consult_id, o.c.revision > revision)
    return many(tx, query.order_by(o.c.revision), NoteOperationRow)


def add_record(tx: Connection, row: RecordRow) -> None:
    insert(tx, t.records, row)


def record(tx: Connection, consult_id: str) -> RecordRow | None:
    """The newest signed record of a consult."""
    query = select(t.records).where(t.records.c.consult_id == consult_id)
    return one(tx, query.order_by(t.records.c.revision.desc()).limit(1), RecordRow)

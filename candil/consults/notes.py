"""Writing the note: each operation is committed, numbered and audited before it is acknowledged."""

import msgspec

from candil.consults import note as core
from candil.consults.permissions import Actor, require
from candil.consults.planning import locked
from candil.errors import PeerError
from candil.store import audit, codes, consults, notes
from candil.store.notes import NoteOperationRow
from candil.store.tx import Transaction


class NoteOperation(msgspec.Struct, frozen=True):
    """One edit as a client sends it; (client_id, client_seq) is its idempotency key."""

    client_id: str
    client_seq: int
    base_revision: int
    field: str
    value: str


def write(
    tx: Transaction, consult_id: str, operation: NoteOperation, *, actor: Actor, now: float
) -> tuple[NoteOperationRow, bool]:
    """The stored operation and whether it is new. A repeated one gives back what was stored the first time.

    Raises PeerError for a field or value that cannot be, Refused once the visit is signed.
    """
    consult = locked(tx, consult_id, actor, "note.view")
    known = notes.operation_by_client(tx, consult_id, operation.client_id, operation.client_seq)
    if known is not None:
        return known, False
    require("note.write", actor.role, status=consult.status)
    note = current(tx, consult_id)
    core.check(note, operation.field, operation.value)
    if operation.field == core.CODE_FIELD and operation.value:
        _check_code(tx, operation.value)
    outcome = core.judge(
        note,
        field=operation.field,
        value=operation.value,
        base_revision=operation.base_revision,
        client_id=operation.client_id,
    )
    row = NoteOperationRow(
        consult_id=consult_id,
        revision=consult.note_revision + 1,
        client_id=operation.client_id,
        client_seq=operation.client_seq,
        base_revision=operation.base_revision,
        field=operation.field,
        value=operation.value,
        outcome=outcome,
        author_id=actor.id,
        at=now,
    )
    notes.add_operation(tx, row)
    consults.update(tx, consult_id, note_revision=row.revision)
    audit.record(
        tx,
        at=now,
        clinic_id=consult.clinic_id,
        actor=actor.id,
        act="note.write",
        consult_id=consult_id,
        revision=row.revision,
        field=operation.field,
    )
    return row, True


def current(tx: Transaction, consult_id: str) -> core.Note:
    return core.fold(notes.operations_after(tx, consult_id))


def _check_code(tx: Transaction, value: str) -> None:
    system, _, code = value.rpartition("|")
    if codes.get(tx, system, code) is None:
        raise PeerError("unknown_code", "This code is not in the clinic's list.", field=core.CODE_FIELD)

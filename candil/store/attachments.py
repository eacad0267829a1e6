"""What people attach to a consult: how far each upload came, its chunks while it comes, and what is kept of it."""

import msgspec
from sqlalchemy import Connection, func, select

from candil.store import tables as t
from candil.store.rows import insert, many, one

_a, _p, _c = t.attachments.c, t.attachment_parts.c, t.attachment_chunks.c
_WITHOUT_DATA = [column for column in t.attachment_parts.c if column.name != "data"]


class AttachmentRow(msgspec.Struct, frozen=True):
    """``seq`` numbers the attachments of a consult; ``state``: receiving, kept or refused (``refusal`` says why);
    ``heard_at``: when a voice note was first heard by whom it was for."""

    id: str
    consult_id: str
    seq: int
    participant_id: str
    upload_id: str
    kind: str
    state: str
    created_at: float
    refusal: str = ""
    kept_at: float | None = None
    heard_at: float | None = None


class PartRow(msgspec.Struct, frozen=True):
    """A form of an attachment: what was declared of it and came, or, with nothing declared, what was made beside it.
    From ``width`` on it is about what is kept: empty until then."""

    attachment_id: str
    part: str
    declared_bytes: int
    declared_sha256: str
    received_bytes: int = 0
    width: int = 0
    height: int = 0
    duration_ms: int = 0
    kept_bytes: int = 0
    sha256: str = ""


def add(tx: Connection, row: AttachmentRow) -> None:
    insert(tx, t.attachments, row)


def add_part(tx: Connection, row: PartRow) -> None:
    insert(tx, t.attachment_parts, row)


def get(tx: Connection, attachment_id: str) -> AttachmentRow | None:
    return one(tx, select(t.attachments).where(_a.id == attachment_id), AttachmentRow)


def by_upload(tx: Connection, participant_id: str, upload_id: str) -> AttachmentRow | None:
    query = select(t.attachments).where(_a.participant_id == participant_id, _a.upload_id == upload_id)
    return one(tx, query, AttachmentRow)


def of_consult(tx: Connection, consult_id: str) -> list[AttachmentRow]:
    """Oldest first."""
    return many(tx, select(t.attachments).where(_a.consult_id == consult_id).order_by(_a.seq), AttachmentRow)


def last_seq(tx: Connection, consult_id: str) -> int:
    return tx.scalar(select(func.max(_a.seq)).where(_a.consult_id == consult_id)) or 0


def update(tx: Connection, attachment_id: str, **values: object) -> None:
    tx.execute(t.attachments.update().where(_a.id == attachment_id).values(**values))


def parts(tx: Connection, attachment_id: str) -> dict[str, PartRow]:
    """By name, without what they hold."""
    found = many(tx, select(*_WITHOUT_DATA).where(_p.attachment_id == attachment_id), PartRow)
    return {part.part: part for part in found}


def parts_of_consult(tx: Connection, consult_id: str) -> dict[str, dict[str, PartRow]]:
    """By attachment and name, without what they hold."""
    query = select(*_WITHOUT_DATA).join(t.attachments, _a.id == _p.attachment_id).where(_a.consult_id == consult_id)
    found: dict[str, dict[str, PartRow]] = {}
    for part in many(tx, query, PartRow):
        found.setdefault(part.attachment_id, {})[part.part] = part
    return found


def update_part(tx: Connection, attachment_id: str, part: str, **values: object) -> None:
    where = (_p.attachment_id == attachment_id, _p.part == part)
    tx.execute(t.attachment_parts.update().where(*where).values(**values))


def data(tx: Connection, attachment_id: str, part: str) -> bytes | None:
    """What is kept of a part; None while there is nothing."""
    found: bytes | None = tx.scalar(select(_p.data).where(_p.attachment_id == attachment_id, _p.part == part))
    return None if found is None else bytes(found)


def add_chunk(tx: Connection, attachment_id: str, part: str, start: int, data: bytes) -> None:
    insert(tx, t.attachment_chunks, {"attachment_id": attachment_id, "part": part, "start": start, "data": data})


def chunks(tx: Connection, attachment_id: str, part: str) -> bytes:
    """Everything that came of a part, in order."""
    query = select(_c.data).where(_c.attachment_id == attachment_id, _c.part == part).order_by(_c.start)
    return b"".join(bytes(row[0]) for row in tx.execute(query))


def delete_chunks(tx: Connection, attachment_id: str, part: str | None = None) -> None:
    """Of one part, or of all."""
    where = [_c.attachment_id == attachment_id, *([] if part is None else [_c.part == part])]
    tx.execute(t.attachment_chunks.delete().where(*where))


def delete(tx: Connection, attachment_id: str) -> None:
    delete_chunks(tx, attachment_id)
    tx.execute(t.attachment_parts.delete().where(_p.attachment_id == attachment_id))
    tx.execute(t.attachments.delete().where(_a.id == attachment_id))

"""A consult's timeline and its messages, both numbered per consult without gaps."""

import msgspec
from sqlalchemy import Connection, func, select

from candil.store import tables as t
from candil.store.rows import insert, many, one


class TimelineRow(msgspec.Struct, frozen=True):
    """``audience`` is ``all`` or ``staff``; ``data`` is a JSON object; ``actor`` is a participant's or a staff id."""

    consult_id: str
    seq: int
    kind: str
    audience: str
    actor: str
    data: str
    at: float


class MessageRow(msgspec.Struct, frozen=True):
    """``audience`` is ``all``, or ``doctor``: only the doctor and the sender read it. One with an attachment has no
    body."""

    consult_id: str
    seq: int
    sender_id: str
    client_id: str
    client_seq: int
    body: str
    at: float
    audience: str = "all"
    attachment_id: str | None = None


def add_event(tx: Connection, row: TimelineRow) -> None:
    insert(tx, t.timeline, row)


def events_after(tx: Connection, consult_id: str, seq: int, limit: int = 500) -> list[TimelineRow]:
    query = select(t.timeline).where(t.timeline.c.consult_id == consult_id, t.timeline.c.seq > seq)
    return many(tx, query.order_by(t.timeline.c.seq).limit(limit), TimelineRow)


def add_message(tx: Connection, row: MessageRow) -> None:
    insert(tx, t.messages, row)


def message_by_client(tx: Connection, consult_id: str, client_id: str, client_seq: int) -> MessageRow | None:
    m = t.messages.c
    query = select(t.messages).where(m.consult_id == consult_id, m.client_id == client_id, m.client_seq == client_seq)
    return one(tx, query, MessageRow)


def message_of_attachment(tx: Connection, attachment_id: str) -> MessageRow | None:
    return one(tx, select(t.messages).where(t.messages.c.attachment_id == attachment_id), MessageRow)


def last_message_seq(tx: Connection, consult_id: str) -> int:
    return tx.scalar(select(func.max(t.messages.c.seq)).where(t.messages.c.consult_id == consult_id)) or 0


def latest_messages(tx: Connection, consult_id: str, limit: int) -> list[MessageRow]:
    """The newest messages of a consult, oldest of them first."""
    query = select(t.messages).where(t.messages.c.consult_id == consult_id)
    return many(tx, query.order_by(t.messages.c.seq.desc()).limit(limit), MessageRow)[::-1]


def messages_after(tx: Connection, consult_id: str, seq: int, limit: int = 500) -> list[MessageRow]:
    query = select(t.messages).where(t.messages.c.consult_id == consult_id, t.messages.c.seq > seq)
    return many(tx, query.order_by(t.messages.c.seq).limit(limit), MessageRow)

"""The audit trail: one row with every act, in the act's own transaction. Identifiers only."""

import json

import msgspec
from sqlalchemy import Connection, select

from candil.store import tables as t
from candil.store.rows import insert, many


class AuditRow(msgspec.Struct, frozen=True):
    seq: int
    at: float
    clinic_id: str
    actor: str
    act: str
    consult_id: str | None
    detail: str


def record(
    tx: Connection, *, at: float, clinic_id: str, actor: str, act: str, consult_id: str | None = None, **detail: object
) -> None:
    """Note that ``actor`` (an id, or ``system``) did ``act``; ``detail`` holds ids and codes, never clinical words."""
    values = {
        "at": at,
        "clinic_id": clinic_id,
        "actor": actor,
        "act": act,
        "consult_id": consult_id,
        "detail": json.dumps(detail, separators=(",", ":"), sort_keys=True),
    }
    insert(tx, t.audit, values)


def of_consult(tx: Connection, consult_id: str) -> list[AuditRow]:
    return many(tx, select(t.audit).where(t.audit.c.consult_id == consult_id).order_by(t.audit.c.seq), AuditRow)


def newest(tx: Connection, limit: int) -> list[AuditRow]:
    """The last rows of the trail, newest first."""
    return many(tx, select(t.audit).order_by(t.audit.c.seq.desc()).limit(limit), AuditRow)

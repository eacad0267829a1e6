"""Consents: append-only, the newest row of a participant is the one in force."""

import msgspec
from sqlalchemy import Connection, select

from candil.store import tables as t
from candil.store.rows import insert, many


class ConsentRow(msgspec.Struct, frozen=True):
    """``status`` is ``active``, ``rejected`` or ``inactive`` (withdrawn), as FHIR Consent says it."""

    id: str
    consult_id: str
    participant_id: str
    status: str
    wording_version: str
    wording_locale: str
    wording_sha256: str
    wording_text: str
    given_by: str
    representative_relation: str
    method: str
    recorded_at: float


def add(tx: Connection, row: ConsentRow) -> None:
    insert(tx, t.consents, row)


def of_consult(tx: Connection, consult_id: str) -> list[ConsentRow]:
    query = select(t.consents).where(t.consents.c.consult_id == consult_id)
    return many(tx, query.order_by(t.consents.c.recorded_at, t.consents.c.id), ConsentRow)


def current(tx: Connection, participant_id: str) -> ConsentRow | None:
    c = t.consents.c
    query = select(t.consents).where(c.participant_id == participant_id)
    rows = many(tx, query.order_by(c.recorded_at.desc(), c.id.desc()).limit(1), ConsentRow)
    return rows[0] if rows else None

"""Consults: one row each, locked before anything in it is numbered."""

from typing import Any

import msgspec
from sqlalchemy import Connection, select

from candil.store import tables as t
from candil.store.rows import insert_unless_present, many, one


class ConsultRow(msgspec.Struct, frozen=True):
    id: str
    clinic_id: str
    doctor_id: str
    status: str
    patient_system: str
    patient_value: str
    patient_name: str
    patient_phone: str
    patient_is_minor: int
    reason: str
    locale: str
    scheduled_at: float
    duration_min: int
    external_id: str | None
    created_at: float
    arrived_at: float | None = None
    started_at: float | None = None
    conversation_ended_at: float | None = None
    finished_at: float | None = None
    cancelled_at: float | None = None
    event_seq: int = 0
    note_revision: int = 0


def add(tx: Connection, row: ConsultRow) -> bool:
    """Insert; False when the clinic has a consult with this external id, also one just committed elsewhere."""
    return insert_unless_present(tx, t.consults, row)


def get(tx: Connection, consult_id: str) -> ConsultRow | None:
    return one(tx, select(t.consults).where(t.consults.c.id == consult_id), ConsultRow)


def lock(tx: Connection, consult_id: str) -> ConsultRow | None:
    """The row, held until the transaction ends, so that numbers given in it have no doubles or gaps.
    SQLite needs no lock: its one writer already is."""
    return one(tx, select(t.consults).where(t.consults.c.id == consult_id).with_for_update(), ConsultRow)


def update(tx: Connection, consult_id: str, **values: Any) -> None:
    tx.execute(t.consults.update().where(t.consults.c.id == consult_id).values(**values))


def by_external_id(tx: Connection, clinic_id: str, external_id: str) -> ConsultRow | None:
    query = select(t.consults).where(t.consults.c.clinic_id == clinic_id, t.consults.c.external_id == external_id)
    return one(tx, query, ConsultRow)


def of_doctor(tx: Connection, doctor_id: str, since: float, until: float) -> list[ConsultRow]:
    """The doctor's consults scheduled in [since, until), and every open one whatever its day."""
    c = t.consults.c
    scheduled = (c.scheduled_at >= since) & (c.scheduled_at < until)
    query = select(t.consults).where(c.doctor_id == doctor_id, scheduled | c.status.in_(("arrived", "in-progress")))
    return many(tx, query.order_by(c.scheduled_at, c.id), ConsultRow)


def of_clinic(tx: Connection, clinic_id: str, since: float, until: float) -> list[ConsultRow]:
    """The clinic's consults scheduled in [since, until)."""
    c = t.consults.c
    query = select(t.consults).where(c.clinic_id == clinic_id, c.scheduled_at >= since, c.scheduled_at < until)
    return many(tx, query.order_by(c.scheduled_at, c.id), ConsultRow)


def finished_of_doctor(tx: Connection, doctor_id: str, limit: int, before: float) -> list[ConsultRow]:
    c = t.consults.c
    query = select(t.consults).where(c.doctor_id == doctor_id, c.status == "finished", c.finished_at < before)
    return many(tx, query.order_by(c.finished_at.desc()).limit(limit), ConsultRow)


def of_patient(tx: Connection, clinic_id: str, system: str, value: str) -> list[ConsultRow]:
    c = t.consults.c
    query = select(t.consults).where(c.clinic_id == clinic_id, c.patient_system == system, c.patient_value == value)
    return many(tx, query.order_by(c.scheduled_at.desc()).limit(100), ConsultRow)

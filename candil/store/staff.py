"""Accounts of the clinic's people, their sign-ins, and the keys of other systems."""

import msgspec
from sqlalchemy import Connection, select

from candil.store import tables as t
from candil.store.rows import insert, many, one


class StaffRow(msgspec.Struct, frozen=True):
    id: str
    clinic_id: str
    login: str
    name: str
    role: str
    password_hash: str
    practitioner_system: str
    practitioner_value: str
    locale: str
    created_at: float
    disabled_at: float | None = None


class StaffSessionRow(msgspec.Struct, frozen=True):
    token_hash: str
    staff_id: str
    csrf_token: str
    created_at: float
    last_seen_at: float
    revoked_at: float | None = None


class ApiKeyRow(msgspec.Struct, frozen=True):
    """``role`` is ``integration`` (plans consults) or ``receiver`` (reads signed records)."""

    id: str
    clinic_id: str
    name: str
    role: str
    token_hash: str
    created_at: float
    revoked_at: float | None = None


def add(tx: Connection, row: StaffRow) -> None:
    insert(tx, t.staff, row)


def get(tx: Connection, staff_id: str) -> StaffRow | None:
    return one(tx, select(t.staff).where(t.staff.c.id == staff_id), StaffRow)


def by_login(tx: Connection, clinic_id: str, login: str) -> StaffRow | None:
    query = select(t.staff).where(t.staff.c.clinic_id == clinic_id, t.staff.c.login == login)
    return one(tx, query, StaffRow)


def of_clinic(tx: Connection, clinic_id: str) -> list[StaffRow]:
    return many(tx, select(t.staff).where(t.staff.c.clinic_id == clinic_id).order_by(t.staff.c.name), StaffRow)


def set_password(tx: Connection, staff_id: str, password_hash: str) -> None:
    tx.execute(t.staff.update().where(t.staff.c.id == staff_id).values(password_hash=password_hash))


def add_session(tx: Connection, row: StaffSessionRow) -> None:
    insert(tx, t.staff_sessions, row)


def session(tx: Connection, token_hash: str) -> StaffSessionRow | None:
    return one(tx, select(t.staff_sessions).where(t.staff_sessions.c.token_hash == token_hash), StaffSessionRow)


def touch_session(tx: Connection, token_hash: str, now: float) -> None:
    tx.execute(t.staff_sessions.update().where(t.staff_sessions.c.token_hash == token_hash).values(last_seen_at=now))


def revoke_session(tx: Connection, token_hash: str, now: float) -> None:
    tx.execute(t.staff_sessions.update().where(t.staff_sessions.c.token_hash == token_hash).values(revoked_at=now))


def revoke_sessions(tx: Connection, staff_id: str, now: float) -> None:
    """End every sign-in of a person."""
    table = t.staff_sessions
    tx.execute(table.update().where(table.c.staff_id == staff_id, table.c.revoked_at.is_(None)).values(revoked_at=now))


def add_api_key(tx: Connection, row: ApiKeyRow) -> None:
    insert(tx, t.api_keys, row)


def api_key(tx: Connection, token_hash: str) -> ApiKeyRow | None:
    return one(tx, select(t.api_keys).where(t.api_keys.c.token_hash == token_hash), ApiKeyRow)

"""Who takes part in a consult, the links that brought them, and the browsers they came with."""

from typing import Any

import msgspec
from sqlalchemy import Connection, select

from candil.store import tables as t
from candil.store.rows import insert, many, one


class ParticipantRow(msgspec.Struct, frozen=True):
    id: str
    consult_id: str
    role: str
    name: str
    staff_id: str | None
    admission: str
    media: str
    created_at: float
    waiting_since: float | None = None
    admitted_at: float | None = None
    delivered_seq: int = 0
    read_seq: int = 0


class InvitationRow(msgspec.Struct, frozen=True):
    id: str
    consult_id: str
    participant_id: str
    token_hash: str
    created_at: float
    opened_at: float | None = None
    revoked_at: float | None = None


class ParticipantSessionRow(msgspec.Struct, frozen=True):
    token_hash: str
    participant_id: str
    invitation_id: str
    csrf_token: str
    created_at: float
    revoked_at: float | None = None


def add(tx: Connection, row: ParticipantRow) -> None:
    insert(tx, t.participants, row)


def get(tx: Connection, participant_id: str) -> ParticipantRow | None:
    return one(tx, select(t.participants).where(t.participants.c.id == participant_id), ParticipantRow)


def of_consult(tx: Connection, consult_id: str) -> list[ParticipantRow]:
    query = select(t.participants).where(t.participants.c.consult_id == consult_id)
    return many(tx, query.order_by(t.participants.c.created_at, t.participants.c.id), ParticipantRow)


def update(tx: Connection, participant_id: str, **values: Any) -> None:
    tx.execute(t.participants.update().where(t.participants.c.id == participant_id).values(**values))


def waiting_for(tx: Connection, doctor_id: str) -> list[ParticipantRow]:
    """Patients in the doctor's waiting room, first come first."""
    p, c = t.participants.c, t.consults.c
    query = (
        select(t.participants)
        .join(t.consults, c.id == p.consult_id)
        .where(c.doctor_id == doctor_id, p.role == "patient", p.admission == "waiting", c.status == "arrived")
    )
    return many(tx, query.order_by(p.waiting_since, p.id), ParticipantRow)


def add_invitation(tx: Connection, row: InvitationRow) -> None:
    insert(tx, t.invitations, row)


def invitation_by_token(tx: Connection, token_hash: str) -> InvitationRow | None:
    return one(tx, select(t.invitations).where(t.invitations.c.token_hash == token_hash), InvitationRow)


def invitation(tx: Connection, invitation_id: str) -> InvitationRow | None:
    return one(tx, select(t.invitations).where(t.invitations.c.id == invitation_id), InvitationRow)


def invitations_of(tx: Connection, participant_id: str) -> list[InvitationRow]:
    query = select(t.invitations).where(t.invitations.c.participant_id == participant_id)
    return many(tx, query.order_by(t.invitations.c.created_at), InvitationRow)


def mark_opened(tx: Connection, invitation_id: str, now: float) -> None:
    i = t.invitations
    tx.execute(i.update().where(i.c.id == invitation_id, i.c.opened_at.is_(None)).values(opened_at=now))


def revoke_invitations(tx: Connection, participant_id: str, now: float) -> None:
    """End every link of a participant and every browser that came by one."""
    for table in (t.invitations, t.participant_sessions):
        tx.execute(
            table.update()
            .where(table.c.participant_id == participant_id, table.c.revoked_at.is_(None))
            .values(revoked_at=now)
        )


def add_session(tx: Connection, row: ParticipantSessionRow) -> None:
    insert(tx, t.participant_sessions, row)


def session(tx: Connection, token_hash: str) -> ParticipantSessionRow | None:
    table = t.participant_sessions
    return one(tx, select(table).where(table.c.token_hash == token_hash), ParticipantSessionRow)

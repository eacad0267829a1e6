"""A doctor's day: every consult with where it stands."""

from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from candil.consults.permissions import Actor, Role, require
from candil.store import consults, outbox, participants
from candil.store.consults import ConsultRow
from candil.store.outbox import DeliveryRow
from candil.store.participants import ParticipantRow
from candil.store.tx import Transaction

Group = Literal["planned", "waiting", "in_progress", "to_be_signed", "delivered", "cancelled"]


class BoardEntry(msgspec.Struct, frozen=True):
    """One line of the board; ``position`` is the place in line, 1 first, 0 when not waiting."""

    consult: ConsultRow
    group: Group
    patient: ParticipantRow
    position: int
    waiting_since: float | None
    deliveries: tuple[DeliveryRow, ...]


def day_bounds(day: str, time_zone: str) -> tuple[float, float]:
    """[from, until) of a calendar day (YYYY-MM-DD) in the clinic's zone, Unix seconds."""
    start = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(time_zone))
    return start.timestamp(), (start + timedelta(days=1)).timestamp()


def of_doctor(tx: Transaction, doctor_id: str, since: float, until: float, *, actor: Actor) -> list[BoardEntry]:
    """The doctor's consults of a stretch of time, and every open one whatever its day."""
    require("board.view", actor.role)
    rows = consults.of_doctor(tx, doctor_id, since, until)
    line = [p.id for p in participants.waiting_for(tx, doctor_id)]
    deliveries = outbox.deliveries_of_many(tx, [row.id for row in rows])
    entries = []
    for row in rows:
        patient = next(p for p in participants.of_consult(tx, row.id) if p.role == Role.PATIENT)
        entries.append(
            BoardEntry(
                consult=row,
                group=group_of(row),
                patient=patient,
                position=line.index(patient.id) + 1 if patient.id in line else 0,
                waiting_since=patient.waiting_since if patient.admission == "waiting" else None,
                deliveries=tuple(d for d in deliveries if d.consult_id == row.id),
            )
        )
    return entries


def group_of(consult: ConsultRow) -> Group:
    if consult.status == "in-progress":
        return "in_progress" if consult.conversation_ended_at is None else "to_be_signed"
    groups: dict[str, Group] = {
        "planned": "planned",
        "arrived": "waiting",
        "finished": "delivered",
        "cancelled": "cancelled",
    }
    return groups[consult.status]

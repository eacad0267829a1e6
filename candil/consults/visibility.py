"""What a participant may see of the others: nothing of the room before the doctor has let them in.

Somebody waiting sees the doctor and themselves, the messages they wrote and those that the doctor wrote to
them. The patient waiting is spoken to by the doctor alone; what the doctor writes once the visit has started
is the room's, so a guest at the door does not read it.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Literal

from candil.consults import timeline
from candil.consults.permissions import Role
from candil.store.consults import ConsultRow
from candil.store.participants import ParticipantRow
from candil.store.thread import MessageRow, TimelineRow

Place = Literal["door", "waiting", "room"]


def place(participant: ParticipantRow) -> Place:
    """Where somebody stands: invited or refused at the door, waiting, or in the room. The doctor is always in it."""
    if participant.role == Role.DOCTOR or participant.admission == "admitted":
        return "room"
    return "waiting" if participant.admission == "waiting" else "door"


def people(viewer: ParticipantRow, everybody: Iterable[ParticipantRow]) -> list[ParticipantRow]:
    """Whose names ``viewer`` may know."""
    if place(viewer) == "room":
        return list(everybody)
    return [p for p in everybody if p.id == viewer.id or p.role == Role.DOCTOR]


def may_read(
    viewer: ParticipantRow, message: MessageRow, consult: ConsultRow, by_id: Mapping[str, ParticipantRow]
) -> bool:
    where = place(viewer)
    if where == "door":
        return False
    if message.sender_id == viewer.id:
        return True
    if where == "room":
        return message.audience == "all" or viewer.role == Role.DOCTOR
    sender = by_id.get(message.sender_id)
    if sender is None or sender.role != Role.DOCTOR:
        return False
    return viewer.role == Role.PATIENT or consult.started_at is None or message.at < consult.started_at


def may_know(viewer: ParticipantRow, event: TimelineRow) -> bool:
    """Whether an event of the timeline is shown to ``viewer``."""
    if viewer.role == Role.DOCTOR:
        return True
    if event.audience != timeline.EVERYBODY:
        return False
    if place(viewer) == "room":
        return True
    own = event.actor == viewer.id or json.loads(event.data).get("participant") == viewer.id
    return own and event.kind != "message.posted"

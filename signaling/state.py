"""The ``state`` message as one viewer may see it."""

from candil.consults import visibility
from candil.consults.permissions import Role
from candil.store.participants import ParticipantRow
from signaling.facts import Facts, Presence
from signaling.messages import ConsultView, Line, ParticipantView, State


def state_for(viewer: ParticipantRow, facts: Facts) -> State:
    consult = facts.people.consult
    shown = visibility.people(viewer, facts.people.participants)
    return State(
        consult=ConsultView(
            id=consult.id,
            status=consult.status,
            conversation_ended=consult.conversation_ended_at is not None,
            scheduled_at=consult.scheduled_at,
            started_at=consult.started_at,
            finished_at=consult.finished_at,
        ),
        participants=tuple(_participant(row, facts.presence.get(row.id)) for row in shown),
        line=_line(viewer, facts),
    )


def _participant(row: ParticipantRow, presence: Presence | None) -> ParticipantView:
    return ParticipantView(
        id=row.id,
        role=row.role,
        name=row.name,
        admission=row.admission,
        media=row.media,
        online=presence is not None,
        microphone=presence is not None and presence.microphone,
        camera=presence is not None and presence.camera,
        waiting_since=row.waiting_since if row.admission == "waiting" else None,
        delivered=row.delivered_seq,
        read=row.read_seq,
    )


def _line(viewer: ParticipantRow, facts: Facts) -> Line | None:
    """Only the patient has a place in the line; a held one waits outside it."""
    if viewer.role != Role.PATIENT or viewer.admission != "waiting" or not facts.people.position:
        return None
    return Line(facts.people.position, facts.people.length)

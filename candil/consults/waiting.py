"""The waiting room and the door: arriving, being admitted one by one, held back, refused."""

from candil.consults import planning, states, timeline
from candil.consults.permissions import Actor, Role, require
from candil.errors import NotFound, Refused
from candil.store import consents, consults, participants
from candil.store.consults import ConsultRow
from candil.store.participants import ParticipantRow
from candil.store.tx import Transaction

MEDIA = ("video", "audio", "text")


def choose_media(tx: Transaction, participant_id: str, media: str, *, actor: Actor, now: float) -> None:
    """How a participant wants to take part: video, audio or only text."""
    participant, consult = _locked(tx, participant_id)
    require("media.choose", actor.role, status=consult.status)
    if media not in MEDIA:
        raise Refused("invalid_media", "Choose video, audio or text.")
    if media != participant.media:
        participants.update(tx, participant_id, media=media)
        timeline.append(tx, consult, "media.chosen", actor=actor.id, now=now, participant=participant_id, media=media)


def arrive(tx: Transaction, participant_id: str, *, actor: Actor, now: float) -> ParticipantRow:
    """Enter the waiting room; a patient only after accepting the consent of this visit."""
    participant, consult = _locked(tx, participant_id)
    require("room.arrive", actor.role, status=consult.status)
    if participant.role == Role.PATIENT and not has_consent(tx, participant_id):
        raise Refused("consent_needed", "The consent of this visit comes first.")
    admission = states.admission_after(participant.admission, "arrive")
    if admission == participant.admission:
        return participant
    participants.update(tx, participant_id, admission=admission, waiting_since=now)
    if participant.role == Role.PATIENT:
        status = states.consult_after(consult.status, "arrive")
        consults.update(tx, consult.id, status=status, arrived_at=consult.arrived_at or now)
    timeline.append(tx, consult, "participant.arrived", actor=actor.id, now=now, participant=participant_id)
    return _again(tx, participant_id)


def admit(tx: Transaction, participant_id: str, *, actor: Actor, now: float) -> ParticipantRow:
    """Let one person in. Admitting the patient starts the visit."""
    participant, consult = _locked_by_doctor(tx, participant_id, actor, "participant.admit")
    admission = states.admission_after(participant.admission, "admit")
    if admission == participant.admission:
        return participant
    if participant.role == Role.PATIENT:
        if not has_consent(tx, participant_id):
            raise Refused("consent_needed", "The patient has not accepted the consent of this visit.")
        status = states.consult_after(consult.status, "start")
        consults.update(tx, consult.id, status=status, started_at=consult.started_at or now)
        if consult.status != "in-progress":
            timeline.append(tx, consult, "consult.started", actor=actor.id, now=now)
    elif consult.status != "in-progress":
        raise Refused("patient_first", "Admit the patient first.")
    participants.update(tx, participant_id, admission=admission, admitted_at=now)
    timeline.append(tx, consult, "participant.admitted", actor=actor.id, now=now, participant=participant_id)
    return _again(tx, participant_id)


def hold(tx: Transaction, participant_id: str, *, actor: Actor, now: float) -> ParticipantRow:
    """Back to the waiting room, or a refused person may wait again."""
    return _move(tx, participant_id, "hold", "participant.held", actor=actor, now=now)


def refuse(tx: Transaction, participant_id: str, *, actor: Actor, now: float) -> ParticipantRow:
    return _move(tx, participant_id, "refuse", "participant.refused", actor=actor, now=now)


def _move(tx: Transaction, participant_id: str, move: str, kind: str, *, actor: Actor, now: float) -> ParticipantRow:
    participant, consult = _locked_by_doctor(tx, participant_id, actor, f"participant.{move}")
    admission = states.admission_after(participant.admission, move)
    if admission != participant.admission:
        participants.update(tx, participant_id, admission=admission, waiting_since=now)
        timeline.append(tx, consult, kind, actor=actor.id, now=now, participant=participant_id)
    return _again(tx, participant_id)


def end_conversation(tx: Transaction, consult_id: str, *, actor: Actor, now: float) -> None:
    """Hang up for everybody. The visit stays open until it is signed; text goes on."""
    consult = planning.locked(tx, consult_id, actor, "conversation.end")
    if consult.conversation_ended_at is None:
        consults.update(tx, consult_id, conversation_ended_at=now)
        timeline.append(tx, consult, "conversation.ended", actor=actor.id, now=now)


def reopen_conversation(tx: Transaction, consult_id: str, *, actor: Actor, now: float) -> None:
    consult = planning.locked(tx, consult_id, actor, "conversation.reopen")
    if consult.conversation_ended_at is not None:
        consults.update(tx, consult_id, conversation_ended_at=None)
        timeline.append(tx, consult, "conversation.reopened", actor=actor.id, now=now)


def report_modality(tx: Transaction, participant_id: str, modality: str, *, now: float) -> None:
    """Keep on the timeline that a participant's media became video, audio or text."""
    participant, consult = _locked(tx, participant_id)
    if consult.status == "in-progress" and modality in MEDIA:
        timeline.append(
            tx, consult, "media.changed", actor=participant.id, now=now, participant=participant.id, modality=modality
        )


def has_consent(tx: Transaction, participant_id: str) -> bool:
    consent = consents.current(tx, participant_id)
    return consent is not None and consent.status == "active"


def position(tx: Transaction, consult: ConsultRow, participant_id: str) -> tuple[int, int]:
    """A patient's place in their doctor's line, 1 first, and the length of the line; (0, n) when not in it."""
    line = [row.id for row in participants.waiting_for(tx, consult.doctor_id)]
    return (line.index(participant_id) + 1 if participant_id in line else 0), len(line)


def _locked(tx: Transaction, participant_id: str) -> tuple[ParticipantRow, ConsultRow]:
    participant = participants.get(tx, participant_id)
    consult = consults.lock(tx, participant.consult_id) if participant else None
    if participant is None or consult is None:
        raise NotFound("no_participant", "There is no such participant.")
    return _again(tx, participant_id), consult


def _locked_by_doctor(
    tx: Transaction, participant_id: str, actor: Actor, act: str
) -> tuple[ParticipantRow, ConsultRow]:
    participant = participants.get(tx, participant_id)
    if participant is None:
        raise NotFound("no_participant", "There is no such participant.")
    consult = planning.locked(tx, participant.consult_id, actor, act)
    if participant.staff_id:
        raise Refused("not_a_guest", "The doctor needs no admission.")
    return _again(tx, participant_id), consult


def _again(tx: Transaction, participant_id: str) -> ParticipantRow:
    row = participants.get(tx, participant_id)
    if row is None:
        raise NotFound("no_participant", "There is no such participant.")
    return row

"""What the database says about a consult, read once for everybody connected to it here."""

import msgspec

from candil.consults import gallery, waiting
from candil.consults import note as note_core
from candil.consults.gallery import Shown
from candil.consults.permissions import Role
from candil.store import consults, notes, participants, thread
from candil.store.consults import ConsultRow
from candil.store.notes import NoteOperationRow
from candil.store.participants import ParticipantRow
from candil.store.thread import MessageRow, TimelineRow
from candil.store.tx import Transaction

EVERYTHING = 100_000


class Since(msgspec.Struct, frozen=True):
    """Numbers after which something is new."""

    event: int = 0
    message: int = 0
    revision: int = 0

    def earliest(self, other: "Since") -> "Since":
        return Since(min(self.event, other.event), min(self.message, other.message), min(self.revision, other.revision))


class Presence(msgspec.Struct, frozen=True):
    """What somebody's page last said: it is there, and what it sends."""

    microphone: bool = False
    camera: bool = False


class People(msgspec.Struct, frozen=True):
    """The consult and who takes part. ``position`` in the doctor's line is 0 when the patient is not in it."""

    consult: ConsultRow
    participants: tuple[ParticipantRow, ...]
    position: int
    length: int

    def participant(self, participant_id: str) -> ParticipantRow | None:
        return next((p for p in self.participants if p.id == participant_id), None)


class Facts(msgspec.Struct, frozen=True):
    """People, and every row after ``since``."""

    people: People
    since: Since
    events: tuple[TimelineRow, ...]
    messages: tuple[MessageRow, ...]
    operations: tuple[NoteOperationRow, ...]
    presence: dict[str, Presence]
    attachments: dict[str, Shown] = {}  # those of the messages, by id

    @property
    def note(self) -> note_core.Note:
        """The whole note; only when the operations were read from the first on."""
        if self.since.revision:
            raise ValueError("the operations were not read from the first on")
        return note_core.fold(self.operations)


def read_people(tx: Transaction, consult_id: str) -> People | None:
    consult = consults.get(tx, consult_id)
    if consult is None:
        return None
    everybody = participants.of_consult(tx, consult_id)
    patient = next((p for p in everybody if p.role == Role.PATIENT), None)
    is_waiting = patient is not None and patient.admission == "waiting"
    position, length = waiting.position(tx, consult, patient.id) if patient is not None and is_waiting else (0, 0)
    return People(consult, tuple(everybody), position, length)


def read_facts(tx: Transaction, people: People, since: Since, presence: dict[str, Presence]) -> Facts:
    consult = people.consult
    operations: list[NoteOperationRow] = []
    if consult.note_revision > since.revision:
        operations = notes.operations_after(tx, consult.id, since.revision)
    messages = thread.messages_after(tx, consult.id, since.message, EVERYTHING)
    return Facts(
        people=people,
        since=since,
        events=tuple(thread.events_after(tx, consult.id, since.event, EVERYTHING)),
        messages=tuple(messages),
        operations=tuple(operations),
        presence=presence,
        attachments=gallery.of_consult(tx, consult.id) if any(row.attachment_id for row in messages) else {},
    )


def presence_of(members: dict[str, str]) -> dict[str, Presence]:
    """The bus's presence group (``participant/connection`` to JSON) by participant: any page of theirs counts."""
    found: dict[str, Presence] = {}
    for member, info in members.items():
        participant_id = member.partition("/")[0]
        try:
            said = msgspec.json.decode(info, type=Presence)
        except msgspec.DecodeError:
            continue  # written by another version of us
        known = found.get(participant_id, Presence())
        found[participant_id] = Presence(known.microphone or said.microphone, known.camera or said.camera)
    return found

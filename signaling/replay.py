"""What one connection has been told, and what it is to be told next.

A page says in its first message which numbers it has; from then on every look into the database gives it what
came after, in order. When what it may see changes (it was admitted, it was held), the numbers no longer tell
what it has, so everything visible is sent again from the start; pages drop what they know by its number.
"""

import json
from collections.abc import Iterable, Iterator

import msgspec

from candil.consults import visibility
from candil.consults.gallery import Shown
from candil.consults.permissions import Role
from candil.store.notes import NoteOperationRow
from candil.store.participants import ParticipantRow
from candil.store.thread import MessageRow, TimelineRow
from signaling.facts import Facts, People, Since
from signaling.messages import (
    Event,
    Hello,
    Message,
    Note,
    NoteConflict,
    NoteField,
    Outgoing,
    State,
    Sync,
    WholeNote,
)
from signaling.state import state_for

PAGE_ROWS = 100
PAGE_BYTES = 32 * 1024  # a page of a sync: small enough to get through a line that drops often


class Follower:
    """One connection's place in the consult's history."""

    def __init__(self, participant_id: str, hello: Hello, epoch: str) -> None:
        self.participant_id = participant_id
        same_history = hello.epoch == epoch
        self._seen = Since(hello.last_event, hello.last_message) if same_history else Since()
        self._visibility = hello.visibility if same_history else ""
        self._synced = False
        self._state: State | None = None

    def since(self, people: People) -> Since | None:
        """From where rows are needed; None when the participant is no longer there."""
        viewer = people.participant(self.participant_id)
        if viewer is None:
            return None
        if visibility.place(viewer) != self._visibility:
            return Since()
        return self._seen if self._synced else Since(self._seen.event, self._seen.message)

    def advance(self, facts: Facts) -> list[Outgoing]:
        """What to send now. ``facts`` must reach back to ``since``."""
        viewer, since = facts.people.participant(self.participant_id), self.since(facts.people)
        if viewer is None or since is None:
            return []
        state = state_for(viewer, facts)
        events = list(visible_events(viewer, facts, since.event))
        messages = list(visible_messages(viewer, facts, since.message))
        where = visibility.place(viewer)
        answer: list[Outgoing]
        if self._synced and where == self._visibility:
            answer = [*events, *messages]
            if viewer.role == Role.DOCTOR:
                answer += [note_message(row) for row in facts.operations if row.revision > since.revision]
            if state != self._state:
                answer.append(state)
        else:
            note = whole_note(facts) if viewer.role == Role.DOCTOR else None
            answer = list(sync_pages(state, events, messages, note, where))
        self._seen = _newest(facts, since)
        self._visibility, self._synced, self._state = where, True, state
        return answer


def visible_events(viewer: ParticipantRow, facts: Facts, after: int) -> Iterator[Event]:
    names = {p.staff_id: p.id for p in facts.people.participants if p.staff_id}
    known = {p.id for p in facts.people.participants}
    for row in facts.events:
        if row.seq > after and visibility.may_know(viewer, row):
            actor = names.get(row.actor, row.actor)
            yield event_message(row, actor if actor in known else "clinic")


def visible_messages(viewer: ParticipantRow, facts: Facts, after: int) -> Iterator[Message]:
    by_id = {p.id: p for p in facts.people.participants}
    for row in facts.messages:
        if row.seq > after and visibility.may_read(viewer, row, facts.people.consult, by_id):
            yield chat_message(row, facts.attachments.get(row.attachment_id or ""))


def sync_pages(
    state: State, events: Iterable[Event], messages: Iterable[Message], note: WholeNote | None, where: str
) -> Iterator[Sync]:
    """The same in bounded pieces; each has the state, the last has the note."""
    page: list[Event | Message] = []
    size_bytes = 0
    rows: list[Event | Message] = [*events, *messages]
    for row in rows:
        row_bytes = len(msgspec.json.encode(row))
        if page and (len(page) >= PAGE_ROWS or size_bytes + row_bytes > PAGE_BYTES):
            yield _page(state, page, None, more=True, where=where)
            page, size_bytes = [], 0
        page.append(row)
        size_bytes += row_bytes
    yield _page(state, page, note, more=False, where=where)


def _page(state: State, rows: list[Event | Message], note: WholeNote | None, *, more: bool, where: str) -> Sync:
    return Sync(
        state=state,
        events=tuple(row for row in rows if isinstance(row, Event)),
        messages=tuple(row for row in rows if isinstance(row, Message)),
        note=note,
        more=more,
        visibility=where,
    )


def whole_note(facts: Facts) -> WholeNote:
    note = facts.note
    return WholeNote(
        revision=note.revision,
        fields={name: NoteField(field.value, field.revision) for name, field in note.fields.items()},
        conflicts=tuple(NoteConflict(c.field, c.value, c.revision) for c in note.conflicts),
    )


def event_message(row: TimelineRow, actor: str) -> Event:
    """``actor`` is a participant, or ``clinic`` for anybody of the clinic who takes no part."""
    data = msgspec.Raw(json.dumps(json.loads(row.data), separators=(",", ":")).encode())
    return Event(row.seq, row.kind, actor, row.at, data)


def chat_message(row: MessageRow, shown: Shown | None = None) -> Message:
    attachment = shown.brief if shown else None
    return Message(row.seq, row.sender_id, row.body, row.at, row.client_id, row.client_seq, attachment)


def note_message(row: NoteOperationRow) -> Note:
    return Note(row.revision, row.field, row.value, row.outcome, row.client_id, row.client_seq, row.at)


def _newest(facts: Facts, since: Since) -> Since:
    return Since(
        max([since.event, *(row.seq for row in facts.events)]),
        max([since.message, *(row.seq for row in facts.messages)]),
        max([since.revision, *(row.revision for row in facts.operations)]),
    )

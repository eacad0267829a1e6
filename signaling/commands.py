"""The durable messages of the protocol as transactions: which use case each is, and what it answers."""

from collections.abc import Callable
from typing import cast

from candil.consults import notes, thread, waiting
from candil.consults.notes import NoteOperation
from candil.errors import NotFound
from candil.store import participants
from candil.store.tx import Transaction
from signaling.access import Identity
from signaling.messages import (
    AboutParticipant,
    Admit,
    ConversationEnd,
    ConversationReopen,
    Hold,
    Incoming,
    MessageAck,
    MessageSeen,
    MessageSend,
    NoteAck,
    NoteWrite,
    Outgoing,
    Refuse,
)

Answer = Outgoing | None
Command = Callable[[Transaction, Incoming, Identity, float], Answer]


def _send(tx: Transaction, message: Incoming, who: Identity, now: float) -> Answer:
    said = cast(MessageSend, message)
    posted = thread.post(
        tx,
        who.participant_id,
        said.body,
        client_id=said.client_id,
        client_seq=said.client_seq,
        actor=who.actor,
        now=now,
    )
    return MessageAck(said.client_id, said.client_seq, posted.message.seq, posted.message.at)


def _seen(tx: Transaction, message: Incoming, who: Identity, now: float) -> Answer:
    said = cast(MessageSeen, message)
    thread.mark_seen(tx, who.participant_id, delivered=said.delivered, read=said.read)
    return None


def _note(tx: Transaction, message: Incoming, who: Identity, now: float) -> Answer:
    said = cast(NoteWrite, message)
    operation = NoteOperation(said.client_id, said.client_seq, said.base_revision, said.field, said.value)
    row, _ = notes.write(tx, who.consult_id, operation, actor=who.actor, now=now)
    return NoteAck(said.client_id, said.client_seq, row.revision, row.outcome)


def _door(act: Callable[..., object]) -> Command:
    def command(tx: Transaction, message: Incoming, who: Identity, now: float) -> Answer:
        participant_id = cast(AboutParticipant, message).participant
        row = participants.get(tx, participant_id)
        if row is None or row.consult_id != who.consult_id:
            raise NotFound("no_participant", "There is no such participant.")
        act(tx, participant_id, actor=who.actor, now=now)
        return None

    return command


def _conversation(act: Callable[..., None]) -> Command:
    def command(tx: Transaction, message: Incoming, who: Identity, now: float) -> Answer:
        act(tx, who.consult_id, actor=who.actor, now=now)
        return None

    return command


COMMANDS: dict[type[Incoming], Command] = {
    MessageSend: _send,
    MessageSeen: _seen,
    NoteWrite: _note,
    Admit: _door(waiting.admit),
    Hold: _door(waiting.hold),
    Refuse: _door(waiting.refuse),
    ConversationEnd: _conversation(waiting.end_conversation),
    ConversationReopen: _conversation(waiting.reopen_conversation),
}


def run(tx: Transaction, message: Incoming, who: Identity, now: float) -> Answer:
    """Carry out a durable message; what to answer once it is committed."""
    return COMMANDS[type(message)](tx, message, who, now)

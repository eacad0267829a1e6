"""Messages of a consult: text is the base on which everything else hangs."""

import msgspec

from candil.consults import timeline
from candil.consults.permissions import Actor, require
from candil.errors import NotFound, PeerError
from candil.store import consults, participants, thread
from candil.store.consults import ConsultRow
from candil.store.participants import ParticipantRow
from candil.store.thread import MessageRow
from candil.store.tx import Transaction

MAX_BODY_CHARS = 4000


class Posted(msgspec.Struct, frozen=True):
    """The stored message; ``duplicate`` when it had been acknowledged before."""

    message: MessageRow
    duplicate: bool


def post(
    tx: Transaction, participant_id: str, body: str, *, client_id: str, client_seq: int, actor: Actor, now: float
) -> Posted:
    """Store a message once: (client_id, client_seq) repeated gives back what was stored the first time."""
    _, consult_id = _participant(tx, participant_id)
    consult = consults.lock(tx, consult_id)
    if consult is None:
        raise NotFound("no_consult", "There is no such consult.")
    participant, _ = _participant(tx, participant_id)  # as it is under the lock: they may have been refused meanwhile
    known = thread.message_by_client(tx, consult_id, client_id, client_seq)
    if known is not None:
        if known.sender_id != participant_id:
            raise PeerError("client_id_taken", "This client id belongs to somebody else.")
        return Posted(known, duplicate=True)
    require("message.send", actor.role, status=consult.status, admission=participant.admission)
    body = body.strip()
    if not body or len(body) > MAX_BODY_CHARS:
        raise PeerError("invalid_body", f"A message has from 1 to {MAX_BODY_CHARS} characters.", field="body")
    seq = thread.last_message_seq(tx, consult_id) + 1
    message = MessageRow(consult_id, seq, participant_id, client_id, client_seq, body, now)
    thread.add_message(tx, message)
    timeline.append(tx, consult, "message.posted", actor=actor.id, now=now, message=seq)
    return Posted(message, duplicate=False)


def attach(
    tx: Transaction, consult: ConsultRow, sender: ParticipantRow, attachment_id: str, *, private: bool, now: float
) -> MessageRow:
    """The message that shows an attachment, made with the first that there is to see of it. The caller has locked the
    consult and tells of it; ``private``: only the doctor and the sender read it."""
    known = thread.message_of_attachment(tx, attachment_id)
    if known is not None:
        return known
    seq = thread.last_message_seq(tx, consult.id) + 1
    audience = "doctor" if private else "all"
    message = MessageRow(consult.id, seq, sender.id, attachment_id, 1, "", now, audience, attachment_id)
    thread.add_message(tx, message)
    return message


def mark_seen(tx: Transaction, participant_id: str, *, delivered: int, read: int) -> ParticipantRow:
    """Move a participant's delivery and reading marks forward, never back or past what exists."""
    _, consult_id = _participant(tx, participant_id)
    consults.lock(tx, consult_id)
    participant, _ = _participant(tx, participant_id)  # under the lock: two pages of one person mark at once
    last = thread.last_message_seq(tx, consult_id)
    read = min(max(read, participant.read_seq), last)
    delivered = min(max(delivered, read, participant.delivered_seq), last)
    if (delivered, read) != (participant.delivered_seq, participant.read_seq):
        participants.update(tx, participant_id, delivered_seq=delivered, read_seq=read)
    return msgspec.structs.replace(participant, delivered_seq=delivered, read_seq=read)


def _participant(tx: Transaction, participant_id: str) -> tuple[ParticipantRow, str]:
    participant = participants.get(tx, participant_id)
    if participant is None:
        raise NotFound("no_participant", "There is no such participant.")
    return participant, participant.consult_id

"""Photos and voice notes that come over a bad line in pieces: each byte is taken once, the whole is checked and kept.

Whoever sends names the upload by an id of their page's own and says beforehand how long each part is and its SHA-256.
A chunk goes on where the last one ended: one that came twice changes nothing, one from further on is told where to go
on. When a part is complete and right, what was made of it is kept, what came is dropped, and the thread has a message
with the attachment: all in one transaction.
"""

import hashlib
from collections.abc import Mapping
from typing import Literal

import msgspec

from candil.consults import thread, timeline
from candil.consults.permissions import Actor, Role, require
from candil.errors import NotFound, PeerError, Refused
from candil.ids import IdSource
from candil.store import attachments as store
from candil.store import audit, consults, participants
from candil.store import thread as thread_rows
from candil.store.attachments import AttachmentRow, PartRow
from candil.store.consults import ConsultRow
from candil.store.participants import ParticipantRow
from candil.store.tx import Transaction

Kind = Literal["photo", "voice"]
PartName = Literal["preview", "full", "mp3"]
PARTS: tuple[PartName, ...] = ("preview", "full", "mp3")
MAX_SIDE: dict[PartName, int] = {"preview": 360, "full": 2560}  # pixels of what is kept of a photo
QUALITY: dict[PartName, int] = {"preview": 65, "full": 86}  # of JPEG: the full one is not to lose what the phone kept
MAX_VOICE_S = 120
MAX_CHUNK_BYTES = 32 * 1024
MAX_RECEIVING = 3  # of one participant; the oldest gives way
MAX_REFUSED = 50  # of one participant


class Rule(msgspec.Struct, frozen=True):
    """What an upload of a kind consists of: each part's most bytes, in the order of sending. ``most`` is how many of
    them one participant may have in a visit."""

    parts: dict[PartName, int]
    most: int


RULES: dict[Kind, Rule] = {
    "photo": Rule({"preview": 48 * 1024, "full": 1536 * 1024}, 40),
    "voice": Rule({"full": 2048 * 1024}, 60),  # two minutes as phones record that cannot be told to be frugal
}


class DeclaredPart(msgspec.Struct, frozen=True):
    """What will come: its length and the SHA-256 of it in hex."""

    bytes: int
    sha256: str


class Made(msgspec.Struct, frozen=True):
    """What is kept of a part, made anew from pixels or samples alone; ``also``: the same in other forms."""

    data: bytes
    width: int = 0  # pixels
    height: int = 0
    duration_ms: int = 0
    also: dict[PartName, bytes] = {}


class Progress(msgspec.Struct, frozen=True):
    """An upload as it stands. ``complete`` names the parts that came whole and are not kept yet."""

    attachment: AttachmentRow
    received: dict[str, int]
    kept: tuple[str, ...]
    complete: tuple[PartName, ...]


def begin(
    tx: Transaction,
    participant_id: str,
    upload_id: str,
    kind: Kind,
    declared: Mapping[PartName, DeclaredPart],
    *,
    actor: Actor,
    now: float,
    ids: IdSource,
) -> Progress:
    """Open an upload, or say how far it came: the same id with the same contents is the same upload."""
    _check_declared(kind, declared)
    return _open(tx, participant_id, upload_id, kind, declared, actor, now, ids)


def _open(
    tx: Transaction,
    participant_id: str,
    upload_id: str,
    kind: Kind,
    declared: Mapping[PartName, DeclaredPart],
    actor: Actor,
    now: float,
    ids: IdSource,
) -> Progress:
    consult, participant = _locked(tx, participant_id)
    known = store.by_upload(tx, participant_id, upload_id)
    if known is not None:
        _check_same(known, store.parts(tx, known.id), kind, declared)
        return progress(tx, known)
    require(f"{kind}.send", actor.role, status=consult.status, admission=participant.admission)
    _make_room(tx, consult, participant_id, kind, actor, now)
    attachment = AttachmentRow(
        ids.new_id("att"), consult.id, store.last_seq(tx, consult.id) + 1, participant_id, upload_id, kind,
        "receiving", now,
    )  # fmt: skip
    store.add(tx, attachment)
    for name, part in declared.items():
        store.add_part(tx, PartRow(attachment.id, name, part.bytes, part.sha256))
    audit.record(
        tx, at=now, clinic_id=consult.clinic_id, actor=actor.id, act=f"{kind}.begun", consult_id=consult.id,
        attachment=attachment.id,
    )  # fmt: skip
    return progress(tx, attachment)


def append(
    tx: Transaction, participant_id: str, upload_id: str, part: PartName, start: int, data: bytes, *, actor: Actor
) -> Progress:
    """Take the bytes of ``data`` that are new. Refused ``gap``, with ``received``: some before them are missing."""
    consult, participant = _locked(tx, participant_id)
    attachment = _upload(tx, participant_id, upload_id)
    row = _part(tx, attachment, part)
    if attachment.state != "receiving" or row.received_bytes == row.declared_bytes:
        return progress(tx, attachment)
    require(f"{attachment.kind}.send", actor.role, status=consult.status, admission=participant.admission)
    if not data or len(data) > MAX_CHUNK_BYTES or start + len(data) > row.declared_bytes:
        raise PeerError("invalid_chunk", f"A chunk has 1 to {MAX_CHUNK_BYTES} bytes and ends inside its part.")
    if start > row.received_bytes:
        raise Refused("gap", "Bytes before these are missing.", received=row.received_bytes)
    fresh = data[row.received_bytes - start :]
    if fresh:
        store.add_chunk(tx, attachment.id, part, row.received_bytes, fresh)
        store.update_part(tx, attachment.id, part, received_bytes=row.received_bytes + len(fresh))
    return progress(tx, attachment)


def whole(tx: Transaction, attachment: AttachmentRow, part: PartName) -> bytes:
    """A complete part as it came. Raises Refused ``wrong_hash`` when it is not what was declared."""
    data = store.chunks(tx, attachment.id, part)
    if hashlib.sha256(data).hexdigest() != _part(tx, attachment, part).declared_sha256:
        raise Refused("wrong_hash", "What came is not what was declared.")
    return data


def keep(
    tx: Transaction, attachment: AttachmentRow, part: PartName, made: Made, *, actor: Actor, now: float
) -> Progress:
    """Keep what was made of a part, drop what came, and show it in the thread; doing it again changes nothing."""
    consult, sender = _locked(tx, attachment.participant_id)
    fresh = _fresh(tx, attachment)
    if fresh.state != "receiving" or _part(tx, fresh, part).sha256:
        return progress(tx, fresh)
    for name, data in made.also.items():
        store.add_part(tx, PartRow(fresh.id, name, 0, ""))
        _fill(tx, fresh.id, name, data, made)
    _fill(tx, fresh.id, part, made.data, made)
    store.delete_chunks(tx, fresh.id, part)
    if part == "full":
        store.update(tx, fresh.id, state="kept", kept_at=now)
        store.delete_chunks(tx, fresh.id)  # of a preview that never came whole
    message = thread.attach(tx, consult, sender, fresh.id, private=_is_private(fresh, sender), now=now)
    news = "kept" if part == "full" else "previewed"
    _tell(tx, consult, sender, fresh, news, actor=actor, now=now, message=message.seq)
    return progress(tx, fresh)


def _fill(tx: Transaction, attachment_id: str, part: PartName, data: bytes, made: Made) -> None:
    store.update_part(
        tx, attachment_id, part, data=data, sha256=hashlib.sha256(data).hexdigest(), kept_bytes=len(data),
        width=made.width, height=made.height, duration_ms=made.duration_ms,
    )  # fmt: skip


def refuse(tx: Transaction, attachment: AttachmentRow, code: str, *, actor: Actor, now: float) -> Progress:
    """What came cannot be kept: it is dropped, and ``code`` says why."""
    consult, sender = _locked(tx, attachment.participant_id)
    fresh = _fresh(tx, attachment)
    if fresh.state != "receiving":
        return progress(tx, fresh)
    store.delete_chunks(tx, fresh.id)
    for name in store.parts(tx, fresh.id):
        store.update_part(tx, fresh.id, name, data=None, sha256="", kept_bytes=0, width=0, height=0)
    store.update(tx, fresh.id, state="refused", refusal=code)
    _tell(tx, consult, sender, fresh, "refused", actor=actor, now=now, reason=code)
    return progress(tx, fresh)


def take(
    tx: Transaction,
    participant_id: str,
    upload_id: str,
    kind: Kind,
    made: Mapping[PartName, Made],
    *,
    actor: Actor,
    now: float,
    ids: IdSource,
) -> Progress:
    """What came in one piece and is already made anew: opened and kept at once; the same id again changes nothing."""
    declared = {name: DeclaredPart(len(one.data), hashlib.sha256(one.data).hexdigest()) for name, one in made.items()}
    taken = _open(tx, participant_id, upload_id, kind, declared, actor, now, ids)
    for name, one in made.items():
        taken = keep(tx, taken.attachment, name, one, actor=actor, now=now)
    return taken


def heard(tx: Transaction, attachment: AttachmentRow, *, actor: Actor, now: float) -> bool:
    """A voice note was listened to by whom it was for: the doctor, or of the doctor's the patient. Whether that is
    news."""
    consult, sender = _locked(tx, attachment.participant_id)
    fresh = _fresh(tx, attachment)
    listener = Role.PATIENT if sender.role == Role.DOCTOR else Role.DOCTOR
    if fresh.kind != "voice" or fresh.heard_at is not None or actor.role != listener:
        return False
    store.update(tx, fresh.id, heard_at=now)
    _tell(tx, consult, sender, fresh, "heard", actor=actor, now=now)
    return True


def progress(tx: Transaction, attachment: AttachmentRow) -> Progress:
    """An upload as it stands now."""
    attachment = _fresh(tx, attachment)
    rows = store.parts(tx, attachment.id)
    waiting = attachment.state == "receiving"
    sent = {name: rows[name] for name in PARTS if name in rows and rows[name].declared_bytes}
    return Progress(
        attachment,
        received={name: row.received_bytes for name, row in sent.items()},
        kept=tuple(name for name in PARTS if name in rows and rows[name].sha256),
        complete=tuple(
            name
            for name, row in sent.items()
            if waiting and row.received_bytes == row.declared_bytes and not row.sha256
        ),
    )  # fmt: skip


def _tell(
    tx: Transaction,
    consult: ConsultRow,
    sender: ParticipantRow,
    attachment: AttachmentRow,
    news: str,
    *,
    actor: Actor,
    now: float,
    **data: object,
) -> None:
    """An event for whoever may see the attachment."""
    audience = timeline.STAFF if _is_private(attachment, sender) else timeline.EVERYBODY
    timeline.append(
        tx, consult, f"{attachment.kind}.{news}", actor=actor.id, now=now, audience=audience,
        attachment=attachment.id, participant=sender.id, **data,
    )  # fmt: skip


def _is_private(attachment: AttachmentRow, sender: ParticipantRow) -> bool:
    """A patient's or guest's photo is for the doctor who asked for it; what is said is said to the room."""
    return attachment.kind == "photo" and sender.role != Role.DOCTOR


def _locked(tx: Transaction, participant_id: str) -> tuple[ConsultRow, ParticipantRow]:
    """The consult, locked, and the participant as they are under the lock."""
    before = participants.get(tx, participant_id)
    consult = consults.lock(tx, before.consult_id) if before else None
    participant = participants.get(tx, participant_id)
    if consult is None or participant is None:
        raise NotFound("no_participant", "There is no such participant.")
    return consult, participant


def _fresh(tx: Transaction, attachment: AttachmentRow) -> AttachmentRow:
    """As it is in this transaction."""
    fresh = store.get(tx, attachment.id)
    if fresh is None:
        raise NotFound("no_upload", "There is no such upload; begin it.")
    return fresh


def _upload(tx: Transaction, participant_id: str, upload_id: str) -> AttachmentRow:
    attachment = store.by_upload(tx, participant_id, upload_id)
    if attachment is None:
        raise NotFound("no_upload", "There is no such upload; begin it.")
    return attachment


def _part(tx: Transaction, attachment: AttachmentRow, part: PartName) -> PartRow:
    row = store.parts(tx, attachment.id).get(part)
    if row is None or not row.declared_bytes:
        raise NotFound("no_part", "This upload has no such part.")
    return row


def _check_declared(kind: Kind, declared: Mapping[PartName, DeclaredPart]) -> None:
    most = RULES[kind].parts
    if "full" not in declared or not declared.keys() <= most.keys():
        raise PeerError("invalid_upload", f"A {kind} has the parts {', '.join(most)}.", field="parts")
    for name, part in declared.items():
        if not 0 < part.bytes <= most[name]:
            raise PeerError("too_large", f"{name} has 1 to {most[name]} bytes.", field=name)


def _check_same(
    attachment: AttachmentRow, known: dict[str, PartRow], kind: Kind, declared: Mapping[PartName, DeclaredPart]
) -> None:
    was = {name: (row.declared_bytes, row.declared_sha256) for name, row in known.items() if row.declared_bytes}
    if attachment.kind != kind or was != {name: (part.bytes, part.sha256) for name, part in declared.items()}:
        raise PeerError("upload_id_taken", "This upload id was used for something else.")


def _make_room(tx: Transaction, consult: ConsultRow, participant_id: str, kind: Kind, actor: Actor, now: float) -> None:
    """Limits are each participant's own, so that nobody can use up another's."""
    own = [row for row in store.of_consult(tx, consult.id) if row.participant_id == participant_id]
    if sum(row.state != "refused" and row.kind == kind for row in own) >= RULES[kind].most:
        raise Refused(f"too_many_{kind}s", f"A visit keeps at most {RULES[kind].most} of each person.")
    if sum(row.state == "refused" for row in own) >= MAX_REFUSED:
        raise Refused(f"too_many_{kind}s", "Too many uploads of this person could not be kept.")
    receiving = [row for row in own if row.state == "receiving"]
    for row in receiving[: max(0, len(receiving) - MAX_RECEIVING + 1)]:
        if thread_rows.message_of_attachment(tx, row.id) is not None:
            refuse(tx, row, "given_up", actor=actor, now=now)
        else:
            store.delete(tx, row.id)

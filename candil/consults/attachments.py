"""Pictures that come over a bad line in pieces: each byte is taken once, the whole is checked and then kept.

A participant's page names the upload by an id of its own and says beforehand how long each part is and its SHA-256.
A chunk goes on where the last one ended: one that came twice changes nothing, one from further on is told where to go
on. When a part is complete and right, its redrawn form is kept and what came is dropped.
"""

import hashlib
from typing import Literal

import msgspec

from candil.consults import timeline
from candil.consults.permissions import Actor, require
from candil.errors import NotFound, PeerError, Refused
from candil.ids import IdSource
from candil.store import attachments as store
from candil.store import audit, consults, participants
from candil.store.attachments import AttachmentRow, PartRow
from candil.store.consults import ConsultRow
from candil.store.participants import ParticipantRow
from candil.store.tx import Transaction

PartName = Literal["preview", "full"]
PARTS: tuple[PartName, ...] = ("preview", "full")
MAX_BYTES = {"preview": 48 * 1024, "full": 1536 * 1024}
MAX_SIDE = {"preview": 360, "full": 2560}  # pixels of what is kept
QUALITY = {"preview": 65, "full": 86}  # of JPEG: the full one is not to lose what the phone had kept
MAX_CHUNK_BYTES = 32 * 1024
MAX_KEPT_PER_CONSULT = 40
MAX_RECEIVING = 3  # of one participant; the oldest gives way
MAX_REFUSED_PER_CONSULT = 100


class DeclaredPart(msgspec.Struct, frozen=True):
    """What will come: its length and the SHA-256 of it in hex."""

    bytes: int
    sha256: str


class Picture(msgspec.Struct, frozen=True):
    """A redrawn picture: JPEG without metadata."""

    jpeg: bytes
    width: int
    height: int


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
    declared: dict[PartName, DeclaredPart],
    *,
    actor: Actor,
    now: float,
    ids: IdSource,
) -> Progress:
    """Open an upload, or say how far it came: the same id with the same contents is the same upload."""
    _check_declared(declared)
    return _open(tx, participant_id, upload_id, declared, actor, now, ids)


def _open(
    tx: Transaction,
    participant_id: str,
    upload_id: str,
    declared: dict[PartName, DeclaredPart],
    actor: Actor,
    now: float,
    ids: IdSource,
) -> Progress:
    consult, participant = _locked(tx, participant_id)
    known = store.by_upload(tx, participant_id, upload_id)
    if known is not None:
        _check_same(store.parts(tx, known.id), declared)
        return progress(tx, known)
    require("photo.send", actor.role, status=consult.status, admission=participant.admission)
    everything = store.of_consult(tx, consult.id)
    _make_room(tx, everything, participant_id)
    attachment = AttachmentRow(
        ids.new_id("att"), consult.id, store.last_seq(tx, consult.id) + 1, participant_id, upload_id, "photo",
        "receiving", now,
    )  # fmt: skip
    store.add(tx, attachment)
    for name, part in declared.items():
        store.add_part(tx, PartRow(attachment.id, name, part.bytes, part.sha256))
    audit.record(
        tx, at=now, clinic_id=consult.clinic_id, actor=actor.id, act="photo.begun", consult_id=consult.id,
        photo=attachment.id,
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
    require("photo.send", actor.role, status=consult.status, admission=participant.admission)
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
    tx: Transaction, attachment: AttachmentRow, part: PartName, picture: Picture, *, actor: Actor, now: float
) -> Progress:
    """Keep the redrawn part and drop what came; doing it again changes nothing."""
    consult, _ = _locked(tx, attachment.participant_id)
    fresh = store.get(tx, attachment.id)
    if fresh is None:
        raise NotFound("no_photo", "There is no such photo.")
    if fresh.state != "receiving" or _part(tx, fresh, part).sha256:
        return progress(tx, fresh)
    store.update_part(
        tx, fresh.id, part, data=picture.jpeg, sha256=hashlib.sha256(picture.jpeg).hexdigest(),
        width=picture.width, height=picture.height,
    )  # fmt: skip
    store.delete_chunks(tx, fresh.id, part)
    if part == "full":
        store.update(tx, fresh.id, state="kept", kept_at=now)
        store.delete_chunks(tx, fresh.id)  # of a preview that never came whole
    kind = "photo.kept" if part == "full" else "photo.previewed"
    _tell(tx, consult, kind, fresh, actor=actor, now=now)
    return progress(tx, store.get(tx, fresh.id) or fresh)


def refuse(tx: Transaction, attachment: AttachmentRow, code: str, *, actor: Actor, now: float) -> Progress:
    """What came cannot be kept: it is dropped, and ``code`` says why."""
    consult, _ = _locked(tx, attachment.participant_id)
    fresh = store.get(tx, attachment.id)
    if fresh is None:
        raise NotFound("no_photo", "There is no such photo.")
    if fresh.state != "receiving":
        return progress(tx, fresh)
    store.delete_chunks(tx, fresh.id)
    for name in store.parts(tx, fresh.id):
        store.update_part(tx, fresh.id, name, data=None, sha256="", width=0, height=0)
    store.update(tx, fresh.id, state="refused", refusal=code)
    _tell(tx, consult, "photo.refused", fresh, actor=actor, now=now, reason=code)
    return progress(tx, store.get(tx, fresh.id) or fresh)


def take(
    tx: Transaction,
    participant_id: str,
    upload_id: str,
    pictures: dict[PartName, Picture],
    *,
    actor: Actor,
    now: float,
    ids: IdSource,
) -> Progress:
    """A photo that came in one piece, already redrawn: opened and kept at once; the same id again changes nothing."""
    declared = {
        name: DeclaredPart(len(picture.jpeg), hashlib.sha256(picture.jpeg).hexdigest())
        for name, picture in pictures.items()
    }
    taken = _open(tx, participant_id, upload_id, declared, actor, now, ids)
    for name, picture in pictures.items():
        taken = keep(tx, taken.attachment, name, picture, actor=actor, now=now)
    return taken


def progress(tx: Transaction, attachment: AttachmentRow) -> Progress:
    rows = store.parts(tx, attachment.id)
    waiting = attachment.state == "receiving"
    return Progress(
        attachment,
        received={name: row.received_bytes for name, row in rows.items()},
        kept=tuple(name for name in PARTS if name in rows and rows[name].sha256),
        complete=tuple(
            name
            for name in PARTS
            if waiting and name in rows and rows[name].received_bytes == rows[name].declared_bytes
            and not rows[name].sha256
        ),
    )  # fmt: skip


def _tell(
    tx: Transaction,
    consult: ConsultRow,
    kind: str,
    attachment: AttachmentRow,
    *,
    actor: Actor,
    now: float,
    **data: object,
) -> None:
    timeline.append(
        tx, consult, kind, actor=actor.id, now=now, audience=timeline.STAFF, photo=attachment.id,
        participant=attachment.participant_id, **data,
    )  # fmt: skip


def _locked(tx: Transaction, participant_id: str) -> tuple[ConsultRow, ParticipantRow]:
    """The consult, locked, and the participant as they are under the lock."""
    before = participants.get(tx, participant_id)
    consult = consults.lock(tx, before.consult_id) if before else None
    participant = participants.get(tx, participant_id)
    if consult is None or participant is None:
        raise NotFound("no_participant", "There is no such participant.")
    return consult, participant


def _upload(tx: Transaction, participant_id: str, upload_id: str) -> AttachmentRow:
    attachment = store.by_upload(tx, participant_id, upload_id)
    if attachment is None:
        raise NotFound("no_upload", "There is no such upload; begin it.")
    return attachment


def _part(tx: Transaction, attachment: AttachmentRow, part: PartName) -> PartRow:
    row = store.parts(tx, attachment.id).get(part)
    if row is None:
        raise NotFound("no_part", "This upload has no such part.")
    return row


def _check_declared(declared: dict[PartName, DeclaredPart]) -> None:
    if "full" not in declared:
        raise PeerError("invalid_upload", "A photo has a full part.", field="full")
    for name, part in declared.items():
        if not 0 < part.bytes <= MAX_BYTES[name]:
            raise PeerError("too_large", f"{name} has 1 to {MAX_BYTES[name]} bytes.", field=name)


def _check_same(known: dict[str, PartRow], declared: dict[PartName, DeclaredPart]) -> None:
    was = {name: (row.declared_bytes, row.declared_sha256) for name, row in known.items()}
    if was != {name: (part.bytes, part.sha256) for name, part in declared.items()}:
        raise PeerError("upload_id_taken", "This upload id was used for something else.")


def _make_room(tx: Transaction, everything: list[AttachmentRow], participant_id: str) -> None:
    if sum(row.state != "refused" for row in everything) >= MAX_KEPT_PER_CONSULT:
        raise Refused("too_many_photos", f"A visit keeps at most {MAX_KEPT_PER_CONSULT} photos.")
    if sum(row.state == "refused" for row in everything) >= MAX_REFUSED_PER_CONSULT:
        raise Refused("too_many_photos", "Too many uploads of this visit could not be kept.")
    receiving = [row for row in everything if row.participant_id == participant_id and row.state == "receiving"]
    for row in receiving[: max(0, len(receiving) - MAX_RECEIVING + 1)]:
        store.delete(tx, row.id)

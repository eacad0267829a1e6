"""The photos and voice notes of a consult as its people may see and hear them."""

from collections.abc import Iterable

import msgspec

from candil.consults import attachments, visibility
from candil.consults.attachments import PARTS, PartName
from candil.consults.permissions import Actor, Role
from candil.errors import NotFound
from candil.store import attachments as store
from candil.store import audit, participants, thread
from candil.store.attachments import AttachmentRow, PartRow
from candil.store.consults import ConsultRow
from candil.store.thread import MessageRow
from candil.store.tx import Transaction


class Brief(msgspec.Struct, frozen=True):
    """An attachment as pages are told of it with its message. ``state``: receiving (only a preview is here), kept or
    refused; ``bytes`` of what is looked at or listened to, ``size`` of its preview in pixels."""

    id: str
    kind: str
    upload: str
    state: str
    bytes: int
    size: tuple[int, int]
    duration_ms: int
    heard: bool


class Shown(msgspec.Struct, frozen=True):
    """An attachment as people see it: the pixels of a photo's two parts ((0, 0): not here yet), the length of a voice
    note, and the bytes of each part that is kept."""

    id: str
    seq: int
    kind: str
    upload: str
    participant_id: str
    at: float
    state: str
    preview: tuple[int, int]
    full: tuple[int, int]
    duration_ms: int
    bytes: dict[str, int]
    heard: bool

    @property
    def brief(self) -> Brief:
        whole = self.bytes.get("full", 0)
        return Brief(self.id, self.kind, self.upload, self.state, whole, self.preview, self.duration_ms, self.heard)


def of_consult(tx: Transaction, consult_id: str) -> dict[str, Shown]:
    """By id, oldest first: every attachment that is in the thread, refused ones too."""
    rows = store.of_consult(tx, consult_id)
    parts = store.parts_of_consult(tx, consult_id) if rows else {}
    found = {row.id: _shown(row, parts.get(row.id, {})) for row in rows}
    return {id_: one for id_, one in found.items() if one.bytes or one.state == "refused"}


def _shown(row: AttachmentRow, parts: dict[str, PartRow]) -> Shown:
    kept = {name: parts[name] for name in PARTS if name in parts and parts[name].sha256}
    size = {name: (part.width, part.height) for name, part in kept.items()}
    full = kept.get("full")
    return Shown(
        row.id, row.seq, row.kind, row.upload_id, row.participant_id, row.kept_at or row.created_at, row.state,
        preview=size.get("preview") or size.get("full", (0, 0)),
        full=size.get("full", (0, 0)),
        duration_ms=full.duration_ms if full else 0,
        bytes={name: part.kept_bytes for name, part in kept.items()},
        heard=row.heard_at is not None,
    )  # fmt: skip


def readable(tx: Transaction, consult: ConsultRow, viewer_id: str = "") -> list[Shown]:
    """What is kept of the consult's attachments, in the order of the thread, as far as a participant may read it
    (none: the doctor)."""
    messages = [row for row in thread.messages_after(tx, consult.id, 0, limit=100_000) if row.attachment_id]
    if viewer_id:
        messages = _readable_messages(tx, consult, viewer_id, messages)
    shown = of_consult(tx, consult.id) if messages else {}
    found = [shown[row.attachment_id] for row in messages if row.attachment_id in shown]
    return [one for one in found if one.bytes]


def _readable_messages(
    tx: Transaction, consult: ConsultRow, viewer_id: str, messages: Iterable[MessageRow]
) -> list[MessageRow]:
    by_id = {person.id: person for person in participants.of_consult(tx, consult.id)}
    viewer = by_id.get(viewer_id)
    return [row for row in messages if viewer and visibility.may_read(viewer, row, consult, by_id)]


def view(
    tx: Transaction, consult: ConsultRow, attachment_id: str, part: PartName, *, actor: Actor
) -> tuple[AttachmentRow, bytes]:
    """One kept part, for whoever may read its message.

    A picture that came whole without a preview shows as its own preview.
    """
    attachment = store.get(tx, attachment_id)
    if attachment is None or attachment.consult_id != consult.id or not _may_see(tx, consult, attachment, actor):
        raise NotFound("no_attachment", "There is no such attachment.")
    data = store.data(tx, attachment.id, part)
    if data is None and part == "preview":
        data = store.data(tx, attachment.id, "full")
    if data is None:
        raise NotFound("no_attachment", "There is no such attachment.")
    return attachment, data


def note_viewed(tx: Transaction, attachment: AttachmentRow, *, actor: Actor, now: float) -> bool:
    """Somebody was given the whole of it; whether that is news to others. That it was the doctor is kept."""
    if actor.role == Role.DOCTOR:
        audit.record(
            tx, at=now, clinic_id=actor.clinic_id, actor=actor.id, act=f"{attachment.kind}.view",
            consult_id=attachment.consult_id, attachment=attachment.id,
        )  # fmt: skip
    return attachments.heard(tx, attachment, actor=actor, now=now)


def _may_see(tx: Transaction, consult: ConsultRow, attachment: AttachmentRow, actor: Actor) -> bool:
    if actor.role == Role.DOCTOR or actor.participant_id == attachment.participant_id:
        return True
    message = thread.message_of_attachment(tx, attachment.id)
    return message is not None and bool(_readable_messages(tx, consult, actor.participant_id, [message]))

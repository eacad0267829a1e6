"""The photos of a consult as its people may see them."""

import msgspec

from candil.consults.attachments import PartName
from candil.consults.permissions import Actor, Role
from candil.errors import NotFound
from candil.store import attachments as store
from candil.store import audit
from candil.store.attachments import AttachmentRow
from candil.store.tx import Transaction


class Shown(msgspec.Struct, frozen=True):
    """A picture of the consult as people see it; a size of (0, 0): that part is not here yet."""

    id: str
    seq: int
    participant_id: str
    at: float
    preview: tuple[int, int]
    full: tuple[int, int]
    full_bytes: int
    received_bytes: int

    @property
    def percent(self) -> int:
        return 100 * self.received_bytes // max(1, self.full_bytes)


def shown(tx: Transaction, consult_id: str, participant_id: str = "") -> list[Shown]:
    """The pictures of a consult of which there is something to see, oldest first; only one participant's if given."""
    found = []
    for row in store.of_consult(tx, consult_id):
        rows = store.parts(tx, row.id)
        size = {name: (part.width, part.height) if part.sha256 else (0, 0) for name, part in rows.items()}
        if row.state == "refused" or not any(part.sha256 for part in rows.values()):
            continue
        if participant_id in ("", row.participant_id):
            full = rows["full"]
            preview = size.get("preview", (0, 0))
            found.append(
                Shown(
                    row.id, row.seq, row.participant_id, row.kept_at or row.created_at,
                    preview if preview != (0, 0) else size["full"], size["full"], full.declared_bytes,
                    full.received_bytes,
                )
            )  # fmt: skip
    return found


def view(
    tx: Transaction, consult_id: str, attachment_id: str, part: PartName, *, actor: Actor, now: float
) -> tuple[AttachmentRow, bytes]:
    """One kept part: for the doctor of the consult, and for whoever sent it. That the full one was seen is kept.

    A picture that came whole without a preview shows as its own preview.
    """
    attachment = store.get(tx, attachment_id)
    owned = attachment is not None and (actor.role == Role.DOCTOR or actor.participant_id == attachment.participant_id)
    if attachment is None or attachment.consult_id != consult_id or not owned:
        raise NotFound("no_photo", "There is no such photo.")
    data = store.data(tx, attachment.id, part)
    if data is None and part == "preview":
        data = store.data(tx, attachment.id, "full")
    if data is None:
        raise NotFound("no_photo", "There is no such photo.")
    if part == "full" and actor.role == Role.DOCTOR:
        audit.record(
            tx, at=now, clinic_id=actor.clinic_id, actor=actor.id, act="photo.view", consult_id=consult_id,
            photo=attachment.id,
        )  # fmt: skip
    return attachment, data

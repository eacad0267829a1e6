"""The note as a plain form: what differs from what the form was made with becomes note operations. Pure."""

import hashlib
from collections.abc import Mapping

import msgspec

from candil.consults import note as core
from candil.consults.note import Note
from candil.consults.notes import NoteOperation

WHEN_DATE, WHEN_TIME = "next_action.date", "next_action.time"
PARTS = tuple(part for part in core.PRESCRIPTION_PARTS if part != "removed")


class PrescriptionRow(msgspec.Struct, frozen=True):
    """One line of the prescriptions, as the page shows it."""

    id: str
    parts: dict[str, str]


def prescriptions(note: Note) -> list[PrescriptionRow]:
    return [
        PrescriptionRow(rx, {part: note.text(f"prescriptions.{rx}.{part}") for part in PARTS})
        for rx in note.prescription_ids()
    ]


def operations(form: Mapping[str, str], before: Note) -> list[NoteOperation]:
    """The edits a submitted form makes, against the note as it was when the form was shown (``before``).

    The idempotency key is made from the content: the same form sent twice is the same operations.
    """
    changes = {name: value for name, value in _values(form).items() if value != _shown(before, name)}
    digest = hashlib.sha256(repr((before.revision, sorted(changes.items()))).encode()).hexdigest()
    return [
        NoteOperation(f"form-{digest[:24]}", seq, before.revision, name, value)
        for seq, (name, value) in enumerate(sorted(changes.items(), key=_order), start=1)
    ]


def settlement(choice: str, now: Note) -> NoteOperation | None:
    """What ``use:<revision>`` or ``keep:<revision>`` does about an open conflict; None when there is none such."""
    act, _, revision = choice.partition(":")
    for conflict in now.conflicts:
        if act in ("use", "keep") and str(conflict.revision) == revision:
            value = conflict.value if act == "use" else _shown(now, conflict.field)
            return NoteOperation(f"settle-{act}", conflict.revision, now.revision, conflict.field, value)
    return None


def _shown(note: Note, name: str) -> str:
    state = note.fields.get(name)
    return state.value if state else ""


def _values(form: Mapping[str, str]) -> dict[str, str]:
    fields = core.TEXT_FIELDS | {core.CODE_FIELD} | set(core.CHOICES)
    found = {name: value for name, value in form.items() if name in fields or name.startswith("prescriptions.")}
    if WHEN_DATE in form:
        day, time = form[WHEN_DATE], form.get(WHEN_TIME, "")
        found["next_action.when"] = f"{day}T{time[:5]}" if day and time else day
    return found


def _order(change: tuple[str, str]) -> tuple[bool, str]:
    """The medicine before the other parts: rows keep the order in which they were first written."""
    return not change[0].endswith(".medicine"), change[0]

"""The doctor's note as a fold over its operations. Pure.

An operation sets one field. It says which revision its author had seen (``base_revision``); if somebody else
set the same field after that to something different, the operation is kept as a conflict: the field stays as
it is, both texts remain, and the author is asked. Setting the field again settles it.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Literal, Protocol

import msgspec

from candil.errors import PeerError

MAX_VALUE_CHARS = 10_000
MAX_PRESCRIPTIONS = 40
CERTAINTIES = ("provisional", "confirmed")
NEXT_ACTIONS = ("none", "control", "appointment", "laboratory", "imaging", "referral", "call", "emergency")

Outcome = Literal["applied", "conflict"]

TEXT_FIELDS = frozenset(
    {"reason", "findings", "diagnosis.text", "instructions", "next_action.detail", "next_action.when"}
)
CODE_FIELD = "diagnosis.code"  # "system|code" of an imported list, or empty
CHOICES: dict[str, tuple[str, ...]] = {
    "diagnosis.certainty": ("", *CERTAINTIES),
    "next_action.kind": ("", *NEXT_ACTIONS),
}
PRESCRIPTION_PARTS = ("medicine", "dose", "route", "frequency", "duration", "instructions", "removed")
_PRESCRIPTION = re.compile(rf"prescriptions\.([a-z0-9]{{1,16}})\.({'|'.join(PRESCRIPTION_PARTS)})")
_WHEN = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d)?|")


class Operation(Protocol):
    """What the fold reads of an operation; the stored row has it."""

    @property
    def revision(self) -> int: ...
    @property
    def client_id(self) -> str: ...
    @property
    def field(self) -> str: ...
    @property
    def value(self) -> str: ...
    @property
    def outcome(self) -> str: ...


class FieldState(msgspec.Struct, frozen=True):
    value: str
    revision: int
    client_id: str


class Conflict(msgspec.Struct, frozen=True):
    """A text that lost against a newer one of somebody else and waits for a person to choose."""

    field: str
    value: str
    revision: int


class Note(msgspec.Struct, frozen=True):
    """The note at a revision: fields by name, and what waits to be settled."""

    revision: int
    fields: dict[str, FieldState]
    conflicts: tuple[Conflict, ...]

    def text(self, field: str) -> str:
        state = self.fields.get(field)
        return state.value.strip() if state else ""

    def prescription_ids(self) -> list[str]:
        """Ids of prescriptions not removed, in the order they were first written."""
        first: dict[str, int] = {}
        for field, state in self.fields.items():
            if (match := _PRESCRIPTION.fullmatch(field)) and not self.text(f"prescriptions.{match[1]}.removed"):
                first[match[1]] = min(first.get(match[1], state.revision), state.revision)
        return sorted(first, key=lambda rx: (first[rx], rx))


def fold(operations: Iterable[Operation]) -> Note:
    """The note that operations in order of revision make."""
    fields: dict[str, FieldState] = {}
    open_conflicts: dict[str, list[Conflict]] = {}
    revision = 0
    for operation in operations:
        revision = operation.revision
        if operation.outcome == "applied":
            fields[operation.field] = FieldState(operation.value, operation.revision, operation.client_id)
            open_conflicts.pop(operation.field, None)
        else:
            conflict = Conflict(operation.field, operation.value, operation.revision)
            open_conflicts.setdefault(operation.field, []).append(conflict)
    return Note(revision, fields, tuple(c for many in open_conflicts.values() for c in many))


def judge(note: Note, *, field: str, value: str, base_revision: int, client_id: str) -> Outcome:
    """Whether an operation applies or conflicts with what somebody else wrote since ``base_revision``."""
    current = note.fields.get(field)
    if current is None or current.revision <= base_revision:
        return "applied"
    return "applied" if current.client_id == client_id or current.value == value else "conflict"


def check(note: Note, field: str, value: str) -> None:
    """Raises PeerError when there is no such field or it cannot hold the value."""
    if len(value) > MAX_VALUE_CHARS:
        raise PeerError("value_too_long", f"A field takes at most {MAX_VALUE_CHARS} characters.", field=field)
    if field in CHOICES:
        if value not in CHOICES[field]:
            raise PeerError("invalid_choice", f"{field} is one of {CHOICES[field]}", field=field)
    elif match := _PRESCRIPTION.fullmatch(field):
        existing = {m[1] for f in note.fields if (m := _PRESCRIPTION.fullmatch(f))}
        if match[1] not in existing and len(existing) >= MAX_PRESCRIPTIONS:
            raise PeerError("too_many_prescriptions", "The note is full.", field=field)
    elif field == "next_action.when":
        if not _is_date(value):
            raise PeerError("invalid_date", "A date is YYYY-MM-DD or YYYY-MM-DDThh:mm.", field=field)
    elif field not in TEXT_FIELDS and field != CODE_FIELD:
        raise PeerError("unknown_field", "There is no such field.", field=field)


def _is_date(value: str) -> bool:
    if not _WHEN.fullmatch(value):
        return False
    try:
        return not value or bool(datetime.fromisoformat(value))
    except ValueError:  # the 30th of February has the right shape
        return False

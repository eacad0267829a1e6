"""The signed record of a visit: what the doctor signed, whole, as it leaves for every receiver.

It is built once, at signing, from the note, the consent and the timeline; its canonical JSON is
stored, hashed and put into the ``consultation.completed`` event. Nothing downstream looks anything
else up, so a delivery made days later tells exactly what was signed.
"""

import hashlib
from typing import Literal

import msgspec

Modality = Literal["video", "stills", "audio", "text", "interrupted"]
NextActionKind = Literal["none", "control", "appointment", "laboratory", "imaging", "referral", "call", "emergency"]
DiagnosisCertainty = Literal["provisional", "confirmed"]


class Identifier(msgspec.Struct, frozen=True):
    """A business identifier: ``system`` is the URI of the clinic's identifier system."""

    system: str
    value: str


class Person(msgspec.Struct, frozen=True):
    """A patient or a practitioner as the record names them."""

    identifier: Identifier
    name: str
    phone: str = ""


class Diagnosis(msgspec.Struct, frozen=True):
    """The diagnostic impression: text always, code only from the clinic's imported list."""

    text: str
    code_system: str = ""
    code: str = ""
    code_display: str = ""
    certainty: DiagnosisCertainty = "provisional"


class Prescription(msgspec.Struct, frozen=True):
    id: str
    medicine: str
    dose: str = ""
    route: str = ""
    frequency: str = ""
    duration: str = ""
    instructions: str = ""


class NextAction(msgspec.Struct, frozen=True):
    """What happens next. ``when`` is a date (YYYY-MM-DD), a date-time with offset, or empty;
    ``detail`` is the doctor's words."""

    kind: NextActionKind
    when: str = ""
    detail: str = ""


class ConsentGiven(msgspec.Struct, frozen=True):
    """The consent of this visit; times are RFC 3339 with offset, the hash is SHA-256 hex of the exact text."""

    id: str
    status: Literal["active", "rejected", "inactive"]
    wording_version: str
    wording_locale: str
    wording_sha256: str
    wording_uri: str
    given_by: str
    recorded_at: str
    method: str
    representative_relation: str = ""


class ModalitySegment(msgspec.Struct, frozen=True):
    """A stretch of the visit as the patient took part in it; RFC 3339 with offset. ``stills``: a voice with a picture
    every few seconds. ``interrupted``: nothing was heard of their line."""

    modality: Modality
    start: str
    end: str


class FinalRecord(msgspec.Struct, frozen=True):
    """Everything a receiver needs of one finished virtual visit. All times RFC 3339 with the clinic's offset."""

    consult_id: str
    clinic_id: str
    clinic_name: str
    clinic_identifier: Identifier | None
    time_zone: str
    locale: str
    revision: int
    patient: Person
    practitioner: Person
    scheduled_at: str
    arrived_at: str
    started_at: str
    finished_at: str
    signed_at: str
    reason: str
    findings: str
    diagnosis: Diagnosis
    prescriptions: tuple[Prescription, ...]
    instructions: str
    next_action: NextAction
    consent: ConsentGiven
    segments: tuple[ModalitySegment, ...]

    def to_json(self) -> bytes:
        """Canonical JSON: keys in declared order, no spaces, UTF-8."""
        return msgspec.json.encode(self)

    def sha256(self) -> str:
        return hashlib.sha256(self.to_json()).hexdigest()


def decode(data: bytes | str) -> FinalRecord:
    """Read a stored record; raises msgspec.ValidationError when it is not one."""
    return msgspec.json.decode(data, type=FinalRecord)

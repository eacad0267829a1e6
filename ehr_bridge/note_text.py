"""The signed note as plain text: every datum of the minimum record, one section each."""

from candil.consults.record import FinalRecord
from ehr_bridge.mapping.medication_request import dosage_text
from ehr_bridge.wording import word


def render_note(record: FinalRecord) -> str:
    """Deterministic: the same record gives the same bytes. Ends with a newline."""
    sections = [_heading(record)]
    for key, body in (
        ("reason", record.reason),
        ("findings", record.findings),
        ("diagnosis", _diagnosis(record)),
        ("prescriptions", _prescriptions(record)),
        ("instructions", record.instructions),
        ("next", _next_action(record)),
        ("consented", _consent(record)),
        ("modality", _modalities(record)),
    ):
        if body.strip():
            sections.append(f"{word(key, record.locale).upper()}\n{body.strip()}")
    sections.append(f"{word('signed', record.locale)}: {record.practitioner.name}, {record.signed_at}")
    return "\n\n".join(sections) + "\n"


def _heading(record: FinalRecord) -> str:
    locale = record.locale
    patient, physician = record.patient, record.practitioner
    lines = (
        word("note", locale).upper(),
        f"{word('clinic', locale)}: {record.clinic_name}",
        f"{word('patient', locale)}: {patient.name} ({patient.identifier.value})",
        f"{word('physician', locale)}: {physician.name} ({physician.identifier.value})",
        f"{word('visit', locale)}: {record.started_at} – {record.finished_at}",
    )
    return "\n".join(lines)


def _diagnosis(record: FinalRecord) -> str:
    diagnosis = record.diagnosis
    code = f" [{diagnosis.code}]" if diagnosis.code else ""
    return f"{diagnosis.text}{code} ({word(diagnosis.certainty, record.locale)})"


def _prescriptions(record: FinalRecord) -> str:
    lines = []
    for number, prescription in enumerate(record.prescriptions, start=1):
        dosage = dosage_text(prescription)
        lines.append(f"{number}. {prescription.medicine}" + (f": {dosage}" if dosage else ""))
    return "\n".join(lines)


def _next_action(record: FinalRecord) -> str:
    action = record.next_action
    parts = (word(action.kind, record.locale), action.when, action.detail)
    return " · ".join(part for part in parts if part)


def _consent(record: FinalRecord) -> str:
    consent = record.consent
    who = consent.given_by
    if consent.representative_relation:
        who += f" ({consent.representative_relation})"
    version = f"{consent.wording_locale} {consent.wording_version}"
    return f"{who}, {consent.recorded_at}, {version}, SHA-256 {consent.wording_sha256}"


def _modalities(record: FinalRecord) -> str:
    return "\n".join(f"{s.start} – {s.end}: {word(s.modality, record.locale)}" for s in record.segments)

"""Signed records for the tests: accents, every field, and one place to change any of it."""

import msgspec

from candil.consults.record import (
    ConsentGiven,
    Diagnosis,
    FinalRecord,
    Identifier,
    ModalitySegment,
    NextAction,
    Person,
    Prescription,
)
from ehr_bridge.bundle import TransactionBundle, build_transaction
from ehr_bridge.targets import FhirTarget
from tests.support.fhir_official import assert_conforms

CLINIC_BASE = "https://clinica.example/fhir/sid/"
PATIENT_SYSTEM = CLINIC_BASE + "cedula"
PRACTITIONER_SYSTEM = CLINIC_BASE + "mpps"
ORGANIZATION_SYSTEM = CLINIC_BASE + "rif"


def fhir_target(**changes: object) -> FhirTarget:
    settings: dict[str, object] = {
        "name": "ehr",
        "base_url": "http://127.0.0.1:1/fhir",
        "identifier_base": CLINIC_BASE,
        **changes,
    }
    return FhirTarget(**settings)  # type: ignore[arg-type]


def full_record(**changes: object) -> FinalRecord:
    """A visit with everything in it, as a Venezuelan clinic would sign it."""
    return msgspec.structs.replace(_FULL, **changes)


def checked_bundle(record: FinalRecord, target: FhirTarget | None = None) -> TransactionBundle:
    """Build the transaction, and fail unless all of it conforms to the official 4.0.1 definitions."""
    bundle = build_transaction(record, target or fhir_target(), version="0.0.0-test")
    assert_conforms(bundle.as_json())
    return bundle


def resources(bundle: TransactionBundle, type_: str) -> list[dict]:
    """The resources of one type in the bundle, in order."""
    entries = bundle.as_json()["entry"]
    return [e["resource"] for e in entries if e["resource"]["resourceType"] == type_]  # type: ignore[union-attr]


_FULL = FinalRecord(
    consult_id="con_7m2k9qv0c3t8xw1z",
    clinic_id="clinic",
    clinic_name="Clínica Ávila Norte",
    clinic_identifier=Identifier(ORGANIZATION_SYSTEM, "J-31234567-8"),
    time_zone="America/Caracas",
    locale="es",
    revision=1,
    patient=Person(Identifier(PATIENT_SYSTEM, "V12345678"), "Begoña Núñez Peña", "+584141234567"),
    practitioner=Person(Identifier(PRACTITIONER_SYSTEM, "MPPS 98765"), "Dra. Inés Güell"),
    scheduled_at="2026-01-02T10:00:00-04:00",
    arrived_at="2026-01-02T09:55:00-04:00",
    started_at="2026-01-02T10:00:03.125-04:00",
    finished_at="2026-01-02T10:20:00-04:00",
    signed_at="2026-01-02T10:24:10-04:00",
    reason="Cefalea de 3 días, «como un casco»",
    findings="Sin signos de alarma. TA 120/80 referida por la paciente; ánimo bueno.",
    diagnosis=Diagnosis(
        text="Cefalea tensional",
        code_system="http://hl7.org/fhir/sid/icd-10",
        code="G44.2",
        code_display="Cefalea debida a tensión",
        certainty="provisional",
    ),
    prescriptions=(
        Prescription(
            id="rx1",
            medicine="Acetaminofén 500 mg tabletas",
            dose="1 tableta",
            route="vía oral",
            frequency="cada 8 horas",
            duration="3 días",
            instructions="No pasar de 4 g al día <si duele>",
        ),
        Prescription(id="rx2", medicine="Reposo & compresas frías"),
    ),
    instructions="Hidratación, dormir 8 horas. Volver si hay fiebre o visión doble.",
    next_action=NextAction(kind="control", when="2026-01-16", detail="Control en 2 semanas"),
    consent=ConsentGiven(
        id="cns_1",
        status="active",
        wording_version="2026-01",
        wording_locale="es",
        wording_sha256="9f" * 32,
        wording_uri="https://clinica.example/consent/es/2026-01",
        given_by="Begoña Núñez Peña",
        recorded_at="2026-01-02T09:54:00-04:00",
        method="link",
    ),
    segments=(
        ModalitySegment("video", "2026-01-02T10:00:03-04:00", "2026-01-02T10:08:00-04:00"),
        ModalitySegment("audio", "2026-01-02T10:08:00-04:00", "2026-01-02T10:15:00-04:00"),
        ModalitySegment("text", "2026-01-02T10:15:00-04:00", "2026-01-02T10:20:00-04:00"),
    ),
)

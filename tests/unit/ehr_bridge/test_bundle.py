"""The transaction as a whole: the golden copy, determinism, and what makes a repetition harmless."""

import json
from pathlib import Path
from urllib.parse import parse_qsl
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from ehr_bridge.bundle import build_transaction
from ehr_bridge.errors import MappingRefused
from ehr_bridge.mapping.context import identifier_query
from ehr_bridge.mapping.plain import clean_record
from tests.support.fhir_records import CLINIC_BASE, checked_bundle, fhir_target, full_record

GOLDEN = Path(__file__).parent / "golden" / "full_visit.json"


def test_full_visit_is_the_golden_bundle() -> None:
    bundle = checked_bundle(full_record(), fhir_target(organization="conditional"))
    assert bundle.as_json() == json.loads(GOLDEN.read_text()), "if meant, regenerate the golden file and read its diff"


def test_same_record_gives_the_same_bytes() -> None:
    first = checked_bundle(full_record())
    again = checked_bundle(msgspec.json.decode(full_record().to_json(), type=FinalRecord))
    assert first.body == again.body


def test_lean_shape() -> None:
    bundle = checked_bundle(full_record(prescriptions=full_record().prescriptions[:1]))
    assert bundle.entry_types == (
        "Encounter",
        "Condition",
        "MedicationRequest",
        "ServiceRequest",
        "Consent",
        "DocumentReference",
        "Provenance",
    )
    entries = bundle.as_json()["entry"]
    for entry in entries[:-1]:
        identifier = entry["resource"]["identifier"][0]
        request = entry["request"]
        assert request["method"] == "POST"
        assert request["url"] == entry["resource"]["resourceType"]
        assert request["ifNoneExist"] == f"identifier={identifier['system']}|{identifier['value']}"
        assert identifier["system"].startswith(CLINIC_BASE)
    provenance = entries[-1]
    assert provenance["request"] == {"method": "PUT", "url": f"Provenance/{provenance['resource']['id']}"}
    assert provenance["fullUrl"] == f"urn:uuid:{provenance['resource']['id']}"
    assert [t["reference"] for t in provenance["resource"]["target"]] == [e["fullUrl"] for e in entries[:-1]]


def test_ids_belong_to_one_consult_and_clinic() -> None:
    urls = {e["fullUrl"] for e in checked_bundle(full_record()).as_json()["entry"]}
    other_consult = {e["fullUrl"] for e in checked_bundle(full_record(consult_id="con_2")).as_json()["entry"]}
    other_clinic = checked_bundle(full_record(), fhir_target(identifier_base="https://otra.example/sid/"))
    assert urls.isdisjoint(other_consult)
    assert urls.isdisjoint({e["fullUrl"] for e in other_clinic.as_json()["entry"]})


def test_condition_prefix_for_servers_that_want_it() -> None:
    bundle = checked_bundle(full_record(), fhir_target(condition_prefix=True))
    assert bundle.as_json()["entry"][0]["request"]["ifNoneExist"].startswith("Encounter?identifier=")


def test_conditional_reference_survives_odd_identifiers() -> None:
    """What a server reads after undoing the URL's escapes is FHIR's own escaping of system and value."""
    query = identifier_query("https://c.example/sid/a b", "V-1|2,3$4\\5&x=ñ")
    assert parse_qsl(query) == [("identifier", "https://c.example/sid/a b|V-1\\|2\\,3\\$4\\\\5&x=ñ")]


def test_narratives_are_well_formed_and_escaped() -> None:
    prescription = Prescription("rx1", "A < B & C", instructions="</div><script>x</script>")
    bundle = checked_bundle(full_record(prescriptions=(prescription,), reason="<b>dolor</b> & más"))
    for entry in bundle.as_json()["entry"]:
        text = entry["resource"].get("text")
        if text:
            root = ElementTree.fromstring(text["div"])
            assert {element.tag.split("}")[1] for element in root.iter()} == {"div", "p"}


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("diagnosis.certainty", {"diagnosis": Diagnosis("x", certainty="seguro")}),  # type: ignore[arg-type]
        ("diagnosis.code_system", {"diagnosis": Diagnosis("x", code="G44")}),
        ("diagnosis.code", {"diagnosis": Diagnosis("x", code_system="urn:x", code="G44 ")}),
        ("diagnosis.text", {"diagnosis": Diagnosis("  ")}),
        ("next_action.kind", {"next_action": NextAction("surgery")}),  # type: ignore[arg-type]
        ("next_action.when", {"next_action": NextAction("control", "mañana")}),
        ("next_action.when", {"next_action": NextAction("control", "2026-02-30")}),
        ("next_action.when", {"next_action": NextAction("control", "2026-01-16T09:00:00")}),
        ("segments[0].modality", {"segments": (ModalitySegment("fax", "", ""),)}),  # type: ignore[arg-type]
        ("consent.status", {"consent": "draft"}),
        ("reason", {"reason": ""}),
        ("patient.identifier", {"patient": Person(Identifier("cedula", "1"), "x")}),
        ("patient.identifier", {"patient": Person(Identifier("urn:x", " "), "x")}),
        ("practitioner.identifier", {"practitioner": Person(Identifier("", "1"), "x")}),
        ("started_at..finished_at", {"finished_at": "2026-01-02T09:00:00-04:00"}),
        ("started_at..finished_at.start", {"started_at": "2026-01-02T10:00:00"}),
        ("started_at..finished_at.end", {"finished_at": ""}),
        ("prescriptions[0].medicine", {"prescriptions": (Prescription("rx", " "),)}),
        ("prescriptions[0].id", {"prescriptions": (Prescription("a|b", "x"),)}),
        ("prescriptions", {"prescriptions": (Prescription("a", "x"), Prescription("a", "y"))}),
        ("locale", {"locale": "fr"}),
        ("revision", {"revision": 2}),
        ("consult_id", {"consult_id": "a b"}),
    ],
)
def test_refused_with_the_fields_name(field: str, changes: dict) -> None:
    if "consent" in changes:
        changes = {"consent": msgspec.structs.replace(full_record().consent, status=changes["consent"])}
    with pytest.raises(MappingRefused) as refusal:
        build_transaction(full_record(**changes), fhir_target())
    assert refusal.value.field == field


def test_organization_asked_for_but_unknown_is_refused() -> None:
    with pytest.raises(MappingRefused, match="clinic_identifier"):
        build_transaction(full_record(clinic_identifier=None), fhir_target(organization="conditional"))


_text = st.text(max_size=60)
_when = st.sampled_from(["", "2026-01-16", "2026-01-16T09:00:00-04:00", "2026-01-16T09:00:00.5Z"])
_kinds = st.sampled_from(["none", "control", "appointment", "laboratory", "imaging", "referral", "call", "emergency"])


@settings(max_examples=60, deadline=None)
@given(
    reason=_text,
    diagnosis=st.builds(
        Diagnosis,
        text=_text,
        code_system=st.sampled_from(["", "http://hl7.org/fhir/sid/icd-10"]),
        code=st.sampled_from(["", "G44.2"]),
        code_display=_text,
    ),
    medicine=_text,
    instructions=_text,
    action=st.builds(NextAction, kind=_kinds, when=_when, detail=_text),
    status=st.sampled_from(["active", "rejected", "inactive"]),
    given_by=_text,
    relation=_text,
    names=st.tuples(_text, _text),
    locale=st.sampled_from(["es", "es-VE", "en"]),
)
def test_any_words_conform_or_are_refused_by_name(
    reason: str,
    diagnosis: Diagnosis,
    medicine: str,
    instructions: str,
    action: NextAction,
    status: str,
    given_by: str,
    relation: str,
    names: tuple[str, str],
    locale: str,
) -> None:
    consent: ConsentGiven = msgspec.structs.replace(
        full_record().consent, status=status, given_by=given_by, representative_relation=relation
    )
    record = full_record(
        reason=reason,
        diagnosis=diagnosis,
        prescriptions=(Prescription("rx1", medicine, instructions=instructions),),
        next_action=action,
        consent=consent,
        clinic_name=names[0],
        locale=locale,
    )
    cleaned = clean_record(record)
    missing = [
        name
        for name, value in (("reason", cleaned.reason), ("diagnosis.text", cleaned.diagnosis.text))
        if not value.strip()
    ]
    if diagnosis.code and not diagnosis.code_system:
        missing.append("diagnosis.code_system")
    if not cleaned.prescriptions[0].medicine.strip():
        missing.append("prescriptions[0].medicine")
    if not missing:
        checked_bundle(record)
        return
    with pytest.raises(MappingRefused) as refusal:
        build_transaction(record, fhir_target())
    assert refusal.value.field in missing

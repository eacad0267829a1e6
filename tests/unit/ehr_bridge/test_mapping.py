"""Each concept of the minimum record, where a receiver looks for it."""

import base64
import hashlib

import msgspec
import pytest

from candil.consults.record import Diagnosis, ModalitySegment, NextAction, Prescription
from ehr_bridge.note_text import render_note
from tests.support.fhir_records import checked_bundle, fhir_target, full_record, resources


def only(type_: str, **changes: object) -> dict:
    (resource,) = resources(checked_bundle(full_record(**changes)), type_)
    return resource


def test_encounter_is_a_finished_virtual_visit() -> None:
    encounter = only("Encounter")
    assert encounter["status"] == "finished"
    assert encounter["class"]["code"] == "VR"
    assert encounter["period"] == {"start": "2026-01-02T10:00:03-04:00", "end": "2026-01-02T10:20:00-04:00"}
    assert [h["status"] for h in encounter["statusHistory"]] == ["arrived", "in-progress"]
    assert encounter["subject"]["reference"].startswith("Patient?identifier=")
    assert encounter["participant"][0]["individual"]["reference"].startswith("Practitioner?identifier=")
    assert encounter["reasonCode"] == [{"text": "Cefalea de 3 días, «como un casco»"}]


def test_modalities_are_class_history_with_standard_codes() -> None:
    history = only("Encounter")["classHistory"]
    assert [h["extension"][0]["valueCoding"]["code"] for h in history] == ["VIDEOCONF", "PHONE", "ONLINEWRIT"]
    assert {h["class"]["code"] for h in history} == {"VR"}


def test_stills_have_a_code_of_our_own_and_a_gap_is_a_hole() -> None:
    clock = [f"2026-01-02T10:{minute:02}:00-04:00" for minute in (0, 5, 6, 20)]
    told = zip(("stills", "interrupted", "audio"), clock, clock[1:], strict=False)
    record = full_record(segments=tuple(ModalitySegment(*stretch) for stretch in told))  # type: ignore[arg-type]
    (encounter,) = resources(checked_bundle(record), "Encounter")
    first, second = encounter["classHistory"]
    assert first["extension"][0]["valueCoding"] == {
        "system": "https://clinica.example/fhir/CodeSystem/encounter-modality",
        "code": "stills",
        "display": "voice with still pictures",
    }
    assert (first["period"]["end"], second["period"]["start"]) == (clock[1], clock[2])
    assert second["extension"][0]["valueCoding"]["code"] == "PHONE"
    assert f"{clock[1]} – {clock[2]}: línea interrumpida" in render_note(record)
    assert "voice with still pictures" in render_note(msgspec.structs.replace(record, locale="en"))


def test_visit_without_waiting_or_segments() -> None:
    encounter = only("Encounter", arrived_at="", segments=())
    assert [h["status"] for h in encounter["statusHistory"]] == ["in-progress"]
    assert "classHistory" not in encounter


def test_condition_carries_text_always_and_code_only_when_given() -> None:
    condition = only("Condition")
    assert condition["code"]["coding"][0]["code"] == "G44.2"
    plain = only("Condition", diagnosis=Diagnosis("Migraña", certainty="confirmed"))
    assert plain["code"] == {"text": "Migraña"}
    assert plain["verificationStatus"]["coding"][0]["code"] == "confirmed"
    assert plain["clinicalStatus"]["coding"][0]["code"] == "active"


def test_one_medication_request_a_drug() -> None:
    first, second = resources(checked_bundle(full_record()), "MedicationRequest")
    assert first["medicationCodeableConcept"]["text"] == "Acetaminofén 500 mg tabletas"
    dosage = first["dosageInstruction"][0]
    assert dosage["text"] == "1 tableta; vía oral; cada 8 horas; 3 días; No pasar de 4 g al día <si duele>"
    assert dosage["route"] == {"text": "vía oral"}
    assert "dosageInstruction" not in second
    assert (first["status"], first["intent"]) == ("active", "order")


@pytest.mark.parametrize(
    ("kind", "intent", "priority"),
    [
        ("control", "plan", "routine"),
        ("laboratory", "order", "routine"),
        ("imaging", "order", "routine"),
        ("referral", "order", "routine"),
        ("emergency", "order", "stat"),
    ],
)
def test_service_requests(kind: str, intent: str, priority: str) -> None:
    request = only("ServiceRequest", next_action=NextAction(kind, "2026-01-16"))  # type: ignore[arg-type]
    assert (request["intent"], request["priority"], request["status"]) == (intent, priority, "active")
    assert request["occurrenceDateTime"] == "2026-01-16"


def test_appointment_with_a_time_is_booked_with_an_end() -> None:
    appointment = only("Appointment", next_action=NextAction("appointment", "2026-01-16T09:00:00-04:00"))
    assert appointment["status"] == "booked"
    assert (appointment["start"], appointment["end"]) == ("2026-01-16T13:00:00Z", "2026-01-16T13:30:00Z")
    assert len(appointment["participant"]) == 2


@pytest.mark.parametrize("when", ["", "2026-01-16"])
def test_appointment_without_a_time_is_only_proposed(when: str) -> None:
    appointment = only("Appointment", next_action=NextAction("appointment", when))
    assert appointment["status"] == "proposed"
    assert "start" not in appointment
    assert appointment.get("requestedPeriod", []) == ([{"start": when, "end": when}] if when else [])


def test_call_is_a_task_for_the_staff() -> None:
    task = only("Task", next_action=NextAction("call", "2026-01-05", "Preguntar por la fiebre"))
    assert task["description"] == "Preguntar por la fiebre"
    assert task["restriction"]["period"] == {"start": "2026-01-05", "end": "2026-01-05"}


def test_no_next_action_no_entry() -> None:
    bundle = checked_bundle(full_record(next_action=NextAction("none")))
    assert not {"ServiceRequest", "Appointment", "Task"} & set(bundle.entry_types)


def test_consent_names_the_wording_and_who_gave_it() -> None:
    consent = only("Consent")
    assert consent["status"] == "active"
    assert consent["policy"] == [{"uri": "https://clinica.example/consent/es/2026-01"}]
    assert "9f9f" in consent["sourceAttachment"]["title"]
    assert consent["performer"][0]["display"] == "Begoña Núñez Peña"
    assert consent["provision"]["type"] == "permit"
    assert consent["verification"][0]["verified"] is True


@pytest.mark.parametrize("status", ["rejected", "inactive"])
def test_refused_consent_permits_nothing(status: str) -> None:
    given = msgspec.structs.replace(full_record().consent, status=status)
    consent = only("Consent", consent=given)
    assert consent["status"] == status
    assert "provision" not in consent
    assert "verification" not in consent


def test_representative_is_named_with_the_relation() -> None:
    given = msgspec.structs.replace(full_record().consent, given_by="Luis Peña", representative_relation="padre")
    performer = only("Consent", consent=given)["performer"][0]
    assert performer == {"type": "RelatedPerson", "display": "Luis Peña (padre)"}


def test_note_is_plain_text_with_hash_and_everything_in_it() -> None:
    document = only("DocumentReference")
    attachment = document["content"][0]["attachment"]
    data = base64.b64decode(attachment["data"])
    assert attachment["size"] == len(data)
    assert base64.b64decode(attachment["hash"]) == hashlib.sha1(data).digest()
    assert full_record().sha256() in document["description"]
    note = data.decode()
    record = full_record()
    for part in (
        record.patient.name,
        record.patient.identifier.value,
        record.practitioner.name,
        record.reason,
        record.findings,
        record.diagnosis.text,
        record.prescriptions[0].medicine,
        record.prescriptions[1].medicine,
        record.instructions,
        record.next_action.detail,
        record.consent.wording_sha256,
        record.signed_at,
    ):
        assert part in note


def test_note_speaks_the_records_language() -> None:
    document = only("DocumentReference", locale="en", prescriptions=())
    note = base64.b64decode(document["content"][0]["attachment"]["data"]).decode()
    assert note.startswith("TELECONSULTATION NOTE\n")
    assert "PRESCRIPTIONS" not in note


def test_provenance_names_author_and_assembler() -> None:
    provenance = only("Provenance")
    assert [a["type"]["coding"][0]["code"] for a in provenance["agent"]] == ["author", "assembler"]
    assert provenance["recorded"] == "2026-01-02T14:24:10Z"


def test_organization_where_the_target_asks_for_it() -> None:
    bundle = checked_bundle(full_record(), fhir_target(organization="conditional"))
    (encounter,) = resources(bundle, "Encounter")
    assert encounter["serviceProvider"]["reference"].startswith("Organization?identifier=")
    assert "serviceProvider" not in only("Encounter")


def test_characters_fhir_cannot_carry_are_taken_out() -> None:
    request = only("Encounter", reason="dolor\x00 de\u00a0cabeza\u2028fuerte")
    assert request["reasonCode"][0]["text"] == "dolor de cabeza fuerte"


def test_prescription_ids_key_the_requests() -> None:
    (request,) = resources(checked_bundle(full_record(prescriptions=(Prescription("rx_9", "x"),))), "MedicationRequest")
    assert request["identifier"][0]["value"].endswith("-rx-rx_9")

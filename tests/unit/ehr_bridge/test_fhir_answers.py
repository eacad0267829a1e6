"""What a FHIR server's answers mean: to the transaction, and to reading it back."""

import json

import pytest

from ehr_bridge.delivery import Accepted, Answered, Hopeless, NotThere, Outcome, PatientUnknown, Proved, Unreachable
from ehr_bridge.profiles.transaction import (
    EncounterFound,
    encounter_query,
    judge_encounter,
    judge_patient,
    judge_transaction,
    request_headers,
    transaction_headers,
)
from tests.support.fhir_records import checked_bundle, fhir_target, full_record

RECORD = full_record()
BUNDLE = checked_bundle(RECORD)
ENTRIES = len(BUNDLE.entry_types)


def outcome_body(text: str = "", code: str = "invalid") -> bytes:
    issue = {"severity": "error", "code": code, "diagnostics": text}
    return json.dumps({"resourceType": "OperationOutcome", "issue": [issue]}).encode()


def response_body(statuses: list[str], type_: str = "transaction-response") -> bytes:
    entries = [{"response": {"status": status}} for status in statuses]
    return json.dumps({"resourceType": "Bundle", "type": type_, "entry": entries}).encode()


def judge(status: int, body: bytes, retry_after_s: float | None = None) -> Outcome:
    return judge_transaction(status, body, retry_after_s, BUNDLE, RECORD)


@pytest.mark.parametrize("type_", ["transaction-response", "batch-response"])
def test_every_entry_stored_is_accepted(type_: str) -> None:
    assert judge(200, response_body(["201 Created"] * (ENTRIES - 1) + ["200 OK"], type_)) == Accepted()


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b"<html>", outcome_body(), response_body(["201"] * (ENTRIES - 1)), response_body([])],
)
def test_success_without_every_entry_is_not_success(body: bytes) -> None:
    assert isinstance(judge(200, body), NotThere)


def test_one_bad_entry_of_a_batch_in_disguise_is_named() -> None:
    refused = judge(200, response_body(["201 Created"] * (ENTRIES - 1) + ["503 Busy"], "batch-response"))
    assert isinstance(refused, Answered)
    assert refused.status == 503
    assert refused.why.startswith("Provenance: HTTP 503")
    missing = judge(200, response_body(["201 Created"] * (ENTRIES - 1) + [""]))
    assert isinstance(missing, Answered)


@pytest.mark.parametrize("status", [400, 403, 405, 413, 415, 422, 501])
def test_refusals_that_repetition_cannot_change(status: int) -> None:
    refused = judge(status, outcome_body("no"))
    assert isinstance(refused, Hopeless)
    assert f"HTTP {status}" in refused.why


@pytest.mark.parametrize("status", [401, 408, 409, 425, 429, 500, 502, 503, 504])
def test_refusals_for_now(status: int) -> None:
    refused = judge(status, outcome_body("no"), 7.0)
    assert isinstance(refused, Answered)
    assert (refused.status, refused.retry_after_s) == (status, 7.0)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (404, "Entry 0: conditional reference 'Patient?identifier=s|V1' matched nothing"),
        (412, "conditional reference 'Patient?identifier=s|V1' matched 2 resources"),
        (400, "HAPI-1091: Invalid match URL Patient?identifier=s%7CV1 - No resources match this search"),
        (412, "multiple matches"),
    ],
)
def test_unknown_or_doubled_patient(status: int, text: str) -> None:
    assert isinstance(judge(status, outcome_body(text, "not-found")), PatientUnknown)


def test_unknown_practitioner_is_not_the_patients_queue() -> None:
    refused = judge(404, outcome_body("conditional reference 'Practitioner?identifier=s|1' matched nothing"))
    assert isinstance(refused, Unreachable)
    assert "Practitioner" in refused.why


@pytest.mark.parametrize("status", [400, 403, 404, 412, 422])
def test_refusal_by_something_that_is_no_fhir_server_is_retried(status: int) -> None:
    assert isinstance(judge(status, b"<html>not found</html>"), Unreachable)


ENCOUNTER = {
    "resourceType": "Encounter",
    "id": "e1",
    "status": "finished",
    "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "VR"},
    "subject": {"reference": "Patient/p1"},
}


def searchset(*encounters: dict) -> bytes:
    entries = [{"resource": encounter} for encounter in encounters]
    return json.dumps({"resourceType": "Bundle", "type": "searchset", "entry": entries}).encode()


@pytest.mark.parametrize("reference", ["Patient/p1", "https://ehr.example/fhir/Patient/p1", "Patient/p1/_history/3"])
def test_encounter_as_sent_leads_to_its_patient(reference: str) -> None:
    encounter = {**ENCOUNTER, "subject": {"reference": reference}}
    assert judge_encounter(200, searchset(encounter), None, RECORD) == EncounterFound("Encounter/e1", "Patient/p1")


@pytest.mark.parametrize(
    ("encounters", "kind"),
    [
        ([], NotThere),
        ([ENCOUNTER, ENCOUNTER], Hopeless),
        ([{**ENCOUNTER, "class": {"code": "VR"}}], Hopeless),
        ([{**ENCOUNTER, "class": {"system": ENCOUNTER["class"]["system"], "code": "AMB"}}], Hopeless),  # type: ignore[index]
        ([{**ENCOUNTER, "status": "unknown"}], Hopeless),
        ([{**ENCOUNTER, "subject": {}}], Hopeless),
        ([{**ENCOUNTER, "subject": {"reference": "Group/1"}}], Hopeless),
    ],
)
def test_encounter_that_is_not_what_was_sent(encounters: list[dict], kind: type) -> None:
    assert isinstance(judge_encounter(200, searchset(*encounters), None, RECORD), kind)


def test_reading_back_that_fails_proves_nothing_either_way() -> None:
    assert isinstance(judge_encounter(200, b"<html>", None, RECORD), Unreachable)
    assert isinstance(judge_encounter(503, b"", None, RECORD), Answered)
    assert isinstance(judge_encounter(403, outcome_body(), None, RECORD), Answered)


def test_proof_needs_the_records_own_patient() -> None:
    found = EncounterFound("Encounter/e1", "Patient/p1")
    identifier = {"system": RECORD.patient.identifier.system, "value": RECORD.patient.identifier.value}
    right = json.dumps({"resourceType": "Patient", "identifier": [{"system": "x", "value": "y"}, identifier]})
    wrong = json.dumps({"resourceType": "Patient", "identifier": [{**identifier, "value": "V999"}]})
    assert judge_patient(200, right.encode(), None, RECORD, found) == Proved("Encounter/e1")
    assert isinstance(judge_patient(200, wrong.encode(), None, RECORD, found), Hopeless)
    assert isinstance(judge_patient(500, b"", None, RECORD, found), Answered)


def test_requests_say_what_they_need() -> None:
    assert encounter_query(BUNDLE) == (
        "Encounter?identifier=https://clinica.example/fhir/sid/consultation|con_7m2k9qv0c3t8xw1z"
    )
    basic = fhir_target(auth="basic", username="candil", password="ñ")
    assert request_headers(basic)["Authorization"] == "Basic Y2FuZGlsOsOx"
    assert request_headers(fhir_target(auth="bearer", token="t"))["Authorization"] == "Bearer t"
    assert "Authorization" not in request_headers(fhir_target())
    assert request_headers(fhir_target())["Cache-Control"] == "no-cache"
    assert transaction_headers(fhir_target())["Content-Type"] == "application/fhir+json"

"""Delivery to a real FHIR R4 server: once, whatever goes wrong between."""

import asyncio
from pathlib import Path

import pytest

from candil.consults.record import FinalRecord, Identifier, NextAction, Person
from ehr_bridge.aio.demo import seed_demo_ehr
from ehr_bridge.aio.http import HttpAnswer, HttpClient
from ehr_bridge.aio.probe import probe
from ehr_bridge.bundle import build_transaction
from ehr_bridge.profiles.transaction import transaction_headers
from ehr_bridge.targets import FhirTarget
from tests.support import fhir_faults as faults
from tests.support.eventually import eventually
from tests.support.fhir_faults import Fault, FaultProxy
from tests.support.fhir_outbox import Outbox
from tests.support.fhir_records import PATIENT_SYSTEM, PRACTITIONER_SYSTEM, fhir_target, full_record
from tests.support.fhir_server import FhirServer

KINDS = {
    "Encounter": "consultation",
    "Condition": "diagnosis",
    "MedicationRequest": "prescription",
    "ServiceRequest": "next-action",
    "Appointment": "next-action",
    "Task": "next-action",
    "Consent": "consent",
    "DocumentReference": "note",
}


def target_of(base_url: str, **changes: object) -> FhirTarget:
    return fhir_target(base_url=base_url, **changes)


def stored(server: FhirServer, record: FinalRecord) -> dict[str, int]:
    """How many resources of each type the server holds of this visit."""
    (encounter,) = server.search("Encounter", identifier=record.consult_id) or [None]
    counts = {}
    for type_ in KINDS:
        every = [i["value"] for r in server.search(type_) for i in r.get("identifier", [])]
        counts[type_] = sum(value.startswith(record.consult_id) for value in every)
    if encounter is not None:
        reference = f"Encounter/{encounter['id']}"
        provenances = server.search("Provenance")
        counts["Provenance"] = sum(t["reference"] == reference for p in provenances for t in p["target"])
    return {type_: count for type_, count in counts.items() if count}


COMPLETE = {
    "Encounter": 1,
    "Condition": 1,
    "MedicationRequest": 2,
    "ServiceRequest": 1,
    "Consent": 1,
    "DocumentReference": 1,
    "Provenance": 1,
}


async def test_visit_lands_whole_and_is_proved(outbox: Outbox, proxy: FaultProxy, fhir_server: FhirServer) -> None:
    record = await outbox.sign()
    await outbox.deliver(target_of(proxy.base_url))
    row = await outbox.delivery(record)
    assert (row.state, row.last_error) == ("received", "")
    assert outbox.states(record) == ["sent", "received"]
    assert row.received_at is not None
    assert stored(fhir_server, record) == COMPLETE
    (encounter,) = fhir_server.search("Encounter", identifier=record.consult_id)
    assert row.detail == f"Encounter/{encounter['id']}"
    assert encounter["class"]["code"] == "VR"
    assert encounter["reasonCode"][0]["text"] == record.reason
    (patient,) = fhir_server.search("Patient", identifier=record.patient.identifier.value)
    assert encounter["subject"]["reference"] == f"Patient/{patient['id']}"


@pytest.mark.parametrize(
    ("kind", "type_"), [("appointment", "Appointment"), ("call", "Task"), ("imaging", "ServiceRequest")]
)
async def test_each_kind_of_next_action_lands(
    outbox: Outbox, proxy: FaultProxy, fhir_server: FhirServer, kind: str, type_: str
) -> None:
    action = NextAction(kind, "2026-01-16T09:00:00-04:00", "Según lo hablado")  # type: ignore[arg-type]
    record = await outbox.sign(full_record(next_action=action))
    await outbox.deliver(target_of(proxy.base_url))
    assert (await outbox.delivery(record)).state == "received"
    assert stored(fhir_server, record)[type_] == 1


async def test_posted_twice_and_eight_times_at_once_is_there_once(outbox: Outbox, fhir_server: FhirServer) -> None:
    record = await outbox.sign()
    target = target_of(fhir_server.base_url)
    bundle = build_transaction(record, target)
    http = HttpClient()

    async def post() -> int:
        answer = await http.request(
            "POST", target.base_url, headers=transaction_headers(target), body=bundle.body, timeout_s=30
        )
        assert isinstance(answer, HttpAnswer), answer
        return answer.status

    try:
        assert await asyncio.gather(*(post() for _ in range(8))) == [200] * 8
        assert [await post(), await post()] == [200, 200]
    finally:
        await http.aclose()
    assert stored(fhir_server, record) == COMPLETE


async def test_two_workers_over_one_database_send_once_each(
    outbox: Outbox, proxy: FaultProxy, fhir_server: FhirServer
) -> None:
    records = [await outbox.sign() for _ in range(6)]
    target = target_of(proxy.base_url)
    await asyncio.gather(*(outbox.deliver(target) for _ in range(2)))
    assert [(await outbox.delivery(r)).state for r in records] == ["received"] * 6
    assert len(proxy.posts) == 6
    assert all(stored(fhir_server, r) == COMPLETE for r in records)


REFUSED_LATER: dict[str, Fault] = {
    "answer lost after commit": faults.lose_answer,
    "half an answer after commit": faults.half_answer,
    "line cut before": faults.cut_before,
    "silence after commit": faults.hang,
    "stored nothing": faults.store_nothing,
    "409 race": faults.answer(409, "conflict"),
    "500": faults.answer(500, "exception"),
    "503 without FHIR": faults.answer(503),
    "429": faults.answer(429, "throttled", headers={"Retry-After": "90"}),
    "401": faults.answer(401, "login"),
    "404 without FHIR": faults.answer(404),
    "redirect": faults.answer(302, headers={"Location": "http://127.0.0.1:1/"}),
    "200 without FHIR": faults.answer(200),
}


@pytest.mark.parametrize("name", REFUSED_LATER)
async def test_fault_then_calm_gives_one_visit(
    outbox: Outbox, proxy: FaultProxy, fhir_server: FhirServer, name: str
) -> None:
    record = await outbox.sign()
    target = target_of(proxy.base_url, timeout_s=1)
    proxy.faults.append(REFUSED_LATER[name])
    await outbox.deliver(target)
    row = await outbox.delivery(record)
    assert proxy.injected == 1
    assert row.state == "pending"
    assert row.last_error
    assert row.next_attempt_at > outbox.clock.now()
    assert "received" not in outbox.states(record)
    if name == "429":
        assert row.next_attempt_at >= outbox.clock.now() + 90
    await outbox.deliver(target)
    assert len(proxy.posts) == 1, "not before it is due"
    outbox.clock.advance(row.next_attempt_at - outbox.clock.now())
    await outbox.deliver(target_of(proxy.base_url))
    assert (await outbox.delivery(record)).state == "received"
    assert stored(fhir_server, record) == COMPLETE


async def test_refused_for_good_is_kept_with_its_reason_and_without_patient_data(
    outbox: Outbox, proxy: FaultProxy, fhir_server: FhirServer
) -> None:
    record = await outbox.sign()
    text = f"Value of {record.patient.name} ({record.patient.identifier.value}) is not allowed"
    proxy.faults.append(faults.answer(422, "invalid", text))
    await outbox.deliver(target_of(proxy.base_url))
    row = await outbox.delivery(record)
    assert row.state == "dead"
    assert "HTTP 422; error invalid at Encounter.status" in row.last_error
    assert "is not allowed" in row.last_error
    for secret in ("Begoña", "Núñez", "Peña", "V12345678"):
        assert secret not in row.last_error
    outbox.clock.advance(30 * 86400)
    await outbox.deliver(target_of(proxy.base_url))
    assert len(proxy.posts) == 1, "a dead letter is not sent again by itself"
    assert stored(fhir_server, record) == {}


async def test_unknown_patient_waits_for_a_person_then_goes_on(
    outbox: Outbox, proxy: FaultProxy, fhir_server: FhirServer
) -> None:
    identifier = Identifier(PATIENT_SYSTEM, "V" + outbox.ids.new_id("p")[2:])
    record = await outbox.sign(full_record(patient=Person(identifier, "José Ñáñez")))
    await outbox.deliver(target_of(proxy.base_url))
    row = await outbox.delivery(record)
    assert row.state == "link_patient"
    assert stored(fhir_server, record) == {}, "nothing half done"
    assert fhir_server.search("Patient", identifier=identifier.value) == [], "patients are never created"
    assert identifier.value not in row.last_error
    fhir_server.create(
        {"resourceType": "Patient", "identifier": [{"system": identifier.system, "value": identifier.value}]}
    )
    outbox.clock.advance(row.next_attempt_at - outbox.clock.now())
    await outbox.deliver(target_of(proxy.base_url))
    assert (await outbox.delivery(record)).state == "received"
    assert stored(fhir_server, record) == COMPLETE


async def test_patient_found_twice_waits_for_a_person(
    outbox: Outbox, proxy: FaultProxy, fhir_server: FhirServer
) -> None:
    identifier = Identifier(PATIENT_SYSTEM, "V" + outbox.ids.new_id("p")[2:])
    patient = {"resourceType": "Patient", "identifier": [{"system": identifier.system, "value": identifier.value}]}
    fhir_server.create(patient)
    fhir_server.create(patient)
    record = await outbox.sign(full_record(patient=Person(identifier, "Ana")))
    await outbox.deliver(target_of(proxy.base_url))
    assert (await outbox.delivery(record)).state == "link_patient"


async def test_unknown_practitioner_is_named_and_retried(
    outbox: Outbox, proxy: FaultProxy, fhir_server: FhirServer
) -> None:
    identifier = Identifier(PRACTITIONER_SYSTEM, outbox.ids.new_id("dr"))
    record = await outbox.sign(full_record(practitioner=Person(identifier, "Dr. Nuevo")))
    await outbox.deliver(target_of(proxy.base_url))
    row = await outbox.delivery(record)
    assert row.state == "pending"
    assert "does not know the Practitioner" in row.last_error


async def test_server_killed_and_started_again(outbox: Outbox, tmp_path: Path) -> None:
    record = full_record()
    folder = tmp_path / "server"
    folder.mkdir()
    server = FhirServer(folder)
    server.start()
    try:
        await seed_demo_ehr(server.base_url, [record.patient], [record.practitioner])
        server.process.kill()
        target = target_of(server.base_url)
        record = await outbox.sign()
        for _ in range(4):
            await outbox.deliver(target)
            row = await outbox.delivery(record)
            assert row.state == "pending"
            assert row.last_error.startswith("no connection")
            outbox.clock.advance(row.next_attempt_at - outbox.clock.now())
        server.start()
        await outbox.deliver(target)
        assert (await outbox.delivery(record)).state == "received"
        assert stored(server, record) == COMPLETE
    finally:
        server.stop()


async def test_running_worker_sends_at_once_when_told(
    outbox: Outbox, proxy: FaultProxy, fhir_server: FhirServer
) -> None:
    worker = outbox.worker(target_of(proxy.base_url))
    await worker.start()
    try:
        record = await outbox.sign()
        worker.notify()
        await eventually("received", lambda: "received" in outbox.states(record), timeout_s=5)
    finally:
        await worker.aclose()
    assert stored(fhir_server, record) == COMPLETE


async def test_stopped_in_the_middle_goes_on_at_the_next_start(
    outbox: Outbox, proxy: FaultProxy, fhir_server: FhirServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ehr_bridge.aio.worker.STOP_GRACE_S", 0.1)
    record = await outbox.sign()
    proxy.faults.append(faults.hang)
    worker = outbox.worker(target_of(proxy.base_url))
    await worker.start()
    await eventually("the transaction is under way", lambda: proxy.injected == 1)
    await worker.aclose()
    row = await outbox.delivery(record)
    assert (row.state, row.lease_until) == ("pending", 0.0)
    await outbox.deliver(target_of(proxy.base_url))
    assert (await outbox.delivery(record)).state == "received"
    assert stored(fhir_server, record) == COMPLETE


async def test_killed_worker_loses_its_lease(outbox: Outbox, proxy: FaultProxy, fhir_server: FhirServer) -> None:
    """A worker claims, then the power goes: nobody gives the lease back."""
    record = await outbox.sign()
    target = target_of(proxy.base_url)
    await outbox.store.enqueue_missing([target], outbox.clock.now())
    now = outbox.clock.now()
    claimed = await outbox.store.claim_due(target.name, now, now + 120, 5)
    assert len(claimed) == 1
    await outbox.deliver(target)
    assert proxy.posts == []
    outbox.clock.advance(121)
    await outbox.deliver(target)
    assert (await outbox.delivery(record)).state == "received"
    assert stored(fhir_server, record) == COMPLETE


async def test_probe_says_what_is_wrong(fhir_server: FhirServer, proxy: FaultProxy) -> None:
    assert await probe(target_of(fhir_server.base_url)) == []
    assert "cannot be reached" in (await probe(target_of("http://127.0.0.1:1/fhir")))[0]
    wrong_path = await probe(target_of(fhir_server.base_url.removesuffix("/fhir")))
    assert "check base_url" in wrong_path[0]

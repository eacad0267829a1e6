"""``candil worker``: delivers what was left, beside others of its kind, each visit once."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from candil.clock import SystemClock
from candil.store import thread
from candil.store.open import open_database
from tests.support.databases import postgresql_settings
from tests.support.eventually import eventually
from tests.support.fhir_outbox import Outbox
from tests.support.fhir_records import CLINIC_BASE, PATIENT_SYSTEM, PRACTITIONER_SYSTEM, full_record
from tests.support.fhir_server import FhirServer
from tests.support.installation import Installation
from tests.support.product import register

VISITS = 4


@pytest.fixture
def ehr(tmp_path: Path) -> Iterator[FhirServer]:
    server = FhirServer(tmp_path)
    server.start()
    record = full_record()
    register(server, "Patient", PATIENT_SYSTEM, record.patient.identifier.value, record.patient.name)
    register(server, "Practitioner", PRACTITIONER_SYSTEM, record.practitioner.identifier.value, "Dra. Inés Güell")
    yield server
    server.stop()


async def test_two_workers_and_a_service_deliver_each_visit_once(
    installation: Installation, tmp_path: Path, postgresql_url: str, ehr: FhirServer
) -> None:
    target = {"name": "historia", "base_url": ehr.base_url, "identifier_base": CLINIC_BASE}
    sections = {"storage": {"database_url": postgresql_url}, "ehr": {"fhir": [target]}}
    installation.configure(sections)
    database = open_database(postgresql_settings(postgresql_url))
    left = Outbox(database, SystemClock().now())
    await left.open()
    signed = [await left.sign() for _ in range(VISITS)]
    others = [Installation(tmp_path / name, sections) for name in ("second", "third")]
    running = [installation.start("worker"), others[0].start("worker"), others[1].start()]

    async def states() -> set[str]:
        return {row.state for record in signed for row in await left.deliveries(record)}

    async def delivered() -> bool:
        return await states() == {"received"}

    await eventually("the EHR has every visit", delivered, 60)
    assert [process.end() for process in running] == [0, 0, 0]
    posts = [line for line in ehr.process.output.read_text("utf-8").splitlines() if '"POST /fhir' in line]
    transactions = [line for line in posts if "/fhir/Patient" not in line and "/fhir/Practitioner" not in line]
    assert len(transactions) == VISITS, transactions
    assert len(ehr.search("Encounter")) == VISITS
    for record in signed:
        events = await database.read(lambda tx, record=record: thread.events_after(tx, record.consult_id, 0))
        told = [json.loads(event.data)["state"] for event in events if event.kind == "delivery.changed"]
        assert told.count("received") == 1, told
    database.close()

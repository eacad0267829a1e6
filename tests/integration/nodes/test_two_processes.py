"""Two real processes on PostgreSQL and Redis: the doctor is served by one, the patient by the other."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from tests.support.cluster import LOGIN, PASSWORD, PATIENT_NAME, Cluster, PlannedVisit, running_cluster
from tests.support.eventually import eventually
from tests.support.fhir_server import FhirServer
from tests.support.http_people import HttpDoctor, HttpPatient
from tests.support.installation import Running
from tests.support.postgresql import PostgresqlServer
from tests.support.product import IDENTIFIER_BASE
from tests.support.signaling import PageSocket

PATIENCE_S = 30.0
NOTE = {
    "reason": "Cefalea de tres días",
    "findings": "Sin signos de alarma",
    "diagnosis.text": "Cefalea tensional",
    "instructions": "Reposo y agua",
    "next_action.kind": "control",
    "next_action.when": "2026-12-05",
}


@pytest.fixture(scope="module")
def cluster(
    tmp_path_factory: pytest.TempPathFactory, postgresql_server: PostgresqlServer, ehr: FhirServer
) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("cluster"), postgresql_server, ehr, "two_processes") as cluster:
        yield cluster


@pytest.fixture(scope="module")
def processes(cluster: Cluster) -> Iterator[tuple[Running, Running]]:
    with cluster.running() as running:
        yield running
        assert [process.end() for process in running] == [0, 0]


@dataclass
class Visit:
    """A doctor on process A and a patient on process B, with their pages connected."""

    cluster: Cluster
    planned: PlannedVisit
    doctor: HttpDoctor
    patient: HttpPatient
    at_desk: PageSocket
    at_home: PageSocket


@pytest.fixture
async def people(cluster: Cluster, processes: tuple[Running, Running]) -> AsyncIterator[tuple[HttpDoctor, HttpPatient]]:
    doctor, patient = HttpDoctor(cluster.origin), HttpPatient(cluster.origin)
    await doctor.sign_in(cluster.a.url, LOGIN, PASSWORD)
    yield doctor, patient
    await doctor.aclose()
    await patient.aclose()


@pytest.fixture
async def visit(cluster: Cluster, people: tuple[HttpDoctor, HttpPatient]) -> Visit:
    """Admitted and in progress."""
    doctor, patient = people
    planned = cluster.plan(cluster.a)
    await patient.arrive(cluster.b.url, planned.token, PATIENT_NAME)
    at_home = await patient.open_room(cluster.b.url)
    at_desk = await doctor.open_consult(cluster.a.url, planned.consult_id)
    await at_desk.say("participant.admit", participant=patient.participant)
    await at_home.hear("sync", lambda m: m["visibility"] == "room", PATIENCE_S)
    return Visit(cluster, planned, doctor, patient, at_desk, at_home)


async def test_board_waiting_room_chat_and_notes_cross_processes(
    cluster: Cluster, people: tuple[HttpDoctor, HttpPatient]
) -> None:
    doctor, patient = people
    a, b = cluster.a.url, cluster.b.url
    earlier, planned = cluster.plan(cluster.a), cluster.plan(cluster.b)
    board = await doctor.socket(a, "/board/ticket")

    before = HttpPatient(cluster.origin)
    await before.arrive(b, earlier.token, "Otra Persona")
    await patient.arrive(b, planned.token, PATIENT_NAME)
    await board.hear("board.changed", timeout_s=PATIENCE_S)
    assert PATIENT_NAME in await doctor.read(a + "/board")
    at_home = await patient.open_room(b)
    at_home.rewind()
    synced = await at_home.hear("sync")
    assert synced["state"]["line"] == {"position": 2, "length": 2}

    of_other = await doctor.open_consult(a, earlier.consult_id)
    await of_other.say("participant.admit", participant=before.participant)
    await at_home.hear("state", lambda m: m["line"] == {"position": 1, "length": 1}, PATIENCE_S)

    at_desk = await doctor.open_consult(a, planned.consult_id)
    second_tab = await doctor.open_consult(b, planned.consult_id)
    await at_home.durable("message.send", body="¿me oye?")
    assert (await at_desk.hear("message", timeout_s=PATIENCE_S))["body"] == "¿me oye?"
    await at_desk.durable("message.send", body="La oigo bien")
    answer = await at_home.hear("message", lambda m: m["sender"] != patient.participant, PATIENCE_S)
    assert answer["body"] == "La oigo bien"
    await at_home.say("message.seen", delivered=answer["seq"], read=answer["seq"])
    await at_desk.hear("state", lambda m: _read_by(m, patient.participant) == answer["seq"], PATIENCE_S)

    await at_desk.say("participant.admit", participant=patient.participant)
    await at_home.hear("sync", lambda m: m["visibility"] == "room", PATIENCE_S)
    await at_desk.durable("note.write", base_revision=0, field="reason", value="tos")
    assert (await second_tab.hear("note", timeout_s=PATIENCE_S))["value"] == "tos"
    await second_tab.durable("note.write", base_revision=0, field="reason", value="fiebre")
    assert (await second_tab.hear("note.ack", timeout_s=PATIENCE_S))["outcome"] == "conflict"
    assert (await at_desk.hear("note", lambda m: m["value"] == "fiebre", PATIENCE_S))["outcome"] == "conflict"
    await before.aclose()


async def test_a_signed_visit_arrives_once_with_workers_of_both_processes(visit: Visit) -> None:
    cluster, a, b = visit.cluster, visit.cluster.a, visit.cluster.b
    worker = cluster.add(a.folder.parent / "worker")
    with_worker = worker.start("worker")
    for name, value in NOTE.items():
        await visit.at_desk.durable("note.write", base_revision=1000, field=name, value=value)
        revision = (await visit.at_desk.hear("note.ack", timeout_s=PATIENCE_S))["revision"]
    base = f"{b.url}/consults/{visit.planned.consult_id}"
    await visit.doctor.send(f"{base}/finish", note_revision=str(revision))
    await visit.at_home.hear("state", lambda m: m["consult"]["status"] == "finished", PATIENCE_S)

    def received() -> bool:
        deliveries = cluster.consult(a, visit.planned.consult_id)["deliveries"]
        return [delivery["state"] for delivery in deliveries] == ["received"]

    await eventually("the EHR has it", received, PATIENCE_S)
    await visit.at_desk.hear("event", lambda m: m["kind"] == "delivery.changed" and _says(m, "received"), PATIENCE_S)
    identifier = f"{IDENTIFIER_BASE}consultation|{visit.planned.consult_id}"
    (encounter,) = cluster.ehr.search("Encounter", identifier=identifier)
    assert encounter["class"]["code"] == "VR"
    posts = [line for line in _ehr_log(cluster.ehr) if '"POST /fhir ' in line or '"POST /fhir/ ' in line]
    assert len(posts) == 1, posts
    assert with_worker.end() == 0


async def test_without_redis_chat_and_notes_go_on_and_come_back_quickly_with_it(visit: Visit) -> None:
    second_tab = await visit.doctor.open_consult(visit.cluster.b.url, visit.planned.consult_id)
    visit.cluster.redis.process.kill()
    try:
        for text in ("sin prisa", "sigue"):
            await visit.at_home.durable("message.send", body=text)
            await visit.at_home.hear("message.ack", timeout_s=PATIENCE_S)
            await visit.at_desk.hear("message", lambda m, text=text: m["body"] == text, PATIENCE_S)
        await visit.at_desk.durable("note.write", base_revision=0, field="reason", value="tos")
        await visit.at_desk.hear("note.ack", timeout_s=PATIENCE_S)
        await second_tab.hear("note", lambda m: m["value"] == "tos", PATIENCE_S)
        late = await visit.patient.open_room(visit.cluster.b.url)  # signing in to the room needs no Redis either
        assert [m["body"] for m in late.received[-1]["messages"]] == ["sin prisa", "sigue"]
    finally:
        visit.cluster.redis.start()

    async def at_once() -> bool:
        await late.durable("message.send", body="otra vez")
        sent = await late.hear("message.ack", timeout_s=PATIENCE_S)
        started = asyncio.get_running_loop().time()
        await visit.at_desk.hear("message", lambda m: m["seq"] == sent["seq"], PATIENCE_S)
        return asyncio.get_running_loop().time() - started < 1.0  # polling takes 2 s

    await eventually("messages cross through Redis again", at_once, 60)


def _read_by(state: dict, participant: str) -> int:
    return next(p["read"] for p in state["participants"] if p["id"] == participant)


def _says(event: dict, state: str) -> bool:
    return event["data"].get("state") == state


def _ehr_log(ehr: FhirServer) -> list[str]:
    return ehr.process.output.read_text("utf-8").splitlines()

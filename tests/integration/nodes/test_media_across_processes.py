"""Real Chromium pages of one visit on two processes: media flows through the one that has the room, and when that
process is killed the other takes the room over and both see and hear each other again."""

import re
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.support.browser import OPEN, Person, chromium, person
from tests.support.cluster import LOGIN, PASSWORD, Cluster, Front, running_cluster
from tests.support.eventually import eventually
from tests.support.fhir_server import FhirServer
from tests.support.installation import Running
from tests.support.postgresql import PostgresqlServer
from tests.support.visit import accept, admit, choose, enter_waiting_room, in_room, take_link, try_devices

PATIENCE_S = 60.0
THE_SERVER_WENT_AWAY = r"ERR_|WebSocket|Failed to load resource|503|502"


@dataclass
class Clinic:
    cluster: Cluster
    a: Running
    b: Running
    desk: Front
    home: Front


@pytest.fixture
async def clinic(tmp_path: Path, postgresql_server: PostgresqlServer, ehr: FhirServer) -> AsyncIterator[Clinic]:
    """The doctor's browser reaches process A, the patient's process B, both under the clinic's one address."""
    with (
        running_cluster(tmp_path, postgresql_server, ehr, "media_across") as cluster,
        cluster.running() as (a, b),
    ):
        desk, home = await Front(cluster.a).start(), await Front(cluster.b).start()
        yield Clinic(cluster, a, b, desk, home)
        await desk.aclose()
        await home.aclose()


@pytest.fixture
async def browsers(clinic: Clinic) -> AsyncIterator[tuple[Browser, Browser]]:
    """One for each person, which looks for the clinic at that person's front."""
    here = f"localhost:{clinic.cluster.port}"
    rules = [f"--host-resolver-rules=MAP {here} 127.0.0.1:{front.port}" for front in (clinic.desk, clinic.home)]
    async with chromium(rules[0]) as at_desk, chromium(rules[1]) as at_home:
        yield at_desk, at_home
        for someone in list(OPEN):
            OPEN.discard(someone)
            print(await someone.tell())


async def test_media_moves_to_the_process_that_is_left(clinic: Clinic, browsers: tuple[Browser, Browser]) -> None:
    cluster = clinic.cluster
    planned = cluster.plan(cluster.a)
    doctor = await person(browsers[0], "the doctor", desk=True, small_video=True)
    patient = await person(browsers[1], "the patient", small_video=True)

    seat = await _arrive(patient, f"{cluster.origin}/i/{planned.token}")
    at_desk = await _open_consult(doctor, cluster, planned.consult_id)
    await admit(doctor, seat)
    await in_room(patient, "call", PATIENCE_S)
    await doctor.sees_and_hears(seat, timeout_s=PATIENCE_S)
    await patient.sees_and_hears(at_desk, timeout_s=PATIENCE_S)
    owner = _owner(clinic, planned.consult_id)
    assert len(_sessions(owner, planned.consult_id)) >= 2  # also of the person whom the other process serves

    survivor = clinic.b if owner is clinic.a else clinic.a
    for someone in (doctor, patient):
        someone.forgive(THE_SERVER_WENT_AWAY)
    owner.process.kill()
    clinic.desk.target = clinic.home.target = survivor.installation

    await eventually("the room is in the other process", lambda: _has_room(survivor, planned.consult_id), PATIENCE_S)
    await doctor.sees_and_hears(seat, timeout_s=PATIENCE_S)
    await patient.sees_and_hears(at_desk, timeout_s=PATIENCE_S)

    cluster.redis.process.kill()  # harms no call
    await doctor.sees_and_hears(seat, timeout_s=PATIENCE_S)
    await patient.sees_and_hears(at_desk, timeout_s=PATIENCE_S)
    for someone in (doctor, patient):
        await someone.close()
    assert survivor.end(signal.SIGTERM) == 0


async def _arrive(patient: Person, link: str) -> str:
    seat = await take_link(patient, link)
    await accept(patient)
    await choose(patient, "video")
    await try_devices(patient)
    await enter_waiting_room(patient)
    return seat


async def _open_consult(doctor: Person, cluster: Cluster, consult_id: str) -> str:
    await doctor.page.goto(cluster.origin + "/login")
    await doctor.page.fill("#login", LOGIN)
    await doctor.page.fill("#password", PASSWORD)
    await doctor.press("form[action='/login'] button")
    await doctor.page.wait_for_url("**/board")
    await doctor.page.goto(f"{cluster.origin}/consults/{consult_id}")
    return await doctor.page.locator("[data-doctor-consult]").get_attribute("data-me") or ""


def _owner(clinic: Clinic, consult_id: str) -> Running:
    (owner,) = [running for running in (clinic.a, clinic.b) if _has_room(running, consult_id)]
    return owner


def _has_room(running: Running, consult_id: str) -> bool:
    return f'"room.opened", "consult": "{consult_id}"' in running.output()


def _sessions(running: Running, consult_id: str) -> set[str]:
    """Participants whose media this process carried."""
    return set(re.findall(rf'"media.opened", "consult": "{consult_id}", "participant": "(\w+)"', running.output()))

"""Two processes' services on PostgreSQL and Redis serve one consult; Redis may go away."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from candil.bus import topics
from candil.bus.redis import RedisBus
from candil.clock import SystemClock
from candil.store.database import Database
from candil.store.open import open_database
from media.adaptation.orders import AudioOrder, PublishOrder
from media.adaptation.rungs import Rung
from signaling.aio import media_gateway
from tests.support.databases import postgresql_settings
from tests.support.eventually import eventually
from tests.support.ladder_news import news
from tests.support.redis_server import RedisServer, running_redis
from tests.support.signaling import IDS, Node, Pages, PageSocket, Visit, plan_visit, running_node


@dataclass
class Clinic:
    one: Node
    two: Node
    visit: Visit
    redis: RedisServer
    databases: tuple[Database, Database]


@pytest.fixture
async def clinic(postgresql_url: str, tmp_path: Path) -> AsyncIterator[Clinic]:
    databases = (open_database(postgresql_settings(postgresql_url)), open_database(postgresql_settings(postgresql_url)))
    with running_redis(tmp_path) as redis:
        buses = [RedisBus(redis.url, IDS.new_id(name), SystemClock()) for name in ("one", "two")]
        for bus in buses:
            await bus.start()
        async with running_node(databases[0], buses[0]) as one, running_node(databases[1], buses[1]) as two:
            yield Clinic(one, two, await plan_visit(databases[0]), redis, databases)
        for bus in buses:
            await bus.aclose()
    for database in databases:
        database.close()


async def admitted(clinic: Clinic, pages: Pages) -> tuple[PageSocket, PageSocket]:
    """The doctor on the first process, the patient on the second, let in."""
    doctor = await pages.doctor(clinic.one, clinic.visit)
    patient = await pages.patient(clinic.two, clinic.visit)
    await doctor.say("participant.admit", participant=clinic.visit.patient)
    await patient.hear("sync", lambda m: m["visibility"] == "room")
    await doctor.hear("state", lambda m: m["consult"]["status"] == "in-progress")
    return doctor, patient


async def joined(clinic: Clinic, pages: Pages) -> tuple[PageSocket, PageSocket]:
    """Both in the call; the doctor joined first, so the room is on the first process."""
    doctor, patient = await admitted(clinic, pages)
    for page in (doctor, patient):
        await page.say("media.join")
        await page.hear("media.offer")
    return doctor, patient


async def test_waiting_admission_chat_note_and_board_cross_processes(clinic: Clinic, pages: Pages) -> None:
    visit = clinic.visit
    board = await pages.open(clinic.two, visit.doctor_id, visit.doctor_token, kind="board")
    doctor, patient = await admitted(clinic, pages)
    await board.hear("board.changed")
    await patient.durable("message.send", body="¿me oye?")
    assert (await doctor.hear("message"))["body"] == "¿me oye?"
    second = await pages.doctor(clinic.two, visit)
    await doctor.durable("note.write", base_revision=0, field="reason", value="tos")
    assert (await second.hear("note"))["value"] == "tos"
    await second.durable("note.write", base_revision=0, field="reason", value="fiebre")
    assert (await second.hear("note.ack"))["outcome"] == "conflict"


async def test_the_newest_connection_wins_across_processes(clinic: Clinic, pages: Pages) -> None:
    old = await pages.patient(clinic.one, clinic.visit)
    await pages.patient(clinic.two, clinic.visit)
    assert (await old.hear("bye"))["code"] == "replaced"
    assert await old.close_code() == 4409


async def test_media_goes_to_the_process_that_has_the_room(clinic: Clinic, pages: Pages) -> None:
    doctor, patient = await joined(clinic, pages)
    assert [s.participant_id for s in clinic.one.media.sessions] == [clinic.visit.doctor, clinic.visit.patient]
    assert clinic.two.media.sessions == []
    session = clinic.one.media.sessions[1]
    await patient.say("media.answer", session=session.id, sdp="answer of the patient")
    await eventually("the answer crosses", lambda: session.answers == ["answer of the patient"])
    session.listener.on_path_lost(session.id)
    assert (await patient.hear("media.state"))["state"] == "path_lost"
    await doctor.say("conversation.end")
    assert (await patient.hear("media.closed"))["reason"] == "conversation_ended"


async def test_the_room_of_a_consult_with_nobody_connected_there_still_follows_it(clinic: Clinic, pages: Pages) -> None:
    doctor, patient = await joined(clinic, pages)
    await doctor.socket.close()
    second = await pages.doctor(clinic.two, clinic.visit)
    await second.say("participant.hold", participant=clinic.visit.patient)
    assert (await patient.hear("media.closed"))["reason"] == "held"


async def test_a_page_that_comes_back_to_another_process_keeps_its_session(clinic: Clinic, pages: Pages) -> None:
    _, patient = await joined(clinic, pages)
    session = clinic.one.media.sessions[1]
    await patient.socket.close()
    again = await pages.patient(clinic.one, clinic.visit, client_id=patient.client_id)
    await eventually("the offer is repeated", lambda: session.resent)
    session.listener.on_offer(session.id, "next")
    assert (await again.hear("media.offer"))["sdp"] == "next"


async def test_a_lost_process_is_noticed_and_its_room_moves(
    clinic: Clinic, pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, patient = await joined(clinic, pages)
    monkeypatch.setattr(media_gateway, "UPKEEP_S", 0.2)
    await clinic.one.service.aclose()  # gives its claim up, as its end would after the claim's life
    assert (await patient.hear("media.closed", timeout_s=15))["reason"] == "server"
    await patient.say("media.join")
    await patient.hear("media.offer")
    assert [s.participant_id for s in clinic.two.media.sessions] == [clinic.visit.patient]


async def test_a_room_that_does_not_answer_is_reported_so_that_the_page_tries_again(
    clinic: Clinic, pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, patient = await admitted(clinic, pages)
    monkeypatch.setattr(media_gateway, "JOIN_ANSWER_S", 0.5)
    with clinic.redis.client() as redis:
        redis.set(f"candil:claim:{topics.room(clinic.visit.consult_id)}", "a-process-that-died", px=6000)
    await patient.say("media.join")
    closed = await patient.hear("media.closed", timeout_s=12)
    assert (closed["session"], closed["reason"]) == ("", "server")
    await eventually("the dead claim expires", lambda: _unclaimed(clinic), 10)
    await patient.say("media.join")
    await patient.hear("media.offer")


def _unclaimed(clinic: Clinic) -> bool:
    with clinic.redis.client() as redis:
        return redis.get(f"candil:claim:{topics.room(clinic.visit.consult_id)}") is None


async def test_without_redis_everything_durable_goes_on_by_looking(clinic: Clinic, pages: Pages) -> None:
    doctor, patient = await joined(clinic, pages)
    clinic.redis.process.kill()
    await eventually("both notice", lambda: not clinic.one.bus.healthy and not clinic.two.bus.healthy)
    await patient.durable("message.send", body="¿sigue ahí?")
    assert (await doctor.hear("message"))["body"] == "¿sigue ahí?"
    await doctor.say("conversation.end")
    await patient.hear("state", lambda m: m["consult"]["conversation_ended"])
    assert clinic.one.media.sessions[0].closed == "conversation_ended"
    clinic.redis.start()
    await eventually("both are back", lambda: clinic.one.bus.healthy and clinic.two.bus.healthy, 20)
    await doctor.say("conversation.reopen")
    await patient.hear("state", lambda m: not m["consult"]["conversation_ended"])
    await patient.say("media.join")
    await patient.hear("media.offer", timeout_s=15)
    assert len(clinic.one.media.sessions) == 3, "the room is still where it was"


async def test_orders_and_lines_cross_between_processes(clinic: Clinic, pages: Pages) -> None:
    doctor, patient = await joined(clinic, pages)
    session = next(s for s in clinic.one.media.sessions if s.participant_id == clinic.visit.patient)
    session.listener.on_order(session.id, PublishOrder(AudioOrder(6_000, 120, True, False, True), None))
    order = await patient.hear("media.order")
    assert (order["audio"]["ptime_ms"], order["video"]) == (120, None)
    session.listener.on_line(clinic.visit.patient, news(up=Rung.EMERGENCY))
    for page in (doctor, patient):
        assert (await page.hear("media.line"))["up"]["tier"] == "audio"
    await patient.say("media.limit", session=session.id, down="audio", up="audio", reason="saving")
    await patient.say("media.report", session=session.id, outgoing_bps=20_000, concealed=0.1)
    await patient.say("media.devices", microphone=False, camera=False)
    await eventually("the devices are known", lambda: session.devices == [(False, False)])
    await eventually("the ceiling is set", lambda: session.limits == [(Rung.AUDIO, Rung.AUDIO, "saving")])
    await eventually("the estimate arrived", lambda: session.browser_estimates_bps == [20_000])

"""Adaptive media through real sockets: orders, news of the lines, ceilings, and the history that is kept."""

import time
from typing import Any

import pytest

from candil.consults import line_history
from candil.store.database import Database
from media.adaptation.orders import AudioOrder, LineHint, PublishOrder, VideoOrder
from media.adaptation.rungs import Rung
from tests.support.eventually import eventually
from tests.support.ladder_news import news
from tests.support.signaling import FakeMediaSession, Node, Pages, PageSocket, Visit, plan_visit

ORDER = PublishOrder(AudioOrder(12_000, 60, True, True, False), VideoOrder(150_000, 8.0, 240))


@pytest.fixture
async def visit(sqlite_database: Database) -> Visit:
    return await plan_visit(sqlite_database, admitted=True)


async def joined(node: Node, page: PageSocket, **join: Any) -> FakeMediaSession:
    await page.say("media.join", **join)
    await page.hear("media.offer")
    return node.media.sessions[-1]


async def rows_of(database: Database, visit: Visit) -> list[line_history.LineRow]:
    return await database.read(lambda tx: line_history.of_consult(tx, visit.consult_id))


async def test_orders_and_lines_reach_the_pages_and_what_they_say_reaches_the_media(
    node: Node, pages: Pages, visit: Visit
) -> None:
    doctor, patient = await pages.doctor(node, visit), await pages.patient(node, visit)
    theirs = await joined(node, doctor)
    session = await joined(
        node, patient, line={"down_bps": 90_000.4, "up_bps": 40_000}, limit={"up": "audio", "reason": "chosen"}
    )
    assert session.hint == LineHint(90_000, 40_000, None)
    assert session.limits == [(Rung.HD, Rung.AUDIO, "chosen")]
    session.listener.on_order(session.id, ORDER)
    assert await patient.hear("media.order") == {
        "type": "media.order",
        "session": session.id,
        "audio": {"bitrate_bps": 12_000, "ptime_ms": 60, "dtx": True, "fec": True, "narrowband": False},
        "video": {"max_bitrate_bps": 150_000, "max_framerate": 8.0, "max_height": 240},
        "probe": False,
    }
    for listener in (session.listener, theirs.listener):
        listener.on_line(visit.patient, news(since=time.monotonic() - 30))
    for page in (doctor, patient):
        line = await page.hear("media.line")
        assert (line["participant"], line["up"]["rung"], line["up"]["reason"]) == (visit.patient, "audio", "line")
        assert line["up"]["since"] == pytest.approx(time.time() - 30, abs=3)
        assert (line["up"]["capacity_bps"], line["up"]["needed_bps"], line["down"]["tier"]) == (60_000, 85_000, "video")
    await patient.say("media.devices", microphone=True, camera=False)
    await patient.say("media.limit", session=session.id, down="text", up="emergency", reason="budget")
    await patient.say("media.report", session=session.id, outgoing_bps=55_000.9, concealed=0.02)
    await patient.say("media.report", session=session.id, outgoing_bps=None, concealed=None)
    await patient.say("media.limit", session=session.id, down="best", up="hd", reason="")
    assert (await patient.hear("error"))["code"] == "malformed"
    await eventually("the estimate arrived", lambda: session.browser_estimates_bps == [55_000])
    assert (session.devices, theirs.devices) == ([(True, False)], [])
    assert session.limits[1:] == [(Rung.TEXT, Rung.EMERGENCY, "budget")]
    await patient.say("media.limit", session=theirs.id, down="text", up="text", reason="chosen")
    assert (await patient.hear("media.closed"))["session"] == theirs.id
    assert theirs.limits == [], "nobody sets another's ceiling"


async def test_a_page_that_comes_back_is_told_its_order_and_everybodys_line(
    node: Node, pages: Pages, visit: Visit
) -> None:
    doctor, patient = await pages.doctor(node, visit), await pages.patient(node, visit)
    theirs, session = await joined(node, doctor), await joined(node, patient)
    session.listener.on_order(session.id, ORDER)
    session.listener.on_line(visit.patient, news(up=Rung.STILLS))
    theirs.listener.on_line(visit.doctor, news(up=Rung.VIDEO, up_reason=""))
    await patient.hear("media.line", lambda m: m["participant"] == visit.doctor)
    await patient.socket.close()
    again = await pages.patient(node, visit, client_id=patient.client_id)
    again.rewind()
    assert (await again.hear("media.order"))["session"] == session.id
    again.rewind()
    assert (await again.hear("media.line", lambda m: m["participant"] == visit.patient))["up"]["rung"] == "stills"
    again.rewind()
    assert (await again.hear("media.line", lambda m: m["participant"] == visit.doctor))["up"]["rung"] == "video"


async def test_changes_are_kept_for_the_staff_and_no_event_is_sent_for_them(
    node: Node, pages: Pages, visit: Visit, sqlite_database: Database
) -> None:
    doctor, patient = await pages.doctor(node, visit), await pages.patient(node, visit)
    theirs, session = await joined(node, doctor), await joined(node, patient)
    session.listener.on_connected(session.id)
    theirs.listener.on_line(visit.doctor, news(up=Rung.VIDEO, up_reason=""))
    session.listener.on_line(visit.patient, news(up=Rung.LOW_VIDEO))
    session.listener.on_media(session.id, "audio", True)

    async def kept(count: int) -> bool:
        return len(await rows_of(sqlite_database, visit)) >= count

    await eventually("the first batch", lambda: kept(2))
    session.listener.on_line(visit.patient, news(Rung.TEXT, Rung.TEXT, down_reason="silence", up_reason="silence"))
    session.close("silent")
    await eventually("the second batch", lambda: kept(3))
    rows = await rows_of(sqlite_database, visit)
    mine = [(r.up, r.up_reason) for r in rows if r.participant_id == visit.patient]
    assert mine == [("low_video", "line"), ("text", "silence")]
    (gap,) = line_history.gaps(rows)
    assert (gap.participant_id, gap.end) == (visit.patient, None)
    await doctor.say("ping", at=1.0)
    await doctor.hear("pong")
    assert [m for m in doctor.received if m["type"] == "event" and m["kind"] == "media.changed"] == []


async def test_a_storage_that_fails_harms_no_call_and_misses_nothing(
    node: Node, pages: Pages, visit: Visit, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = await pages.patient(node, visit)
    session = await joined(node, patient)
    failed: list[int] = []

    def refuse(_tx: object, _consult: str, rows: tuple[line_history.LineRow, ...]) -> None:
        failed.append(len(rows))
        raise OSError("disk full")

    with monkeypatch.context() as broken:
        broken.setattr(line_history, "append", refuse)
        session.listener.on_line(visit.patient, news())

        async def refused() -> bool:
            return bool(failed)

        await eventually("the storage was asked", refused)
        session.listener.on_order(session.id, ORDER)
        await patient.hear("media.order")
    session.listener.on_line(visit.patient, news(up=Rung.TEXT))
    assert (await patient.hear("media.line", lambda m: m["up"]["rung"] == "text"))["participant"] == visit.patient
    await node.service.aclose()
    assert [r.up for r in await rows_of(sqlite_database, visit)] == ["audio", "text"]


async def test_before_admission_there_is_nothing_of_it(node: Node, pages: Pages, sqlite_database: Database) -> None:
    visit = await plan_visit(sqlite_database)
    patient = await pages.patient(node, visit)
    for kind, fields in (
        ("media.join", {"line": {"down_bps": 1}}),
        ("media.limit", {"session": "med_1", "down": "hd", "up": "hd"}),
        ("media.report", {"session": "med_1"}),
    ):
        await patient.say(kind, **fields)
        assert (await patient.hear("error"))["code"] == "not_now"
    assert node.media.sessions == []

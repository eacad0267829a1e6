"""Signaling with the media server as it is, ladder on: two people in a real call are told what to send and how the
lines are, and the consult keeps it."""

import asyncio
import re
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest

from candil.bus.memory import InProcessBus
from candil.clock import SystemClock
from candil.consults import line_history
from candil.store.database import Database
from media.adaptation.policy import LadderPolicy
from media.aio.server import MediaServer
from media.config import MediaConfig
from tests.support.eventually import eventually
from tests.support.media_peer import MediaPeer
from tests.support.signaling import IDS, Node, Pages, PageSocket, plan_visit, running_node


@pytest.fixture
async def media() -> AsyncIterator[MediaServer]:
    server = MediaServer(MediaConfig(bind_host="127.0.0.1", ladder=LadderPolicy()), SystemClock(), IDS)
    await server.start()
    yield server
    await server.aclose()


@pytest.fixture
async def node(sqlite_database: Database, media: MediaServer) -> AsyncIterator[Node]:
    bus = InProcessBus("alone", SystemClock())
    await bus.start()
    async with running_node(sqlite_database, bus, media=media) as node:
        yield node
    await bus.aclose()


class PagePeer(MediaPeer):
    """A participant whose media is negotiated through their page."""

    def __init__(self, server: MediaServer, page: PageSocket) -> None:
        super().__init__(server, "", "")
        self.page = page

    async def join(self) -> "PagePeer":
        self.transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        self.address = ("127.0.0.1", self.server.port)
        await self.page.say("media.join", line={"down_bps": 900_000, "up_bps": 900_000, "rtt_ms": 30})
        offer = await self.page.hear("media.offer")
        ufrag, password = (re.search(rf"a=ice-{name}:(\S+)", offer["sdp"])[1] for name in ("ufrag", "pwd"))
        ice = SimpleNamespace(ufrag=ufrag, password=password)
        self.session = SimpleNamespace(id=offer["session"], ice=ice)
        self.offers.append(offer["sdp"])
        await self.page.say("media.answer", session=self.session.id, sdp=self.answer_to(offer["sdp"]))
        self._spawn(self._handshake())
        await self.page.hear("media.state", lambda m: m["state"] == "connected")
        return self


async def test_a_real_call_is_steered_told_and_kept(
    node: Node, media: MediaServer, pages: Pages, sqlite_database: Database
) -> None:
    visit = await plan_visit(sqlite_database, admitted=True)
    doctor, patient = await pages.doctor(node, visit), await pages.patient(node, visit)
    peers = [await PagePeer(media, page).join() for page in (doctor, patient)]
    for page, peer in zip((doctor, patient), peers, strict=True):
        page.rewind()
        order = await page.hear("media.order")
        assert order["session"] == peer.session.id
        assert order["audio"]["ptime_ms"] in (60, 120)
        for participant in (visit.doctor, visit.patient):
            page.rewind()
            line = await page.hear("media.line", lambda m, about=participant: m["participant"] == about)
            assert abs(line["down"]["since"] - SystemClock().now()) < 60
    await patient.say("media.limit", session=peers[1].session.id, down="text", up="text", reason="saving")
    line = await doctor.hear("media.line", lambda m: m["participant"] == visit.patient and m["up"]["rung"] == "text")
    assert line["up"]["reason"] == "saving"
    order = await patient.hear("media.order", lambda m: m["audio"] is None)
    assert order["video"] is None

    async def kept() -> bool:
        rows = await sqlite_database.read(lambda tx: line_history.of_consult(tx, visit.consult_id))
        return any((r.participant_id, r.up_reason) == (visit.patient, "saving") for r in rows)

    await eventually("the ceiling is in the history", kept)
    for peer in peers:
        peer.close()

"""Signaling as it runs: processes' services on real ports, and pages that talk to them over real sockets."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
from aiohttp import web

from candil.bus.port import Bus
from candil.clock import Clock, SystemClock
from candil.config import Settings
from candil.config.settings import ServerSettings
from candil.consults import accounts, consenting, links, planning, waiting
from candil.consults.permissions import Actor, Role
from candil.errors import PeerError
from candil.ids import RandomIds, token_hash
from candil.store.database import Database
from candil.store.tx import Transaction
from media.adaptation.orders import LineHint
from media.adaptation.rungs import Rung
from media.aio.server import MediaServer
from media.listener import SessionListener
from signaling import tickets
from signaling.aio.service import SignalingService
from signaling.tickets import Ticket

ORIGIN = "https://consulta.example"
KEY = "k" * 48
IDS = RandomIds()
SETTINGS = replace(Settings(), server=ServerSettings(public_url=ORIGIN, tls="proxy"))


@dataclass
class FakeMediaSession:
    """Keeps what it was told; the test plays the media server through ``listener``."""

    id: str
    room_id: str
    participant_id: str
    listener: SessionListener
    hint: LineHint | None = None
    limits: list[tuple[Rung, Rung, str]] = field(default_factory=list)
    devices: list[tuple[bool, bool]] = field(default_factory=list)
    browser_estimates_bps: list[int] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    wanted: list[tuple[bool, bool]] = field(default_factory=list)
    resent: int = 0
    closed: str = ""

    def answer(self, sdp: str) -> None:
        if sdp == "nonsense":
            raise PeerError("sdp_malformed", "this is no SDP")
        self.answers.append(sdp)

    def set_wanted(self, *, audio: bool, video: bool) -> None:
        self.wanted.append((audio, video))

    def set_limit(self, down: Rung, up: Rung, reason: str) -> None:
        self.limits.append((down, up, reason))

    def set_devices(self, *, microphone: bool, camera: bool) -> None:
        self.devices.append((microphone, camera))

    def note_browser_estimate(self, bps: int) -> None:
        self.browser_estimates_bps.append(bps)

    def resend_offer(self) -> None:
        self.resent += 1

    def close(self, reason: str = "left") -> None:
        if not self.closed:
            self.closed = reason
            asyncio.get_running_loop().call_soon(self.listener.on_closed, self.id, reason)


class FakeMediaServer:
    """Sessions without media, offering at once."""

    def __init__(self) -> None:
        self.sessions: list[FakeMediaSession] = []

    def now(self) -> float:
        return time.monotonic()

    def open_session(
        self, room_id: str, participant_id: str, listener: SessionListener, hint: LineHint | None = None
    ) -> FakeMediaSession:
        session = FakeMediaSession(IDS.new_id("med"), room_id, participant_id, listener, hint)
        self.sessions.append(session)
        asyncio.get_running_loop().call_soon(listener.on_offer, session.id, f"offer of {session.id}")
        return session


@dataclass
class Visit:
    """A consult with the sessions of its people, made without the pages."""

    consult_id: str
    doctor_id: str
    clinic_id: str
    patient: str
    patient_token: str
    doctor: str
    doctor_token: str

    @property
    def actor(self) -> Actor:
        return Actor(self.doctor_id, Role.DOCTOR, self.clinic_id)

    @property
    def patient_actor(self) -> Actor:
        return Actor(self.patient, Role.PATIENT, self.clinic_id, self.patient)


async def plan_visit(db: Database, *, arrived: bool = True, admitted: bool = False) -> Visit:
    now = SystemClock().now()

    def make(tx: Transaction) -> Visit:
        clinic = SETTINGS.clinic
        new = accounts.NewStaff(f"d{IDS.new_id('x')[2:]}", "Dra. Ana Rojas", Role.DOCTOR, "x", "urn:mpps", "MPPS-1")
        doctor = accounts.add(tx, new, clinic_id=clinic.id, now=now, ids=IDS)
        actor = Actor(doctor.id, Role.DOCTOR, clinic.id)
        request = planning.PlanRequest("cedula", "V-12345678", "José Peña", "", now + 60)
        planned = planning.plan(tx, request, doctor_id=doctor.id, actor=actor, clinic=clinic, now=now, ids=IDS)
        session = links.exchange(tx, planned.token, clinic=clinic, now=now, ids=IDS)
        staff_token, _ = accounts.open_session(tx, doctor, now=now, ids=IDS)
        everybody = planning.participants.of_consult(tx, planned.consult.id)
        seat = next(p.id for p in everybody if p.staff_id)
        visit = Visit(planned.consult.id, doctor.id, clinic.id, planned.patient_id, session.token, seat, staff_token)
        if arrived or admitted:
            said = consenting.ConsentStatement(True, "1", "es", "ab" * 32, "texto", "José Peña", "", "tap")
            consenting.record(tx, visit.patient, said, actor=visit.patient_actor, now=now, ids=IDS)
            waiting.arrive(tx, visit.patient, actor=visit.patient_actor, now=now)
        if admitted:
            waiting.admit(tx, visit.patient, actor=actor, now=now)
        return visit

    return await db.write(make)


async def add_guest(db: Database, visit: Visit, name: str = "Luis Peña") -> tuple[str, str]:
    """A companion who waits: (participant id, session token)."""
    now = SystemClock().now()

    def make(tx: Transaction) -> tuple[str, str]:
        row, token = planning.invite_guest(
            tx, visit.consult_id, Role.COMPANION, name, actor=visit.actor, now=now, ids=IDS
        )
        session = links.exchange(tx, token, clinic=SETTINGS.clinic, now=now, ids=IDS)
        waiting.arrive(tx, row.id, actor=Actor(row.id, Role.COMPANION, visit.clinic_id, row.id), now=now)
        return row.id, session.token

    return await db.write(make)


class Node:
    """One process's signaling."""

    def __init__(self, service: SignalingService, media: FakeMediaServer, bus: Bus, clock: Clock, port: int) -> None:
        self.service, self.media, self.bus, self.clock = service, media, bus, clock
        self.url = f"http://127.0.0.1:{port}/ws"
        self.ice_asked: list[str] = []

    def ticket(self, subject: str, token: str, kind: Any = "consult") -> str:
        return tickets.mint(Ticket(kind, subject, token_hash(token)), KEY, self.clock.now())


@asynccontextmanager
async def running_node(
    db: Database,
    bus: Bus,
    *,
    clock: Clock | None = None,
    epoch: str = "epo_1",
    settings: Settings = SETTINGS,
    media: MediaServer | None = None,
) -> AsyncIterator[Node]:
    """``media``: a real server of the caller's; otherwise one without media."""
    clock, fake, asked = clock or SystemClock(), FakeMediaServer(), []

    def ice_servers(participant_id: str, now: float) -> list[dict[str, object]]:
        asked.append(participant_id)
        return [{"urls": ["turn:relay.example"], "username": participant_id, "credential": f"{now:.0f}"}]

    service = SignalingService(
        db=db,
        bus=bus,
        media=media or fake,  # type: ignore[arg-type]  # the fake has what signaling uses
        ice_servers=ice_servers,
        settings=settings,
        clock=clock,
        ids=IDS,
        ticket_key=KEY,
        epoch=epoch,
    )
    await service.start()
    app = web.Application()
    app.add_routes(service.routes())
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    node = Node(service, fake, bus, clock, runner.addresses[0][1])
    node.ice_asked = asked
    try:
        yield node
    finally:
        await service.aclose()
        await runner.cleanup()


class PageSocket:
    """A page: sends dictionaries, keeps everything it was sent."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.received: list[dict[str, Any]] = []
        self.client_id = IDS.new_id("cli")
        self._unread = 0
        self._seq = 0

    async def say(self, kind: str, **fields: Any) -> None:
        await self.socket.send_str(json.dumps({"type": kind, **fields}))

    async def durable(self, kind: str, **fields: Any) -> int:
        """A message with the next client_seq, which is returned."""
        self._seq += 1
        await self.say(kind, client_id=self.client_id, client_seq=self._seq, **fields)
        return self._seq

    async def hear(
        self, kind: str, check: Callable[[dict[str, Any]], bool] = lambda _: True, timeout_s: float = 8.0
    ) -> dict[str, Any]:
        """The next message of a kind that passes ``check``; what comes before it is kept and skipped."""
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    while self._unread < len(self.received):
                        message = self.received[self._unread]
                        self._unread += 1
                        if message["type"] == kind and check(message):
                            return message
                    self.received.append(await self._next())
        except TimeoutError:
            heard = [m["type"] for m in self.received]
            raise AssertionError(f"no {kind} within {timeout_s} s; heard {heard}") from None

    async def close_code(self, timeout_s: float = 8.0) -> int | None:
        """Read on until the server closes."""
        async with asyncio.timeout(timeout_s):
            async for frame in self.socket:
                self.received.append(json.loads(frame.data))
        return self.socket.close_code

    def rewind(self) -> None:
        """Look again at everything heard so far."""
        self._unread = 0

    async def _next(self) -> dict[str, Any]:
        frame = await self.socket.receive()
        if frame.type is not aiohttp.WSMsgType.TEXT:
            raise AssertionError(f"closed with {self.socket.close_code}")
        return dict(json.loads(frame.data))


class Pages:
    """Opens pages; closes what is left."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self.http = http

    async def connect(self, node: Node, origin: str = ORIGIN) -> PageSocket:
        return PageSocket(await self.http.ws_connect(node.url, origin=origin, autoclose=False))

    async def open(self, node: Node, subject: str, token: str, *, kind: str = "consult", **hello: Any) -> PageSocket:
        """Connected, with hello said and welcome heard."""
        page = await self.connect(node)
        page.client_id = hello.pop("client_id", page.client_id)
        ticket = node.ticket(subject, token, kind)
        await page.say("hello", versions=[1], ticket=ticket, client_id=page.client_id, **hello)
        await page.hear("welcome")
        return page

    async def doctor(self, node: Node, visit: Visit, **hello: Any) -> PageSocket:
        return await self._synced(await self.open(node, visit.doctor, visit.doctor_token, **hello))

    async def patient(self, node: Node, visit: Visit, **hello: Any) -> PageSocket:
        return await self._synced(await self.open(node, visit.patient, visit.patient_token, **hello))

    async def _synced(self, page: PageSocket) -> PageSocket:
        await page.hear("sync", lambda m: not m["more"])
        return page

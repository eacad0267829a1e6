"""A whole process of the clinic without its command, and everybody who may knock at its routes: who they are, the
consult they belong to, and what they send along."""

import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from sqlalchemy import func, select

from candil.app import Candil, open_service
from candil.bus.memory import InProcessBus
from candil.bus.state import Counters
from candil.config import Settings
from candil.config.settings import MediaSettings, SecuritySettings, ServerSettings, StorageSettings
from candil.consults import accounts, consenting, finishing, links, notes, planning, waiting
from candil.consults.finishing import FinishContext
from candil.consults.permissions import Actor, Role
from candil.ids import RandomIds
from candil.store import participants, tables
from candil.store.staff import StaffRow
from candil.store.tx import Transaction
from webapp.context import CONTEXT, WebContext

ORIGIN = "https://consulta.example"
TARGET = "archivo"  # a receiver nobody serves
IDS = RandomIds()
NOTE = {"reason": "Tos", "diagnosis.text": "Bronquitis", "instructions": "Agua", "next_action.kind": "none"}
STATUSES = ("planned", "arrived", "in-progress", "finished", "cancelled")


@dataclass(frozen=True)
class Caller:
    """Somebody with a session (or none). ``kind``: nobody, staff, seat or key."""

    name: str
    kind: str = "nobody"
    role: Role | None = None
    id: str = ""  # staff or participant
    csrf: str = ""
    cookie: str = ""
    key: str = ""
    valid: bool = True

    def headers(self) -> dict[str, str]:
        sent = {"Accept": "application/json"}
        if self.cookie:
            sent["Cookie"] = f"{'candil_s' if self.kind == 'staff' else 'candil_v'}={self.cookie}"
        if self.csrf:
            sent["X-CSRF-Token"] = self.csrf
        if self.key:
            sent["Authorization"] = f"Bearer {self.key}"
        return sent


@dataclass(frozen=True)
class Scene:
    """One consult of doctor A in a given status with everybody around it, all of them signed in."""

    consult_id: str
    doctor_id: str
    status: str
    patient: str
    link: str
    people: dict[str, Caller]
    admissions: dict[str, str] = field(default_factory=dict)


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: str


class Stage:
    """The running process, its people, and how they ask."""

    def __init__(self, service: Candil, url: str, http: aiohttp.ClientSession) -> None:
        self.service, self.url, self.http = service, url, http
        assert isinstance(service.bus, InProcessBus)
        self.bus = service.bus
        self.staff: dict[str, StaffRow] = {}
        self.keys: dict[str, str] = {}

    @property
    def ctx(self) -> WebContext:
        return self.service.web[CONTEXT]

    async def ask(
        self,
        method: str,
        path: str,
        caller: Caller | None = None,
        headers: Mapping[str, str] | None = None,
        **sent: Any,
    ) -> Answer:
        all_headers = {**(caller.headers() if caller else {}), **(headers or {})}
        async with self.http.request(
            method, self.url + path, headers=all_headers, allow_redirects=False, **sent
        ) as answer:
            return Answer(answer.status, answer.headers, (await answer.read()).decode("utf-8", "replace"))

    async def add_people(self) -> None:
        clinic_id, now = self.ctx.settings.clinic.id, self.ctx.clock.now()

        def make(tx: Transaction) -> None:
            for name, role in (
                ("doctor A", Role.DOCTOR),
                ("doctor B", Role.DOCTOR),
                ("front desk", Role.FRONT_DESK),
                ("admin", Role.ADMIN),
            ):
                new = accounts.NewStaff(name.replace(" ", "."), name, role, "no password", "urn:x", "MPPS-1")
                self.staff[name] = accounts.add(tx, new, clinic_id=clinic_id, now=now, ids=IDS)
            for role in (Role.INTEGRATION, Role.RECEIVER):
                self.keys[role] = accounts.add_api_key(tx, role, role=role, clinic_id=clinic_id, now=now, ids=IDS)

        await self.ctx.db.write(make)

    async def scene(self, status: str) -> Scene:
        """A new consult brought to ``status``, in one transaction."""
        now = self.ctx.clock.now()
        return await self.ctx.db.write(lambda tx: _Director(self, tx, now).make(status))

    def forget_counts(self) -> None:
        """So that a test may ask more often than anybody may."""
        self.bus._counters = Counters()

    async def ticket(self, caller: Caller, path: str) -> str:
        answer = await self.ask("POST", path, caller)
        assert answer.status == 200, answer.body
        return str(json.loads(answer.body)["ticket"])

    async def greet(self, ticket: str) -> tuple[str, str]:
        """What the socket says to a hello with this ticket: welcome and the participant, or bye and why."""
        async with self.http.ws_connect(self.url + "/ws", origin=ORIGIN) as page:
            await page.send_json({"type": "hello", "versions": [1], "ticket": ticket, "client_id": "cli_1"})
            said = await page.receive_json(timeout=10)
        return said["type"], said["participant"] if said["type"] == "welcome" else said["code"]

    async def rows(self) -> dict[str, Any]:
        """What an act would change: how many rows every table holds, and every consult and participant."""

        def read(tx: Transaction) -> dict[str, Any]:
            counts: dict[str, Any] = {
                name: tx.scalar(select(func.count()).select_from(table))
                for name, table in tables.metadata.tables.items()
            }
            for table in (tables.consults, tables.participants, tables.invitations, tables.deliveries):
                counts[f"rows of {table.name}"] = sorted(tuple(map(str, row)) for row in tx.execute(select(table)))
            for table in (tables.staff_sessions, tables.participant_sessions):
                live = select(func.count()).select_from(table).where(table.c.revoked_at.is_(None))
                counts[f"live {table.name}"] = tx.scalar(live)
            return counts

        return await self.ctx.db.read(read)


class _Director:
    """Makes one scene with the use cases themselves."""

    def __init__(self, stage: Stage, tx: Transaction, now: float) -> None:
        self.stage, self.tx, self.now = stage, tx, now
        self.clinic = stage.ctx.settings.clinic
        self.doctor = stage.staff["doctor A"]
        self.actor = Actor(self.doctor.id, Role.DOCTOR, self.clinic.id)

    def make(self, status: str) -> Scene:
        mine, other = self._plan(self.doctor), self._plan(self.stage.staff["doctor B"])
        patient, patient_link = mine.patient_id, mine.token
        people = [Caller("nobody"), *self._staff(), *self._keys()]
        people.append(self._seat("patient", patient, patient_link, Role.PATIENT))
        people.append(self._seat("patient of another", other.patient_id, other.token, Role.PATIENT))
        guests = {name: self._invite(mine.consult.id, name) for name in ("waiting", "admitted", "revoked")}
        people += [self._seat(name, who.id, token, Role.COMPANION) for name, (who, token) in guests.items()]
        if status not in ("planned", "cancelled"):
            self._arrive(patient, [who.id for who, _ in guests.values()])
        if status in ("in-progress", "finished"):
            for person in (patient, guests["admitted"][0].id, guests["revoked"][0].id):
                waiting.admit(self.tx, person, actor=self.actor, now=self.now)
        links.revoke(self.tx, guests["revoked"][0].id, actor=self.actor, now=self.now)
        if status == "finished":
            self._finish(mine.consult.id)
        if status == "cancelled":
            planning.cancel(self.tx, mine.consult.id, actor=self.actor, now=self.now)
        return Scene(
            consult_id=mine.consult.id,
            doctor_id=self.doctor.id,
            status=status,
            patient=patient,
            link=patient_link,
            people={p.name: replace(p, valid=p.name not in ("revoked", "signed out")) for p in people},
            admissions={p.id: p.admission for p in participants.of_consult(self.tx, mine.consult.id)},
        )

    def _plan(self, doctor: StaffRow) -> planning.Planned:
        actor = Actor(doctor.id, Role.DOCTOR, self.clinic.id)
        request = planning.PlanRequest("cedula", "V-12345678", "Rosa Márquez", "", self.now + 60, reason="Tos")
        return planning.plan(
            self.tx, request, doctor_id=doctor.id, actor=actor, clinic=self.clinic, now=self.now, ids=IDS
        )

    def _staff(self) -> list[Caller]:
        found = []
        for name, account in [*self.stage.staff.items(), ("signed out", self.doctor)]:
            token, csrf = accounts.open_session(self.tx, account, now=self.now, ids=IDS)
            found.append(Caller(name, "staff", Role(account.role), account.id, csrf, token))
            if name == "signed out":
                accounts.sign_out(self.tx, token, account, now=self.now)
        return found

    def _keys(self) -> list[Caller]:
        return [Caller(f"key {role}", "key", Role(role), key=key) for role, key in self.stage.keys.items()]

    def _seat(self, name: str, participant_id: str, link: str, role: Role) -> Caller:
        session = links.exchange(self.tx, link, clinic=self.clinic, now=self.now, ids=IDS)
        return Caller(name, "seat", role, participant_id, session.csrf_token, session.token)

    def _invite(self, consult_id: str, name: str) -> Any:
        return planning.invite_guest(
            self.tx, consult_id, Role.COMPANION, f"Acompañante {name}", actor=self.actor, now=self.now, ids=IDS
        )

    def _arrive(self, patient: str, guests: list[str]) -> None:
        said = consenting.ConsentStatement(True, "1", "es", "ab" * 32, "texto", "Rosa Márquez", "", "tap")
        actor = Actor(patient, Role.PATIENT, self.clinic.id, patient)
        consenting.record(self.tx, patient, said, actor=actor, now=self.now, ids=IDS)
        waiting.arrive(self.tx, patient, actor=actor, now=self.now)
        for guest in guests:
            waiting.arrive(self.tx, guest, actor=Actor(guest, Role.COMPANION, self.clinic.id, guest), now=self.now)

    def _finish(self, consult_id: str) -> None:
        revision = 0
        for number, (name, value) in enumerate(NOTE.items(), 1):
            operation = notes.NoteOperation("made", number, revision, name, value)
            revision = notes.write(self.tx, consult_id, operation, actor=self.actor, now=self.now)[0].revision
        finishing.finish(
            self.tx,
            consult_id,
            note_revision=revision,
            actor=self.actor,
            context=FinishContext(self.clinic, (TARGET,), "urn:consent/{locale}/{version}"),
            now=self.now,
            ids=IDS,
        )


@asynccontextmanager
async def stage(data_dir: Path) -> AsyncIterator[Stage]:
    """A running process behind a proxy that does TLS, on a free port, with its real sockets and tickets."""
    settings = Settings(
        server=ServerSettings(public_url=ORIGIN, tls="proxy"),
        storage=StorageSettings(data_dir=data_dir),
        media=MediaSettings(bind_host="127.0.0.1", udp_port=0, advertised_addresses=("127.0.0.1",)),
        security=SecuritySettings(request_limit_per_min=1_000_000),
    )
    listener = socket.create_server(("127.0.0.1", 0))
    async with AsyncExitStack() as stack:
        service = await open_service(settings, stack)
        runner = web.AppRunner(service.web, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.SockSite(runner, listener).start()
        http = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()))
        running = Stage(service, f"http://127.0.0.1:{listener.getsockname()[1]}", http)
        await running.add_people()
        yield running

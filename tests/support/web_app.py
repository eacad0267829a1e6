"""The pages on a real HTTP port over a real database, without sockets and media: tickets are made-up words."""

import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aiohttp import web

from candil.bus.memory import InProcessBus
from candil.clock import Clock, SystemClock
from candil.config import Settings
from candil.config.settings import ServerSettings, StorageSettings
from candil.consults import accounts, consenting, finishing, links, notes, planning, waiting
from candil.consults.finishing import FinishContext
from candil.consults.permissions import Actor, Role
from candil.consults.planning import Planned, PlanRequest
from candil.ids import IdSource, RandomIds
from candil.passwords import hash_password
from candil.store.open import migrate, open_database
from candil.store.staff import StaffRow
from consent.records import ConsentAnswer, build_record
from consent.wording import load_wordings
from webapp.assets import Assets
from webapp.context import SocketTickets, WebContext
from webapp.routes import build
from webapp.templating import Templates

PASSWORD = "una clave larga"


@dataclass
class WebApp:
    """A running clinic: ``url`` is where it answers, ``doctor`` signs in as ``doctora`` with PASSWORD."""

    url: str
    ctx: WebContext
    doctor: StaffRow
    clock: Clock
    ids: IdSource

    @property
    def actor(self) -> Actor:
        return Actor(self.doctor.id, Role.DOCTOR, self.doctor.clinic_id)

    async def do(self, act: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """A use case in a transaction of its own, at the clock's time."""
        now = self.clock.now()
        return await self.ctx.db.write(lambda tx: act(tx, *arguments, now=now, **named))

    async def plan(self, **changes: Any) -> Planned:
        values: dict[str, Any] = {
            "identifier_kind": "cedula",
            "identifier": "V-8123456",
            "name": "Rosa Elena Márquez",
            "phone": "0414-5551234",
            "scheduled_at": self.clock.now() + 600,
            "reason": "Tos desde hace una semana",
        }
        return await self.do(
            planning.plan,
            PlanRequest(**(values | changes)),
            doctor_id=self.doctor.id,
            actor=self.actor,
            clinic=self.ctx.settings.clinic,
            ids=self.ids,
        )

    def guest_actor(self, participant_id: str, role: Role = Role.PATIENT) -> Actor:
        return Actor(participant_id, role, self.doctor.clinic_id, participant_id)

    async def consent(self, planned: Planned, accepted: bool = True) -> None:
        clinic = self.ctx.settings.clinic
        wording = self.ctx.wordings.wording(planned.consult.locale, clinic=clinic.name, doctor=self.doctor.name)
        minor = bool(planned.consult.patient_is_minor)
        answer = ConsentAnswer(
            accepted, wording.sha256, planned.consult.patient_name, *(("Ana", "madre") if minor else ())
        )
        record = build_record(wording, answer, patient_is_minor=minor, method="tap", now=self.clock.now())
        actor = self.guest_actor(planned.patient_id)
        await self.do(consenting.record, planned.patient_id, record.statement(), actor=actor, ids=self.ids)

    async def arrive(self, planned: Planned) -> None:
        await self.do(waiting.arrive, planned.patient_id, actor=self.guest_actor(planned.patient_id))

    async def admit(self, participant_id: str) -> None:
        await self.do(waiting.admit, participant_id, actor=self.actor)

    async def finish(self, planned: Planned, fields: Mapping[str, str]) -> None:
        """Write the note's fields and sign it."""
        revision = 0
        for number, (name, value) in enumerate(fields.items(), 1):
            operation = notes.NoteOperation("test", number, revision, name, value)
            row, _ = await self.do(notes.write, planned.consult.id, operation, actor=self.actor)
            revision = row.revision
        await self.do(
            finishing.finish,
            planned.consult.id,
            note_revision=revision,
            actor=self.actor,
            context=self.ctx.finish,
            ids=self.ids,
        )

    async def session(self, token: str) -> links.Session:
        """What the link's button would put into the cookie."""
        return await self.do(links.exchange, token, clinic=self.ctx.settings.clinic, ids=self.ids)


@asynccontextmanager
async def running_web_app(
    data_dir: Path, *, clock: Clock | None = None, settings: Settings | None = None
) -> AsyncIterator[WebApp]:
    """The pages of a clinic with one doctor, on a free port of this machine."""
    clock, ids = clock or SystemClock(), RandomIds()
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://localhost:{listener.getsockname()[1]}"
    settings = replace(
        settings or Settings(), server=ServerSettings(public_url=url), storage=StorageSettings(data_dir=data_dir)
    )
    migrate(settings.storage)
    db = open_database(settings.storage)
    bus = InProcessBus("test", clock)
    await bus.start()
    doctor = await db.write(
        lambda tx: accounts.add(tx, _doctor(settings), clinic_id=settings.clinic.id, now=clock.now(), ids=ids)
    )
    assets = Assets()
    ctx = WebContext(
        db=db,
        bus=bus,
        clock=clock,
        ids=ids,
        settings=settings,
        finish=FinishContext(settings.clinic, (), url + "/consent/{locale}/{version}"),
        tickets=SocketTickets(lambda *_: "seat-ticket", lambda *_: "consult-ticket", lambda *_: "board-ticket"),
        assets=assets,
        templates=Templates(settings, assets),
        share_texts=lambda consult, link, locale: {
            "link": link,
            "sms": link,
            "chat": link,
            "sms_url": f"sms:?&body={link}",
            "whatsapp_url": "https://wa.me/",
        },
        wordings=load_wordings(),
        notify_outbox=lambda: None,
    )
    runner = web.AppRunner(build(ctx, []), access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    try:
        yield WebApp(url, ctx, doctor, clock, ids)
    finally:
        await runner.cleanup()
        await bus.aclose()
        db.close()


def _doctor(settings: Settings) -> accounts.NewStaff:
    return accounts.NewStaff(
        login="doctora",
        name="Dra. Ana Pérez",
        role=Role.DOCTOR,
        password_hash=hash_password(PASSWORD),
        practitioner_system=settings.clinic.practitioner_system,
        practitioner_value="MPPS-12345",
    )

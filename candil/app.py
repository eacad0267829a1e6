"""The composition root: the only place that knows every part, and how they hold together.

``Candil`` opens what a process needs in the order in which things depend on each other, and closes it in the
opposite one. Nothing else constructs a database, a bus, a media server or a worker.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

from aiohttp import web

from candil import keys
from candil.addresses import port_advice
from candil.bus import topics
from candil.bus.open import open_bus
from candil.bus.port import Bus
from candil.clock import Clock, SystemClock, to_datetime
from candil.config import Settings
from candil.consults import timeline
from candil.consults.finishing import FinishContext
from candil.endpoints import ladder_policy, media_config, turn_config
from candil.errors import ConfigError
from candil.ids import IdSource, RandomIds
from candil.log import log_event
from candil.receivers import receivers
from candil.store import consults, meta
from candil.store.consults import ConsultRow
from candil.store.database import Database
from candil.store.open import migrate, open_database
from candil.store.tx import Transaction
from consent.wording import load_wordings
from ehr_bridge.aio.store import OutboxDeliveryStore
from ehr_bridge.aio.worker import DeliveryWorker
from ehr_bridge.profiles.webhook import WebhookSettings
from ehr_bridge.targets import Target
from media.adaptation.policy import LadderPolicy
from media.aio.server import MediaServer
from media.aio.tcp import TcpPortTaken
from messaging.share import share_texts
from signaling.aio.service import SignalingService
from turn import credentials, ice_servers
from webapp.assets import Assets
from webapp.context import SocketTickets, WebContext
from webapp.routes import build
from webapp.templating import Templates

log = logging.getLogger(__name__)


@dataclass
class Candil:
    """One running process of the service: ``web`` is what to serve."""

    settings: Settings
    db: Database
    bus: Bus
    media: MediaServer
    worker: DeliveryWorker
    signaling: SignalingService
    web: web.Application


async def open_service(
    settings: Settings,
    stack: AsyncExitStack,
    *,
    clock: Clock | None = None,
    ids: IdSource | None = None,
    on_storage_failed: Callable[[], None] = lambda: None,
) -> Candil:
    """Open everything onto ``stack``, which closes it; whoever serves ``web`` ends the sockets by shutting it down.

    Raises ConfigError, also for a media port that is taken.
    """
    clock, ids = clock or SystemClock(), ids or RandomIds()
    targets = receivers(settings)
    db, bus = await _open_stores(settings, stack, clock, ids, on_storage_failed)
    epoch = await db.write(lambda tx: meta.ensure_epoch(tx, ids.new_id("epo")))
    ticket_key = keys.ticket_key(settings.storage.data_dir, settings.security.secret_key_file)
    media = await _open_media(settings, stack, clock, ids)
    worker = await _start_worker(settings, stack, targets, db, bus, clock, ids)
    signaling = SignalingService(
        db=db,
        bus=bus,
        media=media,
        ice_servers=_ice_servers(settings),
        settings=settings,
        clock=clock,
        ids=ids,
        ticket_key=ticket_key,
        epoch=epoch,
    )
    await signaling.start()
    context = _web_context(settings, db, bus, clock, ids, signaling, worker, tuple(t.name for t in targets))
    app = build(context, signaling.routes())

    async def say_goodbye(_: web.Application) -> None:
        await signaling.aclose()

    # While the sockets are still open: afterwards the web server only cuts them, and nobody is told to come back.
    app.on_shutdown.append(say_goodbye)
    log.info(log_event("service.opened", node=bus.node_id, media_port=media.port, targets=len(targets)))
    return Candil(settings, db, bus, media, worker, signaling, app)


async def open_worker(
    settings: Settings, stack: AsyncExitStack, *, on_storage_failed: Callable[[], None] = lambda: None
) -> DeliveryWorker:
    """Only the delivery of finished visits, opened onto ``stack``. Raises ConfigError."""
    clock, ids = SystemClock(), RandomIds()
    targets = receivers(settings)
    db, bus = await _open_stores(settings, stack, clock, ids, on_storage_failed)
    return await _start_worker(settings, stack, targets, db, bus, clock, ids)


async def _open_stores(
    settings: Settings, stack: AsyncExitStack, clock: Clock, ids: IdSource, on_storage_failed: Callable[[], None]
) -> tuple[Database, Bus]:
    """The migrated database and the bus."""
    await asyncio.to_thread(migrate, settings.storage)
    db = open_database(settings.storage, on_storage_failed)
    stack.callback(db.close)
    bus = open_bus(settings.redis.url, f"{os.uname().nodename}-{ids.new_id('nod')}", clock)
    await bus.start()
    stack.push_async_callback(bus.aclose)
    return db, bus


async def _open_media(settings: Settings, stack: AsyncExitStack, clock: Clock, ids: IdSource) -> MediaServer:
    media = MediaServer(media_config(settings), clock, ids)
    try:
        await media.start()
    except OSError as error:
        wanted = media.config
        of_tcp = isinstance(error, TcpPortTaken)
        port = f"tcp_port {wanted.tcp_port}" if of_tcp else f"udp_port {wanted.udp_port}"
        raise ConfigError("config_media_port", f"[media] {port} on {wanted.bind_host} {port_advice(error)}") from None
    stack.push_async_callback(media.aclose)
    return media


async def _start_worker(
    settings: Settings,
    stack: AsyncExitStack,
    targets: tuple[Target, ...],
    db: Database,
    bus: Bus,
    clock: Clock,
    ids: IdSource,
) -> DeliveryWorker:
    news = DeliveryNews(db, bus, clock)
    worker = DeliveryWorker(
        OutboxDeliveryStore(db, ids),
        targets,
        clock=clock,
        webhooks=WebhookSettings(
            source=settings.server.public_url,
            record_url=settings.server.public_url.rstrip("/") + "/api/v1/consults/{consult_id}/record",
        ),
        on_delivery_change=news,
    )
    stack.push_async_callback(news.aclose)
    await worker.start()
    stack.push_async_callback(worker.aclose)
    return worker


def _ice_servers(settings: Settings) -> Callable[[str, float], list[dict[str, object]]]:
    config = turn_config(settings)

    def servers(participant_id: str, now: float) -> list[dict[str, object]]:
        if not config.uris:
            return []
        credential = credentials.mint(config.secret, participant_id, now, config.credential_life_s)
        return ice_servers.ice_servers(config, credential)

    return servers


class DeliveryNews:
    """Keeps what became of a delivery on the consult's timeline and tells the pages that show it."""

    def __init__(self, db: Database, bus: Bus, clock: Clock) -> None:
        self._db, self._bus, self._clock = db, bus, clock
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(self, consult_id: str, target: str, state: str) -> None:
        task = asyncio.ensure_future(self._tell(consult_id, target, state))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        """Wait for what is being kept."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _tell(self, consult_id: str, target: str, state: str) -> None:
        def note(tx: Transaction) -> ConsultRow | None:
            consult = consults.lock(tx, consult_id)
            if consult is not None:
                timeline.append(
                    tx,
                    consult,
                    "delivery.changed",
                    actor="bridge",
                    now=self._clock.now(),
                    audience=timeline.STAFF,
                    target=target,
                    state=state,
                )
            return consult

        consult = await self._db.write(note)
        if consult is not None:
            topics.poke(self._bus, consult.id, consult.doctor_id)


def _web_context(
    settings: Settings,
    db: Database,
    bus: Bus,
    clock: Clock,
    ids: IdSource,
    signaling: SignalingService,
    worker: DeliveryWorker,
    targets: tuple[str, ...],
) -> WebContext:
    assets = Assets()
    templates = Templates(settings, assets)
    public_url = settings.server.public_url.rstrip("/")

    def share(consult: ConsultRow, link: str, locale: str) -> Mapping[str, str]:
        return share_texts(
            clinic_name=settings.clinic.name,
            short_name=settings.clinic.short_name,
            link=link,
            local_time=to_datetime(consult.scheduled_at).astimezone(templates.languages[locale].zone),
            locale=locale,
            phone=consult.patient_phone,
        )

    return WebContext(
        db=db,
        bus=bus,
        clock=clock,
        ids=ids,
        settings=settings,
        finish=FinishContext(settings.clinic, targets, public_url + "/consent/{locale}/{version}"),
        tickets=SocketTickets(
            for_seat=signaling.mint_seat_ticket,
            for_consult=signaling.mint_consult_ticket,
            for_board=signaling.mint_board_ticket,
        ),
        assets=assets,
        templates=templates,
        share_texts=share,
        wordings=load_wordings(),
        notify_outbox=worker.notify,
        ladder=ladder_policy(settings.ladder) or LadderPolicy(),
    )

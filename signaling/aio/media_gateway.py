"""Brings a page's media messages to the process that has its consult's room, and the answers back.

The room belongs to whoever holds the claim ``room:<consult>``; the first to need it claims it. When its
process is lost, the pages it served are told ``media.closed`` ``server`` and join again, wherever it is then.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from candil.bus import topics
from candil.log import log_event
from media.aio.server import MediaServer
from signaling import relayed
from signaling.aio.hub import Hub
from signaling.aio.parts import Parts
from signaling.aio.room_host import RoomHost
from signaling.facts import People, read_people
from signaling.messages import MediaClosed, MediaDevices, MediaJoin, MediaMessage, MediaOffer, Outgoing, RoomMessage
from signaling.room_effects import Page

log = logging.getLogger(__name__)

CLAIM_TTL_S = 15.0
UPKEEP_S = 4.0
JOIN_ANSWER_S = 6.0  # a room elsewhere that has not answered by then is taken for lost
EMPTY_ROOM_S = 30.0


@dataclass
class _Elsewhere:
    """A page connected here whose session is in another process."""

    owner: str
    session_id: str = ""
    asked_at: float | None = None


class MediaGateway:
    def __init__(self, parts: Parts, media: MediaServer, ice_renew_s: float) -> None:
        self.hub: Hub  # set by the service: the two need each other
        self._parts, self._media, self._ice_renew_s = parts, media, ice_renew_s
        self._hosts: dict[str, RoomHost] = {}
        self._opening: dict[str, asyncio.Lock] = {}
        self._elsewhere: dict[tuple[str, Page], _Elsewhere] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._unsubscribe: Callable[[], None] = lambda: None
        self._upkeep: asyncio.Task[None] | None = None
        self._closed = False

    async def start(self) -> None:
        node_id = self._parts.bus.node_id
        self._unsubscribe = self._parts.bus.subscribe(topics.node(node_id), self._on_relayed)
        self._upkeep = asyncio.create_task(self._keep_up(), name="media-gateway")

    async def aclose(self) -> None:
        self._closed = True
        self._unsubscribe()
        if self._upkeep is not None:
            self._upkeep.cancel()
            await asyncio.gather(self._upkeep, return_exceptions=True)
        for host in list(self._hosts.values()):
            await self._drop(host)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def handle(self, consult_id: str, participant_id: str, client_id: str, message: MediaMessage) -> None:
        """A media message of a page connected here, already allowed."""
        page = Page(participant_id, client_id, self._parts.bus.node_id)
        host = await self._host(consult_id)
        if host is not None:
            await host.handle(message, page)
            return
        owner = await self._parts.bus.owner(topics.room(consult_id))
        if owner is None or owner == self._parts.bus.node_id:
            self._tell(consult_id, page, MediaClosed(getattr(message, "session", ""), "server"))
            return
        known = self._elsewhere.setdefault((consult_id, page), _Elsewhere(owner))
        known.owner = owner
        if isinstance(message, MediaJoin):
            known.asked_at = self._parts.clock.now()
        self._parts.bus.publish(topics.node(owner), relayed.to_room(consult_id, page, message))

    async def devices_changed(self, consult_id: str, page: Page, message: MediaDevices) -> None:
        """A page said which devices are on: told to the consult's room if there is one."""
        if host := self._hosts.get(consult_id):
            await host.handle(message, page)
            return
        owner = await self._parts.bus.owner(topics.room(consult_id))
        if owner is not None and owner != self._parts.bus.node_id:
            self._parts.bus.publish(topics.node(owner), relayed.to_room(consult_id, page, message))

    def people_changed(self, people: People) -> None:
        if host := self._hosts.get(people.consult.id):
            host.people_changed(people)

    def page_seen(self, consult_id: str, page: Page) -> None:
        if host := self._hosts.get(consult_id):
            host.page_seen(page)

    async def _host(self, consult_id: str) -> RoomHost | None:
        """The consult's room when it is here, claiming it when it is nowhere; None when it is elsewhere."""
        lock = self._opening.setdefault(consult_id, asyncio.Lock())
        async with lock:
            if host := self._hosts.get(consult_id):
                return host
            if await self._parts.bus.claim(topics.room(consult_id), CLAIM_TTL_S) != self._parts.bus.node_id:
                return None
            people = await self._parts.db.read(lambda tx: read_people(tx, consult_id))
            if people is None:
                return None
            host = RoomHost(people, self._parts, self._media, self._ice_renew_s, self._tell)
            self._hosts[consult_id] = host
            self.hub.watch(people)
            log.info(log_event("room.opened", consult=consult_id))
            return host

    def _tell(self, consult_id: str, page: Page, message: Outgoing) -> None:
        """To a page, here or in the process it is connected to."""
        if page.node_id == self._parts.bus.node_id:
            self.hub.deliver(consult_id, page, message)
        else:
            self._parts.bus.publish(topics.node(page.node_id), relayed.to_page(consult_id, page, message))

    def _on_relayed(self, payload: Mapping[str, Any]) -> None:
        try:
            envelope, message = relayed.read(payload)
        except msgspec.ValidationError:
            log.warning(log_event("media.relay_refused"))
            return
        if envelope.to == "page":
            self._answered(envelope.consult, envelope.page, cast(Outgoing, message))
        else:
            self._spawn(self._handle_relayed(envelope.consult, envelope.page, cast(RoomMessage, message)))

    async def _handle_relayed(self, consult_id: str, page: Page, message: RoomMessage) -> None:
        if isinstance(message, MediaDevices):
            if host := self._hosts.get(consult_id):
                await host.handle(message, page)
            return
        host = await self._host(consult_id)
        if host is not None:
            await host.handle(message, page)
        else:
            self._tell(consult_id, page, MediaClosed(getattr(message, "session", ""), "server"))

    def _answered(self, consult_id: str, page: Page, message: Outgoing) -> None:
        known = self._elsewhere.get((consult_id, page))
        if known is not None:
            known.asked_at = None
            if isinstance(message, MediaOffer):
                known.session_id = message.session
            elif isinstance(message, MediaClosed) and message.session == known.session_id:
                del self._elsewhere[consult_id, page]
        self.hub.deliver(consult_id, page, message)

    async def _keep_up(self) -> None:
        while not self._closed:  # on Python 3.11 a client library's wait_for may swallow a cancellation
            await asyncio.sleep(UPKEEP_S)
            try:
                await self._renew_claims()
                await self._check_elsewhere()
            except Exception as error:
                log.warning(log_event("media.upkeep_failed"), exc_info=error)

    async def _renew_claims(self) -> None:
        now = self._parts.clock.now()
        for host in list(self._hosts.values()):
            host.idle_since = (host.idle_since or now) if host.is_empty else None
            if host.idle_since is not None and now - host.idle_since > EMPTY_ROOM_S:
                await self._drop(host)
                continue
            owner = await self._parts.bus.claim(topics.room(host.consult_id), CLAIM_TTL_S)
            if owner != self._parts.bus.node_id:
                log.warning(log_event("room.taken", consult=host.consult_id, owner=owner))
                await self._drop(host)

    async def _drop(self, host: RoomHost) -> None:
        self._hosts.pop(host.consult_id, None)
        self._opening.pop(host.consult_id, None)
        await host.aclose("server")
        await self._parts.bus.release(topics.room(host.consult_id))
        self.hub.unwatch(host.consult_id)

    async def _check_elsewhere(self) -> None:
        """Tell pages whose room's process is gone; a busy one is not taken for gone while it holds its claim."""
        now = self._parts.clock.now()
        for (consult_id, page), known in list(self._elsewhere.items()):
            owner = await self._parts.bus.owner(topics.room(consult_id))
            unanswered = known.asked_at is not None and now - known.asked_at > JOIN_ANSWER_S
            if owner == known.owner and not unanswered:
                continue
            self._elsewhere.pop((consult_id, page), None)
            self.hub.deliver(consult_id, page, MediaClosed("" if unanswered else known.session_id, "server"))

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

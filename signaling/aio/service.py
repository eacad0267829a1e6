"""The signaling side of one process: everything behind ``/ws``."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable
from functools import partial
from typing import Any

from aiohttp import web

from candil.addresses import client_address
from candil.bus import topics
from candil.bus.port import Bus
from candil.clock import Clock
from candil.config import Settings
from candil.consults.accounts import SignedIn
from candil.consults.links import Seat
from candil.errors import Refused
from candil.ids import IdSource, token_hash
from candil.log import log_event
from candil.store.consults import ConsultRow
from candil.store.database import Database
from candil.store.tx import Transaction
from media.aio.server import MediaServer
from signaling import access, commands, tickets
from signaling.aio import ws
from signaling.aio.driver import Connection
from signaling.aio.hub import Hub
from signaling.aio.media_gateway import MediaGateway
from signaling.aio.parts import IceServers, Parts
from signaling.facts import Presence, read_people
from signaling.messages import Hello, Incoming, MediaDevices, MediaMessage, MessageSeen
from signaling.photo_messages import PhotoAnswer, PhotoAnswered, PhotoRequest, PhotoRequested
from signaling.room_effects import Page
from signaling.session import Opened, Standing
from signaling.tickets import Ticket

log = logging.getLogger(__name__)
CLOSE_INTERNAL = 1011  # RFC 6455 section 7.4.1; pages reconnect after it

ICE_RENEW_AT = 0.75  # of a relay credential's life


class SignalingService:
    def __init__(
        self,
        *,
        db: Database,
        bus: Bus,
        media: MediaServer,
        ice_servers: IceServers,
        settings: Settings,
        clock: Clock,
        ids: IdSource,
        ticket_key: str,
        epoch: str,
    ) -> None:
        self._parts = Parts(db, bus, clock, ids, settings, ice_servers, ticket_key, epoch)
        self._origins = ws.allowed_origins(settings.server.public_url)
        self._gateway = MediaGateway(self._parts, media, settings.turn.credential_life_s * ICE_RENEW_AT)
        self._unidentified: dict[str, str] = {}  # connection to address
        self._working: set[asyncio.Future[Any]] = set()

    async def start(self) -> None:
        self._hub = self._gateway.hub = Hub(self._parts, self._gateway.people_changed, self._gateway.page_seen)
        await self._gateway.start()

    async def aclose(self) -> None:
        """Finish what is being committed, say goodbye, end the media sessions of this process."""
        await asyncio.gather(*self._working, return_exceptions=True)
        await self._gateway.aclose()
        await self._hub.aclose()

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/ws", self._socket)]

    # Tickets; the session token is the cookie's, of which only the hash travels on

    def mint_seat_ticket(self, seat: Seat, session_token: str) -> str:
        return self._mint(Ticket("consult", seat.participant.id, token_hash(session_token)))

    def mint_consult_ticket(self, who: SignedIn, consult: ConsultRow, participant_id: str, session_token: str) -> str:
        if consult.doctor_id != who.staff.id:
            raise Refused("not_now", "Only the consult's doctor takes part in it.")
        return self._mint(Ticket("consult", participant_id, token_hash(session_token)))

    def mint_board_ticket(self, who: SignedIn, session_token: str) -> str:
        return self._mint(Ticket("board", who.staff.id, token_hash(session_token)))

    def _mint(self, ticket: Ticket) -> str:
        return tickets.mint(ticket, self._parts.ticket_key, self._parts.clock.now())

    # The socket

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        ws.check_origin(request, self._origins)
        address = client_address(
            request.remote or "", request.headers.get("X-Forwarded-For", ""), self._parts.settings.server
        )
        of_address = sum(1 for other in self._unidentified.values() if other == address)
        if len(self._unidentified) >= ws.MAX_UNIDENTIFIED or of_address >= ws.MAX_UNIDENTIFIED_OF_ADDRESS:
            raise ws.too_busy()
        ws.keep_trying(request)
        socket = ws.new_socket()
        await socket.prepare(request)
        transport = request.transport
        connection = Connection(
            self._parts.ids.new_id("sock"),
            socket,
            self,
            self._parts.clock.now,
            transport.abort if transport is not None else lambda: None,
        )
        self._unidentified[connection.id] = address
        with contextlib.suppress(ConnectionError):
            try:
                await connection.run()
            except Exception as error:  # after the upgrade there is no HTTP answer left to give
                log.exception(log_event("socket.failed", error=type(error).__name__))
                await socket.close(code=CLOSE_INTERNAL)
            finally:
                self._unidentified.pop(connection.id, None)
        return socket

    # signaling.aio.driver.Service

    async def identify(self, hello: Hello) -> Opened:
        now = self._parts.clock.now()
        ticket = tickets.verify(hello.ticket, self._parts.ticket_key, now, hello.client_id)

        def read(tx: Transaction) -> tuple[access.Identity, Standing | None]:
            who = access.identify(tx, ticket, self._parts.settings, now)
            people = read_people(tx, who.consult_id) if who.consult_id else None
            me = people.participant(who.participant_id) if people else None
            if people is None or me is None:
                return who, None
            consult = people.consult
            return who, Standing(me.admission, consult.status, consult.conversation_ended_at is not None)

        who, standing = await self._parts.db.read(read)
        resume = partial(tickets.mint_resume, ticket, hello.client_id, self._parts.ticket_key)
        return Opened(who, standing, self._parts.epoch, resume)

    async def attach(self, connection: Connection) -> None:
        self._unidentified.pop(connection.id, None)
        await self._hub.attach(connection)

    async def detach(self, connection: Connection) -> None:
        await self._hub.detach(connection)

    async def run(self, connection: Connection, message: Incoming) -> None:
        """To the end even if the peer leaves meanwhile: what was committed must be told to the others."""
        if isinstance(message, MediaMessage):
            who = connection.identity
            work = self._gateway.handle(who.consult_id, who.participant_id, connection.client_id, message)
        elif isinstance(message, MediaDevices):
            work = self._set_devices(connection, message)
        elif isinstance(message, PhotoRequest):
            work = self._ask_for_photo(connection, message)
        elif isinstance(message, PhotoAnswer):
            work = self._answer_about_photo(connection, message)
        else:
            work = self._commit(connection, message)
        await self._to_the_end(work)

    async def _set_devices(self, connection: Connection, message: MediaDevices) -> None:
        who = connection.identity
        await self._hub.set_devices(connection, Presence(message.microphone, message.camera))
        page = Page(who.participant_id, connection.client_id, self._parts.bus.node_id)
        await self._gateway.devices_changed(who.consult_id, page, message)

    async def _ask_for_photo(self, connection: Connection, message: PhotoRequest) -> None:
        consult_id = connection.identity.consult_id
        people = await self._parts.db.read(lambda tx: read_people(tx, consult_id))
        asked = people.participant(message.participant) if people else None
        if asked is None or asked.staff_id or asked.admission != "admitted":
            raise Refused("not_now", "Only somebody in the room can be asked for a photo.")
        self._hub.tell(consult_id, asked.id, PhotoRequested(self._parts.ids.new_id("pho")))

    async def _answer_about_photo(self, connection: Connection, message: PhotoAnswer) -> None:
        who = connection.identity
        people = await self._parts.db.read(lambda tx: read_people(tx, who.consult_id))
        for doctor in (p for p in (people.participants if people else ()) if p.staff_id):
            self._hub.tell(
                who.consult_id, doctor.id, PhotoAnswered(message.request, who.participant_id, message.accepted)
            )

    async def _commit(self, connection: Connection, message: Incoming) -> None:
        """Acknowledge after the commit, then tell the others."""
        who, now = connection.identity, self._parts.clock.now()
        answer = await self._parts.db.write(lambda tx: commands.run(tx, message, who, now))
        if answer is not None:
            connection.send([answer])
        if isinstance(message, MessageSeen):
            self._parts.bus.publish(topics.consult(who.consult_id), {})
        else:
            topics.poke(self._parts.bus, who.consult_id, who.doctor_id)

    async def _to_the_end(self, work: Awaitable[None]) -> None:
        future = asyncio.ensure_future(work)
        self._working.add(future)
        future.add_done_callback(self._working.discard)
        await asyncio.shield(future)

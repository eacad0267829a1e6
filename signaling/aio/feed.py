"""One consult as this process follows it: reads the database once after each poke, and tells everybody here."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from candil.bus import topics
from candil.errors import NotAuthenticated
from candil.log import log_event
from candil.store.tx import Transaction
from signaling import access
from signaling.aio.driver import Connection
from signaling.aio.parts import Parts
from signaling.facts import Facts, People, Since, presence_of, read_facts, read_people
from signaling.messages import Outgoing
from signaling.photo_messages import PhotoAnswered, PhotoRequested
from signaling.replay import Follower
from signaling.room_effects import Page
from signaling.session import Rejected, Replaced, Standing

log = logging.getLogger(__name__)

TICK_S = 10.0  # presence is renewed, sessions are checked, and what a lost poke meant is found
PRESENCE_TTL_S = 30.0
POLL_S = 2.0  # while other processes cannot be heard
LINE_DELAY_S = 0.5  # the line of waiting people is not urgent
RETRY_S = 1.0


class Feed:
    def __init__(
        self,
        consult_id: str,
        doctor_id: str,
        parts: Parts,
        on_people: Callable[[People], None],
        on_page: Callable[[str, Page], None],
    ) -> None:
        self.consult_id = consult_id
        self.connections: dict[str, Connection] = {}
        self.watched = False  # the media room is here
        self._followers: dict[str, Follower] = {}
        self._parts = parts
        self._on_people, self._on_page = on_people, on_page
        self._dirty = asyncio.Event()
        self._closed = False
        self._in_line = False
        self._line_timer: asyncio.TimerHandle | None = None
        self._unsubscribe = [
            parts.bus.subscribe(topics.consult(consult_id), self._on_poke),
            parts.bus.subscribe(topics.doctor(doctor_id), self._on_line),
        ]
        self._task = asyncio.create_task(self._follow(), name=f"feed-{consult_id}")

    @property
    def is_needed(self) -> bool:
        return bool(self.connections) or self.watched

    async def aclose(self) -> None:
        self._closed = True
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        if self._line_timer is not None:
            self._line_timer.cancel()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def attach(self, connection: Connection) -> None:
        """Follow from where the page says it is; whoever had the seat before loses it, here and elsewhere."""
        who = connection.identity
        self._take_seat(who.participant_id, connection.id, connection.opened_at)
        self.connections[connection.id] = connection
        self._followers[connection.id] = Follower(who.participant_id, connection.hello, self._parts.epoch)
        await self._announce(connection)
        seat = {
            "seat": who.participant_id,
            "client": connection.client_id,
            "connection": connection.id,
            "node": self._parts.bus.node_id,
            "at": connection.opened_at,
        }
        self._parts.bus.publish(topics.consult(self.consult_id), seat)

    async def detach(self, connection: Connection) -> None:
        if self.connections.pop(connection.id, None) is None:
            return
        self._followers.pop(connection.id, None)
        await self._parts.bus.set_absent(topics.people(self.consult_id), _member(connection))
        self._parts.bus.publish(topics.consult(self.consult_id), {})

    async def presence_changed(self, connection: Connection) -> None:
        await self._announce(connection)
        self._parts.bus.publish(topics.consult(self.consult_id), {})

    def deliver(self, page: Page, message: Outgoing) -> None:
        """To one page, if it is connected here."""
        for connection in self.connections.values():
            if (connection.identity.participant_id, connection.client_id) == (page.participant_id, page.client_id):
                connection.send([message])

    def poke(self) -> None:
        self._dirty.set()

    def _on_poke(self, payload: Mapping[str, Any]) -> None:
        if "seat" in payload:
            self._take_seat(payload["seat"], payload["connection"], payload["at"])
            self._on_page(self.consult_id, Page(payload["seat"], payload["client"], payload["node"]))
        if "photo" in payload:
            message = msgspec.convert(payload["photo"]["message"], PhotoRequested | PhotoAnswered)
            self._tell_in_room(payload["photo"]["to"], message)
        self._dirty.set()

    def _tell_in_room(self, participant_id: str, message: Outgoing) -> None:
        for connection in self.connections.values():
            standing = connection.core.standing
            in_room = connection.identity.is_doctor or (standing is not None and standing.admission == "admitted")
            if connection.identity.participant_id == participant_id and in_room:
                connection.send([message])

    def _on_line(self, _: Mapping[str, Any]) -> None:
        if self._in_line and self._line_timer is None:
            self._line_timer = asyncio.get_running_loop().call_later(LINE_DELAY_S, self._line_moved)

    def _line_moved(self) -> None:
        self._line_timer = None
        self._dirty.set()

    def _take_seat(self, participant_id: str, connection_id: str, opened_at: float) -> None:
        """One identity, one seat: the newest connection wins. The doctor may have several pages."""
        for other in list(self.connections.values()):
            who = other.identity
            older = (other.opened_at, other.id) < (opened_at, connection_id)
            if who.participant_id == participant_id and not who.is_doctor and older:
                other.news(Replaced())

    async def _announce(self, connection: Connection) -> None:
        info = msgspec.json.encode(connection.presence).decode()
        await self._parts.bus.set_present(topics.people(self.consult_id), _member(connection), info, PRESENCE_TTL_S)

    async def _follow(self) -> None:
        announced_at = 0.0
        loop = asyncio.get_running_loop()
        while not self._closed:  # on Python 3.11 a client library's wait_for may swallow a cancellation
            try:
                async with asyncio.timeout(TICK_S if self._parts.bus.healthy else POLL_S):
                    await self._dirty.wait()
            except TimeoutError:
                pass
            self._dirty.clear()
            try:
                if loop.time() - announced_at >= TICK_S:
                    announced_at = loop.time()
                    for connection in list(self.connections.values()):
                        await self._announce(connection)
                await self._refresh()
            except Exception as error:
                # The database may be away for a while: what it holds is told when it is back.
                log.warning(log_event("signaling.refresh_failed", consult=self.consult_id), exc_info=error)
                loop.call_later(RETRY_S, self._dirty.set)

    async def _refresh(self) -> None:
        connections = list(self.connections.values())
        followers = {c.id: self._followers[c.id] for c in connections}
        presence = presence_of(await self._parts.bus.present(topics.people(self.consult_id)))
        now = self._parts.clock.now()

        def read(tx: Transaction) -> tuple[Facts, set[str]] | None:
            people = read_people(tx, self.consult_id)
            if people is None:
                return None
            settings = self._parts.settings
            ended = {c.id for c in connections if not access.is_valid(tx, c.identity, settings, now)}
            since = Since(people.consult.event_seq, 2**31 - 1, people.consult.note_revision)
            for follower in followers.values():
                since = since.earliest(follower.since(people) or since)
            return read_facts(tx, people, since, presence), ended

        found = await self._parts.db.read(read)
        if found is None:
            return
        facts, ended = found
        self._in_line = facts.people.position > 0
        for connection in connections:
            if connection.id in ended:
                connection.news(Rejected(NotAuthenticated("session_ended", "The session has ended.")))
            elif connection.id in self.connections:
                self._tell(connection, followers[connection.id], facts)
        self._on_people(facts.people)

    def _tell(self, connection: Connection, follower: Follower, facts: Facts) -> None:
        consult = facts.people.consult
        me = facts.people.participant(connection.identity.participant_id)
        if me is None:
            return
        connection.news(Standing(me.admission, consult.status, consult.conversation_ended_at is not None))
        connection.send(follower.advance(facts))


def _member(connection: Connection) -> str:
    return f"{connection.identity.participant_id}/{connection.id}"

"""The consults and boards that somebody here is connected to."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from candil.bus import topics
from candil.bus.port import MISSED
from signaling.aio.boards import BoardFeed
from signaling.aio.driver import Connection
from signaling.aio.feed import Feed
from signaling.aio.parts import Parts
from signaling.facts import People, Presence
from signaling.messages import Outgoing
from signaling.photo_messages import PhotoAnswered, PhotoRequested
from signaling.room_effects import Page
from signaling.session import Restarting


class Hub:
    """``on_people`` and ``on_page`` tell the media gateway what a consult's feed learned."""

    def __init__(self, parts: Parts, on_people: Callable[[People], None], on_page: Callable[[str, Page], None]) -> None:
        self._parts = parts
        self._on_people, self._on_page = on_people, on_page
        self._feeds: dict[str, Feed] = {}
        self._boards: dict[str, tuple[Connection, BoardFeed]] = {}
        self._unsubscribe = parts.bus.subscribe(MISSED, self._on_missed)
        self._closing: set[asyncio.Task[None]] = set()

    async def aclose(self) -> None:
        """Say goodbye to everybody; they come back to another process or to the next start."""
        self._unsubscribe()
        connections = [c for feed in self._feeds.values() for c in feed.connections.values()]
        connections += [connection for connection, _ in self._boards.values()]
        for connection in connections:
            connection.news(Restarting())
        await asyncio.gather(*(connection.closed() for connection in connections))
        await asyncio.gather(*self._closing, *(feed.aclose() for feed in self._feeds.values()))
        await asyncio.gather(*(board.aclose() for _, board in self._boards.values()))

    async def attach(self, connection: Connection) -> None:
        who = connection.identity
        if not who.consult_id:
            self._boards[connection.id] = (connection, BoardFeed(connection, self._parts))
            return
        feed = self._feed(who.consult_id, who.doctor_id)
        await feed.attach(connection)

    async def detach(self, connection: Connection) -> None:
        if board := self._boards.pop(connection.id, None):
            await board[1].aclose()
        elif feed := self._feeds.get(connection.identity.consult_id):
            await feed.detach(connection)
            self._drop_if_idle(feed)

    async def set_devices(self, connection: Connection, presence: Presence) -> None:
        """What a page says it sends."""
        feed = self._feeds.get(connection.identity.consult_id)
        if feed is not None and presence != connection.presence:
            connection.presence = presence
            await feed.presence_changed(connection)

    def watch(self, people: People) -> None:
        """Follow a consult whose media room is here, whether or not anybody is connected here."""
        self._feed(people.consult.id, people.consult.doctor_id).watched = True

    def unwatch(self, consult_id: str) -> None:
        if feed := self._feeds.get(consult_id):
            feed.watched = False
            self._drop_if_idle(feed)

    def deliver(self, consult_id: str, page: Page, message: Outgoing) -> None:
        if feed := self._feeds.get(consult_id):
            feed.deliver(page, message)

    def tell(self, consult_id: str, participant_id: str, message: PhotoRequested | PhotoAnswered) -> None:
        """To every page of somebody in the room, wherever it is connected; lost when there is none."""
        photo = {"to": participant_id, "message": msgspec.to_builtins(message)}
        self._parts.bus.publish(topics.consult(consult_id), {"photo": photo})

    def _feed(self, consult_id: str, doctor_id: str) -> Feed:
        feed = self._feeds.get(consult_id)
        if feed is None:
            feed = Feed(consult_id, doctor_id, self._parts, self._on_people, self._on_page)
            self._feeds[consult_id] = feed
        return feed

    def _drop_if_idle(self, feed: Feed) -> None:
        if feed.is_needed or self._feeds.get(feed.consult_id) is not feed:
            return
        del self._feeds[feed.consult_id]
        task = asyncio.create_task(feed.aclose())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _on_missed(self, _: Mapping[str, Any]) -> None:
        for feed in self._feeds.values():
            feed.poke()
        for _connection, board in self._boards.values():
            board.poke()

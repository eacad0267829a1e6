"""Doctors' boards that are open somewhere: told to fetch themselves again when something on them changed."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from candil.bus import topics
from candil.errors import NotAuthenticated
from candil.log import log_event
from candil.store import consults, outbox
from candil.store.tx import Transaction
from signaling import access
from signaling.aio.driver import Connection
from signaling.aio.parts import Parts
from signaling.messages import BoardChanged
from signaling.session import Rejected

log = logging.getLogger(__name__)

TOGETHER_S = 0.25  # changes this close together are one
CHECK_S = 20.0
POLL_S = 2.0  # while other processes cannot be heard
DAY_S = 86_400.0


class BoardFeed:
    """One connected board."""

    def __init__(self, connection: Connection, parts: Parts) -> None:
        self._connection, self._parts = connection, parts
        self._dirty = asyncio.Event()
        self._unsubscribe = [
            parts.bus.subscribe(topics.doctor(doctor_id), self._on_poke) for doctor_id in connection.identity.doctors
        ]
        self._task = asyncio.create_task(self._follow(), name=f"board-{connection.id}")

    async def aclose(self) -> None:
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def poke(self) -> None:
        self._dirty.set()

    def _on_poke(self, _: Mapping[str, Any]) -> None:
        self._dirty.set()

    async def _follow(self) -> None:
        known: object = None
        while True:
            poked = await self._wait()
            try:
                valid, fingerprint = await self._look()
            except Exception as error:
                log.warning(log_event("signaling.board_failed", connection=self._connection.id), exc_info=error)
                continue
            if not valid:
                self._connection.news(Rejected(NotAuthenticated("session_ended", "The session has ended.")))
                return
            if poked or (known is not None and fingerprint != known):
                self._connection.send([BoardChanged()])
            known = fingerprint

    async def _wait(self) -> bool:
        """Whether somebody said that something changed."""
        try:
            async with asyncio.timeout(CHECK_S if self._parts.bus.healthy else POLL_S):
                await self._dirty.wait()
        except TimeoutError:
            return False
        await asyncio.sleep(TOGETHER_S)
        self._dirty.clear()
        return True

    async def _look(self) -> tuple[bool, object]:
        """Whether the session still holds, and something that differs when the board does."""
        identity, now = self._connection.identity, self._parts.clock.now()

        def read(tx: Transaction) -> tuple[bool, object]:
            valid = access.is_valid(tx, identity, self._parts.settings, now)
            rows = [r for d in identity.doctors for r in consults.of_doctor(tx, d, now - DAY_S, now + DAY_S)]
            deliveries = outbox.deliveries_of_many(tx, [row.id for row in rows])
            seen = {(row.id, row.event_seq, row.scheduled_at) for row in rows}
            return valid, (seen, {(d.id, d.state) for d in deliveries})

        return await self._parts.db.read(read)

"""Whose turn it is to have something decoded: a few at a time, one of each sender, and never a long line."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from candil.errors import TooMany

AT_ONCE = 2
IN_LINE_OF_SENDER = 4
IN_LINE = 48
AGAIN_S = 5


class Turns:
    """Who sends much waits behind their own; everybody else gets every second place."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._senders: dict[str, asyncio.Lock] = {}
        self._in_line: dict[str, int] = {}

    @asynccontextmanager
    async def of(self, sender: str) -> AsyncIterator[None]:
        """Wait for a turn and keep it. Raises TooMany when too much of this sender, or of all, waits already."""
        mine = self._in_line.get(sender, 0)
        if mine >= IN_LINE_OF_SENDER or sum(self._in_line.values()) >= IN_LINE:
            raise TooMany("too_many", "Too much waits to be decoded.", retry_after_s=AGAIN_S)
        self._in_line[sender] = mine + 1
        try:
            async with self._senders.setdefault(sender, asyncio.Lock()), self._free:
                yield
        finally:
            self._in_line[sender] -= 1
            if not self._in_line[sender]:
                del self._in_line[sender], self._senders[sender]

"""One timer for what cannot wait for the next tick: probes under way, and video that waits to be sent."""

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from media.aio.session import MediaSession

INTERVAL_S = 0.012


class ShortTimer:
    """Runs only while some session is urgent."""

    def __init__(self) -> None:
        self._sessions: set[MediaSession] = set()
        self._handle: asyncio.TimerHandle | None = None

    def add(self, session: "MediaSession") -> None:
        self._sessions.add(session)
        if self._handle is None:
            self._handle = asyncio.get_running_loop().call_later(INTERVAL_S, self._run)

    @property
    def running(self) -> bool:
        return self._handle is not None

    def close(self) -> None:
        self._sessions.clear()
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _run(self) -> None:
        self._handle = None
        for session in list(self._sessions):
            if not session.run_urgent():
                self._sessions.discard(session)
        if self._sessions and self._handle is None:
            self._handle = asyncio.get_running_loop().call_later(INTERVAL_S, self._run)

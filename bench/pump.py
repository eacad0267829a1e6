"""The load generator's loop: one epoll for all peers and one heap of timers, run in slices inside asyncio."""

from __future__ import annotations

import asyncio
import heapq
import select
import time
from collections.abc import Callable

SLICE_S = 0.02  # signalling gets a turn this often

Reader = Callable[[], None]
Timer = Callable[[float], float]  # takes when it was due, returns when it is due next


class Pump:
    """Open loop: a timer that is late fires anyway, so a slow server cannot slow the load down."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._readers: dict[int, Reader] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = 0
        self.worst_lag_s = 0.0

    def close(self) -> None:
        self._epoll.close()

    def add_reader(self, fd: int, reader: Reader) -> None:
        """`reader` takes exactly one datagram per call; what is left makes the descriptor ready again."""
        self._readers[fd] = reader
        self._epoll.register(fd, select.EPOLLIN)

    def remove_reader(self, fd: int) -> None:
        del self._readers[fd]
        self._epoll.unregister(fd)

    def add_timer(self, due: float, timer: Timer) -> None:
        self._order += 1
        heapq.heappush(self._timers, (due, self._order, timer))

    def remove_timers(self, timers: set[Timer]) -> None:
        self._timers = [entry for entry in self._timers if entry[2] not in timers]
        heapq.heapify(self._timers)

    async def run(self, seconds: float) -> None:
        """Move media for so long; signalling tasks of the same event loop keep running."""
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            self._run_slice(min(end, now + SLICE_S))
            await asyncio.sleep(0)

    async def run_until(self, condition: Callable[[], bool], timeout_s: float, what: str) -> None:
        """Move media until the condition holds; `what` says what was missing when it never did."""
        end = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"waited {timeout_s:.0f} s for {what}")
            self._run_slice(time.monotonic() + 0.005)
            await asyncio.sleep(0)

    def _run_slice(self, until: float) -> None:
        timers, readers, poll = self._timers, self._readers, self._epoll.poll
        monotonic = time.monotonic
        while (now := monotonic()) < until:
            next_due = until
            if timers:
                if timers[0][0] <= now:
                    self.worst_lag_s = max(self.worst_lag_s, now - timers[0][0])
                while timers[0][0] <= now:
                    due, order, timer = timers[0]
                    heapq.heapreplace(timers, (timer(due), order, timer))
                next_due = min(until, timers[0][0])
            for fd, _event in poll(max(0.0, next_due - monotonic())):
                readers[fd]()

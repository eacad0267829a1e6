"""The standing queue of a line, from one-way delays over their sliding minimum.

On thin lines the size of the queue says more than its gradient: a single video packet takes 100 ms at 80 kbit/s,
so gradients are noise, and what hurts speech is the wait itself.
"""

from collections import deque

from media.congestion.baseline import SlidingMinimum

BASE_WINDOW_S = 30.0
INSTANT_S = 0.150
"""So long a queue is congestion at once, if it is not falling."""
SUSTAINED_S = 0.080
"""A shorter one is congestion when it has stood for ``SUSTAINED_FOR_S``; a key frame may pass."""
SUSTAINED_FOR_S = 0.4
CLEAR_S = 0.050
STANDING_PACKETS = 4
"""The queue is the least wait of the last few packets: jitter delays some of them, a queue all."""
STANDING_SPAN_S = 0.25
FLAT_FOR_S = 2.5
FLAT_SPREAD_S = 0.030
"""A queue that stays within this for ``FLAT_FOR_S`` while little is sent is a longer route, not a queue."""
_SMALL_BITS = 100 * 8


class QueueTracker:
    """Feed it delays (arrival minus sending; the clocks need not agree)."""

    __slots__ = ("_base", "_history", "_last", "queue_s")

    def __init__(self) -> None:
        self._base = SlidingMinimum(BASE_WINDOW_S)
        self._last: deque[tuple[float, float]] = deque(maxlen=STANDING_PACKETS)  # (arrival, wait)
        self._history: deque[tuple[float, float]] = deque(maxlen=128)  # (now, queue_s)
        self.queue_s = 0.0

    def add(self, arrival_s: float, sent_s: float, size_bytes: int, capacity_bps: float, now: float) -> float:
        """The wait of this packet in queues, its own transmission at ``capacity_bps`` taken off."""
        delay = arrival_s - sent_s
        self._base.add(delay, now)
        wait = delay - self._base.value - max(0, size_bytes * 8 - _SMALL_BITS) / capacity_bps
        self._last.append((arrival_s, wait))
        return wait

    def settle(self, now: float) -> None:
        """After the packets of one feedback message."""
        if len(self._last) < 2:
            return
        recent = self._last[-1][0] - STANDING_SPAN_S
        waits = [wait for arrival, wait in self._last if arrival >= recent]
        if len(waits) < 2:
            waits = [self._last[-2][1], self._last[-1][1]]
        self.queue_s = max(0.0, min(waits))
        self._history.append((now, self.queue_s))
        while self._history[0][0] < now - FLAT_FOR_S - 1:
            self._history.popleft()

    def congested(self, now: float) -> bool:
        if self.queue_s >= INSTANT_S:
            return not self.falling(now)
        return self.queue_s >= SUSTAINED_S and self._least(now, SUSTAINED_FOR_S) >= SUSTAINED_S

    def falling(self, now: float) -> bool:
        """It was clearly longer half a second ago or less."""
        recent = max((queue for at, queue in self._history if at >= now - 0.5), default=0.0)
        return self.queue_s < recent - max(0.015, 0.05 * recent)

    def growing(self, now: float) -> bool:
        recent = min((queue for at, queue in self._history if at >= now - 0.5), default=0.0)
        return self.queue_s > recent + 0.020

    def _least(self, now: float, for_s: float) -> float:
        """Least queue of the last ``for_s``; 0 when not known for so long."""
        least = self.queue_s
        for at, queue in reversed(self._history):
            least = min(least, queue)
            if at <= now - for_s:
                return least
        return 0.0

    def rebase_when_flat(self, now: float) -> bool:
        """A queue that does not move at all while we send little is the new base."""
        values = [queue for at, queue in self._history if at >= now - FLAT_FOR_S]
        if len(values) < 4 or self._history[0][0] > now - FLAT_FOR_S:
            return False
        if max(values) - min(values) > FLAT_SPREAD_S or min(values) < CLEAR_S:
            return False
        self._base.reset(self._base.value + min(values), now)
        self.restart()
        return True

    def restart(self) -> None:
        """Forget the queue, keep the base."""
        self._last.clear()
        self._history.clear()
        self.queue_s = 0.0

    def forget(self) -> None:
        """A new path."""
        self._base.clear()
        self.restart()

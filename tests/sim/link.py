"""A seeded link in virtual time: rate schedule, drop-tail queue, delay, jitter, loss, outages.

Everything about a packet's fate is known when it is sent, so ``Link.send`` answers with its arrival time (None: it
never arrives) and the caller puts that into ``Events``. Counters say whether an impairment really bit.
"""

import bisect
import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

Steps = Sequence[tuple[float, float]]
"""(from this second on, value), ascending, the first at 0."""


class Events:
    """A heap of things to call in virtual time; ties in the order they were added."""

    def __init__(self) -> None:
        self.now = 0.0
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = itertools.count()

    def at(self, when: float, call: Callable[..., None], *args: Any) -> None:
        heapq.heappush(self._heap, (max(when, self.now), next(self._order), call, args))

    def every(self, interval_s: float, call: Callable[[], None], start: float = 0.0) -> None:
        def again() -> None:
            call()
            self.at(self.now + interval_s, again)

        self.at(start, again)

    def run(self, until: float) -> None:
        while self._heap and self._heap[0][0] <= until:
            self.now, _, call, args = heapq.heappop(self._heap)
            call(*args)
        self.now = until


class RandomLoss:
    def __init__(self, share: float) -> None:
        self.share = share

    def lost(self, rng: random.Random) -> bool:
        return rng.random() < self.share


class GilbertElliott:
    """Bursts of ``mean_burst`` lost packets; ``share`` of all packets lost in the long run."""

    def __init__(self, share: float, mean_burst: float) -> None:
        self._leave_bad = 1 / mean_burst
        self._enter_bad = self._leave_bad * share / (1 - share)
        self._bad = False

    def lost(self, rng: random.Random) -> bool:
        self._bad = rng.random() >= self._leave_bad if self._bad else rng.random() < self._enter_bad
        return self._bad


@dataclass
class LinkCounters:
    offered: int = 0
    delivered: int = 0
    dropped_queue: int = 0
    dropped_loss: int = 0
    dropped_outage: int = 0
    delivered_bytes: int = 0
    jittered: int = 0
    """Packets delayed by jitter by more than a millisecond."""
    queue_s: list[float] = field(default_factory=list)
    """Wait in the queue of every delivered packet, its own transmission not counted."""

    @property
    def lost_share(self) -> float:
        return 1 - self.delivered / self.offered if self.offered else 0.0

    def queue_percentile_s(self, share: float) -> float:
        ordered = sorted(self.queue_s)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


class Link:
    """One direction. ``queue_ms`` is measured at the rate of the moment; one packet is always admitted.

    An outage loses what is sent while it lasts; a rate of 0 in the schedule holds packets in the queue instead.
    """

    def __init__(
        self,
        rate_bps: float | Steps,
        *,
        delay_s: float | Steps = 0.05,
        queue_ms: float = 300,
        jitter_s: float = 0.0,
        loss: RandomLoss | GilbertElliott | None = None,
        outages: Sequence[tuple[float, float]] = (),
        seed: int = 1,
    ) -> None:
        self._rates = [(0.0, float(rate_bps))] if isinstance(rate_bps, int | float) else list(rate_bps)
        self._rate_times = [at for at, _ in self._rates]
        self._delays = [(0.0, float(delay_s))] if isinstance(delay_s, int | float) else list(delay_s)
        self._queue_s = queue_ms / 1000
        self._jitter_s = jitter_s
        self._loss = loss
        self._outages = list(outages)
        self._rng = random.Random(seed)
        self._queue: deque[tuple[float, int]] = deque()  # (transmission ends, bits), oldest first
        self._queued_bits = 0
        self._last_arrival = 0.0
        self.counters = LinkCounters()

    def rate_bps(self, now: float) -> float:
        return self._rates[max(0, bisect.bisect_right(self._rate_times, now) - 1)][1]

    def delay_s(self, now: float) -> float:
        return [value for at, value in self._delays if at <= now][-1]

    def capacity_bits(self, start: float, end: float) -> float:
        """What the link could have carried between two moments."""
        edges = [start, *(at for at in self._rate_times if start < at < end), end]
        return sum(self.rate_bps(a) * (b - a) for a, b in itertools.pairwise(edges))

    def backlog_s(self, now: float) -> float:
        """How long a packet sent now would wait."""
        self._drain(now)
        return max(0.0, self._queue[-1][0] - now) if self._queue else 0.0

    def send(self, now: float, size_bytes: int) -> float | None:
        """When a packet handed over now arrives; None when it does not."""
        counters = self.counters
        counters.offered += 1
        self._drain(now)
        bits = size_bytes * 8
        if self._queue and self._queued_bits + bits > self._queue_s * self.rate_bps(now):
            counters.dropped_queue += 1
            return None
        start = max(now, self._queue[-1][0]) if self._queue else now
        end = self._transmitted_at(start, bits)
        if end is None:
            counters.dropped_queue += 1
            return None
        self._queue.append((end, bits))
        self._queued_bits += bits
        if any(begin <= end < finish for begin, finish in self._outages):
            counters.dropped_outage += 1
            return None
        if self._loss is not None and self._loss.lost(self._rng):
            counters.dropped_loss += 1
            return None
        return self._arrive(now, start, end, size_bytes)

    def _arrive(self, now: float, start: float, end: float, size_bytes: int) -> float:
        counters = self.counters
        jitter = min(abs(self._rng.gauss(0, self._jitter_s)), 3 * self._jitter_s) if self._jitter_s else 0.0
        counters.jittered += jitter > 0.001
        arrival = max(end + self.delay_s(end) + jitter, self._last_arrival)
        self._last_arrival = arrival
        counters.delivered += 1
        counters.delivered_bytes += size_bytes
        counters.queue_s.append(start - now)
        return arrival

    def _drain(self, now: float) -> None:
        while self._queue and self._queue[0][0] <= now:
            self._queued_bits -= self._queue.popleft()[1]

    def _transmitted_at(self, start: float, bits: float) -> float | None:
        index = max(0, bisect.bisect_right(self._rate_times, start) - 1)
        at = start
        while True:
            rate = self._rates[index][1]
            until = self._rate_times[index + 1] if index + 1 < len(self._rates) else None
            if rate > 0 and (until is None or at + bits / rate <= until):
                return at + bits / rate
            if until is None:
                return None  # nothing will ever be sent again
            bits -= rate * (until - at)
            at = until
            index += 1

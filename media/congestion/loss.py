"""Packet loss of a line: what it is now, and what is usual for it.

Radio lines lose packets at any rate; giving up video for that would help nobody. So loss alone says little: it
counts as congestion when it comes with a queue, or when it is so high that hardly anything arrives.
"""

from collections import deque

BUCKET_S = 0.25
WINDOW_S = 2.0
MIN_PACKETS = 10
MIN_PACKETS_HEAVY = 15
USUAL_S = 8.0
"""How long a loss without a queue must last to become usual."""
EXCESS_WITH_QUEUE = 0.08
HEAVY = 0.40
"""Lost in both of the last two seconds without any queue: a policer, or a line that is breaking."""


class LossTracker:
    __slots__ = ("_buckets", "_known_s", "_reported", "_reported_at", "usual")

    def __init__(self) -> None:
        self._buckets: deque[list[float]] = deque()  # [start, lost, received]
        self._reported = 0.0
        self._reported_at = -1e9
        self._known_s = 0.0
        """For how long it has been learned: the first seconds count more."""
        self.usual = 0.0

    def add(self, lost: int, received: int, now: float) -> None:
        buckets = self._buckets
        if not buckets or now - buckets[-1][0] >= BUCKET_S:
            buckets.append([now, 0.0, 0.0])
            while buckets[0][0] < now - WINDOW_S:
                buckets.popleft()
        buckets[-1][1] += lost
        buckets[-1][2] += received

    def report(self, fraction_lost: float, now: float) -> None:
        """From a receiver report: used while too few packets are numbered."""
        self._reported = fraction_lost
        self._reported_at = now

    def now(self, now: float) -> float:
        """0..1 over the last two seconds, from the numbered packets or, when few, the last report."""
        lost, received = self._sums(now - WINDOW_S, now)
        if lost + received >= MIN_PACKETS:
            return min(1.0, max(0.0, lost / (lost + received)))
        return self._reported if now - self._reported_at < 10 else 0.0

    def learn(self, elapsed_s: float, now: float) -> None:
        """No queue: what is lost now is on its way to being usual."""
        if self._known_s == 0.0 and not self._buckets and now - self._reported_at > 10:
            return  # nothing was told yet
        self._known_s += elapsed_s
        gain = elapsed_s / min(USUAL_S, 1.0 + self._known_s)
        self.usual += (min(self.now(now), HEAVY) - self.usual) * min(1.0, gain)

    def heavy(self, now: float) -> bool:
        for start in (now - 2.0, now - 1.0):
            lost, received = self._sums(start, start + 1.0)
            if lost + received < MIN_PACKETS_HEAVY or lost / (lost + received) < max(HEAVY, 1.5 * self.usual):
                return False
        return True

    def _sums(self, start: float, end: float) -> tuple[float, float]:
        lost = received = 0.0
        for at, bucket_lost, bucket_received in self._buckets:
            if start <= at <= end:
                lost += bucket_lost
                received += bucket_received
        return max(0.0, lost), received

    def forget(self) -> None:
        self._buckets.clear()
        self._reported_at = -1e9

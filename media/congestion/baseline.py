"""The least of a value over a sliding time, kept in coarse buckets: cheap, and bounded in memory."""

import math
from collections import deque


class SlidingMinimum:
    """Minimum over about ``window_s``; values older than that are forgotten a bucket at a time."""

    __slots__ = ("_bucket_s", "_buckets", "_kept", "_next_bucket_at", "value")

    def __init__(self, window_s: float, buckets: int = 15) -> None:
        self._bucket_s = window_s / buckets
        self._kept = buckets
        self._buckets: deque[list[float]] = deque()  # [start, least], oldest first
        self.value = math.inf
        self._next_bucket_at = -math.inf

    def add(self, value: float, now: float) -> None:
        buckets = self._buckets
        if now >= self._next_bucket_at:
            self._open(value, now)
            return
        last = buckets[-1]
        if value < last[1]:
            last[1] = value
            if value < self.value:
                self.value = value

    def _open(self, value: float, now: float) -> None:
        buckets = self._buckets
        buckets.append([now, value])
        self._next_bucket_at = now + self._bucket_s
        oldest = now - self._bucket_s * self._kept
        while buckets[0][0] < oldest:
            buckets.popleft()
        self.value = min(bucket[1] for bucket in buckets)

    def reset(self, value: float, now: float) -> None:
        """Forget all; start again from ``value``."""
        self._buckets.clear()
        self._open(value, now)

    def clear(self) -> None:
        self._buckets.clear()
        self.value = math.inf
        self._next_bucket_at = -math.inf

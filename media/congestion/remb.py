"""The alternative estimate of a downlink: what the browser says by REMB, and a rule for reported loss.

Kept for comparison (decision 0014) and for browsers that send no transport feedback. It knows no queue: congestion
is a REMB that falls below what is needed, or loss in receiver reports.
"""

from collections import deque

from media.congestion.capacity import FLOOR_BPS, Capacity
from media.congestion.prober import Prober

TREND_WINDOW_S = 10.0
TREND_SAMPLES = 8
TREND_CONGESTED = -0.6
"""Kendall's tau of the last estimates; negative: falling."""
NEEDED = 0.95
LOW_LOSS, HIGH_LOSS = 0.02, 0.10
CLEAR_AFTER_S = 1.0
LOSS_MEMORY_S = 6.0
SILENCE_S = 8.0
"""Reports come every few seconds on a quiet leg; silence is noticed late."""


class RembEstimator:
    def __init__(self, capacity: Capacity, prober: Prober) -> None:
        self._capacity = capacity
        self._prober = prober
        self._samples: deque[tuple[float, int]] = deque(maxlen=TREND_SAMPLES)
        self._reported_loss = 0.0
        self._reported_at = -1e9
        self._heard_at: float | None = None
        self._bad_at = -1e9
        self._flowing_bps = 0
        self.congestion = ""
        self.malformed = 0
        self.queue_s = 0.0

    def loss(self, now: float) -> float:
        return self._reported_loss if now - self._reported_at < LOSS_MEMORY_S else 0.0

    def usual_loss(self) -> float:
        return 0.0

    def on_feedback(self, fci: bytes, now: float) -> None:
        """Not asked for with this estimator."""

    def on_report(self, fraction_lost: float, now: float) -> None:
        """Loss rule: above 10 % down by half of it, below 2 % up by 5 % if the rate was really used."""
        self._heard_at = now
        self._reported_loss, self._reported_at = fraction_lost, now
        if fraction_lost > HIGH_LOSS:
            self._capacity.bps = max(FLOOR_BPS, min(self._capacity.bps, self._flowing_bps * (1 - fraction_lost / 2)))
            self.congestion, self._bad_at = "loss", now
        elif fraction_lost < LOW_LOSS and self._flowing_bps >= 0.75 * self._capacity.bps:
            self._capacity.bps = min(self._capacity.bps * 1.05, self._newest_remb() or self._capacity.bps * 1.05)

    def on_remb(self, bitrate_bps: int, now: float) -> None:
        self._heard_at = now
        self._samples.append((now, bitrate_bps))
        needed = NEEDED * self._flowing_bps
        if bitrate_bps < needed or (self._tau(now) < TREND_CONGESTED and bitrate_bps < self._capacity.bps):
            self.congestion, self._bad_at = "delay", now
            self._capacity.full(bitrate_bps / 0.95, now)
        elif self.congestion != "loss":
            self._capacity.used(min(bitrate_bps, 1.5 * self._flowing_bps), 0.2, now)

    def tick(self, now: float, flowing_bps: int) -> None:
        self._flowing_bps = flowing_bps
        if self._heard_at is not None and now - self._heard_at > SILENCE_S and flowing_bps > 0:
            self.congestion = "silence"
        elif self.congestion and now - self._bad_at > CLEAR_AFTER_S:
            self.congestion = ""

    def probed_bps(self) -> float | None:
        """After a probe: the highest estimate since it started."""
        since = self._prober.started_at
        return max((float(bps) for at, bps in self._samples if at > since), default=None)

    def delivered_between(self, first: tuple[float, float], last: tuple[float, float], lost_share: float) -> float:
        """Only asked when a probe is broken off."""
        return self.probed_bps() or 0.0

    def path_changed(self, now: float) -> None:
        self._samples.clear()
        self._heard_at = None
        self.congestion = ""

    def _newest_remb(self) -> int | None:
        return self._samples[-1][1] if self._samples else None

    def _tau(self, now: float) -> float:
        """Kendall's tau: share of rising pairs less share of falling pairs."""
        values = [bps for at, bps in self._samples if at > now - TREND_WINDOW_S]
        if len(values) < TREND_SAMPLES:
            return 0.0
        rising = falling = 0
        for index, earlier in enumerate(values):
            for later in values[index + 1 :]:
                rising += later > earlier
                falling += later < earlier
        pairs = len(values) * (len(values) - 1) / 2
        return (rising - falling) / pairs

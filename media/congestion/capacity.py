"""What a line is believed to bear: down at once by measurement, up slowly by use or at once by proof.

Numbers in the spirit of Google congestion control (draft-ietf-rmcat-gcc-02, section 5.5), scaled for lines from
10 kbit/s up.
"""

FLOOR_BPS = 5_000
DECREASE = 0.87
"""Below the measured rate, so that the queue drains; a 300 ms queue is gone in two seconds."""
GROWTH_PER_S = 0.08
NEAR_LIMIT_GROWTH_PER_S = 0.03
MIN_GROWTH_BPS_PER_S = 1_000
NEAR_LIMIT = 0.85
LIMIT_KNOWN_S = 30.0
USED = 0.7
"""A rate counts as tried from this share of it on; so the belief never grows above 1.43 times what was tried."""
PROOF_LASTS_S = 60.0
"""A rate that was not used for so long is a belief again."""
PROOF_SLACK = 1.03


class Capacity:
    __slots__ = ("_limit_at", "_limit_bps", "_proof_at", "_proof_bps", "bps", "min_growth_bps_per_s")

    def __init__(self, start_bps: float) -> None:
        self.bps = start_bps
        self.min_growth_bps_per_s = MIN_GROWTH_BPS_PER_S
        self._proof_bps = 0.0
        self._proof_at = 0.0
        self._limit_bps = 0.0
        """Where the line was last found full."""
        self._limit_at = -1e9

    def proven(self, now: float) -> bool:
        return self.bps <= self._proof_bps * PROOF_SLACK and now - self._proof_at < PROOF_LASTS_S

    def limit_known(self, now: float) -> bool:
        return now - self._limit_at < LIMIT_KNOWN_S

    def full(self, delivered_bps: float, now: float, keep: float = DECREASE) -> None:
        """The line is full at ``delivered_bps``; ``keep`` of it is believed from now on."""
        self._limit_bps = max(FLOOR_BPS, delivered_bps)
        self._limit_at = now
        self.bps = max(FLOOR_BPS, min(self.bps, keep * delivered_bps))
        self._proof_bps = self.bps
        self._proof_at = now

    def halve(self, floor_bps: float, now: float) -> None:
        """A queue that is not ours alone: step down, but what gets through now surely gets through."""
        self.bps = max(FLOOR_BPS, min(self.bps, max(0.5 * self.bps, DECREASE * floor_bps)))
        self._proof_bps = self.bps
        self._proof_at = now

    def prove(self, bps: float, now: float, *, limit: bool) -> None:
        """A probe delivered ``bps``; ``limit``: that was less than it sent."""
        if limit:
            self._limit_bps = bps
            self._limit_at = now
            self.bps = max(FLOOR_BPS, 0.95 * bps)
        else:
            self.bps = max(self.bps, bps) if self.proven(now) else bps
        self._proof_bps = self.bps
        self._proof_at = now

    def used(self, acked_bps: float, elapsed_s: float, now: float) -> None:
        """``acked_bps`` got through without a queue: grow, but not far above it."""
        self._proof_bps = max(self._proof_bps, acked_bps)
        if acked_bps < USED * self.bps:
            return
        self._proof_at = now  # still exercised
        near = self.limit_known(now) and self.bps >= NEAR_LIMIT * self._limit_bps
        growth = NEAR_LIMIT_GROWTH_PER_S if near and self.bps < 1.1 * self._limit_bps else GROWTH_PER_S
        grown = self.bps + max(self.min_growth_bps_per_s, growth * self.bps) * elapsed_s
        self.bps = max(self.bps, min(grown, acked_bps / USED))

    def scale(self, factor: float, *, proven: bool) -> None:
        self.bps = max(FLOOR_BPS, self.bps * factor)
        if not proven:
            self._proof_bps = 0.0

    def start(self, bps: float) -> None:
        """A value from elsewhere: believed, not proven."""
        self.bps = max(FLOOR_BPS, bps)
        self._proof_bps = 0.0
        self._limit_at = -1e9

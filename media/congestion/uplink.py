"""A participant's uplink, watched from what arrives of it.

The browser steers its own sending by our transport feedback. What is seen here decides the rung: audio alone is
enough to notice a queue growing, because its RTP timestamps say when each packet was made.
"""

import math
from dataclasses import dataclass

from media.congestion.baseline import SlidingMinimum
from media.congestion.capacity import Capacity
from media.congestion.line import LineState

QUEUE_CONGESTED_S = 0.120
QUEUE_CLEAR_S = 0.060
SILENCE_S = 1.5
"""Longer than three comfort-noise packets of a quiet microphone (400 ms apart)."""
RATE_WINDOW_S = 1.0
FALL_WINDOW_S = 0.4
"""A line that falls is measured from shortly before the queue was noticed: earlier packets came over a better line."""
FALL_SHARE = 0.5
"""So much less than in the second before is a fall."""
FALL_LOSSES = 4
LOSS_WINDOW_S = 2.0
AFTERMATH_S = 2.0
"""What a browser believes so soon after congestion may still be from before."""
BASE_WINDOW_S = 30.0
USUAL_LOSS_S = 8.0
EXCESS_LOSS = 0.10
FORGIVEN_LOSS, FORGIVEN_USUAL_LOSS = 0.45, 0.25
"""Up to this, now and usually, losses behind no queue are not held against the browser's picture; bursts pass."""
FLAT_LOSS = 0.05
"""A full queue does not move either, but it loses packets."""
BROWSER_FACTOR = 2.0
"""A browser's estimate is proof up to so many times what arrives: before it has sent video it says 300 kbit/s."""
BROWSER_LASTS_S = 6.0
LIMIT_COUNTS_S = 120.0
"""A line found full lately is not believed to bear more on a browser's word."""
PAUSE_S = 2.0
"""A microphone that sent nothing for so long (DTX sends each 0.4 s) was stopped; its clock may have stood still."""
IMPLAUSIBLE_S = 10.0
"""A jump of RTP time by more is another clock, not a queue."""
START_BPS = 30_000
FLAT_S = 6.0
"""A queue that has not moved for this long, without loss, is a longer route and no queue."""
FLAT_SPREAD_S = 0.030
PACER_S = 0.5
"""A browser may take so long to let a picture out."""


@dataclass(frozen=True, slots=True)
class UplinkSample:
    """Totals so far of one kind of media."""

    packets: int
    bytes: int
    lost: int
    transit_s: float | None
    """Arrival minus RTP time of the newest packet in order; only its changes mean anything."""
    last_at: float


class _Transit:
    """Delay of one kind of media over the least it has had."""

    __slots__ = ("_base", "_packets", "_recent", "_values")

    def __init__(self) -> None:
        self._base = SlidingMinimum(BASE_WINDOW_S)
        self._recent: list[float] = []
        self._values: list[tuple[float, float]] = []
        self._packets = 0

    def add(self, sample: UplinkSample, now: float) -> None:
        if sample.transit_s is None or sample.packets == self._packets:
            return
        self._packets = sample.packets
        paused = bool(self._values) and now - self._values[-1][0] > PAUSE_S
        if paused or abs(sample.transit_s - self._base.value) > IMPLAUSIBLE_S:
            self._base.clear()
            self._recent.clear()
            self._values.clear()
        self._base.add(sample.transit_s, now)
        self._recent = [*self._recent[-1:], sample.transit_s]
        self._values.append((now, sample.transit_s))
        while self._values[0][0] < now - FLAT_S:
            self._values.pop(0)

    @property
    def queue_s(self) -> float:
        """The lesser of the last two: one late packet is no queue."""
        return min(self._recent) - self._base.value if len(self._recent) > 1 else 0.0

    def rebase_when_flat(self, now: float) -> None:
        values = [value for _, value in self._values]
        if len(values) < 8 or self._values[-1][0] - self._values[0][0] < FLAT_S * 0.8:
            return
        if max(values) - min(values) <= FLAT_SPREAD_S:
            self._base.reset(min(values), now)


class UplinkObserver:
    """Give it every 100-200 ms what has arrived so far."""

    def __init__(self, start_bps: int = START_BPS) -> None:
        self._audio = _Transit()
        self._video = _Transit()
        self._totals: list[tuple[float, int, int, int]] = []  # (now, packets, lost, wire bytes)
        self._capacity = Capacity(start_bps)
        self._congestion = ""
        self._rate_bps = 0.0
        self._loss = 0.0
        self._usual_loss = 0.0
        self._heard_at = -math.inf
        self._has_audio = False
        self._last_now: float | None = None
        self._browser_bps: int | None = None
        self._browser_at = -math.inf
        self._congested_from = -math.inf
        self._congested_at = -math.inf
        self._bps_before = 0.0
        self.rtt_ms: float | None = None
        """Set by whoever knows the round trip; only passed on."""

    def observe(
        self,
        now: float,
        audio: UplinkSample | None,
        video: UplinkSample | None,
        wire_bytes: int,
        expected: bool = True,
    ) -> None:
        """``wire_bytes``: everything that came so far. ``expected``: the participant was told to send something."""
        elapsed_s = 0.0 if self._last_now is None else now - self._last_now
        self._last_now = now
        for sample, transit in ((audio, self._audio), (video, self._video)):
            if sample is not None:
                transit.add(sample, now)
                self._heard_at = max(self._heard_at, sample.last_at)
        self._has_audio = audio is not None and now - audio.last_at < SILENCE_S
        self._count(now, audio, video, wire_bytes)
        self._judge(now, expected)
        self._adapt(now, elapsed_s)

    def on_browser_estimate(self, bps: int, now: float) -> None:
        """What the browser's own controller believes; payload and headers, roughly our wire rate."""
        if now - self._congested_at >= AFTERMATH_S:
            self._browser_bps = bps
            self._browser_at = now

    def line(self, now: float) -> LineState:
        return LineState(
            capacity_bps=int(self._capacity.bps),
            proven=self._capacity.proven(now),
            congestion=self._congestion,
            queue_ms=max(0.0, self._queue_s() * 1000),
            loss=self._loss,
            rtt_ms=self.rtt_ms,
            rate_bps=int(self._rate_bps),
            sender_bps=self._browser_bps if now - self._browser_at < BROWSER_LASTS_S else None,
        )

    @property
    def forgiving(self) -> bool:
        """Losses are those that the line always has, behind no queue: no reason for the browser to send less."""
        if self._congestion or self._queue_s() > QUEUE_CLEAR_S:
            return False
        return self._loss <= FORGIVEN_LOSS and self._usual_loss <= FORGIVEN_USUAL_LOSS

    def _queue_s(self) -> float:
        """Sound tells it. Pictures wait in the browser's own pacer as well, a large one for longer than any queue
        on the line, so they are asked only where there is no sound, and believed only beyond that."""
        return self._audio.queue_s if self._has_audio else max(0.0, self._video.queue_s - PACER_S)

    def _count(self, now: float, audio: UplinkSample | None, video: UplinkSample | None, wire_bytes: int) -> None:
        packets = sum(sample.packets for sample in (audio, video) if sample is not None)
        lost = sum(sample.lost for sample in (audio, video) if sample is not None)
        totals = self._totals
        totals.append((now, packets, lost, wire_bytes))
        while len(totals) > 2 and totals[1][0] <= now - LOSS_WINDOW_S:
            totals.pop(0)
        first = totals[0]
        missing = max(0, lost - first[2])
        seen = max(0, packets - first[1])
        self._loss = missing / (missing + seen) if missing + seen >= 10 else 0.0
        # On a thin line one packet is a tenth of a second's rate, and two seconds lag: the lesser is sure.
        self._rate_bps = min(self._rate_since(now - RATE_WINDOW_S), self._rate_since(now - LOSS_WINDOW_S))

    def _since(self, at: float) -> tuple[float, int, int, int]:
        return next((total for total in self._totals if total[0] > at - 1e-6), self._totals[-1])

    def _rate_since(self, at: float) -> float:
        """Wire rate of what came after this moment."""
        first, last = self._since(at), self._totals[-1]
        return max(0, last[3] - first[3]) * 8 / (last[0] - first[0]) if last[0] > first[0] else self._rate_bps

    def _falls(self, now: float) -> bool:
        """Pictures late, packets missing and half the rate gone, all at once: before any sound has come through."""
        recent, former = self._since(now - FALL_WINDOW_S), self._since(now - FALL_WINDOW_S - RATE_WINDOW_S)
        if self._video.queue_s < QUEUE_CONGESTED_S or former[0] >= recent[0]:
            return False
        former_bps = (recent[3] - former[3]) * 8 / (recent[0] - former[0])
        lost, came = self._totals[-1][2] - recent[2], self._totals[-1][1] - recent[1]
        heavy = lost >= FALL_LOSSES and lost > (self._usual_loss + EXCESS_LOSS) * (lost + came)
        return heavy and self._rate_since(now - FALL_WINDOW_S) < FALL_SHARE * former_bps

    def _judge(self, now: float, expected: bool) -> None:
        queue_s = self._queue_s()
        if expected and self._heard_at > -math.inf and now - self._heard_at > SILENCE_S:
            self._congestion = "silence"
        elif queue_s > QUEUE_CONGESTED_S:
            self._congestion = "loss" if self._loss > self._usual_loss + EXCESS_LOSS else "delay"
        elif self._congestion in ("delay", "loss") and queue_s > QUEUE_CLEAR_S:
            pass  # not drained yet
        elif (queue_s > QUEUE_CLEAR_S and self._loss > self._usual_loss + EXCESS_LOSS) or self._falls(now):
            self._congestion = "loss"
        else:
            self._congestion = ""

    def _adapt(self, now: float, elapsed_s: float) -> None:
        if self._congestion == "silence":
            return
        if self._congestion:
            if self._loss <= self._usual_loss + FLAT_LOSS:
                self._audio.rebase_when_flat(now)
                self._video.rebase_when_flat(now)
            self._fill(now)
            return
        self._usual_loss += (self._loss - self._usual_loss) * min(1.0, elapsed_s / USUAL_LOSS_S)
        told = self._browser_bps is not None and now - self._browser_at < BROWSER_LASTS_S
        if self._browser_bps is not None and told and now - self._congested_at > LIMIT_COUNTS_S:
            proof_bps = min(self._browser_bps, BROWSER_FACTOR * self._rate_bps)
            if proof_bps > self._capacity.bps:
                self._capacity.prove(proof_bps, now, limit=False)
        if self._queue_s() > QUEUE_CLEAR_S and self._sure_bps(now - FALL_WINDOW_S) > self._capacity.bps:
            self._capacity.prove(self._sure_bps(now - FALL_WINDOW_S), now, limit=False)
        self._capacity.used(self._rate_bps, elapsed_s, now)

    def _sure_bps(self, start: float) -> float:
        """Measured over a moment, a rate is wrong by one packet: what is raised by it is raised by that much less."""
        first, last = self._since(start), self._totals[-1]
        packet_bits = (last[3] - first[3]) * 8 / max(1, last[1] - first[1])
        return self._rate_since(start) - packet_bits / max(FALL_WINDOW_S, last[0] - first[0])

    def _fill(self, now: float) -> None:
        """While a queue stands, what comes is what the line bears; the longer it stands, the surer."""
        if now - self._congested_at > RATE_WINDOW_S:
            self._congested_from, self._bps_before = now, self._capacity.bps
        self._congested_at = now
        self._browser_bps = None
        start = max(now - RATE_WINDOW_S, self._congested_from - FALL_WINDOW_S)
        measured_bps = self._rate_since(start)
        self._capacity.bps = max(self._bps_before, self._sure_bps(start))
        self._capacity.full(measured_bps, now, keep=1.0)

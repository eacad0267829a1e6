"""Everything about one participant's downlink behind one object."""

import math

from media.congestion.capacity import Capacity
from media.congestion.history import SendHistory
from media.congestion.line import LineState
from media.congestion.prober import Prober
from media.congestion.remb import RembEstimator
from media.congestion.sender_side import SenderSideEstimator
from media.congestion.waiting import AckClock

START_BPS = 40_000
PACE_FREE = 2.0
PACE_NEAR_LIMIT = 1.3
PACE_THIN = 0.9
THIN_BPS = 150_000
"""A line known to be full below this: a picture sent any faster pushes the sound out of its queue."""
PACE_CONGESTED = 1.0
"""Times the capacity: a key frame must not fill the queue of a line we know to be full there."""
PACE_MIN_BPS = 20_000
BURST_BYTES, THIN_BURST_BYTES = 3_000, 600
"""Of pictures at once, beyond what the pace allows: on a thin line sound waits behind them."""

GIVEN_UP_S = 0.45
"""For two ticks of whoever watches."""
AT_EASE_S = 0.060
"""A shorter queue is no reason to look closer."""


class DownlinkControl:
    """Fed by the transport, ticked every 200 ms, asked by the ladder. All rates on the wire.

    ``flowing_bps`` given to ``tick`` is everything sent to the participant over about the last second, probe padding
    left out; ``sound_bps`` is what of it is sound. Without a number on every packet, rates come from it and the
    stretching of time between those that have one.
    """

    def __init__(self, estimator: str = "transport_cc", start_bps: int = START_BPS) -> None:
        self.history = SendHistory()
        self.feedback_count = 0
        self._clock = AckClock(self.history)
        self._capacity = Capacity(start_bps)
        self._prober = Prober()
        self._estimator: SenderSideEstimator | RembEstimator
        if estimator == "transport_cc":
            self._estimator = SenderSideEstimator(self.history, self._capacity, self._clock, self._prober)
        elif estimator == "remb":
            self._estimator = RembEstimator(self._capacity, self._prober)
        else:
            raise ValueError(f"no such estimator: {estimator}")
        self._rtt_s: float | None = None
        self._flowing_bps = self._sound_bps = 0
        self._given_up_at = -math.inf
        # Plain attributes, because the pacer reads them for every packet.
        self.probing = False
        self.probe_id = 1
        """For ``history.probe`` of padding packets."""
        self.pace_bps = int(PACE_FREE * start_bps)
        self.burst_bytes = BURST_BYTES
        self.hold_after_s = self._clock.hold_after_s

    # what the transport tells

    def on_feedback(self, fci: bytes, now: float) -> None:
        """FCI of an RTCP transport feedback (FMT 15). Malformed: ignored and counted."""
        self.feedback_count += 1
        self._estimator.on_feedback(fci, now)
        self._watch_probe(now)
        self._refresh(now)

    def on_report(self, fraction_lost: float, now: float) -> None:
        """The worst audio or video stream of a receiver report, 0..1."""
        self._estimator.on_report(fraction_lost, now)

    def on_rtt(self, rtt_s: float, now: float) -> None:
        self._rtt_s = rtt_s

    def on_remb(self, bitrate_bps: int, now: float) -> None:
        self._estimator.on_remb(bitrate_bps, now)

    def hint(self, capacity_bps: int, now: float) -> None:
        """From the test before the call: a start value, not proof."""
        self._capacity.start(capacity_bps)
        self._refresh(now)

    def given_up(self, now: float) -> None:
        """Pictures were dropped because nothing was acknowledged any more: an outage, or a line that became far
        thinner. What it bore before is no proof for what comes back."""
        self._given_up_at = now
        self._capacity.scale(min(1.0, max(START_BPS, self._flowing_bps / 2) / self._capacity.bps), proven=False)
        self._refresh(now)

    def path_changed(self, now: float) -> None:
        """A new network: forget delays, losses and proof; start from what flowed."""
        self.history.forget_unacked()
        self._clock.forget()
        self._estimator.path_changed(now)
        self._prober.reset(now)
        self._capacity.start(max(START_BPS, min(self._capacity.bps, 2 * self._flowing_bps)))
        self._refresh(now)

    # every 200 ms

    def tick(self, now: float, *, flowing_bps: int, probe_goal_bps: int | None, sound_bps: int = 0) -> None:
        self._flowing_bps, self._sound_bps = flowing_bps, sound_bps
        self._estimator.tick(now, flowing_bps)
        self._watch_probe(now)
        if probe_goal_bps is not None:
            self._consider_probe(now, probe_goal_bps)
        self._refresh(now)

    def _consider_probe(self, now: float, goal_bps: int) -> None:
        enough = self._capacity.bps >= goal_bps and self._capacity.proven(now)
        calm = not self._estimator.congestion and not self._clock.overdue(now)
        if not enough and calm:
            believed_bps = self._believed_bps(now)
            self._prober.start_due(now, goal_bps, believed_bps, self._flowing_bps, self._estimator.queue_s)

    def _believed_bps(self, now: float) -> float:
        """What a probe may safely build on."""
        return self._capacity.bps if self._capacity.proven(now) else min(self._capacity.bps, 2 * self._flowing_bps)

    def _watch_probe(self, now: float) -> None:
        prober = self._prober
        if not prober.busy:
            return
        overdue = prober.sending and self._clock.overdue(now)
        usual_loss = self._estimator.usual_loss()
        if self._estimator.congestion == "silence" or prober.trouble(self._estimator.queue_s, usual_loss, overdue):
            delivered = prober.abort(now, usual_loss, self._estimator.delivered_between)
            if delivered is not None:
                self._conclude(min(delivered, prober.goal_bps), now, limit=True)
            return
        if isinstance(self._estimator, RembEstimator):
            self._settle_by_remb(self._estimator, now)
            return
        waiting = self.history.unacked() > 0
        delivered = prober.settle(now, self._clock.usual_s, usual_loss, waiting, self._estimator.delivered_between)
        if delivered is not None:
            passed = prober.passed(delivered)
            self._conclude(prober.goal_bps if passed else delivered, now, limit=not passed)

    def _settle_by_remb(self, estimator: RembEstimator, now: float) -> None:
        delivered = self._prober.settle_told(now, estimator.probed_bps())
        if delivered is not None:
            self._capacity.prove(min(delivered, self._prober.goal_bps), now, limit=False)

    def _conclude(self, bps: float, now: float, *, limit: bool) -> None:
        """A probe cut short measured on few packets: what already flows is not taken away for that."""
        self._capacity.prove(max(bps, 1.05 * self._flowing_bps) if limit else bps, now, limit=limit)

    # what others ask

    def line(self, now: float) -> LineState:
        rtt_s = self._rtt_s
        given_up = "silence" if now - self._given_up_at < GIVEN_UP_S else ""
        return LineState(
            capacity_bps=int(self._capacity.bps),
            proven=self._capacity.proven(now),
            congestion=self._estimator.congestion or given_up,
            queue_ms=self._estimator.queue_s * 1000,
            loss=self._estimator.loss(now),
            rtt_ms=None if rtt_s is None else rtt_s * 1000,
            rate_bps=self._flowing_bps,
        )

    @property
    def at_ease(self) -> bool:
        """No congestion, and no queue that may become one."""
        return not self._estimator.congestion and self._estimator.queue_s < AT_EASE_S

    def loss(self, now: float) -> float:
        return self._estimator.loss(now)

    def probe_bytes_due(self, now: float) -> int:
        """Wire bytes of padding to send now, in packets of at most 323; they count as sent."""
        due = self._prober.bytes_due(now)
        self.probing = self._prober.sending
        return due

    @property
    def probe_bytes_total(self) -> int:
        return self._prober.bytes_total

    @property
    def probes_started(self) -> int:
        return self._prober.probes_started

    @property
    def malformed_feedback(self) -> int:
        return self._estimator.malformed

    def _refresh(self, now: float) -> None:
        """After anything changed: what the pacer and the timer read."""
        self.probing = self._prober.sending
        self.probe_id = self._prober.probe_id
        factor = PACE_NEAR_LIMIT if self._capacity.limit_known(now) else PACE_FREE
        if self._estimator.congestion:
            factor = PACE_CONGESTED
        thin = self._capacity.limit_known(now) and self._capacity.bps < THIN_BPS
        if thin:
            factor = PACE_THIN
        beside_bps = self._sound_bps if thin else 0
        self.pace_bps = max(PACE_MIN_BPS, int(factor * self._capacity.bps) - beside_bps)
        self.burst_bytes = THIN_BURST_BYTES if thin else BURST_BYTES
        self.hold_after_s = self._clock.hold_after_s

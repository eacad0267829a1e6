"""Padding probes on the downlink: the only way up that does not put the call at risk.

A probe fills the line to a little over the goal for a moment; the arrival times of its packets say what got through.
Padding costs the patient money, so a probe is short, small, and stopped at the first sign of trouble.
"""

import math
from collections.abc import Callable

OVER_GOAL = 1.1
STEP = 2.0
"""A goal further away than this is approached in steps: a failing step fills less of the queue."""
SHORT_S = 0.2
LONG_S = 0.4
LONG_BELOW_BPS = 60_000
SHORT_ABOVE_BPS = 250_000
MIN_PACKETS = 5
MAX_PACKET_BYTES = 323
"""RTP padding is at most 255 bytes (RFC 3550, section 5.1)."""
MIN_PACKET_BYTES = 90
INTERVAL_S = 3.0
INTERVAL_GROWTH = 1.5
INTERVAL_MAX_S = 8.0
PASSED = 0.95
LOSS_STOP = 0.04
LOSS_STOP_NO_QUEUE = 0.25
QUEUE_SEEN_S = 0.020
RETRY_S = 1.5
QUEUE_STOP_S = 0.080
RESULT_SLACK_S = 0.4
MIN_RESULT_PACKETS = 3
TOLD_AFTER_S = 1.0


class _Cluster:
    """The packets of one probe, as acknowledgements come in."""

    __slots__ = ("arrived", "first", "last", "lost")

    def __init__(self) -> None:
        self.first: tuple[float, float] | None = None  # (arrival, sent)
        self.last: tuple[float, float] | None = None
        self.arrived = 0
        self.lost = 0

    def add(self, arrival_s: float, sent_s: float) -> None:
        self.arrived += 1
        if self.first is None:
            self.first = (arrival_s, sent_s)
        self.last = (arrival_s, sent_s)


Measure = Callable[[tuple[float, float], tuple[float, float], float], float]
"""What was delivered from the first to the last (arrival, sent) of a probe, in bits per second; the given share
of packets is known to be lost for other reasons than the line being full."""


class Prober:
    """``tick`` starts probes, ``bytes_due`` paces them, ``settle`` ends them and returns the rate proven."""

    def __init__(self) -> None:
        self.probe_id = 1
        self.sending = False
        self.bytes_total = 0
        self.probes_started = 0
        self.failed = 0
        self.goal_bps = 0.0
        self.ended_at = -1e9
        """When padding was last sent: a queue soon after is of our own making."""
        self._waiting = False  # for the last acknowledgements
        self._cluster = _Cluster()
        self.started_at = 0.0
        self._rate_bps = 0.0
        self._duration_s = 0.0
        self._planned_bytes = 0
        self._unit_bytes = MAX_PACKET_BYTES
        self._sent_bytes = 0
        self._next_at = 0.0
        self._interval_s = INTERVAL_S
        self._queue_before_s = 0.0
        self._only_losses = False

    @property
    def busy(self) -> bool:
        return self.sending or self._waiting

    def start_due(self, now: float, goal_bps: float, believed_bps: float, flowing_bps: int, queue_s: float) -> None:
        """Begin a probe when it is time; only called while nothing speaks against it."""
        if self.busy or now < self._next_at:
            return
        goal = min(goal_bps, max(STEP * max(believed_bps, flowing_bps), flowing_bps + 10_000))
        rate = OVER_GOAL * goal - flowing_bps
        if rate <= 0:
            return
        share = (goal - LONG_BELOW_BPS) / (SHORT_ABOVE_BPS - LONG_BELOW_BPS)
        self._duration_s = LONG_S + (SHORT_S - LONG_S) * min(1.0, max(0.0, share))
        planned = rate * self._duration_s / 8
        self._unit_bytes = int(min(MAX_PACKET_BYTES, max(MIN_PACKET_BYTES, planned / MIN_PACKETS)))
        self._planned_bytes = max(round(planned / self._unit_bytes), MIN_PACKETS) * self._unit_bytes
        self._duration_s = self._planned_bytes * 8 / rate
        self._rate_bps = rate
        self._queue_before_s = queue_s
        self._sent_bytes = 0
        self.started_at = now
        self._cluster = _Cluster()
        self.goal_bps = goal
        self.probe_id = self.probe_id % 0xFFFF + 1
        self.probes_started += 1
        self.sending = True

    def bytes_due(self, now: float) -> int:
        """Padding to send now; it counts as sent."""
        if not self.sending:
            return 0
        due = int((now - self.started_at) * self._rate_bps / 8) + self._unit_bytes - self._sent_bytes
        due = min(due, self._planned_bytes - self._sent_bytes)
        last = self._sent_bytes + due >= self._planned_bytes
        if due < self._unit_bytes and not last:
            return 0
        if not last:
            due -= due % self._unit_bytes
        self._sent_bytes += due
        self.bytes_total += due
        self.ended_at = now
        if last:
            self.sending = False
            self._waiting = True
        return due

    def acknowledged(self, arrival_s: float, sent_s: float) -> None:
        self._cluster.add(arrival_s, sent_s)

    def lost(self) -> None:
        self._cluster.lost += 1

    def trouble(self, queue_s: float, usual_loss: float, overdue: bool) -> bool:
        """First sign that the line does not bear it: a queue, or losses; without any queue only many losses."""
        cluster = self._cluster
        told = cluster.arrived + cluster.lost
        chance = 2 * math.sqrt(told * usual_loss * (1 - usual_loss))
        rise_s = queue_s - self._queue_before_s
        stop = LOSS_STOP if rise_s > QUEUE_SEEN_S else LOSS_STOP_NO_QUEUE
        lossy = cluster.lost > 1 + (usual_loss + stop) * told + chance
        self._only_losses = lossy and not overdue and rise_s <= QUEUE_SEEN_S
        return lossy or overdue or rise_s > QUEUE_STOP_S

    def abort(self, now: float, usual_loss: float, measure: Measure) -> float | None:
        """Stop; what had got through, None when too little to tell."""
        delivered = self._delivered_bps(usual_loss, measure)
        if self._only_losses:
            self._fail(now, RETRY_S)
            return None
        self._fail_and_back_off(now)
        return delivered

    def settle(
        self, now: float, usual_wait_s: float, usual_loss: float, anything_unacked: bool, measure: Measure
    ) -> float | None:
        """The delivered rate once all is told about a whole probe. None: not yet, or nothing was learned."""
        if not self._waiting:
            return None
        cluster = self._cluster
        told = cluster.arrived + cluster.lost
        overdue = now > self.ended_at + usual_wait_s + RESULT_SLACK_S
        all_told = told * self._unit_bytes >= self._planned_bytes
        if not (overdue or all_told or (not anything_unacked and cluster.last is not None)):
            return None
        # A probe lost to bursts of the radio says nothing, and the line is not to blame: try again soon.
        arrived_share = cluster.arrived * self._unit_bytes / self._planned_bytes
        share = (1 - LOSS_STOP_NO_QUEUE) * (1 - usual_loss)
        delivered = self._delivered_bps(1 - arrived_share, measure) if arrived_share >= share else None
        if delivered is None:
            self._fail(now, RETRY_S)
        elif delivered < PASSED * self.goal_bps:
            self._fail_and_back_off(now)
        else:
            self._waiting = False
            self._interval_s = INTERVAL_S
            self._next_at = now
        return delivered

    def settle_told(self, now: float, told_bps: float | None) -> float | None:
        """The same for an estimate told by the receiver, some time after the probe."""
        if not self._waiting or now < self.ended_at + TOLD_AFTER_S:
            return None
        if told_bps is None or not self.passed(told_bps):
            self._fail_and_back_off(now)
        else:
            self._waiting = False
            self._interval_s = INTERVAL_S
            self._next_at = now
        return told_bps

    def passed(self, delivered_bps: float) -> bool:
        return delivered_bps >= PASSED * self.goal_bps

    def postpone(self, until: float) -> None:
        self._next_at = max(self._next_at, until)

    def reset(self, now: float) -> None:
        """New network: try soon."""
        self.sending = self._waiting = False
        self._interval_s = INTERVAL_S
        self._next_at = now

    def _delivered_bps(self, lost_share: float, measure: Measure) -> float | None:
        cluster = self._cluster
        if cluster.arrived < MIN_RESULT_PACKETS or cluster.first is None or cluster.last is None:
            return None
        return measure(cluster.first, cluster.last, min(lost_share, 0.5))

    def _fail_and_back_off(self, now: float) -> None:
        self._fail(now, self._interval_s)
        self._interval_s = min(INTERVAL_MAX_S, self._interval_s * INTERVAL_GROWTH)

    def _fail(self, now: float, wait_s: float) -> None:
        self.sending = self._waiting = False
        self.failed += 1
        self._next_at = now + wait_s

"""Sender-side estimate of a downlink from transport-wide feedback: queue, loss and delivered rate.

Decision 0014 compares it with the receiver's own estimate (remb.py).
"""

import math

from media.congestion.capacity import Capacity
from media.congestion.delay import CLEAR_S, INSTANT_S, QueueTracker
from media.congestion.delivery import DeliveredRate
from media.congestion.feedback import ReceiverClock, parse_feedback
from media.congestion.history import MASK, SIZE, SendHistory
from media.congestion.loss import EXCESS_WITH_QUEUE, LossTracker
from media.congestion.prober import Prober
from media.congestion.waiting import AckClock

GROW_BELOW_QUEUE_S = 0.040
STILL_FLOWING = 0.95
"""Packets leaving the queue at this share of the rate they enter it: the queue is not ours alone."""
LOST_AFTER_QUEUE_MAX = 0.1
"""What is usually lost did fit the line if it is lost behind the bottleneck; believed only so far."""
UNNUMBERED_FACTOR_MAX = 200.0
AFTER_OUTAGE = 0.9
LONG_OUTAGE_S = 12.0
PROBE_DRAIN_S = 0.4
OVERFLOW_SEEN_S = 3.0
"""For so long after a queue overflowed, losses are its and not a policer's."""
SETTLE_S = 2.0
"""After an outage, before the next probe."""


class SenderSideEstimator:
    def __init__(self, history: SendHistory, capacity: Capacity, clock: AckClock, prober: Prober) -> None:
        self._history = history
        self._capacity = capacity
        self._clock = clock
        self._prober = prober
        self._queue = QueueTracker()
        self._loss = LossTracker()
        self._delivery = DeliveredRate()
        self._receiver_clock = ReceiverClock()
        self._told = [0] * SIZE  # seq when it arrived, -seq when it was said missing
        self._ignore_before = -math.inf  # packets sent in an outage say nothing
        self._decide_after = -math.inf  # packets sent before the last decrease say nothing new
        self._before_steps_bps = 0.0
        self._full_at = -math.inf
        self._last_tick: float | None = None
        self._counted_seq = 1
        self._numbered: list[tuple[float, int]] = []  # per tick (now, media bytes that had a number)
        self.congestion = ""
        self.malformed = 0

    @property
    def queue_s(self) -> float:
        return self._queue.queue_s

    def loss(self, now: float) -> float:
        return self._loss.now(now)

    def on_report(self, fraction_lost: float, now: float) -> None:
        self._loss.report(fraction_lost, now)

    def on_remb(self, bitrate_bps: int, now: float) -> None:
        """Says nothing the feedback does not say better."""

    def on_feedback(self, fci: bytes, now: float) -> None:
        feedback = parse_feedback(fci)
        base = self._history.unwrap(feedback.base_seq) if feedback is not None else None
        if feedback is None or base is None:
            self.malformed += 1
            return
        oldest_wait_s = now - self._history.unacked_since
        was_silent = self._clock.silent_since is not None
        if was_silent:
            self._end_silence(now)
        newest = self._read(base, feedback.arrivals, now)
        if newest == 0:
            return
        newest_wait_s = now - self._history.sent_at[newest & MASK]
        self._history.acknowledge(newest)
        self._queue.settle(now)
        calm = self._queue.queue_s < CLEAR_S and not self.congestion
        if math.isfinite(oldest_wait_s) and not was_silent:
            self._clock.acknowledged(oldest_wait_s, newest_wait_s, calm=calm)
        self._judge(now)

    def _read(self, base: int, arrivals: list[float | None], now: float) -> int:
        """Take in every packet told about; the newest that arrived, 0 when none is new."""
        history, told, sent_at, sizes = self._history, self._told, self._history.sent_at, self._history.sizes
        probe, probe_id, prober = history.probe, self._prober.probe_id, self._prober
        capacity_bps = max(self._capacity.bps, self._delivery.flowing_bps)
        first = next((arrival for arrival in arrivals if arrival is not None), None)
        clock_offset = self._receiver_clock.offset_s(first) if first is not None else 0.0
        newest = lost = received = 0
        last_sent = history.next_seq - 1
        oldest_kept = last_sent - SIZE
        for seq, arrival in enumerate(arrivals, base):
            if seq > last_sent:
                break
            index = seq & MASK
            if seq <= oldest_kept or told[index] == seq:
                continue
            if arrival is None:
                if told[index] != -seq:
                    told[index] = -seq
                    if sent_at[index] >= self._ignore_before:
                        lost += 1
                    if probe[index] == probe_id:
                        prober.lost()
                continue
            if told[index] == -seq and sent_at[index] >= self._ignore_before:
                lost -= 1
            told[index] = seq
            received += 1
            newest = seq
            self._take(arrival + clock_offset, sent_at[index], sizes[index], probe[index], capacity_bps, now)
        self._loss.add(lost, received, now)
        return newest

    def _take(self, arrival: float, sent: float, size: int, probe: int, capacity_bps: float, now: float) -> None:
        if sent < self._ignore_before:
            return
        wait = self._queue.add(arrival, sent, size, capacity_bps, now)
        self._delivery.add(arrival, sent, size, wait, probe != 0)
        if probe and probe == self._prober.probe_id:
            self._prober.acknowledged(arrival, sent)

    def _end_silence(self, now: float) -> None:
        """The line is back: what was believed before still is the best guess; the backlog says nothing."""
        silent_s = now - (self._clock.silent_since or now)
        self._clock.silent_since = None
        self._ignore_before = now - self._clock.least_s
        self._queue.restart()
        self._delivery.forget()
        self._loss.forget()
        self._capacity.scale(AFTER_OUTAGE, proven=silent_s < LONG_OUTAGE_S)
        self._prober.postpone(now + SETTLE_S)
        self.congestion = ""

    def _judge(self, now: float) -> None:
        """After each feedback: is it congested, and what does the line bear then?"""
        queue, loss = self._queue, self._loss.now(now)
        excess = loss > self._loss.usual + EXCESS_WITH_QUEUE
        overflowing = excess and queue.queue_s >= INSTANT_S
        if self._own_probe(now) and not overflowing:
            return
        if queue.congested(now):
            self._decrease("delay", now, loss)
        elif (now > self._full_at + OVERFLOW_SEEN_S and self._loss.heavy(now)) or (
            excess and queue.queue_s >= GROW_BELOW_QUEUE_S and not queue.falling(now)
        ):
            self._decrease("loss", now, loss)
        elif self.congestion and queue.queue_s < CLEAR_S and not (excess and self.congestion == "loss"):
            self.congestion = ""
            self._before_steps_bps = 0.0

    def _own_probe(self, now: float) -> bool:
        """Until a probe's packets have left the queue, it is the prober that judges."""
        return self._prober.busy or now < self._prober.ended_at + self._clock.usual_s + PROBE_DRAIN_S

    def _decrease(self, why: str, now: float, loss: float) -> None:
        self.congestion = why
        if now < self._decide_after or self._queue.falling(now):
            return
        busy_bps = self._delivery.busy_bps(loss) / (1 - min(self._loss.usual, LOST_AFTER_QUEUE_MAX))
        if why == "delay" and self._not_ours(busy_bps, loss, now):
            self._step_down(busy_bps, now)
        elif self._queue.queue_s < GROW_BELOW_QUEUE_S:
            self._capacity.halve(busy_bps, now)  # much is lost without a queue: in steps
        else:
            self._before_steps_bps = 0.0
            self._full_at = now
            self._capacity.full(busy_bps, now)
        self._decide_after = now + self._clock.usual_s + 0.3

    def _not_ours(self, busy_bps: float, loss: float, now: float) -> bool:
        """A queue that neither grows nor drops what we send, while it lets all of it through."""
        if self._queue.growing(now) or loss > self._loss.usual + EXCESS_WITH_QUEUE:
            return False
        return busy_bps >= STILL_FLOWING * self._delivery.flowing_bps * (1 - loss)

    def _step_down(self, busy_bps: float, now: float) -> None:
        """Somebody else's queue, or a longer route: find out by sending less."""
        if self._queue.rebase_when_flat(now):
            self._capacity.start(max(self._capacity.bps, AFTER_OUTAGE * self._before_steps_bps))
            self._before_steps_bps = 0.0
            self.congestion = ""
            return
        self._before_steps_bps = max(self._before_steps_bps, self._capacity.bps)
        self._capacity.halve(busy_bps, now)

    def tick(self, now: float, flowing_bps: int) -> None:
        elapsed_s = 0.0 if self._last_tick is None else min(1.0, now - self._last_tick)
        self._last_tick = now
        self._delivery.flowing_bps = flowing_bps
        self._count_numbered(now, flowing_bps)
        loss = self._loss.now(now)
        if self._clock.silent_since is not None or self._clock.silence(now, self._loss.usual):
            if self._clock.silent_since is None:
                self._clock.silent_since = self._history.unacked_since
            self.congestion = "silence"
            return
        if self.congestion or self._queue.queue_s >= GROW_BELOW_QUEUE_S or self._clock.overdue(now):
            return
        self._loss.learn(elapsed_s, now)
        if loss <= self._loss.usual + 0.05:
            self._capacity.used(self._delivery.usual_bps(loss) / (1 - self._loss.usual), elapsed_s, now)

    def _count_numbered(self, now: float, flowing_bps: int) -> None:
        """How many media bytes are sent for each that carries a number, over about a second."""
        history = self._history
        first = max(self._counted_seq, history.next_seq - SIZE)
        media = 0
        for seq in range(first, history.next_seq):
            if not history.probe[seq & MASK]:
                media += history.sizes[seq & MASK]
        self._counted_seq = history.next_seq
        numbered = self._numbered
        numbered.append((now, media))
        while len(numbered) > 2 and numbered[0][0] < now - 1.2:
            numbered.pop(0)
        span_s = now - numbered[0][0]
        numbered_bps = sum(size for _, size in numbered[1:]) * 8 / span_s if span_s > 0 else 0.0
        factor = flowing_bps / numbered_bps if numbered_bps > 0 else UNNUMBERED_FACTOR_MAX
        self._delivery.unnumbered_factor = min(UNNUMBERED_FACTOR_MAX, factor) if factor > 1.15 else 1.0

    def delivered_between(self, first: tuple[float, float], last: tuple[float, float], lost_share: float) -> float:
        return self._delivery.between_bps(first, last, lost_share)

    def usual_loss(self) -> float:
        return self._loss.usual

    def path_changed(self, now: float) -> None:
        self._queue.forget()
        self._delivery.forget()
        self._loss.forget()
        self._ignore_before = now
        self.congestion = ""

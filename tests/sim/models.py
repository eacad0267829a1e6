"""Who uses the simulated link: our sender, a browser that answers it, and a TCP download beside them."""

import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from aiortc.rate import RemoteBitrateEstimator

from media.congestion.downlink import DownlinkControl
from media.congestion.line import LineState
from media.transport_cc import FeedbackRecorder
from tests.sim.link import Events, Link

OVERHEAD_BYTES = 58
PACKET_BYTES = 1150
FEEDBACK_BYTES = 80
SKEW_S = 1000.0
"""The browser's clock is not ours."""
GOALS_BPS = (26_000, 48_000, 85_000, 200_000, 415_000, 800_000, 1_900_000, 3_500_000)


def next_goal(line: LineState) -> int | None:
    """What a ladder would have proven next."""
    least = line.capacity_bps + 1 if line.proven else 0.9 * line.rate_bps
    return next((goal for goal in GOALS_BPS if goal >= least), None)


@dataclass(frozen=True)
class Moment:
    at: float
    line: LineState
    sent_bps: float
    probing: bool


@dataclass
class Heard:
    """What came out at the other end."""

    audio_sent: int = 0
    audio_lost: int = 0
    audio_delay_s: list[tuple[float, float]] = field(default_factory=list)  # (sent, one-way delay)
    received: list[tuple[float, int]] = field(default_factory=list)  # (arrival, bytes), media and padding


class Browser:
    """Answers with transport feedback at intervals, receiver reports each second, and REMB."""

    def __init__(self, events: Events, back: Link, control: DownlinkControl, *, interval_s: float, remb: bool) -> None:
        self._events, self._back, self._control = events, back, control
        self._recorder = FeedbackRecorder()
        self._estimator = RemoteBitrateEstimator() if remb else None
        self._remb_bps = 0
        self._remb_at = -1.0
        self._expected = self._lost = 0
        events.every(interval_s, self._feedback, start=interval_s)
        events.every(1.0, self._report, start=1.0)

    def arrived(self, seq: int | None, sent_s: float, size: int) -> None:
        now = self._events.now
        if seq is not None:
            self._recorder.add(seq & 0xFFFF, now + SKEW_S)
        if self._estimator is not None:
            told = self._estimator.add(int(now * 1000), int(sent_s * (1 << 18)) & 0xFFFFFF, size, 1)
            if told is not None and (now - self._remb_at > 0.2 or told[0] < self._remb_bps):
                self._remb_bps, self._remb_at = told[0], now
                self._send(self._control.on_remb, told[0])

    def count(self, lost: bool) -> None:
        self._expected += 1
        self._lost += lost

    def _feedback(self) -> None:
        fci = self._recorder.drain(self._events.now)
        if fci is not None and self._estimator is None:
            self._send(self._control.on_feedback, fci)

    def _report(self) -> None:
        if self._expected:
            self._send(self._control.on_report, self._lost / self._expected)
            self._expected = self._lost = 0

    def _send(self, call: Callable[..., None], value: object) -> None:
        arrival = self._back.send(self._events.now, FEEDBACK_BYTES)
        if arrival is not None:
            self._events.at(arrival, lambda: call(value, self._events.now))


class Sender:
    """Audio every 60 ms, video frames through a pacer with brake, padding when a probe asks.

    ``video_bps(line, now)`` is the wire rate of video from the next tick on; 0: off.
    """

    def __init__(
        self,
        events: Events,
        out: Link,
        back: Link,
        *,
        video_bps: Callable[[LineState, float], float],
        goal: Callable[[LineState], int | None] = next_goal,
        audio_bps: int = 24_000,
        estimator: str = "transport_cc",
        feedback_s: float = 0.1,
        frames_per_s: float = 20,
        start_s: float = 0.0,
        seed: int = 1,
    ) -> None:
        self._events, self._out = events, out
        self.control = DownlinkControl(estimator)
        self._stamped = estimator == "transport_cc"
        self._browser = Browser(events, back, self.control, interval_s=feedback_s, remb=estimator == "remb")
        self.heard = Heard()
        self.moments: list[Moment] = []
        self._video_bps, self._goal = video_bps, goal
        self._wanted_bps = 0.0
        self._frames_per_s = frames_per_s
        self._audio_bytes = int(audio_bps * 0.060 / 8)
        self._audio_stamp_at = 0.0
        self._queue: deque[int] = deque()
        self._allowance = 0.0
        self._paced_at = 0.0
        self._sent: deque[tuple[float, int]] = deque()
        self._rng = random.Random(seed)
        self._frames = 0
        events.every(0.060, self._audio, start=start_s)
        events.every(1 / frames_per_s, self._frame, start=start_s)
        events.every(0.010, self._pace, start=start_s)
        events.every(0.200, self._tick, start=start_s)

    def _transmit(self, size: int, *, stamp: bool, audio: bool = False, probe: int = 0) -> None:
        now = self._events.now
        stamp = stamp and self._stamped
        seq = self.control.history.record(now, size, probe) if stamp else None
        if not probe:
            self._sent.append((now, size))
        arrival = self._out.send(now, size)
        self.heard.audio_sent += audio
        if arrival is None:
            self.heard.audio_lost += audio
            self._events.at(now + 0.1, self._browser.count, True)
            return
        if audio:
            self.heard.audio_delay_s.append((now, arrival - now))
        self.heard.received.append((arrival, size))
        self._events.at(arrival, self._browser.arrived, seq, now, size)
        self._events.at(arrival, self._browser.count, False)

    def _audio(self) -> None:
        now = self._events.now
        stamp = now >= self._audio_stamp_at
        if stamp:
            self._audio_stamp_at = now + 0.5
        self._transmit(self._audio_bytes, stamp=stamp, audio=True)

    def _frame(self) -> None:
        self._frames += 1
        if self._wanted_bps <= 0:
            return
        size = self._wanted_bps / self._frames_per_s / 8 * self._rng.uniform(0.7, 1.3)
        for _ in range(math.ceil(size / PACKET_BYTES)):
            self._queue.append(int(size / math.ceil(size / PACKET_BYTES)) + OVERHEAD_BYTES)
        if sum(self._queue) * 8 > 0.4 * max(self.control.pace_bps, self._wanted_bps):
            self._queue.clear()  # a pacer's queue is bounded in time

    def _pace(self) -> None:
        now, control = self._events.now, self.control
        rate = control.pace_bps / 8
        self._allowance = min(rate * 0.02 + PACKET_BYTES, self._allowance + rate * (now - self._paced_at))
        self._paced_at = now
        history = control.history
        braked = history.newest_acked > 0 and now - history.unacked_since > control.hold_after_s
        while self._queue and self._allowance > 0 and not braked:
            size = self._queue.popleft()
            self._allowance -= size
            self._transmit(size, stamp=True)
        due = control.probe_bytes_due(now) if control.probing else 0
        while due > 0:
            self._transmit(min(due, 323), stamp=True, probe=control.probe_id)
            due -= 323

    def _tick(self) -> None:
        now = self._events.now
        while self._sent and self._sent[0][0] < now - 1.0:
            self._sent.popleft()
        flowing = sum(size for _, size in self._sent) * 8
        line = self.control.line(now)
        self.control.tick(now, flowing_bps=flowing, probe_goal_bps=self._goal(line))
        line = self.control.line(now)
        self._wanted_bps = self._video_bps(line, now)
        if self._wanted_bps <= 0:
            self._queue.clear()
        self.moments.append(Moment(now, line, flowing, self.control.probing))

    def received_bps(self, start: float, end: float) -> float:
        return sum(size for at, size in self.heard.received if start <= at < end) * 8 / (end - start)


def elastic(most_bps: float = 3_000_000, least_bps: float = 0.0) -> Callable[[LineState, float], float]:
    """An encoder that follows the capacity at once."""
    return lambda line, now: max(least_bps, min(most_bps, 0.95 * line.capacity_bps - 24_000))


class TcpFlow:
    """Reno: slow start, congestion avoidance, halving once per round trip, time-out when all is lost."""

    SEGMENT = 1500

    def __init__(self, events: Events, out: Link, *, start_s: float, stop_s: float = math.inf, back_s: float = 0.05):
        self._events, self._out, self._stop_s, self._back_s = events, out, stop_s, back_s
        self._window = 4.0
        self._threshold = 64.0
        self._in_flight = 0
        self._srtt = 0.2
        self._halved_at = -1.0
        self.received_bytes = 0
        events.at(start_s, self._fill)

    def _fill(self) -> None:
        now = self._events.now
        while self._in_flight < int(self._window) and now < self._stop_s:
            self._in_flight += 1
            arrival = self._out.send(now, self.SEGMENT)
            if arrival is None:
                self._events.at(now + 1.2 * self._srtt, self._missed, now)
            else:
                self._events.at(arrival + self._back_s, self._acknowledged, now)

    def _acknowledged(self, sent_s: float) -> None:
        self._in_flight -= 1
        self.received_bytes += self.SEGMENT
        self._srtt += 0.125 * (self._events.now - sent_s - self._srtt)
        self._window += 1.0 if self._window < self._threshold else 1.0 / self._window
        self._fill()

    def _missed(self, sent_s: float) -> None:
        self._in_flight -= 1
        if sent_s > self._halved_at:
            self._halved_at = self._events.now
            self._threshold = max(2.0, self._window / 2)
            self._window = self._threshold
        self._fill()

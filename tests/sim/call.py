"""A whole call in virtual time: browsers, their lines, the server's forwarding, estimators and the room's ladder."""

import math
import random
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from media.adaptation.orders import Forward, LineHint, Lines, ProbeDownlink, Publish, PublishOrder, Tell
from media.adaptation.policy import LadderPolicy
from media.adaptation.room import RoomAdaptation
from media.adaptation.rungs import Rung
from media.congestion.downlink import DownlinkControl
from media.congestion.uplink import UplinkObserver, UplinkSample
from media.transport_cc import FeedbackRecorder
from tests.sim.link import Events, Link

OVERHEAD_BYTES = 58
PACKET_BYTES = 1100
FEEDBACK_BYTES = 70
TICK_S = 0.2
PLAYOUT_S = 0.4
"""Sound later than this over its least delay is concealed: about what a browser's buffer grows to."""
BROWSER_GROWTH_BPS_PER_S = 4_000
"""A browser's controller near a limit adds half a packet in each response time, which is at least this."""
TELL_S = 5.0
"""How often a page tells what its browser's controller believes."""
COMFORT_S = 0.4
"""Silence with DTX: one small packet in this time."""


@dataclass(frozen=True)
class Packet:
    publisher: str
    kind: str
    size: int
    made_at: float
    seq: int
    key: bool = False


class Feedback:
    """One end of transport feedback: what arrived, told back over the other link."""

    def __init__(self, events: Events, back: Link, control: DownlinkControl) -> None:
        self._events, self._back, self.control = events, back, control
        self._recorder = FeedbackRecorder()
        self._told: tuple[int, int] = (0, 0)
        self.seen = self.lost = 0
        events.every(0.15, self._send, start=0.15)
        events.every(1.0, self._report, start=1.0)

    def arrived(self, seq: int | None) -> None:
        self.seen += 1
        if seq is not None:
            self._recorder.add(seq & 0xFFFF, self._events.now + 500)

    def _send(self) -> None:
        fci = self._recorder.drain(self._events.now)
        arrival = self._back.send(self._events.now, FEEDBACK_BYTES) if fci is not None else None
        if fci is not None and arrival is not None:
            self._events.at(arrival, lambda: self.control.on_feedback(fci, self._events.now))

    def _report(self) -> None:
        seen, lost = self.seen - self._told[0], self.lost - self._told[1]
        self._told = (self.seen, self.lost)
        arrival = self._back.send(self._events.now, FEEDBACK_BYTES)
        if seen + lost and arrival is not None:
            share = lost / (seen + lost)
            self._events.at(arrival, lambda: self.control.on_report(share, self._events.now))


class Path:
    """One direction of a line with the sender's control of it: pacing, brake, probes, numbers on packets."""

    def __init__(self, events: Events, link: Link, back: Link, start_bps: int) -> None:
        self._events, self.link = events, link
        self.control = DownlinkControl(start_bps=start_bps)
        self.feedback = Feedback(events, back, self.control)
        self.queue: deque[tuple[Packet, Any]] = deque()
        self.sent: deque[tuple[float, int]] = deque()
        self._sounded: deque[tuple[float, int]] = deque()
        self.goal_bps: int | None = None
        self._allowance = self._paced_at = self._stamp_at = self._asked_at = 0.0
        self.probe_bytes = 0
        events.every(0.02, self._pace)

    def flowing_bps(self) -> int:
        while self.sent and self.sent[0][0] < self._events.now - 1:
            self.sent.popleft()
        return sum(size for _, size in self.sent) * 8

    def tick(self) -> None:
        now = self._events.now
        self.control.tick(
            now, flowing_bps=self.flowing_bps(), probe_goal_bps=self.goal_bps, sound_bps=self._sound_bps()
        )
        # As the server does: where nothing flows, a packet now and then asks whether the line is back.
        if not self.flowing_bps() and self.control.history.unacked_since < math.inf and now - self._asked_at >= 0.5:
            self._asked_at = now
            self.transmit(59, None, stamp=True, probe=-1)

    def transmit(self, size: int, arrived: Any, *, stamp: bool, probe: int = 0) -> None:
        now = self._events.now
        seq = self.control.history.record(now, size, probe) if stamp else None
        if not probe:
            self.sent.append((now, size))
        arrival = self.link.send(now, size)
        if arrival is None:
            self.feedback.lost += 1
            return
        self._events.at(arrival, self.feedback.arrived, seq)
        if arrived is not None:
            self._events.at(arrival, arrived)

    def _sound_bps(self) -> int:
        while self._sounded and self._sounded[0][0] < self._events.now - 1:
            self._sounded.popleft()
        return sum(size for _, size in self._sounded) * 8

    def sound(self, packet: Packet, arrived: Any) -> None:
        self._sounded.append((self._events.now, packet.size))
        stamp = self._events.now >= self._stamp_at
        if stamp:
            self._stamp_at = self._events.now + 0.5
        self.transmit(packet.size, arrived, stamp=stamp)

    def picture(self, packet: Packet, arrived: Any) -> None:
        self.queue.append((packet, arrived))
        if len(self.queue) > 90:
            self.queue.popleft()

    def _pace(self) -> None:
        now, control = self._events.now, self.control
        rate = control.pace_bps / 8
        self._allowance = min(max(rate * 0.1, control.burst_bytes), self._allowance + rate * (now - self._paced_at))
        self._paced_at = now
        history = control.history
        braked = history.newest_acked > 0 and now - history.unacked_since > control.hold_after_s
        while self.queue and self._allowance > 0 and not braked:
            packet, arrived = self.queue.popleft()
            self._allowance -= packet.size
            self.transmit(packet.size, arrived, stamp=True)
        due = control.probe_bytes_due(now) if control.probing else 0
        self.probe_bytes += due
        while due > 0:
            self.transmit(min(due, 323), None, stamp=True, probe=control.probe_id)
            due -= 323


@dataclass
class Sound:
    """What one participant heard of another."""

    sent: list[tuple[float, int]] = field(default_factory=list)  # (made at, seq)
    came: dict[int, float] = field(default_factory=dict)  # seq -> delay

    def concealed(self, start: float, end: float) -> float:
        """Share of packets made in this time that did not come, or too late to be played."""
        made = [seq for at, seq in self.sent if start <= at < end]
        if not made:
            return 0.0
        least = min(self.came.values(), default=0.0)
        good = sum(1 for seq in made if self.came.get(seq, math.inf) <= least + PLAYOUT_S)
        return 1 - good / len(made)


class Browser:
    """Encodes what the last order says; its own controller bounds the picture."""

    def __init__(self, call: "Call", name: str, up: Link, down: Link, talks: float, seed: int) -> None:
        self.call, self.name, self.talks = call, name, talks
        self.up = Path(call.events, up, down, 300_000)
        self.up.control._capacity.min_growth_bps_per_s = BROWSER_GROWTH_BPS_PER_S
        self.down = Path(call.events, down, up, 40_000)
        self.observer = UplinkObserver()
        self.order = PublishOrder(None, None)
        self.arrived: dict[str, list[float]] = {"audio": [0, 0, 0, 0], "video": [0, 0, 0, 0]}
        self.wire_bytes = 0
        self.rng = random.Random(seed)
        self.seq = 0
        self.camera = True
        self.encoder_max_bps = math.inf
        """An easy picture takes no more than this, whatever the order."""
        self.probes = True
        """Its controller asks the line by padding when an order rises; else it only grows by what it sends."""
        self._comfort_at = 0.0
        self._key_due = True
        self.frames_in: list[float] = []
        call.events.at(0.01 * seed, self._speak)
        call.events.at(0.02 * seed, self._film)
        call.events.every(TELL_S, self._tell, start=TELL_S)

    def obey(self, order: PublishOrder) -> None:
        if self.order.video is None:
            self._key_due = True
        self.order = order

    def _tell(self) -> None:
        events = self.call.events
        arrival = self.up.link.send(events.now, 150) if self.order.video else None
        if arrival is not None:
            told_bps = self.up.control.line(events.now).capacity_bps
            events.at(arrival, lambda: self.observer.on_browser_estimate(told_bps, events.now))

    def speaking(self, now: float) -> bool:
        return (now / 8 + self.rng_phase) % 1 < self.talks

    @property
    def rng_phase(self) -> float:
        return 0.0 if self.name == "doctor" else 0.45

    def _speak(self) -> None:
        events, audio = self.call.events, self.order.audio
        events.at(events.now + (audio.ptime_ms / 1000 if audio else 0.06), self._speak)
        if audio is None:
            return
        size = OVERHEAD_BYTES + audio.bitrate_bps * audio.ptime_ms // 8000
        if not self.speaking(events.now) and audio.dtx:
            if events.now < self._comfort_at:
                return
            self._comfort_at, size = events.now + COMFORT_S, OVERHEAD_BYTES + 6
        self._send("audio", size, False)

    def _film(self) -> None:
        events, video = self.call.events, self.order.video
        framerate = video.max_framerate if video else 10
        events.at(events.now + 1 / framerate, self._film)
        if video is None or not self.camera:
            return
        sound_bps = self.order.audio.wire_bps if self.order.audio else 0
        allowed_bps = max(30_000, 0.95 * self.up.control.line(events.now).capacity_bps - sound_bps)
        bitrate = min(video.max_bitrate_bps, self.encoder_max_bps, allowed_bps)
        size = bitrate / framerate / 8 * self.rng.uniform(0.75, 1.25)
        key, self._key_due = self._key_due, False
        size = max(size, min(4 * size, 8_000)) if key else size
        count = math.ceil(size / PACKET_BYTES)
        for _ in range(count):
            self._send("video", int(size / count) + OVERHEAD_BYTES, key)

    def _send(self, kind: str, size: int, key: bool) -> None:
        self.seq += 1
        packet = Packet(self.name, kind, size, self.call.events.now, self.seq, key)
        for other in self.call.browsers.values():
            if kind == "audio" and (other.name, self.name, "audio") in self.call.forwarding:
                self.call.sound(other.name, self.name).sent.append((packet.made_at, packet.seq))
        send = self.up.sound if kind == "audio" else self.up.picture
        send(packet, lambda: self.call.server_got(self, packet))

    def samples(self) -> tuple[UplinkSample | None, UplinkSample | None]:
        """What the server counted; every packet the line lost counts as one of sound, which loses them alike."""
        counters = self.up.link.counters
        lost = counters.dropped_queue + counters.dropped_loss + counters.dropped_outage
        audio, video = (self.arrived[kind] for kind in ("audio", "video"))
        return (
            UplinkSample(int(audio[0]), int(audio[1]), lost, audio[2], audio[3]) if audio[0] else None,
            UplinkSample(int(video[0]), int(video[1]), 0, video[2], video[3]) if video[0] else None,
        )


@dataclass(frozen=True)
class Shown:
    at: float
    down: Rung
    up: Rung
    down_reason: str
    up_reason: str


class Call:
    """``links``: name -> (uplink, downlink). ``hints``: what the test before the call found."""

    def __init__(
        self,
        links: Mapping[str, tuple[Link, Link]],
        *,
        policy: LadderPolicy | None = None,
        hints: Mapping[str, LineHint] | None = None,
        talks: float = 0.5,
        seed: int = 0,
    ) -> None:
        self.events = Events()
        self.room = RoomAdaptation(policy or LadderPolicy())
        self.forwarding: set[tuple[str, str, str]] = set()
        self.sounds: dict[tuple[str, str], Sound] = {}
        self.shown: dict[str, list[Shown]] = {name: [] for name in links}
        self.orders: list[tuple[float, str, PublishOrder]] = []
        self.actions = 0
        self.browsers: dict[str, Browser] = {}
        for index, (name, (up, down)) in enumerate(links.items()):
            self.browsers[name] = Browser(self, name, up, down, talks, index + 1 + 10 * seed)
            hint = (hints or {}).get(name)
            self.room.join(name, 0.0, hint)
            if hint and hint.down_bps:
                self.browsers[name].down.control.hint(hint.down_bps, 0.0)
        self.events.every(TICK_S, self._tick, start=0.1)

    def sound(self, receiver: str, publisher: str) -> Sound:
        return self.sounds.setdefault((receiver, publisher), Sound())

    def run(self, until: float) -> "Call":
        self.events.run(until)
        return self

    def server_got(self, browser: Browser, packet: Packet) -> None:
        now = self.events.now
        totals = browser.arrived[packet.kind]
        totals[0] += 1
        totals[1] += packet.size
        totals[2], totals[3] = now - packet.made_at, now
        browser.wire_bytes += packet.size
        for other in self.browsers.values():
            if (other.name, browser.name, packet.kind) in self.forwarding:
                send = other.down.sound if packet.kind == "audio" else other.down.picture
                send(packet, lambda other=other: self._heard(other, packet))

    def _heard(self, receiver: Browser, packet: Packet) -> None:
        if packet.kind == "audio":
            self.sound(receiver.name, packet.publisher).came[packet.seq] = self.events.now - packet.made_at
        else:
            receiver.frames_in.append(self.events.now)

    def _lines(self, browser: Browser) -> Lines:
        now = self.events.now
        audio, video = browser.samples()
        expected = browser.order.audio is not None
        browser.observer.observe(now, audio, video, browser.wire_bytes, expected=expected)
        return Lines(browser.down.control.line(now), browser.observer.line(now), True)

    def _tick(self) -> None:
        now = self.events.now
        for browser in self.browsers.values():
            browser.up.goal_bps = self._own_goal(browser)
            browser.up.tick()
            browser.down.tick()
        for action in self.room.tick(now, {name: self._lines(b) for name, b in self.browsers.items()}):
            self._run(action)

    @staticmethod
    def _own_goal(browser: Browser) -> int | None:
        """The browser's own controller probes for what its encoder may send."""
        video, audio = browser.order.video, browser.order.audio
        if video is None or not browser.probes:
            return None
        return video.max_bitrate_bps + (audio.wire_bps if audio else 0)

    def _run(self, action: Any) -> None:
        now = self.events.now
        self.actions += 1
        if isinstance(action, Forward):
            entry = (action.receiver, action.publisher, action.kind)
            (self.forwarding.add if action.on else self.forwarding.discard)(entry)
        elif isinstance(action, Publish):
            self.orders.append((now, action.participant, action.order))
            browser = self.browsers[action.participant]
            arrival = browser.down.link.send(now, 150)
            arrival = now + 0.5 if arrival is None else arrival
            self.events.at(arrival, browser.obey, action.order)
        elif isinstance(action, ProbeDownlink):
            self.browsers[action.participant].down.goal_bps = action.goal_bps
        elif isinstance(action, Tell):
            down, up = action.news.down, action.news.up
            self.shown[action.participant].append(Shown(now, down.rung, up.rung, down.reason, up.reason))

    def rungs(self, name: str, direction: str) -> list[tuple[float, Rung]]:
        """Changes of what people see, the first value first."""
        changes: list[tuple[float, Rung]] = []
        for entry in self.shown[name]:
            rung = getattr(entry, direction)
            if not changes or changes[-1][1] != rung:
                changes.append((entry.at, rung))
        return changes

    def tier_changes(self, name: str, direction: str, start: float, end: float) -> int:
        tiers: list[tuple[float, str]] = []
        for at, rung in self.rungs(name, direction):
            if not tiers or tiers[-1][1] != rung.tier:
                tiers.append((at, rung.tier))
        return sum(1 for at, _ in tiers[1:] if start <= at < end)

    def rung_at(self, name: str, direction: str, at: float) -> Rung:
        return [rung for since, rung in self.rungs(name, direction) if since <= at][-1]

    def first_below(self, name: str, direction: str, rung: Rung, after: float) -> float | None:
        """Seconds after ``after`` until the rung shown is lower than ``rung``."""
        return next((at - after for at, seen in self.rungs(name, direction) if at >= after and seen < rung), None)

    def first_reaching(self, name: str, direction: str, rung: Rung, after: float) -> float | None:
        if self.rung_at(name, direction, after) >= rung:
            return 0.0
        return next((at - after for at, seen in self.rungs(name, direction) if at >= after and seen >= rung), None)


def two(
    up: Any, down: Any, *, delay_s: float = 0.05, queue_ms: float = 300, seed: int = 1, **options: Any
) -> dict[str, tuple[Link, Link]]:
    """The patient's two directions as given (rates or schedules); the doctor has 5 Mbit/s and 20 ms one way."""
    patient = (
        Link(up, delay_s=delay_s, queue_ms=queue_ms, seed=seed, **options),
        Link(down, delay_s=delay_s, queue_ms=queue_ms, seed=seed + 50, **options),
    )
    doctor = (Link(5_000_000, delay_s=0.02, seed=seed + 100), Link(5_000_000, delay_s=0.02, seed=seed + 150))
    return {"patient": patient, "doctor": doctor}


def alternating(high: float, low: float, each_s: float, end_s: float) -> Sequence[tuple[float, float]]:
    return [(index * each_s, high if index % 2 == 0 else low) for index in range(math.ceil(end_s / each_s))]

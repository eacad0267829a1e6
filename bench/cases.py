"""The cases: what the patient's line does, how long, and what has to be reached. Declarations only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from bench import call_outcome as figures
from bench import call_sound as sound
from bench.call_outcome import Outcome, Tier
from bench.netlab.link import Shape
from bench.netlab.network import Line, Step


@dataclass(frozen=True)
class Goal:
    """One figure of the row and its limit; no limit: for information."""

    label: str
    figure: Callable[[Outcome], float | None]
    unit: str
    most: float | None = None
    least: float | None = None

    def met(self, value: float | None) -> bool | None:
        """None: nothing to judge."""
        if value is None or (self.most is None and self.least is None):
            return None
        return (self.most is None or value <= self.most) and (self.least is None or value >= self.least)


@dataclass(frozen=True)
class Case:
    """``steps`` count from the moment the call runs quietly on ``before`` (or, joined at the rate, from the tap)."""

    name: str
    title: str
    seconds: float
    goals: tuple[Goal, ...]
    before: Line
    steps: tuple[Step, ...] = ()
    joined_at_rate: bool = False
    video: bool = True
    warm_s: float = 20.0
    messages: bool = False
    speech: bool = False
    scalable: bool = False
    """Long: ``--seconds`` may shorten it; steps beyond the end are left out."""

    def shortened(self, seconds: float) -> Case:
        return replace(self, seconds=min(self.seconds, seconds)) if self.scalable else self


def line(up_bps: int, down_bps: int, one_way_ms: float, queue_ms: float = 300.0, **more: Any) -> Line:
    return Line(
        Shape(rate_bps=up_bps, delay_ms=one_way_ms, queue_ms=queue_ms, **more),
        Shape(rate_bps=down_bps, delay_ms=one_way_ms, queue_ms=queue_ms, **more),
    )


DOCTOR = line(5_000_000, 5_000_000, 20)
GOOD = line(1_000_000, 1_000_000, 50)


def rate(at_s: float, bps: int, direction: str = "both") -> Step:
    return Step(at_s, "patient", direction, {"rate_bps": bps})


def concealed(start_s: float, end_s: float | None, most: float | None, side: str = "both") -> Goal:
    """Of what was said: see ``call_sound.damaged``."""

    def figure(o: Outcome) -> float | None:
        sides = ("patient", "doctor") if side == "both" else (side,)
        return figures.worst([sound.heard_damaged(o, one, *o.window(start_s, end_s)) for one in sides])

    window = f"{start_s:g}-{'end' if end_s is None else f'{end_s:g}'} s"
    heard_by = "" if side == "both" else f" at {side}"
    return Goal(f"concealed{heard_by} {window}", figure, "%", most)


def concealed_or_text(start_s: float, most: float) -> Goal:
    """Where the ladder said text and why, nothing is to be heard. Plain WebRTC says nothing: judged throughout."""

    def figure(o: Outcome) -> float | None:
        sides = ("patient", "doctor")
        return figures.worst([sound.damaged_outside_text(o, side, *o.window(start_s)) for side in sides])

    return Goal(f"concealed {start_s:g}-end s unless at text", figure, "%", most)


def rung_held(label: str, holds: Callable[[Tier], bool], start_s: float, least: float | None) -> Goal:
    """Share of the time since ``start_s`` in which the patient's tiers were so."""
    return Goal(label, lambda o: figures.share_at(o, holds, *o.window(start_s)), "%", least=least)


def video_moves(start_s: float, end_s: float | None, least: float | None, side: str = "both") -> Goal:
    def figure(o: Outcome) -> float | None:
        sides = {"both": o.sides(), "patient": (o.patient,), "doctor": (o.doctor,)}[side]
        return min(figures.frames_per_s(samples, *o.window(start_s, end_s)) for samples in sides)

    return Goal(f"video{'' if side == 'both' else f' at {side}'}", figure, "fps", least=least)


def video_off(since_s: float, most: float) -> Goal:
    def figure(o: Outcome) -> float:
        return max(figures.video_off_s(samples, *o.window(since_s, since_s + 12)) for samples in o.sides())

    return Goal("off video after", figure, "s", most)


def video_back(since_s: float, most: float | None) -> Goal:
    def figure(o: Outcome) -> float:
        return max(figures.video_back_s(samples, *o.window(since_s, None)) for samples in o.sides())

    return Goal("video back after", figure, "s", most)


def audio_back(since_s: float, most: float) -> Goal:
    def figure(o: Outcome) -> float:
        return max(figures.audio_back_s(samples, *o.window(since_s, None)) for samples in o.sides())

    return Goal("audio back after", figure, "s", most)


def rtt_settled(since_s: float, most: float) -> Goal:
    return Goal(
        "RTT < 400 ms after", lambda o: figures.rtt_settled_s(o, *o.window(since_s, since_s + 12), 400), "s", most
    )


def silence(start_s: float, most: float | None) -> Goal:
    def figure(o: Outcome) -> float:
        return max(figures.longest_silence_s(samples, *o.window(start_s)) for samples in o.sides())

    return Goal("longest silence", figure, "s", most)


def changes(start_s: float, most: float) -> Goal:
    return Goal("tier changes", lambda o: figures.tier_changes(o, *o.window(start_s)), "", most)


def at_least_stoi(least: float | None) -> Goal:
    return Goal("STOI", lambda o: min(o.stoi.values()) if o.stoi else None, "", least=least)


def _both_text(tier: Tier) -> bool:
    return tier.down == tier.up == "text"


JOINED = Goal("in the call after", lambda o: o.joined_s, "s", 20)
A_MINUTE = Goal("changes a minute", lambda o: figures.most_changes_a_minute(o, *o.window(20)), "", 1)
AT_TEXT = rung_held("at text", _both_text, 20, None)
MESSAGE = Goal("message after", lambda o: figures.worst(list(o.message_delays_s)), "s", 3)


def _loss(share: float, burst: float) -> Case:
    """The limit on concealment: a quarter of random loss, half of bursty loss."""
    goals = (
        concealed(5, None, share / 4 if burst == 1 else share / 2),
        video_moves(5, None, 5),
        at_least_stoi(0.75 if share >= 0.2 else None),
    )
    kind = "random" if burst == 1 else f"bursts of {burst:g}"
    return Case(
        f"loss-{share * 100:g}{'' if burst == 1 else '-bursts'}",
        f"500 kbit/s, {share:.0%} loss, {kind}",
        60,
        goals,
        line(500_000, 500_000, 50),
        (Step(0, "patient", "both", {"loss": share, "burst": burst}),),
        speech=True,
    )


def _outage(dead_s: float) -> Case:
    most = 2.0 if dead_s <= 12 else 5.0
    steps = (Step(1, "patient", "both", {"up": False}), Step(1 + dead_s, "patient", "both", {"up": True}))
    goals = (audio_back(1 + dead_s, most), video_back(1 + dead_s, None))
    return Case(f"dead-{dead_s:g}", f"line dead {dead_s:g} s", 1 + dead_s + 20, goals, GOOD, steps)


def _wire(rung: str, title: str, bps: int, speaking_most: float, average_most: float) -> Case:
    """Rates of the patient's way up, while it is at the rung that the case is about."""

    def at_rung(tier: Tier) -> bool:
        return tier.up_rung == rung

    goals = (
        rung_held(f"at {rung} rung", at_rung, 20, 0.8),
        Goal("wire speaking", lambda o: figures.speaking_bps(o, *o.longest(at_rung, 20)), "kbit/s", speaking_most),
        Goal("wire average", lambda o: figures.udp_bps(o, "up", *o.longest(at_rung, 20)), "kbit/s", average_most),
        concealed(20, None, None),
        at_least_stoi(None),
    )
    return Case(f"wire-{rung}", title, 80, goals, line(bps, bps, 50), (), video=False, warm_s=5, speech=True)


_THIN = ("audio", "stills", "low_video")


def _own_tiers(thin: str, wide: str) -> tuple[Goal, Goal]:
    """The ladder is given twenty seconds to climb."""
    return (
        rung_held(f"{thin} at its own tier", lambda tier: getattr(tier, thin) in _THIN, 20, 0.8),
        rung_held(f"{wide} at video", lambda tier: getattr(tier, wide) == "video", 20, 0.8),
    )


_ALTERNATING = tuple(rate(5.0 * n, 40_000 if n % 2 else 200_000) for n in range(120))

CASES: tuple[Case, ...] = (
    Case(
        "quiet", "5 Mbit/s, nothing happens (checks the bench)", 30,
        (video_moves(5, None, 15), concealed(5, None, 0.005), at_least_stoi(0.85)),
        line(5_000_000, 5_000_000, 20), speech=True,
    ),
    Case(
        "fall", "1 Mbit/s falls to 80 kbit/s", 30,
        (
            video_off(0, 2), concealed(0, 10, 0.02), concealed(10, None, None), rtt_settled(0, 4),
            video_moves(10, None, None),
        ),
        GOOD, (rate(0, 80_000),),
    ),
    Case(
        "rise", "80 kbit/s rises to 1 Mbit/s", 60,
        (video_back(30, 15), concealed(30, 60, 0.01)),
        GOOD, (rate(0, 80_000), rate(30, 1_000_000)),
    ),
    Case(
        "24k", "24 kbit/s, 200 ms RTT, joined at that rate", 60,
        (JOINED, concealed(30, None, 0.01), silence(30, None)),
        line(24_000, 24_000, 80), joined_at_rate=True,
    ),
    Case(
        "12k", "12 kbit/s steady", 140,
        (concealed_or_text(20, 0.03), A_MINUTE, AT_TEXT, silence(20, None)),
        GOOD, (rate(0, 12_000),),
    ),
    Case(
        "8k", "8 kbit/s, 800 ms RTT", 90,
        (MESSAGE, rung_held("at text", _both_text, 30, 0.9), A_MINUTE),
        GOOD, (Step(0, "patient", "both", {"rate_bps": 8_000, "delay_ms": 380.0}),), messages=True,
    ),
    Case(
        "2g", "2G profile 280/256 kbit/s, 800 ms RTT", 600,
        (concealed(10, None, 0.01), silence(10, 5), video_moves(10, None, None)),
        line(256_000, 280_000, 380), scalable=True,
    ),
    *(_loss(share, burst) for burst in (1.0, 5.0) for share in (0.02, 0.05, 0.1, 0.2)),
    Case(
        "alternating", "200 and 40 kbit/s, 5 s each", 600,
        (changes(60, 6), concealed(60, None, None), silence(60, None)),
        line(200_000, 200_000, 50), _ALTERNATING, scalable=True,
    ),
    Case(
        "steady-150k", "150 kbit/s steady", 60,
        (video_moves(20, None, 10), concealed(20, None, 0.01)),
        line(150_000, 150_000, 50),
    ),
    Case(
        "thin-up", "uplink 60 kbit/s, downlink 1 Mbit/s", 60,
        (video_moves(20, None, 8, "patient"), concealed(20, None, 0.01), *_own_tiers("up", "down")),
        line(60_000, 1_000_000, 50), warm_s=10,
    ),
    Case(
        "thin-down", "uplink 1 Mbit/s, downlink 60 kbit/s", 60,
        (video_moves(20, None, 8, "doctor"), concealed(20, None, 0.01), *_own_tiers("down", "up")),
        line(1_000_000, 60_000, 50), warm_s=10,
    ),
    *(_outage(dead_s) for dead_s in (2, 6, 12, 30, 78)),
    _wire("audio", "audio rung on the wire (36 kbit/s line)", 36_000, 20_000, 12_000),
    _wire("emergency", "emergency rung on the wire (15 kbit/s line)", 15_000, 10_000, 10_000),
)  # fmt: skip
BY_NAME = {case.name: case for case in CASES}

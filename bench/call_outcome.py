"""What came of one measured call, and the figures taken from it. Pure: times are Unix seconds, samples are given."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Any

Sample = Mapping[str, Any]

VIDEO_IS_OFF_BPS = 30_000
VIDEO_IS_BACK_FPS = 5
SPEAKING_ENERGY_PER_S = 1e-3
_OFF_WINDOW_S = 2.0
_PAUSE_S = 0.6


@dataclass(frozen=True, slots=True)
class Tier:
    """The patient's rungs, as the pages were told."""

    t: float
    down: str
    up: str
    down_reason: str
    up_reason: str
    down_rung: str = ""
    up_rung: str = ""


@dataclass
class Outcome:
    """``began``: when the line's schedule started; ``base_rtt_ms``: of the patient's line alone, empty."""

    system: str
    began: float
    seconds: float
    patient: Sequence[Sample]
    doctor: Sequence[Sample]
    report: Mapping[str, Any]
    base_rtt_ms: float = 0.0
    tiers: Sequence[Tier] = ()
    joined_s: float | None = None
    message_delays_s: Sequence[float] = ()
    stoi: dict[str, float] = field(default_factory=dict)
    pesq: dict[str, float] = field(default_factory=dict)
    cpu_busy: float = 0.0

    def sides(self) -> tuple[Sequence[Sample], Sequence[Sample]]:
        return self.patient, self.doctor

    def window(self, start_s: float, end_s: float | None = None) -> tuple[float, float]:
        return self.began + start_s, self.began + (self.seconds if end_s is None else end_s)

    def longest(self, holds: Callable[[Tier], bool], start_s: float) -> tuple[float, float]:
        """The longest time that the patient's tiers were so since then; with none, an empty time. Where nobody names
        tiers, all of it."""
        window = self.window(start_s)
        if not self.tiers:
            return window
        best, current = (window[0], window[0]), None
        for begins, ends, tier in stretches(self, *window):
            if tier is None or not holds(tier):
                current = None
                continue
            current = (begins if current is None else current[0], ends)
            best = max(best, current, key=lambda span: span[1] - span[0])
        return best


def at(samples: Sequence[Sample], name: str, t: float) -> float:
    """A total at a moment: of the last sample before it."""
    index = bisect_right(samples, t, key=lambda sample: sample["t"]) - 1
    return float(samples[index].get(name, 0)) if index >= 0 else 0.0


def growth(samples: Sequence[Sample], name: str, start: float, end: float) -> float:
    return at(samples, name, end) - at(samples, name, start)


def worst(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return max(known) if known else None


def frames_per_s(samples: Sequence[Sample], start: float, end: float) -> float:
    return growth(samples, "in_video_framesDecoded", start, end) / (end - start)


def received_bps(samples: Sequence[Sample], kind: str, start: float, end: float) -> float:
    return growth(samples, f"in_{kind}_bytesReceived", start, end) * 8 / (end - start)


def video_off_s(samples: Sequence[Sample], since: float, until: float) -> float:
    """When moving video had left, for good within the window; infinity: never. A picture now and then is not video."""
    times = [sample["t"] for sample in samples if since <= sample["t"] <= until]
    whole = [t for t in times if t + _OFF_WINDOW_S <= until]
    moving = [t for t in whole if received_bps(samples, "video", t, t + _OFF_WINDOW_S) > VIDEO_IS_OFF_BPS]
    if not whole or (moving and moving[-1] == whole[-1]):
        return float("inf")
    off = moving[-1] if moving else since
    tail_ends = off + _OFF_WINDOW_S
    for earlier, later in pairwise([off, *(t for t in times if off < t <= tail_ends)]):  # what flowed on
        if later - off > _PAUSE_S:
            break
        if growth(samples, "in_video_bytesReceived", earlier, later) > 0:
            off = later
    return off - since


def video_back_s(samples: Sequence[Sample], since: float, until: float) -> float:
    """When pictures moved again and went on for three seconds; infinity: never."""
    for sample in samples:
        t = sample["t"]
        if since <= t <= until - 3:
            each_second = (growth(samples, "in_video_framesDecoded", t + n, t + n + 1) for n in range(3))
            if min(each_second) >= VIDEO_IS_BACK_FPS:
                return float(t - since)
    return float("inf")


def audio_back_s(samples: Sequence[Sample], since: float, until: float) -> float:
    """When audio packets came again, two of them at least; infinity: never."""
    before = at(samples, "in_audio_packetsReceived", since)
    for sample in samples:
        if since < sample["t"] <= until and sample.get("in_audio_packetsReceived", 0) >= before + 2:
            return float(sample["t"] - since)
    return float("inf")


def connected_s(samples: Sequence[Sample], since: float) -> float:
    """When audio began to arrive; infinity: never."""
    first = next((s["t"] for s in samples if s.get("in_audio_packetsReceived", 0) >= 2 and s["t"] >= since), None)
    return float("inf") if first is None else first - since


def link_rtt_ms(outcome: Outcome, start: float, end: float) -> list[float]:
    """Round trip over the patient's line for each second: the empty line and what packets waited both ways."""
    bins = outcome.report["bin_s"]
    lines = outcome.report["lines"]["patient"]
    result = []
    for second in range(int(start), max(int(start) + 1, int(end))):
        waits = []
        for index in range(int(second / bins), int((second + 1) / bins)):
            waits.append(sum(float(_row(lines[way], index)[5]) for way in ("up", "down")))
        result.append(outcome.base_rtt_ms + median(waits))
    return result


def rtt_settled_s(outcome: Outcome, since: float, until: float, limit_ms: float) -> float:
    """From when on every second's round trip is below the limit; infinity: never."""
    last_above = -1
    values = link_rtt_ms(outcome, since, until)
    for second, value in enumerate(values):
        if value >= limit_ms:
            last_above = second
    return float(last_above + 1) if last_above + 1 < len(values) else float("inf")


def udp_bps(outcome: Outcome, way: str, start: float, end: float) -> float | None:
    """Wire rate of what was offered to the patient's line by UDP: media and all that belongs to it; None: no time."""
    bins, line = outcome.report["bin_s"], outcome.report["lines"]["patient"][way]
    if end - start < 1:
        return None
    sent = sum(_row(line, index)[0] for index in range(int(start / bins), int(end / bins)))
    return float(sent * 8 / (end - start))


def speaking_bps(outcome: Outcome, start: float, end: float) -> float | None:
    """Wire rate of the patient's UDP in the seconds that were filled with speech from end to end; None: there were
    none."""
    rates = []
    for second in range(int(start), int(end) - 1):
        quarters = [growth(outcome.patient, "source_audio_totalAudioEnergy", second + q / 2, second + q / 2 + 0.5)
                    for q in (-1, 0, 1, 2)]  # fmt: skip
        if min(quarters) > SPEAKING_ENERGY_PER_S / 2:
            rates.append(udp_bps(outcome, "up", second, second + 1) or 0.0)
    return sum(rates) / len(rates) if rates else None


def tier_changes(outcome: Outcome, start: float, end: float) -> float | None:
    """Of the direction that changed more often; None: nobody names tiers here."""
    if not outcome.tiers:
        return None
    counts = [_changes([(tier.t, getattr(tier, way)) for tier in outcome.tiers], start, end) for way in ("down", "up")]
    return float(max(counts))


def tier_at(outcome: Outcome, t: float) -> Tier | None:
    before = [tier for tier in outcome.tiers if tier.t <= t]
    return before[-1] if before else None


def stretches(outcome: Outcome, start: float, end: float) -> list[tuple[float, float, Tier | None]]:
    """The window cut where the tiers changed: from, to, what was told."""
    cuts = [start, *(tier.t for tier in outcome.tiers if start < tier.t < end), end]
    return [(begins, ends, tier_at(outcome, begins)) for begins, ends in pairwise(cuts)]


def share_at(outcome: Outcome, holds: Callable[[Tier], bool], start: float, end: float) -> float | None:
    """Share of the window in which the patient's tiers were so; None: nobody names tiers here."""
    if not outcome.tiers:
        return None
    held = [ends - begins for begins, ends, tier in stretches(outcome, start, end) if tier is not None and holds(tier)]
    return sum(held) / (end - start)


def most_changes_a_minute(outcome: Outcome, start: float, end: float) -> float | None:
    if not outcome.tiers:
        return None
    starts = [start, *(tier.t for tier in outcome.tiers if start <= tier.t <= end)]
    return max(tier_changes(outcome, t - 1e-3, min(t + 59, end)) or 0.0 for t in starts)


def longest_silence_s(samples: Sequence[Sample], start: float, end: float) -> float:
    """The longest time without an audio packet."""
    longest, last_at, last = 0.0, start, at(samples, "in_audio_packetsReceived", start)
    for sample in samples:
        if start <= sample["t"] <= end:
            count = sample.get("in_audio_packetsReceived", 0)
            if count > last:
                last, last_at = count, sample["t"]
            longest = max(longest, sample["t"] - last_at)
    return longest


def disturbances(outcome: Outcome) -> list[str]:
    """Why the machine, not the line, may have made this row what it is."""
    found = []
    late = outcome.report["late"]
    if late["p99_ms"] > 5 or late["max_ms"] > 60:
        found.append(f"emulator late p99 {late['p99_ms']:.1f} max {late['max_ms']:.0f} ms")
    if outcome.cpu_busy > 0.9:
        found.append(f"CPU {outcome.cpu_busy:.0%} busy")
    for name, samples in zip(("patient", "doctor"), outcome.sides(), strict=True):
        gaps = [b["t"] - a["t"] for a, b in pairwise(samples) if b["t"] > outcome.began]
        if gaps and max(gaps) > 1.5:
            found.append(f"{name}'s page stood still {max(gaps):.1f} s")
        if any(sample.get("limited_by") == "cpu" for sample in samples if sample["t"] > outcome.began):
            found.append(f"{name}'s encoder limited by CPU")
    return found


def _changes(tiers: Sequence[tuple[float, str]], start: float, end: float) -> int:
    count, current = 0, None
    for t, tier in tiers:
        if t > end:
            break
        if current is not None and tier != current and t >= start:
            count += 1
        current = tier
    return count


def _row(line: Mapping[str, Any], index: int) -> Sequence[float]:
    return line["bins"].get(str(index)) or (0,) * 6


Figure = Callable[[Outcome], float | None]

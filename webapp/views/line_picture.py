"""How a line went, drawn: the line of its capacity over the band of its tiers, against time. Pure: values in, SVG out.

Heights are rungs: a capacity is as high as the rung that a line of it just enters, by its logarithm in between, so
that the distance from the band up to the line is what the line had to spare.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from candil.consults.line_history import LEFT, SILENCE
from candil.store.line_history import LineRow
from media.adaptation.policy import LadderPolicy
from media.adaptation.rungs import Rung

WIDTH, HEIGHT = 460, 112
MARGIN_LEFT, MARGIN_BOTTOM, MARGIN_TOP = 56, 18, 4
TOP_RUNG = 5.4  # a little above standard video
FLOOR_BPS = 4_000
TEXT_HEIGHT = 0.15  # a band of writing is still to be seen
TICKS_S = (60, 120, 300, 600, 900, 1800, 3600)
MOST_TICKS = 6


@dataclass(frozen=True)
class Segment:
    """A stretch at one rung; ``is_silent``: nothing was heard."""

    start: float
    end: float
    rung: Rung
    is_silent: bool = False


@dataclass(frozen=True)
class Sample:
    at: float
    bps: int


@dataclass(frozen=True)
class Track:
    """One direction of one participant's line."""

    segments: tuple[Segment, ...]
    samples: tuple[Sample, ...]


def tracks(rows: Sequence[LineRow], end: float) -> tuple[Track, Track]:
    """Down and up of one participant from their rows, oldest first; ``end`` closes the last stretch."""
    return _track([(row.at, row.down, row.down_reason, row.down_bps) for row in rows], end), _track(
        [(row.at, row.up, row.up_reason, row.up_bps) for row in rows], end
    )


def _track(points: list[tuple[float, str, str, int]], end: float) -> Track:
    segments: list[Segment] = []
    samples: list[Sample] = []
    ends = [point[0] for point in points[1:]] + [max(end, points[-1][0] if points else end)]
    for (at, rung, reason, bps), until in zip(points, ends, strict=True):
        if reason == LEFT:
            continue
        segment = Segment(at, until, Rung.from_wire(rung), reason == SILENCE)
        last = segments[-1] if segments else None
        if last and (last.rung, last.is_silent, last.end) == (segment.rung, segment.is_silent, segment.start):
            segments[-1] = Segment(last.start, until, last.rung, last.is_silent)
        else:
            segments.append(segment)
        if bps > 0 and not segment.is_silent:
            samples += [Sample(at, bps), Sample(until, bps)]
    return Track(tuple(segments), tuple(samples))


def enters(policy: LadderPolicy) -> list[int]:
    """Wire rates from which each rung above text is entered, least first."""
    return [policy.enter_bps(rung) for rung in list(Rung)[1:]]


@dataclass(frozen=True)
class Picture:
    """What is around the drawing: the span of time, words, and how times of day are written."""

    start: float
    end: float
    scale: Sequence[int]
    levels: Sequence[tuple[Rung, str]]
    time: Callable[[float], str]

    def svg(self, track: Track, *, ident: str, title: str, description: str) -> Markup:
        """The drawing as an image with a name; ``ident`` is unique on the page."""
        parts = [
            f'<svg class="line-picture" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
            f'aria-labelledby="{escape(ident)}-title {escape(ident)}-desc">',
            f'<title id="{escape(ident)}-title">{escape(title)}</title>',
            f'<desc id="{escape(ident)}-desc">{escape(description)}</desc>',
            *self._levels(),
            *self._ticks(),
            *(self._band(segment) for segment in track.segments),
            self._capacity(track.samples),
            "</svg>",
        ]
        return Markup("".join(parts))  # noqa: S704 - every text above is escaped, the rest are numbers

    def _x(self, at: float) -> float:
        share = (at - self.start) / max(1.0, self.end - self.start)
        return MARGIN_LEFT + min(1.0, max(0.0, share)) * (WIDTH - MARGIN_LEFT)

    def _levels(self) -> Iterable[str]:
        for rung, word in self.levels:
            y = _y(rung)
            yield f'<path class="grid" d="M{MARGIN_LEFT} {y:.1f}H{WIDTH}"/>'
            yield f'<text x="{MARGIN_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{escape(word)}</text>'

    def _ticks(self) -> Iterable[str]:
        span = self.end - self.start
        step = next((step for step in TICKS_S if span / step <= MOST_TICKS), TICKS_S[-1])
        at = math.ceil(self.start / step) * step
        while at < self.end:
            x = self._x(at)
            anchor = "start" if x < MARGIN_LEFT + 24 else "end" if x > WIDTH - 24 else "middle"
            yield f'<path class="grid" d="M{x:.1f} {MARGIN_TOP}V{HEIGHT - MARGIN_BOTTOM + 3}"/>'
            yield f'<text x="{x:.1f}" y="{HEIGHT - 3}" text-anchor="{anchor}">{escape(self.time(at))}</text>'
            at += step

    def _band(self, segment: Segment) -> str:
        x, width = self._x(segment.start), self._x(segment.end) - self._x(segment.start)
        top = MARGIN_TOP if segment.is_silent else _y(max(float(segment.rung), TEXT_HEIGHT))
        name = "silent" if segment.is_silent else "band-of-tier"
        height = _y(0) - top
        return f'<rect class="{name}" x="{x:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}"/>'

    def _capacity(self, samples: Sequence[Sample]) -> str:
        if not samples:
            return ""
        points = "L".join(f"{self._x(s.at):.1f} {_y(height_of(s.bps, self.scale)):.1f}" for s in samples)
        return f'<path class="capacity" d="M{points}"/>'


def height_of(bps: int, scale: Sequence[int]) -> float:
    """A rate in rungs: 3.0 is just enough for the third."""
    steps = [FLOOR_BPS, *scale]
    above = next((place for place, enter in enumerate(steps) if enter > bps), None)
    if above == 0:
        return 0.0
    if above is None:
        return float(len(steps) - 1)
    low = steps[above - 1]
    return above - 1 + math.log(bps / low) / math.log(steps[above] / low)


def _y(rung: float) -> float:
    return MARGIN_TOP + (HEIGHT - MARGIN_TOP - MARGIN_BOTTOM) * (1 - min(rung, TOP_RUNG) / TOP_RUNG)

"""Six people in one room, one line of which becomes thin: what happens to the others. python -m bench.call_six

The real media server with its ladder; the people are peers in Python with real DTLS and SRTP that send what they are
ordered and acknowledge what arrives, since six browsers with pictures are too much for a small machine. One after the
other speaks. The thin line is the link model of the laboratory, in this process.
"""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.netlab.link import Shape
from candil.clock import SystemClock
from candil.ids import RandomIds
from media.adaptation.policy import LadderPolicy
from media.adaptation.rungs import Rung
from media.aio.server import MediaServer
from media.config import MediaConfig
from tests.support.media_caller import Caller, ThinLine

PEOPLE = 6
GOOD = Shape(rate_bps=5_000_000, delay_ms=20)
_TURN_S = 3.0


@dataclass(frozen=True)
class Six:
    before: tuple[Rung, ...]
    """Of the five others, downwards, when the line became thin."""
    lowest_after: tuple[Rung, ...]
    """Of the five others, until the end."""
    bits_before_bps: float
    bits_after_bps: float
    """What the five others receive, on average; without the thin one's own picture afterwards."""
    thin_at_end: tuple[Rung, Rung]
    thin_settled_s: float
    """When the thin line took its last rung downwards."""
    dropped_down: int
    """Packets that the thin line's queue refused, from becoming thin on."""

    def kept(self) -> bool:
        return all(after >= before for before, after in zip(self.before, self.lowest_after, strict=True))


async def measure(thin_bps: int = 60_000, climb_s: float = 30, watched_s: float = 30) -> Six:
    config = MediaConfig(bind_host="127.0.0.1", ladder=LadderPolicy())
    server = MediaServer(config, SystemClock(), RandomIds())
    await server.start()
    line = ThinLine(GOOD, GOOD)
    people = [_caller(server, number, line) for number in range(PEOPLE)]
    try:
        await asyncio.gather(*(one.call() for one in people))
        return await _watched(people[:-1], people[-1], line, thin_bps, climb_s, watched_s)
    finally:
        for one in people:
            one.close()
        await server.aclose()


def _caller(server: MediaServer, number: int, line: ThinLine) -> Caller:
    def talks(now: float) -> bool:
        return int(now / _TURN_S) % PEOPLE == number

    return Caller(server, "room", f"p{number}", talks, line if number == PEOPLE - 1 else None)


async def _watched(
    others: list[Caller], thin: Caller, line: ThinLine, thin_bps: int, climb_s: float, watched_s: float
) -> Six:
    await asyncio.sleep(climb_s - 5)
    before_bytes = _received(others)
    await asyncio.sleep(5)
    changed, changed_bytes, dropped = time.monotonic(), _received(others), line.down.counters.dropped_by_queue
    line.change(rate_bps=thin_bps)
    await asyncio.sleep(watched_s - 5)
    late_bytes = _received(others)
    await asyncio.sleep(5)
    end = time.monotonic()
    news = [(at, down) for at, down, _ in thin.rungs if at > changed]
    turns = [at for (at, down), (_, last) in zip(news[1:], news, strict=False) if down != last]
    _, down, up = thin.rungs[-1]
    return Six(
        before=tuple(one.rungs_down(changed, changed)[0] for one in others),
        lowest_after=tuple(min(one.rungs_down(changed, end)) for one in others),
        bits_before_bps=(changed_bytes - before_bytes) * 8 / 5 / len(others),
        bits_after_bps=(_received(others) - late_bytes) * 8 / 5 / len(others),
        thin_at_end=(down, up),
        thin_settled_s=(turns[-1] if turns else news[0][0] if news else end) - changed,
        dropped_down=line.down.counters.dropped_by_queue - dropped,
    )


def _received(people: list[Caller]) -> int:
    return sum(sum(one.bytes_of.values()) for one in people)


def row(six: Six) -> str:
    names = [" / ".join(rung.wire_name for rung in rungs) for rungs in (six.before, six.lowest_after, six.thin_at_end)]
    cells = [
        "six participants, one on 60 kbit/s", "candil", "hit" if six.kept() else "**miss**",
        f"others down before: {names[0]}; lowest after: {names[1]}; each receives {six.bits_before_bps / 1000:.0f}, "
        f"then {six.bits_after_bps / 1000:.0f} kbit/s; the thin one (down / up) {names[2]}, settled after "
        f"{six.thin_settled_s:.1f} s, {six.dropped_down} packets lost in its queue",
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    print(row(asyncio.run(measure())))

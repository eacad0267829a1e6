"""A star of access lines around one place without limits, as a pure model.

What a host sends goes up its line and down the line of whoever it is for. A host without a line (the server) is at
the centre. Packets for nobody here (a browser's own errands, multicast) are counted and take no line's capacity.
"""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.netlab.link import BIN_S, Bin, Counters, Direction, Shape

_DESTINATION = slice(16, 20)  # RFC 791, section 3.1
_HEADER_BYTES = 20


@dataclass(frozen=True, slots=True)
class Line:
    """An access line: ``up`` is from the host."""

    up: Shape = field(default_factory=Shape)
    down: Shape = field(default_factory=Shape)


@dataclass(frozen=True, slots=True)
class Step:
    """A change of a line, ``at_s`` after the schedule's start."""

    at_s: float
    host: str
    direction: str
    """"up", "down" or "both"."""
    changes: Mapping[str, Any]


class Network:
    def __init__(self, addresses: Mapping[str, bytes], lines: Mapping[str, Line], seed: int = 1) -> None:
        """``addresses``: four bytes of each host; ``lines``: of those that have one."""
        self._host_of = {address: host for host, address in addresses.items()}
        self._up = {h: Direction(line.up, _seed(seed, h, "up")) for h, line in lines.items()}
        self._down = {h: Direction(line.down, _seed(seed, h, "down")) for h, line in lines.items()}
        self._at_centre: list[tuple[float, str, bytes]] = []
        self._schedule: list[tuple[float, int, Step]] = []
        self.stray_packets = 0

    def set_line(self, now: float, host: str, line: Line) -> None:
        """Another shape in both directions, at once."""
        self._up[host].change(now, **asdict(line.up))
        self._down[host].change(now, **asdict(line.down))

    def start(self, now: float, steps: Sequence[Step]) -> None:
        """Replace the schedule by one that begins now."""
        self._schedule = [(now + step.at_s, order, step) for order, step in enumerate(steps)]
        heapq.heapify(self._schedule)

    def offer(self, now: float, host: str, packet: bytes) -> None:
        """A packet that ``host`` sends."""
        if len(packet) < _HEADER_BYTES or packet[0] >> 4 != 4 or packet[_DESTINATION] not in self._host_of:
            self.stray_packets += 1
            return
        self._change_until(now)
        up = self._up.get(host)
        if up is not None:
            up.offer(now, packet)
        else:
            self._pass_centre(now, packet)

    def arrivals(self, now: float) -> list[tuple[float, str, bytes]]:
        """What has reached its host by now: (exact time, host, packet)."""
        self._change_until(now)
        crossing = [passed for up in self._up.values() for passed in up.arrivals(now)]
        for at, packet in sorted(crossing, key=lambda passed: passed[0]):
            self._pass_centre(at, packet)
        arrived, self._at_centre = self._at_centre, []
        for host, down in self._down.items():
            arrived += [(at, host, packet) for at, packet in down.arrivals(now)]
        return arrived

    def next_at(self) -> float:
        """When something happens next; infinity: nothing until the next offer."""
        directions = [*self._up.values(), *self._down.values()]
        times = [direction.next_at() for direction in directions]
        if self._schedule:
            times.append(self._schedule[0][0])
        if self._at_centre:
            times.append(self._at_centre[0][0])
        return min(times, default=float("inf"))

    def counters(self, host: str, direction: str) -> Counters:
        return (self._up if direction == "up" else self._down)[host].counters

    def reset_counters(self) -> None:
        self.stray_packets = 0
        for direction in [*self._up.values(), *self._down.values()]:
            direction.counters = Counters()

    def report(self) -> dict[str, Any]:
        """All counters, ready for JSON; the series as rows of ``Bin`` under the index of their time."""
        lines = {
            host: {"up": _flat(self._up[host].counters), "down": _flat(self._down[host].counters)} for host in self._up
        }
        return {"bin_s": BIN_S, "stray_packets": self.stray_packets, "lines": lines}

    def _pass_centre(self, at: float, packet: bytes) -> None:
        host = self._host_of[packet[_DESTINATION]]
        down = self._down.get(host)
        if down is not None:
            down.offer(at, packet)
        else:
            self._at_centre.append((at, host, packet))

    def _change_until(self, now: float) -> None:
        while self._schedule and self._schedule[0][0] <= now:
            at, _, step = heapq.heappop(self._schedule)
            for directions, name in ((self._up, "up"), (self._down, "down")):
                if step.direction in (name, "both"):
                    directions[step.host].change(at, **step.changes)


def _flat(counters: Counters) -> dict[str, Any]:
    return asdict(counters) | {"bins": {index: _row(bin_) for index, bin_ in sorted(counters.bins.items())}}


def _row(bin_: Bin) -> list[Any]:
    return list(asdict(bin_).values())


def _seed(seed: int, host: str, direction: str) -> int:
    """Independent of the process, unlike ``hash``."""
    return zlib.crc32(f"{seed}/{host}/{direction}".encode())

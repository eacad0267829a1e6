"""The process that owns the TUN devices: reads packets, keeps the network's time, delivers, takes commands.

Started by ``bench.netlab.lab``, which moves the devices into their namespaces. Commands come over standard input and
answers go to standard output, one JSON document a line; the end of standard input ends the process, and with it the
devices: {"do": "start", "steps": [...]}, {"do": "line", "host": ..., "line": {...}}, {"do": "report"}, {"do": "reset"}.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import sys
import time
from collections.abc import Mapping
from typing import Any

from bench.netlab.link import Shape
from bench.netlab.network import Line, Network, Step
from bench.netlab.tun import open_tun, read_packets

_LONGEST_SLEEP_S = 0.5
_LATE_BUCKET_MS = 0.25
_LATE_BUCKETS = 4000


class Lateness:
    """How much later than due packets were delivered, as counts by time: the emulator's own error."""

    def __init__(self) -> None:
        self._counts = [0] * _LATE_BUCKETS
        self._max_ms = 0.0

    def add(self, late_s: float) -> None:
        late_ms = max(0.0, late_s * 1000)
        self._counts[min(int(late_ms / _LATE_BUCKET_MS), _LATE_BUCKETS - 1)] += 1
        self._max_ms = max(self._max_ms, late_ms)

    def report(self) -> dict[str, float]:
        return {"p50_ms": self._quantile(0.5), "p99_ms": self._quantile(0.99), "max_ms": self._max_ms}

    def _quantile(self, share: float) -> float:
        left = sum(self._counts) * share
        for index, count in enumerate(self._counts):
            left -= count
            if left < 0:
                return (index + 1) * _LATE_BUCKET_MS
        return 0.0


class Emulator:
    """Times are Unix seconds that never jump: the monotonic clock, moved once to the wall clock's zero."""

    def __init__(self, addresses: Mapping[str, str], lines: Mapping[str, Line], devices: Mapping[str, str], seed: int):
        self._offset_s = time.time() - time.monotonic()
        packed = {host: socket.inet_aton(address) for host, address in addresses.items()}
        self._network = Network(packed, lines, seed)
        self._device_of = {host: open_tun(name) for host, name in devices.items()}
        self._host_of = {device: host for host, device in self._device_of.items()}
        self._late = Lateness()
        self._unwritable = 0
        self._input = b""

    def now(self) -> float:
        return time.monotonic() + self._offset_s

    def run(self) -> None:
        watched = [0, *self._host_of]
        while True:
            self._deliver()
            pause = min(max(0.0, self._network.next_at() - self.now()), _LONGEST_SLEEP_S)
            ready, _, _ = select.select(watched, [], [], pause)  # unlike poll, it sleeps to the microsecond
            for descriptor in ready:
                if descriptor == 0:
                    if not self._commands():
                        return
                else:
                    self._take(descriptor)

    def _take(self, device: int) -> None:
        host = self._host_of[device]
        for packet in read_packets(device):
            self._network.offer(self.now(), host, packet)

    def _deliver(self) -> None:
        for due, host, packet in self._network.arrivals(self.now()):
            with contextlib.suppress(BlockingIOError):
                try:
                    os.write(self._device_of[host], packet)
                except OSError:  # the interface is not up (yet, or any more)
                    self._unwritable += 1
            self._late.add(self.now() - due)

    def _commands(self) -> bool:
        """Obey the complete lines of the input; False: it has ended."""
        read = os.read(0, 65536)
        if not read:
            return False
        *lines, self._input = (self._input + read).split(b"\n")
        for line in lines:
            answer = self._obey(json.loads(line))
            os.write(1, json.dumps(answer).encode() + b"\n")
        return True

    def _obey(self, command: dict[str, Any]) -> dict[str, Any]:
        now = self.now()
        match command["do"]:
            case "start":
                self._network.start(now, [Step(**step) for step in command["steps"]])
                return {"started": now}
            case "line":
                self._network.set_line(now, command["host"], line_of(command["line"]))
                return {"changed": now}
            case "reset":
                self._network.reset_counters()
                self._late = Lateness()
                return {"reset": now}
            case "report":
                return self._network.report() | {"late": self._late.report(), "unwritable": self._unwritable}
        return {"error": f"unknown: {command['do']}"}


def line_of(fields: Mapping[str, Any]) -> Line:
    return Line(Shape(**fields["up"]), Shape(**fields["down"]))


def prefer_this_process() -> None:
    """Before ordinary processes, since a late packet is a wrong measurement; it sleeps between packets."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except OSError:
        with contextlib.suppress(OSError):
            os.nice(-15)


def main() -> None:
    given = json.loads(sys.argv[1])
    prefer_this_process()
    lines = {host: line_of(fields) for host, fields in given["lines"].items()}
    emulator = Emulator(given["addresses"], lines, given["devices"], given["seed"])
    os.write(1, b'{"ready": true}\n')
    with contextlib.suppress(KeyboardInterrupt):
        emulator.run()


if __name__ == "__main__":
    main()

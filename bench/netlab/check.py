"""What the emulator makes of a line, measured with UDP from the namespaces: its own accuracy."""

from __future__ import annotations

import itertools
import socket
import subprocess
import sys
import time
from dataclasses import dataclass

from bench.netlab.lab import ROOT, SERVER, Lab
from bench.netlab.link import Shape
from bench.netlab.network import Line

_WIRE_HEADER_BYTES = 28  # IPv4 and UDP

_SENDER = """
import socket, sys, time
host, port, packets, size, rate = sys.argv[1], *map(int, sys.argv[2:])
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
began = time.monotonic()
for number in range(packets):
    time.sleep(max(0.0, began + number * (size + 28) * 8 / rate - time.monotonic()))
    out.sendto(number.to_bytes(4, "big").ljust(size, b"."), (host, port))
"""

_PINGER = """
import socket, sys, time
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
out.settimeout(5)
for _ in range(int(sys.argv[3])):
    began = time.monotonic()
    out.sendto(b"?", (sys.argv[1], int(sys.argv[2])))
    out.recv(16)
    print((time.monotonic() - began) * 1000)
    time.sleep(0.03)
"""


@dataclass(frozen=True)
class Received:
    """What came of a stream of UDP packets."""

    packets: int
    rate_bps: float
    """On the wire, from the first packet to the last."""
    in_order: bool
    bursts: tuple[int, ...]
    """Lengths of the gaps in the numbers."""


def round_trips_ms(lab: Lab, host: str, count: int = 20) -> list[float]:
    """Of small UDP packets from a host to the server and back."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as echo:
        echo.bind((lab.address(SERVER), 0))
        echo.settimeout(5)
        given = [lab.address(SERVER), str(echo.getsockname()[1]), str(count)]
        command = [*lab.within(host), sys.executable, "-c", _PINGER, *given]
        pinger = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        for _ in range(count):
            packet, sender = echo.recvfrom(2048)
            echo.sendto(packet, sender)
        said, _ = pinger.communicate(timeout=30)
    return [float(line) for line in said.split()]


def udp(lab: Lab, host: str, *, packets: int, size_bytes: int, rate_bps: int) -> Received:
    """A constant stream from a host to the server; the rate counts headers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink:
        sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        sink.bind((lab.address(SERVER), 0))
        sink.settimeout(1.5)
        given = [lab.address(SERVER), str(sink.getsockname()[1]), str(packets), str(size_bytes), str(rate_bps)]
        sender = subprocess.Popen([*lab.within(host), sys.executable, "-c", _SENDER, *given], cwd=ROOT)
        times, numbers = [], []
        try:
            sink.settimeout(10)
            while True:
                numbers.append(int.from_bytes(sink.recv(2048)[:4], "big"))
                times.append(time.monotonic())
                sink.settimeout(1.5)
        except TimeoutError:
            sender.wait(30)
    spent_s = times[-1] - times[0] if len(times) > 1 else 1.0
    rate = (len(times) - 1) * (size_bytes + _WIRE_HEADER_BYTES) * 8 / spent_s
    gaps = [later - earlier - 1 for earlier, later in itertools.pairwise(numbers)]
    return Received(len(numbers), rate, numbers == sorted(numbers), tuple(gap for gap in gaps if gap > 0))


def main() -> None:
    with Lab({"patient": Line(Shape(delay_ms=50), Shape(delay_ms=50))}) as lab:
        times = sorted(round_trips_ms(lab, "patient", 60))
        print(f"delay 2 x 50 ms: round trip median {times[len(times) // 2]:.1f}, highest {times[-1]:.1f} ms")
        lab.set_line("patient", Line(Shape(rate_bps=80_000, queue_ms=300), Shape()))
        got = udp(lab, "patient", packets=200, size_bytes=472, rate_bps=160_000)
        print(f"rate 80 kbit/s: {got.rate_bps / 1000:.1f} kbit/s of an offered 160, in order: {got.in_order}")
        waited = lab.report()["lines"]["patient"]["up"]["wait_max_ms"]
        print(f"queue 300 ms: longest wait {waited:.0f} ms")
        for burst in (1.0, 5.0):
            lab.set_line("patient", Line(Shape(loss=0.1, burst=burst), Shape()))
            got = udp(lab, "patient", packets=4000, size_bytes=100, rate_bps=1_000_000)
            mean = sum(got.bursts) / max(1, len(got.bursts))
            print(f"loss 10 % in bursts of {burst:g}: {100 - got.packets / 40:.1f} %, mean run {mean:.1f}")
        late = lab.report()["late"]
        print(f"the emulator's own lateness: p50 {late['p50_ms']}, p99 {late['p99_ms']}, most {late['max_ms']:.1f} ms")

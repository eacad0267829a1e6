"""CPU per forwarded packet of Candil's media server, with Janus on the same load in the same run.

Real DTLS-SRTP peers send Opus-like audio (50 packets/s) and VP8-like video (15 frames/s, 50 packets/s) from this
process; each server runs in a process of its own on another core. The two take turns, so that a noisy machine
disturbs both alike. Everything stays on this host.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import proc
from bench.candil import CandilServer
from bench.janus import JanusServer
from bench.measure import Rig, Server, Window, median_cost
from bench.profile_split import split

SATURATION_ROOMS = 3
_HEADINGS = "\nserver  room  rooms  forwarded/s  share    CPU  us/packet  unrepaired  p50 ms  p99 ms  load CPU  others"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each measured window (default 5)")
    parser.add_argument("--rounds", type=int, default=2, help="how often the servers take turns (default 2)")
    parser.add_argument(
        "--rooms",
        type=int,
        default=3,
        help="rooms of the largest size; smaller ones are as many as hold the same people (default 3)",
    )
    parser.add_argument(
        "--participants", type=int, nargs="+", default=[2, 6], help="room sizes to measure (default 2 and 6)"
    )
    parser.add_argument("--only", choices=["candil", "janus"], help="measure one server and no ratio")
    parser.add_argument(
        "--loss-percent", type=float, default=0.5, help="share of video packets lost each way, to exercise repair"
    )
    parser.add_argument("--no-saturation", action="store_true", help="leave the climb to saturation out")
    parser.add_argument("--no-memory", action="store_true", help="leave memory per participant out")
    parser.add_argument(
        "--janus-event-loops",
        type=int,
        default=0,
        help="Janus's event_loops; 0, its default: a thread each",
    )
    parser.add_argument("--plain", action="store_true", help="leave Candil's ladder out: nothing is adapted")
    parser.add_argument("--profile", default="", metavar="FILE", help="write a cProfile of Candil's process to FILE")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    return parser.parse_args()


class Bench:
    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        loss = options.loss_percent
        self._rig = Rig(drop_every=round(100 / loss) if loss > 0 else 0)
        cores = sorted(os.sched_getaffinity(0))
        self._own_core: int | None = cores[0] if len(cores) > 1 else None
        self._server_core: int | None = cores[-1] if len(cores) > 1 else None
        proc.pin(os.getpid(), self._own_core)
        self._address = proc.host_address()
        self._servers: list[Server] = []
        self.windows: list[Window] = []
        self.memory: dict[str, int] = {}
        self.saturation: dict[str, dict[str, Any]] = {}

    async def run(self) -> None:
        self._say_setup()
        try:
            for server in self._wanted():
                self._servers.append(server)
                await server.start()
            gc.collect()
            gc.freeze()
            gc.disable()  # a collection in the generator would look like jitter of the server
            await self._measure()
        finally:
            for server in self._servers:
                await server.stop()

    def _wanted(self) -> list[Server]:
        only = self._options.only
        servers: list[Server] = []
        if only != "janus":
            servers.append(
                CandilServer(self._server_core, self._address, self._options.profile, adaptive=not self._options.plain)
            )
        if only != "candil":
            if shutil.which("janus") is None:
                sys.exit("Janus is not installed: apt install janus, or pass --only candil")
            servers.append(JanusServer(self._server_core, self._address, self._options.janus_event_loops))
        return servers

    def _say_setup(self) -> None:
        if self._server_core is None:
            print("One core: the servers and the load share it, so the figures are rough.")
        else:
            print(f"Servers pinned to core {self._server_core}, load generator to core {self._own_core}.")
        print(
            f"All traffic stays on this host ({self._address}); SRTP is AES128_CM_SHA1_80; "
            f"{self._options.loss_percent:g} % of video lost each way.",
            flush=True,
        )

    async def _measure(self) -> None:
        options = self._options
        sizes = sorted(options.participants)
        if not options.no_memory:
            for server in self._servers:
                self.memory[server.name] = await self._rig.memory_bytes(server, sizes[-1])
        print(
            "\nserver  room  rooms  forwarded/s  share    CPU  us/packet  unrepaired  p50 ms  p99 ms  load CPU  others"
        )
        for _round in range(options.rounds):
            for size in sizes:
                rooms = max(1, options.rooms * sizes[-1] // size)
                for server in self._servers:
                    window = await self._rig.window(server, rooms, size, options.seconds)
                    self.windows.append(window)
                    print(_row(window), flush=True)
        if not options.no_saturation:
            for server in self._servers:
                self.saturation[server.name] = await self._rig.saturation(server, SATURATION_ROOMS, sizes[-1])

    def of(self, server: str, size: int | None = None) -> list[Window]:
        return [w for w in self.windows if w.server == server and size in (None, w.room_size)]

    def overall(self, server: str) -> float:
        """All CPU over all packets of the run, in microseconds."""
        windows = self.of(server)
        return sum(w.cpu_s for w in windows) / sum(w.forwarded for w in windows) * 1e6


def _row(w: Window) -> str:
    """`share`: of what should be forwarded. `others`: what else ran on the server's core; the higher, the rougher."""
    return (
        f"{w.server:8}{w.room_size:>4}{w.rooms:>7}{w.packets_per_s:>13,.0f}{w.forwarded_share:>7.3f}{w.cpu_share:>7.1%}"
        f"{w.cpu_us_per_packet:>11.1f}{w.unrepaired_percent:>11.3f}%{w.delay_p50_ms:>8.2f}{w.delay_p99_ms:>8.2f}"
        f"{w.generator_share:>10.1%}{w.others_share:>8.1%}"
    )


def summary(bench: Bench) -> dict[str, Any]:
    names = sorted({window.server for window in bench.windows})
    sizes = sorted({window.room_size for window in bench.windows})
    result: dict[str, Any] = {
        "cpu_us_per_packet": {name: round(bench.overall(name), 2) for name in names},
        "cpu_us_per_packet_by_room": {
            name: {size: round(median_cost(bench.of(name, size)), 2) for size in sizes} for name in names
        },
        "memory_bytes_per_participant": bench.memory,
        "saturation": bench.saturation,
        "windows": [window.as_json() for window in bench.windows],
    }
    if len(names) == 2:
        by_room = result["cpu_us_per_packet_by_room"]
        result["ratio_to_janus"] = round(bench.overall("candil") / bench.overall("janus"), 3)
        result["ratio_to_janus_by_room"] = {
            size: round(by_room["candil"][size] / by_room["janus"][size], 3) for size in sizes
        }
    return result


def report(result: dict[str, Any]) -> None:
    print("\nCPU microseconds per forwarded packet")
    for name, cost in result["cpu_us_per_packet"].items():
        rooms = ", ".join(f"rooms of {n}: {c}" for n, c in result["cpu_us_per_packet_by_room"][name].items())
        print(f"  {name:8}{cost:8.1f}   (medians, {rooms})")
    if "ratio_to_janus" in result:
        rooms = ", ".join(f"rooms of {n}: {r}" for n, r in result["ratio_to_janus_by_room"].items())
        print(f"  Candil / Janus: {result['ratio_to_janus']}   ({rooms})")
    for name, growth in result["memory_bytes_per_participant"].items():
        print(f"Memory per participant, {name}: {growth / 1024:,.0f} KiB")
    for name, found in result["saturation"].items():
        limit = ", limited by the load generator" if found["generator_limited"] else ""
        print(
            f"Saturation, {name}: {found['packets_per_s']:,} packets/s forwarded with at most 1 % lost{limit}; "
            f"peak {found['peak_packets_per_s']:,}; {found['cpu_us_per_packet']} us/packet at best"
        )


async def main(options: argparse.Namespace) -> None:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    bench = Bench(options)
    await bench.run()
    result = summary(bench)
    report(result)
    if options.profile:
        print(f"\nOf Candil's busy time ({options.profile}):")
        print("\n".join(f"{share:7.1%}  {part}" for part, share in split(options.profile)))
    if options.json:
        print(json.dumps(result))


if __name__ == "__main__":
    try:
        asyncio.run(main(arguments()))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit("stopped")

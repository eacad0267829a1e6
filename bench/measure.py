"""One measured window, one saturation climb, one memory step: the same for every server."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from bench import proc
from bench.dtls import Identity
from bench.peer import Peer
from bench.pump import Pump

JOIN_TIMEOUT_S = 60.0
FLOW_TIMEOUT_S = 60.0
FLOW_CHECK_S = 1.0
FLOWING_SHARE = 0.97
SETTLE_TIMEOUT_S = 40.0
WARM_UP_S = 6.0
"""After that: what is only done at the beginning of a call is over by then."""
DRAIN_S = 0.3
CLIMB_START = 2.0
CLIMB_FACTOR = 1.3
CLIMB_STEP_S = 1.2
CLIMB_SETTLE_S = 0.4
CLIMB_STEPS_MAX = 14
SATURATED_LOSS = 0.01
GENERATOR_BUSY_SHARE = 0.95
MEMORY_ROOMS = 4


class Server(Protocol):
    name: str
    core: int | None

    @property
    def settled(self) -> bool: ...
    @property
    def pid(self) -> int: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def join(self, pump: Pump, identity: Identity, rooms: list[list[str]], drop_every: int) -> list[Peer]: ...
    async def leave(self, peers: list[Peer]) -> None: ...
    def measuring(self, on: bool) -> None: ...


@dataclass(frozen=True)
class Window:
    """What one server did in one measured window."""

    server: str
    room_size: int
    rooms: int
    seconds: float
    cpu_s: float
    forwarded: int
    sent: int
    unrepaired: int
    others_share: float
    delay_p50_ms: float
    delay_p99_ms: float
    generator_share: float
    generator_lag_ms: float
    events: dict[str, int]

    @property
    def cpu_us_per_packet(self) -> float:
        return self.cpu_s / self.forwarded * 1e6

    @property
    def packets_per_s(self) -> float:
        return self.forwarded / self.seconds

    @property
    def forwarded_share(self) -> float:
        """Of what everybody sent to everybody else; near 1, or something was held back."""
        return self.forwarded / (self.sent * (self.room_size - 1))

    @property
    def cpu_share(self) -> float:
        return self.cpu_s / self.seconds

    @property
    def unrepaired_percent(self) -> float:
        """Packets that never came, of those that should have: neither forwarded nor sent again when asked for."""
        return 100 * self.unrepaired / max(1, self.forwarded + self.unrepaired)

    def as_json(self) -> dict[str, Any]:
        derived = {
            "cpu_us_per_packet": round(self.cpu_us_per_packet, 2),
            "packets_per_s": round(self.packets_per_s),
            "forwarded_share": round(self.forwarded_share, 4),
            "unrepaired_percent": round(self.unrepaired_percent, 4),
        }
        return {**asdict(self), **derived}


def room_names(rooms: int, size: int) -> list[list[str]]:
    return [[f"r{room}p{member}" for member in range(size)] for room in range(rooms)]


class Rig:
    """The generator's loop and identity, shared by everything measured in a run."""

    def __init__(self, drop_every: int) -> None:
        self.pump = Pump()
        self.identity = Identity()
        self.drop_every = drop_every

    @asynccontextmanager
    async def joined(self, server: Server, rooms: list[list[str]], drop_every: int) -> AsyncIterator[list[Peer]]:
        """Participants in their rooms with media flowing, gone at the end."""
        joining = asyncio.create_task(server.join(self.pump, self.identity, rooms, drop_every))
        try:
            await self.pump.run_until(joining.done, JOIN_TIMEOUT_S, f"{server.name} to let everybody join")
        except TimeoutError:
            joining.cancel()
            raise
        peers = joining.result()
        up = lambda: all(peer.ready for peer in peers)  # noqa: E731 - shorter than a nested function here
        await self.pump.run_until(up, JOIN_TIMEOUT_S, f"all transports of {server.name} to come up")
        try:
            yield peers
        finally:
            leaving = asyncio.create_task(server.leave(peers))
            await asyncio.wait_for(leaving, JOIN_TIMEOUT_S)

    async def window(self, server: Server, rooms: int, size: int, seconds: float) -> Window:
        async with self.joined(server, room_names(rooms, size), self.drop_every) as peers:
            await self._until_all_flows(server, peers, size)
            server.measuring(True)
            before = _Snapshot(server, peers)
            self.pump.worst_lag_s = 0.0
            for peer in peers:
                peer.delays_s.clear()
            await self.pump.run(seconds)
            after = _Snapshot(server, peers)
            server.measuring(False)
            delays_ms = sorted(1000 * delay for peer in peers for delay in peer.delays_s)
            lag_ms = 1000 * self.pump.worst_lag_s
            await self.pump.run(DRAIN_S)
            settled = _Snapshot(server, peers)
            elapsed, cpu_s = after.time - before.time, after.cpu_s - before.cpu_s
            return Window(
                server=server.name,
                room_size=size,
                rooms=rooms,
                seconds=round(elapsed, 3),
                cpu_s=round(cpu_s, 3),
                forwarded=after.forwarded - before.forwarded,
                sent=after.sent - before.sent,
                unrepaired=settled.lost,
                others_share=round(max(0.0, after.busy_s - before.busy_s - cpu_s) / elapsed, 3),
                delay_p50_ms=_percentile(delays_ms, 50),
                delay_p99_ms=_percentile(delays_ms, 99),
                generator_share=round((after.own_cpu_s - before.own_cpu_s) / elapsed, 3),
                generator_lag_ms=round(lag_ms, 1),
                events=dict(settled.events),
            )

    async def _until_all_flows(self, server: Server, peers: list[Peer], size: int) -> None:
        """An adaptive server lets pictures through when it has found what each line bears, and goes on asking until
        it has found enough for the best. On a disturbed machine it may not: then it is measured asking."""
        deadline = time.monotonic() + FLOW_TIMEOUT_S
        share = 0.0
        while share < FLOWING_SHARE:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{server.name} forwards {share:.0%} of what is sent, after {FLOW_TIMEOUT_S:.0f} s")
            before = _Snapshot(server, peers)
            await self.pump.run(FLOW_CHECK_S)
            after = _Snapshot(server, peers)
            share = (after.forwarded - before.forwarded) / max(1, (after.sent - before.sent) * (size - 1))
        deadline = time.monotonic() + SETTLE_TIMEOUT_S
        while not server.settled and time.monotonic() < deadline:
            await self.pump.run(FLOW_CHECK_S)
        await self.pump.run(WARM_UP_S)

    async def memory_bytes(self, server: Server, size: int) -> int:
        """Resident growth per participant, beyond a first room that has paid for everything shared."""
        async with self.joined(server, room_names(1, size), self.drop_every):
            await self.pump.run(2.0)
            first = proc.rss_bytes(server.pid)
            async with self.joined(server, room_names(MEMORY_ROOMS, size), self.drop_every):
                await self.pump.run(3.0)
                return (proc.rss_bytes(server.pid) - first) // (MEMORY_ROOMS * size)

    async def saturation(self, server: Server, rooms: int, size: int) -> dict[str, Any]:
        """Raise every stream's rate by steps until packets go missing; nothing else waits for the server."""
        steps: list[dict[str, float]] = []
        async with self.joined(server, room_names(rooms, size), 0) as peers:
            await self._until_all_flows(server, peers, size)
            scale = CLIMB_START
            while len(steps) < CLIMB_STEPS_MAX:
                for peer in peers:
                    for stream in peer.outgoing:
                        stream.scale = scale
                await self.pump.run(CLIMB_SETTLE_S)
                steps.append(await self._climb_step(server, peers, size))
                if steps[-1]["loss"] > SATURATED_LOSS or steps[-1]["generator"] > GENERATOR_BUSY_SHARE:
                    break
                scale *= CLIMB_FACTOR
        clean = [step for step in steps if step["loss"] <= SATURATED_LOSS]
        return {
            "packets_per_s": round(max((step["delivered"] for step in clean), default=0)),
            "peak_packets_per_s": round(max(step["delivered"] for step in steps)),
            "cpu_us_per_packet": round(min(step["cpu_us"] for step in steps), 1),
            "generator_limited": steps[-1]["generator"] > GENERATOR_BUSY_SHARE,
            "steps": [{name: round(value, 4) for name, value in step.items()} for step in steps],
        }

    async def _climb_step(self, server: Server, peers: list[Peer], size: int) -> dict[str, float]:
        before = _Snapshot(server, peers)
        await self.pump.run(CLIMB_STEP_S)
        after = _Snapshot(server, peers)
        elapsed = after.time - before.time
        forwarded = after.forwarded - before.forwarded
        expected = (after.sent - before.sent) * (size - 1)
        return {
            "offered": expected / elapsed,
            "delivered": forwarded / elapsed,
            "loss": max(0.0, 1 - forwarded / max(1, expected)),
            "cpu": (after.cpu_s - before.cpu_s) / elapsed,
            "cpu_us": (after.cpu_s - before.cpu_s) / max(1, forwarded) * 1e6,
            "generator": (after.own_cpu_s - before.own_cpu_s) / elapsed,
        }


class _Snapshot:
    def __init__(self, server: Server, peers: list[Peer]) -> None:
        self.time = time.monotonic()
        self.cpu_s = proc.cpu_seconds(server.pid)
        self.busy_s = proc.core_busy_seconds(server.core)
        self.own_cpu_s = time.process_time()
        self.forwarded = sum(peer.forwarded for peer in peers)
        self.sent = sum(stream.packets for peer in peers for stream in peer.outgoing)
        self.lost = sum(stream.lost for peer in peers for stream in peer.incoming.values() if stream.kind != "rtx")
        self.events: Counter[str] = Counter()
        for peer in peers:
            self.events.update(peer.events)
            self.events["uplink_retransmitted"] += sum(stream.retransmitted for stream in peer.outgoing)


def _percentile(ordered: list[float], percent: int) -> float:
    if not ordered:
        return 0.0
    return round(ordered[min(len(ordered) - 1, len(ordered) * percent // 100)], 2)


def median_cost(windows: list[Window]) -> float:
    return statistics.median(window.cpu_us_per_packet for window in windows)

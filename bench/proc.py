"""Server processes: their CPU and memory from /proc, pinning, and stopping them by id."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from pathlib import Path

CLOCK_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
STOP_TIMEOUT_S = 5.0


def cpu_seconds(pid: int) -> float:
    """utime + stime of a process with all its threads, ended ones included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS_PER_S


def core_busy_seconds(core: int | None) -> float:
    """Time a core (None: all of them) did not idle, time taken by other virtual machines included."""
    name = "cpu" if core is None else f"cpu{core}"
    for line in Path("/proc/stat").read_text().splitlines():
        fields = line.split()
        if fields[0] == name:
            user, nice, system, _idle, _waiting, irq, softirq, steal = map(int, fields[1:9])
            return (user + nice + system + irq + softirq + steal) / CLOCK_TICKS_PER_S
    raise ValueError(f"/proc/stat has no {name}")


def rss_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"process {pid} has no resident memory")


def pin(pid: int, core: int | None) -> None:
    """Keep a process and its threads on one core; None leaves it to the scheduler."""
    if core is not None:
        os.sched_setaffinity(pid, {core})


def free_tcp_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def host_address() -> str:
    """An address of this host that is not 127.0.0.1: Janus refuses to offer loopback ones.

    Connecting a UDP socket sends nothing, and traffic to a host's own address never leaves it.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


async def stop(process: asyncio.subprocess.Process) -> None:
    """SIGTERM, then SIGKILL for one that does not listen."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
    except TimeoutError:
        process.kill()
        await process.wait()

"""Where the time of a profiled media server went: forwarding, feedback, the tick."""

from __future__ import annotations

import pstats
from typing import Any

PARTS = {
    "forwarding (from the decrypted packet on)": ("media/forwarder.py", "receive"),
    "RTCP from the peers": ("media/aio/server.py", "_receive_rtcp"),
    "  of it transport feedback": ("media/congestion/downlink.py", "on_feedback"),
    "tick": ("media/aio/server.py", "_tick"),
    "  of it transport feedback to the peers": ("media/aio/session.py", "_send_feedback"),
    "  of it each downlink's estimate": ("media/receiving.py", "tick_downlink"),
    "  of it each room's adaptation": ("media/aio/adapting.py", "tick"),
    "short timer (probes, video that waits)": ("media/aio/short_timer.py", "_run"),
    "reading the socket, with all that it leads to": ("media/aio/server.py", "_read"),
}
_WAITING = "poll"


def split(file: str) -> list[tuple[str, float]]:
    """(part, its share of the time that was not waiting); a profiler makes short functions look dear."""
    stats: dict[tuple[str, int, str], Any] = pstats.Stats(file).stats  # type: ignore[attr-defined]
    busy_s = sum(own for (_, _, name), (_, _, own, _, _) in stats.items() if _WAITING not in name)
    found = []
    for part, (path, function) in PARTS.items():
        spent_s = sum(
            whole for (where, _, name), (_, _, _, whole, _) in stats.items() if name == function and path in where
        )
        found.append((part, spent_s / busy_s))
    return found

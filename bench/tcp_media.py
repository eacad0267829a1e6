"""Media over TCP beside media over UDP: time to join, and sound concealed, without and with random loss.

    sudo .venv/bin/python -m bench.tcp_media [--seconds 20] [--runs 3]

Real Chromium pages; the one that is measured sits in a network namespace of its own, where nftables drops
UDP (for the rows of TCP) and the given share of all packets, both ways.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.support.media_browser import chromium, media_server, participant
from tests.support.netns import Namespace, namespace
from tests.support.processes import free_port

CHROMIUM = "/usr/bin/chromium"


async def one_call(network: Namespace, folder: Path, seconds: float) -> dict[str, float]:
    """Joining from the request to sound and pictures both ways; concealment is of what came afterwards."""
    reach = {"bind_host": "0.0.0.0", "advertised_addresses": (network.host,), "tcp_port": free_port()}
    inside = str(network.wrapper(CHROMIUM, folder))
    async with media_server(**reach) as server, chromium() as free, chromium(executable=inside) as measured:
        bea = await participant(free, server, "room", "bea")
        bea.join()
        ana = await participant(measured, server, "room", "ana")
        began = time.monotonic()
        ana.join()
        await asyncio.gather(ana.hears_and_sees("bea"), bea.hears_and_sees("ana"))
        joined_s = time.monotonic() - began
        await asyncio.sleep(3)  # the jitter buffer finds its size
        before = await ana.of("bea"), await bea.of("ana")
        await asyncio.sleep(seconds)
        after = await ana.of("bea"), await bea.of("ana")
        return {
            "joined_s": joined_s,
            "concealed_down": concealed(before[0], after[0]),
            "concealed_up": concealed(before[1], after[1]),
            "frames_s_down": (after[0]["frames"] - before[0]["frames"]) / seconds,
            "tcp_dropped": server.tcp.dropped,
            "lost_packets": sum(network.dropped("loss")),
        }


def concealed(before: dict[str, Any], after: dict[str, Any]) -> float:
    return 100 * (after["concealed"] - before["concealed"]) / max(1, after["samples"] - before["samples"])


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    print("| way | loss | join, s | concealed down | concealed up | pictures/s | refused | packets lost |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for loss in (0, 2):
            for way in ("udp", "tcp"):
                results = []
                for _ in range(given.runs):
                    with namespace() as network:
                        drops = {"loss": f"numgen random mod 100 < {loss}"} if loss else {"loss": "meta mark 0xdead"}
                        network.drop(**({"udp": "meta l4proto udp"} if way == "tcp" else {}), **drops)
                        results.append(await one_call(network, Path(folder), given.seconds))
                row = {name: statistics.median(result[name] for result in results) for name in results[0]}
                print(
                    f"| {way.upper()} | {loss} % | {row['joined_s']:.1f} | {row['concealed_down']:.1f} % "
                    f"| {row['concealed_up']:.1f} % | {row['frames_s_down']:.1f} | {row['tcp_dropped']:.0f} "
                    f"| {row['lost_packets']:.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    asyncio.run(main())

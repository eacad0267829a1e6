"""Networks that lose every UDP packet: real browsers in a network of their own, by TCP, and then by the relay."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.media_browser import chromium, media_server, participant
from tests.support.netns import Namespace, namespace
from tests.support.processes import free_port

ALL_UDP = "meta l4proto udp"


@pytest.fixture
def network() -> Iterator[Namespace]:
    with namespace() as made:
        yield made


async def test_a_call_by_tcp_where_udp_is_lost(network: Namespace, tmp_path: Path) -> None:
    """Media both ways between one behind the blockade and one who is not."""
    network.drop(udp=ALL_UDP)
    inside = str(network.wrapper("/usr/bin/chromium", tmp_path))
    config = {"bind_host": "0.0.0.0", "advertised_addresses": (network.host,), "tcp_port": free_port()}
    async with media_server(**config) as server, chromium() as free, chromium(executable=inside) as blocked:
        ana = await participant(blocked, server, "room", "ana")
        bea = await participant(free, server, "room", "bea")
        began = time.monotonic()
        ana.join()
        bea.join()
        await asyncio.gather(ana.hears_and_sees("bea"), bea.hears_and_sees("ana"))
        print("joined and media after", time.monotonic() - began)
        assert (await ana.sent())["pair"]["local"]["protocol"] == "tcp"
        assert (await bea.sent())["pair"]["local"]["protocol"] == "udp"
        assert network.dropped("udp")[0] > 0
        assert server.statistics()["tcp_connections"] >= 1
        print(await ana.sent(), await ana.received(), server.statistics())

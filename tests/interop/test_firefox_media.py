"""The second engine: Firefox and Chromium see and hear each other through the media server."""

import asyncio
import socket

from tests.support.eventually import eventually
from tests.support.media_browser import chromium, media_server, participant
from tests.support.media_firefox import firefox


def own_address() -> str:
    """An address of this machine that is not loopback: Firefox gathers no candidates for loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing
        return str(probe.getsockname()[0])


async def test_firefox_and_chromium_in_one_room() -> None:
    address = own_address()
    async with (
        media_server(bind_host="0.0.0.0", advertised_addresses=(address, "127.0.0.1")) as server,
        chromium() as browser,
        firefox(server) as fox,
    ):
        ana = await participant(browser, server, "room", "ana")
        ana.join()
        await eventually("Firefox is connected", lambda: "connected" in fox.events, 40)
        await eventually(
            "Firefox sees and hears Chromium",
            lambda: fox.received.get("ana", {}).get("frames", 0) > 10 and fox.received["ana"].get("energy", 0) > 1e-4,
            20,
        )
        await ana.hears_and_sees("fox")
        before = (await ana.of("fox"))["audioPackets"]
        await asyncio.sleep(1)
        assert 12 <= (await ana.of("fox"))["audioPackets"] - before <= 22  # Firefox keeps to 60 ms as well
        assert ana.errors == []

"""Networks that lose every UDP packet: real browsers in a network of their own, by TCP, and then by the relay."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from media.aio.server import MediaServer
from tests.support.coturn import Coturn, running_coturn
from tests.support.eventually import eventually
from tests.support.media_browser import BrowserParticipant, chromium, media_server, participant
from tests.support.media_firefox import firefox
from tests.support.netns import Namespace, namespace
from tests.support.processes import free_port
from turn import credentials, ice_servers

CHROMIUM = "/usr/bin/chromium"
ALL_UDP = "meta l4proto udp"


@pytest.fixture
def network() -> Iterator[Namespace]:
    with namespace() as made:
        yield made


def reachable(network: Namespace) -> dict[str, object]:
    return {"bind_host": "0.0.0.0", "advertised_addresses": (network.host,), "tcp_port": free_port()}


async def way(someone: BrowserParticipant) -> tuple[str, str]:
    """(type, protocol) of the candidate that carries the call; the protocol towards the relay of a relayed one."""
    pair = (await someone.sent()).get("pair")
    if pair is None:
        return "", ""
    local = pair["local"]
    return local["candidateType"], local.get("relayProtocol") or local["protocol"]


async def test_a_call_by_tcp_where_udp_is_lost(network: Namespace, tmp_path: Path) -> None:
    """Media both ways between one behind the blockade and one who is not."""
    network.drop(udp=ALL_UDP)
    inside = str(network.wrapper(CHROMIUM, tmp_path))
    async with (
        media_server(**reachable(network)) as server,
        chromium() as free,
        chromium(executable=inside) as blocked,
    ):
        ana = await participant(blocked, server, "room", "ana")
        bea = await participant(free, server, "room", "bea")
        ana.join()
        bea.join()
        await asyncio.gather(ana.hears_and_sees("bea"), bea.hears_and_sees("ana"))
        assert (await way(ana))[1] == "tcp"
        assert (await way(bea))[1] == "udp"
        assert network.dropped("udp")[0] > 0
        assert server.statistics()["tcp_connections"] >= 1


async def test_firefox_calls_by_tcp_where_udp_is_lost(network: Namespace) -> None:
    network.drop(udp=ALL_UDP)
    async with (
        media_server(**reachable(network)) as server,
        chromium() as browser,
        firefox(server, host=network.host, prefix=network.prefix) as fox,
    ):
        bea = await participant(browser, server, "room", "bea")
        bea.join()
        await eventually("Firefox is connected", lambda: "connected" in fox.events, 40)
        await eventually(
            "Firefox sees and hears Chromium",
            lambda: fox.received.get("bea", {}).get("frames", 0) > 10 and fox.received["bea"].get("energy", 0) > 1e-4,
            20,
        )
        await bea.hears_and_sees("fox")
        assert network.dropped("udp")[0] > 0
        assert server.statistics()["tcp_connections"] == 1


async def test_udp_lost_in_the_middle_of_a_call(network: Namespace, tmp_path: Path) -> None:
    """Chromium gave its TCP connection up when UDP won; the page's next session goes by TCP."""
    inside = str(network.wrapper(CHROMIUM, tmp_path))
    async with (
        media_server(**reachable(network), path_lost_s=3.0) as server,
        chromium(executable=inside) as browser,
        chromium() as free,
    ):
        ana = await participant(browser, server, "room", "ana")
        bea = await participant(free, server, "room", "bea")
        ana.join()
        bea.join()
        await asyncio.gather(ana.hears_and_sees("bea"), bea.hears_and_sees("ana"))
        assert (await way(ana))[1] == "udp"
        network.drop(udp=ALL_UDP)
        await eventually("the loss is told", lambda: "path_lost" in dict(ana.events), 10)
        await ana.page.evaluate("() => { pc.close(); pc = null; }")
        ana.join()
        await asyncio.gather(ana.hears_and_sees("bea"), bea.hears_and_sees("ana"))
        assert (await way(ana))[1] == "tcp"
        assert min(network.dropped("udp")) > 0
        assert [detail for name, detail in ana.events if name == "closed"] == ["replaced"]


@pytest.fixture
def coturn(network: Namespace, tmp_path: Path) -> Iterator[Coturn]:
    with running_coturn(
        tmp_path / "coturn",
        sfu_addresses=(network.host,),
        relay_addresses=(network.host,),
        listening_addresses=("127.0.0.1", network.host),
    ) as running:
        yield running


async def joined(browser: Browser, server: MediaServer, coturn: Coturn, host: str, name: str) -> BrowserParticipant:
    uris = [uri.replace("127.0.0.1", host) for uri in (coturn.udp_uri, coturn.tcp_uri, coturn.tls_uri)]
    config = coturn.config(*uris)
    servers = ice_servers.ice_servers(config, credentials.mint(config.secret, name, time.time(), 3600))
    someone = await participant(browser, server, "room", name)
    await someone.page.evaluate("servers => { configuration = {iceServers: servers}; }", servers)
    someone.join()
    return someone


async def test_the_order_of_falling_back(network: Namespace, coturn: Coturn, tmp_path: Path) -> None:
    """UDP; where it is lost TCP to the media port; where that is lost too, the relay over TLS."""
    inside = str(network.wrapper(CHROMIUM, tmp_path))
    lenient = "--ignore-certificate-errors"  # the relay's certificate is the test's own
    ways: list[tuple[str, str]] = []
    async with (
        media_server(**reachable(network)) as server,
        chromium() as free,
        chromium(lenient, executable=inside) as browser,
    ):
        ports = f"tcp dport {{ {server.tcp.port}, {coturn.settings.port} }}"
        bea = await participant(free, server, "room", "bea")
        bea.join()
        for number, drops in enumerate(({}, {"udp": ALL_UDP}, {"udp": ALL_UDP, "ports": ports})):
            if drops:
                network.drop(**drops)
            ana = await joined(browser, server, coturn, network.host, f"ana{number}")
            began = time.monotonic()
            await asyncio.gather(ana.hears_and_sees("bea", timeout_s=40), bea.hears_and_sees(ana.name, timeout_s=40))
            ways.append(await way(ana))
            print(f"{ways[-1]}: seen and heard both ways {time.monotonic() - began:.1f} s after joining")
            assert all(network.dropped(name)[0] > 0 for name in drops)
            assert ana.session is not None
            ana.session.close()
            await ana.page.context.close()
    assert [protocol for _, protocol in ways] == ["udp", "tcp", "tls"]
    assert ways[2][0] == "relay"

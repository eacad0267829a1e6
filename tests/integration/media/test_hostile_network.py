"""Strangers, moving addresses, silence and long round trips, during live calls of real Chromium pages."""

import asyncio
import os
import socket

from OpenSSL import SSL

from media import stun
from tests.support.eventually import eventually
from tests.support.media_browser import BrowserParticipant, chromium, media_server, participant
from tests.support.media_relay import UdpRelay


def client_hello() -> bytes:
    context = SSL.Context(SSL.DTLS_METHOD)
    context.set_tlsext_use_srtp(b"SRTP_AES128_CM_SHA1_80")
    connection = SSL.Connection(context)
    connection.set_connect_state()
    try:
        connection.do_handshake()
    except SSL.WantReadError:
        return connection.bio_read(1500)
    raise AssertionError("a handshake cannot end without a peer")


def kill_packets(ufrag: str) -> list[bytes]:
    """Datagrams that have ended calls elsewhere, and near relatives."""
    transaction = os.urandom(12)
    attribute = stun._encode(stun.USERNAME, f"{ufrag}:guess".encode())
    unauthenticated = stun._seal(stun.BINDING_REQUEST, transaction, attribute, b"guess")
    return [
        b"",
        b"\x80" + bytes(3000),
        b"\x80\x60" + bytes(1498),
        client_hello(),
        b"\x16\xfe\xfd" + bytes(10),
        b"\x15\xfe\xfd" + bytes(8) + b"\x00\x02\x02\x28",
        unauthenticated,
        unauthenticated[:30],
        b"\x00\x01\xff\xff" + bytes(16),
        b"\x00\x01\x00\x08\x21\x12\xa4\x42" + transaction + b"\x00\x24\x00\x01\xff\x00\x00\x00",
        b"\x80\x60" + os.urandom(200),
        b"\x80\xc8\x00\x06" + os.urandom(60),
        b"\x80\xcd\x00\x00",
        b"\x80",
        bytes([200]) * 40,
    ]


async def harass(server_port: int, packets: list[bytes], stop: asyncio.Event) -> int:
    """Send everything from a stranger's socket, again and again; how many were sent."""
    stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sent = 0
    with stranger:
        while not stop.is_set():
            for packet in packets:
                stranger.sendto(packet, ("127.0.0.1", server_port))
                sent += 1
            await asyncio.sleep(0.02)
    return sent


async def test_kill_packets_before_and_during_a_call_harm_nobody() -> None:
    async with media_server() as server, chromium() as browser:
        relay = await UdpRelay(server.port).start()
        ana = await participant(browser, server, "room", "ana")
        bea = await participant(browser, server, "room", "bea")
        ana.rewrite_offer = relay.rewrite
        session = ana.join()
        stop = asyncio.Event()
        packets = kill_packets(session.ice.ufrag)
        attack = asyncio.create_task(harass(server.port, packets, stop))
        bea.join()
        await asyncio.gather(ana.hears_and_sees("bea"), bea.hears_and_sees("ana"))
        # now from ana's own address as well, as a spoofer on her network could
        for packet in packets:
            relay.inject(packet)
        await asyncio.gather(ana.hears_and_sees("bea"), bea.hears_and_sees("ana"))
        stop.set()
        sent = await attack
        drops = server.statistics()
        refused = sum(drops[f"dropped_{name}"] for name in ("unknown", "size", "stun", "srtp"))
        assert sent > 500
        assert refused >= sent * 0.9
        assert [event for event in ana.events + bea.events if event[0] in ("closed", "path_lost")] == []
        relay.close()


async def two_through_relay(
    browser: object, server: object, relay: UdpRelay
) -> tuple[BrowserParticipant, BrowserParticipant]:
    """ana behind the relay, bea directly."""
    ana = await participant(browser, server, "room", "ana")  # type: ignore[arg-type]
    bea = await participant(browser, server, "room", "bea")  # type: ignore[arg-type]
    ana.rewrite_offer = relay.rewrite
    ana.join()
    bea.join()
    return ana, bea


async def test_a_source_address_that_changes_is_followed() -> None:
    async with media_server() as server, chromium() as browser:
        relay = await UdpRelay(server.port).start()
        ana, bea = await two_through_relay(browser, server, relay)
        await asyncio.gather(ana.hears_and_sees("bea"), bea.hears_and_sees("ana"))
        await relay.move_all()
        await asyncio.gather(ana.hears_and_sees("bea"), bea.hears_and_sees("ana"))
        assert ana.session is not None
        assert not ana.session.closed
        assert server.statistics()["dropped_unknown"] > 0  # media from the new port before its first check
        assert [name for name, _ in ana.events if name == "connected"] == ["connected"]
        relay.close()


async def test_silence_is_told_survived_and_in_the_end_closed() -> None:
    async with media_server(path_lost_s=1.0, session_lost_s=4.0, media_silent_s=0.8) as server, chromium() as browser:
        relay = await UdpRelay(server.port).start()
        ana, bea = await two_through_relay(browser, server, relay)
        await asyncio.gather(ana.hears_and_sees("bea"), bea.hears_and_sees("ana"))
        relay.blocked = True
        await eventually("the loss of the path is told", lambda: ana.events[-1][0] == "path_lost", 5)
        assert ("media", ("video", False)) in ana.events
        relay.blocked = False
        await eventually("the path comes back", lambda: ("path_restored", ana.session.id) in ana.events, 5)
        await asyncio.gather(ana.hears_and_sees("bea"), bea.hears_and_sees("ana"))
        relay.blocked = True
        await eventually("the session ends", lambda: ("closed", "silent") in ana.events, 10)
        assert server.statistics()["sessions"] == 1
        assert server.statistics()["paths"] == 1
        relay.close()


async def test_two_seconds_of_round_trip_are_a_call_like_any_other() -> None:
    async with media_server() as server, chromium() as browser:
        relay = await UdpRelay(server.port).start()
        relay.delay_s = 1.0
        ana, bea = await two_through_relay(browser, server, relay)
        await eventually("connected", lambda: ("connected", ana.session.id) in ana.events, 30)
        for _ in range(2):
            await asyncio.gather(ana.hears_and_sees("bea", timeout_s=30), bea.hears_and_sees("ana", timeout_s=30))
            await asyncio.sleep(2)
        assert ana.session is not None
        assert 1_900 < ana.session.statistics()["rtt_ms"] < 2_600  # type: ignore[operator]
        assert [event for event in ana.events if event[0] in ("closed", "path_lost")] == []
        relay.close()


async def test_losses_are_repaired_in_both_directions() -> None:
    async with media_server() as server, chromium() as browser:
        relay = await UdpRelay(server.port).start()
        ana, bea = await two_through_relay(browser, server, relay)
        await asyncio.gather(ana.hears_and_sees("bea"), bea.hears_and_sees("ana"))
        relay.loss_up = relay.loss_down = 0.08
        start = relay.dropped
        await asyncio.sleep(5)
        relay.loss_up = relay.loss_down = 0.0
        assert relay.dropped - start > 20
        assert ana.session is not None
        up = ana.session.uplinks["video"]
        assert up.retransmitted > 3  # we asked ana again
        assert sum(sink.repeated for sink in ana.session.sinks_by_ssrc.values()) > 3  # ana asked us again
        assert (await ana.of("bea"))["videoRepaired"] > 3
        await asyncio.gather(ana.hears_and_sees("bea"), bea.hears_and_sees("ana"))
        relay.close()

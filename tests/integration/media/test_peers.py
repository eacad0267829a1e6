"""Real ICE, DTLS and SRTP with peers in Python: bounds, blame, and what exactly is on the wire."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from candil.clock import SystemClock
from candil.errors import NotFound, PeerError, TooMany
from candil.ids import RandomIds
from media import rtcp, rtp
from media.aio.server import MediaServer
from media.aio.session import MAX_SSRCS
from media.config import MediaConfig
from media.ice import MAX_PATHS
from tests.support.eventually import eventually
from tests.support.media_browser import media_server
from tests.support.media_fakes import rtp_packet, vp8_payload
from tests.support.media_peer import MediaPeer


@asynccontextmanager
async def call(**changes: Any) -> AsyncIterator[tuple[MediaServer, MediaPeer, MediaPeer]]:
    """ana and bea, connected, in one room."""
    async with media_server(**changes) as server:
        ana, bea = MediaPeer(server, "room", "ana"), MediaPeer(server, "room", "bea")
        await asyncio.gather(ana.join(), bea.join())
        await eventually("both know each other", lambda: len(ana.session.sinks_by_ssrc) == 2)
        try:
            yield server, ana, bea
        finally:
            ana.close()
            bea.close()


def audio(seq: int, body: bytes = b"opus") -> bytes:
    return rtp_packet(rtp.PT_OPUS, seq, seq * 2880, MediaPeer.AUDIO_SSRC, body)


def video(seq: int, *, key: bool = False) -> bytes:
    return rtp_packet(rtp.PT_VP8, seq, seq * 3000, MediaPeer.VIDEO_SSRC, vp8_payload(seq, key=key))


async def test_media_is_forwarded_undecoded_and_reported() -> None:
    async with call() as (server, ana, bea):
        ana.send_rtp(audio(1, b"exactly these bytes"))
        ana.send_rtp(video(1, key=True))
        await eventually("two packets at bea", lambda: len(bea.rtp) == 2)
        assert bea.rtp[0].endswith(b"exactly these bytes")
        assert bea.rtp[1].endswith(vp8_payload(1, key=True))
        ssrcs = {int.from_bytes(packet[8:12], "big") for packet in bea.rtp}
        assert all(f"a=ssrc:{ssrc} cname:ana" in bea.offers[-1] for ssrc in ssrcs)
        ana.send_rtcp(rtcp.sender_report(rtcp.SenderReport(ana.AUDIO_SSRC, 5 << 32, 2880, 1, 10), []))
        await eventually("a sender report at bea", lambda: any(isinstance(m, rtcp.SenderReport) for m in bea.rtcp), 5)
        await eventually("a report block at ana", lambda: any(isinstance(m, rtcp.ReportBlock) for m in ana.rtcp), 5)
        assert server.statistics()["packets_out"] == 2


async def test_nack_pli_and_rtx_in_both_directions() -> None:
    async with call() as (_, ana, bea):
        ana.send_rtp(video(1, key=True))
        ana.send_rtp(video(4))
        await eventually("we ask ana again", lambda: rtcp.Nack(ana.VIDEO_SSRC, (2, 3)) in ana.rtcp)
        ana.send_rtp(rtp_packet(rtp.PT_RTX, 1, 6000, ana.RTX_SSRC, b"\x00\x02" + vp8_payload(2)))
        await eventually("the repair at bea", lambda: len(bea.rtp) == 3)
        ssrc = int.from_bytes(bea.rtp[0][8:12], "big")
        bea.send_rtcp(rtcp.nack(9, ssrc, [4]))
        await eventually("bea's repair", lambda: len(bea.rtp) == 4)
        assert bea.rtp[3][1] & 0x7F == rtp.PT_RTX
        assert bea.rtp[3].endswith(b"\x00\x04" + vp8_payload(4))
        await asyncio.sleep(0.6)
        ana.rtcp.clear()
        for _ in range(50):
            bea.send_rtcp(rtcp.picture_loss(9, ssrc))
        await eventually("a PLI at ana", lambda: rtcp.KeyframeRequest(ana.VIDEO_SSRC) in ana.rtcp)
        await asyncio.sleep(0.3)
        assert ana.rtcp.count(rtcp.KeyframeRequest(ana.VIDEO_SSRC)) == 1


async def test_transport_feedback_and_cap_reach_the_sender() -> None:
    async with call() as (_, ana, _bea):
        for seq in range(1, 6):
            extension = bytes([rtp.EXT_TRANSPORT_CC << 4 | 1, 0, seq])
            ana.send_rtp(
                rtp_packet(rtp.PT_VP8, seq, 1, ana.VIDEO_SSRC, vp8_payload(seq, key=True), extensions=extension)
            )
        await eventually(
            "feedback", lambda: any(raw[0] & 31 == rtcp.FMT_TRANSPORT_CC and raw[1] == 205 for raw in ana.raw_rtcp)
        )
        await eventually("the cap", lambda: any(isinstance(message, rtcp.Remb) for message in ana.rtcp), 5)


async def test_ssrcs_of_an_authenticated_peer_are_bounded() -> None:
    async with call() as (server, ana, bea):
        for ssrc in range(5000, 5000 + MAX_SSRCS * 4):
            ana.send_rtp(rtp_packet(99, 1, 1, ssrc, b"x"))
        await eventually("refusals", lambda: server.statistics()["dropped_rate"] >= MAX_SSRCS * 2)
        assert len(ana.session.seen_ssrcs) <= MAX_SSRCS
        ana.send_rtp(audio(1))
        await eventually("her real stream still flows", lambda: len(bea.rtp) == 1)


async def test_one_peer_cannot_take_more_than_its_packets() -> None:
    async with call(max_packets_per_second=200) as (server, ana, bea):
        for seq in range(1500):
            ana.send_rtp(audio(seq))
        bea.send_rtp(audio(1))
        await eventually("bea is heard", lambda: len(ana.rtp) == 1)
        await eventually("ana is cut", lambda: server.statistics()["dropped_rate"] > 500)
        assert len(bea.rtp) <= 800
        await asyncio.sleep(0.3)
        ana.send_rtp(audio(2000))
        await eventually("ana is heard again", lambda: bea.rtp[-1][2:4] == (2000).to_bytes(2, "big"))


async def test_garbage_from_an_authenticated_peer_harms_only_itself() -> None:
    async with call() as (_, ana, bea):
        for _ in range(300):
            ana.send_rtp(b"\x80\x60" + os.urandom(6) + ana.VIDEO_SSRC.to_bytes(4, "big") + os.urandom(40))
            ana.send_rtp(b"\xbf\x61" + os.urandom(6) + ana.RTX_SSRC.to_bytes(4, "big") + b"\xbe\xde\xff\xff" * 16)
            ana.send_rtcp(b"\x8f" + bytes([200 + os.urandom(1)[0] % 8]) + b"\x00\x09" + os.urandom(36))
            ana.send(b"\x17\xfe\xfd" + os.urandom(30))
        bea.send_rtp(audio(1))
        await eventually("bea is still heard by ana", lambda: any(packet.endswith(b"opus") for packet in ana.rtp))
        assert [event for event in bea.events if event[0] == "closed"] == []


async def test_media_from_an_address_without_a_check_is_refused_until_it_has_one() -> None:
    async with call() as (server, ana, bea):
        loop = asyncio.get_running_loop()
        old = ana.transport
        ana.transport, _ = await loop.create_datagram_endpoint(lambda: ana, local_addr=("127.0.0.1", 0))
        ana.send_rtp(audio(1))
        await eventually("refusal", lambda: server.statistics()["dropped_unknown"] == 1)
        ana.check(password=b"not the password at all")
        ana.send_rtp(audio(2))
        await eventually("refusal again", lambda: server.statistics()["dropped_unknown"] == 2)
        assert bea.rtp == []
        ana.check()
        ana.send_rtp(audio(3))
        await eventually("the new address is accepted", lambda: len(bea.rtp) == 1)
        bea.send_rtp(audio(1))
        await eventually("and sent to", lambda: len(ana.rtp) == 1)
        old.close()


async def test_addresses_of_one_peer_are_bounded_and_freed() -> None:
    async with call() as (server, ana, bea):
        loop = asyncio.get_running_loop()
        transports = [ana.transport]
        for _ in range(MAX_PATHS * 2):
            ana.transport, _ = await loop.create_datagram_endpoint(lambda: ana, local_addr=("127.0.0.1", 0))
            transports.append(ana.transport)
            ana.check()
        await eventually("all checks answered", lambda: len(ana.stun_replies) >= MAX_PATHS * 2)
        assert server.statistics()["paths"] == MAX_PATHS + 1
        bea.send_rtp(audio(1))
        await eventually("ana hears bea at her last address", lambda: len(ana.rtp) == 1)
        ana.session.close()
        assert server.statistics()["paths"] == 1
        assert bea.session.sinks_by_ssrc
        await eventually("bea's lines freed", lambda: not bea.session.sinks_by_ssrc)
        for transport in transports:
            transport.close()


async def test_wrong_fingerprint_ends_the_session_without_media() -> None:
    async with media_server() as server:
        peer = MediaPeer(server, "room", "eve", fingerprint=":".join(["00"] * 32))
        await peer.open()
        await eventually("refusal", lambda: ("closed", "handshake_failed") in peer.events)
        assert ("connected", None) not in peer.events
        assert server.statistics() | {"rooms": 0, "paths": 0, "sessions": 0} == server.statistics()
        peer.close()


async def test_a_second_answer_with_another_identity_is_refused() -> None:
    async with call() as (_, ana, _bea):
        ana.session.negotiation.next_offer(force=True)
        with pytest.raises(PeerError, match="fingerprint"):
            ana.session.answer(ana.answer_to(ana.offers[-1]).replace(ana.fingerprint, ":".join(["AB"] * 32)))
        ana.session.close()
        with pytest.raises(PeerError, match="ended"):
            ana.session.answer("v=0")


async def test_rooms_and_servers_have_a_limit() -> None:
    async with media_server(max_participants_per_room=2, max_sessions=3) as server:
        peers = [MediaPeer(server, "room", name) for name in ("ana", "bea", "caro")]
        server.open_session("room", "ana", peers[0]).close()
        sessions = [server.open_session("room", name, peer) for name, peer in zip("ab", peers, strict=False)]
        with pytest.raises(TooMany, match="room"):
            server.open_session("room", "c", peers[2])
        server.open_session("other", "c", peers[2])
        with pytest.raises(TooMany, match="server"):
            server.open_session("third", "d", peers[2])
        with pytest.raises(NotFound):
            server.open_session("third", "bad name\r\na=x", peers[2])
        for session in sessions:
            session.answer = lambda _sdp: None  # type: ignore[method-assign]
            session.close()
        assert server.statistics()["rooms"] == 1


async def test_ipv6_and_wildcard_sockets_answer_from_the_address_that_was_asked() -> None:
    for bind_host, advertised in (("::1", "::1"), ("0.0.0.0", "127.0.0.1"), ("0.0.0.0", "::1"), ("::", "127.0.0.1")):
        config = MediaConfig(bind_host=bind_host, advertised_addresses=(advertised, "203.0.113.9"))
        server = MediaServer(config, SystemClock(), RandomIds())
        await server.start()
        try:
            peer = await MediaPeer(server, "room", "ana").join()
            assert f" {advertised} {server.port} typ host" in peer.offers[0]
            peer.close()
        finally:
            await server.aclose()


async def test_a_taken_port_is_an_error_at_start() -> None:
    async with media_server() as server:
        for bind_host in ("127.0.0.1", "0.0.0.0"):
            config = MediaConfig(bind_host=bind_host, udp_port=server.port)
            with pytest.raises(OSError, match="in use"):
                await MediaServer(config, SystemClock(), RandomIds()).start()


async def test_opening_again_before_connecting_replaces_and_the_room_lives_on() -> None:
    async with media_server() as server:
        first, second = MediaPeer(server, "room", "ana"), MediaPeer(server, "room", "ana")
        await first.open()
        await second.join()
        await eventually("the first ends", lambda: ("closed", "replaced") in first.events)
        bea = await MediaPeer(server, "room", "bea").join()
        await eventually("they know each other", lambda: second.session.sinks_by_ssrc)
        second.session.close()
        bea.session.close()
        assert server.statistics()["rooms"] == 0
        for peer in (first, second, bea):
            peer.close()


async def test_a_successor_that_never_connects_does_not_keep_the_old_session_for_ever() -> None:
    async with call(replace_after_s=0.3) as (server, ana, bea):
        newer = MediaPeer(server, "room", "ana")
        newer_session = server.open_session("room", "ana", newer)
        newer.session = newer_session
        assert not ana.session.closed
        ana.send_rtp(audio(1))
        await eventually("the old one still serves", lambda: len(bea.rtp) == 1)
        await eventually("and then ends", lambda: ("closed", "replaced") in ana.events)
        assert bea.session.sinks_by_ssrc  # her lines wait for the successor


async def test_forged_packets_do_not_use_up_the_share_of_the_peer_they_name() -> None:
    async with call(max_packets_per_second=100) as (server, ana, bea):
        for number in range(400):
            ana.check(password=b"forged forged forged fo")
            ana.send(b"\x80\x6f" + number.to_bytes(2, "big") + bytes(60))
        await eventually("refusals", lambda: server.statistics()["dropped_srtp"] >= 400)
        ana.send_rtp(audio(1))
        await eventually("her own packet passes", lambda: len(bea.rtp) == 1)

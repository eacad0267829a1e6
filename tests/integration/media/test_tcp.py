"""Passive ICE-TCP with real DTLS and SRTP: calls, changes of path, and everything hostile that a port attracts."""

import asyncio
import errno
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from candil.clock import SystemClock
from candil.ids import RandomIds
from media import rtp
from media.aio import tcp
from media.aio.server import MediaServer
from media.aio.tcp import TcpPortTaken
from media.backlog import MAX_WAITING_BYTES
from media.config import MediaConfig
from media.framing import header
from tests.support.eventually import eventually
from tests.support.media_browser import media_server
from tests.support.media_fakes import rtp_packet, vp8_payload
from tests.support.media_peer import MediaPeer
from tests.support.media_peer_tcp import TcpMediaPeer, is_ended, stranger
from tests.support.processes import free_port


def audio(seq: int) -> bytes:
    return rtp_packet(rtp.PT_OPUS, seq, seq * 2880, MediaPeer.AUDIO_SSRC, b"opus %d" % seq)


def video(seq: int, size: int, *, key: bool = False) -> bytes:
    return rtp_packet(rtp.PT_VP8, seq, seq * 3000, MediaPeer.VIDEO_SSRC, vp8_payload(seq, key=key, body=bytes(size)))


@asynccontextmanager
async def tcp_server(**changes: Any) -> AsyncIterator[MediaServer]:
    async with media_server(tcp_port=free_port(), **changes) as server:
        yield server


@asynccontextmanager
async def call(server: MediaServer) -> AsyncIterator[tuple[TcpMediaPeer, MediaPeer]]:
    """ana by TCP, bea by UDP."""
    ana, bea = TcpMediaPeer(server, "room", "ana"), MediaPeer(server, "room", "bea")
    await asyncio.gather(ana.join(), bea.join())
    await eventually("both know each other", lambda: ana.session.sinks_by_ssrc and bea.session.sinks_by_ssrc)
    try:
        yield ana, bea
    finally:
        ana.close()
        bea.close()


async def heard(sender: MediaPeer, receiver: MediaPeer, seq: int) -> None:
    """Until a new packet of ``sender`` has reached ``receiver``; sent again as speech would be."""
    before, sent = len(receiver.rtp), iter(range(seq, seq + 200))

    def arrived() -> bool:
        sender.send_rtp(audio(next(sent)))
        return len(receiver.rtp) > before

    await eventually(f"{receiver.name} hears {sender.name}", arrived)


async def test_dtls_and_media_both_ways() -> None:
    async with tcp_server() as server, call(server) as (ana, bea):
        await heard(ana, bea, 100)
        await heard(bea, ana, 100)
        assert server.statistics()["tcp_connections"] == 1
        ana.session.close()
        await eventually("goodbye comes by the same way", lambda: ana.association.state == "closed", 5)


async def test_a_stream_in_single_bytes_is_the_same() -> None:
    async with tcp_server() as server, call(server) as (ana, bea):
        pieces: list[bytes] = []
        ana.send = lambda data: pieces.append(header(len(data)) + data)  # type: ignore[method-assign]
        ana.send_rtp(audio(7))
        for byte in b"".join(pieces):
            ana.stream.transport.write(bytes([byte]))
            await asyncio.sleep(0)
        await eventually("it arrives whole", lambda: any(packet.endswith(b"opus 7") for packet in bea.rtp))


async def test_the_end_of_either_path_ends_no_session() -> None:
    """ana has TCP and UDP; TCP ends, then TCP returns and UDP falls silent."""
    async with tcp_server() as server, call(server) as (ana, bea):
        by_udp, loop = MediaPeer.send, asyncio.get_running_loop()
        ana.transport, _ = await loop.create_datagram_endpoint(lambda: ana, local_addr=("127.0.0.1", 0))
        ana.address = ("127.0.0.1", server.port)
        by_tcp, ana.send = ana.send, lambda data: by_udp(ana, data)  # type: ignore[method-assign]
        ana.check()
        await eventually("UDP is nominated", lambda: len(ana.session.paths) == 2)
        ana.stream.transport.close()
        await eventually("TCP is gone", lambda: len(ana.session.paths) == 1)
        await heard(ana, bea, 200)
        await heard(bea, ana, 200)
        ana.send = by_tcp  # type: ignore[method-assign]
        await ana.connect()
        ana.transport.close()
        ana.check()
        await eventually("TCP is back", lambda: len(ana.session.paths) == 2)
        await heard(ana, bea, 500)
        await heard(bea, ana, 500)
        assert [event for event in ana.events if event[0] in ("closed", "path_lost")] == []


async def test_without_any_path_the_session_waits_for_the_next_connection() -> None:
    async with tcp_server(path_lost_s=0.5) as server, call(server) as (ana, bea):
        ana.stream.transport.abort()
        await eventually("no connection is left", lambda: not server.tcp.connections)
        bea.send_rtp(audio(1))  # towards a path that has ended: lost, not an error
        await eventually("the loss is told", lambda: ("path_lost", None) in ana.events)
        await ana.connect()
        ana.check()
        await heard(bea, ana, 300)
        assert ("path_restored", None) in ana.events


async def test_a_reader_that_stops_is_owed_little_and_hurts_nobody() -> None:
    async with tcp_server() as server, call(server) as (ana, bea):
        bea.send_rtp(video(1, 900, key=True))
        await eventually("video flows", lambda: len(ana.rtp) == 1)
        ana.stream.transport.pause_reading()
        connection = next(iter(server.tcp.connections))
        most = 0
        for seq in range(2, 8002):
            bea.send_rtp(video(seq, 1000))
            if seq % 16 == 0:
                await asyncio.sleep(0)
                most = max(most, connection.unsent_bytes)
                if server.tcp.dropped > 1000:
                    break
        assert server.tcp.dropped > 500
        assert 0 < most <= MAX_WAITING_BYTES
        await heard(ana, bea, 300)
        ana.stream.transport.resume_reading()
        await heard(bea, ana, 400)


@pytest.mark.parametrize(
    "bytes_sent",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        header(1501),
        b"\xff\xff" + bytes(40),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(80),
    ],
)
async def test_what_is_no_frame_of_ours_ends_the_connection_at_once(bytes_sent: bytes) -> None:
    async with tcp_server() as server:
        sock = await stranger(server)
        await asyncio.get_running_loop().sock_sendall(sock, bytes_sent)
        await eventually("it is closed", lambda: is_ended(sock), 2)
        assert not server.tcp.connections
        sock.close()


async def test_garbage_in_frames_reaches_nobody_and_is_counted() -> None:
    async with tcp_server() as server, call(server) as (ana, bea):
        sock = await stranger(server)
        frames = [os.urandom(size) for size in (1, 2, 20, 100, 1500)] + [b"", b"\x80\x60" + bytes(60), b"\x16" * 40]
        for _ in range(50):
            for frame in frames:
                await asyncio.get_running_loop().sock_sendall(sock, header(len(frame)) + frame)
        await eventually(
            "all are refused", lambda: sum(server.statistics()[f"dropped_{x}"] for x in ("unknown", "stun")) >= 350
        )
        await heard(ana, bea, 100)
        sock.close()


async def test_who_proves_nothing_is_shown_out_however_slowly_it_talks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "UNPROVEN_S", 0.4)
    monkeypatch.setattr(tcp, "SWEEP_S", 0.1)
    async with tcp_server() as server, call(server) as (ana, _):
        sock = await stranger(server)
        slow = iter(header(100) + bytes(100))

        async def talk() -> bool:
            with_luck = bytes([next(slow)])
            try:
                await asyncio.get_running_loop().sock_sendall(sock, with_luck)
            except OSError:
                return True
            return await is_ended(sock)

        await eventually("the slow one is out", talk, 3)
        assert len(server.tcp.connections) == 1  # ana's
        sock.close()
        ana.session.close()
        await eventually("nobody's connection goes too", lambda: not server.tcp.connections, 3)


async def test_a_wrong_password_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "UNPROVEN_S", 0.3)
    monkeypatch.setattr(tcp, "SWEEP_S", 0.1)
    async with tcp_server() as server:
        ana = TcpMediaPeer(server, "room", "ana")
        await ana.open()
        for task in ana._tasks:
            task.cancel()

        def guess() -> bool:
            ana.check(password=b"guess")
            return ana.stream.ended

        await eventually("it is out", guess, 3)
        assert not ana.stun_replies
        ana.close()


async def test_a_silent_connection_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "IDLE_S", 0.5)
    monkeypatch.setattr(tcp, "SWEEP_S", 0.1)
    async with tcp_server() as server, call(server) as (ana, _):
        await eventually("it is closed", lambda: ana.stream.ended, 3)
        assert not ana.session.closed
        assert ana.session.paths == {}


async def test_connections_are_bounded_over_all_and_per_address() -> None:
    async with tcp_server(max_tcp_connections=8, max_tcp_connections_per_address=5) as server:
        strangers = [await stranger(server) for _ in range(5)]
        await eventually("five are in", lambda: len(server.tcp.connections) == 5)
        refused = await stranger(server)
        await eventually("the sixth is out", lambda: is_ended(refused))
        others = [await stranger(server, host) for host in ("127.0.0.2", "127.0.0.2", "127.0.0.3", "127.0.0.3")]
        await eventually("the rest is refused", lambda: server.tcp.refused == 2)
        assert len(server.tcp.connections) == 8
        for sock in (*strangers, *others, refused):
            sock.close()
        await eventually("all are let go", lambda: not server.tcp.connections)
        ana = await TcpMediaPeer(server, "room", "ana").join()
        ana.close()


async def test_no_descriptor_left_is_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "ACCEPT_PAUSE_S", 0.2)
    async with tcp_server() as server:
        real = server.tcp._listener

        class Exhausted:
            asked = 0

            def accept(self) -> Any:
                self.asked += 1
                raise OSError(errno.EMFILE, "Too many open files")

            def __getattr__(self, name: str) -> Any:
                return getattr(real, name)

        exhausted = Exhausted()
        server.tcp._listener = exhausted  # type: ignore[assignment]
        ana = TcpMediaPeer(server, "room", "ana")
        joining = asyncio.create_task(ana.join())
        await eventually("accepting failed twice", lambda: exhausted.asked >= 2, 3)
        assert exhausted.asked < 20  # it pauses, and does not spin
        server.tcp._listener = real
        await joining
        ana.close()


async def test_a_taken_tcp_port_is_told_apart_and_frees_the_udp_port() -> None:
    async with tcp_server() as server:
        config = MediaConfig(bind_host="127.0.0.1", udp_port=free_port(), tcp_port=server.tcp.port)
        with pytest.raises(TcpPortTaken, match="in use"):
            await MediaServer(config, SystemClock(), RandomIds()).start()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.bind(("127.0.0.1", config.udp_port))

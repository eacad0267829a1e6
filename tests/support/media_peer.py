"""A participant in Python with real ICE, DTLS and SRTP: fast, and able to misbehave as no browser does."""

import asyncio
import os
import re
from typing import Any

from media import rtcp, rtp, stun
from media.adaptation.orders import LineNews, PublishOrder
from media.aio.aiortc_private import DtlsAssociation, PacketBuffer, RTCCertificate, sha256_fingerprint
from media.aio.server import MediaServer
from tests.support.eventually import eventually


class _Pipe:
    role = "controlling"
    state = "completed"

    def __init__(self, peer: "MediaPeer") -> None:
        self.peer = peer
        self.queue: asyncio.Queue[bytes] = asyncio.Queue()

    async def _recv(self) -> bytes:
        return await self.queue.get()

    async def _send(self, data: bytes) -> None:
        self.peer.send(data)


class MediaPeer(asyncio.DatagramProtocol):
    """Joins, answers every offer, and keeps the plain RTP and RTCP that it is sent."""

    AUDIO_SSRC, VIDEO_SSRC, RTX_SSRC = 101, 102, 103

    def __init__(self, server: MediaServer, room_id: str, name: str, *, fingerprint: str = "") -> None:
        self.server = server
        self.room_id = room_id
        self.name = name
        self.certificate = RTCCertificate.generateCertificate()
        self.fingerprint = fingerprint or sha256_fingerprint(self.certificate)
        self.ufrag, self.password = "peer", "p" * 24
        self.events: list[tuple[str, object]] = []
        self.offers: list[str] = []
        self.stun_replies: list[bytes] = []
        self.rtp: list[bytes] = []
        self.rtcp: list[rtcp.Message] = []
        self.raw_rtcp: list[bytes] = []
        self.buffer = PacketBuffer()
        self.pipe = _Pipe(self)
        self.secured = False
        self._tasks: set[asyncio.Task[Any]] = set()

    async def join(self) -> "MediaPeer":
        """Open the session, run ICE and DTLS as a browser would, until the server says connected."""
        await self.open()
        await eventually(f"{self.name} is connected", lambda: self.secured and ("connected", None) in self.events)
        return self

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        host = self.server.config.advertised_addresses[0]
        local = "::1" if ":" in host else "127.0.0.1"
        self.transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(local, 0))
        self.address = (host, self.server.port)
        self.session = self.server.open_session(self.room_id, self.name, self)
        self._spawn(self._handshake())

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _handshake(self) -> None:
        await eventually("the first offer", lambda: self.offers)
        self.check()
        await eventually("an answer to the check", lambda: self.stun_replies)
        association = DtlsAssociation(self.pipe, self.certificate, peer_is_client=False)  # type: ignore[arg-type]
        digest = re.search(r"a=fingerprint:sha-256 (\S+)", self.offers[0])
        assert digest is not None
        if await association.handshake((("sha-256", digest.group(1)),)):
            self.protect, self.protect_rtcp = association.protect(self.buffer)
            self.unprotect, self.unprotect_rtcp = association.unprotect(self.buffer)
            self.association = association
            self.secured = True

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        self.transport.close()

    # Sending

    def send(self, data: bytes) -> None:
        self.transport.sendto(data, self.address)

    def check(self, *, use_candidate: bool = True, password: bytes | None = None) -> None:
        """One connectivity check."""
        ice = self.session.ice
        body = stun._encode(stun.USERNAME, f"{ice.ufrag}:{self.ufrag}".encode())
        body += stun._encode(stun.ICE_CONTROLLING, bytes(8)) + stun._encode(stun.PRIORITY, bytes(4))
        if use_candidate:
            body += stun._encode(stun.USE_CANDIDATE, b"")
        self.send(stun._seal(stun.BINDING_REQUEST, os.urandom(12), body, password or ice.password.encode()))

    def send_rtp(self, packet: bytes) -> None:
        self.buffer.view[: len(packet)] = packet
        self.send(bytes(self.buffer.view[: self.protect(len(packet))]))

    def send_rtcp(self, packet: bytes) -> None:
        self.buffer.view[: len(packet)] = packet
        self.send(bytes(self.buffer.view[: self.protect_rtcp(len(packet))]))

    # Receiving

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if data[0] < 4:
            self.stun_replies.append(data)
        elif data[0] < 64:
            self.pipe.queue.put_nowait(data)
        elif self.secured:
            self.buffer.view[: len(data)] = data
            if 191 < data[1] < 224:
                plain = bytes(self.buffer.view[: self.unprotect_rtcp(len(data))])
                self.raw_rtcp.append(plain)
                self.rtcp.extend(rtcp.parse_compound(plain))
            else:
                self.rtp.append(bytes(self.buffer.view[: self.unprotect(len(data))]))

    # The listener

    def on_offer(self, session_id: str, sdp: str) -> None:
        self.offers.append(sdp)
        self.session.answer(self.answer_to(sdp))

    def answer_to(self, offer: str) -> str:
        lines = ["v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0", f"a=ice-ufrag:{self.ufrag}"]
        lines += [f"a=ice-pwd:{self.password}", f"a=fingerprint:sha-256 {self.fingerprint}", "a=setup:active"]
        for section in offer.split("\r\nm=")[1:]:
            kind = section.split(" ")[0]
            mid = section.split("a=mid:")[1].split("\r\n")[0]
            own = "a=recvonly" in section
            direction = "sendonly" if own else "recvonly" if "a=sendonly" in section else "inactive"
            codec = f"a=rtpmap:{rtp.PT_OPUS} opus/48000/2" if kind == "audio" else f"a=rtpmap:{rtp.PT_VP8} VP8/90000"
            lines += [f"m={kind} 9 UDP/TLS/RTP/SAVPF {rtp.PT_OPUS if kind == 'audio' else '96 97'}"]
            lines += [f"a=mid:{mid}", f"a={direction}", codec]
            if own and kind == "audio":
                lines.append(f"a=ssrc:{self.AUDIO_SSRC} cname:x")
            elif own:
                lines += [f"a=ssrc-group:FID {self.VIDEO_SSRC} {self.RTX_SSRC}", f"a=ssrc:{self.VIDEO_SSRC} cname:x"]
        return "\r\n".join(lines)

    def on_connected(self, session_id: str) -> None:
        self.events.append(("connected", None))

    def on_path_lost(self, session_id: str) -> None:
        self.events.append(("path_lost", None))

    def on_path_restored(self, session_id: str) -> None:
        self.events.append(("path_restored", None))

    def on_media(self, session_id: str, kind: str, active: bool) -> None:
        self.events.append(("media", (kind, active)))

    def on_order(self, session_id: str, order: PublishOrder) -> None:
        self.events.append(("order", order))

    def on_line(self, participant_id: str, news: LineNews) -> None:
        self.events.append(("line", (participant_id, news)))

    def on_closed(self, session_id: str, reason: str) -> None:
        self.events.append(("closed", reason))

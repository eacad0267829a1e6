"""The media server: one UDP socket, the table of proven addresses, rooms, and one timer.

``_read`` is the beginning of the RTP fast path and is written for speed: see ``forwarder.py``.
"""

import asyncio
import logging
import secrets
import time
from typing import TYPE_CHECKING, Any

from candil.clock import Clock
from candil.errors import NotFound, TooMany
from candil.ids import IdSource
from candil.log import log_event
from media import control, rtp, stun
from media.aio.adapting import RoomAdapter
from media.aio.aiortc_private import PacketBuffer, RTCCertificate, sha256_fingerprint, srtp_protect, srtp_unprotect
from media.aio.paths import Path
from media.aio.session import MAX_SSRCS, MediaSession
from media.aio.short_timer import ShortTimer
from media.aio.tcp import TcpPort, TcpPortTaken
from media.aio.udp import UdpSocket, open_sockets
from media.config import MediaConfig
from media.forwarder import Forwarder
from media.ice import IceLite
from media.listener import SessionListener
from media.negotiation import Negotiation
from media.room import Room
from media.sdp_offer import OfferTransport, is_name

if TYPE_CHECKING:
    from media.adaptation.orders import LineHint

log = logging.getLogger(__name__)

MAX_DATAGRAM_BYTES = 1500
TICK_S = 0.1
BATCH = 64
"""Datagrams read per wake-up before other work gets its turn."""
BUSY_PACKETS_PER_S = 600
POLL_S = 0.004
"""A busy server reads its socket so often, instead of waking for every datagram: at 2000 packets/s in, waking
costs a sixth of all CPU. The price is about two milliseconds of delay."""


class MediaServer:
    def __init__(self, config: MediaConfig, clock: Clock, ids: IdSource) -> None:
        self.config = config
        self.port = config.udp_port
        self._ids = ids
        self.certificate = RTCCertificate.generateCertificate()
        self._fingerprint = sha256_fingerprint(self.certificate)
        # Durations run on the monotonic clock, so that a stepped wall clock ends no call; the wall
        # clock is read once, for the NTP times in reports.
        self.now = time.monotonic
        self._ntp_offset_s = clock.now() + rtp.NTP_EPOCH_S - time.monotonic()
        self.rx = PacketBuffer()
        self.tx = PacketBuffer()
        self.forwarder = Forwarder(self.tx, srtp_protect, self._ntp_offset_s)
        self._rooms: dict[str, Room] = {}
        self._adapters: dict[str, RoomAdapter] = {}
        self._by_ufrag: dict[str, MediaSession] = {}
        self._sockets: list[UdpSocket] = []
        self.tcp = TcpPort(
            self._read,
            self.now,
            max_connections=config.max_tcp_connections,
            max_per_address=config.max_tcp_connections_per_address,
        )
        self._timer: asyncio.TimerHandle | None = None
        self._ticked_at = 0.0
        self._packets_at_tick = 0
        self._busy = False
        self.short_timer = ShortTimer()
        self._closing: set[asyncio.Task[None]] = set()
        self._drops = {"unknown": 0, "size": 0, "stun": 0, "srtp": 0, "rate": 0}

    async def start(self) -> None:
        """Bind the ports. Raises ``OSError`` when the UDP port is taken, ``TcpPortTaken`` when the TCP port is."""
        self._loop = asyncio.get_running_loop()
        config = self.config
        self._sockets = open_sockets(config.bind_host, config.udp_port, config.advertised_addresses)
        self.port = self._sockets[0].port
        for udp in self._sockets:
            udp.open(self._readable)
        if config.tcp_port:
            try:
                self.tcp.open(config.bind_host, config.tcp_port)
            except TcpPortTaken:
                await self.aclose()
                raise

    async def aclose(self) -> None:
        """Close every session, tell the peers, and free the port."""
        for session in list(self._by_ufrag.values()):
            session.close("server_closed")
        if self._closing:
            await asyncio.wait(self._closing, timeout=2)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.short_timer.close()
        self.tcp.close()
        for udp in self._sockets:
            udp.close()
        self._sockets = []

    # Sessions

    def open_session(
        self, room_id: str, participant_id: str, listener: SessionListener, hint: "LineHint | None" = None
    ) -> MediaSession:
        """A new session; its first offer follows on the next turn of the loop.

        An older session of the participant lives on until this one connects, at most
        ``MediaConfig.replace_after_s``. Raises ``TooMany`` when the room or the server is full.
        """
        if not self._sockets:
            raise NotFound("media_closed", "the media server is not running")
        if not is_name(participant_id):
            raise NotFound("participant", "a participant id must be a short plain name")
        room = self._rooms.get(room_id)
        members = {} if room is None else room.members
        if len(self._by_ufrag) >= self.config.max_sessions:
            raise TooMany("media_sessions", "the media server is full", retry_after_s=30)
        if participant_id not in members and len(members) >= self.config.max_participants_per_room:
            raise TooMany("room_full", "the room is full", retry_after_s=30)
        if room is None:
            room = self._rooms[room_id] = Room(room_id)
            if self.config.ladder is not None:
                self._adapters[room_id] = RoomAdapter(room, self.config.ladder)
        session = self._make_session(room, participant_id, listener, hint)
        self._by_ufrag[session.ice.ufrag] = session
        room.add(session)
        if room_id in self._adapters:
            self._adapters[room_id].opened(session, self.now())
        self._replace_older(room, session)
        self._renegotiate(room)
        if self._timer is None:
            self._ticked_at = self.now()
            self._timer = self._loop.call_later(TICK_S, self._tick)
        return session

    def _make_session(
        self, room: Room, participant_id: str, listener: SessionListener, hint: "LineHint | None"
    ) -> MediaSession:
        ufrag = self._ids.new_secret()[-8:]
        password = self._ids.new_secret().ljust(24, "0")[-32:]
        transport = OfferTransport(
            session_number=secrets.randbits(53),
            ufrag=ufrag,
            password=password,
            fingerprint_sha256=self._fingerprint,
            addresses=self.config.advertised_addresses,
            port=self.port,
            tcp_port=self.tcp.port,
            stamped=self.config.downlink_estimator == "transport_cc",
            audio_nack=self.config.audio_nack,
        )
        negotiation = Negotiation(transport, self.config.audio, lambda: secrets.randbits(32))
        return MediaSession(
            self,
            room,
            participant_id,
            listener,
            self._ids.new_id("med"),
            IceLite(ufrag, password),
            negotiation,
            hint,
        )

    def _replace_older(self, room: Room, newest: MediaSession) -> None:
        """Of the older sessions only a connected one is worth keeping until the newest has connected."""
        for older in list(room.members[newest.participant_id]):
            assert isinstance(older, MediaSession)
            if older is newest:
                continue
            if older.connected:
                older.replaced_at = older.replaced_at or self.now()
            else:
                older.close("replaced")

    def session_connected(self, session: MediaSession) -> None:
        """Called by a session whose DTLS is done: its predecessors have served."""
        room = self._rooms[session.room_id]
        sessions = room.members[session.participant_id]
        for older in sessions[: sessions.index(session)]:
            assert isinstance(older, MediaSession)
            older.close("replaced")
        room.reconcile(self.now())

    def forget(self, session: MediaSession, reason: str) -> None:
        """Called by a closing session: free everything that names it."""
        self._by_ufrag.pop(session.ice.ufrag, None)
        for path in session.paths.values():
            path.forget()
        room = self._rooms[session.room_id]
        room.remove(session, self.now())
        if room.members:
            if session.room_id in self._adapters:
                self._adapters[session.room_id].closed(session)
            self._renegotiate(room)
        else:
            del self._rooms[session.room_id]
            self._adapters.pop(session.room_id, None)
        log.info(log_event("media.session_closed", session=session.id, reason=reason))
        task = self._loop.create_task(session.stop_dtls())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    @staticmethod
    def _renegotiate(room: Room) -> None:
        for session in room.sessions():
            assert isinstance(session, MediaSession)
            session.renegotiate()

    def statistics(self) -> dict[str, int]:
        """Plain numbers since the start."""
        forwarder = self.forwarder
        return {
            "sessions": len(self._by_ufrag),
            "rooms": len(self._rooms),
            "paths": sum(len(udp.paths) for udp in self._sockets),
            "tcp_connections": len(self.tcp.connections),
            "tcp_refused": self.tcp.refused,
            "tcp_dropped": self.tcp.dropped,
            "receive_buffer_bytes": min((udp.receive_buffer_bytes for udp in self._sockets), default=0),
            "packets_in": forwarder.packets_in,
            "packets_out": forwarder.packets_out,
            "bytes_out": forwarder.bytes_out,
            "dropped_rtp": forwarder.dropped,
            **{f"dropped_{name}": count for name, count in self._drops.items()},
        }

    # The socket

    def ntp_s(self, now: float) -> float:
        return now + self._ntp_offset_s

    def send_on(self, path: Path | None, data: Any) -> None:
        if path is None or not self._sockets:
            return
        try:
            path.send(data, path.address)
        except OSError:  # a full buffer or an unreachable network: as good as lost on the way
            self.forwarder.dropped += 1

    def _readable(self, udp: UdpSocket) -> None:
        self._read(udp)
        if self._busy:
            udp.pause()
            self._loop.call_later(POLL_S, self._poll, udp)

    def _poll(self, udp: UdpSocket) -> None:
        if udp not in self._sockets:
            return
        if self._read(udp):
            self._loop.call_soon(self._poll, udp)
        elif self._busy:
            self._loop.call_later(POLL_S, self._poll, udp)
        else:
            udp.resume()

    def _read(self, udp: Any) -> bool:  # noqa: C901 - the fast path, inlined for speed
        """Handle what is there, up to ``BATCH`` datagrams; whether there may be more."""
        now = self.now()
        receive_into, view, paths = udp.sock.recvfrom_into, self.rx.view, udp.paths
        cdata, length = self.rx.cdata, self.rx.length
        receive = self.forwarder.receive
        for _ in range(BATCH):
            try:
                size, address = receive_into(view)
            except BlockingIOError:
                return False
            except OSError:
                continue
            if not 0 < size <= MAX_DATAGRAM_BYTES:
                self._drops["size"] += 1
                continue
            first = view[0]
            if 127 < first < 192:
                path = paths.get(address)
                if path is None:
                    self._drops["unknown"] += 1
                    continue
                session = path.session
                if session.packets_in >= session.packets_limit or session.bytes_in >= session.bytes_limit:
                    self._drops["rate"] += 1
                    continue
                if 191 < view[1] < 224:
                    self._receive_rtcp(path, size, now)
                    continue
                if len(session.seen_ssrcs) >= MAX_SSRCS and int.from_bytes(view[8:12], "big") not in session.ssrcs:
                    self._drops["rate"] += 1
                    continue
                context = session.srtp_in
                length[0] = size
                if context is None or srtp_unprotect(context, cdata, length) or length[0] < 12:
                    self._drops["srtp"] += 1
                    continue
                # Only what proved genuine counts, so that a spoofer cannot use up the peer's share.
                session.packets_in += 1
                session.bytes_in += size
                path.heard_at = now
                if session.path_lost:
                    session.heard(now)
                session.heard_at = now
                receive(session, bytes(view[: length[0]]), now)
            elif first < 4:
                self._receive_stun(udp, bytes(view[:size]), address, now)
            elif 19 < first < 64:
                path = paths.get(address)
                if path is None:
                    self._drops["unknown"] += 1
                else:
                    path.session.receive_dtls(bytes(view[:size]))
            else:
                self._drops["unknown"] += 1
        return True

    def _receive_rtcp(self, path: Path, size: int, now: float) -> None:
        session = path.session
        ssrc = int.from_bytes(self.rx.view[4:8], "big")
        if ssrc not in session.seen_ssrcs and len(session.seen_ssrcs) >= MAX_SSRCS:
            self._drops["rate"] += 1
            return
        plain = session.unprotect_rtcp(size)
        if plain < 8:
            self._drops["srtp"] += 1
            return
        session.seen_ssrcs.add(ssrc)
        session.packets_in += 1
        session.bytes_in += size
        path.heard_at = now
        session.heard(now)
        control.handle_rtcp(session, bytes(self.rx.view[:plain]), now, self.ntp_s(now))

    def _receive_stun(self, udp: UdpSocket, data: bytes, address: Any, now: float) -> None:
        request = stun.parse_binding_request(data)
        session = None if request is None else self._by_ufrag.get(request.local_ufrag)
        if request is None or session is None:
            self._drops["stun"] += 1
            return
        path = udp.paths.get(address)
        if path is None or path.session is not session:
            path = Path(session, udp.paths, address, udp.send, now)
        reply = session.ice.handle_check(data, request, path.key, address[0], address[1], now)
        if reply is None:
            self._drops["stun"] += 1
            return
        if reply.authenticated:
            udp.paths[address] = path
            session.packets_in += 1
            session.bytes_in += len(data)
            session.learn_path(path, reply.evicted, now)
        session.wire_down_other += len(reply.response) + rtp.IP_UDP_BYTES
        self.send_on(path, reply.response)

    def _tick(self) -> None:
        now = self.now()
        elapsed_s, self._ticked_at = now - self._ticked_at, now
        packets, self._packets_at_tick = self.forwarder.packets_in - self._packets_at_tick, self.forwarder.packets_in
        self._busy = packets > BUSY_PACKETS_PER_S * elapsed_s
        for session in list(self._by_ufrag.values()):
            session.tick(now)
        for adapter in list(self._adapters.values()):
            adapter.tick(now)
        self._busy &= bool(self._by_ufrag)
        self._timer = self._loop.call_later(TICK_S, self._tick) if self._by_ufrag else None

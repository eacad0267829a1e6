"""The RTP fast path. Written for speed, on purpose against the style of the other modules.

Called once per packet from the socket's read callback: no allocation beyond the packet itself, no call
that is not needed, header fields as integers, one buffer into which each receiver's copy is written,
encrypted in place and sent. Everything that is not per packet lives elsewhere.
"""

import struct
from collections.abc import Callable
from typing import Any, Protocol

from media import rtp, vp8
from media.downlink import Downlink
from media.uplink import HISTORY_PACKETS, MAX_JUMP, Uplink, payload_offset

_HEADER = struct.Struct("!BBHII")
_HEADER_AND_EXTENSION = struct.Struct("!BBHIIII")
_HISTORY_MASK = HISTORY_PACKETS - 1
_EXTENSION_PROFILE = 0xBEDE0001  # one-byte headers, one word
_ABS_SEND_TIME = ((rtp.EXT_ABS_SEND_TIME << 4) | 2) << 24
_AUDIO_LEVEL = (rtp.EXT_AUDIO_LEVEL << 4) << 24


class SealBuffer(Protocol):
    """The memory that libsrtp encrypts in place: ``view`` for us, ``cdata`` and ``length`` for it."""

    view: memoryview
    cdata: Any
    length: Any


class Forwarder:
    """``seal(context, cdata, length)`` is libsrtp's own function, 0 when it succeeded.

    ``ntp_offset_s`` turns the monotonic ``now`` into NTP seconds, for abs-send-time.
    """

    __slots__ = (
        "_buffer", "_layouts", "_seal", "bytes_out", "dropped", "ntp_offset_s", "packets_in", "packets_out",
    )  # fmt: skip

    def __init__(self, buffer: SealBuffer, seal: Callable[[Any, Any, Any], int], ntp_offset_s: float) -> None:
        self._buffer = buffer
        self._seal = seal
        self._layouts: dict[int, struct.Struct] = {}
        """By payload length: header, extension and payload written by one call."""
        self.ntp_offset_s = ntp_offset_s
        self.packets_in = self.packets_out = self.bytes_out = self.dropped = 0

    def receive(self, session: Any, packet: bytes, now: float) -> None:
        """One decrypted RTP packet of ``session``: account for it, then forward it to its receivers."""
        size = len(packet)
        b0, b1, seq, ts, ssrc = _HEADER.unpack_from(packet)
        self.packets_in += 1
        uplink: Uplink | None = session.ssrcs.get(ssrc) or session.bind_ssrc(ssrc, b1 & 0x7F)
        if uplink is None:
            self.dropped += 1
            return
        offset = 12 + ((b0 & 15) << 2)
        if b0 & 0x10:
            if offset + 4 > size:
                self.dropped += 1
                return
            end = offset + 4 + ((packet[offset + 2] << 8 | packet[offset + 3]) << 2)
            if packet[offset] == 0xBE and end <= size:
                transport_seq, level = rtp.find_extensions(packet, offset + 4, end)
                if transport_seq >= 0:
                    session.feedback.add(transport_seq, now)
                if level >= 0:
                    uplink.audio_level = level
            offset = end
        if offset >= size:
            self.dropped += offset > size
            return
        uplink.bytes += size
        if b1 & 0x7F == uplink.payload_type:
            in_order = self._account(session, uplink, packet, offset, seq, ts, now)
        elif b1 & 0x7F == rtp.PT_RTX and ssrc != uplink.ssrc:
            if b0 & 0x20 or size < offset + 3 or uplink.highest < 0:
                return  # padding: a bandwidth probe, its arrival has been recorded
            seq = packet[offset] << 8 | packet[offset + 1]
            b0, b1 = 0x80, (b1 & 0x80) | uplink.payload_type
            packet = _HEADER.pack(b0, b1, seq, ts, uplink.ssrc) + packet[offset + 2 :]
            offset = 12
            in_order = self._account_repair(uplink, packet, seq)
        else:
            self.dropped += 1
            return
        if in_order is not None and uplink.sinks:
            self._forward(uplink, b0, b1, seq, ts, packet[offset:], now, in_order)

    def _account(  # noqa: C901 - the fast path, inlined for speed
        self, session: Any, uplink: Uplink, packet: bytes, offset: int, seq: int, ts: int, now: float
    ) -> bool | None:
        """Statistics, gaps, history, waiting receivers. Whether in order; None when it is a repetition."""
        highest = uplink.highest
        delta = (seq - highest) & 0xFFFF
        in_order = True
        if highest < 0:
            uplink.start(seq)
        elif 0 < delta < MAX_JUMP:
            if delta > 1:
                self._gap(uplink, highest, delta, now)
            if seq < highest:
                uplink.cycles += 0x10000
            uplink.highest = seq
        elif MAX_JUMP <= delta < 0x10000 - MAX_JUMP:
            session.restart_uplink(uplink, seq, now)
        else:
            in_order = False
            if uplink.missing.remove(seq) < 0 and self._is_repeated(uplink, seq):
                return None
        if in_order:
            uplink.last_ts = ts
        uplink.received += 1
        uplink.packets += 1
        transit = now * uplink.clock_rate - ts
        difference = abs(transit - uplink.transit)
        if difference < 450_000:
            uplink.jitter += (difference - uplink.jitter) * 0.0625
        uplink.transit = transit
        uplink.last_at = now
        if not uplink.active:
            session.media_began(uplink, now)
        if uplink.history:
            uplink.history[seq & _HISTORY_MASK] = packet
            if uplink.missing and now >= uplink.next_nack_at:
                session.send_nack(uplink, now)
        if uplink.waiting and in_order:
            self._serve_waiting(session, uplink, packet, offset, seq, ts, now)
        return in_order

    def _account_repair(self, uplink: Uplink, packet: bytes, seq: int) -> bool | None:
        """The same for a packet that came again as RTX."""
        uplink.missing.remove(seq)
        if self._is_repeated(uplink, seq):
            return None
        uplink.retransmitted += 1
        uplink.packets += 1
        uplink.history[seq & _HISTORY_MASK] = packet
        return False

    @staticmethod
    def _gap(uplink: Uplink, highest: int, delta: int, now: float) -> None:
        """Ask for what is missing, if anybody receives the stream and it is worth asking."""
        if uplink.history and uplink.sinks and not uplink.missing.add_gap((highest + 1) & 0xFFFF, delta - 1, now):
            uplink.want_keyframe()

    @staticmethod
    def _serve_waiting(session: Any, uplink: Uplink, packet: bytes, offset: int, seq: int, ts: int, now: float) -> None:
        """Receivers begin with any audio packet, or with the first of a key frame."""
        payload = packet[offset:]
        if uplink.history:
            descriptor = vp8.parse_descriptor(payload)
            if descriptor is None or not descriptor.is_keyframe_start:
                return
        session.attach_waiting(uplink, seq, ts, payload, now)

    def _forward(
        self, uplink: Uplink, b0: int, b1: int, seq: int, ts: int, payload: bytes, now: float, in_order: bool
    ) -> None:
        """Write, encrypt and send one copy for each receiver."""
        size = len(payload)
        if uplink.history:
            word = _ABS_SEND_TIME | int((now + self.ntp_offset_s) * 262144) & 0xFFFFFF
        elif uplink.audio_level >= 0:
            word = _AUDIO_LEVEL | uplink.audio_level << 16
        else:
            word = -1
        b0 = b0 & 0x20 | (0x80 if word < 0 else 0x90)
        start = 12 if word < 0 else 20
        layout = self._layouts.get(size if word < 0 else -size)
        if layout is None:
            layout = self._new_layout(size, extended=word >= 0)
        buffer, seal = self._buffer, self._seal
        view, cdata, length = buffer.view, buffer.cdata, buffer.length
        end = start + size
        sealed = sent = 0
        out = view
        for sink in uplink.sinks:
            if not in_order and not sink.covers(seq):
                continue
            out_seq, out_ts = (seq + sink.seq_shift) & 0xFFFF, (ts + sink.ts_shift) & 0xFFFFFFFF
            if word < 0:
                layout.pack_into(view, 0, b0, b1, out_seq, out_ts, sink.ssrc, payload)
            else:
                layout.pack_into(view, 0, b0, b1, out_seq, out_ts, sink.ssrc, _EXTENSION_PROFILE, word, payload)
            if sink.picture_shift or sink.tl0_shift:
                _shift_pictures(view, start, payload, sink)
            length[0] = end
            session = sink.session
            if seal(session.srtp_out, cdata, length):
                self.dropped += 1
                continue
            if length[0] != sealed:
                sealed = length[0]
                out = view[:sealed]
            path = session.path
            try:
                path.send(out, path.address)
            except OSError:  # a full socket buffer or an unreachable network: as good as lost on the way
                self.dropped += 1
                continue
            sink.packets += 1
            sink.bytes += sealed
            sent += 1
        self.packets_out += sent
        self.bytes_out += sent * sealed

    def _new_layout(self, size: int, *, extended: bool) -> struct.Struct:
        layout = struct.Struct(f"!BBHIIII{size}s" if extended else f"!BBHII{size}s")
        self._layouts[-size if extended else size] = layout  # bounded: a datagram has at most 1500 bytes
        return layout

    @staticmethod
    def _is_repeated(uplink: Uplink, seq: int) -> bool:
        """Whether a late packet is known already, or too old to matter."""
        if not uplink.history:
            return False
        behind = (uplink.highest - seq) & 0xFFFF
        return behind >= HISTORY_PACKETS or uplink.stored(seq) is not None

    def repeat(self, sink: Downlink, packet: bytes, now: float) -> None:
        """Send a packet of the history again as RTX (RFC 4588)."""
        b0, b1, seq, ts, _ = _HEADER.unpack_from(packet)
        payload = packet[payload_offset(packet) :]
        tx = self._buffer.view
        word = _ABS_SEND_TIME | int((now + self.ntp_offset_s) * 262144) & 0xFFFFFF
        sink.rtx_seq = (sink.rtx_seq + 1) & 0xFFFF
        _HEADER_AND_EXTENSION.pack_into(
            tx, 0, 0x90 | b0 & 0x20, (b1 & 0x80) | rtp.PT_RTX, sink.rtx_seq, (ts + sink.ts_shift) & 0xFFFFFFFF,
            sink.rtx_ssrc, _EXTENSION_PROFILE, word,
        )  # fmt: skip
        out_seq = (seq + sink.seq_shift) & 0xFFFF
        tx[20] = out_seq >> 8
        tx[21] = out_seq & 0xFF
        length = 22 + len(payload)
        tx[22:length] = payload
        if sink.picture_shift or sink.tl0_shift:
            _shift_pictures(tx, 22, payload, sink)
        sealed = sink.session.protect(length)
        if sealed > 0:
            path = sink.session.path
            try:
                path.send(tx[:sealed], path.address)
            except OSError:
                self.dropped += 1
                return
            sink.bytes += sealed
            self.packets_out += 1
            self.bytes_out += sealed


def _shift_pictures(tx: memoryview, at: int, payload: bytes, sink: Downlink) -> None:
    descriptor = vp8.parse_descriptor(payload)
    if descriptor is not None:
        vp8.shift_ids(tx, at, descriptor, sink.picture_shift, sink.tl0_shift)

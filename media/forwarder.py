"""The RTP fast path. Written for speed, on purpose against the style of the other modules.

Called once per packet from the socket's read callback: no allocation beyond the packet itself, no call
that is not needed, header fields as integers, one buffer into which each receiver's copy is written,
encrypted in place and sent. Everything that is not per packet lives elsewhere.
"""

import math
import struct
from collections.abc import Callable
from typing import Any, Protocol

from media import rtp, vp8
from media.congestion.history import MASK as _SENT_MASK
from media.downlink import Downlink
from media.pacer import PACKET_OVERHEAD_BYTES, QueuedPacket
from media.padding import padding_sizes
from media.rtp import IP_UDP_BYTES as _IP_UDP_BYTES
from media.uplink import MAX_AUDIO_GAP, MAX_JUMP, Uplink, payload_offset

_HEADER = struct.Struct("!BBHII")
_HEADER_AND_EXTENSION = struct.Struct("!BBHIIII")
_EXTENSION_PROFILE = 0xBEDE0001  # one-byte headers, one word
_ABS_SEND_TIME = ((rtp.EXT_ABS_SEND_TIME << 4) | 2) << 24
_TRANSPORT_CC = ((rtp.EXT_TRANSPORT_CC << 4) | 1) << 24
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
        self._layouts: dict[int, tuple[struct.Struct, struct.Struct]] = {}
        """By payload length: header and payload, without and with extension, written by one call."""
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
            tries = uplink.missing.remove(seq)
            if tries < 0 and self._is_repeated(uplink, seq):
                return None
            if tries > 0:  # it was lost once: the publisher is to know, and to go on protecting its audio
                uplink.retransmitted += 1
                uplink.received -= 1
        if in_order:
            uplink.last_ts = ts
            transit = now * uplink.clock_rate - ts
            difference = abs(transit - uplink.transit)
            if difference < 450_000:
                uplink.jitter += (difference - uplink.jitter) * 0.0625
            uplink.transit = transit
        uplink.received += 1
        uplink.packets += 1
        uplink.last_at = now
        if not uplink.active:
            session.media_began(uplink, now)
        uplink.history[seq & uplink.history_mask] = packet
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
        uplink.history[seq & uplink.history_mask] = packet
        return False

    @staticmethod
    def _gap(uplink: Uplink, highest: int, delta: int, now: float) -> None:
        """Ask for what is missing, if anybody receives the stream and it is worth asking."""
        if not uplink.sinks:
            return
        first = (highest + 1) & 0xFFFF
        if uplink.is_video:
            if not uplink.missing.add_gap(first, delta - 1, now):
                uplink.want_keyframe()
        elif delta - 1 <= MAX_AUDIO_GAP and uplink.session.repairs_audio:
            uplink.missing.add_gap(first, delta - 1, now)

    @staticmethod
    def _serve_waiting(session: Any, uplink: Uplink, packet: bytes, offset: int, seq: int, ts: int, now: float) -> None:
        """Receivers begin with any audio packet, or with the first of a key frame."""
        payload = packet[offset:]
        if uplink.is_video:
            descriptor = vp8.parse_descriptor(payload)
            if descriptor is None or not descriptor.is_keyframe_start:
                return
        session.attach_waiting(uplink, seq, ts, payload, now)

    def _forward(
        self, uplink: Uplink, b0: int, b1: int, seq: int, ts: int, payload: bytes, now: float, in_order: bool
    ) -> None:
        """To all receivers, but for those whose video has to wait."""
        sinks = uplink.sinks
        if not in_order:
            sinks = [sink for sink in sinks if sink.covers(seq)]
        if uplink.is_video:
            size = len(payload) + PACKET_OVERHEAD_BYTES
            for sink in sinks:
                session = sink.session
                if now <= session.clear_until:
                    continue
                pacer = session.pacer
                if pacer.credit > 0 and now < pacer.open_until and not pacer.queue:  # Pacer.may_send, inline
                    pacer.credit -= size
                elif not session.admit(QueuedPacket(sink, b0, b1, seq, ts, payload, in_order, now), now):
                    sinks = [other for other in sinks if other is not sink]
        self.send(sinks, uplink, b0, b1, seq, ts, payload, now)

    def send(  # noqa: C901 - the fast path, inlined for speed
        self, sinks: list[Downlink], uplink: Uplink, b0: int, b1: int, seq: int, ts: int, payload: bytes, now: float
    ) -> None:
        """Write, encrypt and send one copy for each receiver."""
        size = len(payload)
        layouts = self._layouts.get(size) or self._new_layouts(size)
        plain, extended = layouts
        is_video = uplink.is_video
        unstamped = -1
        if not is_video and uplink.audio_level >= 0:
            unstamped = _AUDIO_LEVEL | uplink.audio_level << 16
        padding = b0 & 0x20
        descriptor: vp8.Vp8Descriptor | None = None
        buffer, seal = self._buffer, self._seal
        view, cdata, length = buffer.view, buffer.cdata, buffer.length
        sealed = sent = octets = 0
        out = view
        for sink in sinks:
            session = sink.session
            history = session.history
            word, stamped = unstamped, False
            if is_video:
                if history is None:
                    word = _ABS_SEND_TIME | int((now + self.ntp_offset_s) * 262144) & 0xFFFFFF
                elif now >= session.video_stamp_at:
                    session.video_stamp_at = now + session.stamp_interval_s
                    session.audio_stamp_at = now + session.audio_stamp_interval_s
                    stamped = True
            elif now >= session.audio_stamp_at:
                session.audio_stamp_at = now + session.audio_stamp_interval_s
                stamped = True
            if stamped:
                number = history.next_seq
                word = _TRANSPORT_CC | (number & 0xFFFF) << 8
            out_seq, out_ts = (seq + sink.seq_shift) & 0xFFFF, (ts + sink.ts_shift) & 0xFFFFFFFF
            if word < 0:
                plain.pack_into(view, 0, 0x80 | padding, b1, out_seq, out_ts, sink.ssrc, payload)
                start = 12
            else:
                extended.pack_into(
                    view, 0, 0x90 | padding, b1, out_seq, out_ts, sink.ssrc, _EXTENSION_PROFILE, word, payload
                )
                start = 20
            if sink.picture_shift or sink.tl0_shift:
                if descriptor is None:
                    descriptor = vp8.parse_descriptor(payload) or vp8.NO_IDS
                vp8.shift_ids(view, start, descriptor, sink.picture_shift, sink.tl0_shift)
            length[0] = start + size
            if seal(session.srtp_out, cdata, length):
                self.dropped += 1
                continue
            if length[0] != sealed:
                sealed = length[0]
                out = view[:sealed]
            if stamped:  # SendHistory.record, inline
                index = number & _SENT_MASK
                history.sent_at[index] = now
                history.sizes[index] = sealed + _IP_UDP_BYTES
                history.probe[index] = 0
                history.next_seq = number + 1
                if history.unacked_since == math.inf:
                    history.unacked_since = now
            path = session.path
            try:
                path.send(out, path.address)
            except OSError:  # a full socket buffer or an unreachable network: as good as lost on the way
                self.dropped += 1
                continue
            sink.packets += 1
            sink.bytes += sealed
            sent += 1
            octets += sealed
        self.packets_out += sent
        self.bytes_out += octets

    def _new_layouts(self, size: int) -> tuple[struct.Struct, struct.Struct]:
        layouts = struct.Struct(f"!BBHII{size}s"), struct.Struct(f"!BBHIIII{size}s")
        self._layouts[size] = layouts  # bounded: a datagram has at most 1500 bytes
        return layouts

    @staticmethod
    def _is_repeated(uplink: Uplink, seq: int) -> bool:
        """Whether a late packet is known already, or too old to matter."""
        behind = (uplink.highest - seq) & 0xFFFF
        return behind > uplink.history_mask or uplink.stored(seq) is not None

    def drain(self, session: Any, now: float) -> None:
        """Send what waits for ``session`` and may go now."""
        while (packet := session.pacer.next(now)) is not None:
            source = packet.sink.source
            self.send([packet.sink], source, packet.b0, packet.b1, packet.seq, packet.ts, packet.payload, now)

    def repeat(self, sink: Downlink, packet: bytes, now: float) -> None:
        """Send a packet of the history again: audio as it was, video as RTX (RFC 4588)."""
        b0, b1, seq, ts, _ = _HEADER.unpack_from(packet)
        payload = packet[payload_offset(packet) :]
        if sink.source is not None and not sink.source.is_video:
            self.send([sink], sink.source, b0, b1, seq, ts, payload, now)
            return
        tx = self._buffer.view
        out_seq = (seq + sink.seq_shift) & 0xFFFF
        tx[20] = out_seq >> 8
        tx[21] = out_seq & 0xFF
        length = 22 + len(payload)
        tx[22:length] = payload
        if sink.picture_shift or sink.tl0_shift:
            _shift_pictures(tx, 22, payload, sink)
        b1 = (b1 & 0x80) | rtp.PT_RTX
        self._send_rtx(sink, 0x90 | b0 & 0x20, b1, (ts + sink.ts_shift) & 0xFFFFFFFF, length, 0, now)

    def send_padding(self, session: Any, wire_bytes: int, now: float) -> int:
        """Packets of padding alone, of about ``wire_bytes`` together, on an RTX stream of ``session``.

        Returns the wire bytes sent: 0 when the peer has accepted no video to be repeated.
        """
        sink = next((sink for sink in session.sinks_by_ssrc.values() if sink.rtx_ssrc), None)
        if sink is None or session.path is None:
            return 0
        tx = self._buffer.view
        sent = 0
        for fill in padding_sizes(wire_bytes):
            tx[20 : 20 + fill] = bytes(fill - 1) + bytes([fill])
            timestamp = sink.newest_timestamp()
            sent += self._send_rtx(sink, 0xB0, rtp.PT_RTX, timestamp, 20 + fill, session.downlink_control.probe_id, now)
        session.padding_bytes += sent
        return sent

    def _send_rtx(self, sink: Downlink, b0: int, b1: int, timestamp: int, length: int, probe: int, now: float) -> int:
        """Head the packet that stands in the buffer from byte 20 on, encrypt and send it; its wire bytes."""
        session, tx = sink.session, self._buffer.view
        history = session.history
        if history is None:
            word = _ABS_SEND_TIME | int((now + self.ntp_offset_s) * 262144) & 0xFFFFFF
        else:
            word = _TRANSPORT_CC | (history.next_seq & 0xFFFF) << 8
        sink.rtx_seq = (sink.rtx_seq + 1) & 0xFFFF
        _HEADER_AND_EXTENSION.pack_into(tx, 0, b0, b1, sink.rtx_seq, timestamp, sink.rtx_ssrc, _EXTENSION_PROFILE, word)
        sealed: int = session.protect(length)
        if sealed <= 0:
            return 0
        if history is not None:
            history.record(now, sealed + _IP_UDP_BYTES, probe)
        session.wire_down_other += sealed + _IP_UDP_BYTES
        try:
            session.path.send(tx[:sealed], session.path.address)
        except OSError:
            self.dropped += 1
            return 0
        self.packets_out += 1
        self.bytes_out += sealed
        return sealed + _IP_UDP_BYTES


def _shift_pictures(tx: memoryview, at: int, payload: bytes, sink: Downlink) -> None:
    descriptor = vp8.parse_descriptor(payload)
    if descriptor is not None:
        vp8.shift_ids(tx, at, descriptor, sink.picture_shift, sink.tl0_shift)

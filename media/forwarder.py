"""The RTP fast path. Written for speed, on purpose against the style of the other modules.

Called once per packet from the socket's read callback: no allocation beyond the packet itself, no call
that is not needed, header fields as integers, one buffer into which each receiver's copy is written,
encrypted in place and sent. Everything that is not per packet lives elsewhere.
"""

import struct
from typing import Any

from media import rtp, vp8
from media.downlink import Downlink
from media.uplink import HISTORY_PACKETS, MAX_JUMP, Uplink, payload_offset

_HEADER = struct.Struct("!BBHII")
_HEADER_AND_EXTENSION = struct.Struct("!BBHIIII")
_HISTORY_MASK = HISTORY_PACKETS - 1
_EXTENSION_PROFILE = 0xBEDE0001  # one-byte headers, one word
_ABS_SEND_TIME = ((rtp.EXT_ABS_SEND_TIME << 4) | 2) << 24
_AUDIO_LEVEL = (rtp.EXT_AUDIO_LEVEL << 4) << 24


class Forwarder:
    """``tx`` is the buffer that every session's ``protect(length) -> length`` encrypts in place.

    ``ntp_offset_s`` turns the monotonic ``now`` into NTP seconds, for abs-send-time.
    """

    __slots__ = ("bytes_out", "dropped", "ntp_offset_s", "packets_in", "packets_out", "tx")

    def __init__(self, tx: memoryview, ntp_offset_s: float) -> None:
        self.tx = tx
        self.ntp_offset_s = ntp_offset_s
        self.packets_in = self.packets_out = self.bytes_out = self.dropped = 0

    def receive(self, session: Any, packet: bytes, now: float) -> None:  # noqa: C901 - one path, inlined for speed
        """One decrypted RTP packet of ``session``: account for it, then forward it to its receivers."""
        size = len(packet)
        b0, b1, seq, ts, ssrc = _HEADER.unpack_from(packet)
        self.packets_in += 1
        uplink: Uplink | None = session.ssrcs.get(ssrc)
        if uplink is None:
            uplink = session.bind_ssrc(ssrc, b1 & 0x7F)
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
        pt = b1 & 0x7F
        uplink.bytes += size
        repaired = False
        if pt == rtp.PT_RTX and ssrc != uplink.ssrc:
            if b0 & 0x20 or size < offset + 3 or uplink.highest < 0:
                return  # padding: a bandwidth probe, its arrival has been recorded
            seq = packet[offset] << 8 | packet[offset + 1]
            offset += 2
            if self._is_repeated(uplink, seq):
                return
            packet = _HEADER.pack(0x80, (b1 & 0x80) | uplink.payload_type, seq, ts, uplink.ssrc) + packet[offset:]
            b0, offset, size = 0x80, 12, len(packet)
            b1 = packet[1]
            repaired = True
            uplink.retransmitted += 1
        elif pt != uplink.payload_type:
            self.dropped += 1
            return

        # Reception statistics and gaps
        delta = (seq - uplink.highest) & 0xFFFF
        in_order = 0 < delta < MAX_JUMP or uplink.highest < 0
        if in_order:
            if uplink.highest < 0:
                uplink.start(seq)
                uplink.last_ts = ts
            else:
                if (
                    delta > 1
                    and uplink.history
                    and uplink.sinks
                    and not uplink.missing.add_gap((uplink.highest + 1) & 0xFFFF, delta - 1, now)
                ):
                    uplink.want_keyframe()
                if seq < uplink.highest:
                    uplink.cycles += 0x10000
                uplink.highest = seq
            uplink.last_ts = ts
        elif delta and delta < 0x10000 - MAX_JUMP:
            session.restart_uplink(uplink, seq, now)
            uplink.last_ts = ts
            in_order = True
        elif uplink.missing.remove(seq) < 0 and self._is_repeated(uplink, seq):
            return
        if not repaired:
            uplink.received += 1
            transit = now * uplink.clock_rate - ts
            if uplink.transit:
                difference = abs(transit - uplink.transit)
                if difference < 450_000:
                    uplink.jitter += (difference - uplink.jitter) * 0.0625
            uplink.transit = transit
        uplink.packets += 1
        uplink.last_at = now
        if not uplink.active:
            session.media_began(uplink, now)
        if uplink.history:
            uplink.history[seq & _HISTORY_MASK] = packet
            if uplink.missing and now >= uplink.next_nack_at:
                session.send_nack(uplink, now)
            if uplink.waiting and in_order:
                descriptor = vp8.parse_descriptor(packet[offset:])
                if descriptor is not None and descriptor.is_keyframe_start:
                    session.attach_waiting(uplink, seq, ts, packet[offset:], now)
        elif uplink.waiting:
            session.attach_waiting(uplink, seq, ts, b"", now)

        # Forwarding
        sinks = uplink.sinks
        if not sinks:
            return
        tx = self.tx
        b1_out = b1
        if uplink.history:
            start = 20
            word = _ABS_SEND_TIME | int((now + self.ntp_offset_s) * 262144) & 0xFFFFFF
        elif uplink.audio_level >= 0:
            start = 20
            word = _AUDIO_LEVEL | uplink.audio_level << 16
        else:
            start = 12
            word = 0
        b0_out = (0x90 if start == 20 else 0x80) | b0 & 0x20
        payload = packet[offset:]
        length = start + size - offset
        for sink in sinks:
            if not in_order and not sink.covers(seq):
                continue
            if start == 20:
                _HEADER_AND_EXTENSION.pack_into(
                    tx, 0, b0_out, b1_out, (seq + sink.seq_shift) & 0xFFFF, (ts + sink.ts_shift) & 0xFFFFFFFF,
                    sink.ssrc, _EXTENSION_PROFILE, word,
                )  # fmt: skip
            else:
                _HEADER.pack_into(
                    tx, 0, b0_out, b1_out, (seq + sink.seq_shift) & 0xFFFF, (ts + sink.ts_shift) & 0xFFFFFFFF, sink.ssrc
                )
            tx[start:length] = payload
            if sink.picture_shift or sink.tl0_shift:
                _shift_pictures(tx, start, payload, sink)
            receiver = sink.session
            sealed = receiver.protect(length)
            if sealed > 0:
                path = receiver.path
                try:
                    path.send(tx[:sealed], path.address)
                except OSError:  # a full socket buffer or an unreachable network: as good as lost on the way
                    self.dropped += 1
                    continue
                sink.packets += 1
                sink.since_attach += 1
                sink.bytes += sealed
                self.packets_out += 1
                self.bytes_out += sealed

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
        tx = self.tx
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

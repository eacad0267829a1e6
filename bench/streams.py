"""RTP streams of a load-test peer: what it sends (prebuilt) and how it judges what it receives."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench import sdp

AUDIO_INTERVAL_S = 0.02
AUDIO_CLOCK_HZ = 48000
AUDIO_PAYLOAD_BYTES = (80, 96, 110, 120, 88)  # Opus at 32 to 48 kbit/s
FRAME_INTERVAL_S = 1 / 15
VIDEO_CLOCK_HZ = 90000
VIDEO_PAYLOAD_BYTES = 1000
FRAME_PACKETS = (3, 3, 4)  # 50 packets/s at 15 frames/s
KEYFRAME_PACKETS = 8
HISTORY_PACKETS = 512  # about ten seconds of video for retransmission
MAX_JUMP = 3000  # a wider one is a new start, as in RFC 3550 appendix A.1

TIME_AT_END = struct.Struct("!d")  # send time, in the payload's last bytes, for delay samples
_FIXED_HEADER = struct.Struct("!BBHII")

Send = Callable[[bytes], None]


class HeaderTemplate:
    """The fixed header with the negotiated one-byte extensions (RFC 8285), rewritten in place per packet."""

    def __init__(self, ssrc: int, payload_type: int, extensions: dict[str, int], mid: str) -> None:
        self._payload_type = payload_type
        self._ssrc = ssrc
        block = bytearray()
        self._send_time_at = self._sequence_at = 0
        start = _FIXED_HEADER.size + 4
        for uri, number in extensions.items():
            value = {sdp.MID: mid.encode(), sdp.AUDIO_LEVEL: b"\xa0"}.get(uri, b"\0\0\0")
            if uri == sdp.TRANSPORT_CC:
                value = b"\0\0"
                self._sequence_at = start + len(block) + 1
            elif uri == sdp.ABS_SEND_TIME:
                self._send_time_at = start + len(block) + 1
            block += bytes([number << 4 | (len(value) - 1)]) + value
        block += bytes(-len(block) % 4)
        self._first_byte = 0x90 if block else 0x80
        head = struct.pack("!HH", 0xBEDE, len(block) // 4) + block if block else b""
        self._header = bytearray(_FIXED_HEADER.size) + head

    def packet(
        self, sequence: int, timestamp: int, marker: bool, transport_sequence: int, now: float, payload: bytes
    ) -> bytes:
        header = self._header
        marked = self._payload_type | (0x80 if marker else 0)
        _FIXED_HEADER.pack_into(header, 0, self._first_byte, marked, sequence, timestamp, self._ssrc)
        if self._send_time_at:
            at = self._send_time_at
            header[at : at + 3] = (int(now * (1 << 18)) & 0xFFFFFF).to_bytes(3, "big")
        if self._sequence_at:
            at = self._sequence_at
            header[at : at + 2] = (transport_sequence & 0xFFFF).to_bytes(2, "big")
        return bytes(header) + payload


class TransportSequence:
    """The transport-wide counter all streams of one peer share."""

    def __init__(self) -> None:
        self._next = 0

    def take(self) -> int:
        self._next = (self._next + 1) & 0xFFFF
        return self._next


@dataclass(frozen=True)
class SendParameters:
    """What negotiation decided for one sent stream; rtx_payload_type 0 means retransmit the packet as it was."""

    kind: str
    mid: str
    source: sdp.Source
    payload_type: int
    rtx_payload_type: int
    extensions: dict[str, int]


class OutgoingStream:
    """Audio every 20 ms or video frames at 15 a second; `scale` multiplies the rate for saturation runs."""

    def __init__(self, parameters: SendParameters, counter: TransportSequence, send: Send, drop_every: int) -> None:
        self.parameters = parameters
        self._counter = counter
        self._send = send
        self._drop_every = drop_every  # every n-th video packet is "lost" on the way up; 0 for none
        self._template = self._make_template(parameters.source.ssrc, parameters.payload_type)
        self._rtx_template = self._make_template(parameters.source.rtx_ssrc, parameters.rtx_payload_type)
        self._history: dict[int, tuple[int, bool, bytes]] = {}
        self._sequence = 1000
        self._rtx_sequence = 5000
        self.timestamp = 1
        self._frame = 0
        self._keyframe_wanted = True
        self.scale = 1.0
        self.packets = 0
        self.octets = 0
        self.dropped = 0
        self.retransmitted = 0
        self.keyframes = 0

    def _make_template(self, ssrc: int, payload_type: int) -> HeaderTemplate:
        return HeaderTemplate(ssrc, payload_type, self.parameters.extensions, self.parameters.mid)

    def request_keyframe(self) -> None:
        self._keyframe_wanted = True

    def handle_timer(self, due: float) -> float:
        if self.parameters.kind == "audio":
            self._send_audio()
            return due + AUDIO_INTERVAL_S / self.scale
        self._send_frame()
        return due + FRAME_INTERVAL_S / self.scale

    def _send_audio(self) -> None:
        size = AUDIO_PAYLOAD_BYTES[self.packets % len(AUDIO_PAYLOAD_BYTES)]
        now = time.monotonic()
        self._send_packet(now, b"\x78" + bytes(size - 9) + TIME_AT_END.pack(now), marker=False)
        self.timestamp = (self.timestamp + 960) & 0xFFFFFFFF

    def _send_frame(self) -> None:
        """One VP8 frame (RFC 7741): descriptor with a 15-bit picture id, S set on the first packet."""
        keyframe, self._keyframe_wanted = self._keyframe_wanted, False
        self.keyframes += keyframe
        packets = KEYFRAME_PACKETS if keyframe else FRAME_PACKETS[self._frame % 3]
        picture = 0x8000 | (self._frame & 0x7FFF)
        head = b"\x50\x02\x00\x9d\x01\x2a\x80\x02\x68\x01" if keyframe else b"\x51\x02\x00"
        now = time.monotonic()
        end = TIME_AT_END.pack(now)
        for index in range(packets):
            start = struct.pack("!BBH", 0x90 if index == 0 else 0x80, 0x80, picture) + (head if index == 0 else b"")
            payload = start + bytes(VIDEO_PAYLOAD_BYTES - len(start) - len(end)) + end
            self._send_packet(now, payload, marker=index == packets - 1)
        self._frame += 1
        self.timestamp = (self.timestamp + 6000) & 0xFFFFFFFF

    def _send_packet(self, now: float, payload: bytes, marker: bool) -> None:
        sequence = self._sequence
        self._sequence = (sequence + 1) & 0xFFFF
        self.packets += 1
        self.octets += len(payload)
        packet = self._template.packet(sequence, self.timestamp, marker, self._counter.take(), now, payload)
        if self.parameters.kind == "video":
            self._history[sequence] = (self.timestamp, marker, payload)
            self._history.pop((sequence - HISTORY_PACKETS) & 0xFFFF, None)
            if self._drop_every and self.packets % self._drop_every == 0:
                self.dropped += 1
                return
        self._send(packet)

    def retransmit(self, sequences: list[int]) -> None:
        """Answer a NACK, as RFC 4588 where it was negotiated."""
        for sequence in sequences:
            kept = self._history.get(sequence)
            if kept is None:
                continue
            timestamp, marker, payload = kept
            now, counter = time.monotonic(), self._counter.take()
            if self.parameters.rtx_payload_type:
                body = sequence.to_bytes(2, "big") + payload
                packet = self._rtx_template.packet(self._rtx_sequence, timestamp, marker, counter, now, body)
                self._rtx_sequence = (self._rtx_sequence + 1) & 0xFFFF
            else:
                packet = self._template.packet(sequence, timestamp, marker, counter, now, payload)
            self._send(packet)
            self.retransmitted += 1


class IncomingStream:
    """Continuity of one received SSRC: what came, what is missing, what came twice."""

    def __init__(self, ssrc: int, kind: str, before_first: int) -> None:
        self.ssrc = ssrc
        self.kind = kind
        self.highest = before_first  # the number before the first packet's
        self.cycles = 0
        self.received = 0
        self.duplicates = 0
        self.restarts = 0
        self.missing: set[int] = set()

    def note(self, sequence: int) -> list[int]:
        """Account for a packet that is not simply the next one; returns newly missing sequence numbers."""
        ahead = (sequence - self.highest) & 0xFFFF
        if MAX_JUMP < ahead < 0x10000 - MAX_JUMP:
            self.highest = sequence
            self.received += 1
            self.restarts += 1
            return []
        if 0 < ahead <= MAX_JUMP:
            if sequence < self.highest:
                self.cycles += 1
            gap = [(self.highest + step) & 0xFFFF for step in range(1, ahead)]
            self.highest = sequence
            self.received += 1
            self.missing.update(gap)
            return gap
        if sequence in self.missing:
            self.missing.discard(sequence)
            self.received += 1
        else:
            self.duplicates += 1
        return []

    @property
    def extended_highest(self) -> int:
        return (self.cycles << 16) | self.highest

    @property
    def lost(self) -> int:
        return len(self.missing)

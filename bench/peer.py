"""A WebRTC peer that sends prebuilt media, counts what is forwarded to it and answers with RTCP."""

from __future__ import annotations

import contextlib
import random
import time
from collections import Counter

from aiortc import rtp
from pylibsrtp import Error, Session

from bench import sdp
from bench.dtls import Identity
from bench.pump import Pump, Timer
from bench.streams import (
    TIME_AT_END,
    IncomingStream,
    OutgoingStream,
    SendParameters,
    TransportSequence,
)
from bench.transport import Transport
from media.rtcp import transport_feedback
from media.transport_cc import FeedbackRecorder

RTCP_INTERVAL_S = 1.0
FEEDBACK_INTERVAL_S = 0.05  # of transport feedback, if packets were numbered: what Chromium does on a good line
KEYFRAME_REQUEST_REPORTS = 5  # a PLI every so many reports
REMB_BPS = 3_000_000
AUTHENTICATE_EVERY = 16  # this share of received packets is decrypted and checked
REPORT_BLOCKS_MAX = 31


class Peer:
    """One transport. `send` before `connect`; received streams are learnt from the descriptions."""

    def __init__(self, pump: Pump, identity: Identity, host: str, drop_every: int) -> None:
        self._pump = pump
        self._drop_every = drop_every  # every n-th video packet is "lost", on the way up and on the way down
        self.transport = Transport(identity, host, self._on_ready)
        self._drop_phase = drop_every // 2  # not the packets that were already dropped on the way up
        self._receive = self.transport.socket.recv
        self._outbound: Session | None = None
        self._inbound: Session | None = None
        self._counter = TransportSequence()
        self._random = random.Random(self.transport.local.address[1])
        self.outgoing: list[OutgoingStream] = []
        self.incoming: dict[bytes, IncomingStream] = {}
        self._kinds: dict[int, str] = {}  # payload type -> audio, video, rtx
        self._rtx_of: dict[int, int] = {}
        self._timers: set[Timer] = set()
        self._reports = 0
        self._last_report: dict[int, tuple[int, float]] = {}  # SSRC -> middle bits of its SR's NTP time, when
        self._transport_cc_head = -1  # first byte of the extension that the server's offer told; -1: none
        self._send_time_head = -1  # of the one that may come before it
        self._arrivals = FeedbackRecorder()
        self.forwarded = 0  # media packets received, retransmissions not counted
        self.forwarded_octets = 0
        self.events: Counter[str] = Counter()
        self.delays_s: list[float] = []
        pump.add_reader(self.transport.socket.fileno(), self._on_readable)
        self._add_timer(time.monotonic(), self.transport.handle_timer)

    def close(self) -> None:
        self._pump.remove_timers(self._timers)
        self._pump.remove_reader(self.transport.socket.fileno())
        self.transport.close()

    @property
    def ready(self) -> bool:
        return self.transport.ready

    def learn(self, remote: sdp.Description) -> None:
        """Note the payload types and RTX pairs of the m-lines on which the server sends."""
        for section in remote.sections:
            if section.direction not in ("sendonly", "sendrecv"):
                continue
            media, retransmission = sdp.chosen_codecs(section)
            if media is not None:
                self._kinds[media] = section.kind
            if retransmission is not None:
                self._kinds[retransmission] = "rtx"
            self._rtx_of.update(section.rtx_of)
            if sdp.ABS_SEND_TIME in section.extensions:
                self._send_time_head = section.extensions[sdp.ABS_SEND_TIME] << 4 | 2
            number = section.extensions.get(sdp.TRANSPORT_CC)
            answers = any("transport-cc" in kinds for kinds in section.feedback.values())
            if number is not None and answers:
                self._transport_cc_head = number << 4 | 1

    def connect(self, remote: sdp.Description) -> None:
        self.learn(remote)
        self.transport.connect(remote)

    def send(self, parameters: SendParameters) -> None:
        """Start a stream as soon as the transport is up."""
        stream = OutgoingStream(parameters, self._counter, self._send_rtp, self._drop_every)
        self.outgoing.append(stream)
        if self.ready:
            self._start(stream)

    def _on_ready(self, outbound: Session, inbound: Session) -> None:
        self._outbound, self._inbound = outbound, inbound
        for stream in self.outgoing:
            self._start(stream)
        self._add_timer(time.monotonic() + self._random.random() * RTCP_INTERVAL_S, self._report)
        self._add_timer(time.monotonic() + self._random.random() * FEEDBACK_INTERVAL_S, self._acknowledge)

    def _start(self, stream: OutgoingStream) -> None:
        self._add_timer(time.monotonic() + self._random.random() * 0.1, stream.handle_timer)

    def _add_timer(self, due: float, timer: Timer) -> None:
        self._timers.add(timer)
        self._pump.add_timer(due, timer)

    def _send_rtp(self, packet: bytes) -> None:
        assert self._outbound is not None
        try:
            self.transport.socket.send(self._outbound.protect(packet))
        except BlockingIOError:
            self.events["send_buffer_full"] += 1
        except ConnectionRefusedError:
            self.events["refused"] += 1

    # The fast path: called once per received datagram, tens of thousands of times a second.
    def _on_readable(self) -> None:
        try:
            data = self._receive(2048)
        except (BlockingIOError, ConnectionRefusedError):
            return
        if len(data) < 12 or data[0] & 0xC0 != 0x80:
            self.transport.handle(data)
            return
        if 192 <= data[1] <= 223:
            self._on_rtcp(data)
            return
        stream = self.incoming.get(data[8:12])
        if stream is None:
            stream = self._new_stream(data)
        sequence = data[2] << 8 | data[3]
        expected = sequence == (stream.highest + 1) & 0xFFFF
        if expected and self._drop_every and sequence % self._drop_every == self._drop_phase and stream.kind == "video":
            self.forwarded += 1
            self.events["dropped"] += 1
            return  # taken as lost on the line: the next packet reveals it and asks again
        if data[0] & 0x10:
            at = 20 if data[16] == self._send_time_head else 16
            if data[at] == self._transport_cc_head:
                self._arrivals.add(data[at + 1] << 8 | data[at + 2], time.monotonic())
        if stream.kind == "rtx":
            self._on_retransmission(data)
            return
        if expected:
            stream.highest = sequence
            stream.cycles += sequence == 0
            stream.received += 1
        else:
            self._on_gap(stream, sequence)
        self.forwarded += 1
        self.forwarded_octets += len(data)
        if not self.forwarded % AUTHENTICATE_EVERY:
            self._authenticate(data)

    def _new_stream(self, data: bytes) -> IncomingStream:
        ssrc = int.from_bytes(data[8:12], "big")
        kind = self._kinds.get(data[1] & 0x7F, "unknown")
        stream = IncomingStream(ssrc, kind, (data[2] << 8 | data[3]) - 1 & 0xFFFF)
        self.incoming[data[8:12]] = stream
        if kind == "video":
            self._request_keyframe(stream)
        return stream

    def _on_gap(self, stream: IncomingStream, sequence: int) -> None:
        missing = stream.note(sequence)
        if missing and stream.kind == "video":
            self.events["nacks_sent"] += 1
            nack = rtp.RtcpRtpfbPacket(fmt=1, ssrc=1, media_ssrc=stream.ssrc, lost=missing)
            self._send_rtcp(self._receiver_report([stream]), nack)

    def _on_retransmission(self, data: bytes) -> None:
        """RFC 4588: the original sequence number leads the payload. Padding-only packets are probes."""
        assert self._inbound is not None
        try:
            packet = rtp.RtpPacket.parse(self._inbound.unprotect(data))
        except (Error, ValueError):
            self.events["not_authentic"] += 1
            return
        if len(packet.payload) < 2:
            self.events["padding"] += 1
            return
        self.events["retransmissions"] += 1
        repaired = self._rtx_of.get(packet.ssrc, 0).to_bytes(4, "big")
        stream = self.incoming.get(repaired)
        sequence = int.from_bytes(packet.payload[:2], "big")
        if stream is not None and sequence in stream.missing:
            stream.note(sequence)
            self.events["repaired"] += 1

    def _authenticate(self, data: bytes) -> None:
        assert self._inbound is not None
        try:
            plain = self._inbound.unprotect(data)
        except Error:
            self.events["not_authentic"] += 1
            return
        self.events["authentic"] += 1
        self.delays_s.append(time.monotonic() - TIME_AT_END.unpack(plain[-TIME_AT_END.size :])[0])

    def _on_rtcp(self, data: bytes) -> None:
        if self._inbound is None:
            return
        try:
            packets = _read_rtcp(self._inbound.unprotect_rtcp(data))
        except (Error, ValueError):
            self.events["rtcp_unreadable"] += 1
            return
        for packet in packets:
            if isinstance(packet, rtp.RtcpSrPacket):
                self.events["sender_reports"] += 1
                middle = (packet.sender_info.ntp_timestamp >> 16) & 0xFFFFFFFF
                self._last_report[packet.ssrc] = (middle, time.monotonic())
            elif isinstance(packet, rtp.RtcpRrPacket):
                self.events["receiver_reports"] += 1
            elif isinstance(packet, rtp.RtcpRtpfbPacket):
                self._on_transport_feedback(packet)
            elif isinstance(packet, rtp.RtcpPsfbPacket):
                self._on_payload_feedback(packet)

    def _on_transport_feedback(self, packet: rtp.RtcpRtpfbPacket) -> None:
        if packet.fmt != 1:
            self.events["transport_cc"] += 1
            return
        self.events["nacks"] += 1
        for stream in self.outgoing:
            if stream.parameters.source.ssrc == packet.media_ssrc:
                stream.retransmit(packet.lost)

    def _on_payload_feedback(self, packet: rtp.RtcpPsfbPacket) -> None:
        if packet.fmt == 15:
            self.events["remb"] += 1
            return
        self.events["keyframe_requests"] += 1
        for stream in self.outgoing:
            if stream.parameters.kind == "video":
                stream.request_keyframe()

    def _report(self, due: float) -> float:
        """Sender and receiver reports, REMB, and now and then a keyframe request, as a browser sends them."""
        now = time.monotonic()
        received = [stream for stream in self.incoming.values() if stream.kind in ("audio", "video")]
        reports: list[rtp.AnyRtcpPacket] = [self._sender_report(stream, now) for stream in self.outgoing]
        if received:
            reports.append(self._receiver_report(received))
        videos = [stream for stream in received if stream.kind == "video"]
        if videos:
            fci = rtp.pack_remb_fci(REMB_BPS, [stream.ssrc for stream in videos])
            reports.append(rtp.RtcpPsfbPacket(fmt=15, ssrc=1, media_ssrc=0, fci=fci))
        if reports:
            self._send_rtcp(*reports)
        self._reports += 1
        if videos and self._reports % KEYFRAME_REQUEST_REPORTS == 0:
            self._request_keyframe(self._random.choice(videos))
        return due + RTCP_INTERVAL_S

    def _acknowledge(self, due: float) -> float:
        """Tell when numbered packets arrived, as a browser does where the offer asked for it."""
        fci = self._arrivals.drain(due)
        if fci is not None and self._outbound is not None:
            self.events["transport_cc_sent"] += 1
            data = transport_feedback(1, next(iter(self.incoming.values())).ssrc, fci)
            with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
                self.transport.socket.send(self._outbound.protect_rtcp(data))
        return due + FEEDBACK_INTERVAL_S

    def _sender_report(self, stream: OutgoingStream, now: float) -> rtp.RtcpSrPacket:
        info = rtp.RtcpSenderInfo(
            ntp_timestamp=int(now * (1 << 32)) & 0xFFFFFFFFFFFFFFFF,
            rtp_timestamp=stream.timestamp,
            packet_count=stream.packets & 0xFFFFFFFF,
            octet_count=stream.octets & 0xFFFFFFFF,
        )
        return rtp.RtcpSrPacket(ssrc=stream.parameters.source.ssrc, sender_info=info)

    def _receiver_report(self, streams: list[IncomingStream]) -> rtp.RtcpRrPacket:
        now = time.monotonic()
        blocks = [self._report_block(stream, now) for stream in streams[:REPORT_BLOCKS_MAX]]
        return rtp.RtcpRrPacket(ssrc=1, reports=blocks)

    def _report_block(self, stream: IncomingStream, now: float) -> rtp.RtcpReceiverInfo:
        middle, heard = self._last_report.get(stream.ssrc, (0, now))
        return rtp.RtcpReceiverInfo(
            ssrc=stream.ssrc,
            fraction_lost=0,
            packets_lost=stream.lost,
            highest_sequence=stream.extended_highest & 0xFFFFFFFF,
            jitter=10,
            lsr=middle,
            dlsr=int((now - heard) * 65536) if middle else 0,
        )

    def _request_keyframe(self, stream: IncomingStream) -> None:
        self.events["keyframe_requests_sent"] += 1
        request = rtp.RtcpPsfbPacket(fmt=1, ssrc=1, media_ssrc=stream.ssrc)
        self._send_rtcp(self._receiver_report([stream]), request)

    def _send_rtcp(self, *packets: rtp.AnyRtcpPacket) -> None:
        if self._outbound is None:
            return
        try:
            self.transport.socket.send(self._outbound.protect_rtcp(b"".join(map(bytes, packets))))
        except (BlockingIOError, ConnectionRefusedError):
            self.events["send_buffer_full"] += 1


def _read_rtcp(compound: bytes) -> list[rtp.AnyRtcpPacket]:
    """The packets of a compound but for SDES, whose chunks aiortc reads without their RFC 3550 padding."""
    packets: list[rtp.AnyRtcpPacket] = []
    at = 0
    while at + 4 <= len(compound):
        end = at + 4 + 4 * int.from_bytes(compound[at + 2 : at + 4], "big")
        if compound[at + 1] != rtp.RTCP_SDES:
            packets += rtp.RtcpPacket.parse(compound[at:end])
        at = end
    return packets

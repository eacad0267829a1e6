"""Sessions without sockets, for the pure parts of the media plane."""

from dataclasses import dataclass, field
from typing import Any

from media import room, rtp
from media.congestion.downlink import DownlinkControl
from media.control import FEEDBACK_INTERVAL_S, RoundTrip
from media.downlink import Downlink
from media.forwarder import Forwarder
from media.receiving import Receiving
from media.transport_cc import FeedbackRecorder
from media.uplink import Uplink


@dataclass
class FakePath:
    """Keeps what was sent."""

    address: str = "peer"
    sent: list[bytes] = field(default_factory=list)
    fails: bool = False

    def send(self, data: Any, _address: Any) -> None:
        if self.fails:
            raise OSError("unreachable")
        self.sent.append(bytes(data))


class FakeBuffer:
    """What libsrtp would encrypt in place."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(2048))
        self.cdata = None
        self.length = [0]


class FakeSession(Receiving):
    """A media session whose encryption is the identity."""

    def __init__(self, members: room.Room, participant_id: str, *, stamped: bool = True) -> None:
        self.id = f"med_{participant_id}"
        self.participant_id = participant_id
        self.connected = True
        self.members = members
        self.uplinks = {kind: Uplink(self, kind) for kind in rtp.KINDS}
        self.ssrcs: dict[int, Uplink] = {}
        self.feedback = FeedbackRecorder()
        self.feedback_ssrc = 1
        self.round_trip = RoundTrip()
        self.ntp_offset_s: float | None = None
        self.path = FakePath()
        self.srtp_out = None
        self.keyframe_requests_sent = 0
        self.answers_keyframe_requests = False
        self.downlinks: dict[tuple[str, str], Downlink] = {}
        self.sinks_by_ssrc: dict[int, Downlink] = {}
        self.nacks: list[list[int]] = []
        self.repeats: list[tuple[int, ...]] = []
        self.max_video_bitrate_bps = 500_000
        self.reports_sent = 10
        self.feedback_interval_s = FEEDBACK_INTERVAL_S
        self.repairs_audio = True
        self.wakes = 0
        self.start_receiving(DownlinkControl(), 0.0, stamped=stamped)
        members.add(self)

    def wake(self) -> None:
        self.wakes += 1

    def protect(self, length: int) -> int:
        return length

    def send_from(self, kind: str, ssrc: int, rtx_ssrc: int = 0) -> Uplink:
        uplink = self.uplinks[kind]
        uplink.ssrc, uplink.rtx_ssrc = ssrc, rtx_ssrc
        self.ssrcs[ssrc] = uplink
        if rtx_ssrc:
            self.ssrcs[rtx_ssrc] = uplink
        return uplink

    def receive_from(self, publisher: str, kind: str, ssrc: int, rtx_ssrc: int = 0) -> Downlink:
        sink = Downlink(self, publisher, kind, ssrc, rtx_ssrc)
        self.downlinks[publisher, kind] = sink
        self.sinks_by_ssrc[ssrc] = sink
        return sink

    def downlink(self, publisher: str, kind: str) -> Downlink | None:
        return self.downlinks.get((publisher, kind))

    def bind_ssrc(self, _ssrc: int, _payload_type: int) -> Uplink | None:
        return None

    def media_began(self, uplink: Uplink, now: float) -> None:
        uplink.active = True
        self.members.reconcile(now)

    def attach_waiting(self, uplink: Uplink, seq: int, ts: int, payload: bytes, now: float) -> None:
        room.attach_waiting(uplink, seq, ts, payload, now)

    def restart_uplink(self, uplink: Uplink, seq: int, now: float) -> None:
        room.restart(uplink, seq, now)

    def request_keyframe(self, now: float) -> None:
        video = self.uplinks[rtp.VIDEO]
        if self.answers_keyframe_requests:
            self.keyframe_requests_sent += video.take_keyframe_request(now, 0.5, self.round_trip.rtt_s)

    def send_nack(self, uplink: Uplink, now: float) -> None:
        seqs = uplink.missing.due(now, self.round_trip.rtt_s)
        if seqs:
            self.nacks.append(seqs)

    def repeat_packets(self, _sink: Downlink, seqs: tuple[int, ...], _now: float) -> None:
        self.repeats.append(seqs)


def new_forwarder() -> Forwarder:
    return Forwarder(FakeBuffer(), lambda _context, _cdata, _length: 0, 1000.0)


def rtp_packet(
    payload_type: int, seq: int, ts: int, ssrc: int, payload: bytes, *, marker: bool = False, extensions: bytes = b""
) -> bytes:
    first = 0x90 if extensions else 0x80
    head = bytes([first, marker << 7 | payload_type]) + (seq & 0xFFFF).to_bytes(2, "big")
    head += (ts & 0xFFFFFFFF).to_bytes(4, "big") + ssrc.to_bytes(4, "big")
    if extensions:
        extensions += bytes(-len(extensions) % 4)
        head += b"\xbe\xde" + (len(extensions) // 4).to_bytes(2, "big") + extensions
    return head + payload


def vp8_payload(picture_id: int, *, key: bool = False, body: bytes = b"frame") -> bytes:
    head = bytes([0x90, 0xE0, 0x80 | (picture_id >> 8 & 0x7F), picture_id & 0xFF, picture_id & 0xFF, 0x20])
    return head + bytes([0 if key else 1]) + body

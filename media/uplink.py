"""One kind of media coming from one session: reception statistics, repair, key frame requests, history.

Fields are plain attributes, read and written by the RTP fast path in ``forwarder.py``.
"""

from typing import TYPE_CHECKING, Any

from media import opus, rtp, vp8
from media.congestion.uplink import UplinkSample
from media.nack import MissingPackets
from media.rtcp import ReportBlock, SenderReport

if TYPE_CHECKING:
    from media.downlink import Downlink

HISTORY_PACKETS = 512
"""Packets kept for retransmission, a power of two: eight seconds of 500 kbit/s video."""
AUDIO_HISTORY_PACKETS = 64
"""The same for audio: four seconds at 60 ms; what is older no jitter buffer waits for."""
AUDIO_TRIES = 2
"""How often lost audio is asked for: after a third try its time is over."""
MAX_AUDIO_GAP = 8
"""Longer gaps of audio are an outage: asking for them would only delay what comes next."""
MAX_JUMP = 3_000
"""A larger jump of sequence numbers is a new start of the source (RFC 3550 appendix A.1)."""
DEFAULT_RTT_S = 0.2


class Uplink:
    """Times are seconds of the server's monotonic clock."""

    __slots__ = (
        "_expected_prior", "_first_seq", "_keyframe_at", "_keyframe_wanted", "_lost_before", "_received_prior",
        "_sampled_transit", "_sr", "_sr_at", "active", "audio_level", "bytes", "clock_rate", "cycles",
        "fraction_lost", "highest", "history", "history_mask", "is_video", "jitter", "keyframe_requests", "kind",
        "last_at", "last_ts", "missing", "next_nack_at", "packets", "payload_type", "received", "retransmitted",
        "rtx_ssrc", "session", "sinks", "ssrc", "transit", "waiting",
    )  # fmt: skip

    def __init__(self, session: Any, kind: str) -> None:
        self.session = session
        self.kind = kind
        self.clock_rate = rtp.CLOCK_RATE_HZ[kind]
        self.payload_type = rtp.PT_OPUS if kind == rtp.AUDIO else rtp.PT_VP8
        self.ssrc = 0
        self.rtx_ssrc = 0
        self.sinks: list[Downlink] = []
        self.waiting: list[Downlink] = []
        """Video receivers that get nothing until the next key frame."""
        self.is_video = kind == rtp.VIDEO
        packets = HISTORY_PACKETS if self.is_video else AUDIO_HISTORY_PACKETS
        self.history: list[bytes | None] = [None] * packets
        self.history_mask = packets - 1
        self.missing = MissingPackets() if self.is_video else MissingPackets(AUDIO_TRIES, reorder_s=0.0)
        self._lost_before = 0
        self._sampled_transit: float | None = None
        self.packets = self.bytes = self.retransmitted = self.keyframe_requests = 0
        self.active = False
        self.fraction_lost = 0
        self.audio_level = -1
        self.last_at = 0.0
        self._keyframe_at = -1e9
        self._keyframe_wanted = False
        self._sr: SenderReport | None = None
        self._sr_at = 0.0
        self.highest = -1
        self.start(0)
        self.highest = -1

    def start(self, seq: int) -> None:
        """Begin counting anew at ``seq``: the first packet, or a source that restarted."""
        self._lost_before = self.lost
        self._first_seq = self.highest = seq
        self.cycles = 0
        self.received = 0
        self._expected_prior = self._received_prior = 0
        self.jitter = self.transit = 0.0
        self.last_ts = 0
        self.next_nack_at = 0.0
        self.missing.clear()
        self.history = [None] * len(self.history)

    @property
    def lost(self) -> int:
        """Packets that did not come, or only when asked for, since the session began."""
        if self.highest < 0:
            return self._lost_before
        return self._lost_before + self.cycles + self.highest - self._first_seq + 1 - self.received

    def sample(self) -> UplinkSample | None:
        """Totals for the observer of this line; None before any packet."""
        if self.highest < 0:
            return None
        transit, before = self.transit, self._sampled_transit
        if before is not None:  # RTP timestamps wrap round
            transit += round((before - transit) / (rtp.TS_MASK + 1)) * (rtp.TS_MASK + 1)
        self._sampled_transit = transit
        transit_s = transit / self.clock_rate
        if self.kind == rtp.AUDIO and (packet := self.stored(self.highest)) is not None:
            # Counted from the end of the packet's sound: otherwise longer packets would look like a queue.
            transit_s -= opus.duration_s(packet[payload_offset(packet) :])
        return UplinkSample(self.packets, self.bytes, self.lost, transit_s, self.last_at)

    def stored(self, seq: int) -> bytes | None:
        """The packet with that number, if it is still in the history."""
        packet = self.history[seq & self.history_mask]
        if packet is None or (packet[2] << 8 | packet[3]) != seq:
            return None
        return packet

    # Key frames

    def want_keyframe(self) -> None:
        self._keyframe_wanted = True

    @property
    def wants_attention(self) -> bool:
        """Whether ``take_keyframe_request`` could say yes."""
        return self._keyframe_wanted or bool(self.waiting)

    def take_keyframe_request(self, now: float, interval_s: float, rtt_s: float) -> bool:
        """Whether to send a PLI now: somebody wants a key frame and the last request has had its time."""
        if self.waiting and now - self._keyframe_at > max(2 * interval_s, 1.5 * rtt_s):
            self._keyframe_wanted = True
        if not self._keyframe_wanted or not self.ssrc or now - self._keyframe_at < interval_s:
            return False
        self._keyframe_wanted = False
        self._keyframe_at = now
        self.keyframe_requests += 1
        return True

    # Reports

    def note_sender_report(self, report: SenderReport, now: float) -> None:
        self._sr, self._sr_at = report, now

    def timestamp_at(self, ntp_s: float, ntp_offset_s: float) -> int | None:
        """The RTP timestamp captured at server NTP time ``ntp_s``; None before the first sender report.

        ``ntp_offset_s`` is server time minus the publisher's, one number for both its kinds, so that
        audio and video stay aligned as the publisher aligned them.
        """
        if self._sr is None:
            return None
        captured_s = self._sr.ntp / 2**32 + ntp_offset_s
        return (self._sr.rtp_timestamp + round((ntp_s - captured_s) * self.clock_rate)) & rtp.TS_MASK

    def report_block(self, now: float) -> ReportBlock | None:
        """Reception since the last report (RFC 3550 appendix A.3); None before any packet."""
        if self.highest < 0:
            return None
        extended = self.cycles + self.highest
        expected = extended - self._first_seq + 1
        expected_interval = expected - self._expected_prior
        lost_interval = expected_interval - (self.received - self._received_prior)
        self._expected_prior, self._received_prior = expected, self.received
        fraction = 0
        if expected_interval > 0 and lost_interval > 0:
            fraction = min(255, (lost_interval << 8) // expected_interval)
        self.fraction_lost = fraction
        lsr = dlsr = 0
        if self._sr is not None:
            lsr = (self._sr.ntp >> 16) & 0xFFFFFFFF
            dlsr = min(0xFFFFFFFF, int((now - self._sr_at) * 65536))
        return ReportBlock(
            self.ssrc,
            fraction,
            expected - self.received,
            extended & 0xFFFFFFFF,
            int(self.jitter) & 0xFFFFFFFF,
            lsr,
            dlsr,
        )

    def statistics(self, now: float) -> dict[str, object]:
        return {
            "active": self.active,
            "packets": self.packets,
            "bytes": self.bytes,
            "loss": round(self.fraction_lost / 256, 3),
            "retransmitted": self.retransmitted,
            "missing": len(self.missing),
            "keyframe_requests": self.keyframe_requests,
            "jitter_ms": round(self.jitter * 1000 / self.clock_rate, 1),
            "heard_ago_s": round(now - self.last_at, 3) if self.packets else None,
        }

    def last_descriptor(self) -> vp8.Vp8Descriptor | None:
        """VP8 descriptor of the newest packet, for whoever must continue its picture ids."""
        packet = self.stored(self.highest) if self.highest >= 0 else None
        return None if packet is None else vp8.parse_descriptor(packet[payload_offset(packet) :])


def payload_offset(packet: bytes) -> int:
    """Where the payload begins in a packet that ``Forwarder`` accepted before."""
    offset = 12 + ((packet[0] & 15) << 2)
    if packet[0] & 0x10:
        offset += 4 + ((packet[offset + 2] << 8 | packet[offset + 3]) << 2)
    return offset

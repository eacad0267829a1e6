"""RTCP of one session: what its messages change, and the reports it is due. Pure; the session sends."""

from dataclasses import replace
from typing import Any

from media import rtcp, rtp
from media.downlink import Downlink
from media.uplink import DEFAULT_RTT_S, Uplink

REPORT_INTERVAL_S = 1.0
"""While video flows, and for the first reports, which lip sync waits for."""
AUDIO_REPORT_INTERVAL_S = 2.5
"""With audio alone: each compound is about 100 bytes, and the line is thin."""
THIN_REPORT_INTERVAL_S = 5.0
"""With audio alone, when feedback to this participant was made rare because the line is thin."""
FEEDBACK_INTERVAL_S = 0.08
"""Less than the server's tick: one message a tick while video flows."""
THIN_FEEDBACK_INTERVAL_S = 0.2
"""From this interval of transport feedback on, a participant's downlink is thin."""
BRAKE_BPS = 30_000
"""Cap told to a camera that should send nothing, until the page has stopped it: no browser goes lower."""
MAX_RTT_S = 10.0


class RoundTrip:
    """Smoothed round trip time of one session, from report blocks about what we sent."""

    __slots__ = ("measured", "rtt_s")

    def __init__(self) -> None:
        self.rtt_s = DEFAULT_RTT_S
        self.measured = False

    def add(self, sample_s: float) -> bool:
        """False when the sample cannot be true."""
        if not 0 <= sample_s <= MAX_RTT_S:
            return False
        self.rtt_s = self.rtt_s * 0.75 + sample_s * 0.25 if self.measured else max(sample_s, 0.001)
        self.measured = True
        return True


class RateMeter:
    """Bits per second between two readings of a byte counter."""

    __slots__ = ("_at", "_bytes", "bps")

    def __init__(self, now: float) -> None:
        self._at, self._bytes, self.bps = now, 0, 0

    def read(self, total_bytes: int, now: float) -> None:
        if now - self._at >= 0.5:
            self.bps = max(0, round((total_bytes - self._bytes) * 8 / (now - self._at)))
            self._at, self._bytes = now, total_bytes


def compact_ntp(ntp_s: float) -> int:
    """The middle 32 bits of an NTP time, as LSR carries it."""
    return int(ntp_s * 65536) & 0xFFFFFFFF


def handle_rtcp(session: Any, data: bytes, now: float, ntp_now_s: float) -> None:
    """Apply one decrypted compound that came from ``session``'s peer."""
    reported = False
    for message in rtcp.parse_compound(data):
        if isinstance(message, rtcp.TransportFeedback):
            session.on_feedback(message.fci, now)
        elif isinstance(message, rtcp.ReportBlock):
            reported |= _note_report_block(session, message, now, ntp_now_s)
        elif isinstance(message, rtcp.SenderReport):
            _note_sender_report(session, message, now, ntp_now_s)
        elif isinstance(message, rtcp.Nack):
            sink = session.sinks_by_ssrc.get(message.media_ssrc)
            if sink is not None:
                session.repeat_packets(sink, message.seqs, now)
        elif isinstance(message, rtcp.KeyframeRequest):
            sink = session.sinks_by_ssrc.get(message.media_ssrc)
            if sink is not None and sink.attached and sink.source is not None:
                sink.source.want_keyframe()
                sink.source.session.request_keyframe(now)
        elif isinstance(message, rtcp.Remb):
            session.downlink_control.on_remb(message.bitrate_bps, now)
    if reported:
        worst = max((sink.fraction_lost for sink in session.sinks_by_ssrc.values() if sink.attached), default=0)
        session.downlink_control.on_report(worst / 256, now)


def _note_report_block(session: Any, block: rtcp.ReportBlock, now: float, ntp_now_s: float) -> bool:
    sink = session.sinks_by_ssrc.get(block.ssrc)
    if sink is None:
        return False
    sink.note_report(block)
    if block.lsr:
        elapsed_s = ((compact_ntp(ntp_now_s) - block.lsr - block.dlsr) & 0xFFFFFFFF) / 65536
        if session.round_trip.add(elapsed_s):
            session.downlink_control.on_rtt(elapsed_s, now)
    return True


def _note_sender_report(session: Any, report: rtcp.SenderReport, now: float, ntp_now_s: float) -> None:
    uplink = session.ssrcs.get(report.ssrc)
    if uplink is None or report.ssrc != uplink.ssrc:
        return
    uplink.note_sender_report(report, now)
    if session.ntp_offset_s is None:
        session.ntp_offset_s = ntp_now_s - report.ntp / 2**32


def build_reports(session: Any, now: float, ntp_now_s: float) -> bytes:
    """One compound: sender reports of what the peer gets, report blocks on what it sends, CNAMEs, REMB."""
    blocks = [block for uplink in session.uplinks.values() if (block := _report_block(uplink, now)) is not None]
    parts: list[bytes] = []
    names: dict[int, str] = {}
    for sink in session.sinks_by_ssrc.values():
        report = _sender_report(sink, ntp_now_s)
        if report is not None:
            parts.append(rtcp.sender_report(report, blocks))
            blocks = []
            names[sink.ssrc] = sink.publisher
    if not parts:
        parts.append(rtcp.receiver_report(session.feedback_ssrc, blocks))
        names[session.feedback_ssrc] = session.id
    parts.append(rtcp.source_description(names))
    video: Uplink = session.uplinks[rtp.VIDEO]
    if video.ssrc and video.active:
        parts.append(cap(session))
    return b"".join(parts)


def cap(session: Any) -> bytes:
    """REMB: the most that the peer's camera may send."""
    bitrate_bps = max(BRAKE_BPS, session.max_video_bitrate_bps)
    return rtcp.remb(session.feedback_ssrc, bitrate_bps, [session.uplinks[rtp.VIDEO].ssrc])


def _report_block(uplink: Uplink, now: float) -> rtcp.ReportBlock | None:
    """Audio is reported as lost as its worst listener has it: its encoder protects it by that number."""
    block = uplink.report_block(now)
    if block is None or uplink.is_video or not uplink.sinks:
        return block
    worst = max(sink.loss_before_repair for sink in uplink.sinks)
    return replace(block, fraction_lost=max(block.fraction_lost, min(255, round(worst * 256))))


def _sender_report(sink: Downlink, ntp_now_s: float) -> rtcp.SenderReport | None:
    """The publisher's own clock mapping, carried over to the timestamps this receiver sees."""
    if not sink.attached or sink.source is None:
        return None
    offset_s = sink.source_ntp_offset_s()
    timestamp = None if offset_s is None else sink.source.timestamp_at(ntp_now_s, offset_s)
    if timestamp is None:
        return None
    return rtcp.SenderReport(
        sink.ssrc,
        int(ntp_now_s * 2**32) & 0xFFFFFFFFFFFFFFFF,
        (timestamp + sink.ts_shift) & rtp.TS_MASK,
        sink.packets & 0xFFFFFFFF,
        sink.bytes & 0xFFFFFFFF,
    )


def report_interval_s(session: Any) -> float:
    """How long until the next compound."""
    video = session.uplinks[rtp.VIDEO].active or any(
        sink.attached and sink.kind == rtp.VIDEO for sink in session.sinks_by_ssrc.values()
    )
    if video or session.reports_sent < 4:
        return REPORT_INTERVAL_S
    thin = session.feedback_interval_s >= THIN_FEEDBACK_INTERVAL_S
    return THIN_REPORT_INTERVAL_S if thin else AUDIO_REPORT_INTERVAL_S

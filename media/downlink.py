"""One publisher's stream as one receiver gets it: its own SSRC, with numbers that never jump.

The stream may be paused, resumed, or fed by another session of the same publisher; towards the
receiver it stays one stream with continuous sequence numbers, timestamps and VP8 picture ids.
"""

from typing import TYPE_CHECKING, Any

from media import rtp, vp8
from media.rtcp import ReportBlock
from media.uplink import HISTORY_PACKETS

if TYPE_CHECKING:
    from media.uplink import Uplink

MAX_REPEATS_PER_TICK = 50
"""Retransmissions that one receiver may ask of one stream between two ticks of the server."""


class Downlink:
    """``session`` is the receiving session; the fast path uses its ``path`` and ``protect``."""

    __slots__ = (
        "_base_in", "_packets_before", "_repeated_at", "_reported", "_resume_at", "_resume_picture",
        "_resume_seq", "_resume_tl0", "_resume_ts", "attached", "bytes", "fraction_lost", "jitter",
        "kind", "loss_before_repair", "packets", "packets_lost", "picture_shift", "publisher", "repeat_budget",
        "repeated", "rtx_seq", "rtx_ssrc", "seq_shift", "session", "source", "ssrc", "starved",
        "tl0_shift", "ts_shift", "wanted",
    )  # fmt: skip

    def __init__(self, session: Any, publisher: str, kind: str, ssrc: int, rtx_ssrc: int) -> None:
        self.session = session
        self.publisher = publisher
        self.kind = kind
        self.ssrc = ssrc
        self.rtx_ssrc = rtx_ssrc
        self.source: Uplink | None = None
        self.attached = False
        self.wanted = True
        self.starved = False
        """Its video waited too long and was dropped: nothing until the line is clear again."""
        self.seq_shift = self.ts_shift = self.picture_shift = self.tl0_shift = 0
        self.packets = self.bytes = self.repeated = 0
        self.rtx_seq = 0
        self.repeat_budget = MAX_REPEATS_PER_TICK
        self.fraction_lost = self.packets_lost = self.jitter = 0
        self.loss_before_repair = 0.0
        """Share of packets lost on the way to this receiver, 0..1, counting those that were sent again."""
        self._reported = (0, 0)
        self._repeated_at: dict[int, float] = {}
        self._base_in = self._packets_before = 0
        self._resume_seq: int | None = None
        self._resume_ts = self._resume_picture = self._resume_tl0 = 0
        self._resume_at = 0.0

    def attach(self, source: "Uplink", seq: int, ts: int, payload: bytes, now: float) -> None:
        """Start forwarding with the packet (seq, ts). It continues whatever was sent before."""
        if self._resume_seq is not None:
            self.seq_shift = (self._resume_seq - seq) & rtp.SEQ_MASK
            elapsed = max(1, round((now - self._resume_at) * source.clock_rate))
            self.ts_shift = (self._resume_ts + elapsed - ts) & rtp.TS_MASK
            self._continue_pictures(source.kind, payload)
        self.source = source
        self.attached = True
        self._packets_before = self.packets
        self._base_in = seq
        self._repeated_at.clear()

    def detach(self, now: float) -> None:
        """Stop forwarding; remembers where to continue. Costs nothing while stopped.

        Packets that wait in the receiver's pacer are given up, and continued over as if they had never been.
        """
        source = self.source
        if not self.attached or source is None:
            return
        self.attached = False
        self._resume_at = now
        unsent = self.session.pacer.take(self)
        seq, ts = (source.highest + 1, source.last_ts) if unsent is None else (unsent.seq, unsent.ts)
        self._resume_seq = (seq + self.seq_shift) & rtp.SEQ_MASK
        self._resume_ts = (ts + self.ts_shift) & rtp.TS_MASK
        if self.kind != rtp.VIDEO:
            return
        descriptor = source.last_descriptor() if unsent is None else vp8.parse_descriptor(unsent.payload)
        if descriptor is not None:
            self._resume_picture = descriptor.picture_id + self.picture_shift + 1
            self._resume_tl0 = descriptor.tl0_index + self.tl0_shift + 1

    def _continue_pictures(self, kind: str, payload: bytes) -> None:
        descriptor = vp8.parse_descriptor(payload) if kind == rtp.VIDEO else None
        if descriptor is not None:
            self.picture_shift = (self._resume_picture - descriptor.picture_id) & 0x7FFF
            self.tl0_shift = (self._resume_tl0 - descriptor.tl0_index) & 0xFF

    def covers(self, seq: int) -> bool:
        """Whether an incoming number that is late belongs to the stretch forwarded since ``attach``."""
        if self.source is None:
            return False
        behind = (self.source.highest - seq) & rtp.SEQ_MASK
        if behind >= HISTORY_PACKETS:
            return False
        return self.packets - self._packets_before >= HISTORY_PACKETS or ((seq - self._base_in) & rtp.SEQ_MASK) < 0x8000

    def may_repeat(self, out_seq: int, now: float, rtt_s: float) -> bytes | None:
        """The source's packet to send again for a receiver's NACK, None if it is not to be sent."""
        in_seq = (out_seq - self.seq_shift) & rtp.SEQ_MASK
        if not self.attached or self.source is None or self.repeat_budget <= 0 or not self.covers(in_seq):
            return None
        if now - self._repeated_at.get(in_seq, -1e9) < min(rtt_s, 2.0) * 0.8:
            return None  # one is still under way
        packet = self.source.stored(in_seq)
        if packet is None:
            return None
        if len(self._repeated_at) >= HISTORY_PACKETS:
            self._repeated_at.clear()
        self._repeated_at[in_seq] = now
        self.repeat_budget -= 1
        self.repeated += 1
        return packet

    def newest_timestamp(self) -> int:
        """In this receiver's stream; some number before there was any."""
        return 0 if self.source is None else (self.source.last_ts + self.ts_shift) & rtp.TS_MASK

    def source_ntp_offset_s(self) -> float | None:
        """Server NTP time less the publishing session's, None before its first sender report."""
        return None if self.source is None else self.source.session.ntp_offset_s

    def statistics(self) -> dict[str, object]:
        rate_hz = rtp.CLOCK_RATE_HZ[self.kind]
        return {
            "publisher": self.publisher,
            "kind": self.kind,
            "forwarding": self.attached,
            "packets": self.packets,
            "bytes": self.bytes,
            "repeated": self.repeated,
            "loss": round(self.fraction_lost / 256, 3),
            "packets_lost": self.packets_lost,
            "jitter_ms": round(self.jitter * 1000 / rate_hz, 1),
        }

    def note_report(self, block: ReportBlock) -> None:
        self.fraction_lost, self.packets_lost, self.jitter = block.fraction_lost, block.packets_lost, block.jitter
        packets, repeated = self.packets - self._reported[0], self.repeated - self._reported[1]
        self._reported = (self.packets, self.repeated)
        self.loss_before_repair = max(block.fraction_lost / 256, min(1.0, repeated / packets) if packets else 0.0)

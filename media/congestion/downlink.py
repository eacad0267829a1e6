"""Everything about one participant's downlink behind one object."""

from media.congestion.history import SendHistory
from media.congestion.line import LineState


class DownlinkControl:
    """Believes what it is told; the fast path may already be written against it."""

    def __init__(self, estimator: str = "transport_cc") -> None:
        self.history = SendHistory()
        self.estimator = estimator
        self.probing = False
        self.probe_id = 1
        self.pace_bps = 500_000
        self.hold_after_s = 1.0
        self.malformed_feedback = 0
        self.probe_bytes_total = 0
        self._capacity_bps = 300_000
        self._flowing_bps = 0
        self._loss = 0.0
        self._rtt_ms: float | None = None

    def on_feedback(self, fci: bytes, now: float) -> None:
        """FCI of an RTCP transport feedback (FMT 15)."""

    def on_report(self, fraction_lost: float, now: float) -> None:
        self._loss = fraction_lost

    def on_rtt(self, rtt_s: float, now: float) -> None:
        self._rtt_ms = rtt_s * 1000

    def on_remb(self, bitrate_bps: int, now: float) -> None:
        self._capacity_bps = bitrate_bps

    def tick(self, now: float, *, flowing_bps: int, probe_goal_bps: int | None) -> None:
        self._flowing_bps = flowing_bps

    def line(self, now: float) -> LineState:
        return LineState(self._capacity_bps, False, "", 0.0, self._loss, self._rtt_ms, self._flowing_bps)

    def probe_bytes_due(self, now: float) -> int:
        return 0

    def path_changed(self, now: float) -> None:
        self.history.forget_unacked()

    def hint(self, capacity_bps: int, now: float) -> None:
        self._capacity_bps = capacity_bps

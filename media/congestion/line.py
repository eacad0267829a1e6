"""What is known about one direction of one participant's line."""

from dataclasses import dataclass

CONGESTIONS = ("", "delay", "loss", "silence")


@dataclass(frozen=True, slots=True)
class LineState:
    """One direction of a line at one moment. All rates on the wire."""

    capacity_bps: int
    """Best belief of what it bears now."""
    proven: bool
    """True: it met its limit there, or a probe's goal. False: only the most that was tried so far."""
    congestion: str
    """"" | "delay" (a standing queue) | "loss" | "silence" (nothing acknowledged or heard for too long)."""
    queue_ms: float
    """Standing queue: delay over the least delay seen lately."""
    loss: float
    """0..1 over about the last two seconds."""
    rtt_ms: float | None
    rate_bps: int
    """What flows now."""
    sender_bps: int | None = None
    """What the sender's own controller lately said it may send, where it tells: on an uplink, the browser."""

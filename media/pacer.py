"""Video to one receiver waits here when its line cannot take more now: a token bucket and a short queue.

Two things hold video back: the bucket is empty, or acknowledgements stopped coming. Only while one of them
lasts do packets wait; audio never does. What has waited too long is worthless, and its receiver continues
at the next key frame.
"""

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from media.congestion.history import SendHistory

if TYPE_CHECKING:
    from media.downlink import Downlink

MAX_QUEUED = 64
MAX_HELD_S = 0.4
"""Longest wait when nothing is acknowledged any more."""
MAX_PACED_S = 1.0
"""Longest wait for the bucket. Longer, as a key frame is many times what the line bears in one frame."""
CREDIT_S = 0.1
"""The bucket holds this much of its rate: a frame goes out in one piece where the line is good."""
PACKET_OVERHEAD_BYTES = 60
"""Taken from the bucket beside a packet's payload."""
TRUST_S = 0.2
"""The bucket's rate and the brake are looked at again after this, however much is left in it."""


class PaceControl(Protocol):
    """What the pacer asks of ``media.congestion.downlink.DownlinkControl``."""

    history: SendHistory

    @property
    def pace_bps(self) -> int: ...
    @property
    def hold_after_s(self) -> float: ...
    @property
    def burst_bytes(self) -> int:
        """What the bucket holds at least."""


@dataclass(slots=True)
class QueuedPacket:
    """A packet of ``sink``'s source, with the source's own numbers."""

    sink: "Downlink"
    b0: int
    b1: int
    seq: int
    ts: int
    payload: bytes
    in_order: bool
    at: float


class Pacer:
    """Of one receiving session. Times in seconds of one clock.

    The fast path takes from ``credit`` by itself until it is used up or ``open_until`` is over.
    """

    __slots__ = ("_control", "_filled_at", "credit", "open_until", "queue")

    def __init__(self, control: PaceControl, now: float) -> None:
        self._control = control
        self.credit = float(control.burst_bytes)
        self.open_until = -math.inf
        """Until then nothing but an empty bucket holds packets back."""
        self._filled_at = now
        self.queue: deque[QueuedPacket] = deque()

    def held(self, now: float) -> bool:
        """Whether acknowledgements are overdue. A browser that never sent one is not waited for."""
        history = self._control.history
        return history.newest_acked > 0 and now - history.unacked_since > self._control.hold_after_s

    def may_send(self, size: int, now: float) -> bool:
        """Take ``size`` bytes from the bucket, if nothing is held back. The last packet may overdraw it."""
        if self.held(now):
            self.open_until = -math.inf
            return False
        control = self._control
        byte_rate = control.pace_bps / 8
        credit = self.credit + (now - self._filled_at) * byte_rate
        self.credit = min(credit, max(control.burst_bytes, byte_rate * CREDIT_S))
        self._filled_at = now
        if self.credit <= 0:
            return False
        self.credit -= size
        self.open_until = now + TRUST_S
        if control.history.newest_acked:  # the brake cannot fall before this
            self.open_until = min(self.open_until, min(control.history.unacked_since, now) + control.hold_after_s)
        return True

    def push(self, packet: QueuedPacket) -> bool:
        """Wait behind the others. False when the queue is full; the packet is in it all the same."""
        self.queue.append(packet)
        return len(self.queue) <= MAX_QUEUED

    def next(self, now: float) -> QueuedPacket | None:
        """The packet that may go now."""
        if self.queue and self.may_send(len(self.queue[0].payload) + PACKET_OVERHEAD_BYTES, now):
            return self.queue.popleft()
        return None

    def stale(self, now: float) -> bool:
        """Whether the oldest has waited too long."""
        if not self.queue:
            return False
        return now - self.queue[0].at > (MAX_HELD_S if self.held(now) else MAX_PACED_S)

    def take(self, sink: "Downlink") -> QueuedPacket | None:
        """Give up what waits for ``sink``; the first of it that was in order."""
        if not self.queue:
            return None
        mine = [packet for packet in self.queue if packet.sink is sink]
        self.queue = deque(packet for packet in self.queue if packet.sink is not sink)
        return next((packet for packet in mine if packet.in_order), None)

"""One direction of a thin line as a pure model: the caller brings the time and the packets.

A packet waits in a drop-tail queue, is sent at the rate of the moment, may be lost on the way, and arrives after the
delay and its jitter, never before the packet sent ahead of it. Times are float seconds of any one clock, bytes are
those of the whole IP packet.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any

BIN_S = 0.2
"""Width of one entry of the series that counters keep."""

UDP, TCP = 17, 6
_PROTOCOL_AT = 9  # RFC 791, section 3.1
_UDP_HEADER_BYTES = 8
_FULL_PACKET_BYTES = 1500


@dataclass(frozen=True, slots=True)
class Shape:
    """What one direction does with packets, until it is changed."""

    rate_bps: int | None = None
    """None: as fast as they come."""
    queue_ms: float = 300.0
    """Depth of the queue at the rate of the moment, two full packets at least: no modem holds less."""
    queue_bytes: int | None = None
    """Depth in bytes, instead of ``queue_ms``."""
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    """The most that is added to the delay: half a Gaussian with a third of this as its deviation."""
    loss: float = 0.0
    """Share of the sent packets that never arrive."""
    burst: float = 1.0
    """Mean number of packets lost in a row (Gilbert-Elliott); 1: each on its own."""
    up: bool = True
    """False: a dead line; what is offered or waits is lost."""

    def limit_bytes(self) -> float:
        if self.queue_bytes is not None:
            return self.queue_bytes
        if self.rate_bps is None:
            return float("inf")
        return max(self.rate_bps * self.queue_ms / 8000, 2 * _FULL_PACKET_BYTES)


@dataclass(slots=True)
class Bin:
    """What happened in one stretch of ``BIN_S``."""

    offered_udp_bytes: int = 0
    offered_udp_packets: int = 0
    sent_udp_bytes: int = 0
    sent_bytes: int = 0
    dropped: int = 0
    wait_max_ms: float = 0.0
    offered_by_kind: dict[str, int] = field(default_factory=dict)
    """Bytes by ``kind_of``."""


@dataclass(slots=True)
class Counters:
    """What one direction did since the last reset. Waiting runs from the offer to the last bit sent."""

    offered_packets: int = 0
    offered_bytes: int = 0
    sent_packets: int = 0
    sent_bytes: int = 0
    dropped_by_queue: int = 0
    dropped_by_loss: int = 0
    dropped_by_outage: int = 0
    wait_max_ms: float = 0.0
    wait_sum_ms: float = 0.0
    bins: dict[int, Bin] = field(default_factory=dict)

    def at(self, now: float) -> Bin:
        """The entry of the series for a moment; the index is ``now / BIN_S`` rounded down."""
        index = int(now / BIN_S)
        found = self.bins.get(index)
        if found is None:
            found = self.bins[index] = Bin()
        return found


@dataclass(slots=True)
class _Waiting:
    packet: bytes
    offered_at: float


def kind_of(packet: bytes) -> str:
    """What an IPv4 packet carries: tcp, stun, rtp, rtcp and its first type, or other (RFC 7983, RFC 5761)."""
    start = (packet[0] & 15) * 4
    if packet[_PROTOCOL_AT] == TCP:
        return "tcp"
    if packet[_PROTOCOL_AT] != UDP or len(packet) < start + _UDP_HEADER_BYTES + 2:
        return "other"
    first, second = packet[start + _UDP_HEADER_BYTES], packet[start + _UDP_HEADER_BYTES + 1]
    if first < 4:
        return "stun"
    if 127 < first < 192:
        return f"rtcp {second}" if 191 < second < 224 else "rtp"
    return "other"


class Direction:
    """Packets in by ``offer``, out by ``arrivals``; both in the order of time."""

    def __init__(self, shape: Shape, seed: int) -> None:
        self.shape = shape
        self.counters = Counters()
        self._random = random.Random(seed)
        self._queue: deque[_Waiting] = deque()
        self._queued_bytes = 0
        self._remaining_bits = 0.0  # of the packet at the head, at _served_until
        self._served_until = 0.0
        self._flying: deque[tuple[float, bytes]] = deque()
        self._last_arrival = 0.0
        self._losing = False

    def change(self, now: float, **changes: Any) -> None:
        """Another shape from now on; what waits goes on at the new rate."""
        self._serve(now)
        self.shape = replace(self.shape, **changes)
        if not self.shape.up:
            self._drop_queue(now)

    def offer(self, now: float, packet: bytes) -> None:
        self._serve(now)
        counters, bin_, size = self.counters, self.counters.at(now), len(packet)
        counters.offered_packets += 1
        counters.offered_bytes += size
        kind = kind_of(packet)
        bin_.offered_by_kind[kind] = bin_.offered_by_kind.get(kind, 0) + size
        if packet[_PROTOCOL_AT] == UDP:
            bin_.offered_udp_bytes += size
            bin_.offered_udp_packets += 1
        if not self.shape.up:
            counters.dropped_by_outage += 1
            bin_.dropped += 1
            return
        if self._queue and self._queued_bytes + size > self.shape.limit_bytes():
            counters.dropped_by_queue += 1
            bin_.dropped += 1
            return
        if not self._queue:
            self._served_until, self._remaining_bits = now, size * 8
        self._queue.append(_Waiting(packet, now))
        self._queued_bytes += size
        if self.shape.rate_bps is None:
            self._serve(now)

    def arrivals(self, now: float) -> list[tuple[float, bytes]]:
        """What has arrived at the other end by now, each with its exact time."""
        self._serve(now)
        arrived = []
        while self._flying and self._flying[0][0] <= now:
            arrived.append(self._flying.popleft())
        return arrived

    def next_at(self) -> float:
        """When something happens next; infinity: nothing until the next offer."""
        at = self._flying[0][0] if self._flying else float("inf")
        return min(at, self._head_sent_at()) if self._queue else at

    def _head_sent_at(self) -> float:
        rate = self.shape.rate_bps
        if rate is None:
            return self._served_until
        return self._served_until + self._remaining_bits / rate if rate > 0 else float("inf")

    def _serve(self, now: float) -> None:
        """Send what can be sent by now, the head in part."""
        while self._queue:
            sent_at = self._head_sent_at()
            if sent_at > now:
                self._remaining_bits -= max(0.0, now - self._served_until) * (self.shape.rate_bps or 0)
                self._served_until = max(now, self._served_until)
                return
            head = self._queue.popleft()
            self._queued_bytes -= len(head.packet)
            self._served_until = sent_at
            self._remaining_bits = len(self._queue[0].packet) * 8 if self._queue else 0
            self._send(sent_at, head)

    def _send(self, at: float, head: _Waiting) -> None:
        counters, bin_, size = self.counters, self.counters.at(at), len(head.packet)
        wait_ms = (at - head.offered_at) * 1000
        counters.sent_packets += 1
        counters.sent_bytes += size
        counters.wait_sum_ms += wait_ms
        counters.wait_max_ms = max(counters.wait_max_ms, wait_ms)
        bin_.sent_bytes += size
        bin_.wait_max_ms = max(bin_.wait_max_ms, wait_ms)
        if head.packet[_PROTOCOL_AT] == UDP:
            bin_.sent_udp_bytes += size
        if self._loses():
            counters.dropped_by_loss += 1
            bin_.dropped += 1
            return
        arrival = at + (self.shape.delay_ms + self._jitter_ms()) / 1000
        self._last_arrival = max(self._last_arrival, arrival)
        self._flying.append((self._last_arrival, head.packet))

    def _jitter_ms(self) -> float:
        most = self.shape.jitter_ms
        return min(abs(self._random.gauss(0, most / 3)), most) if most > 0 else 0.0

    def _loses(self) -> bool:
        """Two states, one of which loses everything; their rates give the share and the mean length of a burst."""
        loss, burst = self.shape.loss, self.shape.burst
        if loss <= 0:
            self._losing = False
        elif burst <= 1:
            self._losing = self._random.random() < loss
        elif self._losing:
            self._losing = self._random.random() >= 1 / burst
        else:
            self._losing = self._random.random() < loss / (burst * (1 - loss))
        return self._losing

    def _drop_queue(self, now: float) -> None:
        self.counters.dropped_by_outage += len(self._queue)
        self.counters.at(now).dropped += len(self._queue)
        self._queue.clear()
        self._queued_bytes = 0

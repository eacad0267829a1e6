"""What was sent with a transport-wide sequence number, until the browser tells when it arrived."""

import math

SIZE = 2048
"""Packets remembered; a power of two. At 300 packets/s that is about seven seconds."""
MASK = SIZE - 1


class SendHistory:
    """A ring of the last ``SIZE`` numbered packets, by ``seq & MASK``.

    The RTP fast path writes it inline, because a method call per packet costs as much as the writes::

        i = history.next_seq & MASK
        history.sent_at[i] = now
        history.sizes[i] = wire_bytes
        history.probe[i] = 0            # or DownlinkControl.probe_id, for padding
        history.next_seq += 1           # on the wire: & 0xFFFF
        if history.unacked_since == math.inf:
            history.unacked_since = now
    """

    __slots__ = ("newest_acked", "next_seq", "probe", "sent_at", "sizes", "unacked_since")

    def __init__(self) -> None:
        self.sent_at: list[float] = [0.0] * SIZE
        self.sizes: list[int] = [0] * SIZE
        self.probe: list[int] = [0] * SIZE
        self.next_seq: int = 1
        self.newest_acked: int = 0
        """The highest number (not cut to 16 bit) the browser said had arrived; 0: none yet."""
        self.unacked_since: float = math.inf
        """When the oldest packet after the newest acknowledged one was sent; infinity: none is waited for."""

    def record(self, now: float, wire_bytes: int, probe: int = 0) -> int:
        """The inline writes above as a method, for callers that are not in a hurry; returns the number used."""
        seq = self.next_seq
        index = seq & MASK
        self.sent_at[index] = now
        self.sizes[index] = wire_bytes
        self.probe[index] = probe
        self.next_seq = seq + 1
        if self.unacked_since == math.inf:
            self.unacked_since = now
        return seq

    def unwrap(self, wire_seq: int) -> int | None:
        """The number whose low 16 bits came over the wire; None when no remembered packet has it."""
        newest = self.next_seq - 1
        seq = newest - ((newest - wire_seq) & 0xFFFF)
        return seq if seq > 0 and seq > newest - SIZE else None

    def acknowledge(self, seq: int) -> None:
        """``seq`` arrived: whatever was sent before it is no longer waited for."""
        if seq <= self.newest_acked:
            return
        self.newest_acked = seq
        self.unacked_since = self.sent_at[(seq + 1) & MASK] if seq + 1 < self.next_seq else math.inf

    def unacked(self) -> int:
        """Packets sent after the newest acknowledged one."""
        return self.next_seq - 1 - self.newest_acked

    def forget_unacked(self) -> None:
        """A new network: nothing sent so far is waited for."""
        self.newest_acked = self.next_seq - 1
        self.unacked_since = math.inf

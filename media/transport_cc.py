"""Transport-wide congestion control feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01).

We tell the browser when each of its packets arrived; its own controller (delay, loss, probing) follows.
"""

import math
import struct

MAX_PACKETS = 256
"""Packets in one feedback message; arrivals beyond it are left out, as lost."""
FORGIVEN_WITHIN_S = 1.0
"""Later it would change nothing any more."""
_TICK_S = 0.000250
_REFERENCE_S = 0.064


class FeedbackRecorder:
    """Collects arrivals of one transport between feedback messages.

    A browser's controller takes every loss for a full queue, and on a radio line without one gives up its picture for
    nothing. While ``forgive_after_s`` is set, what is missing is told as lost first: what a browser believes arrived
    it does not send again. So much later, once its repair has come, it is told as arrived after all.
    """

    __slots__ = ("_arrivals", "_count", "_missing", "_next_seq", "forgive_after_s")

    def __init__(self) -> None:
        self.forgive_after_s: float | None = None
        self._arrivals: dict[int, float] = {}
        self._next_seq: int | None = None
        self._count = 0
        self._missing: dict[int, float] = {}
        """When the packet after a missing one came."""

    def add(self, seq: int, now: float) -> None:
        """Part of the RTP fast path: one dictionary write."""
        if len(self._arrivals) < MAX_PACKETS:
            self._arrivals[seq] = now

    def pending(self) -> int:
        return len(self._arrivals)

    def drain(self, now: float, repaired_until: float = math.inf) -> bytes | None:
        """The FCI of the next feedback message, None when nothing arrived. What was missed before ``repaired_until``
        has been repaired."""
        if not self._arrivals:
            return None
        self._forgive(now, repaired_until)
        arrivals, self._arrivals = self._arrivals, {}
        first = next(iter(arrivals))
        base = self._next_seq if self._next_seq is not None else first
        if not -0x4000 < _signed(first - base) < MAX_PACKETS:
            base = first  # a jump: nothing sensible can be said about what lies between
        # Unwrap around the base; a late packet moves the base back.
        offsets = {_signed(seq - base): at for seq, at in arrivals.items()}
        lowest = min(min(offsets), 0)
        if lowest < -MAX_PACKETS:
            lowest = 0
        highest = max(offsets)
        if highest - lowest >= MAX_PACKETS:
            highest = lowest + MAX_PACKETS - 1
        times = [offsets.get(offset) for offset in range(lowest, highest + 1)]
        if all(at is None for at in times):
            return None
        self._next_seq = (base + highest + 1) & 0xFFFF
        if self.forgive_after_s is not None:
            self._note_missing(base, times[-lowest:])
        fci = encode_feedback((base + lowest) & 0xFFFF, times, self._count)
        self._count = (self._count + 1) & 0xFF
        return fci

    def _note_missing(self, base: int, times: list[float | None]) -> None:
        """Of the packets told about for the first time."""
        following: float | None = None
        for index in range(len(times) - 1, -1, -1):
            at = times[index]
            if at is not None:
                following = at
            elif following is not None and len(self._missing) < MAX_PACKETS:
                self._missing[(base + index) & 0xFFFF] = following

    def _forgive(self, now: float, repaired_until: float) -> None:
        if self.forgive_after_s is None:
            self._missing.clear()
            return
        until = min(now - self.forgive_after_s, repaired_until)
        for seq, noticed_at in list(self._missing.items()):
            if noticed_at < until or now - noticed_at >= FORGIVEN_WITHIN_S:
                del self._missing[seq]
                if now - noticed_at < FORGIVEN_WITHIN_S:
                    self._arrivals.setdefault(seq, noticed_at)


def encode_feedback(base_seq: int, times: list[float | None], count: int) -> bytes:
    """FCI for packets from ``base_seq`` on; each arrival in seconds, None for one that did not come."""
    first = next(at for at in times if at is not None)
    reference = int(first / _REFERENCE_S)
    previous_ticks = round(reference * _REFERENCE_S / _TICK_S)
    symbols: list[int] = []
    deltas = b""
    for at in times:
        if at is None:
            symbols.append(0)
            continue
        ticks = round(at / _TICK_S)
        delta = ticks - previous_ticks
        if 0 <= delta <= 255:
            symbols.append(1)
            deltas += bytes([delta])
        elif -32768 <= delta <= 32767:
            symbols.append(2)
            deltas += struct.pack("!h", delta)
        else:  # more than 8 s apart: cannot be expressed, so it counts as not arrived
            symbols.append(0)
            continue
        previous_ticks = ticks
    head = struct.pack("!HH", base_seq, len(times)) + (reference & 0xFFFFFF).to_bytes(3, "big") + bytes([count])
    return head + _chunks(symbols) + deltas


def _chunks(symbols: list[int]) -> bytes:
    out = b""
    index = 0
    while index < len(symbols):
        run = 1
        while index + run < len(symbols) and symbols[index + run] == symbols[index] and run < 8191:
            run += 1
        if run >= 7 or index + run == len(symbols):
            out += struct.pack("!H", (symbols[index] << 13) | run)
            index += run
            continue
        vector = 0xC000  # two-bit symbols, seven of them
        for position, symbol in enumerate(symbols[index : index + 7]):
            vector |= symbol << (12 - 2 * position)
        out += struct.pack("!H", vector)
        index += 7
    return out


def _signed(difference: int) -> int:
    difference &= 0xFFFF
    return difference - 0x10000 if difference & 0x8000 else difference

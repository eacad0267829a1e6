"""Reading transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01, section 3.1).

Whatever bytes come, the result is a bounded list or None; nothing is raised.
"""

from dataclasses import dataclass

MAX_STATUSES = 2048
"""More packets than the history remembers cannot be about anything we know."""
_HEAD_BYTES = 8
_TICK_S = 0.000250
_REFERENCE_S = 0.064
_WRAP_S = _REFERENCE_S * (1 << 24)
"""The 24 bit reference time comes round after about twelve days."""


@dataclass(frozen=True, slots=True)
class Feedback:
    base_seq: int
    """16 bit number of the first packet told about."""
    arrivals: list[float | None]
    """One per packet from ``base_seq`` on: seconds of the receiver's clock (0.._WRAP_S, or a little below 0);
    None: it has not come."""
    count: int
    """Of feedback messages, 8 bit."""


def parse_feedback(fci: bytes) -> Feedback | None:
    """None when the message contradicts itself: too short for its own counts, no packets, reserved symbols."""
    if len(fci) < _HEAD_BYTES + 2:
        return None
    total = (fci[2] << 8) | fci[3]
    if not 0 < total <= MAX_STATUSES:
        return None
    symbols = _symbols(fci, total)
    if symbols is None:
        return None
    statuses, offset = symbols
    reference = (fci[4] << 16) | (fci[5] << 8) | fci[6]
    arrivals = _arrivals(fci, offset, statuses, reference * _REFERENCE_S)
    if arrivals is None:
        return None
    return Feedback((fci[0] << 8) | fci[1], arrivals, fci[7])


def _symbols(fci: bytes, total: int) -> tuple[list[int], int] | None:
    """Status symbols of all packets (section 3.1.1 to 3.1.4), and where the deltas begin."""
    symbols: list[int] = []
    offset = _HEAD_BYTES
    while len(symbols) < total:
        if offset + 2 > len(fci):
            return None
        chunk = (fci[offset] << 8) | fci[offset + 1]
        offset += 2
        if not chunk & 0x8000:  # run length: two bit symbol, 13 bit count
            symbols += [chunk >> 13] * min(chunk & 0x1FFF, total - len(symbols))
            if not chunk & 0x1FFF:
                return None
        elif chunk & 0x4000:  # seven two-bit symbols
            symbols += [(chunk >> shift) & 3 for shift in (12, 10, 8, 6, 4, 2, 0)]
        else:  # fourteen one-bit symbols
            symbols += [(chunk >> shift) & 1 for shift in range(13, -1, -1)]
    return symbols[:total], offset


def _arrivals(fci: bytes, offset: int, symbols: list[int], reference_s: float) -> list[float | None] | None:
    arrivals: list[float | None] = []
    ticks = 0
    size = len(fci)
    for symbol in symbols:
        if symbol == 0:
            arrivals.append(None)
            continue
        if symbol == 1:
            if offset >= size:
                return None
            ticks += fci[offset]
            offset += 1
        elif symbol == 2:
            if offset + 2 > size:
                return None
            delta = (fci[offset] << 8) | fci[offset + 1]
            ticks += delta - 0x10000 if delta & 0x8000 else delta
            offset += 2
        else:
            return None
        arrivals.append(reference_s + ticks * _TICK_S)
    return arrivals


class ReceiverClock:
    """Makes the receiver's clock run on without the wrap of its 24 bit reference time."""

    __slots__ = ("_last_s", "_turns_s")

    def __init__(self) -> None:
        self._last_s: float | None = None
        self._turns_s = 0.0

    def offset_s(self, arrival_s: float) -> float:
        """What to add to the times of a message whose first arrival is ``arrival_s``."""
        if self._last_s is not None:
            if arrival_s < self._last_s - _WRAP_S / 2:
                self._turns_s += _WRAP_S
            elif arrival_s > self._last_s + _WRAP_S / 2:
                self._turns_s -= _WRAP_S
        self._last_s = arrival_s
        return self._turns_s

"""Which packets of a source are missing, and when to ask for them again."""

import math

MAX_MISSING = 200
"""More than this at once is not repaired packet by packet: a key frame costs less."""
MAX_TRIES = 8
MIN_RETRY_S = 0.040
REORDER_S = 0.010
"""A packet is given this long to arrive late before it is asked for."""


class MissingPackets:
    """Sequence numbers of one source that have not come. Times in seconds of any one clock."""

    __slots__ = ("_asks", "_max_tries", "_missing", "_reorder_s", "gave_up")

    def __init__(self, max_tries: int = MAX_TRIES, reorder_s: float = REORDER_S) -> None:
        self._max_tries = max_tries
        self._reorder_s = reorder_s
        self._missing: dict[int, tuple[int, float, float]] = {}  # seq -> (tries so far, next try, missed since)
        self.gave_up = 0
        self._asks = True

    def ask(self, asks: bool) -> None:
        """Whether to ask at all: on a line that is too full already, repeats only take the place of what is new."""
        self._asks = asks
        if not asks:
            self._missing.clear()

    @property
    def oldest_at(self) -> float:
        """Since when the longest missed one is missed; infinity when none is."""
        return next((since for _, _, since in self._missing.values()), math.inf)

    def __len__(self) -> int:
        return len(self._missing)

    def add_gap(self, first: int, count: int, now: float) -> bool:
        """``count`` numbers from ``first`` on were skipped. False when that is too many to repair."""
        if not self._asks:
            return True
        if count + len(self._missing) > MAX_MISSING:
            self._missing.clear()
            return False
        for offset in range(count):
            self._missing[(first + offset) & 0xFFFF] = (0, now + self._reorder_s, now)
        return True

    def remove(self, seq: int) -> int:
        """The packet came. How often it had been asked for, 0 when it was only late, -1 if not missed."""
        entry = self._missing.pop(seq, None)
        return -1 if entry is None else entry[0]

    def due(self, now: float, rtt_s: float) -> list[int]:
        """Numbers to ask for now, oldest first; each again after a round trip, at most ``max_tries`` times."""
        seqs: list[int] = []
        for seq, (tries, at, since) in list(self._missing.items()):
            if at > now:
                continue
            if tries >= self._max_tries:
                del self._missing[seq]
                self.gave_up += 1
                continue
            self._missing[seq] = (tries + 1, now + max(MIN_RETRY_S, rtt_s * 1.1), since)
            seqs.append(seq)
        return seqs

    def clear(self) -> None:
        self._missing.clear()

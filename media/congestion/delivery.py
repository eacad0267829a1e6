"""How fast packets arrive at the other end, from their arrival times."""

from collections import deque

WINDOW_S = 1.0
MAX_PACKETS = 512
BUSY_WAIT_S = 0.030
"""A packet that waited so long found the line busy."""
BUSY_SPAN_S = 1.0
SAMPLED = 3.0
"""Above this many bytes sent per numbered byte, rates come from the stretching of time between packets."""


class DeliveredRate:
    """Window of acknowledged packets: (arrival, sent, bytes, wait in queues, is padding)."""

    __slots__ = ("_window", "flowing_bps", "unnumbered_factor")

    def __init__(self) -> None:
        self._window: deque[tuple[float, float, int, float, bool]] = deque(maxlen=MAX_PACKETS)
        self.flowing_bps = 0
        """What is sent in all, padding left out; the caller keeps it current."""
        self.unnumbered_factor = 1.0
        """Media bytes sent for each byte that had a number."""

    def add(self, arrival_s: float, sent_s: float, size_bytes: int, wait_s: float, padding: bool) -> None:
        self._window.append((arrival_s, sent_s, size_bytes, wait_s, padding))

    def usual_bps(self, loss: float) -> float:
        """Media over the last second; while few packets are numbered, what was sent less what was lost."""
        window = self._window
        if self.unnumbered_factor > SAMPLED or len(window) < 5:
            return self.flowing_bps * (1 - loss)
        newest = window[-1][0]
        packets = 0
        for arrival, _, _, _, _ in reversed(window):
            if arrival < newest - WINDOW_S:
                break
            packets += 1
        return self._rate_bps(max(5, packets), loss, with_padding=False)

    def busy_bps(self, loss: float) -> float:
        """Over the latest packets that found the line busy: that is what the line bears.

        With only one or two of those the packet before them gives the start.
        """
        window = self._window
        if len(window) < 2:
            return self.flowing_bps * (1 - loss)
        newest = window[-1][0]
        packets = 0
        for arrival, _, _, wait, _ in reversed(window):
            if wait < BUSY_WAIT_S or (packets > 2 and arrival < newest - BUSY_SPAN_S):
                break
            packets += 1
        return self._rate_bps(packets if packets >= 3 else packets + 1, loss)

    def between_bps(self, first: tuple[float, float], last: tuple[float, float], lost_share: float) -> float:
        """Of a probe, from its first to its last (arrival, sent); ``lost_share`` was lost but did fit the line."""
        arrival_s = max(0.001, last[0] - first[0])
        media_bytes = padding_bytes = 0
        for arrival, _, size, _, padding in reversed(self._window):
            if arrival <= first[0]:
                break
            if arrival > last[0]:
                continue
            if padding:
                padding_bytes += size
            else:
                media_bytes += size
        if self.unnumbered_factor > SAMPLED:
            media_bps = self.flowing_bps * max(0.0, last[1] - first[1]) / arrival_s
        else:
            media_bps = media_bytes * 8 * self.unnumbered_factor / (1 - lost_share) / arrival_s
        return media_bps + padding_bytes * 8 / (1 - lost_share) / arrival_s

    def _rate_bps(self, packets: int, loss: float, *, with_padding: bool = True) -> float:
        window = self._window
        start = len(window) - min(max(packets, 2), len(window))
        first, last = window[start], window[-1]
        arrival_s = max(last[0] - first[0], 0.001)
        if self.unnumbered_factor > SAMPLED:
            return self.flowing_bps * (1 - loss) * max(0.0, last[1] - first[1]) / arrival_s
        media_bytes = padding_bytes = 0
        for index in range(start + 1, len(window)):
            if window[index][4]:
                padding_bytes += window[index][2] if with_padding else 0
            else:
                media_bytes += window[index][2]
        return (media_bytes * self.unnumbered_factor + padding_bytes) * 8 / arrival_s

    def forget(self) -> None:
        self._window.clear()

"""How long packets usually wait to be acknowledged; when that is overdue (the brake) and when it is silence."""

from media.congestion.history import SendHistory

BRAKE_FLOOR_S = 0.20
BRAKE_SLACK_S = 0.06
BRAKE_MAX_S = 3.0
SILENCE_S = 1.5
FIRST_USUAL_S = 0.5
MAX_NEEDED = 8


class AckClock:
    __slots__ = ("_deviation_s", "_history", "_least_s", "_mean_s", "silent_since")

    def __init__(self, history: SendHistory) -> None:
        self._history = history
        self._mean_s = FIRST_USUAL_S
        self._deviation_s = 0.1
        self._least_s = FIRST_USUAL_S
        self.silent_since: float | None = None

    @property
    def usual_s(self) -> float:
        """Time from sending a packet to its acknowledgement, the longer ones."""
        return self._mean_s + self._deviation_s

    @property
    def least_s(self) -> float:
        """About one round trip."""
        return self._least_s

    @property
    def hold_after_s(self) -> float:
        return min(BRAKE_MAX_S, max(BRAKE_FLOOR_S, self.usual_s + self._deviation_s + BRAKE_SLACK_S))

    def acknowledged(self, waited_s: float, newest_s: float, *, calm: bool) -> None:
        """``waited_s``: the oldest packet that was waited for; ``newest_s``: the newest one acknowledged.

        A queue makes every wait long; that is not to be learned as usual (or only slowly: the route may be longer).
        """
        gain = 0.125 if calm else 0.01
        self._deviation_s += (abs(waited_s - self._mean_s) - self._deviation_s) * gain
        self._mean_s += (waited_s - self._mean_s) * gain
        self._least_s = min(newest_s, self._least_s + 0.02 * (newest_s - self._least_s))

    def overdue(self, now: float) -> bool:
        return now - self._history.unacked_since > self.hold_after_s

    def silence(self, now: float, loss: float) -> bool:
        """Nothing acknowledged for so long that losing the few packets sent cannot explain it."""
        waited = now - self._history.unacked_since
        if waited <= max(SILENCE_S, 2 * self.usual_s + 0.7):
            return False
        needed, chance = 1, max(loss, 0.05)
        while chance > 0.002 and needed < MAX_NEEDED:
            needed += 1
            chance *= max(loss, 0.05)
        return self._history.unacked() >= needed

    def forget(self) -> None:
        self._mean_s = max(self._mean_s, FIRST_USUAL_S)
        self._deviation_s = 0.1
        self.silent_since = None

"""What pages are told of everybody's line, and how often: a thin line must not drown in news about itself."""

from dataclasses import dataclass

from signaling.line_messages import Direction, MediaLine

REASON_S = 1.0  # another reason for the same rung
CAPACITY_S = 10.0
CAPACITY_CHANGE = 0.2  # a smaller move is not worth its bytes


@dataclass
class _Entry:
    latest: MediaLine
    told: MediaLine
    told_at: float

    @property
    def due_at(self) -> float | None:
        """When ``latest`` may be told; None when there is nothing new in it."""
        pairs = ((self.latest.down, self.told.down), (self.latest.up, self.told.up))
        if any(new.rung != old.rung for new, old in pairs):
            return self.told_at
        if any(new.reason != old.reason for new, old in pairs):
            return self.told_at + REASON_S
        if any(moved(new, old) for new, old in pairs):
            return self.told_at + CAPACITY_S
        return None


class LineBoard:
    """Knows the last news of every participant in the room."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}

    def changed(self, line: MediaLine, now: float) -> list[MediaLine]:
        """News of somebody's line: what to tell everybody now. The same news again tells nothing."""
        entry = self._entries.get(line.participant)
        if entry is None:
            self._entries[line.participant] = _Entry(line, line, now)
            return [line]
        entry.latest = line
        return self.due(now)

    def due(self, now: float) -> list[MediaLine]:
        """What had to wait and may be told now."""
        found = []
        for entry in self._entries.values():
            if entry.due_at is not None and now >= entry.due_at:
                entry.told, entry.told_at = entry.latest, now
                found.append(entry.latest)
        return found

    @property
    def deadline(self) -> float | None:
        return min((entry.due_at for entry in self._entries.values() if entry.due_at is not None), default=None)

    def known(self) -> list[MediaLine]:
        """Everything, for a page that has just come."""
        return [entry.latest for entry in self._entries.values()]

    def forget(self, participant_id: str) -> None:
        self._entries.pop(participant_id, None)


def moved(new: Direction, old: Direction) -> bool:
    """Whether the capacity, or what is needed for more, differs by enough to say so."""
    capacity_moved = abs(new.capacity_bps - old.capacity_bps) > CAPACITY_CHANGE * old.capacity_bps
    return capacity_moved or new.needed_bps != old.needed_bps

"""Adaptation of one media room: lines in, orders out. Pure; driven every 200 ms."""

from collections.abc import Mapping

from media.adaptation.orders import Action, LineHint, Lines
from media.adaptation.policy import LadderPolicy
from media.adaptation.rungs import Rung

__all__ = ["Action", "LineHint", "Lines", "RoomAdaptation"]


class RoomAdaptation:
    """Who sends and gets what. Participants are known by id; calls with an unknown id do nothing."""

    def __init__(self, policy: LadderPolicy) -> None:
        self.policy = policy
        self._members: dict[str, tuple[float, LineHint | None]] = {}

    def join(self, participant: str, now: float, hint: LineHint | None) -> None:
        """A participant's first media session opened. Again after ``leave`` only."""
        self._members[participant] = (now, hint)

    def leave(self, participant: str) -> None:
        """The participant's last media session closed."""
        self._members.pop(participant, None)

    def set_wish(
        self, participant: str, *, wants_audio: bool, wants_video: bool, sends_audio: bool, sends_video: bool
    ) -> None:
        """What they want to receive, and which of their devices are on."""

    def set_limit(self, participant: str, *, down: Rung, up: Rung, reason: str) -> None:
        """Ceilings. Reasons: "" (none), chosen, saving, budget; ValueError on another."""
        if reason not in ("", "chosen", "saving", "budget"):
            raise ValueError(f"no such reason: {reason!r}")

    def tick(self, now: float, lines: Mapping[str, Lines]) -> list[Action]:
        """What changed since the last tick. A participant without a line is not connected yet."""
        return []

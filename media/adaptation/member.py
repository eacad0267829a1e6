"""What the room keeps of one participant."""

from dataclasses import dataclass, field

from media.adaptation.ladder import DirectionLadder, Wanted
from media.adaptation.orders import LineHint, LineNews, Lines, PublishOrder
from media.adaptation.policy import LadderPolicy
from media.adaptation.rungs import Rung
from media.congestion.line import LineState

_UNKNOWN = LineState(0, False, "", 0.0, 0.0, None, 0)
NO_LINES = Lines(_UNKNOWN, _UNKNOWN, False)
NOTHING_WANTED = Wanted(Rung.AUDIO, Rung.AUDIO)


@dataclass(frozen=True, slots=True)
class Wish:
    """What they want to receive, and which of their devices are on."""

    wants_audio: bool = True
    wants_video: bool = True
    sends_audio: bool = True
    sends_video: bool = True


@dataclass(frozen=True, slots=True)
class Limit:
    """Ceilings a person chose."""

    down: Rung = Rung.HD
    up: Rung = Rung.HD
    reason: str = ""


@dataclass
class Member:
    """One participant: two ladders, what they want, and what was last said to their browser."""

    id: str
    down: DirectionLadder
    up: DirectionLadder
    wish: Wish = Wish()
    limit: Limit = Limit()
    lines: Lines = NO_LINES
    wanted_down: Wanted = NOTHING_WANTED
    wanted_up: Wanted = NOTHING_WANTED
    order: PublishOrder | None = None
    ordered_at: float = float("-inf")
    asked_bps: int | None = None
    """Goal of the probe that is under way."""
    news: LineNews | None = None
    told_at: float = float("-inf")
    congested_up_at: float = float("-inf")
    loss_seen: bool = False
    """Loss in either direction asks for in-band repair; ends at half the threshold."""
    weak_for: set[str] = field(default_factory=set)
    """Publishers whose picture this participant would make too poor for the others."""

    @classmethod
    def join(cls, policy: LadderPolicy, participant: str, now: float, hint: LineHint | None) -> "Member":
        hint = hint or LineHint()
        return cls(
            participant,
            DirectionLadder(policy, now, hint.down_bps, policy.probe_s, trust_after=policy.trust_after),
            DirectionLadder(policy, now, hint.up_bps, policy.test_s, Rung.LOW_VIDEO, by_media=True),
        )

    def note_lines(self, policy: LadderPolicy, now: float, lines: Lines) -> None:
        self.lines = lines
        if lines.up.congestion in ("delay", "loss"):
            self.congested_up_at = now
        loss = max(lines.up.loss, lines.down.loss)
        self.loss_seen = loss > (policy.fec_loss / 2 if self.loss_seen else policy.fec_loss)

    def ceiling_down(self, policy: LadderPolicy) -> Rung:
        return min(self.limit.down, policy.top)

    def ceiling_up(self, policy: LadderPolicy) -> Rung:
        return min(self.limit.up, policy.top)

    @property
    def testing(self) -> bool:
        """An uplink test that nobody is to see: the picture is not worth showing yet."""
        return self.up.questions.goal_bps is not None and self.up.rung < Rung.LOW_VIDEO

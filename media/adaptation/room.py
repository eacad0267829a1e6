"""Adaptation of one media room: lines in, orders out. Pure; driven every 200 ms."""

from collections.abc import Mapping

from media.adaptation.allocator import Flow, allocate, audio_load, extra_audio_bps
from media.adaptation.ladder import Load, Wanted
from media.adaptation.member import NO_LINES, Limit, Member, Wish
from media.adaptation.news import line_news
from media.adaptation.orders import (
    Action,
    DirectionNews,
    Forward,
    LineHint,
    LineNews,
    Lines,
    ProbeDownlink,
    Publish,
    PublishOrder,
    Tell,
    VideoOrder,
)
from media.adaptation.policy import LadderPolicy
from media.adaptation.rungs import Rung

__all__ = ["Action", "LineHint", "Lines", "RoomAdaptation"]

REASONS = ("", "chosen", "saving", "budget")
REASON_INTERVAL_S = 2.0
"""News of another reason for the same rung wait this long: each costs a few hundred bytes on a thin line."""


class RoomAdaptation:
    """Who sends and gets what. Participants are known by id; calls with an unknown id do nothing.

    Nothing is forwarded and nothing published before the first ``Forward`` and ``Publish`` say so.
    """

    def __init__(self, policy: LadderPolicy) -> None:
        self.policy = policy
        self._members: dict[str, Member] = {}
        self._forwarded: set[tuple[str, str, str]] = set()

    def join(self, participant: str, now: float, hint: LineHint | None) -> None:
        """A participant's first media session opened. Again after ``leave`` only."""
        if participant not in self._members:
            self._members[participant] = Member.join(self.policy, participant, now, hint)

    def leave(self, participant: str) -> None:
        """The participant's last media session closed. What was forwarded to and from them is forgotten."""
        self._members.pop(participant, None)
        self._forwarded = {entry for entry in self._forwarded if participant not in entry[:2]}
        for member in self._members.values():
            member.weak_for.discard(participant)

    def set_wish(
        self, participant: str, *, wants_audio: bool, wants_video: bool, sends_audio: bool, sends_video: bool
    ) -> None:
        """What they want to receive, and which of their devices are on."""
        if participant in self._members:
            self._members[participant].wish = Wish(wants_audio, wants_video, sends_audio, sends_video)

    def set_limit(self, participant: str, *, down: Rung, up: Rung, reason: str) -> None:
        """Ceilings. Reasons: "" (none), chosen, saving, budget; ValueError on another."""
        if reason not in REASONS:
            raise ValueError(f"no such reason: {reason!r}")
        if participant in self._members:
            self._members[participant].limit = Limit(down, up, reason)

    def give_up_uplink(self, participant: str, now: float) -> None:
        """The participant's page found that its uplink bears no sound at all, and stopped by itself."""
        if participant in self._members:
            self._members[participant].up.give_up(now)

    def tick(self, now: float, lines: Mapping[str, Lines]) -> list[Action]:
        """What changed since the last tick. A participant without a line is not connected yet."""
        members = self._members
        for member in members.values():
            member.note_lines(self.policy, now, lines.get(member.id, NO_LINES))
        for member in members.values():
            self._climb(now, member)
        flows = allocate(self.policy, now, members)
        actions: list[Action] = []
        for member in members.values():
            self._publish(now, member, flows[member.id], actions)
            self._ask(member, actions)
        self._forward(flows, actions)
        for member in members.values():
            self._tell(now, member, line_news(self.policy, now, member, flows, members), actions)
        return actions

    def _others(self, member: Member) -> list[Member]:
        return [other for other in self._members.values() if other is not member]

    def _climb(self, now: float, member: Member) -> None:
        others = self._others(member)
        load = audio_load(self.policy, member, others)
        sees = any(entry[0] == member.id and entry[2] == "video" for entry in self._forwarded)
        shown = any(entry[1] == member.id and entry[2] == "video" for entry in self._forwarded)
        member.wanted_down = Wanted(member.ceiling_down(self.policy), self._useful_down(member, others), load, sees)
        own = Load(extra_bps=extra_audio_bps(member))
        member.wanted_up = Wanted(member.ceiling_up(self.policy), self._useful_up(member, others), own, shown)
        member.down.tick(now, member.lines.down, member.lines.alive, member.wanted_down)
        member.up.tick(now, member.lines.up, member.lines.alive, member.wanted_up)

    def _useful_down(self, member: Member, others: list[Member]) -> Rung:
        """The best the others might send: one rung beyond what their uplinks have shown."""
        cameras = [other for other in others if other.wish.sends_video and member.wish.wants_video]
        best = Rung.AUDIO
        for other in cameras:
            shown = other.up.rung
            reach = Rung.LOW_VIDEO if shown < Rung.LOW_VIDEO else Rung(min(shown + 1, Rung.HD))
            best = max(best, min(reach, other.ceiling_up(self.policy)))
        return best

    def _useful_up(self, member: Member, others: list[Member]) -> Rung:
        """The best that somebody can take; a receiver nobody knows yet may take low video."""
        best = Rung.TEXT if others else Rung.AUDIO
        for other in others:
            if other.wish.wants_audio:
                best = max(best, min(other.down.rung, Rung.AUDIO))
            if not (member.wish.sends_video and other.wish.wants_video and other.lines.alive):
                continue
            reach = other.down.rung
            if reach is Rung.AUDIO and other.down.cause == "starting":
                reach = min(other.ceiling_down(self.policy), Rung.LOW_VIDEO)
            best = max(best, reach)
        return best

    def _publish(self, now: float, member: Member, flow: Flow, actions: list[Action]) -> None:
        if not member.lines.alive or not self._order_due(now, member, flow.order):
            return
        member.order, member.ordered_at = flow.order, now
        actions.append(Publish(member.id, flow.order))

    def _order_due(self, now: float, member: Member, order: PublishOrder) -> bool:
        """Each order costs its receiver 150 bytes: small moves of the cap wait or are not worth it."""
        old = member.order
        if old is None or (old.audio, old.probe) != (order.audio, order.probe):
            return True
        if old.video is None or order.video is None:
            return old.video is not order.video
        return self._video_due(now - member.ordered_at, old.video, order.video)

    def _video_due(self, elapsed_s: float, old: VideoOrder, new: VideoOrder) -> bool:
        if (old.max_framerate, old.max_height) != (new.max_framerate, new.max_height):
            return True
        change = new.max_bitrate_bps / old.max_bitrate_bps - 1
        if change <= -self.policy.urgent_drop:
            return True
        return abs(change) >= self.policy.order_step and elapsed_s >= self.policy.order_interval_s

    @staticmethod
    def _ask(member: Member, actions: list[Action]) -> None:
        goal_bps = member.down.questions.goal_bps
        if goal_bps != member.asked_bps:
            member.asked_bps = goal_bps
            actions.append(ProbeDownlink(member.id, goal_bps))

    def _forward(self, flows: dict[str, Flow], actions: list[Action]) -> None:
        wanted = {(receiver, publisher, "audio") for publisher, flow in flows.items() for receiver in flow.hears}
        for publisher, flow in flows.items():
            if not self._members[publisher].testing:
                wanted |= {(receiver, publisher, "video") for receiver in flow.sees}
        for entry in sorted(self._forwarded - wanted):
            actions.append(Forward(*entry, on=False))
        for entry in sorted(wanted - self._forwarded):
            actions.append(Forward(*entry, on=True))
        self._forwarded = wanted

    def _tell(self, now: float, member: Member, news: LineNews, actions: list[Action]) -> None:
        old = member.news
        if old is not None and not self._news_due(now - member.told_at, old, news):
            return
        member.news, member.told_at = news, now
        actions.append(Tell(member.id, news))

    def _news_due(self, elapsed_s: float, old: LineNews, new: LineNews) -> bool:
        pairs = ((old.down, new.down), (old.up, new.up))
        if any(before.rung != after.rung for before, after in pairs):
            return True
        if any(before.reason != after.reason for before, after in pairs):
            return elapsed_s >= REASON_INTERVAL_S
        return elapsed_s >= self.policy.tell_interval_s and any(self._moved(*pair) for pair in pairs)

    def _moved(self, before: DirectionNews, after: DirectionNews) -> bool:
        return abs(after.capacity_bps - before.capacity_bps) > self.policy.tell_change * max(before.capacity_bps, 1)

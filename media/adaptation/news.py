"""What people are told: the rung that really flows in each direction, and the honest reason it is not a better one."""

from collections.abc import Iterable

from media.adaptation.allocator import Flow
from media.adaptation.ladder import DirectionLadder, Wanted
from media.adaptation.member import Member
from media.adaptation.orders import DirectionNews, LineNews
from media.adaptation.policy import LadderPolicy
from media.adaptation.rungs import Rung
from media.congestion.line import LineState

LINE_REASONS = ("starting", "line", "loss", "silence")


def line_news(
    policy: LadderPolicy, now: float, member: Member, flows: dict[str, Flow], members: dict[str, Member]
) -> LineNews:
    others = [flow for name, flow in flows.items() if name != member.id]
    publishers = [other for other in members.values() if other.id != member.id]
    down = _shown_down(member, others)
    up = _shown_up(member, flows[member.id], bool(publishers))
    down_reason = _reason_down(policy, member, down, publishers)
    up_reason = _reason_up(policy, member, up)
    before = member.news
    return LineNews(
        _direction(
            now, member.down, member.lines.down, member.wanted_down, down, down_reason, before.down if before else None
        ),
        _direction(now, member.up, member.lines.up, member.wanted_up, up, up_reason, before.up if before else None),
    )


def _direction(
    now: float,
    ladder: DirectionLadder,
    line: LineState,
    wanted: Wanted,
    rung: Rung,
    reason: str,
    before: DirectionNews | None,
) -> DirectionNews:
    same = before is not None and (before.rung, before.reason) == (rung, reason)
    following = ladder.next_rung(wanted.ceiling) if reason in LINE_REASONS else rung
    needed_bps = ladder.enter_bps(following, wanted.load) if following > rung else 0
    return DirectionNews(rung, reason, line.capacity_bps, needed_bps, before.since if same and before else now)


def _shown_down(member: Member, others: Iterable[Flow]) -> Rung:
    flows = list(others)
    seen = [flow.picture for flow in flows if member.id in flow.sees]
    if seen:
        return max(seen)
    heard = [flow.sound for flow in flows if member.id in flow.hears]
    if heard:
        return max(heard)
    return min(member.down.rung, Rung.AUDIO)


def _shown_up(member: Member, flow: Flow, company: bool) -> Rung:
    if flow.sees:
        return flow.picture
    if flow.hears:
        return flow.sound
    if company and member.wish.sends_audio:
        return Rung.TEXT
    return min(member.up.rung, Rung.AUDIO)


def _reason_down(policy: LadderPolicy, member: Member, shown: Rung, publishers: list[Member]) -> str:
    if shown >= policy.top:
        return ""
    if member.limit.reason and shown >= member.limit.down:
        return member.limit.reason
    if member.down.cause == "silence" or (shown < Rung.AUDIO and member.down.rung <= shown):
        return member.down.cause
    if not publishers:
        return "starting"
    if shown <= Rung.AUDIO and not any(publisher.wish.sends_video for publisher in publishers):
        return "no_camera" if any(publisher.wish.sends_audio for publisher in publishers) else "no_microphone"
    if member.weak_for & {publisher.id for publisher in publishers}:
        return "line"
    if member.down.rung <= shown and member.wanted_down.useful > shown:
        return member.down.cause
    return "peer"


def _reason_up(policy: LadderPolicy, member: Member, shown: Rung) -> str:
    if shown >= policy.top:
        return ""
    if member.limit.reason and shown >= member.limit.up:
        return member.limit.reason
    if member.up.cause == "silence" or (shown < Rung.AUDIO and member.up.rung <= shown):
        return member.up.cause
    if not member.wish.sends_video:
        return "no_camera" if member.wish.sends_audio else "no_microphone"
    if member.up.rung <= shown and member.wanted_up.useful > shown:
        return member.up.cause
    return "peer"

"""Who gets whose sound and picture, and what each publisher encodes for that. Pure functions over the members."""

from dataclasses import dataclass, replace

from media.adaptation.ladder import Load
from media.adaptation.member import Member
from media.adaptation.orders import AudioOrder, PublishOrder, VideoOrder
from media.adaptation.policy import LadderPolicy, RungRule
from media.adaptation.rungs import Rung

CALM_UP_S = 5.0
"""This long after congestion a publisher is kept below the measured capacity; then its own controller decides."""
UPLINK_HEADROOM = 1.15
WEAK_RETURN = 1.3
"""A receiver left out of a picture comes back when it bears this much more than it was left out at."""
ENLARGE_SHARE = 0.9
"""Of a rung's most: a picture growing beyond it gets the lines of the next."""
TEST_FRAMERATE = 8.0
TEST_MIN_BITRATE_BPS = 30_000
LOUD_MIN_BPS = 8_000
LOUD_SHARE = 1.03


@dataclass(frozen=True, slots=True)
class Flow:
    """What one publisher sends, and who gets it."""

    order: PublishOrder
    sound: Rung
    """TEXT, EMERGENCY or AUDIO."""
    picture: Rung
    """STILLS and above; TEXT when no picture flows."""
    hears: frozenset[str]
    sees: frozenset[str]


def audio_load(policy: LadderPolicy, member: Member, publishers: list[Member]) -> Load:
    """What the others send to one receiver, as streams."""
    sounding = [p for p in publishers if p.wish.sends_audio and member.wish.wants_audio]
    showing = [p for p in publishers if p.wish.sends_video and member.wish.wants_video]
    return Load(max(1, len(sounding)), max(1, len(showing)), sum(extra_audio_bps(p) for p in sounding))


def extra_audio_bps(publisher: Member) -> int:
    """Measured sound beyond the order: a browser that keeps to short packets."""
    measured = publisher.lines.audio_up_bps
    if measured is None or publisher.order is None or publisher.order.audio is None:
        return 0
    return max(0, measured - round(publisher.order.audio.wire_bps * 1.15))


def allocate(policy: LadderPolicy, now: float, members: dict[str, Member]) -> dict[str, Flow]:
    """The flow of every publisher."""
    return {member.id: _flow(policy, now, member, members) for member in members.values()}


def _flow(policy: LadderPolicy, now: float, publisher: Member, members: dict[str, Member]) -> Flow:
    others = [member for member in members.values() if member.id != publisher.id]
    sound, hears = _sound(publisher, others)
    fed = _fed(policy, publisher, others, members)
    picture = min([publisher.up.rung, *(member.down.rung for member in fed)]) if fed else Rung.TEXT
    if sound is Rung.TEXT and publisher.wish.sends_audio:
        fed, picture = [], Rung.TEXT
    style = max(sound, picture) if picture is not Rung.TEXT else sound
    audio = _audio_order(policy, publisher, others, style) if hears else None
    video = _video_order(policy, now, publisher, fed, members, picture, audio) if fed else None
    order = _with_test(policy, publisher, PublishOrder(audio, video))
    return Flow(order, sound, picture, frozenset(hears), frozenset(member.id for member in fed))


def _sound(publisher: Member, others: list[Member]) -> tuple[Rung, list[str]]:
    """Sound as poor as the poorest that hears it needs; receivers at text hear nothing and count for nothing."""
    if not publisher.wish.sends_audio or publisher.up.rung is Rung.TEXT:
        return Rung.TEXT, []
    hearing = [m for m in others if m.wish.wants_audio and m.down.rung is not Rung.TEXT]
    if not hearing:
        return Rung.TEXT, []
    poorest = min(member.down.rung for member in hearing)
    return min(publisher.up.rung, poorest, Rung.AUDIO), [member.id for member in hearing]


def _fed(policy: LadderPolicy, publisher: Member, others: list[Member], members: dict[str, Member]) -> list[Member]:
    """Receivers of the picture, without one that would make it poor for all the others."""
    if not publisher.wish.sends_video or publisher.up.rung < Rung.STILLS:
        return []
    takers = [m for m in others if m.wish.wants_video and m.down.rung >= Rung.STILLS and m.lines.alive]
    takers.sort(key=lambda member: picture_bps(policy, member, members))
    while len(takers) >= 2:
        weakest, rest = takers[0], takers[1:]
        bound = policy.weak_share * picture_bps(policy, rest[0], members)
        if publisher.id in weakest.weak_for:
            bound *= WEAK_RETURN
        if picture_bps(policy, weakest, members) >= bound:
            break
        weakest.weak_for.add(publisher.id)
        takers = rest
    for member in takers:
        member.weak_for.discard(publisher.id)
    return takers


def picture_bps(policy: LadderPolicy, member: Member, members: dict[str, Member]) -> int:
    """Payload rate of one picture that a receiver can take, within the rung it is on."""
    rule = policy.rule(member.down.rung)
    if rule is None or not rule.has_video:
        return 0
    load = member.wanted_down.load
    sound_bps = rule.audio.wire_bps + (load.audio - 1) * policy.dtx_floor_bps + load.extra_bps
    line = member.lines.down
    usable_bps = policy.use_share * (line.capacity_bps - policy.reserve_bps) - sound_bps
    if not line.proven and not line.congestion:
        usable_bps = max(usable_bps, policy.use_share * rule.enter_bps * load.video - sound_bps)
    return rule.video(round(usable_bps / load.video)).max_bitrate_bps


def _audio_order(policy: LadderPolicy, publisher: Member, others: list[Member], style: Rung) -> AudioOrder:
    """The sound of a rung; with loss the thin ones get room for in-band repair, with many people silence is free."""
    rule = policy.rule(style)
    assert rule is not None
    audio = rule.audio
    hearing = [member for member in others if member.down.rung is not Rung.TEXT]
    if audio.fec and audio.bitrate_bps < policy.fec_bitrate_bps and _repair_pays(policy, publisher, hearing):
        audio = replace(audio, bitrate_bps=policy.fec_bitrate_bps)
    if len(others) + 1 >= policy.group_dtx_from:
        audio = replace(audio, dtx=True)
    return audio


def _repair_pays(policy: LadderPolicy, publisher: Member, hearing: list[Member]) -> bool:
    if not (publisher.loss_seen or any(member.loss_seen for member in hearing)):
        return False
    lines = [publisher.lines.up, *(member.lines.down for member in hearing)]
    return not any(line.proven and line.capacity_bps < policy.audio.enter_bps + 12_000 for line in lines)


def _video_order(
    policy: LadderPolicy,
    now: float,
    publisher: Member,
    fed: list[Member],
    members: dict[str, Member],
    picture: Rung,
    audio: AudioOrder | None,
) -> VideoOrder:
    cap_bps = min(picture_bps(policy, member, members) for member in fed)
    rule = _trial_rule(policy, publisher, fed, picture)
    bound = _uplink_bound_bps(policy, now, publisher, audio)
    order = rule.video(cap_bps if bound is None else min(cap_bps, bound))
    if picture is not Rung.LOW_VIDEO or rule is not policy.low_video:
        return order
    slow_below = policy.low_framerate_below_bps
    last = publisher.order.video if publisher.order else None
    if last is not None and last.max_framerate == policy.low_framerate:
        slow_below = round(slow_below * 1.15)
    return replace(order, max_framerate=policy.low_framerate) if order.max_bitrate_bps < slow_below else order


def _trial_rule(policy: LadderPolicy, publisher: Member, fed: list[Member], picture: Rung) -> RungRule:
    """Where only the uplink is unproven, its own controller may grow into the next rung: it knows best when to stop.

    The larger picture, and the key frame it costs, come when the small one has no more to send."""
    rule = policy.rule(picture)
    assert rule is not None
    growing = publisher.up.questions.goal_bps is not None and publisher.up.rung is picture
    if growing and picture >= Rung.LOW_VIDEO and all(member.down.rung > picture for member in fed):
        following = policy.rule(Rung(picture + 1))
        assert following is not None
        last = publisher.order.video if publisher.order else None
        enlarged = last is not None and last.max_height >= following.video_height
        if enlarged or publisher.lines.up.rate_bps >= ENLARGE_SHARE * rule.video_max_bitrate_bps:
            return following
        return replace(rule, video_max_bitrate_bps=following.video_max_bitrate_bps)
    return rule


def _uplink_bound_bps(policy: LadderPolicy, now: float, publisher: Member, audio: AudioOrder | None) -> int | None:
    """What the uplink allows the picture; None: the browser's own controller decides."""
    line = publisher.lines.up
    sound_bps = audio.wire_bps if audio else 0
    if now - publisher.congested_up_at < CALM_UP_S:
        return round(policy.use_share * (line.capacity_bps - policy.reserve_bps)) - sound_bps
    if line.proven and publisher.up.questions.goal_bps is None:
        return round(UPLINK_HEADROOM * line.capacity_bps) - sound_bps
    return None


def _with_test(policy: LadderPolicy, publisher: Member, order: PublishOrder) -> PublishOrder:
    """What a test of the uplink adds: a small picture, or sound without pauses on the lowest rungs."""
    goal_bps = publisher.up.questions.goal_bps
    rung = publisher.up.rung
    if goal_bps is None or rung >= Rung.LOW_VIDEO:
        return order
    if rung >= Rung.AUDIO and goal_bps > policy.thin_line_bps * policy.probe_margin:
        sound_bps = order.audio.wire_bps if order.audio else 0
        bitrate_bps = max(TEST_MIN_BITRATE_BPS, round(policy.test_share * goal_bps) - sound_bps)
        height = policy.low_video.video_height
        return PublishOrder(order.audio, VideoOrder(bitrate_bps, TEST_FRAMERATE, height), probe=True)
    if rung is Rung.TEXT:
        return PublishOrder(replace(policy.emergency.audio, dtx=False), order.video, probe=True)
    return PublishOrder(_loud(policy, goal_bps), order.video, probe=True)


def _loud(policy: LadderPolicy, goal_bps: int) -> AudioOrder:
    """Sound that takes a little more than the goal: one packet of a picture alone would fill a thin line's queue."""
    sound = replace(policy.audio.audio, dtx=False)
    headers_bps = sound.wire_bps - sound.bitrate_bps
    return replace(sound, bitrate_bps=max(LOUD_MIN_BPS, round(goal_bps * LOUD_SHARE) - headers_bps))

"""One room's sessions and its ``RoomAdaptation``: what lines do goes in, what it orders is carried out."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from media import rtp
from media.adaptation.orders import Forward, LineNews, Lines, ProbeDownlink, Publish, PublishOrder, Tell
from media.adaptation.policy import LadderPolicy
from media.adaptation.room import RoomAdaptation
from media.adaptation.rungs import Rung
from media.config import AudioParameters
from media.control import FEEDBACK_INTERVAL_S, RateMeter
from media.room import Room

if TYPE_CHECKING:
    from media.aio.session import MediaSession

ADAPT_S = 0.2
CALM_ADAPT_S = 1.0
"""The same while nobody's line holds anything back and nothing is being found out."""
CALM_QUEUE_MS = 60.0
AT_REST = ("", "chosen", "saving", "budget", "no_camera", "no_microphone")
"""Reasons of a rung that the line will not change."""
CALM_AFTER_S = 5.0
CALM_FEEDBACK_S = 0.18
"""The publisher on a line without a queue is told of its packets every other tick: half as much work for both."""
FEEDBACK_BYTES = 80
"""A transport feedback message on the wire, with its share of a second for five packets."""
FEEDBACK_SHARE = 0.04
MAX_FEEDBACK_S = 0.5


class _Member:
    """What is kept of a participant over all their sessions."""

    def __init__(self, order: PublishOrder, now: float) -> None:
        self.order = order
        self.news: LineNews | None = None
        self.held_back: set[tuple[str, str]] = set()
        self.audio_rate = RateMeter(now)
        self.session: MediaSession | None = None
        self.told: tuple[object, ...] = ()
        """Wishes and limits that ``RoomAdaptation`` knows."""
        self.uneasy_at = now
        """When the way up last had a queue."""


class RoomAdapter:
    """Made with the room. A participant who reconnects keeps rung, limits and what their line was known to bear."""

    def __init__(self, room: Room, policy: LadderPolicy) -> None:
        self._room = room
        self._policy = policy
        self._core = RoomAdaptation(policy)
        self._members: dict[str, _Member] = {}
        self._tick_at = 0.0
        self._adapt_at = 0.0
        self._adapted: set[str] = set()
        """Who was connected the last time."""

    def opened(self, session: "MediaSession", now: float) -> None:
        """A session was opened: until the line is known it sends sound of the audio rung and no picture."""
        participant_id = session.participant_id
        member = self._members.get(participant_id)
        if member is None:
            member = self._members[participant_id] = _Member(PublishOrder(self._policy.audio.audio, None), now)
            self._core.join(participant_id, now, session.hint)
        former = member.session
        member.session = session
        session.paced = True
        if former is not None:
            session.downlink_control.hint(former.downlink_control.line(now).capacity_bps, now)
            if session.limit is None:
                session.limit = former.limit
        elif session.hint is not None and session.hint.down_bps:
            session.downlink_control.hint(session.hint.down_bps, now)
        self._order(session, member.order)
        for publisher, kind in member.held_back:
            session.set_forwarding(publisher, kind, on=False)
        for other_id in self._members if former is None else ():
            if other_id != participant_id:
                self._hold_back(participant_id, other_id)
                self._hold_back(other_id, participant_id)

    def closed(self, session: "MediaSession") -> None:
        """Call when the room has forgotten the session."""
        participant_id = session.participant_id
        member = self._members.get(participant_id)
        if member is None:
            return
        remaining = self._room.members.get(participant_id)
        if not remaining:
            del self._members[participant_id]
            self._core.leave(participant_id)
            for other in self._members.values():
                other.held_back = {key for key in other.held_back if key[0] != participant_id}
        elif member.session is session:
            member.session = self._sessions(participant_id)[-1]

    def tick(self, now: float) -> None:
        if now < self._tick_at:
            return
        self._tick_at = now + ADAPT_S * 0.9
        lines: dict[str, Lines] = {}
        calm = True
        for participant_id, member, session in self._connected():
            line = lines[participant_id] = self._lines(member, session, now)
            calm &= not self._tell_wishes(member, session)
            if session.gave_up_sound:
                session.gave_up_sound, calm = False, False
                self._core.give_up_uplink(participant_id, now)
            calm &= self._at_rest(member, session, line)
            session.feedback_interval_s = self._feedback_interval_s(member, session, line, now)
        if calm and now < self._adapt_at and lines.keys() == self._adapted:
            return
        self._adapted = set(lines)
        self._adapt_at = now + CALM_ADAPT_S * 0.9
        for action in self._core.tick(now, lines):
            self._adapt_at = now  # one change may lead to the next
            self._run(action)

    @staticmethod
    def _at_rest(member: _Member, session: "MediaSession", line: Lines) -> bool:
        news = member.news
        return (
            news is not None
            and news.down.reason in AT_REST
            and news.up.reason in AT_REST
            and line.alive
            and not line.down.congestion
            and not line.up.congestion
            and line.down.queue_ms < CALM_QUEUE_MS
            and line.up.queue_ms < CALM_QUEUE_MS
            and session.probe_goal_bps is None
        )

    @staticmethod
    def _feedback_interval_s(member: _Member, session: "MediaSession", line: Lines, now: float) -> float:
        if member.order.probe or line.up.congestion or line.up.queue_ms >= CALM_QUEUE_MS:
            member.uneasy_at = now
        interval_s = feedback_interval_s(line.down.capacity_bps)
        return max(interval_s, CALM_FEEDBACK_S) if now - member.uneasy_at > CALM_AFTER_S else interval_s

    def _connected(self) -> "Iterator[tuple[str, _Member, MediaSession]]":
        """Each participant's newest session that is connected."""
        for participant_id, member in self._members.items():
            for session in reversed(self._sessions(participant_id)):
                if session.connected:
                    yield participant_id, member, session
                    break

    def _tell_wishes(self, member: _Member, session: "MediaSession") -> bool:
        """Whether something changed."""
        wanted = session.wanted
        wishes = (wanted[rtp.AUDIO], wanted[rtp.VIDEO], session.microphone, session.camera, session.limit)
        if wishes == member.told:
            return False
        member.told = wishes
        self._core.set_wish(
            session.participant_id,
            wants_audio=wanted[rtp.AUDIO],
            wants_video=wanted[rtp.VIDEO],
            sends_audio=session.microphone,
            sends_video=session.camera,
        )
        down, up, reason = session.limit or (Rung.HD, Rung.HD, "")
        self._core.set_limit(session.participant_id, down=down, up=up, reason=reason)
        return True

    def _lines(self, member: _Member, session: "MediaSession", now: float) -> Lines:
        observer = session.uplink_observer
        audio, video = session.uplink_samples()
        if session.round_trip.measured:
            observer.rtt_ms = session.round_trip.rtt_s * 1000
        sends_audio = member.order.audio is not None and session.microphone
        observer.observe(now, audio, video, session.wire_up_bytes, expected=sends_audio)
        if audio is not None:
            member.audio_rate.read(audio.bytes + audio.packets * (rtp.IP_UDP_BYTES + rtp.SRTP_TAG_BYTES), now)
        up = observer.line(now)
        session.feedback.forgive_after_s = session.repaired_after_s if observer.forgiving else None
        session.uplinks[rtp.VIDEO].missing.ask(up.congestion not in ("delay", "loss"))
        return Lines(
            down=session.downlink_control.line(now),
            up=up,
            alive=not session.path_lost,
            audio_up_bps=member.audio_rate.bps or None,
        )

    def _run(self, action: Forward | Publish | ProbeDownlink | Tell) -> None:
        match action:
            case Forward(receiver, publisher, kind, on):
                member = self._members[receiver]
                (member.held_back.discard if on else member.held_back.add)((publisher, kind))
                for session in self._sessions(receiver):
                    session.set_forwarding(publisher, kind, on=on)
            case Publish(participant, order):
                self._members[participant].order = order
                for session in self._sessions(participant):
                    self._order(session, order)
            case ProbeDownlink(participant, goal_bps):
                for session in self._sessions(participant):
                    session.probe_goal_bps = goal_bps
            case Tell(participant, news):
                self._members[participant].news = news
                for other_id in self._members:
                    for session in self._sessions(other_id):
                        session.tell_line(participant, news)

    def _hold_back(self, receiver: str, publisher: str) -> None:
        """Nothing is forwarded before the ladder says so, which it does at the first tick of a connected session."""
        for kind in rtp.KINDS:
            self._members[receiver].held_back.add((publisher, kind))
            for session in self._sessions(receiver):
                session.set_forwarding(publisher, kind, on=False)

    def _sessions(self, participant_id: str) -> "list[MediaSession]":
        return cast("list[MediaSession]", list(self._room.members.get(participant_id, [])))

    @staticmethod
    def _order(session: "MediaSession", order: PublishOrder) -> None:
        """The page obeys the order at once; the cap in reports brakes a camera even if the page does not hear it."""
        if order.audio is not None:
            session.set_audio(
                AudioParameters(
                    ptime_ms=order.audio.ptime_ms,
                    max_average_bitrate_bps=order.audio.bitrate_bps,
                    use_dtx=order.audio.dtx,
                    use_inband_fec=order.audio.fec,
                    narrowband=order.audio.narrowband,
                ),
                offer=False,
            )
        session.set_max_video_bitrate(order.video.max_bitrate_bps if order.video is not None else 0)
        session.tell_order(order)


def feedback_interval_s(downlink_bps: int) -> float:
    """How often a publisher may be told of its packets' arrival: under 5 % of the line the telling takes."""
    return min(MAX_FEEDBACK_S, max(FEEDBACK_INTERVAL_S, FEEDBACK_BYTES * 8 / (FEEDBACK_SHARE * max(downlink_bps, 1))))

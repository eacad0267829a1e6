"""Who feeds whom in one room: keeps every uplink's list of receivers right. Not on the per-packet path."""

from collections.abc import Iterable
from typing import Protocol

from media.downlink import Downlink
from media.rtp import KINDS, VIDEO
from media.uplink import Uplink


class RoomSession(Protocol):
    """What the room needs of a media session."""

    participant_id: str
    connected: bool
    uplinks: dict[str, Uplink]

    def downlink(self, publisher: str, kind: str) -> Downlink | None:
        """The accepted stream of a publisher, None when the peer has not answered for it yet."""


class Room:
    """Sessions by participant, oldest first: during a make-before-break there are two of one participant."""

    def __init__(self, room_id: str) -> None:
        self.id = room_id
        self.members: dict[str, list[RoomSession]] = {}

    def add(self, session: RoomSession) -> None:
        self.members.setdefault(session.participant_id, []).append(session)

    def remove(self, session: RoomSession, now: float) -> None:
        """Take a session out; its receivers go on with the participant's other session, if there is one."""
        sessions = self.members.get(session.participant_id, [])
        if session not in sessions:
            return
        for uplink in session.uplinks.values():
            self._release(uplink, now)
        sessions.remove(session)
        if not sessions:
            del self.members[session.participant_id]
        self.reconcile(now)

    def sessions(self) -> Iterable[RoomSession]:
        for sessions in self.members.values():
            yield from sessions

    def publishers_for(self, participant_id: str) -> list[str]:
        """Everybody else, in order of arrival."""
        return [other for other in self.members if other != participant_id]

    def reconcile(self, now: float) -> None:
        """Bring all receiver lists in line with sessions, sources and wishes. Call after any change."""
        for publisher, sessions in self.members.items():
            for kind in KINDS:
                source = self._source(sessions, kind)
                for session in sessions:
                    if session.uplinks[kind] is not source:
                        self._release(session.uplinks[kind], now)
                if source is not None:
                    self._feed(source, publisher, now)

    @staticmethod
    def _source(sessions: list[RoomSession], kind: str) -> Uplink | None:
        """The newest session that really sends this kind; an older one feeds until then."""
        for session in reversed(sessions):
            if session.uplinks[kind].active:
                return session.uplinks[kind]
        return None

    def _feed(self, source: Uplink, publisher: str, now: float) -> None:
        sinks: list[Downlink] = []
        waiting: list[Downlink] = []
        for session in self.sessions():
            if session.participant_id == publisher:
                continue
            sink = session.downlink(publisher, source.kind)
            if sink is None:
                continue
            if not (session.connected and sink.wanted) or sink.starved:
                sink.detach(now)
            elif sink.attached and sink.source is source:
                sinks.append(sink)
            else:
                sink.detach(now)
                waiting.append(sink)
        if source.kind == VIDEO and any(sink not in source.waiting for sink in waiting):
            source.want_keyframe()
        source.sinks, source.waiting = sinks, waiting
        source.session.request_keyframe(now)

    @staticmethod
    def _release(uplink: Uplink, now: float) -> None:
        for sink in uplink.sinks:
            sink.detach(now)
        uplink.sinks, uplink.waiting = [], []


def attach_waiting(uplink: Uplink, seq: int, ts: int, payload: bytes, now: float) -> None:
    """The packet (seq, ts) is one that receivers can begin with: a key frame, or any audio."""
    for sink in uplink.waiting:
        sink.attach(uplink, seq, ts, payload, now)
    uplink.sinks = uplink.sinks + uplink.waiting
    uplink.waiting = []


def restart(uplink: Uplink, seq: int, now: float) -> None:
    """The source began anew (other SSRC, or numbers that jumped): receivers continue at its next key frame."""
    for sink in uplink.sinks:
        sink.detach(now)
    uplink.waiting = uplink.waiting + uplink.sinks
    uplink.sinks = []
    uplink.start(seq)
    if uplink.kind == VIDEO:
        uplink.want_keyframe()

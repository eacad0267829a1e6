"""One consult's media room: whose session is whose, and which must end when the consult's facts change.

Lives in the one process that holds the consult's claim; pages connected elsewhere reach it over the bus, so
everybody is addressed as a ``Page``. The consult never depends on it: it is rebuilt by pages joining again.
"""

from dataclasses import dataclass, replace

from candil.consults.permissions import Role, allowed
from candil.store.participants import ParticipantRow
from signaling.facts import People
from signaling.messages import (
    Error,
    MediaAnswer,
    MediaClosed,
    MediaJoin,
    MediaLeave,
    MediaMessage,
    MediaReceive,
    MediaState,
    Outgoing,
)
from signaling.modality import Modality, ModalityTracker

# The media server's words for why a session ended, as the protocol says them; ours pass through.
CLOSE_REASONS = {
    "peer_closed": "left",
    "handshake_failed": "path_lost",
    "silent": "path_lost",
    "server_closed": "server",
}


@dataclass(frozen=True)
class Page:
    """One loaded page of one participant, and the process its socket is connected to."""

    participant_id: str
    client_id: str
    node_id: str

    def is_same(self, other: "Page") -> bool:
        return (self.participant_id, self.client_id) == (other.participant_id, other.client_id)


@dataclass(frozen=True)
class OpenSession:
    """Then ``opened`` with its id, or ``not_opened``."""

    page: Page
    audio: bool
    video: bool


@dataclass(frozen=True)
class AnswerSession:
    session_id: str
    sdp: str


@dataclass(frozen=True)
class SetWanted:
    session_id: str
    audio: bool
    video: bool


@dataclass(frozen=True)
class ResendOffer:
    session_id: str


@dataclass(frozen=True)
class CloseSession:
    session_id: str
    reason: str


@dataclass(frozen=True)
class Tell:
    page: Page
    message: Outgoing


@dataclass(frozen=True)
class TellOffer:
    """Send ``media.offer`` with relay credentials minted now."""

    page: Page
    session_id: str
    sdp: str


@dataclass(frozen=True)
class RenewIce:
    page: Page
    session_id: str


@dataclass(frozen=True)
class Report:
    participant_id: str
    modality: Modality


Effect = OpenSession | AnswerSession | SetWanted | ResendOffer | CloseSession | Tell | TellOffer | RenewIce | Report


@dataclass(frozen=True)
class _Seat:
    page: Page
    renew_ice_at: float


class ConsultRoom:
    def __init__(self, consult_id: str, ice_renew_s: float) -> None:
        self.consult_id = consult_id
        self._ice_renew_s = ice_renew_s
        self._people: People | None = None
        self._seats: dict[str, _Seat] = {}
        self._tracker = ModalityTracker()
        self._effects: list[Effect] = []

    @property
    def is_empty(self) -> bool:
        return not self._seats and self._tracker.deadline is None

    def sessions(self) -> list[str]:
        return list(self._seats)

    # What pages say

    def handle(self, message: MediaMessage, page: Page, now: float) -> None:
        """A media message of a page; the caller has brought ``people_changed`` up to date before a join."""
        if isinstance(message, MediaJoin):
            if self._reason_to_close(page.participant_id) is None:
                self._effects.append(OpenSession(page, message.audio, message.video))
            else:
                self._tell(page, Error("not_now", "Not admitted to the conversation.", ref=message.ref))
            return
        seat = self._seats.get(message.session)
        if seat is None or seat.page.participant_id != page.participant_id:
            reason = "left" if isinstance(message, MediaLeave) else "server"
            self._tell(page, MediaClosed(message.session, reason))
        elif isinstance(message, MediaAnswer):
            self._effects.append(AnswerSession(message.session, message.sdp))
        elif isinstance(message, MediaReceive):
            self._effects.append(SetWanted(message.session, message.audio, message.video))
        else:
            self._effects.append(CloseSession(message.session, "left"))

    def page_seen(self, page: Page, now: float) -> None:
        """A page connected again, maybe to another process: what it is told goes there, and an offer it may have
        missed is repeated."""
        for session_id, seat in self._seats.items():
            if seat.page.is_same(page):
                self._seats[session_id] = replace(seat, page=page)
                self._effects.append(ResendOffer(session_id))

    # What the database says

    def people_changed(self, people: People, now: float) -> None:
        self._people = people
        for session_id, seat in self._seats.items():
            reason = self._reason_to_close(seat.page.participant_id)
            if reason is not None:
                self._effects.append(CloseSession(session_id, reason))

    def _reason_to_close(self, participant_id: str) -> str | None:
        people = self._people
        participant = people.participant(participant_id) if people else None
        if people is None or participant is None:
            return "refused"
        consult = people.consult
        if consult.status in ("finished", "cancelled"):
            return "finished"
        if participant.admission == "refused":
            return "refused"
        if consult.conversation_ended_at is not None:
            return "conversation_ended"
        role = Role(participant.role)
        may_join = allowed("room.join", role, status=consult.status, admission=participant.admission)
        return None if may_join else "held"

    # What the media server says

    def opened(self, session_id: str, page: Page, now: float) -> None:
        self._seats[session_id] = _Seat(page, now + self._ice_renew_s)

    def not_opened(self, page: Page, error: Error) -> None:
        self._tell(page, error)

    def answer_failed(self, session_id: str, error: Error) -> None:
        """The peer's answer was wrong: a new session may go better than this one."""
        seat = self._seats.get(session_id)
        if seat is not None:
            self._tell(seat.page, error)
            self._effects.append(CloseSession(session_id, "server"))

    def offered(self, session_id: str, sdp: str) -> None:
        if seat := self._seats.get(session_id):
            self._effects.append(TellOffer(seat.page, session_id, sdp))

    def path_changed(self, session_id: str, state: str, now: float) -> None:
        """``state``: connected, path_lost or path_restored."""
        if seat := self._seats.get(session_id):
            self._tell(seat.page, MediaState(session_id, state))
            if self._is_patient(seat.page):
                self._tracker.path(session_id, state != "path_lost", now)

    def media_changed(self, session_id: str, kind: str, active: bool, now: float) -> None:
        seat = self._seats.get(session_id)
        if seat is not None and self._is_patient(seat.page):
            self._tracker.media(session_id, kind, active, now)

    def closed(self, session_id: str, reason: str, now: float) -> None:
        seat = self._seats.pop(session_id, None)
        if seat is not None:
            self._tell(seat.page, MediaClosed(session_id, CLOSE_REASONS.get(reason, reason)))
            self._tracker.ended(session_id, now)

    # Time

    def handle_timer(self, now: float) -> None:
        modality = self._tracker.due(now)
        patient = self._patient()
        if modality is not None and patient is not None:
            self._effects.append(Report(patient.id, modality))
        for session_id, seat in self._seats.items():
            if now >= seat.renew_ice_at:
                self._seats[session_id] = replace(seat, renew_ice_at=now + self._ice_renew_s)
                self._effects.append(RenewIce(seat.page, session_id))

    def next_deadline(self) -> float | None:
        deadlines = [seat.renew_ice_at for seat in self._seats.values()]
        if self._tracker.deadline is not None:
            deadlines.append(self._tracker.deadline)
        return min(deadlines, default=None)

    def drain_effects(self) -> list[Effect]:
        effects, self._effects = self._effects, []
        return effects

    def _tell(self, page: Page, message: Outgoing) -> None:
        self._effects.append(Tell(page, message))

    def _patient(self) -> ParticipantRow | None:
        everybody = self._people.participants if self._people else ()
        return next((p for p in everybody if p.role == Role.PATIENT), None)

    def _is_patient(self, page: Page) -> bool:
        patient = self._patient()
        return patient is not None and patient.id == page.participant_id

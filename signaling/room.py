"""One consult's media room: whose session is whose, and which must end when the consult's facts change.

Lives in the one process that holds the consult's claim; pages connected elsewhere reach it over the bus, so
everybody is addressed as a ``Page``. The consult never depends on it: it is rebuilt by pages joining again.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from candil.consults import line_history
from candil.consults.permissions import Role, allowed
from candil.store.line_history import LineRow
from candil.store.participants import ParticipantRow
from media.adaptation.orders import PublishOrder
from signaling.facts import People
from signaling.line_board import LineBoard
from signaling.line_messages import MediaLimit, MediaLine, MediaOrder, MediaReport, media_order
from signaling.line_recorder import LineRecorder
from signaling.messages import (
    Error,
    MediaAnswer,
    MediaClosed,
    MediaDevices,
    MediaJoin,
    MediaLeave,
    MediaReceive,
    MediaState,
    Outgoing,
    RoomMessage,
    SessionMessage,
)
from signaling.modality import ModalityTracker
from signaling.room_effects import (
    AnswerSession,
    BrowserEstimate,
    CloseSession,
    Effect,
    OpenSession,
    Page,
    RecordLines,
    RenewIce,
    Report,
    ResendOffer,
    SetDevices,
    SetLimit,
    SetWanted,
    Tell,
    TellOffer,
)

# The media server's words for why a session ended, as the protocol says them; ours pass through.
CLOSE_REASONS = {
    "peer_closed": "left",
    "handshake_failed": "path_lost",
    "silent": "path_lost",
    "server_closed": "server",
}


@dataclass(frozen=True)
class _Seat:
    page: Page
    renew_ice_at: float
    order: MediaOrder | None = None


class ConsultRoom:
    def __init__(self, consult_id: str, ice_renew_s: float) -> None:
        self.consult_id = consult_id
        self._ice_renew_s = ice_renew_s
        self._people: People | None = None
        self._seats: dict[str, _Seat] = {}
        self._tracker = ModalityTracker()
        self._adapts = False  # the ladder tells how the patient takes part: the tracker is not asked
        self._board = LineBoard()
        self._recorder = LineRecorder()
        self._effects: list[Effect] = []

    @property
    def is_empty(self) -> bool:
        return not self._seats and self._tracker.deadline is None and self._recorder.deadline is None

    def sessions(self) -> list[str]:
        return list(self._seats)

    # What pages say

    def handle(self, message: RoomMessage, page: Page, now: float) -> None:
        """A media message of a page; the caller has brought ``people_changed`` up to date before a join."""
        if isinstance(message, MediaJoin):
            if self._reason_to_close(page.participant_id) is None:
                hint = message.line.hint if message.line else None
                self._effects.append(OpenSession(page, message.audio, message.video, hint, message.limit))
            else:
                self._tell(page, Error("not_now", "Not admitted to the conversation.", ref=message.ref))
            return
        if isinstance(message, MediaDevices):
            for session_id, seat in self._seats.items():
                if seat.page.is_same(page):
                    self._effects.append(SetDevices(session_id, message.microphone, message.camera))
            return
        self._handle_about_session(message, page)

    def _handle_about_session(self, message: SessionMessage, page: Page) -> None:
        seat = self._seats.get(message.session)
        if seat is None or seat.page.participant_id != page.participant_id:
            reason = "left" if isinstance(message, MediaLeave) else "server"
            self._tell(page, MediaClosed(message.session, reason))
        elif isinstance(message, MediaAnswer):
            self._effects.append(AnswerSession(message.session, message.sdp))
        elif isinstance(message, MediaReceive):
            self._effects.append(SetWanted(message.session, message.audio, message.video))
        elif isinstance(message, MediaLimit):
            self._effects.append(SetLimit(message.session, message.limit))
        elif isinstance(message, MediaReport):
            self._reported(message, page)
        else:
            self._effects.append(CloseSession(message.session, "left"))

    def _reported(self, message: MediaReport, page: Page) -> None:
        if message.outgoing_bps is not None:
            self._effects.append(BrowserEstimate(message.session, int(message.outgoing_bps)))
        if message.concealed is not None:
            self._recorder.concealed(page.participant_id, message.concealed)

    def page_seen(self, page: Page, now: float) -> None:
        """A page connected again, maybe to another process: what it is told goes there, and what it may have
        missed is repeated."""
        known = False
        for session_id, seat in self._seats.items():
            if seat.page.is_same(page):
                known = True
                self._seats[session_id] = replace(seat, page=page)
                self._effects.append(ResendOffer(session_id))
                if seat.order is not None:
                    self._tell(page, seat.order)
        if known:
            self._tell_lines(page)

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
        self._tell_lines(page)

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

    def ordered(self, session_id: str, order: PublishOrder) -> None:
        """What the session's participant is to send from now on."""
        if seat := self._seats.get(session_id):
            message = media_order(session_id, order)
            self._seats[session_id] = replace(seat, order=message)
            self._tell(seat.page, message)

    def line_changed(self, line: MediaLine, now: float) -> None:
        """How somebody's line is; the same news may come again."""
        if not self._has_session(line.participant):
            return
        patient = self._patient()
        self._adapts = self._adapts or (patient is not None and patient.id == line.participant)
        self._recorder.changed(line, now)
        self._tell_everybody(self._board.changed(line, now))

    def closed(self, session_id: str, reason: str, now: float) -> None:
        seat = self._seats.pop(session_id, None)
        if seat is None:
            return
        said = CLOSE_REASONS.get(reason, reason)
        self._tell(seat.page, MediaClosed(session_id, said))
        self._tracker.ended(session_id, now)
        participant_id = seat.page.participant_id
        if not self._has_session(participant_id):
            self._board.forget(participant_id)
            why = line_history.SILENCE if said == "path_lost" else line_history.LEFT
            self._recorder.left(participant_id, why, now)

    # Time

    def handle_timer(self, now: float) -> None:
        modality = self._tracker.due(now)
        patient = self._patient()
        if modality is not None and patient is not None and not self._adapts:
            self._effects.append(Report(patient.id, modality))
        for session_id, seat in self._seats.items():
            if now >= seat.renew_ice_at:
                self._seats[session_id] = replace(seat, renew_ice_at=now + self._ice_renew_s)
                self._effects.append(RenewIce(seat.page, session_id))
        self._tell_everybody(self._board.due(now))
        self.record(now, everything=False)

    def record(self, now: float, *, everything: bool = True) -> None:
        """Hand over what is to be kept of the lines: a batch that is due, or all there is."""
        if rows := self._recorder.due(now, everything=everything):
            self._effects.append(RecordLines(rows))

    def not_recorded(self, rows: tuple[LineRow, ...], now: float) -> None:
        """The storage refused; the call goes on."""
        self._recorder.put_back(rows, now)

    def next_deadline(self) -> float | None:
        deadlines = [seat.renew_ice_at for seat in self._seats.values()]
        for part in (self._tracker, self._board, self._recorder):
            if part.deadline is not None:
                deadlines.append(part.deadline)
        return min(deadlines, default=None)

    def drain_effects(self) -> list[Effect]:
        effects, self._effects = self._effects, []
        return effects

    def _tell(self, page: Page, message: Outgoing) -> None:
        self._effects.append(Tell(page, message))

    def _tell_lines(self, page: Page) -> None:
        for line in self._board.known():
            self._tell(page, line)

    def _tell_everybody(self, lines: Iterable[MediaLine]) -> None:
        for line in lines:
            for page in {seat.page: None for seat in self._seats.values()}:
                self._tell(page, line)

    def _has_session(self, participant_id: str) -> bool:
        return any(seat.page.participant_id == participant_id for seat in self._seats.values())

    def _patient(self) -> ParticipantRow | None:
        everybody = self._people.participants if self._people else ()
        return next((p for p in everybody if p.role == Role.PATIENT), None)

    def _is_patient(self, page: Page) -> bool:
        patient = self._patient()
        return patient is not None and patient.id == page.participant_id

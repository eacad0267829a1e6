"""A consult's room together with its media sessions, in the process that holds the consult's claim."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, assert_never

from candil.bus import topics
from candil.consults import line_history, waiting
from candil.errors import CandilError, PeerError
from candil.log import log_event
from candil.store.line_history import LineRow
from candil.store.tx import Transaction
from media.adaptation.orders import LineNews, PublishOrder
from media.adaptation.rungs import Rung
from media.aio.server import MediaServer
from media.aio.session import MediaSession
from signaling import room_effects as core
from signaling.aio.parts import Parts
from signaling.facts import People, read_people
from signaling.line_messages import Limit, media_line
from signaling.messages import MediaIce, MediaJoin, MediaOffer, Outgoing, RoomMessage
from signaling.room import ConsultRoom
from signaling.room_effects import Page
from signaling.session import error_message

log = logging.getLogger(__name__)

ALREADY_ANSWERED = "sdp_unexpected"  # an offer was repeated after a reconnect, and so was its answer


class RoomHost:
    """``tell`` brings a message to a page wherever it is connected. Also the listener of its media sessions."""

    def __init__(
        self,
        people: People,
        parts: Parts,
        media: MediaServer,
        ice_renew_s: float,
        tell: Callable[[str, Page, Outgoing], None],
    ) -> None:
        self.consult_id = people.consult.id
        self.doctor_id = people.consult.doctor_id
        self.idle_since: float | None = None
        self._parts, self._media, self._tell = parts, media, tell
        self._core = ConsultRoom(self.consult_id, ice_renew_s)
        self._sessions: dict[str, MediaSession] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._reports: set[asyncio.Task[None]] = set()
        self._report_lock = asyncio.Lock()
        self._closed = False
        self.people_changed(people)

    async def aclose(self, reason: str) -> None:
        """End every session here; pages are told and join again, wherever the room is then."""
        for session in list(self._sessions.values()):
            session.close(reason)
        for session_id in list(self._sessions):
            self.on_closed(session_id, reason)
        self._closed = True
        self._core.record(self._now())
        self._after()
        await asyncio.gather(*self._reports, return_exceptions=True)

    @property
    def is_empty(self) -> bool:
        return self._core.is_empty

    async def handle(self, message: RoomMessage, page: Page) -> None:
        """A media message. Before a join the database is read, so that nobody gets in on old news."""
        if isinstance(message, MediaJoin):
            people = await self._parts.db.read(lambda tx: read_people(tx, self.consult_id))
            if people is not None:
                self._core.people_changed(people, self._now())
        self._core.handle(message, page, self._now())
        self._after()

    def page_seen(self, page: Page) -> None:
        self._core.page_seen(page, self._now())
        self._after()

    def people_changed(self, people: People) -> None:
        self._core.people_changed(people, self._now())
        self._after()

    # media.listener.SessionListener

    def on_offer(self, session_id: str, sdp: str) -> None:
        self._core.offered(session_id, sdp)
        self._after()

    def on_connected(self, session_id: str) -> None:
        self._path(session_id, "connected")

    def on_path_lost(self, session_id: str) -> None:
        self._path(session_id, "path_lost")

    def on_path_restored(self, session_id: str) -> None:
        self._path(session_id, "path_restored")

    def on_media(self, session_id: str, kind: str, active: bool) -> None:
        self._core.media_changed(session_id, kind, active, self._now())
        self._after()

    def on_order(self, session_id: str, order: PublishOrder) -> None:
        self._core.ordered(session_id, order)
        self._after()

    def on_line(self, participant_id: str, news: LineNews) -> None:
        # The ladder's times are the media server's monotonic ones; people read wall time.
        self._core.line_changed(media_line(participant_id, news, self._now() - self._media.now()), self._now())
        self._after()

    def on_closed(self, session_id: str, reason: str) -> None:
        self._sessions.pop(session_id, None)
        self._core.closed(session_id, reason, self._now())
        self._after()

    def _path(self, session_id: str, state: str) -> None:
        self._core.path_changed(session_id, state, self._now())
        self._after()

    # Effects

    def _after(self) -> None:
        """Carry out what the core wants; carrying out may give it more to want."""
        while effects := self._core.drain_effects():
            for effect in effects:
                self._run(effect)
        self._arm()

    def _run(self, effect: core.Effect) -> None:
        match effect:
            case core.OpenSession():
                self._open(effect)
            case core.Tell(page, message):
                self._tell(self.consult_id, page, message)
            case core.TellOffer(page, session_id, sdp):
                self._tell(self.consult_id, page, MediaOffer(session_id, sdp, self._ice_servers(page)))
            case core.RenewIce(page, session_id):
                self._tell(self.consult_id, page, MediaIce(session_id, self._ice_servers(page)))
            case core.Report():
                self._spawn(self._report(effect))
            case core.RecordLines(rows):
                self._spawn(self._record(rows))
            case _:
                self._run_on_session(effect, self._sessions[effect.session_id])

    def _run_on_session(self, effect: core.SessionEffect, session: MediaSession) -> None:
        match effect:
            case core.AnswerSession(_, sdp):
                self._answer(session, sdp)
            case core.SetWanted(_, audio, video):
                session.set_wanted(audio=audio, video=video)
            case core.SetDevices(_, microphone, camera):
                session.set_devices(microphone=microphone, camera=camera)
            case core.SetLimit(_, limit):
                self._limit(session, limit)
            case core.BrowserEstimate(_, bps):
                session.note_browser_estimate(bps)
            case core.ResendOffer():
                session.resend_offer()
            case core.CloseSession(_, reason):
                session.close(reason)
            case _:
                assert_never(effect)

    def _open(self, effect: core.OpenSession) -> None:
        page = effect.page
        try:
            session = self._media.open_session(self.consult_id, page.participant_id, self, hint=effect.hint)
        except CandilError as error:
            self._core.not_opened(page, error_message(error, MediaJoin()))
            return
        self._sessions[session.id] = session
        session.set_wanted(audio=effect.audio, video=effect.video)
        if effect.limit is not None:
            self._limit(session, effect.limit)
        self._core.opened(session.id, page, self._now())
        log.info(
            log_event("media.opened", consult=self.consult_id, participant=page.participant_id, session=session.id)
        )

    def _limit(self, session: MediaSession, limit: Limit) -> None:
        session.set_limit(Rung.from_wire(limit.down), Rung.from_wire(limit.up), limit.reason)

    def _answer(self, session: MediaSession, sdp: str) -> None:
        try:
            session.answer(sdp)
        except PeerError as error:
            if error.code != ALREADY_ANSWERED:
                log.warning(log_event("media.answer_refused", session=session.id, code=error.code))
                error.detail["ref"] = session.id
                self._core.answer_failed(session.id, error_message(error, None))

    def _ice_servers(self, page: Page) -> list[dict[str, object]]:
        return self._parts.ice_servers(page.participant_id, self._now())

    async def _report(self, effect: core.Report) -> None:
        def report(tx: Transaction) -> None:
            waiting.report_modality(tx, effect.participant_id, effect.modality, now=self._now())

        try:
            async with self._report_lock:
                await self._parts.db.write(report)
        except Exception as error:
            log.error(log_event("media.report_failed", consult=self.consult_id), exc_info=error)
            return
        topics.poke(self._parts.bus, self.consult_id, self.doctor_id)

    async def _record(self, rows: tuple[LineRow, ...]) -> None:
        try:
            async with self._report_lock:
                await self._parts.db.write(lambda tx: line_history.append(tx, self.consult_id, rows))
        except Exception as error:
            log.error(log_event("media.line_not_recorded", consult=self.consult_id), exc_info=error)
            self._core.not_recorded(rows, self._now())
            self._after()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._reports.add(task)
        task.add_done_callback(self._reports.discard)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self._core.next_deadline()
        if deadline is not None and not self._closed:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0.01, deadline - self._now()), self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._core.handle_timer(self._now())
        self._after()

    def _now(self) -> float:
        return self._parts.clock.now()

"""One person's visit read as a whole and shown as the page of its step."""

from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web

from candil.bus import topics
from candil.consults import gallery, visibility, waiting
from candil.consults.gallery import Shown
from candil.consults.links import Seat
from candil.consults.permissions import Role
from candil.store import consents, consults, participants, staff
from candil.store import thread as thread_rows
from candil.store.participants import ParticipantRow
from candil.store.thread import MessageRow
from candil.store.tx import Transaction
from consent import policy
from consent.wording import Wording
from webapp.context import context
from webapp.pages.language import page_in
from webapp.views import visit
from webapp.views.visit import ConsentState, DoctorState, Line, Step

SHOWN_MESSAGES = 500
TEMPLATES: dict[Step, str] = {
    "consent": "patient/consent.html",
    "choose": "patient/choose.html",
    "check": "patient/check.html",
    "waiting": "patient/room.html",
    "held": "patient/room.html",
    "call": "patient/room.html",
    "ended": "patient/room.html",
}


@dataclass(frozen=True)
class Visit:
    """Everything a page about one person's visit needs, read in one transaction."""

    seat: Seat
    step: Step
    doctor_name: str
    doctor: DoctorState
    line: Line
    people: list[ParticipantRow]
    messages: list[MessageRow]
    wording: Wording
    attachments: dict[str, Shown]


async def read_visit(request: web.Request, seat: Seat, locale: str) -> Visit:
    """Where the visit stands now, with its consent in ``locale``."""
    ctx = context(request)
    # presence is per connection: participant/connection
    present = {member.partition("/")[0] for member in await ctx.bus.present(topics.people(seat.consult.id))}
    asked = request.query.get("step", "")
    now = ctx.clock.now()

    def read(tx: Transaction) -> Visit:
        fresh = _fresh(tx, seat)
        consult, participant = fresh.consult, fresh.participant
        people = participants.of_consult(tx, consult.id)
        doctor = staff.get(tx, consult.doctor_id)
        doctor_name = doctor.name if doctor else ""
        doctor_here = any(p.role == Role.DOCTOR and p.id in present for p in people)
        wording = ctx.wordings.wording(locale, clinic=ctx.settings.clinic.name, doctor=doctor_name)
        step = visit.step_of(consult, participant, _consent_state(tx, fresh, wording), asked)
        position, _ = waiting.position(tx, consult, participant.id)
        by_id = {person.id: person for person in people}
        return Visit(
            seat=fresh,
            step=step,
            doctor_name=doctor_name,
            doctor=visit.doctor_state(
                consult, open_of_doctor=consults.of_doctor(tx, consult.doctor_id, now, now), present=doctor_here
            ),
            line=visit.line_of(position, consult.duration_min),
            people=visibility.people(participant, people),
            messages=[
                message
                for message in thread_rows.latest_messages(tx, consult.id, SHOWN_MESSAGES)
                if visibility.may_read(participant, message, consult, by_id)
            ],
            wording=wording,
            attachments=gallery.of_consult(tx, consult.id),
        )

    return await ctx.db.read(read)


def _fresh(tx: Transaction, seat: Seat) -> Seat:
    """The seat as it is in this transaction; the guard's may be a moment older."""
    consult = consults.get(tx, seat.consult.id) or seat.consult
    participant = participants.get(tx, seat.participant.id) or seat.participant
    return msgspec.structs.replace(seat, consult=consult, participant=participant)


def _consent_state(tx: Transaction, seat: Seat, wording: Wording) -> ConsentState:
    given = consents.current(tx, seat.participant.id)
    if given is not None and given.status == "rejected":
        return "refused"
    if seat.consult.status == "in-progress" and given is not None:
        return "given" if given.status == "active" else "missing"  # nobody is asked again in the middle of a visit
    return "given" if policy.holds(given, wording) else "missing"


def render_visit(
    request: web.Request, view: Visit, locale: str, *, status: int = 200, error: str = "", answer: Any = None
) -> web.Response:
    """The page of the visit's step; ``error`` and ``answer`` are what was wrong with a form, and what was in it."""
    ctx, clinic = context(request), context(request).settings.clinic
    base = f"/v/{view.seat.participant.id}"
    return page_in(
        request,
        TEMPLATES.get(view.step, "patient/closed.html"),
        locale,
        status=status,
        v=view,
        consult=view.seat.consult,
        me=view.seat.participant,
        csrf_token=view.seat.csrf_token,
        base=base,
        costs=visit.rung_costs(
            ctx.ladder, ctx.settings.media.max_video_bps, clinic.price_per_mb, clinic.price_currency, locale
        ),
        call_minutes=visit.CALL_MINUTES,
        error=error,
        answer=answer or {},
        now=ctx.clock.now(),
        client_id=ctx.ids.new_id("frm"),
        upload_id=ctx.ids.new_id("upl"),
        writing="write" in request.query,
        language_link=base + (f"?step={view.step}&lang=" if view.step in ("choose", "check") else "?lang="),
    )

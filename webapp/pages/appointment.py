"""One planned consult from the desk's side: its time, its links, calling it off."""

from aiohttp import web

from candil.bus import topics
from candil.consults import links, planning
from candil.consults.permissions import Role
from candil.errors import NotFound, PeerError
from candil.store import participants
from candil.store.participants import InvitationRow, ParticipantRow
from candil.store.tx import Transaction
from webapp.context import context
from webapp.guards import OfConsult, Route, StaffConsult
from webapp.pages import sharing
from webapp.pages.plan import moment
from webapp.pages.staff_forms import done, fields, page

Guests = list[tuple[ParticipantRow, InvitationRow | None]]


async def show(request: web.Request, of: StaffConsult, problem: str = "") -> web.Response:
    ctx = context(request)
    clinic = ctx.settings.clinic
    kind = next((k for k in clinic.patient_identifiers if k.uri == of.consult.patient_system), None)
    return page(
        request,
        of.who,
        "doctor/appointment.html",
        status=400 if problem else 200,
        consult=of.consult,
        kind=kind.label if kind else "",
        people=await ctx.db.read(lambda tx: _people(tx, of.consult.id)),
        link_until=links.window(of.consult, clinic)[1],
        problem=problem,
    )


async def reschedule(request: web.Request, of: StaffConsult) -> web.Response:
    ctx, form = context(request), await fields(request)
    at, now = moment(form.get("date", ""), form.get("time", ""), ctx.settings.clinic.time_zone), ctx.clock.now()
    if at is None:
        return await show(request, of, "invalid_time")
    try:
        await ctx.db.write(lambda tx: planning.reschedule(tx, of.consult.id, at, actor=of.who.actor, now=now))
    except PeerError as error:
        return await show(request, of, error.code)
    topics.poke(ctx.bus, of.consult.id, of.consult.doctor_id)
    return done(request, f"/consults/{of.consult.id}/appointment", scheduled_at=at)


async def cancel(request: web.Request, of: StaffConsult) -> web.Response:
    ctx, now = context(request), context(request).clock.now()
    await ctx.db.write(lambda tx: planning.cancel(tx, of.consult.id, actor=of.who.actor, now=now))
    topics.poke(ctx.bus, of.consult.id, of.consult.doctor_id)
    return done(request, "/board")


async def reissue(request: web.Request, of: StaffConsult) -> web.Response:
    """A new link, shown as the answer; the earlier ones stop working."""
    ctx, now = context(request), context(request).clock.now()

    def work(tx: Transaction) -> tuple[ParticipantRow, str]:
        person = _person(tx, of, request.match_info["participant"])
        return person, links.reissue(tx, person.id, actor=of.who.actor, now=now, ids=ctx.ids)

    person, token = await ctx.db.write(work)
    topics.poke(ctx.bus, of.consult.id, of.consult.doctor_id)
    return sharing.answer(request, of.who, of.consult, person, token)


async def revoke(request: web.Request, of: StaffConsult) -> web.Response:
    ctx, now = context(request), context(request).clock.now()

    def work(tx: Transaction) -> None:
        links.revoke(tx, _person(tx, of, request.match_info["participant"]).id, actor=of.who.actor, now=now)

    await ctx.db.write(work)
    topics.poke(ctx.bus, of.consult.id, of.consult.doctor_id)
    return done(request, f"/consults/{of.consult.id}/appointment")


def _person(tx: Transaction, of: StaffConsult, participant_id: str) -> ParticipantRow:
    """A participant of the path's consult: an id of another consult is none."""
    person = participants.get(tx, participant_id)
    if person is None or person.consult_id != of.consult.id:
        raise NotFound("no_participant", "There is no such participant.")
    return person


def _people(tx: Transaction, consult_id: str) -> Guests:
    """Everybody who comes by a link, the patient first, with the link in force."""
    found: Guests = []
    for person in participants.of_consult(tx, consult_id):
        if person.staff_id is None:
            live = [i for i in participants.invitations_of(tx, person.id) if i.revoked_at is None]
            found.append((person, live[-1] if live else None))
    return sorted(found, key=lambda entry: entry[0].role != Role.PATIENT)


ROUTES = [
    Route("GET", "/consults/{consult}/appointment", show, OfConsult("consult.view", any_status=True)),
    Route("POST", "/consults/{consult}/reschedule", reschedule, OfConsult("consult.reschedule")),
    Route("POST", "/consults/{consult}/cancel", cancel, OfConsult("consult.cancel")),
    Route("POST", "/consults/{consult}/links/{participant}/revoke", revoke, OfConsult("link.revoke")),
    Route("POST", "/consults/{consult}/links/{participant}/reissue", reissue, OfConsult("link.issue")),
]

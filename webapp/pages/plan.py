"""Planning a consult by form: what is wrong is said beside its field, and nothing typed is lost."""

import re
from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from aiohttp import web
from msgspec import structs

from candil.bus import topics
from candil.config import ClinicSettings
from candil.consults import planning
from candil.consults.accounts import SignedIn
from candil.consults.planning import Planned, PlanRequest
from candil.errors import PeerError, Refused
from candil.store import participants
from candil.store.participants import ParticipantRow
from candil.store.tx import Transaction
from webapp.context import context
from webapp.guards import Route, Staff
from webapp.pages import board, sharing
from webapp.pages.staff_forms import fields, page

FORM_ID = re.compile(r"frm_[0-9a-z]{16}")
EXTERNAL_PREFIX = "page:"  # marks a consult planned on this page; another system's ids hold no colon
DURATIONS_MIN = (10, 15, 20, 30, 45, 60)


async def show(request: web.Request, who: SignedIn) -> web.Response:
    ctx = context(request)
    first = ctx.settings.clinic.patient_identifiers[0].code
    values = {
        "identifier_kind": first,
        "duration_min": "20",
        "locale": ctx.settings.clinic.locale,
        "date": request.query.get("day", "") or board.today(ctx).isoformat(),
    }
    return await _form(request, who, values, {})


async def plan(request: web.Request, who: SignedIn) -> web.Response:
    """Create the consult; the share page is the answer, since only now the link is known.

    The form carries an id of its own: sent twice (a double tap, a reload), it makes one consult.
    """
    ctx, form = context(request), await fields(request)
    clinic, now = ctx.settings.clinic, ctx.clock.now()
    wanted, problems = read(form, clinic, now)
    doctors = await board.doctors_of(ctx, who)
    doctor = next((row for row in doctors if row.id == form.get("doctor", doctors[0].id)), None) if doctors else None
    if doctor is None:
        problems["doctor"] = "invalid_doctor"
    if problems or wanted is None or doctor is None:
        return await _form(request, who, form, problems)

    def work(tx: Transaction) -> tuple[Planned, ParticipantRow | None]:
        planned = planning.plan(tx, wanted, doctor_id=doctor.id, actor=who.actor, clinic=clinic, now=now, ids=ctx.ids)
        return planned, participants.get(tx, planned.patient_id)

    try:
        planned, patient = await ctx.db.write(work)
    except Refused as refused:
        if refused.code != "already_planned":
            raise
        raise web.HTTPSeeOther(f"/consults/{refused.detail['consult_id']}/appointment") from None
    assert patient is not None
    topics.poke(ctx.bus, planned.consult.id, planned.consult.doctor_id)
    return sharing.answer(request, who, planned.consult, patient, planned.token)


def read(form: Mapping[str, str], clinic: ClinicSettings, now: float) -> tuple[PlanRequest | None, dict[str, str]]:
    """The request, and the code of what is wrong by field; every wrong field is found, not only the first."""
    problems: dict[str, str] = {}
    at = moment(form.get("date", ""), form.get("time", ""), clinic.time_zone)
    if at is None:
        problems["date" if not form.get("date") else "time"] = "invalid_time"
    form_id = form.get("form_id", "")
    minutes = form.get("duration_min", "")
    wanted = PlanRequest(
        identifier_kind=form.get("identifier_kind", ""),
        identifier=form.get("identifier", ""),
        name=form.get("name", ""),
        phone=form.get("phone", ""),
        scheduled_at=at if at is not None else now,
        reason=form.get("reason", ""),
        duration_min=int(minutes) if re.fullmatch(r"\d{1,3}", minutes) else 0,
        minor=form.get("minor") == "1",
        locale=form.get("locale", clinic.locale),
        external_id=EXTERNAL_PREFIX + form_id if FORM_ID.fullmatch(form_id) else None,
    )
    problems.update(_problems(wanted, clinic, now))
    return (None if problems else wanted), problems


def _problems(wanted: PlanRequest, clinic: ClinicSettings, now: float) -> dict[str, str]:
    """Check again and again, each time with the last wrong field mended, until nothing is wrong."""
    kind = clinic.patient_identifiers[0]
    mended: dict[str, object] = {
        "identifier_kind": kind.code,
        "name": "- -",
        "phone": "",
        "scheduled_at": now,
        "duration_min": 20,
        "reason": "",
        "locale": "es",
    }
    found: dict[str, str] = {}
    for _ in range(len(mended) + 1):
        try:
            planning.check(wanted, clinic, now)
            return found
        except PeerError as error:
            name = str(error.detail.get("field", ""))
            found["date" if name == "scheduled_at" else name] = error.code
            if name == "identifier":
                kind = planning.identifier_system(clinic, wanted.identifier_kind)
                mended["identifier"] = kind.example
            if name not in mended:
                return found
            wanted = structs.replace(wanted, **{name: mended.pop(name)})
    return found


def moment(day: str, time: str, time_zone: str) -> float | None:
    """A date and a time of day in the clinic's zone as Unix seconds; None when it is not one."""
    try:
        return datetime.strptime(f"{day} {time[:5]}", "%Y-%m-%d %H:%M").replace(tzinfo=ZoneInfo(time_zone)).timestamp()
    except ValueError:
        return None


async def _form(
    request: web.Request, who: SignedIn, values: Mapping[str, str], problems: dict[str, str]
) -> web.Response:
    ctx = context(request)
    form_id = values.get("form_id", "")
    return page(
        request,
        who,
        "doctor/plan.html",
        status=400 if problems else 200,
        values=values,
        problems=problems,
        form_id=form_id if FORM_ID.fullmatch(form_id) else ctx.ids.new_id("frm"),
        doctors=await board.doctors_of(ctx, who),
        kinds=ctx.settings.clinic.patient_identifiers,
        durations=DURATIONS_MIN,
    )


ROUTES = [
    Route("GET", "/consults/new", show, Staff("consult.plan")),
    Route("POST", "/consults/new", plan, Staff("consult.plan")),
]

"""REST for scheduling systems: plan, look, move, cancel, renew the link. Keys come from ``candil``'s command line."""

import re

import msgspec
from aiohttp import web

from candil.bus import topics
from candil.clock import to_datetime
from candil.consults import board, finishing, links, planning
from candil.consults.permissions import Actor, Role
from candil.consults.record import FinalRecord
from candil.errors import NotFound, PeerError, Refused
from candil.store import audit, consults, outbox, participants, staff
from candil.store.consults import ConsultRow
from candil.store.outbox import DeliveryRow
from candil.store.tx import Transaction
from webapp.api import models
from webapp.api.bodies import read_json
from webapp.api.openapi import document
from webapp.context import WebContext, context
from webapp.guards import Integration, Public, Route
from webapp.pages import sharing

_DAY = re.compile(r"2[0-9]{3}-[0-9]{2}-[0-9]{2}")


async def plan(request: web.Request, actor: Actor) -> web.Response:
    ctx = context(request)
    body = await read_json(request, models.NewConsult)
    wanted = planning.PlanRequest(
        identifier_kind=body.identifier_kind,
        identifier=body.identifier,
        name=body.name,
        phone=body.phone,
        scheduled_at=body.scheduled_at.timestamp(),
        reason=body.reason,
        duration_min=body.duration_min,
        minor=body.minor,
        locale=body.locale,
        external_id=body.external_id,
    )
    now = ctx.clock.now()
    try:
        planned = await ctx.db.write(
            lambda tx: planning.plan(
                tx, wanted, doctor_id=body.doctor, actor=actor, clinic=ctx.settings.clinic, now=now, ids=ctx.ids
            )
        )
    except Refused as refused:
        if refused.code != "already_planned":
            raise
        known = await _view(ctx, str(refused.detail["consult_id"]), actor)
        return _json(models.PlannedConsult(known, None))
    topics.poke(ctx.bus, planned.consult.id, planned.consult.doctor_id)
    answer = models.PlannedConsult(view(planned.consult, []), _link(ctx, planned.consult, planned.token))
    return _json(answer, status=201)


async def of_day(request: web.Request, actor: Actor) -> web.Response:
    ctx = context(request)
    since, until = _bounds(request.query.get("day", ""), ctx)

    def work(tx: Transaction) -> list[models.Consult]:
        rows = [row for row in consults.of_clinic(tx, actor.clinic_id, since, until) if row.scheduled_at < until]
        deliveries = outbox.deliveries_of_many(tx, [row.id for row in rows])
        return [view(row, [d for d in deliveries if d.consult_id == row.id]) for row in rows]

    return _json(models.Consults(await ctx.db.read(work)))


async def one(request: web.Request, actor: Actor) -> web.Response:
    return _json(await _view(context(request), request.match_info["consult"], actor))


async def reschedule(request: web.Request, actor: Actor) -> web.Response:
    ctx, consult_id = context(request), request.match_info["consult"]
    body = await read_json(request, models.NewTime)
    now = ctx.clock.now()
    row = await ctx.db.write(
        lambda tx: planning.reschedule(tx, consult_id, body.scheduled_at.timestamp(), actor=actor, now=now)
    )
    topics.poke(ctx.bus, row.id, row.doctor_id)
    return _json(await _view(ctx, consult_id, actor))


async def cancel(request: web.Request, actor: Actor) -> web.Response:
    """Cancelling twice is the same as once: a repeated request after a lost answer is no mistake."""
    ctx, consult_id = context(request), request.match_info["consult"]
    before = await _view(ctx, consult_id, actor)
    if before.status == "cancelled":
        return _json(before)
    now = ctx.clock.now()
    await ctx.db.write(lambda tx: planning.cancel(tx, consult_id, actor=actor, now=now))
    topics.poke(ctx.bus, consult_id, before.doctor)
    return _json(await _view(ctx, consult_id, actor))


async def reissue(request: web.Request, actor: Actor) -> web.Response:
    ctx, consult_id, now = context(request), request.match_info["consult"], context(request).clock.now()

    def work(tx: Transaction) -> tuple[ConsultRow, str]:
        row, patient_id = _with_patient(tx, consult_id, actor)
        return row, links.reissue(tx, patient_id, actor=actor, now=now, ids=ctx.ids)

    row, token = await ctx.db.write(work)
    topics.poke(ctx.bus, row.id, row.doctor_id)
    return _json(_link(ctx, row, token), status=201)


async def revoke(request: web.Request, actor: Actor) -> web.Response:
    ctx, consult_id, now = context(request), request.match_info["consult"], context(request).clock.now()

    def work(tx: Transaction) -> ConsultRow:
        row, patient_id = _with_patient(tx, consult_id, actor)
        links.revoke(tx, patient_id, actor=actor, now=now)
        return row

    row = await ctx.db.write(work)
    topics.poke(ctx.bus, row.id, row.doctor_id)
    return web.Response(status=204)


async def record(request: web.Request, actor: Actor) -> web.Response:
    """The signed record, for the receiver of a thin webhook. The reading is audited."""
    ctx, consult_id, now = context(request), request.match_info["consult"], context(request).clock.now()

    def work(tx: Transaction) -> FinalRecord:
        row = _of_clinic(tx, consult_id, actor)
        audit.record(tx, at=now, clinic_id=row.clinic_id, actor=actor.id, act="record.fetch", consult_id=row.id)
        return finishing.signed(tx, row.id)

    return _json(await ctx.db.write(work))


async def doctors(request: web.Request, actor: Actor) -> web.Response:
    rows = await context(request).db.read(lambda tx: staff.of_clinic(tx, actor.clinic_id))
    found = [
        models.Doctor(row.id, row.name, row.practitioner_system, row.practitioner_value)
        for row in rows
        if row.role == Role.DOCTOR and row.disabled_at is None
    ]
    return _json(models.Doctors(found))


async def openapi(request: web.Request, _: None) -> web.Response:
    return _json(document(context(request).origin))


def view(row: ConsultRow, deliveries: list[DeliveryRow]) -> models.Consult:
    """What another system may know of a consult."""

    def moment(at: float | None) -> models.Moment | None:
        return None if at is None else to_datetime(at)

    return models.Consult(
        id=row.id,
        external_id=None if row.external_id is None or ":" in row.external_id else row.external_id,
        doctor=row.doctor_id,
        status=row.status,  # type: ignore[arg-type]  # the table of states knows only these
        scheduled_at=to_datetime(row.scheduled_at),
        duration_min=row.duration_min,
        arrived_at=moment(row.arrived_at),
        started_at=moment(row.started_at),
        finished_at=moment(row.finished_at),
        cancelled_at=moment(row.cancelled_at),
        deliveries=[
            models.Delivery(d.target, d.state, d.attempts, moment(d.sent_at), moment(d.received_at))  # type: ignore[arg-type]
            for d in deliveries
        ],
    )


def _of_clinic(tx: Transaction, consult_id: str, actor: Actor) -> ConsultRow:
    row = consults.get(tx, consult_id)
    if row is None or row.clinic_id != actor.clinic_id:
        raise NotFound("no_consult", "There is no such consult.")
    return row


def _with_patient(tx: Transaction, consult_id: str, actor: Actor) -> tuple[ConsultRow, str]:
    row = _of_clinic(tx, consult_id, actor)
    return row, next(p.id for p in participants.of_consult(tx, row.id) if p.role == Role.PATIENT)


async def _view(ctx: WebContext, consult_id: str, actor: Actor) -> models.Consult:
    return await ctx.db.read(lambda tx: view(_of_clinic(tx, consult_id, actor), outbox.deliveries_of(tx, consult_id)))


def _link(ctx: WebContext, row: ConsultRow, token: str) -> models.Link:
    url = sharing.link_url(ctx, token)
    texts = ctx.share_texts(row, url, row.locale)
    return models.Link(url, texts["sms"], texts["chat"])


def _bounds(day: str, ctx: WebContext) -> tuple[float, float]:
    try:
        if not _DAY.fullmatch(day):
            raise ValueError(day)
        return board.day_bounds(day, ctx.settings.clinic.time_zone)
    except ValueError:
        raise PeerError("invalid_field", "day is YYYY-MM-DD.", field="day") from None


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")


ROUTES = [
    Route("GET", "/api/v1/openapi.json", openapi, Public()),
    Route("GET", "/api/v1/doctors", doctors, Integration("consult.plan")),
    Route("POST", "/api/v1/consults", plan, Integration("consult.plan")),
    Route("GET", "/api/v1/consults", of_day, Integration("consult.view")),
    Route("GET", "/api/v1/consults/{consult}", one, Integration("consult.view")),
    Route("GET", "/api/v1/consults/{consult}/record", record, Integration("record.fetch")),
    Route("POST", "/api/v1/consults/{consult}/reschedule", reschedule, Integration("consult.reschedule")),
    Route("POST", "/api/v1/consults/{consult}/cancel", cancel, Integration("consult.cancel")),
    Route("POST", "/api/v1/consults/{consult}/links", reissue, Integration("link.issue")),
    Route("DELETE", "/api/v1/consults/{consult}/links", revoke, Integration("link.revoke")),
]

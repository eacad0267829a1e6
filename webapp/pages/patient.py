"""The visit as the patient and their guests go through it, one question a page. What step it is, the server says."""

from dataclasses import replace
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from candil.bus import topics
from candil.consults import consenting, thread, waiting
from candil.consults.links import Seat
from candil.consults.permissions import Role
from candil.errors import PeerError, Refused
from candil.store.consults import ConsultRow
from candil.store.thread import MessageRow
from candil.store.tx import Transaction
from consent.records import ConsentAnswer, build_record
from webapp.context import context
from webapp.forms import json_value, read_form, whole_number
from webapp.guards import SEAT_COOKIE, OfSeat, Route
from webapp.pages.language import reader_locale
from webapp.pages.visit_page import Visit, read_visit, render_visit
from webapp.views import visit


async def page(request: web.Request, seat: Seat) -> web.Response:
    """The step this person is at. Reloading it, or coming back hours later, asks nothing twice."""
    locale = reader_locale(request, seat.consult.locale)
    view = await read_visit(request, seat, locale)
    if view.step == "finished" and seat.participant.role == Role.PATIENT:
        raise web.HTTPSeeOther(f"/v/{seat.participant.id}/summary")
    if view.step in visit.ROOM_STEPS:
        await _mark_delivered(request, view)
    return render_visit(request, view, locale)


async def _mark_delivered(request: web.Request, view: Visit) -> None:
    last = view.messages[-1].seq if view.messages else 0
    if last <= view.seat.participant.delivered_seq:
        return
    await context(request).db.write(lambda tx: thread.mark_seen(tx, view.seat.participant.id, delivered=last, read=0))
    _poke(request, view.seat.consult)


async def consent(request: web.Request, seat: Seat) -> web.Response:
    """The answer to this visit's consent, kept with the exact text that was shown."""
    ctx, form, locale = context(request), await read_form(request), reader_locale(request, seat.consult.locale)
    view = await read_visit(request, seat, locale)
    answer = ConsentAnswer(
        accepted=form.get("answer") == "accept",
        wording_sha256=_text(form, "wording"),
        name=_text(form, "name"),
        representative=_text(form, "representative"),
        relation=_text(form, "relation"),
    )
    now = ctx.clock.now()
    try:
        record = build_record(
            view.wording,
            answer,
            patient_is_minor=bool(seat.consult.patient_is_minor),
            method="tap" if form.get("method") == "tap" else "form",
            now=now,
        )
    except Refused as refusal:
        asking = replace(view, step="consent")
        return render_visit(
            request, asking, locale, status=422, error=refusal.code, answer=msgspec.structs.asdict(answer)
        )
    await ctx.db.write(
        lambda tx: consenting.record(
            tx, seat.participant.id, record.statement(), actor=seat.actor, now=now, ids=ctx.ids
        )
    )
    return _onward(request, seat)


async def media(request: web.Request, seat: Seat) -> web.Response:
    """How they want to talk. Who chose only text has nothing to check and goes straight to the waiting room."""
    ctx, now = context(request), context(request).clock.now()
    chosen = _text(await _fields(request), "media")

    def choose(tx: Transaction) -> None:
        waiting.choose_media(tx, seat.participant.id, chosen, actor=seat.actor, now=now)
        if chosen == "text" and not _wants_json(request):
            waiting.arrive(tx, seat.participant.id, actor=seat.actor, now=now)

    await ctx.db.write(choose)
    return _onward(request, seat, "" if chosen == "text" else "?step=check")


async def arrive(request: web.Request, seat: Seat) -> web.Response:
    ctx, now = context(request), context(request).clock.now()
    await ctx.db.write(lambda tx: waiting.arrive(tx, seat.participant.id, actor=seat.actor, now=now))
    return _onward(request, seat)


class MessageForm(msgspec.Struct, frozen=True):
    """A message as a page sends it; (client_id, client_seq) makes a repeated one harmless."""

    body: str
    client_id: Annotated[str, Meta(min_length=1, max_length=40)]
    client_seq: Annotated[int, Meta(ge=0, le=2**31 - 1)]


async def post_message(request: web.Request, seat: Seat) -> web.Response:
    ctx, now = context(request), context(request).clock.now()
    try:
        form = msgspec.convert(dict(await _fields(request)), MessageForm, strict=False)
    except msgspec.ValidationError as error:
        raise PeerError("invalid_body", str(error)) from None
    posted = await ctx.db.write(
        lambda tx: thread.post(
            tx,
            seat.participant.id,
            form.body,
            client_id=form.client_id,
            client_seq=form.client_seq,
            actor=seat.actor,
            now=now,
        )
    )
    _poke(request, seat.consult)
    if _wants_json(request):
        kept = posted.message
        return web.json_response(
            {"client_id": kept.client_id, "client_seq": kept.client_seq, "seq": kept.seq, "at": kept.at}
        )
    return web.Response(status=303, headers={"Location": f"/v/{seat.participant.id}#compose"})


async def now_json(request: web.Request, seat: Seat) -> web.Response:
    """Where the visit stands, for scripts whose WebSocket does not get through, and for what the line does not say."""
    view = await read_visit(request, seat, seat.consult.locale)
    after = whole_number(request.query.get("after", "")) or 0
    return web.json_response(
        {
            "step": view.step,
            "doctor": view.doctor,
            "before": view.line.before,
            "minutes": view.line.minutes,
            "messages": [_message(m, view, seat.participant.id) for m in view.messages if m.seq > after],
        }
    )


def _message(row: MessageRow, view: Visit, me: str) -> dict[str, object]:
    message: dict[str, object] = {"seq": row.seq, "sender": row.sender_id, "body": row.body, "at": row.at}
    if row.sender_id == me:
        message |= {"client_id": row.client_id, "client_seq": row.client_seq}
    if shown := view.attachments.get(row.attachment_id or ""):
        message["attachment"] = msgspec.to_builtins(shown.brief)
    return message


async def ticket(request: web.Request, seat: Seat) -> web.Response:
    token = context(request).tickets.for_seat(seat, request.cookies[SEAT_COOKIE])
    return web.json_response({"ticket": token, "expires_in_s": 60})


def _onward(request: web.Request, seat: Seat, query: str = "") -> web.Response:
    """After a change: everybody concerned looks again, and this person goes to their next step."""
    _poke(request, seat.consult)
    if _wants_json(request):
        return web.json_response({"ok": True})
    return web.Response(status=303, headers={"Location": f"/v/{seat.participant.id}{query}"})


def _poke(request: web.Request, consult: ConsultRow) -> None:
    topics.poke(context(request).bus, consult.id, consult.doctor_id)


async def _fields(request: web.Request) -> Any:
    """A form's fields, or a JSON object's."""
    if request.content_type != "application/json":
        return await read_form(request)
    body = json_value(await request.read())
    return body if isinstance(body, dict) else {}


def _text(fields: Any, name: str) -> str:
    value = fields.get(name, "")
    return value if isinstance(value, str) else ""


def _wants_json(request: web.Request) -> bool:
    return "application/json" in request.headers.get("Accept", "")


ROUTES = [
    Route("GET", "/v/{participant}", page, OfSeat("session.open")),
    Route("GET", "/v/{participant}/now", now_json, OfSeat("session.open")),
    Route("POST", "/v/{participant}/consent", consent, OfSeat("consent.give")),
    Route("POST", "/v/{participant}/media", media, OfSeat("media.choose")),
    Route("POST", "/v/{participant}/arrive", arrive, OfSeat("room.arrive")),
    Route("POST", "/v/{participant}/messages", post_message, OfSeat("message.send")),
    Route("POST", "/v/{participant}/ticket", ticket, OfSeat("session.open")),
]

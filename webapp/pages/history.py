"""Finished visits: the list, one signed record with all that happened, and what became of it at each receiver."""

import json

import msgspec
from aiohttp import web

from candil.bus import topics
from candil.config import ClinicSettings
from candil.consults import finishing, gallery, line_history, planning
from candil.consults.accounts import SignedIn
from candil.consults.gallery import Shown
from candil.consults.permissions import Role
from candil.consults.record import FinalRecord
from candil.errors import NotFound
from candil.store import audit, consults, outbox, participants, thread
from candil.store import notes as note_rows
from candil.store.consults import ConsultRow
from candil.store.outbox import DeliveryRow
from candil.store.tx import Transaction
from media.adaptation.rungs import Rung
from webapp.context import context
from webapp.guards import OfConsult, Route, Staff, StaffConsult
from webapp.pages.staff_forms import done, fields, page
from webapp.views import line_picture, line_story
from webapp.views.line_story import LineChange, PersonLine

PAGE_ROWS = 40


class Happened(msgspec.Struct, frozen=True):
    """One line of a visit's timeline, ready to be worded."""

    at: float
    kind: str
    who: str
    data: dict[str, str | float | int]


class Visit(msgspec.Struct, frozen=True):
    """A signed visit with everything around it."""

    record: FinalRecord
    patient_id: str
    sha256: str
    deliveries: tuple[DeliveryRow, ...]
    events: tuple[Happened, ...]
    lines: tuple[PersonLine, ...]
    started_at: float
    talked_until: float
    earlier: tuple[ConsultRow, ...]
    attachments: tuple[Shown, ...]
    names: dict[str, str]


async def show(request: web.Request, who: SignedIn) -> web.Response:
    ctx = context(request)
    before = _before(request.query.get("before", ""))
    rows = await ctx.db.read(lambda tx: consults.finished_of_doctor(tx, who.staff.id, PAGE_ROWS + 1, before))
    return await _list(request, who, rows[:PAGE_ROWS], query="", more=len(rows) > PAGE_ROWS)


async def search(request: web.Request, who: SignedIn) -> web.Response:
    """Visits of one patient. By POST: an identifier in an address would end up in logs and histories."""
    ctx = context(request)
    query = (await fields(request)).get("q", "").strip()[:60]
    if not query:
        raise web.HTTPSeeOther("/history")
    found = await ctx.db.read(lambda tx: _of_identifier(tx, query, who, ctx.settings.clinic))
    return await _list(request, who, found, query=query, more=False)


async def record(request: web.Request, of: StaffConsult) -> web.Response:
    """The signed record; that somebody looked is kept."""
    ctx, now = context(request), context(request).clock.now()

    def work(tx: Transaction) -> Visit:
        audit.record(
            tx,
            at=now,
            clinic_id=of.consult.clinic_id,
            actor=of.who.staff.id,
            act="record.view",
            consult_id=of.consult.id,
        )
        return _visit(tx, of)

    return page(
        request,
        of.who,
        "doctor/record.html",
        consult=of.consult,
        visit=await ctx.db.write(work),
        history_url=ctx.settings.clinic.history_url.replace("{id}", of.consult.id),
        scale=line_picture.enters(ctx.ladder),
        Picture=line_picture.Picture,
        Rung=Rung,
    )


async def retry(request: web.Request, of: StaffConsult) -> web.Response:
    ctx, now, target = context(request), context(request).clock.now(), request.match_info["target"]

    def work(tx: Transaction) -> None:
        if target not in {d.target for d in outbox.deliveries_of(tx, of.consult.id)}:
            raise NotFound("no_delivery", "There is no such delivery.")
        outbox.retry_now(tx, of.consult.id, target, now)
        audit.record(
            tx,
            at=now,
            clinic_id=of.consult.clinic_id,
            actor=of.who.staff.id,
            act="delivery.retry",
            consult_id=of.consult.id,
            target=target,
        )

    await ctx.db.write(work)
    ctx.notify_outbox()
    topics.poke(ctx.bus, of.consult.id, of.consult.doctor_id)
    return done(request, f"/consults/{of.consult.id}/record", target=target)


async def _list(request: web.Request, who: SignedIn, rows: list[ConsultRow], *, query: str, more: bool) -> web.Response:
    deliveries = await context(request).db.read(lambda tx: outbox.deliveries_of_many(tx, [row.id for row in rows]))
    entries = [(row, [d for d in deliveries if d.consult_id == row.id]) for row in rows]
    return page(
        request,
        who,
        "doctor/history.html",
        entries=entries,
        query=query,
        next_before=rows[-1].finished_at if more else None,
    )


def _of_identifier(tx: Transaction, query: str, who: SignedIn, clinic: ClinicSettings) -> list[ConsultRow]:
    """Finished visits with this doctor of whoever has the identifier, however it was typed."""
    found = {
        row.id: row
        for kind in clinic.patient_identifiers
        if (value := planning.identifier_value(kind, query))
        for row in consults.of_patient(tx, clinic.id, kind.uri, value)
        if row.doctor_id == who.staff.id and row.status == "finished"
    }
    return sorted(found.values(), key=lambda row: row.finished_at or 0.0, reverse=True)


def _visit(tx: Transaction, of: StaffConsult) -> Visit:
    signed = finishing.signed(tx, of.consult.id)
    row = note_rows.record(tx, of.consult.id)
    people = participants.of_consult(tx, of.consult.id)
    names = {p.id: p.name for p in people}
    names[of.consult.doctor_id] = signed.practitioner.name
    events = [
        Happened(event.at, event.kind, names.get(event.actor, ""), _data(event.data, names))
        for event in thread.events_after(tx, of.consult.id, 0, limit=2000)
        if event.kind != "message.posted"
    ]
    rows = line_history.of_consult(tx, of.consult.id)
    events += [_line_event(change, names) for change in line_story.changes(rows)]
    patient_id = next(p.id for p in people if p.role == Role.PATIENT)
    until = max([of.consult.conversation_ended_at or of.consult.finished_at or 0.0, *(row.at for row in rows)])
    return Visit(
        record=signed,
        patient_id=patient_id,
        sha256=row.sha256 if row else "",
        deliveries=tuple(outbox.deliveries_of(tx, of.consult.id)),
        events=tuple(sorted(events, key=lambda event: event.at)),
        lines=tuple(line_story.people(rows, names, patient_id, until)),
        started_at=min([until, *(row.at for row in rows)]),
        talked_until=until,
        attachments=tuple(gallery.readable(tx, of.consult)),
        names=names,
        earlier=tuple(
            other
            for other in consults.of_patient(
                tx, of.consult.clinic_id, of.consult.patient_system, of.consult.patient_value
            )
            if other.id != of.consult.id and other.status == "finished" and other.doctor_id == of.consult.doctor_id
        ),
    )


def _line_event(change: LineChange, names: dict[str, str]) -> Happened:
    data: dict[str, str | float | int] = {
        "name": names.get(change.participant_id, ""),
        "rung": change.rung,
        "reason": change.reason,
        "seconds": change.seconds,
    }
    return Happened(change.at, change.kind, "", data)


def _data(text: str, names: dict[str, str]) -> dict[str, str | float | int]:
    data = json.loads(text)
    if "participant" in data:
        data["name"] = names.get(data["participant"], "")
    return data


def _before(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("inf")


ROUTES = [
    Route("GET", "/history", show, Staff("history.view")),
    Route("POST", "/history", search, Staff("history.view")),
    Route("GET", "/consults/{consult}/record", record, OfConsult("record.view", any_status=True)),
    Route("POST", "/consults/{consult}/deliveries/{target}/retry", retry, OfConsult("delivery.retry", any_status=True)),
]

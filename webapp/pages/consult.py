"""The doctor's consult page and the act that ends a visit."""

import secrets

import msgspec
from aiohttp import web

from candil.bus import topics
from candil.consults import finishing, gallery, notes, waiting
from candil.consults.gallery import Shown
from candil.consults.note import NEXT_ACTIONS, Note
from candil.consults.permissions import GUESTS, Role
from candil.consults.record import FinalRecord
from candil.errors import NotFound, PeerError, Refused
from candil.store import codes, consents, consults, participants, staff, thread
from candil.store.codes import DiagnosisCodeRow
from candil.store.consents import ConsentRow
from candil.store.consults import ConsultRow
from candil.store.participants import ParticipantRow
from candil.store.staff import StaffRow
from candil.store.thread import MessageRow
from candil.store.tx import Transaction
from webapp.context import context
from webapp.forms import whole_number
from webapp.guards import OfConsult, Route, StaffConsult
from webapp.pages import note_form
from webapp.pages.staff_forms import done, fields, is_fragment, page, session_token
from webapp.views import line_picture

RX_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"


class Opened(msgspec.Struct, frozen=True):
    """Everything of one consult that its page shows."""

    consult: ConsultRow
    people: tuple[ParticipantRow, ...]
    note: Note
    messages: tuple[MessageRow, ...]
    consent: ConsentRow | None
    code: DiagnosisCodeRow | None
    has_codes: bool
    missing: tuple[str, ...]
    waiting_elsewhere: int
    attachments: dict[str, Shown]

    @property
    def patient(self) -> ParticipantRow:
        return next(p for p in self.people if p.role == Role.PATIENT)

    @property
    def guests(self) -> list[ParticipantRow]:
        return [p for p in self.people if p.role in GUESTS]

    def name_of(self, participant_id: str) -> str:
        return next((p.name for p in self.people if p.id == participant_id), "")


def opened(tx: Transaction, consult_id: str) -> Opened:
    consult = consults.get(tx, consult_id)
    if consult is None:
        raise NotFound("no_consult", "There is no such consult.")
    people = tuple(participants.of_consult(tx, consult_id))
    note = notes.current(tx, consult_id)
    patient = next(p for p in people if p.role == Role.PATIENT)
    consent = consents.current(tx, patient.id)
    system, _, code = note.text("diagnosis.code").rpartition("|")
    line = participants.waiting_for(tx, consult.doctor_id)
    return Opened(
        consult=consult,
        people=people,
        note=note,
        messages=tuple(thread.messages_after(tx, consult_id, 0, limit=2000)),
        consent=consent,
        code=codes.get(tx, system, code) if code else None,
        has_codes=bool(codes.search(tx, "", limit=1)),
        missing=tuple(finishing.missing(note, consult, consent)),
        waiting_elsewhere=sum(1 for p in line if p.consult_id != consult_id),
        attachments=gallery.of_consult(tx, consult_id),
    )


def own_participant(tx: Transaction, of: StaffConsult) -> ParticipantRow:
    """The doctor as somebody who takes part in the consult."""
    for person in participants.of_consult(tx, of.consult.id):
        if person.staff_id == of.who.staff.id:
            return person
    raise NotFound("no_participant", "There is no such participant.")


async def show(request: web.Request, of: StaffConsult) -> web.Response:
    """The page of an open consult; a signed one is its record, a cancelled one its appointment."""
    if of.consult.status == "finished":
        raise web.HTTPSeeOther(f"/consults/{of.consult.id}/record")
    if of.consult.status == "cancelled":
        raise web.HTTPSeeOther(f"/consults/{of.consult.id}/appointment")
    ctx = context(request)
    view = await ctx.db.read(lambda tx: opened(tx, of.consult.id))
    me = await ctx.db.read(lambda tx: own_participant(tx, of))
    clinic = ctx.settings.clinic
    kind = next((k for k in clinic.patient_identifiers if k.uri == view.consult.patient_system), None)
    return page(
        request,
        of.who,
        "doctor/consult.html",
        view=view,
        consult=view.consult,
        me=me,
        kind=kind.label if kind else "",
        prescriptions=note_form.prescriptions(view.note),
        new_prescription="".join(secrets.choice(RX_ALPHABET) for _ in range(8)),
        next_actions=NEXT_ACTIONS,
        form_id=ctx.ids.new_id("frm"),
        upload_id=ctx.ids.new_id("upl"),
        enters=line_picture.enters(ctx.ladder),
    )


async def ticket(request: web.Request, of: StaffConsult) -> web.Response:
    ctx = context(request)
    me = await ctx.db.read(lambda tx: own_participant(tx, of))
    minted = ctx.tickets.for_consult(of.who, of.consult, me.id, session_token(request))
    return web.json_response({"ticket": minted, "expires_in_s": 60})


async def review(request: web.Request, of: StaffConsult, problem: str = "") -> web.Response:
    """What is still missing, each by name, or the summary to sign."""
    ctx = context(request)
    if of.consult.status == "finished":
        raise web.HTTPSeeOther(f"/consults/{of.consult.id}/record")

    def read(tx: Transaction) -> tuple[Opened, StaffRow | None]:
        return opened(tx, of.consult.id), staff.get(tx, of.consult.doctor_id)

    view, doctor = await ctx.db.read(read)
    return page(
        request,
        of.who,
        "doctor/finish_panel.html" if is_fragment(request) else "doctor/finish.html",
        status=409 if problem else 200,
        view=view,
        consult=view.consult,
        doctor=doctor,
        prescriptions=note_form.prescriptions(view.note),
        targets=ctx.finish.targets,
        problem=problem,
    )


async def finish(request: web.Request, of: StaffConsult) -> web.Response:
    ctx, form, now = context(request), await fields(request), context(request).clock.now()
    revision = whole_number(form.get("note_revision", ""))
    if revision is None:
        raise PeerError("invalid_field", "note_revision is a number.", field="note_revision")

    def work(tx: Transaction) -> FinalRecord:
        return finishing.finish(
            tx, of.consult.id, note_revision=revision, actor=of.who.actor, context=ctx.finish, now=now, ids=ctx.ids
        )

    try:
        record = await ctx.db.write(work)
    except Refused as refused:
        if refused.code not in ("incomplete", "note_moved") or "text/html" not in request.headers.get("Accept", ""):
            raise
        return await review(request, of, refused.code)
    topics.poke(ctx.bus, of.consult.id, of.consult.doctor_id)
    ctx.notify_outbox()
    location = f"/consults/{of.consult.id}/record"
    return done(request, location, record=location, sha256=record.sha256())


async def end_conversation(request: web.Request, of: StaffConsult) -> web.Response:
    return await _conversation(request, of, ended=True)


async def reopen_conversation(request: web.Request, of: StaffConsult) -> web.Response:
    return await _conversation(request, of, ended=False)


async def _conversation(request: web.Request, of: StaffConsult, *, ended: bool) -> web.Response:
    ctx, now = context(request), context(request).clock.now()
    act = waiting.end_conversation if ended else waiting.reopen_conversation
    await ctx.db.write(lambda tx: act(tx, of.consult.id, actor=of.who.actor, now=now))
    topics.poke(ctx.bus, of.consult.id, of.consult.doctor_id)
    return done(request, f"/consults/{of.consult.id}", ended=ended)


ROUTES = [
    Route("GET", "/consults/{consult}", show, OfConsult("note.view", any_status=True)),
    Route("POST", "/consults/{consult}/ticket", ticket, OfConsult("note.view", any_status=True)),
    Route("GET", "/consults/{consult}/finish", review, OfConsult("consult.finish")),
    Route("POST", "/consults/{consult}/finish", finish, OfConsult("consult.finish")),
    Route("POST", "/consults/{consult}/conversation/end", end_conversation, OfConsult("conversation.end")),
    Route("POST", "/consults/{consult}/conversation/reopen", reopen_conversation, OfConsult("conversation.reopen")),
]

"""What the doctor does inside a consult by form: the door, guests, messages, the note. Scripts use the same routes
for what is rare; the socket carries what is frequent."""

from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from candil.bus import topics
from candil.consults import notes, planning, thread, waiting
from candil.consults.accounts import SignedIn
from candil.consults.note import fold
from candil.consults.permissions import Role
from candil.errors import NotFound, PeerError
from candil.store import codes, participants
from candil.store import notes as note_rows
from candil.store.participants import ParticipantRow
from candil.store.tx import Transaction
from webapp.context import context
from webapp.forms import whole_number
from webapp.guards import OfConsult, Route, Staff, StaffConsult
from webapp.pages import note_form, sharing
from webapp.pages.consult import own_participant
from webapp.pages.plan import FORM_ID
from webapp.pages.staff_forms import done, fields

MAX_QUERY_CHARS = 80
DoorAct = Callable[..., ParticipantRow]
DoorHandler = Callable[[web.Request, StaffConsult], Awaitable[web.StreamResponse]]


def _door(act: DoorAct) -> DoorHandler:
    async def handler(request: web.Request, of: StaffConsult) -> web.Response:
        ctx, now = context(request), context(request).clock.now()
        participant_id = request.match_info["participant"]

        def work(tx: Transaction) -> ParticipantRow:
            person = participants.get(tx, participant_id)
            if person is None or person.consult_id != of.consult.id:
                raise NotFound("no_participant", "There is no such participant.")
            return act(tx, participant_id, actor=of.who.actor, now=now)

        row = await ctx.db.write(work)
        topics.poke(ctx.bus, of.consult.id, of.consult.doctor_id)
        return done(request, f"/consults/{of.consult.id}", participant=row.id, admission=row.admission)

    return handler


admit, hold, refuse = _door(waiting.admit), _door(waiting.hold), _door(waiting.refuse)


async def invite(request: web.Request, of: StaffConsult) -> web.Response:
    """A companion, interpreter or second doctor: the answer is the sheet with their link."""
    ctx, form, now = context(request), await fields(request), context(request).clock.now()
    if form.get("role", "") not in (Role.COMPANION, Role.INTERPRETER, Role.SECOND_DOCTOR):
        raise PeerError("invalid_role", "A guest is a companion, an interpreter or a second doctor.", field="role")
    role, name = Role(form["role"]), form.get("name", "")
    guest, token = await ctx.db.write(
        lambda tx: planning.invite_guest(tx, of.consult.id, role, name, actor=of.who.actor, now=now, ids=ctx.ids)
    )
    topics.poke(ctx.bus, of.consult.id, of.consult.doctor_id)
    return sharing.answer(request, of.who, of.consult, guest, token)


async def post_message(request: web.Request, of: StaffConsult) -> web.Response:
    """A chat message by form; the form's own id makes a second sending of it harmless."""
    ctx, form, now = context(request), await fields(request), context(request).clock.now()
    form_id = form.get("form_id", "")
    if not FORM_ID.fullmatch(form_id):
        raise PeerError("invalid_field", "form_id is missing.", field="form_id")

    def work(tx: Transaction) -> int:
        me = own_participant(tx, of)
        posted = thread.post(
            tx, me.id, form.get("body", ""), client_id=form_id, client_seq=1, actor=of.who.actor, now=now
        )
        return posted.message.seq

    seq = await ctx.db.write(work)
    topics.poke(ctx.bus, of.consult.id, of.consult.doctor_id)
    return done(request, f"/consults/{of.consult.id}", seq=seq)


async def write_note(request: web.Request, of: StaffConsult) -> web.Response:
    """The whole note as a form: all its edits in one transaction, or none of them."""
    ctx, form, now = context(request), await fields(request), context(request).clock.now()
    base = whole_number(form.get("base_revision", ""))
    if base is None:
        raise PeerError("invalid_field", "base_revision is a number.", field="base_revision")

    def work(tx: Transaction) -> int:
        shown = fold(op for op in note_rows.operations_after(tx, of.consult.id) if op.revision <= base)
        for operation in note_form.operations(form, shown):
            notes.write(tx, of.consult.id, operation, actor=of.who.actor, now=now)
        current = notes.current(tx, of.consult.id)
        settled = note_form.settlement(form.get("settle", ""), current)
        if settled is None:
            return current.revision
        return notes.write(tx, of.consult.id, settled, actor=of.who.actor, now=now)[0].revision

    revision = await ctx.db.write(work)
    topics.poke(ctx.bus, of.consult.id, of.consult.doctor_id)
    location = (
        f"/consults/{of.consult.id}/finish" if form.get("then") == "finish" else f"/consults/{of.consult.id}#note"
    )
    return done(request, location, revision=revision)


async def search_codes(request: web.Request, _: SignedIn) -> web.Response:
    """Codes of the clinic's list that hold every word typed; for the combobox beside the diagnosis."""
    words = request.query.get("q", "").strip()[:MAX_QUERY_CHARS]
    rows = await context(request).db.read(lambda tx: codes.search(tx, words)) if len(words) >= 2 else []
    found = [{"value": f"{row.system}|{row.code}", "code": row.code, "display": row.display} for row in rows]
    return web.Response(body=msgspec.json.encode({"codes": found}), content_type="application/json")


_PERSON = "/consults/{consult}/participants/{participant}"

ROUTES = [
    Route("POST", _PERSON + "/admit", admit, OfConsult("participant.admit")),
    Route("POST", _PERSON + "/hold", hold, OfConsult("participant.hold")),
    Route("POST", _PERSON + "/refuse", refuse, OfConsult("participant.refuse")),
    Route("POST", "/consults/{consult}/guests", invite, OfConsult("guest.invite")),
    Route("POST", "/consults/{consult}/messages", post_message, OfConsult("message.send")),
    Route("POST", "/consults/{consult}/note", write_note, OfConsult("note.write")),
    Route("GET", "/codes", search_codes, Staff("codes.search")),
]

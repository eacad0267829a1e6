"""Photos and voice notes: begun, sent in pieces that go on where they broke, or as a plain form; looked at and heard.

The same for a seat and for the consult's doctor. A page sends at most one piece at a time. What completes a part is
answered only when the part is made anew and kept.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, cast

import msgspec
from aiohttp import web
from msgspec import Meta

from candil.bus import topics
from candil.consults import attachments, gallery
from candil.consults.attachments import MAX_SIDE, QUALITY, RULES, DeclaredPart, Kind, Made, PartName, Progress
from candil.consults.links import Seat
from candil.consults.permissions import Actor
from candil.decoding.aio.decoder import NotDecodable
from candil.errors import NotFound, PeerError, Refused
from candil.store.attachments import AttachmentRow
from candil.store.consults import ConsultRow
from candil.store.tx import Transaction
from webapp.context import context
from webapp.forms import json_value, read_form, whole_number
from webapp.guards import Handler, OfConsult, OfSeat, Route, StaffConsult
from webapp.pages.consult import own_participant
from webapp.ranges import byte_range

MAX_FORM_BYTES = 12 * 1024 * 1024  # a camera's or recorder's own file, where no script makes it smaller
FORM_PARTS: dict[Kind, tuple[PartName, ...]] = {"photo": ("preview", "full"), "voice": ("full",)}
NOT_KEPT = ("wrong_hash", "not_a_picture", "too_many_pixels", "not_a_sound", "too_long", "too_heavy")
TYPES = {("voice", "full"): ("audio/ogg", "opus"), ("voice", "mp3"): ("audio/mpeg", "mp3")}
PICTURE = ("image/jpeg", "jpg")
NAMES = {"photo": "foto", "voice": "voz"}

UploadId = Annotated[str, Meta(pattern="^[0-9a-z_]{8,40}$")]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class PartForm(msgspec.Struct, frozen=True):
    bytes: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    sha256: Sha256

    @property
    def declared(self) -> DeclaredPart:
        return DeclaredPart(self.bytes, self.sha256)


class BeginForm(msgspec.Struct, frozen=True):
    """An upload as a page announces it, and again whenever it comes back to go on."""

    upload: UploadId
    kind: Kind
    parts: dict[PartName, PartForm]


@dataclass(frozen=True)
class Sender:
    """Whoever sends or looks: somebody at their seat, or the consult's doctor. ``base``: where their page is."""

    participant_id: str
    actor: Actor
    consult: ConsultRow
    base: str


Work = Callable[[web.Request, Sender], Awaitable[web.StreamResponse]]


def _at_seat(work: Work) -> Handler:
    async def handler(request: web.Request, seat: Seat) -> web.StreamResponse:
        base = f"/v/{seat.participant.id}"
        return await work(request, Sender(seat.participant.id, seat.actor, seat.consult, base))

    return handler


def _at_desk(work: Work) -> Handler:
    async def handler(request: web.Request, of: StaffConsult) -> web.StreamResponse:
        me = await context(request).db.read(lambda tx: own_participant(tx, of))
        return await work(request, Sender(me.id, of.who.actor, of.consult, f"/consults/{of.consult.id}"))

    return handler


async def begin(request: web.Request, who: Sender) -> web.Response:
    """Open an upload, or hear how far it came."""
    ctx, now = context(request), context(request).clock.now()
    try:
        form = msgspec.convert(json_value(await request.read()), BeginForm)
    except msgspec.ValidationError as error:
        raise PeerError("invalid_upload", str(error)) from None
    declared = {name: part.declared for name, part in form.parts.items()}
    progress = await ctx.db.write(
        lambda tx: attachments.begin(
            tx, who.participant_id, form.upload, form.kind, declared, actor=who.actor, now=now, ids=ctx.ids
        )
    )
    return _told(await _settle(request, who, progress))


async def chunk(request: web.Request, who: Sender) -> web.Response:
    """The next bytes of a part, from ``start`` on."""
    start, part = whole_number(request.query.get("start", "")), _part(request)
    if start is None:
        raise PeerError("invalid_chunk", "start is a number.", field="start")
    data, upload_id = await request.read(), request.match_info["upload"]
    progress = await context(request).db.write(
        lambda tx: attachments.append(tx, who.participant_id, upload_id, part, start, data, actor=who.actor)
    )
    return _told(await _settle(request, who, progress))


async def _settle(request: web.Request, who: Sender, progress: Progress) -> Progress:
    """Make anew and keep what came whole; what cannot be kept is refused for good."""
    if not progress.complete:
        return progress
    ctx, attachment = context(request), progress.attachment
    async with ctx.decoder.turns.of(who.participant_id):
        progress = await ctx.db.read(lambda tx: attachments.progress(tx, attachment))  # maybe settled meanwhile
        while progress.complete:
            progress = await _keep(request, who, progress)
            _poke(request, who.consult)
    return progress


async def _keep(request: web.Request, who: Sender, progress: Progress) -> Progress:
    """The first part that came whole: kept, or the upload refused."""
    ctx, attachment, part = context(request), progress.attachment, progress.complete[0]
    try:
        data = await ctx.db.read(lambda tx: attachments.whole(tx, attachment, part))
        made = await _made(request, cast(Kind, attachment.kind), part, data)
    except (NotDecodable, Refused) as error:
        if (code := error.code) not in NOT_KEPT:
            raise
        now = ctx.clock.now()
        return await ctx.db.write(lambda tx: attachments.refuse(tx, attachment, code, actor=who.actor, now=now))
    now = ctx.clock.now()
    return await ctx.db.write(lambda tx: attachments.keep(tx, attachment, part, made, actor=who.actor, now=now))


async def _made(request: web.Request, kind: Kind, part: PartName, data: bytes) -> Made:
    decoder = context(request).decoder
    if kind == "voice":
        return await decoder.sound(data)
    return await decoder.picture(data, MAX_SIDE[part], QUALITY[part])


async def send_form(request: web.Request, who: Sender) -> web.Response:
    """A photo or a voice note as a plain form: the camera's or recorder's own file in one piece."""
    ctx, form = context(request), await read_form(request)
    upload_id, kind = form.get("upload", ""), form.get("kind", "")
    if kind not in RULES:
        raise PeerError("invalid_field", "kind is photo or voice.", field="kind")
    if not isinstance(upload_id, str) or not _is_upload_id(upload_id):
        raise PeerError("invalid_field", "upload is missing.", field="upload")
    files = [file for file in form.getall("file", []) if isinstance(file, web.FileField)]
    data = next((data for file in files if (data := file.file.read())), b"")
    if not data:
        raise Refused("no_file", "No file was chosen.")
    made: dict[PartName, Made] = {}
    try:
        async with ctx.decoder.turns.of(who.participant_id):
            for part in FORM_PARTS[kind]:
                made[part] = await _made(request, kind, part, data)
    except NotDecodable as error:
        raise Refused(error.code, "This file cannot be taken.") from None
    now = ctx.clock.now()
    await ctx.db.write(
        lambda tx: attachments.take(
            tx, who.participant_id, upload_id, kind, made, actor=who.actor, now=now, ids=ctx.ids
        )
    )
    _poke(request, who.consult)
    return web.Response(status=303, headers={"Location": f"{who.base}#chat"})


async def part_of(request: web.Request, who: Sender) -> web.Response:
    """A kept part, or the range of it that is asked for. Its name tells the number and nothing of anybody."""
    ctx, part, now = context(request), _part(request), context(request).clock.now()
    attachment_id, wanted = request.match_info["attachment"], request.headers.get("Range", "")

    def work(tx: Transaction) -> tuple[AttachmentRow, bytes, tuple[int, int] | None, bool]:
        attachment, data = gallery.view(tx, who.consult, attachment_id, part, actor=who.actor)
        try:
            span = byte_range(wanted, len(data))
        except ValueError:
            return attachment, data, (0, 0), False
        to_its_end = span is None or span[1] == len(data)
        is_whole = part != "preview" and to_its_end and request.method == "GET"
        is_news = is_whole and gallery.note_viewed(tx, attachment, actor=who.actor, now=now)
        return attachment, data, span, is_news

    act = ctx.db.read if part == "preview" else ctx.db.write
    attachment, data, span, is_news = await act(work)
    if is_news:
        _poke(request, who.consult)
    content_type, suffix = TYPES.get((attachment.kind, part), PICTURE)
    how = "attachment" if "download" in request.query else "inline"
    headers = {
        "Content-Disposition": f'{how}; filename="{NAMES[attachment.kind]}-{attachment.seq}.{suffix}"',
        "Accept-Ranges": "bytes",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    }
    if span is None:
        return web.Response(body=data, content_type=content_type, headers=headers)
    start, end = span
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(data)}" if end else f"bytes */{len(data)}"
    status = 206 if end else 416
    return web.Response(body=data[start:end], status=status, content_type=content_type, headers=headers)


def _told(progress: Progress) -> web.Response:
    answer: dict[str, object] = {"state": progress.attachment.state, "received": progress.received}
    if progress.kept:
        answer["kept"] = progress.kept
    if progress.attachment.refusal:
        answer["refusal"] = progress.attachment.refusal
    return web.json_response(answer)


def _part(request: web.Request) -> PartName:
    part = request.match_info["part"]
    if part not in attachments.PARTS:
        raise NotFound("no_part", "There is no such part.")
    return cast(PartName, part)


def _is_upload_id(text: str) -> bool:
    try:
        msgspec.convert(text, UploadId)
    except msgspec.ValidationError:
        return False
    return True


def _poke(request: web.Request, consult: ConsultRow) -> None:
    topics.poke(context(request).bus, consult.id, consult.doctor_id)


def _routes(base: str, at: Callable[[Work], Handler], send: Any, look: Any) -> list[Route]:
    folder = base + "/attachments"
    return [
        Route("POST", folder, at(send_form), send, MAX_FORM_BYTES),
        Route("POST", folder + "/uploads", at(begin), send),
        Route("POST", folder + "/uploads/{upload}/{part}", at(chunk), send),
        Route("GET", folder + "/{attachment}/{part}", at(part_of), look),
    ]


ROUTES = [
    *_routes("/v/{participant}", _at_seat, OfSeat("attachment.send"), OfSeat("attachment.view")),
    *_routes(
        "/consults/{consult}", _at_desk, OfConsult("attachment.send"), OfConsult("attachment.view", any_status=True)
    ),
]

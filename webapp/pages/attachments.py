"""Photos of a visit: begun, sent in pieces that go on where they broke, or as a plain form; and looked at.

A page sends at most one piece at a time. What completes a part is answered only when the part is redrawn and kept.
"""

from typing import Annotated, Any, cast

import msgspec
from aiohttp import web
from msgspec import Meta

from candil.bus import topics
from candil.consults import attachments, gallery
from candil.consults.attachments import MAX_SIDE, QUALITY, DeclaredPart, PartName, Picture, Progress
from candil.consults.gallery import Shown
from candil.consults.links import Seat
from candil.errors import NotFound, PeerError, Refused
from candil.imaging.aio.redraw import NotDrawable
from candil.store.consults import ConsultRow
from candil.store.tx import Transaction
from webapp.context import context
from webapp.forms import json_value, read_form, whole_number
from webapp.guards import OfConsult, OfSeat, Route, StaffConsult
from webapp.pages.language import reader_locale

MAX_FORM_BYTES = 12 * 1024 * 1024  # a camera's own file, where no script makes it smaller
FORM_PARTS: tuple[PartName, ...] = ("preview", "full")

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
    full: PartForm
    preview: PartForm | None = None

    @property
    def parts(self) -> dict[PartName, DeclaredPart]:
        parts: dict[PartName, DeclaredPart] = {} if self.preview is None else {"preview": self.preview.declared}
        return {**parts, "full": self.full.declared}


async def begin(request: web.Request, seat: Seat) -> web.Response:
    """Open an upload, or hear how far it came."""
    ctx, now = context(request), context(request).clock.now()
    try:
        form = msgspec.convert(json_value(await request.read()), BeginForm)
    except msgspec.ValidationError as error:
        raise PeerError("invalid_upload", str(error)) from None

    def work(tx: Transaction) -> Progress:
        return attachments.begin(
            tx, seat.participant.id, form.upload, form.parts, actor=seat.actor, now=now, ids=ctx.ids
        )

    return _told(await _settle(request, seat, await ctx.db.write(work)))


async def chunk(request: web.Request, seat: Seat) -> web.Response:
    """The next bytes of a part, from ``start`` on."""
    start, part = whole_number(request.query.get("start", "")), _part(request)
    if start is None:
        raise PeerError("invalid_chunk", "start is a number.", field="start")
    data, upload_id = await request.read(), request.match_info["upload"]

    def work(tx: Transaction) -> Progress:
        return attachments.append(tx, seat.participant.id, upload_id, part, start, data, actor=seat.actor)

    return _told(await _settle(request, seat, await context(request).db.write(work)))


async def _settle(request: web.Request, seat: Seat, progress: Progress) -> Progress:
    """Redraw and keep what came whole; what cannot be kept is refused for good."""
    for part in progress.complete:
        try:
            progress = await _keep(request, seat, progress, part)
        except (NotDrawable, Refused) as error:
            ctx, now, code, attachment = context(request), context(request).clock.now(), error.code, progress.attachment
            if code not in ("wrong_hash", "not_a_picture", "too_many_pixels", "too_heavy"):
                raise
            progress = await ctx.db.write(
                lambda tx: attachments.refuse(tx, attachment, code, actor=seat.actor, now=now)  # noqa: B023
            )
        _poke(request, seat.consult)
        if progress.attachment.state != "receiving":
            break
    return progress


async def _keep(request: web.Request, seat: Seat, progress: Progress, part: PartName) -> Progress:
    ctx = context(request)
    data = await ctx.db.read(lambda tx: attachments.whole(tx, progress.attachment, part))
    picture = await ctx.redrawer.redraw(data, MAX_SIDE[part], QUALITY[part])
    now = ctx.clock.now()
    return await ctx.db.write(
        lambda tx: attachments.keep(tx, progress.attachment, part, picture, actor=seat.actor, now=now)
    )


async def send_form(request: web.Request, seat: Seat) -> web.Response:
    """A photo as a plain form: the camera's own file in one piece."""
    ctx, form = context(request), await read_form(request)
    upload_id, file = form.get("upload", ""), form.get("photo")
    if not isinstance(file, web.FileField) or not isinstance(upload_id, str):
        raise PeerError("invalid_field", "photo is a file.", field="photo")
    if not _is_upload_id(upload_id):
        raise PeerError("invalid_field", "upload is missing.", field="upload")
    data = file.file.read()
    if not data:
        raise Refused("no_picture", "No photo was chosen.")
    pictures: dict[PartName, Picture] = {}
    try:
        for part in FORM_PARTS:
            pictures[part] = await ctx.redrawer.redraw(data, MAX_SIDE[part], QUALITY[part])
    except NotDrawable as error:
        raise Refused(error.code, "This file cannot be taken as a photo.") from None
    now = ctx.clock.now()
    await ctx.db.write(
        lambda tx: attachments.take(
            tx, seat.participant.id, upload_id, pictures, actor=seat.actor, now=now, ids=ctx.ids
        )
    )
    _poke(request, seat.consult)
    return web.Response(status=303, headers={"Location": f"/v/{seat.participant.id}#photos"})


async def of_seat(request: web.Request, seat: Seat) -> web.Response:
    """One's own photos, as a piece of the page."""
    found = await context(request).db.read(lambda tx: gallery.shown(tx, seat.consult.id, seat.participant.id))
    return _list(request, reader_locale(request, seat.consult.locale), f"/v/{seat.participant.id}", found)


async def of_consult(request: web.Request, of: StaffConsult) -> web.Response:
    """Every photo of the visit, as a piece of the doctor's page."""
    found = await context(request).db.read(lambda tx: gallery.shown(tx, of.consult.id))
    return _list(request, of.who.staff.locale, f"/consults/{of.consult.id}", found)


async def picture_of_seat(request: web.Request, seat: Seat) -> web.Response:
    return await _picture(request, seat.consult, seat.actor)


async def picture_of_consult(request: web.Request, of: StaffConsult) -> web.Response:
    return await _picture(request, of.consult, of.who.actor)


async def _picture(request: web.Request, consult: ConsultRow, actor: Any) -> web.Response:
    """The redrawn JPEG. Its name tells the number of the photo and nothing of anybody."""
    ctx, part, photo, now = context(request), _part(request), request.match_info["photo"], context(request).clock.now()
    act = ctx.db.write if part == "full" else ctx.db.read  # looking at the full one is kept in the audit
    attachment, data = await act(lambda tx: gallery.view(tx, consult.id, photo, part, actor=actor, now=now))
    how = "attachment" if "download" in request.query else "inline"
    headers = {
        "Content-Disposition": f'{how}; filename="foto-{attachment.seq}.jpg"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    }
    return web.Response(body=data, content_type="image/jpeg", headers=headers)


def _list(request: web.Request, locale: str, base: str, photos: list[Shown]) -> web.Response:
    return context(request).templates.page(request, "parts/photos_list.html", locale=locale, base=base, photos=photos)


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


_SEND, _VIEW = OfSeat("photo.send"), OfSeat("photo.view")
_DOCTOR = OfConsult("photo.view", any_status=True)

ROUTES = [
    Route("GET", "/v/{participant}/photos", of_seat, _VIEW),
    Route("POST", "/v/{participant}/photos", send_form, _SEND, MAX_FORM_BYTES),
    Route("POST", "/v/{participant}/photos/uploads", begin, _SEND),
    Route("POST", "/v/{participant}/photos/uploads/{upload}/{part}", chunk, _SEND),
    Route("GET", "/v/{participant}/photos/{photo}/{part}", picture_of_seat, _VIEW),
    Route("GET", "/consults/{consult}/photos", of_consult, _DOCTOR),
    Route("GET", "/consults/{consult}/photos/{photo}/{part}", picture_of_consult, _DOCTOR),
]

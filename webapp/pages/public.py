"""Pages for anybody: the front door, what a link leads to, the permanent text of a consent wording."""

from aiohttp import web

from candil.bus import topics
from candil.consults import links
from candil.consults.links import Opened
from candil.store import staff
from candil.store.staff import StaffRow
from candil.store.tx import Transaction
from webapp.context import WebContext, context
from webapp.guards import SEAT_COOKIE, Public, Route
from webapp.pages.language import page_in, reader_locale

DAY_S = 86_400


async def home(request: web.Request, _: None) -> web.Response:
    return page_in(request, "patient/home.html", reader_locale(request))


async def health(request: web.Request, _: None) -> web.Response:
    """For load balancers and watchdogs: answers once the database does."""
    await context(request).db.read(lambda tx: tx.exec_driver_sql("SELECT 1").scalar())
    return web.json_response({"status": "ok"})


async def landing(request: web.Request, _: None) -> web.Response:
    """What the link is for. Looking never uses it up: chat apps fetch every link they carry."""
    ctx, token, now = context(request), request.match_info["token"], context(request).clock.now()

    def look(tx: Transaction) -> tuple[Opened, StaffRow | None]:
        opened = links.look_at(tx, token, clinic=ctx.settings.clinic, now=now)
        return opened, staff.get(tx, opened.consult.doctor_id)

    opened, doctor = await ctx.db.read(look)
    return page_in(
        request,
        "patient/landing.html",
        reader_locale(request, opened.consult.locale),
        consult=opened.consult,
        role=opened.participant.role,
        doctor_name=doctor.name if doctor else "",
        token=token,
    )


async def enter(request: web.Request, _: None) -> web.Response:
    """The landing page's button: a session for this browser, and on to the visit."""
    ctx, token, now = context(request), request.match_info["token"], context(request).clock.now()

    def exchange(tx: Transaction) -> tuple[links.Session, Opened]:
        session = links.exchange(tx, token, clinic=ctx.settings.clinic, now=now, ids=ctx.ids)
        return session, links.look_at(tx, token, clinic=ctx.settings.clinic, now=now)

    session, opened = await ctx.db.write(exchange)
    topics.poke(ctx.bus, opened.consult.id, opened.consult.doctor_id)
    path = f"/v/{session.participant_id}"
    response = web.Response(status=303, headers={"Location": path})
    set_seat_cookie(ctx, response, path, session.token)
    return response


def set_seat_cookie(ctx: WebContext, response: web.Response, path: str, token: str) -> None:
    """The cookie outlives the browser's process, which phones end at will; the server decides when it is over."""
    response.set_cookie(
        SEAT_COOKIE,
        token,
        path=path,
        max_age=(ctx.settings.clinic.summary_valid_days + 14) * DAY_S,
        httponly=True,
        samesite="Lax",
        secure=ctx.secure,
    )


async def consent_text(request: web.Request, _: None) -> web.Response:
    """A wording at its permanent address, to which records refer for ever; the doctor's name is left general."""
    ctx, locale = context(request), request.match_info["locale"]
    language = ctx.templates.languages.get(locale)
    if language is None:
        raise web.HTTPNotFound
    wording = ctx.wordings.wording(
        locale,
        clinic=ctx.settings.clinic.name,
        doctor=language.gettext("your doctor"),
        version=request.match_info["version"],
    )
    return page_in(request, "patient/wording.html", locale, wording=wording)


ROUTES = [
    Route("GET", "/", home, Public()),
    Route("GET", "/health", health, Public()),
    Route("GET", "/i/{token}", landing, Public(limited=True)),
    Route("POST", "/i/{token}", enter, Public(limited=True)),
    Route("GET", "/consent/{locale}/{version}", consent_text, Public()),
]

"""Signing in and out. An unknown login and a wrong password get the same answer after the same time."""

import asyncio
import hashlib

from aiohttp import web

from candil.consults import accounts
from candil.consults.accounts import SignedIn
from candil.errors import NotAuthenticated
from candil.passwords import verify_password
from candil.store import staff
from webapp.context import context
from webapp.guards import STAFF_COOKIE, Public, Route, Staff, remote_address, staff_of
from webapp.pages.staff_forms import fields, session_token

ATTEMPTS_WINDOW_S = 600


async def show(request: web.Request, _: None) -> web.Response:
    try:
        await staff_of(request)
    except NotAuthenticated:
        return _page(request)
    raise web.HTTPSeeOther("/board")


async def sign_in(request: web.Request, _: None) -> web.Response:
    ctx = context(request)
    form = await fields(request)
    login, password = form.get("login", "").strip().lower(), form.get("password", "")
    decision = await ctx.bus.hit(
        _counter(request, login), ctx.settings.security.login_attempts_per_10_min, ATTEMPTS_WINDOW_S
    )
    if not decision.allowed:
        return _page(request, status=429, login=login, problem="too_many", retry_after_s=decision.retry_after_s)
    clinic_id = ctx.settings.clinic.id
    account = await ctx.db.read(lambda tx: staff.by_login(tx, clinic_id, login))
    usable = account if account is not None and account.disabled_at is None else None
    verified = await asyncio.to_thread(verify_password, usable.password_hash if usable else None, password)
    now = ctx.clock.now()
    if usable is None or not verified:
        await ctx.db.write(lambda tx: accounts.sign_in_refused(tx, clinic_id, now=now))
        return _page(request, status=401, login=login, problem="wrong")
    token, _csrf = await ctx.db.write(lambda tx: accounts.open_session(tx, usable, now=now, ids=ctx.ids))
    response = web.HTTPSeeOther("/board")
    response.set_cookie(
        STAFF_COOKIE,
        token,
        path="/",
        httponly=True,
        samesite="Lax",
        secure=ctx.secure,
        max_age=ctx.settings.security.staff_absolute_hours * 3600,
    )
    raise response


async def sign_out(request: web.Request, who: SignedIn) -> web.Response:
    ctx, now = context(request), context(request).clock.now()
    await ctx.db.write(lambda tx: accounts.sign_out(tx, session_token(request), who.staff, now=now))
    response = web.HTTPSeeOther("/login")
    response.del_cookie(STAFF_COOKIE, path="/")
    raise response


def _counter(request: web.Request, login: str) -> str:
    """Hashed: people type passwords into the wrong field, and counters are kept where it is not needed."""
    return "login:" + hashlib.sha256(f"{login}\n{remote_address(request)}".encode()).hexdigest()[:32]


def _page(
    request: web.Request, *, status: int = 200, login: str = "", problem: str = "", retry_after_s: int = 0
) -> web.Response:
    response = context(request).templates.page(
        request,
        "doctor/login.html",
        status=status,
        login=login,
        problem=problem,
        retry_after_min=max(1, round(retry_after_s / 60)),
    )
    if retry_after_s:
        response.headers["Retry-After"] = str(retry_after_s)
    return response


ROUTES = [
    Route("GET", "/login", show, Public()),
    Route("POST", "/login", sign_in, Public(limited=True)),
    Route("POST", "/logout", sign_out, Staff("board.view")),
]

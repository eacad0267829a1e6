"""Every route says who may take it; nothing is reachable without saying so.

A guard authenticates, checks the CSRF token of anything that changes something, asks the table of permissions,
and hands the handler whoever it found. ``table()`` of the routes is what the access tests walk through.
"""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web

from candil.addresses import client_address
from candil.consults import accounts, links
from candil.consults.accounts import SignedIn
from candil.consults.permissions import Actor, Role, require
from candil.errors import NotAllowed, NotAuthenticated, NotFound, TooMany
from candil.store import consults
from candil.store.consults import ConsultRow
from webapp.context import context
from webapp.forms import FORM_TYPES, read_form

SAFE_METHODS = ("GET", "HEAD")
STAFF_COOKIE = "candil_s"
SEAT_COOKIE = "candil_v"
CSRF_FIELD = "csrf"
CSRF_HEADER = "X-CSRF-Token"
SEAT_LIMIT_PER_MIN = 240  # changes by one person: far more than anybody types, far less than fills a disk


class StaffConsult(msgspec.Struct, frozen=True):
    """A member of staff and the consult of the path, which is theirs to see."""

    who: SignedIn
    consult: ConsultRow


Handler = Callable[[web.Request, Any], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Public:
    """Anybody. ``limit_per_min`` counts requests per address, for pages that take a secret."""

    limited: bool = False

    async def admit(self, request: web.Request) -> None:
        await check_origin(request)
        if self.limited:
            await limit(
                request, f"public:{request.match_info.route.resource and request.match_info.route.resource.canonical}"
            )


@dataclass(frozen=True)
class Staff:
    """Somebody of the clinic, for an act that concerns no single consult."""

    act: str

    async def admit(self, request: web.Request) -> SignedIn:
        who = await staff_of(request)
        require(self.act, Role(who.staff.role))
        return who


@dataclass(frozen=True)
class OfConsult:
    """Somebody of the clinic, for the consult in the path's ``{consult}``: the doctor's own, or any for the desk."""

    act: str
    any_status: bool = False

    async def admit(self, request: web.Request) -> StaffConsult:
        who = await staff_of(request)
        consult_id = request.match_info["consult"]
        consult = await context(request).db.read(lambda tx: consults.get(tx, consult_id))
        role = Role(who.staff.role)
        if consult is None or consult.clinic_id != who.staff.clinic_id:
            raise NotFound("no_consult", "There is no such consult.")
        if role == Role.DOCTOR and consult.doctor_id != who.staff.id:
            raise NotFound("no_consult", "There is no such consult.")
        require(self.act, role, status=None if self.any_status else consult.status)
        return StaffConsult(who, consult)


@dataclass(frozen=True)
class OfSeat:
    """The patient or guest of the path's ``{participant}``, by the cookie their link was exchanged for."""

    act: str

    async def admit(self, request: web.Request) -> links.Seat:
        seat = await seat_of(request)
        if request.method not in SAFE_METHODS:
            await count(request, f"seat:{seat.participant.id}", SEAT_LIMIT_PER_MIN)
        require(self.act, Role(seat.participant.role), status=seat.consult.status, admission=seat.participant.admission)
        return seat


@dataclass(frozen=True)
class Integration:
    """Another system with an API key."""

    act: str

    async def admit(self, request: web.Request) -> Actor:
        ctx = context(request)
        await limit(request, "api", per_min=600)
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not token:
            raise NotAuthenticated("no_key", "Send Authorization: Bearer with an API key.")
        actor = await ctx.db.read(lambda tx: accounts.api_actor(tx, token))
        require(self.act, actor.role)
        return actor


Guard = Public | Staff | OfConsult | OfSeat | Integration


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    handler: Handler
    guard: Guard
    max_body_bytes: int = 0  # more than the application's limit, for who passes the guard

    def definition(self) -> web.RouteDef:
        async def guarded(request: web.Request) -> web.StreamResponse:
            if self.max_body_bytes:
                request = request.clone(client_max_size=self.max_body_bytes)
            return await self.handler(request, await self.guard.admit(request))

        return web.RouteDef(self.method, self.path, guarded, {})


async def staff_of(request: web.Request) -> SignedIn:
    """Who is signed in; NotAuthenticated for nobody, NotAllowed for a forged form."""
    ctx = context(request)
    token = request.cookies.get(STAFF_COOKIE, "")
    if not token:
        raise NotAuthenticated("no_session", "Sign in.")
    security, now = ctx.settings.security, ctx.clock.now()
    who, stale = await ctx.db.read(
        lambda tx: (
            accounts.signed_in(
                tx,
                token,
                idle_s=security.staff_idle_minutes * 60,
                absolute_s=security.staff_absolute_hours * 3600,
                now=now,
            ),
            accounts.needs_touch(tx, token, now),
        )
    )
    if stale:
        await ctx.db.write(lambda tx: accounts.touch(tx, token, now=now))
    await check_csrf(request, who.csrf_token)
    return who


async def seat_of(request: web.Request) -> links.Seat:
    ctx = context(request)
    participant_id, now = request.match_info["participant"], ctx.clock.now()
    token = request.cookies.get(SEAT_COOKIE, "")
    if not token:
        raise NotAuthenticated("no_session", "Open the link again.")
    seat = await ctx.db.read(lambda tx: links.seat(tx, token, participant_id, clinic=ctx.settings.clinic, now=now))
    await check_csrf(request, seat.csrf_token)
    return seat


async def check_csrf(request: web.Request, expected: str) -> None:
    """A change must carry the session's token in a field or header, from a page of ours."""
    if request.method in SAFE_METHODS:
        return
    await check_origin(request)
    given = request.headers.get(CSRF_HEADER, "")
    if not given and request.content_type in FORM_TYPES:
        given = str((await read_form(request)).get(CSRF_FIELD, ""))
    if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), expected.encode()):
        raise NotAllowed("csrf", "The form is not from this session; open the page again.")


async def check_origin(request: web.Request) -> None:
    """Browsers say where a form was; one that was elsewhere is refused.

    Under ``Referrer-Policy: no-referrer`` a form of our own pages says ``Origin: null`` (Fetch, 3.2.3), as a
    stranger's may; then Sec-Fetch-Site tells them apart, and in a browser too old for it the CSRF token alone does.
    """
    if request.method in SAFE_METHODS:
        return
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site", "same-origin")
    if origin not in (None, "null", context(request).origin) or site != "same-origin":
        raise NotAllowed("origin", "This form was sent from another site.")


async def limit(request: web.Request, name: str, per_min: int = 0) -> None:
    """Count one request of this address; TooMany when over the limit."""
    allowed = per_min or context(request).settings.security.request_limit_per_min
    await count(request, f"{name}:{remote_address(request)}", allowed)


async def count(request: web.Request, name: str, per_min: int) -> None:
    decision = await context(request).bus.hit(name, per_min, 60)
    if not decision.allowed:
        raise TooMany("too_many", "Too many requests; wait a little.", retry_after_s=decision.retry_after_s)


def remote_address(request: web.Request) -> str:
    """The client's address, for counting; a forwarded one only when a trusted proxy says it."""
    forwarded_for = request.headers.get("X-Forwarded-For", "")
    return client_address(request.remote or "", forwarded_for, context(request).settings.server)

"""The doctor's day: who waits, who is in, what is to be signed, what reached the record."""

import re
from datetime import date, timedelta

import msgspec
from aiohttp import web

from candil.consults import board
from candil.consults.accounts import SignedIn
from candil.consults.board import BoardEntry
from candil.consults.permissions import Role
from candil.store import staff
from candil.store.staff import StaffRow
from candil.store.tx import Transaction
from webapp.context import WebContext, context
from webapp.guards import Route, Staff
from webapp.pages.staff_forms import page, session_token

_DAY = re.compile(r"2[0-9]{3}-[0-9]{2}-[0-9]{2}")  # of years that have a day before and one after


class Day(msgspec.Struct, frozen=True):
    """What the board shows: one doctor's entries of one day by group, in the order of the page."""

    doctor: StaffRow
    doctors: tuple[StaffRow, ...]
    day: str
    before: str
    after: str
    is_today: bool
    at_noon: float
    groups: dict[str, list[BoardEntry]]

    def of(self, *groups: str) -> list[BoardEntry]:
        return [entry for group in groups for entry in self.groups.get(group, [])]


async def show(request: web.Request, who: SignedIn) -> web.Response:
    return page(request, who, "doctor/board.html", board=await _day(request, who))


async def fragment(request: web.Request, who: SignedIn) -> web.Response:
    return page(request, who, "doctor/board_list.html", board=await _day(request, who))


async def ticket(request: web.Request, who: SignedIn) -> web.Response:
    minted = context(request).tickets.for_board(who, session_token(request))
    return web.json_response({"ticket": minted, "expires_in_s": 60})


def today(ctx: WebContext) -> date:
    return ctx.templates.languages["es"].local(ctx.clock.now()).date()


async def doctors_of(ctx: WebContext, who: SignedIn) -> tuple[StaffRow, ...]:
    """Whose boards this person may look at: a doctor only their own."""
    if who.staff.role == Role.DOCTOR:
        return (who.staff,)
    rows = await ctx.db.read(lambda tx: staff.of_clinic(tx, who.staff.clinic_id))
    return tuple(row for row in rows if row.role == Role.DOCTOR and row.disabled_at is None)


async def _day(request: web.Request, who: SignedIn) -> Day:
    ctx = context(request)
    shown = _date(request.query.get("day", "")) or today(ctx)
    doctors = await doctors_of(ctx, who)
    asked = request.query.get("doctor", "")
    doctor = next((row for row in doctors if row.id == asked), doctors[0] if doctors else who.staff)
    since, until = board.day_bounds(shown.isoformat(), ctx.settings.clinic.time_zone)
    is_today = shown == today(ctx)

    def work(tx: Transaction) -> list[BoardEntry]:
        return board.of_doctor(tx, doctor.id, since, until, actor=who.actor)

    groups: dict[str, list[BoardEntry]] = {}
    for entry in await ctx.db.read(work):
        if since <= entry.consult.scheduled_at < until or is_today:  # open ones of other days belong to today
            groups.setdefault(entry.group, []).append(entry)
    groups.get("waiting", []).sort(key=lambda entry: entry.position or len(groups["waiting"]) + 1)
    return Day(
        doctor=doctor,
        doctors=doctors,
        day=shown.isoformat(),
        before=(shown - timedelta(days=1)).isoformat(),
        after=(shown + timedelta(days=1)).isoformat(),
        is_today=is_today,
        at_noon=since + 12 * 3600,
        groups=groups,
    )


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        return None


ROUTES = [
    Route("GET", "/board", show, Staff("board.view")),
    Route("GET", "/board/fragment", fragment, Staff("board.view")),
    Route("POST", "/board/ticket", ticket, Staff("board.view")),
]

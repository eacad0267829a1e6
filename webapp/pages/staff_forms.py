"""What the clinic's pages share: reading their forms, and answering a form or the script that sent it for one."""

from typing import Any

from aiohttp import web

from candil.consults.accounts import SignedIn
from webapp.context import context
from webapp.forms import read_form
from webapp.guards import STAFF_COOKIE

FRAGMENT_HEADER = "X-Fragment"


async def fields(request: web.Request) -> dict[str, str]:
    """The form's text fields, with line ends as the note keeps them; the first of a repeated name."""
    form = await read_form(request)
    found: dict[str, str] = {}
    for name, value in form.items():
        if isinstance(value, str):
            found.setdefault(name, value.replace("\r\n", "\n"))
    return found


def is_fragment(request: web.Request) -> bool:
    """Whether a script of the page asks for a piece of it."""
    return request.headers.get(FRAGMENT_HEADER) == "1"


def session_token(request: web.Request) -> str:
    return request.cookies.get(STAFF_COOKIE, "")


def done(request: web.Request, location: str, **answer: object) -> web.Response:
    """After a change: a script gets JSON, a form is sent on to a page (and a reload there repeats nothing)."""
    if "text/html" in request.headers.get("Accept", ""):
        raise web.HTTPSeeOther(location)
    return web.json_response(answer)


def page(request: web.Request, who: SignedIn, template: str, *, status: int = 200, **values: Any) -> web.Response:
    """A page of the clinic's side in the person's own language."""
    return context(request).templates.page(
        request,
        template,
        locale=who.staff.locale,
        status=status,
        who=who,
        csrf=who.csrf_token,
        now=context(request).clock.now(),
        **values,
    )

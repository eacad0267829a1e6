"""The reader's language on the patient's side: what they tapped, else that of their appointment."""

from typing import Any

from aiohttp import web

from webapp.context import context

LANGUAGE_COOKIE = "candil_l"
_YEAR_S = 365 * 86_400


def reader_locale(request: web.Request, appointment_locale: str = "") -> str:
    known = context(request).templates.languages
    for code in (request.query.get("lang", ""), request.cookies.get(LANGUAGE_COOKIE, ""), appointment_locale):
        if code in known:
            return code
    return context(request).templates.language_of(request).code


def page_in(request: web.Request, template: str, locale: str, *, status: int = 200, **values: Any) -> web.Response:
    """A page in ``locale``, with the way to the other language; a tapped choice is remembered."""
    ctx = context(request)
    values.setdefault("language_link", f"{request.path}?lang=")
    response = ctx.templates.page(request, template, locale=locale, status=status, **values)
    if request.query.get("lang", "") in ctx.templates.languages:
        response.set_cookie(LANGUAGE_COOKIE, locale, max_age=_YEAR_S, samesite="Lax", secure=ctx.secure, httponly=True)
    return response

"""Every address of the service in one list, each with its guard."""

from aiohttp import web

from webapp.api import consults as api
from webapp.context import CONTEXT, WebContext
from webapp.guards import Route
from webapp.middlewares import errors_middleware, headers_middleware, log_middleware
from webapp.pages import (
    appointment,
    attachments,
    auth,
    board,
    consult,
    consult_acts,
    history,
    line_test,
    patient,
    plan,
    public,
    summary,
)

MAX_BODY_BYTES = 256 * 1024


def routes() -> list[Route]:
    return [
        *public.ROUTES,
        *auth.ROUTES,
        *board.ROUTES,
        *plan.ROUTES,
        *appointment.ROUTES,
        *consult.ROUTES,
        *consult_acts.ROUTES,
        *history.ROUTES,
        *patient.ROUTES,
        *line_test.ROUTES,
        *attachments.ROUTES,
        *summary.ROUTES,
        *api.ROUTES,
    ]


def build(ctx: WebContext, others: list[web.RouteDef]) -> web.Application:
    """The application with every page; ``others`` are routes of sibling parts, which guard themselves."""
    app = web.Application(
        middlewares=[headers_middleware, log_middleware, errors_middleware], client_max_size=MAX_BODY_BYTES
    )
    app[CONTEXT] = ctx
    app.router.add_get("/static/{name:.+}", ctx.assets.serve)
    app.add_routes([route.definition() for route in routes()])
    app.add_routes(others)
    return app

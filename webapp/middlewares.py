"""What surrounds every answer: security headers, errors in plain words, a log line without paths that open things."""

import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from candil.errors import CandilError, NotAuthenticated, StorageFailed, TooMany
from candil.log import log_event
from webapp.context import context

log = logging.getLogger(__name__)
Next = Callable[[web.Request], Awaitable[web.StreamResponse]]


def security_headers(origin: str) -> dict[str, str]:
    """Headers of every answer that does not say otherwise. No third-party resource exists, so none is allowed; any
    answer may be about a patient, so none is kept by browsers (static files, which say so, are)."""
    socket = origin.replace("http", "ws", 1)
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data: blob:",
        "media-src": "'self' blob:",
        "connect-src": f"'self' {socket}",
        "manifest-src": "'self'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    headers = {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Permissions-Policy": "camera=(self), microphone=(self), fullscreen=(self), screen-wake-lock=(self), "
        "geolocation=(), payment=(), usb=(), display-capture=()",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Robots-Tag": "noindex, nofollow",
        "Cache-Control": "no-store",
    }
    if origin.startswith("https:"):
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return headers


@web.middleware
async def headers_middleware(request: web.Request, handler: Next) -> web.StreamResponse:
    headers = security_headers(context(request).origin)
    try:
        response = await handler(request)
    except web.HTTPException as answer:
        answer.headers.update(headers)
        raise
    if not response.prepared:
        for name, value in headers.items():
            response.headers.setdefault(name, value)
    return response


@web.middleware
async def log_middleware(request: web.Request, handler: Next) -> web.StreamResponse:
    """One line per answer with the route's pattern, never the path: a path may hold a link's token."""
    clock = context(request).clock
    started = clock.now()
    status = 500
    try:
        response = await handler(request)
        status = response.status
        return response
    except web.HTTPException as answer:
        status = answer.status
        raise
    finally:
        resource = request.match_info.route.resource
        if resource is None or not resource.canonical.startswith("/static"):
            log.info(
                log_event(
                    "http.answer",
                    method=request.method,
                    route=resource.canonical if resource else "none",
                    status=status,
                    ms=round((clock.now() - started) * 1000),
                )
            )


@web.middleware
async def errors_middleware(request: web.Request, handler: Next) -> web.StreamResponse:
    """Our errors become a page, or JSON for scripts and other systems. What is our fault tells nothing outside."""
    if "%00" in request.raw_path:  # PostgreSQL keeps no NUL, so nothing is called so
        return _answer(request, 404, "not_found", {})
    try:
        return await handler(request)
    except web.RequestPayloadError:
        return _answer(request, 400, "malformed", {})
    except web.HTTPNotFound:
        return _answer(request, 404, "not_found", {})
    except web.HTTPRequestEntityTooLarge:
        return _answer(request, 413, "too_large", {})
    except NotAuthenticated as error:
        if _wants_page(request) and not request.path.startswith("/v/"):
            raise web.HTTPSeeOther("/login") from error
        return _answer(request, error.status, error.code, error.detail)
    except StorageFailed as error:
        return _answer(request, error.status, error.code, {"retry_after_s": 5})
    except CandilError as error:
        if error.status >= 500:
            log.error(log_event("http.failed", code=error.code), exc_info=error)
        return _answer(request, error.status, error.code, error.detail, error.message)
    except (web.HTTPException, ConnectionResetError):
        raise  # the second: they went away before the answer, which is no fault of ours
    except Exception as error:
        log.exception(log_event("http.failed", error=type(error).__name__))
        return _answer(request, 500, "internal", {})


def _wants_page(request: web.Request) -> bool:
    return "text/html" in request.headers.get("Accept", "") and not request.path.startswith("/api/")


def _answer(request: web.Request, status: int, code: str, detail: dict[str, object], message: str = "") -> web.Response:
    if _wants_page(request):
        response = context(request).templates.page(request, "error.html", status=status, code=code, detail=detail)
    else:
        response = web.json_response({"code": code, "message": message or code, **detail}, status=status)
    if status in (429, 503) or code == TooMany.__name__:
        response.headers["Retry-After"] = str(detail.get("retry_after_s", 5))
    return response

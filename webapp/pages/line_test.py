"""The test before the call: bytes down and bytes up, to see what a line bears. Small, counted, and kept nowhere.

A whole test is six requests and at most 50 kB on the wire (static/js/line_test.js). What goes down is random, so that
nothing on the way can make it smaller; what comes up is counted and thrown away.
"""

import secrets
from typing import Any

from aiohttp import web

from candil.errors import PeerError
from webapp.forms import whole_number
from webapp.guards import OfConsult, OfSeat, Route, count

MAX_BYTES = 24_576
REQUESTS_PER_MIN = 30  # five tests; about 2 Mbit over a minute
_NOWHERE = {"Cache-Control": "no-store, no-transform"}


async def down(request: web.Request, _: Any) -> web.Response:
    await _counted(request)
    asked = whole_number(request.query.get("bytes", ""))
    if asked is None or asked > MAX_BYTES:
        raise PeerError("invalid_bytes", f"Ask for 0 to {MAX_BYTES} bytes.")
    return web.Response(
        body=secrets.token_bytes(asked), content_type="application/octet-stream", headers=dict(_NOWHERE)
    )


async def up(request: web.Request, _: Any) -> web.Response:
    await _counted(request)
    received = 0
    async for chunk in request.content.iter_chunked(4096):
        received += len(chunk)
        if received > MAX_BYTES:
            raise PeerError("invalid_bytes", f"Send at most {MAX_BYTES} bytes.")
    return web.Response(status=204, headers=dict(_NOWHERE))


async def _counted(request: web.Request) -> None:
    whose = request.match_info.get("participant") or request.match_info["consult"]
    await count(request, f"line:{whose}", REQUESTS_PER_MIN)


_SEAT = OfSeat("media.choose")
_DOCTOR = OfConsult("note.view", any_status=True)

ROUTES = [
    Route("GET", "/v/{participant}/line/down", down, _SEAT),
    Route("POST", "/v/{participant}/line/up", up, _SEAT),
    Route("GET", "/consults/{consult}/line/down", down, _DOCTOR),
    Route("POST", "/consults/{consult}/line/up", up, _DOCTOR),
]

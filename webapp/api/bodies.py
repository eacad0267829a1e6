"""Reading JSON bodies: a wrong one is answered with the field's name, never guessed at."""

import re
from typing import TypeVar

import msgspec
from aiohttp import web

from candil.errors import PeerError
from webapp.forms import check_text

MAX_JSON_BYTES = 64 * 1024
_AT = re.compile(r"at `\$\.?([^`]+)`")
_NAMED = re.compile(r"field `([^`]+)`")

T = TypeVar("T")


async def read_json(request: web.Request, kind: type[T]) -> T:
    """The body as ``kind``; PeerError with ``field`` when it is not."""
    if (request.content_length or 0) > MAX_JSON_BYTES:
        raise web.HTTPRequestEntityTooLarge(MAX_JSON_BYTES, request.content_length or 0)
    body = await request.read()
    if len(body) > MAX_JSON_BYTES:
        raise web.HTTPRequestEntityTooLarge(MAX_JSON_BYTES, len(body))
    return decode(body, kind)


def decode(body: bytes, kind: type[T]) -> T:
    check_text(body)
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        message = str(error)
        found = _NAMED.search(message) or _AT.search(message)
        raise PeerError("invalid_field", message, field=found[1] if found else "") from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise PeerError("invalid_json", "The body is not JSON.") from None

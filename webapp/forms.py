"""Reading what a page or a script sent: UTF-8 without NUL, or it is the sender's mistake and said so."""

import re

import msgspec
from aiohttp import web
from multidict import MultiDictProxy

from candil.errors import PeerError

FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")
_NUMBER = re.compile(r"[0-9]{1,9}")

Form = MultiDictProxy[str | bytes | bytearray | web.FileField]


async def read_form(request: web.Request) -> Form:
    """The form's fields, none when it is no form; read again, it is the same. Raises PeerError."""
    if request.content_type in FORM_TYPES and (request.charset or "utf-8").lower() not in ("utf-8", "utf8"):
        raise PeerError("malformed", "Forms are UTF-8.")
    try:
        form = await request.post()
    except (ValueError, LookupError, RuntimeError) as error:  # what aiohttp's parsers raise
        raise PeerError("malformed", "The form cannot be read.") from error
    if any("\x00" in name or (isinstance(value, str) and "\x00" in value) for name, value in form.items()):
        raise PeerError("malformed", "A text may not hold NUL.")
    return form


def json_value(body: bytes) -> object:
    """Any JSON, decoded; PeerError when it is not JSON or too deep."""
    check_text(body)
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise PeerError("invalid_json", "The body is not JSON.") from None


def check_text(body: bytes) -> None:
    """PostgreSQL keeps no NUL, and in JSON it can only be written so."""
    if b"\\u0000" in body:
        raise PeerError("malformed", "A text may not hold NUL.")


def whole_number(text: str) -> int | None:
    """A number of at most nine digits, else None: ``int`` takes longer ones and other scripts' digits, or fails."""
    return int(text) if _NUMBER.fullmatch(text) else None

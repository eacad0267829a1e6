"""Tickets that carry an authenticated page over to the WebSocket, where cookies prove too little.

HS256 with one key, one audience and a ``typ`` for each kind: a short-lived ticket is asked for over HTTP, a resume
ticket is given over the socket to come back with, and belongs to one page load. Neither outlives its session, which
whoever takes a ticket looks up. Time is passed in, so the library's own clock is switched off.
"""

from typing import Literal

import jwt
import msgspec

from candil.errors import NotAuthenticated

LIFE_S = 60
RESUME_LIFE_S = 900
CLOCK_SKEW_S = 5
_AUDIENCE = "ws"
_TYPE = "candil-ticket+jwt"
_RESUME_TYPE = "candil-resume+jwt"
_LIFE_S = {_TYPE: LIFE_S, _RESUME_TYPE: RESUME_LIFE_S}
_ALGORITHM = "HS256"


class Ticket(msgspec.Struct, frozen=True):
    """``subject`` is a participant's id (consult) or a member of staff's (board); ``session_hash`` names the
    session that asked, so that ending it ends the connection."""

    kind: Literal["consult", "board"]
    subject: str
    session_hash: str


class _Claims(msgspec.Struct, forbid_unknown_fields=True):
    aud: str
    sub: str
    kind: Literal["consult", "board"]
    ses: str
    iat: int
    exp: int
    cid: str = ""


def mint(ticket: Ticket, key: str, now: float) -> str:
    return jwt.encode(_claims(ticket, LIFE_S, now), key, _ALGORITHM, {"typ": _TYPE})


def mint_resume(ticket: Ticket, client_id: str, key: str, now: float) -> str:
    """For the page load ``client_id`` only, which came in with ``ticket``."""
    claims = {**_claims(ticket, RESUME_LIFE_S, now), "cid": client_id}
    return jwt.encode(claims, key, _ALGORITHM, {"typ": _RESUME_TYPE})


def _claims(ticket: Ticket, life_s: int, now: float) -> dict[str, object]:
    return {
        "aud": _AUDIENCE,
        "sub": ticket.subject,
        "kind": ticket.kind,
        "ses": ticket.session_hash,
        "iat": int(now),
        "exp": int(now) + life_s,
    }


def verify(token: str, key: str, now: float, client_id: str) -> Ticket:
    """What a ticket of either kind says, shown by a page ``client_id``. Raises NotAuthenticated, the same for every
    reason."""
    try:
        options = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "require": ["exp", "iat", "aud"]}
        whole = jwt.decode_complete(token, key, [_ALGORITHM], options, audience=_AUDIENCE)  # type: ignore[arg-type]
        claims = msgspec.convert(whole["payload"], _Claims)
        header = whole["header"]
    except (jwt.PyJWTError, msgspec.ValidationError, ValueError, TypeError):
        raise NotAuthenticated("no_ticket", "The ticket is not valid.") from None
    kind = str(header.get("typ"))
    is_current = claims.iat - CLOCK_SKEW_S <= now < claims.exp and claims.exp - claims.iat <= _LIFE_S.get(kind, 0)
    is_its_own = claims.cid == (client_id if kind == _RESUME_TYPE else "")
    if header != {"alg": _ALGORITHM, "typ": kind} or not is_current or not is_its_own:
        raise NotAuthenticated("no_ticket", "The ticket is not valid.")
    return Ticket(claims.kind, claims.sub, claims.ses)

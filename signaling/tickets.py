"""Short-lived tickets that carry an authenticated page over to the WebSocket, where cookies prove too little.

HS256 with one key, one audience, one ``typ``. Time is passed in, so the library's own clock is switched off.
"""

from typing import Literal

import jwt
import msgspec

from candil.errors import NotAuthenticated

LIFE_S = 60
CLOCK_SKEW_S = 5
_AUDIENCE = "ws"
_TYPE = "candil-ticket+jwt"
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


def mint(ticket: Ticket, key: str, now: float) -> str:
    claims = {
        "aud": _AUDIENCE,
        "sub": ticket.subject,
        "kind": ticket.kind,
        "ses": ticket.session_hash,
        "iat": int(now),
        "exp": int(now) + LIFE_S,
    }
    return jwt.encode(claims, key, _ALGORITHM, {"typ": _TYPE})


def verify(token: str, key: str, now: float) -> Ticket:
    """What the ticket says. Raises NotAuthenticated, the same for every reason."""
    try:
        options = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "require": ["exp", "iat", "aud"]}
        whole = jwt.decode_complete(token, key, [_ALGORITHM], options, audience=_AUDIENCE)  # type: ignore[arg-type]
        claims = msgspec.convert(whole["payload"], _Claims)
        header = whole["header"]
    except (jwt.PyJWTError, msgspec.ValidationError, ValueError, TypeError):
        raise NotAuthenticated("no_ticket", "The ticket is not valid.") from None
    is_current = claims.iat - CLOCK_SKEW_S <= now < claims.exp and claims.exp - claims.iat <= LIFE_S
    if header != {"alg": _ALGORITHM, "typ": _TYPE} or not is_current:
        raise NotAuthenticated("no_ticket", "The ticket is not valid.")
    return Ticket(claims.kind, claims.sub, claims.ses)

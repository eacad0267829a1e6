"""One WebSocket's protocol, without the socket: what may be said when, and what has to be done about it.

``receive`` takes what arrived, ``handle`` what the driver learned (somebody was identified, their standing
changed, the seat was taken), ``handle_timer`` the passing of time; after each, ``drain_effects`` says what to
do. Every message first asks the one table of permissions with the standing last read from the database; the
use case asks it again inside its transaction.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from candil.consults.permissions import Role, require
from candil.errors import CandilError, NotAllowed, PeerError, Refused, TooMany
from signaling.access import Identity
from signaling.limits import TokenBucket
from signaling.messages import VERSION, Bye, Error, Hello, Incoming, MediaJoin, Outgoing, Ping, Pong, Welcome, decode

HELLO_DEADLINE_S = 10.0
HEARTBEAT_S = 15
IDLE_S = 50.0  # more than three heartbeats
RESUME_RENEWED_S = 300.0  # by a clock that may be set: earlier too when it went back
MESSAGES_PER_S, MESSAGES_BURST = 20.0, 200.0
BYTES_PER_S, BYTES_BURST = 64 * 1024.0, 1024 * 1024.0
MAX_REFUSED_IN_A_ROW = 100

CLOSE_MALFORMED, CLOSE_NOT_VALID, CLOSE_NOT_ALLOWED = 4400, 4401, 4403
CLOSE_NO_HELLO, CLOSE_REPLACED, CLOSE_TOO_MANY = 4408, 4409, 4429
CLOSE_TOO_BIG, CLOSE_RESTART = 1009, 1012

State = Literal["new", "opening", "open", "closed"]

# Legal moves; whatever is not here closes the connection (from the peer) or is a programming error (from us).
MOVES: dict[tuple[State, str], State] = {
    ("new", "hello"): "opening",
    ("opening", "opened"): "open",
    ("open", "message"): "open",
    ("new", "close"): "closed",
    ("opening", "close"): "closed",
    ("open", "close"): "closed",
}


@dataclass(frozen=True)
class Standing:
    """Where the person connected stands, as last read."""

    admission: str
    status: str
    conversation_ended: bool


@dataclass(frozen=True)
class Opened:
    """The ticket was good. ``resume`` makes the one to come back with, as of a time."""

    identity: Identity
    standing: Standing | None
    epoch: str
    resume: Callable[[float], str]


@dataclass(frozen=True)
class Rejected:
    """The ticket was not good, or its session has ended since."""

    error: CandilError


@dataclass(frozen=True)
class Replaced:
    """A newer connection has the seat."""


@dataclass(frozen=True)
class Restarting:
    """This process stops."""


News = Opened | Rejected | Replaced | Restarting | Standing


@dataclass(frozen=True)
class Send:
    message: Outgoing


@dataclass(frozen=True)
class Close:
    code: int


@dataclass(frozen=True)
class Identify:
    """Find out who holds the ticket, then ``handle(Opened | Rejected)``."""

    hello: Hello


@dataclass(frozen=True)
class Do:
    """Carry out a message that was allowed, in order."""

    message: Incoming


Effect = Send | Close | Identify | Do


class SignalingSession:
    def __init__(self, now: float) -> None:
        self.state: State = "new"
        self.identity: Identity | None = None
        self.standing: Standing | None = None
        self.hello: Hello | None = None
        self._effects: list[Effect] = []
        self._deadline = now + HELLO_DEADLINE_S
        self._messages = TokenBucket(MESSAGES_PER_S, MESSAGES_BURST, now)
        self._bytes = TokenBucket(BYTES_PER_S, BYTES_BURST, now)
        self._refused_in_a_row = 0
        self._make_resume: Callable[[float], str] | None = None
        self._resume_made_at = now

    def receive(self, data: bytes, now: float) -> None:
        """One text message as it came."""
        if self.state == "closed":
            return
        if self.state == "open":
            self._deadline = now + IDLE_S
        try:
            message = decode(data)
            self._limit(len(data), message, now)
        except PeerError as error:
            self._refuse_malformed(error)
        except TooMany as error:
            self._refuse_flood(error)
        else:
            self._refused_in_a_row = 0
            self._message(message, now)

    def handle(self, news: News, now: float) -> None:
        """Something the driver learned."""
        if self.state == "closed":
            return
        match news:
            case Standing():
                self.standing = news
            case Opened():
                self._opened(news, now)
            case Rejected(error):
                allowed_in = isinstance(error, NotAllowed)
                self._bye(Bye(error.code, retry=False), CLOSE_NOT_ALLOWED if allowed_in else CLOSE_NOT_VALID)
            case Replaced():
                self._bye(Bye("replaced", retry=False), CLOSE_REPLACED)
            case Restarting():
                self._bye(Bye("restart", retry=True), CLOSE_RESTART)

    def handle_timer(self, now: float) -> None:
        if self.state == "closed" or now < self._deadline:
            return
        code = "idle" if self.state == "open" else "no_hello"
        self._bye(Bye(code, retry=True), CLOSE_NO_HELLO)

    def next_deadline(self) -> float | None:
        return None if self.state == "closed" else self._deadline

    def drain_effects(self) -> list[Effect]:
        effects, self._effects = self._effects, []
        return effects

    def _move(self, event: str) -> None:
        self.state = MOVES[self.state, event]

    def _message(self, message: Incoming, now: float) -> None:
        if isinstance(message, Hello):
            self._hello(message)
        elif self.state != "open" or self.identity is None:
            self._bye(Bye("malformed", retry=False), CLOSE_MALFORMED)
        else:
            self._move("message")
            try:
                self._check(message)
            except Refused as error:
                self._effects.append(Send(error_message(error, message)))
                return
            self._effects.append(Send(self._pong(message, now)) if isinstance(message, Ping) else Do(message))

    def _hello(self, message: Hello) -> None:
        if self.state != "new":
            self._bye(Bye("malformed", retry=False), CLOSE_MALFORMED)
        elif VERSION not in message.versions:
            self._bye(Bye("version", retry=False, versions=(VERSION,)), CLOSE_MALFORMED)
        else:
            self._move("hello")
            self.hello = message
            self._effects.append(Identify(message))

    def _opened(self, news: Opened, now: float) -> None:
        self._move("opened")
        self.identity, self.standing = news.identity, news.standing
        self._deadline = now + IDLE_S
        actor = news.identity.actor
        self._make_resume, self._resume_made_at = news.resume, now
        resume = news.resume(now)
        welcome = Welcome(VERSION, news.epoch, now, HEARTBEAT_S, actor.participant_id, str(actor.role), resume)
        self._effects.append(Send(welcome))

    def _pong(self, ping: Ping, now: float) -> Pong:
        if self._make_resume is None or 0 <= now - self._resume_made_at < RESUME_RENEWED_S:
            return Pong(ping.at)
        self._resume_made_at = now
        return Pong(ping.at, self._make_resume(now))

    def _check(self, message: Incoming) -> None:
        """Raises NotAllowed when this person never may, Refused when not now."""
        if isinstance(message, Ping):
            return
        identity, standing = self.identity, self.standing
        if identity is None or standing is None:
            raise NotAllowed("not_allowed", "A board takes no messages.")
        require(message.act, Role(identity.actor.role), status=standing.status, admission=standing.admission)
        if isinstance(message, MediaJoin) and standing.conversation_ended:
            raise Refused("not_now", "The conversation has ended.")

    def _limit(self, size_bytes: int, message: Incoming, now: float) -> None:
        wait_s = max(self._messages.take(1, now), self._bytes.take(size_bytes, now))
        if wait_s:
            ref, client_id = message.ref, getattr(message, "client_id", None)
            raise TooMany("too_many", "Slow down.", ref=ref, client_id=client_id, retry_after_s=round(wait_s + 0.05, 1))

    def _refuse_malformed(self, error: PeerError) -> None:
        if self.state != "open" or error.code in ("malformed_json", "too_big"):
            self._bye(Bye("malformed", retry=False), CLOSE_TOO_BIG if error.code == "too_big" else CLOSE_MALFORMED)
        else:
            self._refuse_flood(error)

    def _refuse_flood(self, error: CandilError) -> None:
        """Answer with the error, but not for ever to somebody who does not listen."""
        self._refused_in_a_row += 1
        if self._refused_in_a_row > MAX_REFUSED_IN_A_ROW:
            self._bye(Bye("too_many", retry=True), CLOSE_TOO_MANY)
        else:
            self._effects.append(Send(error_message(error, None)))

    def _bye(self, bye: Bye, code: int) -> None:
        self._move("close")
        self._effects += [Send(bye), Close(code)]


def error_message(error: CandilError, message: Incoming | None) -> Error:
    """What the peer is told: a stable code, and what it was about."""
    detail = error.detail
    ref = message.ref if message is not None else detail.get("ref")
    client_id = getattr(message, "client_id", None) if message is not None else detail.get("client_id")
    field, retry_after_s = detail.get("field"), detail.get("retry_after_s")
    return Error(
        code=error.code,
        message=error.message,
        ref=ref if isinstance(ref, str | int) else None,
        client_id=client_id if isinstance(client_id, str) else None,
        field=field if isinstance(field, str) else None,
        retry_after_s=float(retry_after_s) if isinstance(retry_after_s, int | float) else None,
    )

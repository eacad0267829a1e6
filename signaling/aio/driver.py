"""Drives one WebSocket: feeds the session core, carries out its effects, re-arms its one timer.

Three tasks: the reader (``run``), a writer so that a slow peer blocks nobody else, and a worker that carries
out messages in order, so that pings are answered while a slow disk commits.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from aiohttp import WSMsgType, web

from candil.errors import CandilError, TooMany
from candil.log import log_event
from signaling.access import Identity
from signaling.facts import Presence
from signaling.messages import Error, Hello, Incoming, Outgoing, encode
from signaling.session import (
    CLOSE_MALFORMED,
    Close,
    Do,
    Identify,
    News,
    Opened,
    Rejected,
    Send,
    SignalingSession,
    error_message,
)

log = logging.getLogger(__name__)

MAX_WAITING_COMMANDS = 256
MAX_WAITING_MESSAGES = 4000  # for a peer that does not drain; it comes back and is told what it missed
CLOSE_TIMEOUT_S = 3.0


class Service(Protocol):
    """What a connection needs of the service around it."""

    async def identify(self, hello: Hello) -> Opened:
        """Raises CandilError."""

    async def attach(self, connection: "Connection") -> None: ...

    async def detach(self, connection: "Connection") -> None: ...

    async def run(self, connection: "Connection", message: Incoming) -> None:
        """Carry out one message and answer it; raises CandilError, which becomes the answer."""


class Connection:
    """One open WebSocket. ``opened_at`` and ``id`` say which of two connections is the newer."""

    def __init__(
        self,
        connection_id: str,
        socket: web.WebSocketResponse,
        service: Service,
        now: Callable[[], float],
        abort: Callable[[], None],
    ) -> None:
        self.id = connection_id
        self.opened_at = now()
        self.presence = Presence()
        self.core = SignalingSession(self.opened_at)
        self._socket, self._service, self._now, self._abort = socket, service, now, abort
        self._ended = asyncio.Event()
        self._outgoing: asyncio.Queue[Outgoing | Close] = asyncio.Queue(MAX_WAITING_MESSAGES)
        self._commands: asyncio.Queue[Hello | Incoming] = asyncio.Queue(MAX_WAITING_COMMANDS)
        self._timer: asyncio.TimerHandle | None = None

    @property
    def identity(self) -> Identity:
        if self.core.identity is None:
            raise LookupError("not identified yet")
        return self.core.identity

    @property
    def client_id(self) -> str:
        return self.core.hello.client_id if self.core.hello else ""

    @property
    def hello(self) -> Hello:
        if self.core.hello is None:
            raise LookupError("no hello yet")
        return self.core.hello

    async def run(self) -> None:
        """Until the socket is closed by either side."""
        writer, worker = asyncio.create_task(self._write()), asyncio.create_task(self._work())
        self._arm()
        try:
            async for frame in self._socket:
                if frame.type is WSMsgType.TEXT:
                    self.core.receive(frame.data.encode("utf-8", "surrogatepass"), self._now())
                    self._after()
                else:
                    await self._socket.close(code=CLOSE_MALFORMED)
        finally:
            if self._timer is not None:
                self._timer.cancel()
            worker.cancel()
            if self.core.state == "closed":  # reading ends when closing begins: let the closing code get out
                await asyncio.wait([writer], timeout=CLOSE_TIMEOUT_S)
            writer.cancel()
            await asyncio.gather(writer, worker, return_exceptions=True)
            if self.core.identity is not None:
                await self._service.detach(self)
            self._ended.set()

    def news(self, news: News) -> None:
        self.core.handle(news, self._now())
        self._after()

    def send(self, messages: Iterable[Outgoing]) -> None:
        for message in messages:
            self._put(message)

    async def closed(self) -> None:
        """Wait, not for long, until the socket is closed and everything here has ended."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._ended.wait()

    def _after(self) -> None:
        """Carry out what the core wants, then arm its timer."""
        for effect in self.core.drain_effects():
            match effect:
                case Send(message):
                    self._put(message)
                case Close():
                    self._put(effect)
                case Identify(hello):
                    self._commands.put_nowait(hello)
                case Do(message):
                    self._queue(message)
        self._arm()

    def _queue(self, message: Incoming) -> None:
        try:
            self._commands.put_nowait(message)
        except asyncio.QueueFull:
            self._put(error_message(TooMany("too_many", "Too much at once.", retry_after_s=5.0), message))

    def _put(self, item: Outgoing | Close) -> None:
        try:
            self._outgoing.put_nowait(item)
        except asyncio.QueueFull:
            log.warning(log_event("signaling.peer_too_slow", connection=self.id))
            self._abort()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self.core.next_deadline()
        if deadline is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0.01, deadline - self._now()), self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.core.handle_timer(self._now())
        self._after()

    async def _write(self) -> None:
        while True:
            item = await self._outgoing.get()
            if isinstance(item, Close):
                await self._socket.close(code=item.code)
                return
            try:
                await self._socket.send_str(encode(item))
            except (ConnectionError, RuntimeError):
                return  # closed meanwhile; the reader ends by itself

    async def _work(self) -> None:
        while True:
            message = await self._commands.get()
            if isinstance(message, Hello):
                await self._identify(message)
            elif self.core.state == "open":
                await self._answering(message, self._service.run(self, message))

    async def _identify(self, hello: Hello) -> None:
        try:
            opened = await self._service.identify(hello)
        except CandilError as error:
            self.news(Rejected(error))
            return
        self.news(opened)
        if self.core.state == "open":
            await self._service.attach(self)

    async def _answering(self, message: Incoming, work: Awaitable[None]) -> None:
        try:
            await work
        except CandilError as error:
            self._put(error_message(error, message))
        except Exception as error:
            # Nothing was committed: the sender keeps it and tries later.
            log.error(log_event("signaling.command_failed", connection=self.id), exc_info=error)
            client_id = getattr(message, "client_id", None)
            self._put(Error("storage_failed", "Nothing was kept; try again.", message.ref, client_id))

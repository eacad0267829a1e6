"""Subscriptions of one process, and handing messages to them on the event loop."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import msgspec

from candil.bus.port import Handler, Payload
from candil.log import log_event

log = logging.getLogger(__name__)


class Subscriptions:
    """Handlers by topic. A payload is handed over as decoded JSON, also inside one process, so that
    nobody shares a mutable object and one process behaves like two."""

    def __init__(self) -> None:
        self._handlers: dict[str, list[Handler]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self) -> None:
        """Deliver on the running loop from now on."""
        self._loop = asyncio.get_running_loop()

    def close(self) -> None:
        self._loop = None

    def subscribe(self, topic: str, handler: Handler) -> Callable[[], None]:
        handlers = self._handlers.setdefault(topic, [])
        entry: Handler = lambda payload: handler(payload)  # noqa: E731 - one entry per subscription, even of one handler
        handlers.append(entry)

        def unsubscribe() -> None:
            if entry in handlers:
                handlers.remove(entry)
            if not handlers and self._handlers.get(topic) is handlers:
                del self._handlers[topic]

        return unsubscribe

    def deliver(self, topic: str, encoded: bytes | msgspec.Raw) -> None:
        """Have the handlers called soon with a payload that is still JSON text."""
        if self._loop is not None and not self._loop.is_closed() and topic in self._handlers:
            self._loop.call_soon(self._call, topic, encoded)

    def _call(self, topic: str, encoded: bytes | msgspec.Raw) -> None:
        payload: Any = msgspec.json.decode(encoded)
        for handler in list(self._handlers.get(topic, ())):
            try:
                handler(payload)
            except Exception as error:
                log.error(log_event("bus.handler_failed", topic=topic.partition(":")[0]), exc_info=error)


def encode_payload(topic: str, payload: Payload) -> bytes | None:
    """The payload as JSON; None, with a log line, when a caller passed what is not JSON."""
    try:
        return msgspec.json.encode(dict(payload))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        log.error(log_event("bus.payload_refused", topic=topic.partition(":")[0]), exc_info=error)
        return None

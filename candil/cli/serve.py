"""Running: sockets, TLS, signals. Stops cleanly on SIGTERM and SIGINT; the next start goes on from the database."""

import argparse
import asyncio
import contextlib
import logging
import signal
import ssl
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from aiohttp import web

from candil.addresses import port_advice
from candil.app import Candil, open_service, open_worker
from candil.cli.tls import server_context
from candil.config import Settings
from candil.errors import ConfigError
from candil.log import log_event

log = logging.getLogger(__name__)
STOP_GRACE_S = 5.0


def serve(settings: Settings, _options: argparse.Namespace) -> int:
    return asyncio.run(run(settings))


def worker(settings: Settings, _options: argparse.Namespace) -> int:
    return asyncio.run(_run_worker(settings))


async def run(settings: Settings, ready: Callable[[Candil], Awaitable[None]] | None = None) -> int:
    """Serve until told to stop; ``ready`` runs once the pages answer. 1 when the storage failed, else 0."""
    stopping = Stopping()
    async with AsyncExitStack() as stack:
        service = await open_service(settings, stack, on_storage_failed=stopping.because_storage_failed)
        runner = web.AppRunner(service.web, access_log=None, shutdown_timeout=STOP_GRACE_S)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        tls = server_context(settings)
        await _listen(runner, settings, tls)
        log.info(log_event("service.listening", host=settings.server.host, port=settings.server.port, tls=bool(tls)))
        if ready is not None:
            await ready(service)
        await stopping.wait()
        log.info(log_event("service.stopping"))
    return 1 if stopping.storage_failed else 0


async def _listen(runner: web.AppRunner, settings: Settings, tls: ssl.SSLContext | None) -> None:
    host, port = settings.server.host, settings.server.port
    try:
        await web.TCPSite(runner, host, port, ssl_context=tls).start()
    except OSError as error:
        raise ConfigError("config_port", f"[server] port {port} on {host} {port_advice(error)}") from None


class Stopping:
    """Why and when the process is to end. Made on the loop that it will stop."""

    def __init__(self) -> None:
        self.storage_failed = False
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._event.set)

    def because_storage_failed(self) -> None:
        """From any thread: nothing may be acknowledged any more, so end and let the next start recover."""
        self.storage_failed = True
        with contextlib.suppress(RuntimeError):  # the loop is already closed
            self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self) -> None:
        await self._event.wait()


async def _run_worker(settings: Settings) -> int:
    stopping = Stopping()
    async with AsyncExitStack() as stack:
        await open_worker(settings, stack, on_storage_failed=stopping.because_storage_failed)
        log.info(log_event("worker.started"))
        await stopping.wait()
    return 1 if stopping.storage_failed else 0

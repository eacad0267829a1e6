"""``candil check``: tries everything the configuration leads to and says in plain words what is wrong."""

import argparse
import asyncio
import contextlib
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import ClientError, ClientSession, ClientTimeout

from candil.addresses import port_advice
from candil.bus.open import open_bus
from candil.cli.tls import server_context
from candil.clock import SystemClock
from candil.config import Settings
from candil.endpoints import ladder_policy, media_config, turn_config
from candil.errors import CandilError
from candil.receivers import receivers
from candil.store.engine import check_sqlite_version
from candil.store.open import migrate, open_database
from candil.store.postgresql import durability_problems
from ehr_bridge.aio.probe import probe
from ehr_bridge.targets import FhirTarget
from turn.aio.relay_check import check_relay, media_port_echo

OLDEST_PLAUSIBLE_CLOCK = datetime(2026, 1, 1, tzinfo=UTC)
Say = Callable[[str, list[str]], None]


def check(settings: Settings, _options: argparse.Namespace) -> int:
    """Print one line per part; 1 when anything is wrong."""
    wrong = 0

    def say(part: str, problems: list[str]) -> None:
        nonlocal wrong
        wrong += len(problems)
        print(f"{'ok   ' if not problems else 'WRONG'} {part}")
        for problem in problems:
            print(f"      {problem}")

    say("configuration", [])
    asyncio.run(_check_parts(settings, say))
    print("Everything works." if not wrong else f"{wrong} to mend.")
    return 1 if wrong else 0


async def _check_parts(settings: Settings, say: Say) -> None:
    say("clock", _clock())
    say("database", await _database(settings))
    if settings.redis.url:
        say("Redis", await _redis(settings))
        if settings.security.secret_key_file is None:
            print("none  shared key: Candil on a second machine needs the same [security] secret_key_file as here")
    say("media ladder", _guarded(lambda: ladder_policy(settings.ladder)))
    say("TLS", _guarded(lambda: server_context(settings)))
    server, media = settings.server, settings.media
    running = await _is_running(settings)
    if running:
        say(f"Candil is running on port {server.port}", [])
    else:
        say(f"pages port {server.port}/tcp", _port(socket.SOCK_STREAM, server.host, server.port))
        say(f"media port {media.udp_port}/udp", _port(socket.SOCK_DGRAM, media.bind_host, media.udp_port))
        if tcp_port := media.tcp_port_in_use:
            say(f"media port {tcp_port}/tcp", _port(socket.SOCK_STREAM, media.bind_host, tcp_port))
    if settings.turn.uris:
        await _relay(settings, say, running)
    else:
        print("none  relay: patients behind networks that block UDP will have text only ([turn] uris)")
    await _receivers(settings, say)


def _clock() -> list[str]:
    if datetime.now(UTC) < OLDEST_PLAUSIBLE_CLOCK:
        return ["the clock is wrong (a dead battery?): links and certificates will not be valid. Set it, or run NTP."]
    return []


async def _database(settings: Settings) -> list[str]:
    try:
        check_sqlite_version()
        await asyncio.to_thread(migrate, settings.storage)
        db = open_database(settings.storage)
        try:
            await db.write(lambda tx: None)
            return await db.read(durability_problems) if settings.storage.database_url else []
        finally:
            db.close()
    except CandilError as error:
        return [str(error)]
    except Exception as error:  # a driver's own error: its type and first line say enough
        return [f"{type(error).__name__}: {str(error).splitlines()[0]}"]


async def _redis(settings: Settings) -> list[str]:
    bus = open_bus(settings.redis.url, "check", SystemClock())
    await bus.start()
    try:
        if bus.healthy:
            return []
        # The address without the password that may be in it.
        where = settings.redis.url.rpartition("@")[2]
        return [f"Redis does not answer at {where}. Is it running, and is [redis] url right? Calls go on without it."]
    finally:
        await bus.aclose()


def _guarded(function: Callable[[], object]) -> list[str]:
    try:
        function()
    except CandilError as error:
        return [str(error)]
    return []


def _port(kind: socket.SocketKind, host: str, port: int) -> list[str]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, kind) as probe_socket:
        if kind == socket.SOCK_STREAM:
            probe_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe_socket.bind((host, port))
        except OSError as error:
            return [f"{host} port {port} {port_advice(error)}"]
    return []


async def _is_running(settings: Settings) -> bool:
    """Whether a Candil answers on the pages' port: then its ports are rightly taken."""
    scheme = "https" if settings.server.tls in ("self-signed", "files") else "http"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.server.host, settings.server.host)  # noqa: S104
    url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings.server.port}/health"
    try:
        async with ClientSession(timeout=ClientTimeout(total=3)) as session, session.get(url, ssl=False) as answer:
            return answer.status == 200
    except (ClientError, TimeoutError, OSError):
        return False


async def _relay(settings: Settings, say: Say, running: bool) -> None:
    """Through the relay to the media port and back, when nobody holds that port; else as far as permission."""
    config = turn_config(settings)
    media = media_config(settings)
    ca_file: Path | None = settings.turn.ca_file
    async with AsyncExitStack() as stack:
        token, port = b"", media.udp_port
        if not running:
            with contextlib.suppress(OSError):  # already told as a port that cannot be used
                token, port = await stack.enter_async_context(media_port_echo(media.bind_host, media.udp_port))
        report = await check_relay(
            config,
            media.advertised_addresses[0],
            port,
            now=SystemClock().now(),
            more_addresses=media.advertised_addresses[1:],
            echo_token=token,
            ca_file=ca_file,
        )
    for transport in report.transports:
        say(f"relay {transport.uri}", [] if transport.ok else [transport.sentence()])


async def _receivers(settings: Settings, say: Say) -> None:
    try:
        targets = receivers(settings)
    except CandilError as error:
        say("receivers of finished visits", [str(error)])
        return
    if not targets:
        print("none  receivers: finished visits stay here ([[ehr.fhir]], [[ehr.webhooks]])")
    for target in targets:
        if isinstance(target, FhirTarget):
            say(f"EHR {target.name}", await probe(target))

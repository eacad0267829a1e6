"""A small proxy between the bridge and a FHIR server that injects one fault per transaction.

It also checks that every transaction passing through conforms to the official definitions, whatever the test.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import ClientSession, web

from tests.support.fhir_official import problems
from tests.support.processes import free_port

Forward = Callable[[], Awaitable[web.Response]]
Fault = Callable[[web.Request, Forward, bytes], Awaitable[web.StreamResponse]]


class FaultProxy:
    """``faults`` are used up one per POST; without any left, requests just pass."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.port = free_port()
        self.base_url = f"http://127.0.0.1:{self.port}/fhir"
        self.faults: deque[Fault] = deque()
        self.posts: list[bytes] = []
        self.injected = 0
        self.nonconforming: list[str] = []
        self._session: ClientSession

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()

        async def forward() -> web.Response:
            return await self._forward(request, body)

        if request.method != "POST":
            return await forward()
        self.posts.append(body)
        self.nonconforming += problems(json.loads(body))
        if not self.faults:
            return await forward()
        self.injected += 1
        return await self.faults.popleft()(request, forward, body)

    async def _forward(self, request: web.Request, body: bytes) -> web.Response:
        url = self.upstream + request.raw_path.removeprefix("/fhir")
        headers = {k: v for k, v in request.headers.items() if k not in ("Host", "Content-Length")}
        try:
            async with self._session.request(request.method, url, data=body or None, headers=headers) as answer:
                kept = {k: v for k, v in answer.headers.items() if k in ("Content-Type", "Location", "ETag")}
                return web.Response(status=answer.status, body=await answer.read(), headers=kept)
        except OSError:
            return web.Response(status=502)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["FaultProxy"]:
        app = web.Application(client_max_size=10_000_000)
        app.router.add_route("*", "/{path:.*}", self.handle)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        async with ClientSession(auto_decompress=True) as self._session:
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", self.port).start()
            try:
                yield self
            finally:
                await runner.cleanup()
        assert not self.nonconforming, "\n".join(self.nonconforming)


def answer(status: int, issue: str = "", text: str = "", headers: dict[str, str] | None = None) -> Fault:
    """Refuse without forwarding; with ``issue`` as an OperationOutcome, as FHIR servers do."""

    async def fault(request: web.Request, forward: Forward, body: bytes) -> web.StreamResponse:
        if not issue:
            return web.Response(status=status, text="<html>no</html>", content_type="text/html", headers=headers)
        detail = {"severity": "error", "code": issue, "diagnostics": text, "expression": ["Encounter.status"]}
        outcome = {"resourceType": "OperationOutcome", "issue": [detail]}
        return web.json_response(outcome, status=status, headers=headers)

    return fault


async def lose_answer(request: web.Request, forward: Forward, body: bytes) -> web.StreamResponse:
    """The server commits; the answer never arrives."""
    await forward()
    _cut(request)
    return web.Response(status=500)


async def cut_before(request: web.Request, forward: Forward, body: bytes) -> web.StreamResponse:
    """The line breaks before the server sees anything."""
    _cut(request)
    return web.Response(status=500)


async def half_answer(request: web.Request, forward: Forward, body: bytes) -> web.StreamResponse:
    """The server commits; half of its answer arrives, then the line breaks."""
    whole = await forward()
    assert isinstance(whole.body, bytes)
    partial = web.StreamResponse(headers={"Content-Length": str(len(whole.body))})
    await partial.prepare(request)
    await partial.write(whole.body[: len(whole.body) // 2])
    _cut(request)
    return partial


async def hang(request: web.Request, forward: Forward, body: bytes) -> web.StreamResponse:
    """The server commits, then says nothing for longer than anyone waits."""
    await forward()
    await asyncio.sleep(60)
    return web.Response(status=500)


async def store_nothing(request: web.Request, forward: Forward, body: bytes) -> web.StreamResponse:
    """A perfect answer, and nothing kept."""
    entries = json.loads(body)["entry"]
    answers = [{"response": {"status": "201 Created"}} for _ in entries]
    return web.json_response({"resourceType": "Bundle", "type": "transaction-response", "entry": answers})


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()

"""Webhooks over real sockets: signed, once per event, and never where they must not go."""

import base64
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from standardwebhooks import Webhook

from ehr_bridge.targets import WebhookTarget
from tests.support.fhir_outbox import Outbox
from tests.support.fhir_records import fhir_target
from tests.support.fhir_server import FhirServer
from tests.support.processes import free_port

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()


class Receiver:
    """An endpoint as an integrator would write it: verify, then drop repeated ids."""

    def __init__(self) -> None:
        self.port = free_port()
        self.answers: list[web.Response] = []
        self.calls = 0
        self.content_types: list[str] = []
        self.events: dict[str, dict] = {}

    async def handle(self, request: web.Request) -> web.Response:
        self.calls += 1
        self.content_types.append(request.headers["Content-Type"])
        event = Webhook(SECRET).verify(await request.read(), dict(request.headers))
        answer = self.answers.pop(0) if self.answers else web.Response(status=204)
        if answer.status < 300:
            self.events[request.headers["webhook-id"]] = event
        return answer

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Receiver"]:
        app = web.Application()
        app.router.add_post("/hook", self.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        try:
            yield self
        finally:
            await runner.cleanup()

    def target(self, **changes: object) -> WebhookTarget:
        settings: dict[str, object] = {
            "name": "n8n",
            "url": f"http://127.0.0.1:{self.port}/hook",
            "secret": SECRET,
            "allow_private": True,
            **changes,
        }
        return WebhookTarget(**settings)  # type: ignore[arg-type]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver().running() as receiver:
        yield receiver


@pytest.fixture
async def live(outbox: Outbox) -> Outbox:
    """The outbox at today's time: a receiver refuses signatures older than five minutes."""
    outbox.clock.advance(time.time() - outbox.clock.now())
    return outbox


async def test_signed_event_arrives_once(live: Outbox, receiver: Receiver) -> None:
    record = await live.sign()
    await live.deliver(receiver.target())
    await live.deliver(receiver.target())
    assert receiver.calls == 1
    assert receiver.content_types == ["application/json"]
    (event,) = receiver.events.values()
    assert event["type"] == "consultation.completed"
    assert event["data"]["consultation_id"] == record.consult_id
    assert (await live.delivery(record)).state == "received"


@pytest.mark.parametrize("status", [302, 400, 429, 500])
async def test_refused_then_taken_under_the_same_id(live: Outbox, receiver: Receiver, status: int) -> None:
    record = await live.sign()
    receiver.answers.append(web.Response(status=status, headers={"Location": "/hook", "Retry-After": "30"}))
    await live.deliver(receiver.target())
    row = await live.delivery(record)
    assert (row.state, receiver.calls) == ("pending", 1)
    assert row.next_attempt_at - live.clock.now() >= 30
    live.clock.advance(31)
    await live.deliver(receiver.target())
    assert (await live.delivery(record)).state == "received"
    assert list(receiver.events) == [row.event_id]


async def test_gone_switches_the_endpoint_off_until_a_person_replays(live: Outbox, receiver: Receiver) -> None:
    first = await live.sign()
    receiver.answers.append(web.Response(status=410))
    await live.deliver(receiver.target())
    second = await live.sign()
    await live.deliver(receiver.target())
    assert receiver.calls == 1
    for record in (first, second):
        row = await live.delivery(record)
        assert row.state == "dead"
        assert row.last_error.startswith("endpoint_gone")
    await live.replay(second, "n8n")
    await live.deliver(receiver.target())
    third = await live.sign()
    await live.deliver(receiver.target())
    assert [(await live.delivery(r)).state for r in (first, second, third)] == ["dead", "received", "received"]


async def test_another_address_under_the_same_name_is_another_endpoint(live: Outbox, receiver: Receiver) -> None:
    await live.sign()
    receiver.answers.append(web.Response(status=410))
    await live.deliver(receiver.target())
    record = await live.sign()
    await live.deliver(receiver.target(url=f"http://127.0.0.1:{receiver.port}/hook?v=2"))
    assert (await live.delivery(record)).state == "received"


async def test_private_address_is_refused_unless_allowed(live: Outbox, receiver: Receiver) -> None:
    record = await live.sign()
    for host in ("127.0.0.1", "localhost"):
        url = f"http://{host}:{receiver.port}/hook"
        await live.deliver(receiver.target(url=url, allow_private=False, name=f"by-{host.replace('.', '-')}"))
    rows = await live.deliveries(record)
    assert len(rows) == 2
    assert [row.state for row in rows] == ["pending"] * 2
    assert ["allow_private" in row.last_error for row in rows] == [True] * 2, rows
    assert receiver.calls == 0


async def test_new_endpoint_is_not_told_of_old_visits(live: Outbox, receiver: Receiver) -> None:
    old = await live.sign()
    live.clock.advance(2 * 3600)
    await live.sign()
    await live.deliver(receiver.target())
    assert await live.deliveries(old) == []


async def test_a_dead_receiver_delays_no_other(live: Outbox, receiver: Receiver, fhir_server: FhirServer) -> None:
    record = await live.sign()
    await live.deliver(
        receiver.target(name="down", url="http://127.0.0.1:1/hook"),
        fhir_target(base_url=fhir_server.base_url),
        receiver.target(),
    )
    states = {row.target: row.state for row in await live.deliveries(record)}
    assert states == {"down": "pending", "ehr": "received", "n8n": "received"}

"""What every bus promises, held against the in-process one and the one over a real Redis."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from candil.bus.memory import InProcessBus
from candil.bus.open import open_bus
from candil.bus.port import Bus
from candil.bus.redis import RedisBus
from candil.clock import ManualClock, SystemClock
from tests.support.eventually import eventually


@dataclass
class World:
    bus: Bus
    pass_time: Callable[[float], Awaitable[None]]


@pytest.fixture(params=["in-process", "redis"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    if request.param == "in-process":
        clock = ManualClock()

        async def advance(seconds: float) -> None:
            clock.advance(seconds)

        bus = open_bus("", "node-a", clock)
        assert isinstance(bus, InProcessBus)
        made = World(bus, advance)
    else:
        server = request.getfixturevalue("redis_server")
        server.flush()
        bus = open_bus(server.url, "node-a", SystemClock())
        assert isinstance(bus, RedisBus)
        made = World(bus, asyncio.sleep)
    await bus.start()
    yield made
    await bus.aclose()


async def test_is_healthy_once_started(world: World) -> None:
    assert world.bus.healthy
    assert world.bus.node_id == "node-a"


async def test_a_message_reaches_every_handler_of_its_topic_and_no_other(world: World) -> None:
    first: list[Any] = []
    second: list[Any] = []
    other: list[Any] = []
    world.bus.subscribe("consult:1", first.append)
    world.bus.subscribe("consult:1", second.append)
    world.bus.subscribe("consult:2", other.append)
    world.bus.publish("consult:1", {"seq": 7, "ñ": ["á", None, 1.5]})
    assert first == [], "delivered inside publish: a handler could run in the middle of its caller"
    await eventually("both handlers called", lambda: first and second)
    await asyncio.sleep(0.1)
    assert first == second == [{"seq": 7, "ñ": ["á", None, 1.5]}]
    assert other == []


async def test_messages_arrive_in_the_order_published(world: World) -> None:
    heard: list[int] = []
    world.bus.subscribe("t", lambda payload: heard.append(payload["n"]))
    for n in range(500):
        world.bus.publish("t", {"n": n})
    await eventually("all heard", lambda: len(heard) == 500)
    assert heard == list(range(500))


async def test_an_unsubscribed_handler_hears_nothing_more(world: World) -> None:
    heard: list[Any] = []
    kept: list[Any] = []
    unsubscribe = world.bus.subscribe("t", heard.append)
    world.bus.subscribe("t", kept.append)
    world.bus.publish("t", {"n": 1})
    await eventually("heard", lambda: heard)
    unsubscribe()
    unsubscribe()
    world.bus.publish("t", {"n": 2})
    await eventually("the other heard", lambda: len(kept) == 2)
    assert heard == [{"n": 1}]


async def test_the_same_handler_twice_is_two_subscriptions(world: World) -> None:
    heard: list[Any] = []
    first = world.bus.subscribe("t", heard.append)
    world.bus.subscribe("t", heard.append)
    first()
    first()
    world.bus.publish("t", {})
    await eventually("heard", lambda: heard)
    assert heard == [{}]


async def test_a_failing_handler_harms_no_other(world: World, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Any] = []

    def broken(_payload: object) -> None:
        raise ValueError("secret words")

    world.bus.subscribe("consult:con_1", broken)
    world.bus.subscribe("consult:con_1", heard.append)
    world.bus.publish("consult:con_1", {})
    await eventually("the second handler called", lambda: heard)
    assert any("bus.handler_failed" in record.getMessage() for record in caplog.records)


async def test_what_is_not_json_is_refused_without_raising(world: World) -> None:
    heard: list[Any] = []
    world.bus.subscribe("t", heard.append)
    world.bus.publish("t", {"bad": object()})
    world.bus.publish("t", {"good": 1})
    await eventually("the good one heard", lambda: heard)
    assert heard == [{"good": 1}]


async def test_a_payload_is_what_it_was_when_published(world: World) -> None:
    heard: list[Any] = []
    world.bus.subscribe("t", heard.append)
    payload = {"list": [1]}
    world.bus.publish("t", payload)
    payload["list"].append(2)
    await eventually("heard", lambda: heard)
    assert heard == [{"list": [1]}]


async def test_a_claim_is_kept_by_renewing_and_ends_unrenewed(world: World) -> None:
    assert await world.bus.owner("room:1") is None
    assert await world.bus.claim("room:1", 0.6) == "node-a"
    await world.pass_time(0.4)
    assert await world.bus.claim("room:1", 0.6) == "node-a"
    await world.pass_time(0.4)
    assert await world.bus.owner("room:1") == "node-a"
    await world.pass_time(0.4)
    assert await world.bus.owner("room:1") is None


async def test_a_released_claim_is_free(world: World) -> None:
    await world.bus.claim("room:1", 30)
    await world.bus.release("room:1")
    assert await world.bus.owner("room:1") is None
    await world.bus.release("room:1")


async def test_presence_lasts_while_refreshed(world: World) -> None:
    await world.bus.set_present("waiting:c1", "par_1", "video", 0.6)
    await world.bus.set_present("waiting:c1", "par_2", "línea\ncon 3 €", 30)
    await world.bus.set_present("waiting:c2", "par_3", "", 30)
    assert await world.bus.present("waiting:c1") == {"par_1": "video", "par_2": "línea\ncon 3 €"}
    assert await world.bus.present("waiting:c2") == {"par_3": ""}
    await world.pass_time(0.4)
    await world.bus.set_present("waiting:c1", "par_1", "audio", 0.6)
    await world.pass_time(0.4)
    assert (await world.bus.present("waiting:c1"))["par_1"] == "audio"
    await world.pass_time(0.4)
    assert await world.bus.present("waiting:c1") == {"par_2": "línea\ncon 3 €"}
    await world.bus.set_absent("waiting:c1", "par_2")
    await world.bus.set_absent("waiting:c1", "nobody")
    assert await world.bus.present("waiting:c1") == {}


async def test_hits_over_the_limit_are_refused_until_the_window_ends(world: World) -> None:
    answers = [await world.bus.hit("login:10.0.0.1", 3, 1) for _ in range(5)]
    assert [answer.allowed for answer in answers] == [True, True, True, False, False]
    assert answers[0].retry_after_s == 0
    assert answers[4].retry_after_s == 1
    assert (await world.bus.hit("login:10.0.0.2", 3, 1)).allowed
    await world.pass_time(1.1)
    assert (await world.bus.hit("login:10.0.0.1", 3, 1)).allowed


async def test_a_refused_hit_says_how_long_is_left(world: World) -> None:
    await world.bus.hit("sms:1", 1, 900)
    assert 895 <= (await world.bus.hit("sms:1", 1, 900)).retry_after_s <= 900


async def test_closing_delivers_nothing_more(world: World) -> None:
    heard: list[Any] = []
    world.bus.subscribe("t", heard.append)
    await world.bus.aclose()
    world.bus.publish("t", {})
    await asyncio.sleep(0.05)
    assert heard == []

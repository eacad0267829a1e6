"""Two nodes over one Redis, and every way that Redis goes away and comes back."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from candil.bus import redis as redis_bus
from candil.bus.port import MISSED
from candil.bus.redis import RedisBus
from candil.clock import SystemClock
from tests.support.eventually import eventually
from tests.support.processes import free_port
from tests.support.redis_server import RedisServer, running_redis


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that the test may kill and pause."""
    with running_redis(tmp_path) as server:
        yield server


Opener = Callable[..., Any]


@pytest.fixture
async def open_node() -> AsyncIterator[Opener]:
    async with AsyncExitStack() as stack:

        async def open_one(url: str, node_id: str) -> RedisBus:
            bus = RedisBus(url, node_id, SystemClock())
            await bus.start()
            stack.push_async_callback(bus.aclose)
            return bus

        yield open_one


async def _pair(open_node: Opener, server: RedisServer) -> tuple[RedisBus, RedisBus]:
    server.flush()
    return await open_node(server.url, "node-a"), await open_node(server.url, "node-b")


async def _lost_by(*buses: RedisBus) -> None:
    await eventually("every node noticed", lambda: not any(bus.healthy for bus in buses))


async def _back_at(*buses: RedisBus) -> None:
    await eventually("every node is back", lambda: all(bus.healthy for bus in buses), 15)


async def test_a_message_reaches_the_other_node_and_its_own_once(redis_server: RedisServer, open_node: Opener) -> None:
    a, b = await _pair(open_node, redis_server)
    at_a: list[Any] = []
    at_b: list[Any] = []
    a.subscribe("t", at_a.append)
    b.subscribe("t", at_b.append)
    a.publish("t", {"from": "a"})
    b.publish("t", {"from": "b"})
    await eventually("both at both", lambda: len(at_a) == len(at_b) == 2)
    await asyncio.sleep(0.1)
    assert sorted(m["from"] for m in at_a) == sorted(m["from"] for m in at_b) == ["a", "b"]


async def test_a_subscription_hears_what_is_published_right_after_it(
    redis_server: RedisServer, open_node: Opener
) -> None:
    """Who subscribes and then reads the database misses nothing in between."""
    a, b = await _pair(open_node, redis_server)
    for n in range(20):
        heard: list[Any] = []
        a.subscribe(f"t{n}", heard.append)
        b.publish(f"t{n}", {})
        await eventually("heard", lambda heard=heard: heard)


async def test_clinics_in_other_databases_of_one_redis_hear_nothing(
    redis_server: RedisServer, open_node: Opener
) -> None:
    a, b = await _pair(open_node, redis_server)
    stranger = await open_node(redis_server.url.removesuffix("/0") + "/1", "node-c")
    overheard: list[Any] = []
    heard: list[Any] = []
    stranger.subscribe("t", overheard.append)
    b.subscribe("t", heard.append)
    a.publish("t", {})
    await eventually("heard", lambda: heard)
    await asyncio.sleep(0.1)
    assert overheard == []


async def test_rubbish_on_the_channel_is_ignored(redis_server: RedisServer, open_node: Opener) -> None:
    a, b = await _pair(open_node, redis_server)
    heard: list[Any] = []
    a.subscribe("t", heard.append)
    with redis_server.client() as client:
        for rubbish in (b"", b"\xff\xfe", b"[]", b"{}", b'["x",1,{}]', b"[" * 10_000):
            assert client.publish("candil:0:bus", rubbish) == 2
    b.publish("t", {})
    await eventually("heard after rubbish", lambda: heard)
    assert a.healthy


async def test_one_claim_has_one_owner(redis_server: RedisServer, open_node: Opener) -> None:
    a, b = await _pair(open_node, redis_server)
    for n in range(30):
        owners = await asyncio.gather(a.claim(f"room:{n}", 30), b.claim(f"room:{n}", 30))
        assert owners[0] == owners[1]
    assert await a.claim("room:x", 30) == "node-a"
    await b.release("room:x")
    assert await b.owner("room:x") == "node-a"
    await a.release("room:x")
    assert await b.claim("room:x", 30) == "node-b"


async def test_a_dead_nodes_claim_passes_on_when_it_expires(redis_server: RedisServer, open_node: Opener) -> None:
    a, b = await _pair(open_node, redis_server)
    await a.claim("room:1", 0.3)
    assert await b.claim("room:1", 30) == "node-a"
    await asyncio.sleep(0.4)
    assert await b.claim("room:1", 30) == "node-b"
    assert await a.claim("room:1", 30) == "node-b"


async def test_a_node_that_closes_leaves_nothing_behind(redis_server: RedisServer, open_node: Opener) -> None:
    a, b = await _pair(open_node, redis_server)
    await a.claim("room:1", 300)
    await a.set_present("g", "m", "i", 300)
    await a.aclose()
    assert await b.owner("room:1") is None
    assert await b.present("g") == {}


async def test_presence_is_seen_everywhere_and_ended_only_by_who_announced_it_last(
    redis_server: RedisServer, open_node: Opener
) -> None:
    a, b = await _pair(open_node, redis_server)
    await a.set_present("g", "par_1", "old page", 30)
    await b.set_present("g", "par_1", "new page", 30)
    await a.set_absent("g", "par_1")
    assert await a.present("g") == await b.present("g") == {"par_1": "new page"}
    await b.set_absent("g", "par_1")
    assert await a.present("g") == {}


async def test_hits_are_counted_over_all_nodes(redis_server: RedisServer, open_node: Opener) -> None:
    a, b = await _pair(open_node, redis_server)
    allowed = [(await bus.hit("login", 3, 60)).allowed for bus in (a, b, a, b)]
    assert allowed == [True, True, True, False]


async def test_starts_without_redis_and_joins_it_later(tmp_path: Path, open_node: Opener) -> None:
    server = RedisServer(tmp_path)
    a = await open_node(server.url, "node-a")
    assert not a.healthy
    assert await a.claim("room:1", 30) == "node-a"
    server.start()
    try:
        await _back_at(a)
        with server.client() as client:
            assert client.get("candil:claim:room:1") == "node-a"
    finally:
        server.process.stop()


async def test_a_wrong_address_never_raises(open_node: Opener) -> None:
    a = await open_node(f"redis://127.0.0.1:{free_port()}/0", "node-a")
    await _works_alone(a)


async def _works_alone(bus: RedisBus) -> None:
    """Everything still answers, at once, inside one process."""
    assert not bus.healthy
    began = time.monotonic()
    heard: list[Any] = []
    bus.subscribe("alone", heard.append)
    bus.publish("alone", {"n": 1})
    await eventually("heard inside the process", lambda: heard)
    assert await bus.claim("room:new", 30) == bus.node_id
    assert await bus.owner("room:new") == bus.node_id
    await bus.release("room:new")
    assert await bus.owner("room:new") is None
    await bus.set_present("alone", "m", "i", 30)
    assert await bus.present("alone") == {"m": "i"}
    await bus.set_absent("alone", "m")
    assert [(await bus.hit("alone", 1, 60)).allowed for _ in range(2)] == [True, False]
    assert time.monotonic() - began < 1.0, "calls waited for a Redis known to be away"


async def test_killed_and_restarted_empty(own_redis: RedisServer, open_node: Opener) -> None:
    a, b = await _pair(open_node, own_redis)
    missed: list[str] = []
    a.subscribe(MISSED, lambda _: missed.append("a"))
    b.subscribe(MISSED, lambda _: missed.append("b"))
    await a.claim("room:1", 60)
    await b.claim("room:1", 60)
    await a.set_present("g", "par_1", "here", 60)
    assert await b.present("g") == {"par_1": "here"}

    own_redis.process.kill()
    await _lost_by(a, b)
    await _works_alone(a)
    assert await a.claim("room:1", 60) == "node-a", "a node keeps what it owns"
    assert await b.claim("room:1", 60) == "node-a", "and another does not take it meanwhile"
    assert await b.present("g") == {"par_1": "here"}

    own_redis.start()
    await _back_at(a, b)
    assert await b.claim("room:1", 60) == "node-a"
    await eventually("the claim is back in Redis", lambda: b.owner("room:1"))
    assert await b.present("g") == {"par_1": "here"}
    await eventually("both were told to look", lambda: {"a", "b"} <= set(missed))
    heard: list[Any] = []
    b.subscribe("after", heard.append)
    a.publish("after", {})
    await eventually("messages pass again", lambda: heard)


async def test_the_first_back_does_not_take_a_room_before_its_owner_returns(
    own_redis: RedisServer, open_node: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_bus, "SETTLE_S", 1.5)
    a, b = await _pair(open_node, own_redis)
    await a.claim("room:1", 60)
    await b.owner("room:1")
    own_redis.process.kill()
    await _lost_by(a, b)
    await a.aclose()  # never returns
    own_redis.start()
    await _back_at(b)
    assert await b.claim("room:1", 60) == "node-a"
    assert await b.owner("room:1") == "node-a"
    await asyncio.sleep(1.6)
    assert await b.claim("room:1", 60) == "node-b", "a node that stays away loses its room"


async def test_a_restart_between_two_calls_is_noticed(own_redis: RedisServer, open_node: Opener) -> None:
    """Too quick to be away: what was in it is gone all the same, and comes back."""
    a, _ = await _pair(open_node, own_redis)
    await a.claim("room:1", 60)
    await a.set_present("g", "m", "i", 60)
    own_redis.process.kill()
    own_redis.start()

    def restored() -> bool:
        with own_redis.client() as client:
            return client.get("candil:claim:room:1") == "node-a" and client.hlen("candil:present:g") == 1

    await eventually("claim and presence are back", restored)


async def test_paused_redis(own_redis: RedisServer, open_node: Opener) -> None:
    """Sockets stay open and nothing answers, as with a dead switch between."""
    a, b = await _pair(open_node, own_redis)
    await a.claim("room:1", 60)
    own_redis.process.pause()
    try:
        began = time.monotonic()
        answers = await asyncio.gather(*(a.hit("login", 3, 60) for _ in range(100)))
        assert time.monotonic() - began < 4.0
        assert sum(answer.allowed for answer in answers) <= 6, "an outage must not open the limits"
        await _lost_by(a, b)
        await _works_alone(a)
        assert await a.claim("room:1", 60) == "node-a"
    finally:
        own_redis.process.resume()
    await _back_at(a, b)
    assert await b.owner("room:1") == "node-a"
    heard: list[Any] = []
    b.subscribe("after", heard.append)
    a.publish("after", {})
    await eventually("messages pass again", lambda: heard)


async def test_a_redis_that_refuses_writes_counts_as_away(own_redis: RedisServer, open_node: Opener) -> None:
    a, _ = await _pair(open_node, own_redis)
    with own_redis.client() as client:
        client.config_set("maxmemory", "1")
        assert (await a.hit("x", 5, 60)).allowed
        await _lost_by(a)
        await asyncio.sleep(1.0)
        assert not a.healthy, "flaps"
        client.config_set("maxmemory", "0")
    await _back_at(a)


async def test_a_killed_subscription_is_noticed(own_redis: RedisServer, open_node: Opener) -> None:
    a, b = await _pair(open_node, own_redis)
    missed: list[Any] = []
    a.subscribe(MISSED, missed.append)
    with own_redis.client() as client:
        assert client.client_kill_filter(_type="pubsub") == 2
    await eventually("told to look, since messages may have been lost", lambda: missed)
    await _back_at(a, b)


async def test_others_learn_that_they_missed_what_a_cut_off_node_said(
    own_redis: RedisServer, open_node: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = await _pair(open_node, own_redis)
    missed: list[Any] = []
    b.subscribe(MISSED, missed.append)
    a._link._give_up()  # only this node's link
    a.publish("t", {"n": 1})
    await _back_at(a)
    await eventually("the other was told to look", lambda: missed)
    assert b.healthy


async def test_cancelled_calls_do_no_harm(redis_server: RedisServer, open_node: Opener) -> None:
    a, b = await _pair(open_node, redis_server)
    for n in range(100):
        task = asyncio.create_task(a.claim(f"room:{n}", 30))
        await asyncio.sleep(0)
        task.cancel()
    for n in range(50):
        await a.claim(f"room:{n}", 30)
        assert await b.owner(f"room:{n}") == "node-a"
    assert a.healthy


async def test_closing_ends_while_messages_are_on_their_way(redis_server: RedisServer) -> None:
    for turns in range(40):  # of the loop between publishing and closing
        bus = RedisBus(redis_server.url, "node-a", SystemClock())
        await bus.start()
        for n in range(500):
            bus.publish("t", {"n": n})
        for _ in range(turns):
            await asyncio.sleep(0)
        async with asyncio.timeout(5):
            await bus.aclose()
        assert not bus.healthy

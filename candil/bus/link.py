"""One process's connection to Redis: kept alive, watched, and given up on quickly when it is not.

The link is healthy while a beat published by this process comes back to it through the subscription
and a write succeeds, so it notices a paused, full, read-only or half-open Redis, not only a closed one.
"""

import asyncio
import collections
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from candil.log import log_event

log = logging.getLogger(__name__)

COMMAND_TIMEOUT_S = 2.0
BEAT_EVERY_S = 1.0
BEAT_LOST_AFTER_S = 3.0
BEAT_LIFE_MS = 10_000
BACKOFF_FIRST_S = 0.2
BACKOFF_LAST_S = 5.0
CONNECTIONS = 16
OUTGOING_LIMIT = 10_000  # messages waiting for a slow Redis; more than that and it counts as away
BATCH = 100
AWAY = (RedisError, OSError, TimeoutError)


class RedisLink:
    """``receive`` gets each message heard; ``recover`` runs on every connect before the link is healthy,
    and may call ``execute``; ``recovered`` is called once it is."""

    def __init__(
        self,
        url: str,
        node_id: str,
        receive: Callable[[str], None],
        recover: Callable[[], Awaitable[None]],
        recovered: Callable[[], None],
    ) -> None:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=COMMAND_TIMEOUT_S,
            socket_timeout=COMMAND_TIMEOUT_S,
            socket_connect_timeout=COMMAND_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
            decode_responses=True,
            encoding_errors="replace",
        )
        self._client = Redis(connection_pool=pool)
        database = pool.connection_kwargs.get("db") or 0  # channels span databases, so they name theirs
        self._channel = f"candil:{database}:bus"
        self._beat_channel = f"candil:{database}:beat:{node_id}"
        self._beat_key = f"candil:node:{node_id}"
        self._receive = receive
        self._recover = recover
        self._recovered = recovered
        self._outgoing: collections.deque[bytes] = collections.deque()
        self._outgoing_ready = asyncio.Event()
        self._gone = asyncio.Event()
        self._first_attempt = asyncio.Event()
        self._scripts: dict[str, Any] = {}
        self._task: asyncio.Task[None] | None = None
        self._connects = 0
        self._closed = False
        self.healthy = False

    async def start(self) -> None:
        """Begin; returns after the first attempt to connect, whether it worked or not."""
        self._task = asyncio.create_task(self._keep_connected(), name="redis-link")
        await self._first_attempt.wait()

    async def aclose(self) -> None:
        self.healthy = False
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._client.connection_pool.aclose()

    def send(self, message: bytes) -> bool:
        """Tell the other processes soon; False when they cannot be reached."""
        if not self.healthy:
            return False
        if len(self._outgoing) >= OUTGOING_LIMIT:
            self._give_up()
            return False
        self._outgoing.append(message)
        self._outgoing_ready.set()
        return True

    async def run(self, script: str, keys: Sequence[str], args: Sequence[str | int]) -> Any:
        """What a script answers, or None while Redis is away (no script answers nil)."""
        if not self.healthy:
            return None
        connection = self._connects
        try:
            return await self.execute(script, keys, args)
        except AWAY as error:
            if self.healthy and connection == self._connects:  # not the late failure of an earlier connection
                log.warning(log_event("bus.command_failed", error=type(error).__name__))
                self._give_up()
            return None

    async def execute(self, script: str, keys: Sequence[str], args: Sequence[str | int]) -> Any:
        """As ``run``, raising when Redis does not answer in time."""
        compiled = self._scripts.get(script)
        if compiled is None:
            compiled = self._scripts[script] = self._client.register_script(script)
        async with asyncio.timeout(COMMAND_TIMEOUT_S):
            return await compiled(keys=keys, args=args)

    def _give_up(self) -> None:
        self.healthy = False
        self._gone.set()

    async def _keep_connected(self) -> None:
        failures = 0
        while not self._closed:  # a task group whose tasks failed swallows the cancellation of aclose
            was_connected = False
            try:
                async with asyncio.TaskGroup() as group:
                    await self._connect(group)
                    was_connected = True
            except* AWAY as errors:
                if was_connected or not failures:
                    log.warning(log_event("bus.away", error=type(errors.exceptions[0]).__name__))
            self.healthy = False
            with contextlib.suppress(*AWAY):  # ends commands still waiting on the old connections
                await self._client.connection_pool.disconnect(inuse_connections=True)
            self._first_attempt.set()
            failures = 1 if was_connected else failures + 1
            if not self._closed:
                await asyncio.sleep(backoff_s(failures))

    async def _connect(self, group: asyncio.TaskGroup) -> None:
        """Subscribe, prove that messages pass, restore what is ours, then start this connection's tasks.

        Any of them failing ends all of them, and the pub/sub connection with them. Each also looks at ``healthy``,
        since the client library can swallow a cancellation that meets the end of a command.
        """
        pubsub = self._client.pubsub()
        try:
            async with asyncio.timeout(BEAT_LOST_AFTER_S):
                await pubsub.subscribe(self._channel, self._beat_channel)
                await self._beat()
                while (message := await self._next(pubsub))["type"] != "message":
                    pass
            self._outgoing.clear()
            self._gone.clear()
            await self._recover()
            if self._closed:
                raise ConnectionError("closed meanwhile")
        except BaseException:
            await pubsub.aclose()
            raise
        self._connects += 1
        self.healthy = True
        log.info(log_event("bus.connected"))
        self._take(message)
        for part in (self._listen(pubsub), self._send_outgoing(), self._beat_until_gone()):
            group.create_task(self._ending_the_others(part))
        self._first_attempt.set()
        self._recovered()

    async def _ending_the_others(self, part: Coroutine[Any, Any, None]) -> None:
        try:
            await part
        finally:
            self._give_up()

    async def _listen(self, pubsub: PubSub) -> None:
        try:
            while self.healthy:
                self._take(await self._next(pubsub))
        finally:
            await pubsub.aclose()

    async def _next(self, pubsub: PubSub) -> dict[str, Any]:
        message: dict[str, Any] | None = await pubsub.get_message(timeout=BEAT_LOST_AFTER_S)
        if message is None:
            raise TimeoutError("no beat came back")
        return message

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "message" and message["channel"] == self._channel:
            self._receive(message["data"])

    async def _send_outgoing(self) -> None:
        while self.healthy:
            await self._outgoing_ready.wait()
            self._outgoing_ready.clear()
            while self._outgoing and self.healthy:
                async with asyncio.timeout(COMMAND_TIMEOUT_S), self._client.pipeline(transaction=False) as pipeline:
                    for _ in range(min(BATCH, len(self._outgoing))):
                        pipeline.publish(self._channel, self._outgoing.popleft())
                    await pipeline.execute()

    async def _beat_until_gone(self) -> None:
        while self.healthy:
            try:
                async with asyncio.timeout(BEAT_EVERY_S):
                    await self._gone.wait()
            except TimeoutError:
                await self._beat()
        raise ConnectionError("given up on")

    async def _beat(self) -> None:
        async with asyncio.timeout(COMMAND_TIMEOUT_S), self._client.pipeline(transaction=False) as pipeline:
            pipeline.set(self._beat_key, "1", px=BEAT_LIFE_MS)
            pipeline.publish(self._beat_channel, "")
            await pipeline.execute()


def backoff_s(failures: int) -> float:
    """How long to wait after the n-th failure in a row; jittered, so that processes do not return as one."""
    longest = min(BACKOFF_LAST_S, BACKOFF_FIRST_S * 2 ** min(failures - 1, 10))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing

"""The bus of a clinic that one process serves: nothing leaves the process."""

from collections.abc import Callable

from candil.bus.port import Handler, Payload, RateDecision
from candil.bus.state import Claims, Counters, Presences
from candil.bus.subscriptions import Subscriptions, encode_payload
from candil.clock import Clock

EXPIRE_EVERY_S = 60.0


class InProcessBus:
    def __init__(self, node_id: str, clock: Clock) -> None:
        self.node_id = node_id
        self._clock = clock
        self._topics = Subscriptions()
        self._claims = Claims()
        self._presences = Presences()
        self._counters = Counters()
        self._expired_at = clock.now()

    async def start(self) -> None:
        self._topics.open()

    async def aclose(self) -> None:
        self._topics.close()

    @property
    def healthy(self) -> bool:
        return True

    def publish(self, topic: str, payload: Payload) -> None:
        encoded = encode_payload(topic, payload)
        if encoded is not None:
            self._topics.deliver(topic, encoded)

    def subscribe(self, topic: str, handler: Handler) -> Callable[[], None]:
        return self._topics.subscribe(topic, handler)

    async def claim(self, name: str, ttl_s: float) -> str:
        return self._claims.claim(name, self.node_id, ttl_s, self._now())

    async def owner(self, name: str) -> str | None:
        return self._claims.owner(name, self._now())

    async def release(self, name: str) -> None:
        self._claims.release(name, self.node_id)

    async def set_present(self, group: str, member: str, info: str, ttl_s: float) -> None:
        self._presences.put(group, member, info, ttl_s, self._now())

    async def set_absent(self, group: str, member: str) -> None:
        self._presences.remove(group, member)

    async def present(self, group: str) -> dict[str, str]:
        return self._presences.present(group, self._now())

    async def hit(self, name: str, limit: int, window_s: int) -> RateDecision:
        return self._counters.hit(name, limit, window_s, self._now())

    def _now(self) -> float:
        """The time; in passing, what has expired is dropped once in a while."""
        now = self._clock.now()
        if abs(now - self._expired_at) > EXPIRE_EVERY_S:
            self._expired_at = now
            for part in (self._claims, self._presences, self._counters):
                part.expire(now)
        return now

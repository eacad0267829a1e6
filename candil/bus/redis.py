"""The bus of a clinic that several processes serve: the in-process state, shared through Redis.

While Redis is away each process goes on with what it knows: its own claims and presence, and for
a while what it last saw of the others. When Redis is back, even empty, each puts its own things back.
"""

import asyncio
from collections.abc import Callable

import msgspec

from candil.bus import scripts
from candil.bus.link import RedisLink
from candil.bus.port import MISSED, Handler, Payload, RateDecision
from candil.bus.state import Claims, Counters, Presences, decide
from candil.bus.subscriptions import Subscriptions, encode_payload
from candil.clock import Clock

# How long, while Redis is away, another node's claim or presence is believed after it was last seen. The other
# node usually lives on and serves its calls; taking its room over would split a consult in two.
OTHERS_BELIEVED_S = 300.0
# How long after Redis came back empty the others' claims are still honoured, so that their owners
# can put them back before anyone takes them: longer than the longest backoff plus noticing.
SETTLE_S = 10.0
EXPIRE_EVERY_S = 60.0


class _Envelope(msgspec.Struct, array_like=True):
    sender: str
    topic: str
    payload: msgspec.Raw


class RedisBus:
    def __init__(self, url: str, node_id: str, clock: Clock) -> None:
        self.node_id = node_id
        self._clock = clock
        self._topics = Subscriptions()
        self._claims = Claims()
        self._presences = Presences()
        self._counters = Counters()
        self._link = RedisLink(url, node_id, self._receive, self._restore, self._on_recovered)
        self._was_connected = False
        self._others_missed_some = False
        self._settled_at = 0.0
        self._expired_at = clock.now()

    async def start(self) -> None:
        """Connect; when Redis is away, go on without and keep trying."""
        self._topics.open()
        await self._link.start()

    async def aclose(self) -> None:
        """Give up what is ours, so that others need not wait for it to expire."""
        now = self._clock.now()
        for name in self._claims.owned_by(self.node_id, now):
            await self.release(name)
        for group, member, _, _ in self._presences.own(now):
            await self.set_absent(group, member)
        self._topics.close()
        await self._link.aclose()

    @property
    def healthy(self) -> bool:
        return self._link.healthy

    def publish(self, topic: str, payload: Payload) -> None:
        encoded = encode_payload(topic, payload)
        if encoded is None:
            return
        self._topics.deliver(topic, encoded)
        self._tell_others(topic, encoded)

    def subscribe(self, topic: str, handler: Handler) -> Callable[[], None]:
        return self._topics.subscribe(topic, handler)

    async def claim(self, name: str, ttl_s: float) -> str:
        now = self._now()
        if (other := self._unsettled_owner(name, now)) is not None:
            return await self.owner(name) or other
        owner = await self._link.run(scripts.CLAIM, [_claim_key(name)], [self.node_id, _ms(ttl_s)])
        if owner is None:
            return self._claims.claim(name, self.node_id, ttl_s, now)
        self._claims.record(name, owner, ttl_s if owner == self.node_id else OTHERS_BELIEVED_S, now)
        return str(owner)

    async def owner(self, name: str) -> str | None:
        now = self._now()
        owner = await self._link.run(scripts.OWNER, [_claim_key(name)], [])
        if owner is None:
            return self._claims.owner(name, now)
        if owner == "":
            other = self._unsettled_owner(name, now)
            if other is None:
                self._claims.forget(name)
            return other
        if owner != self.node_id:
            self._claims.record(name, owner, OTHERS_BELIEVED_S, now)
        return str(owner)

    async def release(self, name: str) -> None:
        self._claims.release(name, self.node_id)
        await self._link.run(scripts.RELEASE, [_claim_key(name)], [self.node_id])

    async def set_present(self, group: str, member: str, info: str, ttl_s: float) -> None:
        self._presences.put(group, member, info, ttl_s, self._now())
        await self._link.run(scripts.SET_PRESENT, _presence_keys(group), [member, self._signed(info), _ms(ttl_s)])

    async def set_absent(self, group: str, member: str) -> None:
        self._presences.remove(group, member)
        await self._link.run(scripts.SET_ABSENT, _presence_keys(group), [member, self.node_id])

    async def present(self, group: str) -> dict[str, str]:
        now = self._now()
        answer = await self._link.run(scripts.PRESENT, _presence_keys(group), [])
        if answer is None:
            return self._presences.present(group, now)
        members = {member: value.partition("\n")[2] for member, value in zip(answer[::2], answer[1::2], strict=True)}
        self._presences.replace_others(group, members, OTHERS_BELIEVED_S, now)
        return members

    async def hit(self, name: str, limit: int, window_s: int) -> RateDecision:
        answer = await self._link.run(scripts.HIT, [f"candil:hits:{name}"], [window_s * 1000])
        if answer is None:
            return self._counters.hit(name, limit, window_s, self._now())
        count, remaining_ms = answer
        return decide(count, limit, remaining_ms / 1000)

    def _receive(self, message: str) -> None:
        try:
            envelope = msgspec.json.decode(message, type=_Envelope)
        except (msgspec.DecodeError, UnicodeError):
            return  # not ours: somebody else writes to this Redis
        if envelope.sender != self.node_id:
            self._topics.deliver(envelope.topic, envelope.payload)

    def _tell_others(self, topic: str, encoded: bytes) -> None:
        message = msgspec.json.encode(_Envelope(self.node_id, topic, msgspec.Raw(encoded)))
        if not self._link.send(message):
            self._others_missed_some = True

    async def _restore(self) -> None:
        """Put our claims and presence into a Redis that may have lost them."""
        now = self._clock.now()
        for name, left_s in self._claims.owned_by(self.node_id, now).items():
            owner = await self._link.execute(scripts.CLAIM, [_claim_key(name)], [self.node_id, _ms(left_s)])
            if owner != self.node_id:
                self._claims.record(name, owner, OTHERS_BELIEVED_S, now)
        for group, member, info, left_s in self._presences.own(now):
            arguments: list[str | int] = [member, self._signed(info), _ms(left_s)]
            await self._link.execute(scripts.SET_PRESENT, _presence_keys(group), arguments)

    def _on_recovered(self) -> None:
        if self._was_connected:
            self._settled_at = asyncio.get_running_loop().time() + SETTLE_S
            self._topics.deliver(MISSED, b"{}")
        if self._others_missed_some:
            self._others_missed_some = False
            self._tell_others(MISSED, b"{}")
        self._was_connected = True

    def _unsettled_owner(self, name: str, now: float) -> str | None:
        """Who else held ``name`` when Redis went away, while they may still be on their way back."""
        if not self.healthy or asyncio.get_running_loop().time() >= self._settled_at:
            return None
        owner = self._claims.owner(name, now)
        return owner if owner != self.node_id else None

    def _signed(self, info: str) -> str:
        """A presence value in Redis says which node announced it, so that only that one takes it back."""
        return f"{self.node_id}\n{info}"

    def _now(self) -> float:
        """The time; in passing, what has expired is dropped once in a while."""
        now = self._clock.now()
        if abs(now - self._expired_at) > EXPIRE_EVERY_S:
            self._expired_at = now
            for part in (self._claims, self._presences, self._counters):
                part.expire(now)
        return now


def _claim_key(name: str) -> str:
    return f"candil:claim:{name}"


def _presence_keys(group: str) -> list[str]:
    return [f"candil:present:{group}", f"candil:present-until:{group}"]


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))

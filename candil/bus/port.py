"""What the processes of one clinic tell each other while nothing of it needs to last.

Everything here can be lost and rebuilt: a topic's message is a poke to look into the database, a claim
is renewed by its owner, presence is refreshed by whoever is present. Durable facts never travel only here.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

Payload = Mapping[str, Any]  # JSON values only
Handler = Callable[[Payload], None]  # called on the event loop; must not block

# Delivered by the bus itself, with an empty payload: messages of other processes may have been missed and
# can be heard again now, so whoever follows something looks into the database once.
MISSED = "bus.missed"


class RateDecision(msgspec.Struct, frozen=True):
    """Whether one more is allowed, and after how many seconds to ask again when not."""

    allowed: bool
    retry_after_s: int = 0


class Bus(Protocol):
    """Fan-out, claims, presence and counters; in one process or over Redis."""

    node_id: str

    async def start(self) -> None: ...

    async def aclose(self) -> None: ...

    @property
    def healthy(self) -> bool:
        """False while other processes cannot be reached; sessions then poll the database instead."""
        ...

    def publish(self, topic: str, payload: Payload) -> None:
        """Tell every process, this one included, soon; never blocks or raises, may be lost."""
        ...

    def subscribe(self, topic: str, handler: Handler) -> Callable[[], None]:
        """Have ``handler`` called for each message of a topic; the result unsubscribes."""
        ...

    async def claim(self, name: str, ttl_s: float) -> str:
        """Own ``name`` unless another node does; the owner's node id. Owners are kept by renewing (claim again)."""
        ...

    async def owner(self, name: str) -> str | None: ...

    async def release(self, name: str) -> None:
        """Give up a claim of ours; another's is left alone."""
        ...

    async def set_present(self, group: str, member: str, info: str, ttl_s: float) -> None:
        """``member`` of ``group`` is here, with a small text about it, until ``ttl_s`` passes unrefreshed."""
        ...

    async def set_absent(self, group: str, member: str) -> None:
        """``member`` left us; when another node has announced them since, they stay present there."""
        ...

    async def present(self, group: str) -> dict[str, str]:
        """Who is here: member to info."""
        ...

    async def hit(self, name: str, limit: int, window_s: int) -> RateDecision:
        """Count one against a limit per window. Over Redis, when it is away, each process counts alone."""
        ...

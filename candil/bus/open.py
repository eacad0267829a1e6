"""Choosing the bus: Redis when configured, this process alone otherwise."""

from candil.bus.memory import InProcessBus
from candil.bus.port import Bus
from candil.clock import Clock


def open_bus(redis_url: str, node_id: str, clock: Clock) -> Bus:
    """The bus, not started yet. ``node_id`` must differ between the processes of one clinic."""
    if not redis_url:
        return InProcessBus(node_id, clock)
    from candil.bus.redis import RedisBus  # half a second of imports on a small machine that does without

    return RedisBus(redis_url, node_id, clock)

"""Choosing the bus: Redis when configured, this process alone otherwise."""

from candil.bus.memory import InProcessBus
from candil.bus.port import Bus
from candil.bus.redis import RedisBus
from candil.clock import Clock


def open_bus(redis_url: str, node_id: str, clock: Clock) -> Bus:
    """The bus, not started yet. ``node_id`` must differ between the processes of one clinic."""
    return RedisBus(redis_url, node_id, clock) if redis_url else InProcessBus(node_id, clock)

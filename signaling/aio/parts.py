"""What every connection of this process shares."""

from collections.abc import Callable
from dataclasses import dataclass

from candil.bus.port import Bus
from candil.clock import Clock
from candil.config import Settings
from candil.ids import IdSource
from candil.store.database import Database

IceServers = Callable[[str, float], list[dict[str, object]]]  # participant id, now


@dataclass(frozen=True)
class Parts:
    db: Database
    bus: Bus
    clock: Clock
    ids: IdSource
    settings: Settings
    ice_servers: IceServers
    ticket_key: str
    epoch: str

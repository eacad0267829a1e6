from collections.abc import AsyncIterator

import aiohttp
import pytest

from candil.bus.memory import InProcessBus
from candil.clock import SystemClock
from candil.store.database import Database
from tests.support.signaling import Node, Pages, running_node


@pytest.fixture
async def pages() -> AsyncIterator[Pages]:
    async with aiohttp.ClientSession() as http:
        yield Pages(http)


@pytest.fixture
async def node(sqlite_database: Database) -> AsyncIterator[Node]:
    """One process alone, on SQLite."""
    bus = InProcessBus("alone", SystemClock())
    await bus.start()
    async with running_node(sqlite_database, bus) as node:
        yield node
    await bus.aclose()

"""Fixtures shared by every level: real servers, started once a session, and databases on them."""

from collections.abc import Iterator

import pytest

from tests.support.redis_server import RedisServer, running_redis


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A running Redis shared by the session: tests that harm it start their own."""
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server

"""Fixtures shared by every level: real servers, started once a session, and databases on them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from candil.store.database import Database
from candil.store.open import migrate, open_database
from tests.support.databases import copy_sqlite, empty_postgresql, migrated_sqlite, postgresql_settings
from tests.support.postgresql import PostgresqlServer, running_postgresql
from tests.support.redis_server import RedisServer, running_redis


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A running Redis shared by the session: tests that harm it start their own."""
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresqlServer]:
    """A running PostgreSQL shared by the session: tests that harm it start their own."""
    with running_postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def _migrated_postgresql(postgresql_server: PostgresqlServer) -> str:
    url = postgresql_server.create_database("candil")
    migrate(postgresql_settings(url))
    return url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return migrated_sqlite(tmp_path_factory.mktemp("sqlite") / "data")


@pytest.fixture
def postgresql_url(_migrated_postgresql: str) -> str:
    """A migrated, empty PostgreSQL database, for tests that open it themselves."""
    empty_postgresql(_migrated_postgresql)
    return _migrated_postgresql


@pytest.fixture
def sqlite_database(sqlite_template: Path, tmp_path: Path) -> Iterator[Database]:
    """A migrated, empty SQLite database, for tests that need only one kind."""
    database = open_database(copy_sqlite(sqlite_template, tmp_path / "data"))
    yield database
    database.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A migrated, empty database, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_database")
        return
    opened = open_database(postgresql_settings(request.getfixturevalue("postgresql_url")))
    yield opened
    opened.close()

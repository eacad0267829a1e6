"""All migrations together make the schema of candil.store.tables, on both databases."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Column, Engine, Integer, MetaData

from candil.config.settings import StorageSettings
from candil.store import tables
from candil.store.engine import FILE_NAME, postgresql_engine, sqlite_engine
from candil.store.open import migrate
from tests.support.databases import postgresql_settings, sqlite_settings
from tests.support.postgresql import PostgresqlServer


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[StorageSettings, Engine]]:
    """Settings of a database that does not exist yet, or is empty, and an engine to look at it."""
    if request.param == "sqlite":
        settings = sqlite_settings(tmp_path / "data")
        engine = sqlite_engine(settings.data_dir / FILE_NAME, writer=False)
    else:
        server: PostgresqlServer = request.getfixturevalue("postgresql_server")
        url = server.create_database(f"fresh_{abs(hash(request.node.name))}")
        settings, engine = postgresql_settings(url), postgresql_engine(url, pool_size=1)
    yield settings, engine
    engine.dispose()


def _differences(engine: Engine, wanted: MetaData) -> list[Any]:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, wanted))


def test_migrations_make_the_current_schema(fresh: tuple[StorageSettings, Engine]) -> None:
    settings, engine = fresh
    migrate(settings)
    assert _differences(engine, tables.metadata) == []


def test_the_comparison_would_notice(fresh: tuple[StorageSettings, Engine]) -> None:
    settings, engine = fresh
    migrate(settings)
    changed = MetaData()
    for table in tables.metadata.tables.values():
        table.to_metadata(changed)
    changed.tables["consults"].append_column(Column("one_more", Integer))
    assert [difference[0] for difference in _differences(engine, changed)] == ["add_column"]


def test_processes_that_start_together_migrate_one_by_one(fresh: tuple[StorageSettings, Engine]) -> None:
    settings, engine = fresh
    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(migrate, settings) for _ in range(4)]:
            done.result(60)
    assert _differences(engine, tables.metadata) == []

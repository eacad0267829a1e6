"""All migrations together make the schema of candil.store.tables, on both databases."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Column, Connection, Engine, Float, Integer, MetaData

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


PHOTOS = {  # id: (number in the consult, whether anything of it was kept)
    "att_1": (1, True),
    "att_2": (2, False),
    "att_3": (3, True),
}


def test_photos_of_before_find_their_place_in_the_thread(fresh: tuple[StorageSettings, Engine]) -> None:
    settings, engine = fresh
    migrate(settings)
    writer = engine if settings.database_url else sqlite_engine(settings.data_dir / FILE_NAME, writer=True)
    with writer.begin() as connection:
        _alembic(connection, "downgrade", "0001")
        _a_consult_with_photos(connection)
    writer.dispose()
    migrate(settings)
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT seq, sender_id, audience, attachment_id FROM messages WHERE consult_id = 'con_1' ORDER BY seq"
        ).all()
        sizes = connection.exec_driver_sql("SELECT attachment_id, kept_bytes FROM attachment_parts ORDER BY 1").all()
    assert [tuple(row) for row in rows] == [
        (1, "par_1", "all", None),
        (2, "par_1", "all", None),
        (3, "par_1", "doctor", "att_1"),
        (4, "par_1", "doctor", "att_3"),
    ]
    assert [tuple(row) for row in sizes] == [("att_1", 4), ("att_2", 0), ("att_3", 4)]


def _alembic(connection: Connection, way: str, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(tables.__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    getattr(command, way)(config, revision)


def _a_consult_with_photos(connection: Connection) -> None:
    """Two messages and three photos, written as the first schema has them."""
    old = MetaData()
    old.reflect(connection)

    def add(name: str, **values: object) -> None:
        table = old.tables[name]
        blank = {
            column.name: 0 if isinstance(column.type, Integer | Float) else ""
            for column in table.columns
            if not column.nullable
        }
        connection.execute(table.insert().values(**{**blank, **values}))

    add("staff", id="stf_1", login="x")
    add("consults", id="con_1", doctor_id="stf_1")
    add("participants", id="par_1", consult_id="con_1")
    for number in (1, 2):
        add("messages", consult_id="con_1", seq=number, sender_id="par_1", client_id="c", client_seq=number)
    for id_, (seq, kept) in PHOTOS.items():
        add("attachments", id=id_, consult_id="con_1", seq=seq, participant_id="par_1", upload_id=id_, kind="photo")
        what = {"sha256": "ab", "data": b"jpeg"} if kept else {}
        add("attachment_parts", attachment_id=id_, part="full", **what)

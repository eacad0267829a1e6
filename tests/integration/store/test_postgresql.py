"""What only a server does: go away and come back, hold locks between processes, roll back a deadlock."""

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Connection, text

from candil.errors import StorageFailed
from candil.store import engine, tables
from candil.store.database import Database
from candil.store.open import migrate, open_database
from tests.support.databases import meta_names, postgresql_settings, put_meta
from tests.support.postgresql import PostgresqlServer, running_postgresql


@pytest.fixture
def pair(postgresql_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Database, Database]]:
    """The same database opened twice, as by two processes, with little patience for locks."""
    monkeypatch.setattr(engine, "LOCK_TIMEOUT_MS", 2_500)
    databases = [open_database(postgresql_settings(postgresql_url)) for _ in range(2)]
    yield databases[0], databases[1]
    for database in databases:
        database.close()


@pytest.fixture
def own_server() -> Iterator[PostgresqlServer]:
    with running_postgresql() as server:
        yield server


def _touch(name: str) -> Callable[[Connection], None]:
    def work(tx: Connection) -> None:
        tx.execute(tables.meta.update().where(tables.meta.c.name == name).values(value="touched"))

    return work


async def test_commits_are_flushed_before_they_are_acknowledged(pair: tuple[Database, Database]) -> None:
    def settings(tx: Connection) -> list[str]:
        names = ("synchronous_commit", "transaction_isolation", "transaction_read_only")
        return [tx.execute(text(f"SHOW {name}")).scalar_one() for name in names]

    assert await pair[0].write(settings) == ["on", "read committed", "off"]
    assert await pair[0].read(settings) == ["on", "repeatable read", "on"]
    assert await pair[0].write(settings) == ["on", "read committed", "off"]


async def test_a_lock_held_too_long_refuses_and_passes(pair: tuple[Database, Database]) -> None:
    a, b = pair
    await a.write(put_meta("row"))
    inside, go_on = threading.Event(), threading.Event()

    def hold(tx: Connection) -> None:
        _touch("row")(tx)
        inside.set()
        assert go_on.wait(30)

    holding = asyncio.create_task(a.write(hold))
    await asyncio.to_thread(inside.wait, 10)
    with pytest.raises(StorageFailed) as caught:
        await b.write(_touch("row"))
    assert caught.value.code == "storage_busy"
    go_on.set()
    await holding
    await b.write(_touch("row"))


async def test_who_loses_a_deadlock_runs_again(pair: tuple[Database, Database]) -> None:
    for name in ("x", "y"):
        await pair[0].write(put_meta(name))
    met = threading.Barrier(2)
    runs: list[str] = []

    def crossing(first: str, second: str) -> Callable[[Connection], str]:
        def work(tx: Connection) -> str:
            runs.append(first)
            _touch(first)(tx)
            if runs.count(first) == 1:
                met.wait(10)
            _touch(second)(tx)
            return first

        return work

    done = await asyncio.gather(pair[0].write(crossing("x", "y")), pair[1].write(crossing("y", "x")))
    assert done == ["x", "y"]
    assert len(runs) > 2, "the loser was run again"


async def test_a_lost_server_is_told_and_passes(own_server: PostgresqlServer) -> None:
    failed: list[int] = []
    settings = postgresql_settings(own_server.create_database("candil"))
    migrate(settings)
    database = open_database(settings, lambda: failed.append(1))
    await database.write(put_meta("kept"))

    def cut_off(tx: Connection) -> None:
        put_meta("half done")(tx)
        own_server.stop()
        tx.execute(text("SELECT 1"))

    with pytest.raises(StorageFailed) as caught:
        await database.write(cut_off)
    assert caught.value.code == "storage_unreachable"
    for refused in (database.write(put_meta("away")), database.read(meta_names)):
        with pytest.raises(StorageFailed) as caught:
            await refused
        assert caught.value.code == "storage_unreachable"

    own_server.start()
    await database.write(put_meta("back"))
    assert await database.read(meta_names) == {"kept", "back"}
    assert failed == [], "a server that comes back needs no restart of ours"
    database.close()

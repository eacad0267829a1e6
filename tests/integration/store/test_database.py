"""What both databases promise to whoever writes and reads."""

import asyncio
import threading
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from candil.errors import Refused, StorageFailed
from candil.store import tables
from candil.store.database import Database
from tests.support.databases import meta_names, put_meta
from tests.support.eventually import eventually


async def test_a_write_is_seen_by_the_next_read(database: Database) -> None:
    for n in range(20):
        assert await database.write(put_meta(f"n{n}")) == f"n{n}"
        assert f"n{n}" in await database.read(meta_names)


async def test_a_refusal_keeps_nothing_of_its_own_and_harms_nobody(database: Database) -> None:
    def refused(tx: Connection) -> None:
        put_meta("half done")(tx)
        raise Refused("no", "Not now.")

    writes: list[Any] = [put_meta("before"), refused, put_meta("after")]
    answers = await asyncio.gather(*(database.write(write) for write in writes), return_exceptions=True)
    assert [answers[0], answers[2]] == ["before", "after"]
    assert isinstance(answers[1], Refused)
    assert await database.read(meta_names) == {"before", "after"}


async def test_a_database_error_reaches_its_caller_as_it_is(database: Database) -> None:
    await database.write(put_meta("one"))
    with pytest.raises(IntegrityError):
        await database.write(put_meta("one"))
    await database.write(put_meta("two"))
    assert await database.read(meta_names) == {"one", "two"}


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), SystemExit(), asyncio.CancelledError()])
async def test_any_exception_of_a_function_is_only_its_own(database: Database, error: BaseException) -> None:
    """Also those that are not ``Exception``: none of them may end the writer."""

    def broken(_tx: Connection) -> None:
        raise error

    future = database._submit_write(broken)
    await eventually("answered", future.done)
    assert type(future.exception()) is type(error)
    assert await database.write(put_meta("alive")) == "alive"


async def test_foreign_keys_are_held(database: Database) -> None:
    def orphan(tx: Connection) -> None:
        row = {"consult_id": "none", "seq": 1, "kind": "k", "audience": "all", "actor": "a", "data": "{}", "at": 0.0}
        tx.execute(tables.timeline.insert().values(row))

    with pytest.raises(IntegrityError):
        await database.write(orphan)


async def test_a_read_cannot_write(database: Database) -> None:
    with pytest.raises(Exception, match="read") as caught:
        await database.read(put_meta("sneaked in"))
    assert not isinstance(caught.value, StorageFailed)
    assert await database.read(meta_names) == set()
    await database.write(put_meta("honest"))


async def test_a_read_is_one_snapshot(database: Database) -> None:
    """What is committed between its statements does not show half way."""
    await database.write(put_meta("first"))
    began, go_on = threading.Event(), threading.Event()

    def read_twice(tx: Connection) -> tuple[set[str], set[str]]:
        before = meta_names(tx)
        began.set()
        assert go_on.wait(10)
        return before, meta_names(tx)

    reading = asyncio.create_task(database.read(read_twice))
    await asyncio.to_thread(began.wait, 10)
    await database.write(put_meta("second"))
    go_on.set()
    assert await reading == ({"first"}, {"first"})
    assert await database.read(meta_names) == {"first", "second"}


async def test_reads_go_on_while_a_write_is_open(database: Database) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def slow(tx: Connection) -> None:
        put_meta("slow")(tx)
        inside.set()
        assert go_on.wait(10)

    writing = asyncio.create_task(database.write(slow))
    await asyncio.to_thread(inside.wait, 10)
    assert await database.read(meta_names) == set()
    go_on.set()
    await writing
    assert await database.read(meta_names) == {"slow"}


async def test_a_cancelled_caller_does_not_stop_the_database(database: Database) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def slow(tx: Connection) -> None:
        inside.set()
        assert go_on.wait(10)
        put_meta("was running")(tx)

    running = asyncio.create_task(database.write(slow))
    await asyncio.to_thread(inside.wait, 10)
    waiting = [asyncio.create_task(database.write(put_meta(f"waiting {n}"))) for n in range(20)]
    await asyncio.sleep(0)
    for task in (running, *waiting):
        task.cancel()
    await asyncio.gather(running, *waiting, return_exceptions=True)
    go_on.set()
    assert await database.write(put_meta("alive")) == "alive"


async def test_many_writers_at_once(database: Database) -> None:
    await asyncio.gather(*(database.write(put_meta(f"n{n}")) for n in range(300)))
    assert len(await database.read(meta_names)) == 300


async def test_closing_finishes_what_was_handed_in_and_refuses_the_rest(database: Database) -> None:
    writes = [asyncio.create_task(database.write(put_meta(f"n{n}"))) for n in range(100)]
    await asyncio.sleep(0)
    reader = asyncio.create_task(database.read(meta_names))
    await asyncio.sleep(0)
    await asyncio.to_thread(database.close)
    assert len(await asyncio.gather(*writes)) == 100
    await reader
    for refused in (database.write(put_meta("late")), database.read(meta_names)):
        with pytest.raises(StorageFailed) as caught:
            await refused
        assert caught.value.code == "storage_closed"
    database.close()

"""What only the embedded database does: group commit, one writer, and giving up when the disk lies."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlcipher3.dbapi2
from sqlalchemy import Connection, Engine, event

from candil.errors import Refused, StorageFailed
from candil.store import engine, sqlite, tables
from candil.store.database import Database
from candil.store.engine import FILE_NAME
from candil.store.open import open_database
from candil.store.sqlite import SqliteDatabase
from tests.support.databases import copy_sqlite, meta_names, migrated_sqlite, put_meta, sqlite_settings


@pytest.fixture
def data_dir(sqlite_database: Database, tmp_path: Path) -> Path:
    return tmp_path / "data"


@contextmanager
def _held_back(database: Database) -> Iterator[None]:
    """Keep the writer busy, so that what is written meanwhile queues up."""
    inside, go_on = threading.Event(), threading.Event()

    def hold(_tx: Connection) -> None:
        inside.set()
        assert go_on.wait(10)

    held = database._submit_write(hold)
    assert inside.wait(10)
    try:
        yield
    finally:
        go_on.set()
        held.result(10)


def _raw(data_dir: Path) -> Any:
    return sqlcipher3.dbapi2.connect(str(data_dir / FILE_NAME), isolation_level=None, timeout=0.0)


def _count_commits(database: Database) -> list[int]:
    commits: list[int] = []
    assert isinstance(database, SqliteDatabase)
    write_engine: Engine = database._write_engine
    event.listen(write_engine, "commit", lambda _connection: commits.append(1))
    return commits


async def test_what_queued_up_shares_a_commit(sqlite_database: Database) -> None:
    commits = _count_commits(sqlite_database)
    with _held_back(sqlite_database):
        writes = [sqlite_database._submit_write(put_meta(f"n{n}")) for n in range(150)]
    assert [write.result(10) for write in writes] == [f"n{n}" for n in range(150)]
    assert len(commits) == 1 + 3  # the one that held back, then groups of at most 64


async def test_refusals_inside_a_group_harm_nobody_in_it(sqlite_database: Database) -> None:
    def refused(tx: Connection) -> None:
        put_meta("half done")(tx)
        raise Refused("no")

    commits = _count_commits(sqlite_database)
    with _held_back(sqlite_database):
        good = [sqlite_database._submit_write(put_meta("a"))]
        bad = [sqlite_database._submit_write(refused), sqlite_database._submit_write(put_meta("a"))]
        good.append(sqlite_database._submit_write(put_meta("b")))
    assert [write.result(10) for write in good] == ["a", "b"]
    assert [type(write.exception(10)).__name__ for write in bad] == ["Refused", "IntegrityError"]
    assert len(commits) == 2
    assert await sqlite_database.read(meta_names) == {"a", "b"}


async def test_an_answer_is_given_only_after_the_commit(sqlite_database: Database, data_dir: Path) -> None:
    """At the moment each caller gets its answer, another connection already sees its row."""
    seen: dict[str, bool] = {}

    def look(name: str) -> Callable[[Any], None]:
        def now(_future: object) -> None:  # runs in the writer's thread, inside set_result
            connection = _raw(data_dir)
            seen[name] = bool(connection.execute("SELECT 1 FROM meta WHERE name = ?", (name,)).fetchone())
            connection.close()

        return now

    with _held_back(sqlite_database):
        for n in range(10):
            future = sqlite_database._submit_write(put_meta(f"n{n}"))
            future.add_done_callback(look(f"n{n}"))
    future.result(10)
    await sqlite_database.write(put_meta("last"))
    assert seen == {f"n{n}": True for n in range(10)}


async def test_a_refusal_is_told_only_after_the_commit_it_rests_on(sqlite_database: Database, data_dir: Path) -> None:
    """ "Already there" may mean a row of the same group, which could still be lost."""
    seen: list[Any] = []

    def look(_future: object) -> None:
        connection = _raw(data_dir)
        seen.append(connection.execute("SELECT name FROM meta").fetchall())
        connection.close()

    with _held_back(sqlite_database):
        sqlite_database._submit_write(put_meta("one"))
        again = sqlite_database._submit_write(put_meta("one"))
        again.add_done_callback(look)
    assert again.exception(10) is not None
    await sqlite_database.write(put_meta("last"))
    assert seen == [[("one",)]]


async def test_who_is_cancelled_while_waiting_is_left_out(sqlite_database: Database) -> None:
    with _held_back(sqlite_database):
        task = asyncio.create_task(sqlite_database.write(put_meta("cancelled")))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await sqlite_database.write(put_meta("kept"))
    assert await sqlite_database.read(meta_names) == {"kept"}


async def test_every_connection_syncs_at_every_commit(sqlite_database: Database) -> None:
    def pragmas(tx: Connection) -> list[Any]:
        names = ("synchronous", "journal_mode", "foreign_keys", "mmap_size", "query_only")
        return [tx.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]

    full = 2
    assert await sqlite_database.write(pragmas) == [full, "wal", 1, 0, 0]
    assert await sqlite_database.read(pragmas) == [full, "wal", 1, 0, 1]


async def test_too_long_a_queue_refuses_more(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "QUEUE_LIMIT", 5)
    with _held_back(sqlite_database):
        queued = [asyncio.create_task(sqlite_database.write(put_meta(f"n{n}"))) for n in range(8)]
        await asyncio.sleep(0)
    answers = await asyncio.gather(*queued, return_exceptions=True)
    assert answers[:5] == [f"n{n}" for n in range(5)]
    assert [answer.code for answer in answers[5:] if isinstance(answer, StorageFailed)] == ["storage_busy"] * 3
    await sqlite_database.write(put_meta("later"))


async def test_a_lock_held_by_another_program_passes(
    tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_S", 0.1)
    failed: list[int] = []
    database = open_database(copy_sqlite(sqlite_template, tmp_path / "data"), lambda: failed.append(1))
    other = _raw(tmp_path / "data")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageFailed) as caught:
        await database.write(put_meta("locked out"))
    assert caught.value.code == "storage_busy"
    other.execute("ROLLBACK")
    other.close()
    await database.write(put_meta("later"))
    assert await database.read(meta_names) == {"later"}
    assert failed == []
    database.close()


async def test_a_full_disk_keeps_nothing_and_passes_when_space_returns(sqlite_database: Database) -> None:
    def limit(pages: int) -> Callable[[Connection], None]:
        return lambda tx: tx.exec_driver_sql(f"PRAGMA max_page_count = {pages}").close()

    def large(tx: Connection) -> None:
        tx.execute(tables.meta.insert().values(name="large", value="x" * 1_000_000))

    await sqlite_database.write(limit(1))  # SQLite takes the present size when asked for less
    with _held_back(sqlite_database):
        group = [sqlite_database._submit_write(work) for work in (put_meta("small"), large, put_meta("small too"))]
    errors = [future.exception(10) for future in group]
    assert [getattr(error, "code", None) for error in errors] == ["storage_full"] * 3
    assert await sqlite_database.read(meta_names) == set()
    await sqlite_database.write(limit(1_000_000))
    await sqlite_database.write(large)
    assert await sqlite_database.read(meta_names) == {"large"}


# Runs in a process of its own, since a limit on file size holds for all of one. The kernel then refuses the
# WAL's growth with EFBIG, which SQLite reports as an I/O error while it commits.
_FAILING_DISK = """
import asyncio, json, resource, sys, threading
from pathlib import Path
from candil.errors import StorageFailed
from candil.store import tables
from candil.store.open import open_database
from tests.support.databases import meta_names, put_meta, sqlite_settings

async def main(data_dir):
    told = []
    database = open_database(sqlite_settings(data_dir), lambda: told.append(threading.current_thread().name))
    await database.write(put_meta("kept"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, resource.RLIM_INFINITY))
    def large(tx):
        tx.execute(tables.meta.insert().values(name="large", value="x" * 200_000))
    inside, go_on = threading.Event(), threading.Event()
    def hold(tx):
        inside.set()
        go_on.wait(10)
    held = database._submit_write(hold)
    inside.wait(10)
    waiting = [database._submit_write(work) for work in [put_meta("in its group"), large]]
    waiting += [database._submit_write(put_meta(f"n{n}")) for n in range(100)]
    go_on.set()
    held.result(10)
    codes = {getattr(future.exception(10), "code", "kept") for future in waiting}
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    later = []
    for n in range(3):
        try:
            later.append(await database.write(put_meta(f"later {n}")))
        except StorageFailed as error:
            later.append(error.code)
    database.close()
    reopened = open_database(sqlite_settings(data_dir))
    names = sorted(await reopened.read(meta_names))
    print(json.dumps({"codes": sorted(codes), "told": told, "later": later, "names": names}))
    reopened.close()

asyncio.run(main(Path(sys.argv[1])))
"""


def test_after_an_io_error_on_commit_nothing_is_acknowledged_any_more(tmp_path: Path) -> None:
    data_dir = migrated_sqlite(tmp_path / "data")
    ran = subprocess.run(
        [sys.executable, "-c", _FAILING_DISK, str(data_dir)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=Path(__file__).parents[3],
    )
    assert ran.returncode == 0, ran.stderr
    result = json.loads(ran.stdout)
    assert result["codes"] == ["storage_failed"], "the failed group and all that waited behind it"
    assert result["told"] == ["db-write"], "on_failed is called once"
    assert result["later"] == ["storage_failed"] * 3
    assert result["names"] == ["kept"]


async def test_a_failing_on_failed_still_answers_everyone(tmp_path: Path, sqlite_template: Path) -> None:
    def on_failed() -> None:
        raise RuntimeError("broken too")

    settings = copy_sqlite(sqlite_template, tmp_path / "data")
    database = SqliteDatabase(settings.data_dir, on_failed=on_failed)

    def fsync_fails(_connection: Connection) -> None:
        error = sqlcipher3.dbapi2.OperationalError("disk I/O error")
        error.sqlite_errorcode = 10 | (4 << 8)  # SQLITE_IOERR_FSYNC
        raise error

    event.listen(database._write_engine, "commit", fsync_fails)
    with pytest.raises(StorageFailed) as caught:
        await database.write(put_meta("lost"))
    assert caught.value.code == "storage_failed"
    with pytest.raises(StorageFailed):
        await database.write(put_meta("refused"))
    database.close()
    reopened = open_database(sqlite_settings(settings.data_dir))
    assert await reopened.read(meta_names) == set()
    reopened.close()

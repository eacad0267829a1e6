"""SQLite: one thread writes. What queued up meanwhile shares its commit, each function in a savepoint of its
own, so that one refusal harms nobody and a slow disk still carries many acknowledged edits per flush."""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from candil.errors import StorageFailed
from candil.store.database import Database
from candil.store.engine import FILE_NAME, sqlite_engine
from candil.store.failures import Verdict, closed, judge_sqlite, storage_failed

Work = tuple[Callable[[Connection], Any], "Future[Any]"]
Answer = tuple["Future[Any]", Any, BaseException | None]

GROUP_LIMIT = 64  # functions sharing one commit: bounds how long the first of them waits
QUEUE_LIMIT = 2000
READERS = 2


class SqliteDatabase(Database):
    def __init__(self, data_dir: Path, key: str = "", on_failed: Callable[[], None] = lambda: None) -> None:
        super().__init__(on_failed)
        path = data_dir / FILE_NAME
        self._write_engine = sqlite_engine(path, writer=True, key=key)
        self._read_engine = sqlite_engine(path, writer=False, key=key, pool_size=READERS)
        self._connection = self._write_engine.connect()  # a wrong key shows here, not in a thread
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="db-read")
        self._queue: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._entrance = threading.Lock()  # nothing is queued behind the end
        self._refusal: Callable[[], StorageFailed] | None = None
        self._thread = threading.Thread(target=self._run, name="db-write", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._refuse_from_now(closed)
        self._thread.join()
        self._readers.shutdown()
        self._connection.close()
        self._write_engine.dispose()
        self._read_engine.dispose()

    def _submit_write(self, function: Callable[[Connection], Any]) -> "Future[Any]":
        future: Future[Any] = Future()
        with self._entrance:
            if self._refusal is not None:
                raise self._refusal()
            if self._queue.qsize() >= QUEUE_LIMIT:
                raise storage_failed(Verdict.BUSY)
            self._queue.put((function, future))
        return future

    def _submit_read(self, function: Callable[[Connection], Any]) -> "Future[Any]":
        try:
            return self._readers.submit(self._read, function)
        except RuntimeError:  # the executor was shut down
            raise closed() from None

    def _read(self, function: Callable[[Connection], Any]) -> Any:
        try:
            with self._read_engine.begin() as connection:
                return function(connection)
        except Exception as error:
            verdict = judge_sqlite(error, reading=True)
            if verdict is Verdict.CALLER:
                raise
            raise storage_failed(verdict) from error

    def _refuse_from_now(self, refusal: Callable[[], StorageFailed]) -> None:
        """Let nothing more in; the writer ends after what is already queued."""
        with self._entrance:
            if self._refusal is None:
                self._refusal = refusal
                self._queue.put(None)

    def _run(self) -> None:
        while (group := self._next_group()) is not None:
            try:
                self._answer(self._commit(group))
            except Exception as error:
                self._end_group(group, error)
            if self._failed:
                self._refuse_from_now(lambda: storage_failed(Verdict.DISTRUST))
                self._refuse_queued()
                return

    def _next_group(self) -> list[Work] | None:
        """What waits, at least one and at most GROUP_LIMIT; None at the end. Who was cancelled while waiting is
        left out: from here on a cancellation comes too late."""
        group: list[Work] = []
        while len(group) < GROUP_LIMIT:
            try:
                item = self._queue.get(block=not group)
            except queue.Empty:
                break
            if item is None:
                if not group:
                    return None
                self._queue.put(None)
                break
            if item[1].set_running_or_notify_cancel():
                group.append(item)
        return group

    def _commit(self, group: list[Work]) -> list[Answer]:
        """Run a group in one transaction. Refusals are told after the commit too: they may rest on what
        another function of the group wrote."""
        with self._connection.begin():
            return [(future, *_in_savepoint(self._connection, function)) for function, future in group]

    def _answer(self, answers: list[Answer]) -> None:
        for future, value, refusal in answers:
            if refusal is not None:
                future.set_exception(refusal)
            else:
                future.set_result(value)

    def _end_group(self, group: list[Work], error: Exception) -> None:
        """Nothing of the group was kept. Busy and full pass; whatever else happens to a commit does not."""
        verdict = judge_sqlite(error)
        if verdict not in (Verdict.BUSY, Verdict.FULL):
            verdict = Verdict.DISTRUST
            self._fail(error)
        for _, future in group:
            future.set_exception(storage_failed(verdict))

    def _refuse_queued(self) -> None:
        while (item := self._queue.get()) is not None:
            if item[1].set_running_or_notify_cancel():
                item[1].set_exception(storage_failed(Verdict.DISTRUST))


def _in_savepoint(connection: Connection, function: Callable[[Connection], Any]) -> tuple[Any, BaseException | None]:
    """The result, or the refusal. An error of the disk is neither: SQLite may have rolled back everything,
    so it ends the group."""
    savepoint = connection.begin_nested()
    try:
        value = function(connection)
        savepoint.commit()
    except BaseException as error:
        if judge_sqlite(error) is not Verdict.CALLER:
            raise
        savepoint.rollback()
        return None, error
    return value, None

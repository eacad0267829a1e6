"""The door to durable truth: ``write`` returns after the commit, ``read`` sees committed state.

Functions given to either are plain synchronous code over a SQLAlchemy ``Connection``; they must not
block on anything else. On SQLite one thread writes; what queued up meanwhile shares its commit, each
function in a savepoint of its own, so that one refusal harms nobody and a slow disk still carries many
acknowledged edits per flush.
"""

import asyncio
import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from candil.errors import CandilError, StorageFailed
from candil.log import log_event
from candil.store.engine import FILE_NAME, postgresql_engine, sqlite_engine

T = TypeVar("T")
Work = tuple[Callable[[Connection], Any], "Future[Any]"]
log = logging.getLogger(__name__)

GROUP_LIMIT = 64  # functions sharing one commit: bounds how long the first of them waits
QUEUE_LIMIT = 2000


class Database:
    """One open database. ``on_failed`` is called once, from any thread, when a commit could not be
    promised: the process must stop acknowledging and exit, since after a failed flush the disk and the
    page cache may disagree (retrying fsync can succeed with the data gone)."""

    def __init__(self, on_failed: Callable[[], None] = lambda: None) -> None:
        self._on_failed = on_failed
        self._failed = False

    async def write(self, function: Callable[[Connection], T]) -> T:
        """Run in a transaction and return its result once committed.

        Raises what ``function`` raises (nothing of it is kept then), or StorageFailed.
        """
        if self._failed:
            raise StorageFailed("storage_failed", "The database failed; restart the service once the disk is well.")
        return await asyncio.wrap_future(self._submit_write(function))

    async def read(self, function: Callable[[Connection], T]) -> T:
        return await asyncio.wrap_future(self._submit_read(function))

    def close(self) -> None:
        raise NotImplementedError

    def _submit_write(self, function: Callable[[Connection], Any]) -> "Future[Any]":
        raise NotImplementedError

    def _submit_read(self, function: Callable[[Connection], Any]) -> "Future[Any]":
        raise NotImplementedError

    def _fail(self, error: BaseException) -> StorageFailed:
        if not self._failed:
            self._failed = True
            log.critical(log_event("storage.failed", error=type(error).__name__), exc_info=error)
            self._on_failed()
        return StorageFailed("storage_failed", "The database could not keep the change.")


class SqliteDatabase(Database):
    def __init__(self, data_dir: Path, key: str = "", on_failed: Callable[[], None] = lambda: None) -> None:
        super().__init__(on_failed)
        path = data_dir / FILE_NAME
        self._write_engine = sqlite_engine(path, writer=True, key=key)
        self._read_engine = sqlite_engine(path, writer=False, key=key)
        self._readers = ThreadPoolExecutor(2, thread_name_prefix="db-read")
        self._queue: queue.Queue[Work | None] = queue.Queue(QUEUE_LIMIT)
        self._thread = threading.Thread(target=self._run, name="db-write", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join()
        self._readers.shutdown()
        self._write_engine.dispose()
        self._read_engine.dispose()

    def _submit_write(self, function: Callable[[Connection], Any]) -> "Future[Any]":
        future: Future[Any] = Future()
        try:
            self._queue.put_nowait((function, future))
        except queue.Full:
            raise StorageFailed("storage_busy", "The disk is too slow for the load; try again.") from None
        return future

    def _submit_read(self, function: Callable[[Connection], Any]) -> "Future[Any]":
        return self._readers.submit(_in_transaction, self._read_engine, function)

    def _run(self) -> None:
        with self._write_engine.connect() as connection:
            while (first := self._queue.get()) is not None:
                if not self._commit_group(connection, self._group(first)):
                    return

    def _group(self, first: Work) -> list[Work]:
        group = [first]
        while len(group) < GROUP_LIMIT:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
            if item is None:
                self._queue.put(None)
                break
            group.append(item)
        return group

    def _commit_group(self, connection: Connection, group: list[Work]) -> bool:
        """Run and commit a group; False when the database can no longer be trusted."""
        answers: list[tuple[Future[Any], Any, BaseException | None]] = []
        try:
            with connection.begin():
                for function, future in group:
                    answers.append((future, *_in_savepoint(connection, function)))
        except Exception as error:
            failure = self._fail(error)
            for _, future in group:
                future.set_exception(failure)
            self._refuse_queued(failure)
            return False
        for future, value, refusal in answers:
            future.set_exception(refusal) if refusal else future.set_result(value)
        return True

    def _refuse_queued(self, failure: StorageFailed) -> None:
        while True:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return
            if item is not None:
                item[1].set_exception(failure)


def _in_savepoint(connection: Connection, function: Callable[[Connection], Any]) -> tuple[Any, BaseException | None]:
    """The result, or the refusal. An error of the disk is neither: it ends the group."""
    savepoint = connection.begin_nested()
    try:
        value = function(connection)
        savepoint.commit()
    except DBAPIError as error:
        if "disk" in str(error.orig) or "readonly" in str(error.orig):
            raise
        savepoint.rollback()
        return None, error
    except Exception as error:
        savepoint.rollback()
        return None, error
    return value, None


def _in_transaction(engine: Engine, function: Callable[[Connection], Any]) -> Any:
    with engine.begin() as connection:
        return function(connection)


class PostgresqlDatabase(Database):
    """Several processes share it, so functions that number things lock their consult's row first."""

    POOL = 6

    def __init__(self, url: str, on_failed: Callable[[], None] = lambda: None) -> None:
        super().__init__(on_failed)
        self._engine = postgresql_engine(url, pool_size=self.POOL)
        self._threads = ThreadPoolExecutor(self.POOL, thread_name_prefix="db")

    def close(self) -> None:
        self._threads.shutdown()
        self._engine.dispose()

    def _submit_write(self, function: Callable[[Connection], Any]) -> "Future[Any]":
        return self._threads.submit(self._transaction, function)

    _submit_read = _submit_write

    def _transaction(self, function: Callable[[Connection], Any]) -> Any:
        """A lost server is not a failed disk: the write was not acknowledged, and the next may succeed."""
        try:
            return _in_transaction(self._engine, function)
        except CandilError:
            raise
        except DBAPIError as error:
            if error.connection_invalidated:
                raise StorageFailed("storage_unreachable", "The database did not answer; nothing was kept.") from error
            raise

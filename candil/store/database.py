"""The door to durable truth: ``write`` returns after the commit, ``read`` sees committed state.

Functions given to either are plain synchronous code over a SQLAlchemy ``Connection``; they must not
block on anything else, and may be run again when the database asks for it, so they change nothing but
the database.
"""

import asyncio
import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from sqlalchemy import Connection

from candil.log import log_event
from candil.store.failures import Verdict, storage_failed

T = TypeVar("T")
log = logging.getLogger(__name__)


class Database(ABC):
    """One open database. ``on_failed`` is called once, from any thread, when a commit could not be
    promised: the process must stop acknowledging and exit, since after a failed flush the disk and the
    page cache may disagree (retrying fsync can succeed with the data gone)."""

    def __init__(self, on_failed: Callable[[], None] = lambda: None) -> None:
        self._on_failed = on_failed
        self._failed = False
        self._failing = threading.Lock()

    async def write(self, function: Callable[[Connection], T]) -> T:
        """Run in a transaction and return its result once committed.

        Raises what ``function`` raises (nothing of it is kept then), or StorageFailed. A caller that is
        cancelled does not know whether the change was kept.
        """
        if self._failed:
            raise storage_failed(Verdict.DISTRUST)
        return await asyncio.wrap_future(self._submit_write(function))

    async def read(self, function: Callable[[Connection], T]) -> T:
        """Run on one snapshot of what is committed, without writing."""
        return await asyncio.wrap_future(self._submit_read(function))

    @abstractmethod
    def close(self) -> None:
        """Finish what was handed in, refuse what comes later. Blocks; may be called twice."""

    @abstractmethod
    def _submit_write(self, function: Callable[[Connection], Any]) -> "Future[Any]": ...

    @abstractmethod
    def _submit_read(self, function: Callable[[Connection], Any]) -> "Future[Any]": ...

    def _fail(self, error: BaseException) -> None:
        with self._failing:
            if self._failed:
                return
            self._failed = True
        log.critical(log_event("storage.failed", error=type(error).__name__), exc_info=error)
        try:
            self._on_failed()
        except Exception as failure:
            log.critical(log_event("storage.on_failed_failed"), exc_info=failure)

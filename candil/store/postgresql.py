"""PostgreSQL: a small pool. Several processes share it, so functions that number things lock their consult's row."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from sqlalchemy import Connection, Engine, text

from candil.store.database import Database
from candil.store.engine import postgresql_engine
from candil.store.failures import Verdict, closed, judge_postgresql, storage_failed

POOL = 6
TRIES = 4  # of a function that lost a deadlock


def durability_problems(connection: Connection) -> list[str]:
    """Settings of the server with which an acknowledged commit may be lost in a power cut, each with its fix."""
    query = "SELECT name, reset_val FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit')"
    settings = {row.name: row.reset_val for row in connection.execute(text(query))}
    return [
        f"PostgreSQL has {name} = off: a power cut may lose or corrupt notes that were confirmed. "
        f"Set {name} = on in postgresql.conf and reload it."
        for name, value in sorted(settings.items())
        if value == "off"
    ]


class PostgresqlDatabase(Database):
    """``on_failed`` is never called: after a failed flush PostgreSQL itself stops and recovers from its log."""

    def __init__(self, url: str, on_failed: Callable[[], None] = lambda: None) -> None:
        super().__init__(on_failed)
        self._engine = postgresql_engine(url, pool_size=POOL)
        # One snapshot for all statements of a function, as on SQLite.
        self._read_engine = self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._threads = ThreadPoolExecutor(POOL, thread_name_prefix="db")

    def close(self) -> None:
        self._threads.shutdown()
        self._engine.dispose()

    def _submit_write(self, function: Callable[[Connection], Any]) -> "Future[Any]":
        return self._submit(self._engine, function, reading=False)

    def _submit_read(self, function: Callable[[Connection], Any]) -> "Future[Any]":
        return self._submit(self._read_engine, function, reading=True)

    def _submit(self, engine: Engine, function: Callable[[Connection], Any], *, reading: bool) -> "Future[Any]":
        try:
            return self._threads.submit(_in_transaction, engine, function, reading)
        except RuntimeError:  # the executor was shut down
            raise closed() from None


def _in_transaction(engine: Engine, function: Callable[[Connection], Any], reading: bool) -> Any:
    for tries_left in reversed(range(TRIES)):
        try:
            with engine.begin() as connection:
                return function(connection)
        except Exception as error:
            verdict = judge_postgresql(error, reading=reading)
            if verdict is Verdict.CALLER:
                raise
            if verdict is not Verdict.RETRY:
                raise storage_failed(verdict) from error
            if not tries_left:
                raise storage_failed(Verdict.BUSY) from error
    raise AssertionError("unreachable")

"""Which driver errors end the service, which pass, and which are the caller's own."""

import psycopg
import psycopg.errors
import pytest
import sqlcipher3.dbapi2
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError

from candil.errors import Refused
from candil.store.failures import Verdict, judge_postgresql, judge_sqlite, storage_failed


def _sqlite(code: int) -> DBAPIError:
    error = sqlcipher3.dbapi2.OperationalError("x")
    error.sqlite_errorcode = code
    return OperationalError("", {}, error)


def _postgresql(state: str) -> DBAPIError:
    return DBAPIError("", {}, psycopg.errors.lookup(state)("x"))


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        (1, Verdict.CALLER),  # ERROR: wrong SQL
        (5, Verdict.BUSY),
        (5 | 1 << 8, Verdict.BUSY),  # BUSY_RECOVERY
        (6, Verdict.BUSY),
        (8, Verdict.DISTRUST),  # READONLY: remounted
        (10, Verdict.DISTRUST),  # IOERR
        (10 | 4 << 8, Verdict.DISTRUST),  # IOERR_FSYNC
        (11, Verdict.DISTRUST),  # CORRUPT
        (13, Verdict.FULL),
        (14, Verdict.DISTRUST),  # CANTOPEN
        (19, Verdict.CALLER),  # CONSTRAINT
        (19 | 8 << 8, Verdict.CALLER),  # CONSTRAINT_UNIQUE
        (26, Verdict.DISTRUST),  # NOTADB
    ],
)
def test_sqlite(code: int, verdict: Verdict) -> None:
    assert judge_sqlite(_sqlite(code)) is verdict


def test_writing_where_only_reading_is_allowed_is_the_callers_mistake() -> None:
    assert judge_sqlite(_sqlite(8), reading=True) is Verdict.CALLER
    assert judge_postgresql(_postgresql("25006"), reading=True) is Verdict.CALLER
    assert judge_postgresql(_postgresql("25006")) is Verdict.AWAY  # a standby after a failover


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        ("40001", Verdict.RETRY),
        ("40P01", Verdict.RETRY),
        ("55P03", Verdict.BUSY),
        ("53100", Verdict.FULL),
        ("57P01", Verdict.AWAY),
        ("57P03", Verdict.AWAY),
        ("08006", Verdict.AWAY),
        ("23505", Verdict.CALLER),
        ("42601", Verdict.CALLER),
    ],
)
def test_postgresql(state: str, verdict: Verdict) -> None:
    assert judge_postgresql(_postgresql(state)) is verdict


def test_a_connection_that_never_came_is_an_absent_server() -> None:
    assert judge_postgresql(OperationalError("", {}, psycopg.OperationalError("refused"))) is Verdict.AWAY
    assert judge_postgresql(InterfaceError("", {}, psycopg.InterfaceError("closed"))) is Verdict.AWAY


def test_errors_without_a_driver_are_the_callers() -> None:
    for error in (Refused("no"), ValueError(), KeyboardInterrupt()):
        assert judge_sqlite(error) is judge_postgresql(error) is Verdict.CALLER
    unique = IntegrityError("", {}, sqlcipher3.dbapi2.IntegrityError("x"))
    assert judge_sqlite(unique) is Verdict.CALLER


@pytest.mark.parametrize("verdict", [Verdict.BUSY, Verdict.FULL, Verdict.AWAY, Verdict.DISTRUST])
def test_each_caller_gets_an_error_of_their_own(verdict: Verdict) -> None:
    first, second = storage_failed(verdict), storage_failed(verdict)
    assert first is not second
    assert first.code == verdict.value.lower()
    assert first.status == 503

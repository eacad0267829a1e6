"""What a driver's error means for the promise that a commit is durable."""

from enum import Enum

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from candil.errors import StorageFailed

_SQLITE_BUSY = {5, 6}  # SQLITE_BUSY, SQLITE_LOCKED
_SQLITE_FULL = 13
_SQLITE_READONLY = 8
SQLITE_NOTADB = 26
# PERM, READONLY, IOERR, CORRUPT, CANTOPEN, PROTOCOL, NOTADB: disk and page cache may disagree from here on
_SQLITE_DISTRUST = {3, 8, 10, 11, 14, 15, 26}

_POSTGRESQL_RETRY = {"40001", "40P01"}  # serialization failure, deadlock
_POSTGRESQL_BUSY = {"55P03", "57014"}  # lock timeout, statement cancelled
_POSTGRESQL_FULL = {"53100"}
_POSTGRESQL_READONLY = "25006"
_POSTGRESQL_AWAY = {"25006", "57P01", "57P02", "57P03", "53300", "58030"}  # read-only, shutting down, starting, full up


class Verdict(Enum):
    """How to go on after an error."""

    CALLER = "the function's own mistake: its caller gets the error as it is"
    RETRY = "rolled back by the server through no fault of the function: run it again"
    BUSY = "storage_busy"
    FULL = "storage_full"
    AWAY = "storage_unreachable"
    DISTRUST = "storage_failed"


_MESSAGES = {
    Verdict.BUSY: "The database is too busy; nothing was kept, try again.",
    Verdict.FULL: "The disk is full; nothing was kept.",
    Verdict.AWAY: "The database did not answer; the change may not have been kept.",
    Verdict.DISTRUST: "The database failed; restart the service once the disk is well.",
}


def storage_failed(verdict: Verdict) -> StorageFailed:
    """A new error each time: one raised in several tasks would gather their tracebacks."""
    return StorageFailed(verdict.value, _MESSAGES[verdict])


def closed() -> StorageFailed:
    return StorageFailed("storage_closed", "The service is stopping; nothing was kept.")


def judge_sqlite(error: BaseException, *, reading: bool = False) -> Verdict:
    """``reading``: the connection allows no writes, so an attempt is the function's mistake."""
    if not isinstance(error, DBAPIError):
        return Verdict.CALLER
    code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF  # extended codes keep the primary one in the low byte
    if reading and code == _SQLITE_READONLY:
        return Verdict.CALLER
    if code in _SQLITE_DISTRUST:
        return Verdict.DISTRUST
    if code == _SQLITE_FULL:
        return Verdict.FULL
    return Verdict.BUSY if code in _SQLITE_BUSY else Verdict.CALLER


def judge_postgresql(error: BaseException, *, reading: bool = False) -> Verdict:
    """A lost server is not a failed disk (it recovers from its own log): the next write may succeed."""
    if not isinstance(error, DBAPIError):
        return Verdict.CALLER
    state = getattr(error.orig, "sqlstate", None)
    if reading and state == _POSTGRESQL_READONLY:
        return Verdict.CALLER
    if state in _POSTGRESQL_RETRY:
        return Verdict.RETRY
    if state in _POSTGRESQL_BUSY:
        return Verdict.BUSY
    if state in _POSTGRESQL_FULL:
        return Verdict.FULL
    connection_lost = state is None and isinstance(error, OperationalError | InterfaceError)
    if error.connection_invalidated or connection_lost or state in _POSTGRESQL_AWAY or str(state).startswith("08"):
        return Verdict.AWAY
    return Verdict.CALLER

"""The only place below the shells that reads the clock."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Wall time as Unix seconds; pure code receives the value, never the clock."""

    def now(self) -> float: ...


class SystemClock:
    def now(self) -> float:
        return time.time()


class ManualClock:
    """A clock that a test moves by hand."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self._now = now

    def now(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += seconds


def to_datetime(now: float) -> datetime:
    """Unix seconds to an aware UTC datetime."""
    return datetime.fromtimestamp(now, UTC)


def to_iso(now: float) -> str:
    """Unix seconds to RFC 3339 in UTC with milliseconds, as events and APIs carry it."""
    return to_datetime(now).isoformat(timespec="milliseconds").replace("+00:00", "Z")

"""Waiting for something to become true, with a reason when it does not."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any


async def eventually(what: str, check: Callable[[], Any | Awaitable[Any]], timeout_s: float = 10.0) -> Any:
    """The first true value of ``check()``, asked every 20 ms; fails naming ``what`` was missing."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = check()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"within {timeout_s} s not: {what} (last seen: {value!r})")
        await asyncio.sleep(0.02)

"""``candil migrate``, and what the commands share that write to the database once."""

import argparse
import asyncio
from collections.abc import Callable
from typing import TypeVar

from candil.config import Settings
from candil.store import open as store
from candil.store.tx import Transaction

T = TypeVar("T")


def migrate(settings: Settings, _options: argparse.Namespace) -> int:
    store.migrate(settings.storage)
    print("The database is up to date.")
    return 0


def in_database(settings: Settings, function: Callable[[Transaction], T]) -> T:
    """Run one write on the migrated database."""
    store.migrate(settings.storage)
    db = store.open_database(settings.storage)
    try:
        return asyncio.run(db.write(function))
    finally:
        db.close()

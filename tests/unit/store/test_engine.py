"""What a connection is told before anything is read or written."""

import pytest

from candil.store.engine import OLDEST_SQLITE, _pragmas, check_sqlite_version


def test_the_sqlite_that_is_installed_is_new_enough() -> None:
    assert tuple(map(int, check_sqlite_version().split("."))) >= OLDEST_SQLITE


@pytest.mark.parametrize("migrating", [True, False])
def test_synchronous_is_set_before_the_switch_to_wal(migrating: bool) -> None:
    """The switch unlinks a rollback journal, and only EXTRA syncs the directory after that."""
    pragmas = _pragmas(writer=True, migrating=migrating, key="ab" * 32)
    synchronous = pragmas.index(f"PRAGMA synchronous = {'EXTRA' if migrating else 'FULL'}")
    assert synchronous < pragmas.index("PRAGMA journal_mode = WAL")
    assert pragmas[0].startswith("PRAGMA key")


def test_only_readers_are_kept_from_writing() -> None:
    assert "PRAGMA query_only = ON" in _pragmas(writer=False, migrating=False, key="")
    assert "PRAGMA query_only = ON" not in _pragmas(writer=True, migrating=False, key="")

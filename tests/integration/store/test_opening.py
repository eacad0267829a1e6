"""Creating, migrating and opening: what is refused, with which words, and what is left on the disk."""

import os
import stat
from pathlib import Path
from typing import Any

import pytest
import sqlcipher3.dbapi2

from candil.config.settings import StorageSettings
from candil.errors import ConfigError
from candil.store import engine, open
from candil.store.engine import FILE_NAME
from candil.store.open import migrate, open_database
from tests.support.databases import meta_names, put_meta, sqlite_settings
from tests.support.processes import free_port

KEY = "0123456789abcdef" * 4


def _settings(data_dir: Path, key: str | None = None) -> StorageSettings:
    if key is None:
        return sqlite_settings(data_dir)
    key_file = data_dir.parent / "database.key"
    key_file.write_text(key + "\n")
    return StorageSettings(data_dir=data_dir, database_key_file=key_file)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_only_the_service_may_read_what_it_keeps(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        settings = sqlite_settings(tmp_path / "new" / "data")
        migrate(settings)
        database = open_database(settings)
        await database.write(put_meta("row"))
        modes = {path.name: _mode(path) for path in settings.data_dir.iterdir()}
        database.close()
    finally:
        os.umask(umask)
    assert _mode(settings.data_dir) == 0o700
    assert modes == {FILE_NAME: 0o600, f"{FILE_NAME}-wal": 0o600, f"{FILE_NAME}-shm": 0o600}


async def test_closing_leaves_one_whole_file(tmp_path: Path) -> None:
    settings = sqlite_settings(tmp_path / "data")
    migrate(settings)
    database = open_database(settings)
    await database.write(put_meta("row"))
    database.close()
    assert [path.name for path in settings.data_dir.iterdir()] == [FILE_NAME]


async def test_migrating_again_changes_nothing(tmp_path: Path) -> None:
    settings = sqlite_settings(tmp_path / "data")
    migrate(settings)
    database = open_database(settings)
    await database.write(put_meta("row"))
    database.close()
    migrate(settings)
    database = open_database(settings)
    assert await database.read(meta_names) == {"row"}
    database.close()


def test_migrating_syncs_the_directory_at_each_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    upgrade = open.upgrade

    def look(connection: Any) -> None:
        seen.append(connection.exec_driver_sql("PRAGMA synchronous").scalar())
        seen.append(connection.exec_driver_sql("PRAGMA foreign_keys").scalar())
        upgrade(connection)

    synced: list[Path] = []
    monkeypatch.setattr(open, "upgrade", look)
    monkeypatch.setattr(open, "sync_directory", synced.append)
    migrate(sqlite_settings(tmp_path / "a" / "data"))
    extra = 3
    assert seen == [extra, 0]
    assert synced == [tmp_path / "a" / "data", tmp_path / "a", tmp_path]


def test_a_migration_that_leaves_dangling_references_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = sqlite_settings(tmp_path / "data")
    migrate(settings)
    upgrade = open.upgrade

    def careless(connection: Any) -> None:
        upgrade(connection)
        connection.exec_driver_sql(
            "INSERT INTO timeline (consult_id, seq, kind, audience, actor, data, at) VALUES ('x', 1, '', '', '', '', 0)"
        )

    monkeypatch.setattr(open, "upgrade", careless)
    with pytest.raises(RuntimeError, match="1 dangling"):
        migrate(settings)
    monkeypatch.undo()
    migrate(settings)
    connection = sqlcipher3.dbapi2.connect(str(settings.data_dir / FILE_NAME))
    assert connection.execute("SELECT count(*) FROM timeline").fetchone() == (0,)
    connection.close()


def test_an_old_sqlite_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = sqlite_settings(tmp_path / "data")
    migrate(settings)
    for version in ("3.40.1", "3.51.2", "3.9.0"):
        monkeypatch.setattr(sqlcipher3.dbapi2, "sqlite_version", version)
        for start in (migrate, open_database):
            with pytest.raises(ConfigError, match=version) as caught:
                start(settings)
            assert caught.value.code == "sqlite_too_old"
    monkeypatch.setattr(sqlcipher3.dbapi2, "sqlite_version", "3.51.3")
    open_database(settings).close()


async def test_an_encrypted_database_opens_with_its_key_and_shows_nothing_without(tmp_path: Path) -> None:
    settings = _settings(tmp_path / "data", KEY)
    migrate(settings)
    database = open_database(settings)
    await database.write(put_meta("diagnóstico"))
    stored = b"".join(path.read_bytes() for path in settings.data_dir.iterdir())
    database.close()
    stored += (settings.data_dir / FILE_NAME).read_bytes()
    for plain in ("diagnóstico".encode(), b"SQLite format 3", b"CREATE TABLE"):
        assert plain not in stored
    database = open_database(settings)
    assert await database.read(meta_names) == {"diagnóstico"}
    database.close()


@pytest.mark.parametrize(("made_with", "opened_with"), [(KEY, "f" * 64), (KEY, None), (None, KEY)])
def test_a_wrong_key_is_named_and_changes_nothing(
    tmp_path: Path, made_with: str | None, opened_with: str | None
) -> None:
    data_dir = tmp_path / "data"
    migrate(_settings(data_dir, made_with))
    before = (data_dir / FILE_NAME).read_bytes()
    for start in (migrate, open_database):
        with pytest.raises(ConfigError, match="database_key_file") as caught:
            start(_settings(data_dir, opened_with))
        assert caught.value.code == "database_key"
        assert KEY not in str(caught.value)
    assert (data_dir / FILE_NAME).read_bytes() == before
    open_database(_settings(data_dir, made_with)).close()


@pytest.mark.parametrize("content", ["", "abc", "g" * 64, "ab " * 21 + "a", "0" * 63, "0" * 65, KEY + "\n" + KEY])
def test_a_malformed_key_file_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(ConfigError, match="64 hex digits"):
        migrate(_settings(tmp_path / "data", content))


def test_a_missing_key_file_is_refused(tmp_path: Path) -> None:
    settings = StorageSettings(data_dir=tmp_path / "data", database_key_file=tmp_path / "none")
    with pytest.raises(ConfigError, match="none must hold"):
        migrate(settings)
    assert not settings.data_dir.joinpath(FILE_NAME + "-wal").exists()


def test_a_data_dir_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for data_dir in (tmp_path / "file", tmp_path / "file" / "data"):
        with pytest.raises(ConfigError, match="data_dir") as caught:
            migrate(sqlite_settings(data_dir))
        assert caught.value.code == "data_dir"


def test_something_else_in_place_of_the_database_is_refused(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    (data_dir / FILE_NAME).write_bytes(b"not a database" * 1000)
    with pytest.raises(ConfigError, match="does not open"):
        migrate(sqlite_settings(data_dir))


def test_a_database_in_use_by_another_program_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_S", 0.1)
    settings = sqlite_settings(tmp_path / "data")
    migrate(settings)
    other = sqlcipher3.dbapi2.connect(str(settings.data_dir / FILE_NAME), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(ConfigError) as caught:
        migrate(settings)
    other.close()
    assert caught.value.code == "database_busy"


def test_a_postgresql_that_does_not_answer_is_named_without_its_password() -> None:
    settings = StorageSettings(database_url=f"postgresql://candil:hunter2@127.0.0.1:{free_port()}/candil")
    with pytest.raises(ConfigError, match="database_url") as caught:
        migrate(settings)
    assert caught.value.code == "database_url"
    assert "hunter2" not in str(caught.value)

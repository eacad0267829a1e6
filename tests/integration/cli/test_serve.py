"""``candil serve`` as a process: it starts on its defaults, ends cleanly, and says plainly why it cannot start."""

import os
import signal
import socket
import time
from pathlib import Path

import pytest
import sqlcipher3.dbapi2

from tests.support.http_people import HttpDoctor
from tests.support.installation import Installation

PASSWORD = "lampara-de-aceite-7"


async def test_it_stops_cleanly_tells_its_sockets_to_come_back_and_goes_on(installation: Installation) -> None:
    installation.did(
        "add-staff", "ana", "Dra. Ana Rojas", "--licence", "M-1", "--password-stdin", given=PASSWORD + "\n"
    )
    first = installation.start()
    doctor = HttpDoctor(installation.url)
    await doctor.sign_in(installation.url, "ana", PASSWORD)
    board = await doctor.socket(installation.url, "/board/ticket")
    epoch = board.received[0]["epoch"]
    asked = time.monotonic()
    os.kill(first.process.pid, signal.SIGTERM)
    assert (await board.hear("bye")).get("retry", True)
    assert await board.close_code() == 1012
    assert first.process.wait(20) == 0
    assert time.monotonic() - asked < 10
    assert "ERROR" not in first.output().upper()

    second = installation.start()
    await doctor.read(installation.url + "/board")  # still signed in
    again = await doctor.socket(installation.url, "/board/ticket")
    assert again.received[0]["epoch"] == epoch
    await again.socket.close()
    await doctor.aclose()
    assert second.end() == 0


async def test_a_second_one_on_the_same_ports_says_so(installation: Installation, tmp_path: Path) -> None:
    other = Installation(tmp_path / "other")
    with socket.create_server(("127.0.0.1", installation.port)):
        refused = installation.run("serve")
        assert refused.returncode == 2
        wrong = f"[server] port {installation.port} on 127.0.0.1 cannot be used (Address already in use)"
        assert wrong in refused.stderr
        assert "choose another port" in refused.stderr
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", other.media_port))
        refused = other.run("serve")
        assert refused.returncode == 2
        assert f"[media] udp_port {other.media_port} on 127.0.0.1 cannot be used" in refused.stderr
    with socket.create_server(("127.0.0.1", other.media_port)):
        refused = other.run("serve")
        assert refused.returncode == 2
        assert f"[media] tcp_port {other.media_port} on 127.0.0.1 cannot be used" in refused.stderr


@pytest.mark.parametrize(
    ("sections", "sentences"),
    [
        (
            {"server": {"prot": 1}, "clinic": {"price_per_mb": "caro"}},
            [
                "[server] prot is not a setting. Settings here are: public_url, host",
                "[clinic] price_per_mb must be a number",
            ],
        ),
        (
            {"server": {"public_url": "http://consulta.example"}},
            ["browsers will refuse the camera", "tls = self-signed"],
        ),
        ({"turn": {"uris": ["turn:relay.example"]}}, ["give secret or secret_file, the same as coturn's"]),
        ({"redis": {"url": "redis://127.0.0.1"}}, ["set [storage] database_url to PostgreSQL"]),
    ],
)
def test_a_wrong_setting_stops_the_start_with_its_fix(
    installation: Installation, sections: dict[str, dict[str, object]], sentences: list[str]
) -> None:
    installation.configure(sections)
    refused = installation.run("serve")
    assert refused.returncode == 2
    for sentence in sentences:
        assert sentence in refused.stderr
    assert not (installation.folder / "data").exists()


def test_a_wrong_variable_or_file_stops_the_start_with_its_fix(installation: Installation) -> None:
    refused = installation.run("serve", environment={"CANDIL_SERVER_PROT": "80"})
    assert refused.returncode == 2
    assert "CANDIL_SERVER_PROT is not a setting. See docs/configuration.md" in refused.stderr
    (installation.folder / "candil.toml").write_text("[server\n")
    refused = installation.run("serve")
    assert refused.returncode == 2
    assert "candil.toml is not TOML" in refused.stderr
    refused = installation.run("--config", "elsewhere.toml", "serve")
    assert refused.returncode == 2
    assert "There is no file elsewhere.toml. Copy candil.example.toml there." in refused.stderr


def test_a_database_of_a_newer_version_is_left_alone(installation: Installation) -> None:
    installation.did("migrate")
    path = installation.folder / "data" / "candil.sqlite"
    with sqlcipher3.dbapi2.connect(str(path)) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    refused = installation.run("serve")
    assert refused.returncode == 2
    assert "made by a newer Candil: install that version again, or put back the backup" in refused.stderr


def test_migrate_may_be_repeated(installation: Installation) -> None:
    for _ in range(2):
        assert installation.did("migrate") == "The database is up to date.\n"
    assert (installation.folder / "data" / "candil.sqlite").stat().st_mode & 0o777 == 0o600

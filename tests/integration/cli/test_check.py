"""``candil check``: everything that can be wrong in a clinic, one at a time, and what the technician is told."""

import http.server
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.coturn import Coturn, free_port, running_coturn
from tests.support.fhir_server import FhirServer
from tests.support.installation import Installation
from tests.support.postgresql import PostgresqlServer, running_postgresql
from tests.support.redis_server import RedisServer

Sections = dict[str, dict[str, Any]]
KEY, OTHER_KEY = "ab" * 32, "cd" * 32


@pytest.fixture(scope="module")
def ehr(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FhirServer]:
    server = FhirServer(tmp_path_factory.mktemp("ehr"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def durable_postgresql() -> Iterator[PostgresqlServer]:
    """Set up as a clinic's is."""
    with running_postgresql() as server:
        server.stop()
        server.start("-c", "fsync=on", "-c", "full_page_writes=on")
        yield server


def ehr_at(url: str) -> Sections:
    return {"ehr": {"fhir": [{"name": "historia", "base_url": url}]}}


def relay_of(coturn: Coturn, secret: str) -> Sections:
    uris = [coturn.udp_uri, coturn.tcp_uri, coturn.tls_uri]
    return {"turn": {"uris": uris, "secret": secret, "ca_file": coturn.certificate_file}}


def checked(installation: Installation, sections: Sections) -> tuple[int, str]:
    installation.configure(sections)
    done = installation.run("check")
    return done.returncode, done.stdout


def all_of(cases: Mapping[str, tuple[Sections, str]], folder: Path) -> dict[str, tuple[int, str]]:
    """Check every installation, two at a time: what each was told."""
    with ThreadPoolExecutor(2) as pool:
        told = {
            name: pool.submit(checked, Installation(folder / name), sections) for name, (sections, _) in cases.items()
        }
        return {name: future.result() for name, future in told.items()}


def test_everything_works(
    installation: Installation,
    tmp_path: Path,
    ehr: FhirServer,
    durable_postgresql: PostgresqlServer,
    redis_server: RedisServer,
) -> None:
    with running_coturn(tmp_path / "coturn") as coturn:
        sections = {
            "storage": {"database_url": durable_postgresql.create_database("works")},
            "redis": {"url": redis_server.url},
            "security": {"secret_key_file": installation.folder / "shared.key"},
            **ehr_at(ehr.base_url),
            **relay_of(coturn, coturn.settings.secret),
        }
        (installation.folder / "shared.key").write_text("k" * 48)
        status, told = checked(installation, sections)
        assert (status, told.splitlines()[-1]) == (0, "Everything works."), told
        relays = [f"relay {uri}" for uri in (coturn.udp_uri, coturn.tcp_uri, coturn.tls_uri)]
        parts = ["configuration", "clock", "database", "Redis", "media ladder", "TLS"]
        parts += [f"pages port {installation.port}/tcp"]
        parts += [f"media port {installation.media_port}/{kind}" for kind in ("udp", "tcp")]
        parts += [*relays, "EHR historia"]
        assert told.splitlines()[:-1] == [f"ok    {part}" for part in parts]

        running = installation.start()
        status, told = checked(installation, sections)
        assert running.end() == 0
        assert status == 0, told
        assert f"ok    Candil is running on port {installation.port}" in told


def test_a_ladder_that_makes_no_sense(installation: Installation) -> None:
    status, told = checked(installation, {"ladder": {"video_hold_bps": 900_000}})
    assert status == 1
    assert "[ladder] video_hold_bps must be above 0 and below video_enter_bps (415000)" in told
    assert "1 to mend." in told


def test_the_embedded_database(installation: Installation, tmp_path: Path) -> None:
    keys = {name: tmp_path / name for name in ("right", "wrong", "nonsense")}
    for path, text in zip(keys.values(), (KEY, OTHER_KEY, "x"), strict=True):
        path.write_text(text)
    assert checked(installation, {"storage": {"database_key_file": keys["right"]}})[0] == 0
    data = installation.folder / "data"
    for name, sentence in (
        ("wrong", f"{data.name}/candil.sqlite does not open with this key: set [storage] database_key_file to the key"),
        ("nonsense", f"{keys['nonsense']} must hold the database key as 64 hex digits."),
    ):
        status, told = checked(installation, {"storage": {"database_key_file": keys[name]}})
        assert status == 1
        assert "WRONG database" in told
        assert sentence in told
        assert "1 to mend." in told

    (tmp_path / "file").write_text("")
    told = checked(installation, {"storage": {"data_dir": tmp_path / "file"}})[1]
    assert f"[storage] data_dir {tmp_path / 'file'} cannot be used (File exists)" in told

    folder = tmp_path / "not ours"
    folder.mkdir(mode=0o500)
    installation.configure({"storage": {"data_dir": folder}})
    # As root, without root's right to write everywhere.
    without = "--bounding-set=-dac_override,-dac_read_search,-fowner"
    told = installation.run("check", prefix=["setpriv", without] if os.geteuid() == 0 else []).stdout
    assert f"[storage] data_dir {folder} cannot be used (Permission denied)" in told


def test_databases_and_redis_of_other_machines(
    tmp_path: Path, postgresql_server: PostgresqlServer, durable_postgresql: PostgresqlServer
) -> None:
    nobody = free_port()
    lax = postgresql_server.create_database("lax")  # as these tests run it: fsync=off
    strict = durable_postgresql.create_database("strict")
    cases: dict[str, tuple[Sections, str]] = {
        "lax": ({"storage": {"database_url": lax}}, "PostgreSQL has fsync = off: a power cut may lose"),
        "strict": ({"storage": {"database_url": strict}}, "Everything works."),
        "unnamed": (
            {"storage": {"database_url": durable_postgresql.url("nowhere")}},
            "[storage] database_url: PostgreSQL does not answer or refuses us; check host, name, user and password.",
        ),
        "redis": (
            {"storage": {"database_url": strict}, "redis": {"url": f"redis://:lampara-9@127.0.0.1:{nobody}/0"}},
            f"Redis does not answer at 127.0.0.1:{nobody}/0. Is it running, and is [redis] url right?",
        ),
    }
    found = all_of(cases, tmp_path)
    for name, (_, sentence) in cases.items():
        status, told = found[name]
        assert sentence in told, f"{name}: {told}"
        assert status == (0 if name == "strict" else 1)
        assert "lampara" not in told
    assert "full_page_writes = off" in found["lax"][1]


def test_the_ehr(tmp_path: Path) -> None:
    with pages_that_are_no_ehr() as not_fhir:
        nobody = f"http://127.0.0.1:{free_port()}/fhir"
        cases: dict[str, tuple[Sections, str]] = {
            "down": (ehr_at(nobody), "the server cannot be reached"),
            "pages": (ehr_at(not_fhir), "the address answers, but not in FHIR JSON: check base_url"),
            "elsewhere": (ehr_at(not_fhir + "/nowhere"), "HTTP 404 on /metadata: check base_url"),
        }
        found = all_of(cases, tmp_path)
    for name, (_, sentence) in cases.items():
        status, told = found[name]
        assert status == 1
        assert "WRONG EHR historia" in told
        assert sentence in told, f"{name}: {told}"


def test_the_relay(tmp_path: Path) -> None:
    with running_coturn(tmp_path / "coturn") as coturn:
        unknown = relay_of(coturn, coturn.settings.secret)
        unknown["turn"]["uris"] = [f"turn:127.0.0.1:{free_port()}?transport=tcp"]
        cases: dict[str, tuple[Sections, str]] = {
            "secret": (relay_of(coturn, "f" * 64), "coturn refuses our credential. Either [turn] secret differs"),
            "nobody": (unknown, "Is coturn running, and is that port open in the firewall of both machines?"),
        }
        found = all_of(cases, tmp_path)
    for name, (_, sentence) in cases.items():
        status, told = found[name]
        assert status == 1
        assert sentence in told, f"{name}: {told}"
    assert "3 to mend." in found["secret"][1]


def test_ports_and_the_clock(installation: Installation) -> None:
    installation.configure({})
    with (
        socket.create_server(("127.0.0.1", installation.port)),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media,
    ):
        media.bind(("127.0.0.1", installation.media_port))
        # The clock of the tests is right, so the bound is moved instead.
        late = "import sys, datetime as d; from candil.cli import check, main; "
        late += "check.OLDEST_PLAUSIBLE_CLOCK = d.datetime.now(d.UTC) + d.timedelta(days=1); sys.exit(main(['check']))"
        done = subprocess.run(
            [sys.executable, "-c", late],
            cwd=installation.folder,
            env=installation.environment({}),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 1, done.stderr
    for sentence in (
        "the clock is wrong (a dead battery?): links and certificates will not be valid. Set it, or run NTP.",
        f"127.0.0.1 port {installation.port} cannot be used (Address already in use). Stop the other program",
        f"127.0.0.1 port {installation.media_port} cannot be used (Address already in use). Stop the other program",
        "3 to mend.",
    ):
        assert sentence in done.stdout


@contextmanager
def pages_that_are_no_ehr() -> Iterator[str]:
    """A web server that answers /metadata with a page; its URL."""

    class Pages(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/metadata"
            self.send_response(200 if found else 404)
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>Bienvenidos</title>")

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

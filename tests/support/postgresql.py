"""A real PostgreSQL for tests: its own cluster in a temporary folder, on a free loopback port."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import psycopg.sql

from tests.support.processes import ServerProcess, free_port

USER = "candil"


def _binary(name: str) -> str:
    """Debian keeps the server's programs out of PATH."""
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    found = str(installed[-1]) if installed else shutil.which(name)
    assert found, f"{name} is not installed (Debian: postgresql)"
    return found


def _unprivileged() -> list[str]:
    """What to put before a command of a server that refuses to run as root."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]


class PostgresqlServer:
    """``kill`` its process and ``start`` again as after a power cut; the data stays."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self._data = folder / "data"
        self._process: ServerProcess | None = None
        options = ["-D", str(self._data), "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        command = [*_unprivileged(), _binary("initdb"), *options]
        made = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stderr

    def start(self, *options: str) -> None:
        command = [*_unprivileged(), _binary("postgres"), "-D", str(self._data), "-p", str(self.port)]
        command += ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        # These tests are not about PostgreSQL's own durability.
        command += ["-c", "fsync=off", "-c", "full_page_writes=off", "-c", "shared_buffers=16MB", *options]
        self._process = ServerProcess(command, self._folder / "postgresql.log", self._answers)

    def stop(self) -> None:
        """Shut down cleanly without waiting for clients (SIGTERM would)."""
        self.process.stop(signal.SIGINT)

    @property
    def process(self) -> ServerProcess:
        assert self._process is not None, "not started"
        return self._process

    def url(self, database: str) -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str) -> str:
        """A new, empty database; its URL."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
        return self.url(name)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def running_postgresql() -> Iterator[PostgresqlServer]:
    folder = Path(tempfile.mkdtemp(prefix="candil-postgresql-"))
    try:
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(folder, account.pw_uid, account.pw_gid)
        server = PostgresqlServer(folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)

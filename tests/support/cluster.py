"""One clinic served by two ``candil serve`` processes on one PostgreSQL and one Redis, as on two machines."""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.support.coturn import free_port
from tests.support.fhir_server import FhirServer
from tests.support.installation import Installation, Running
from tests.support.postgresql import PostgresqlServer
from tests.support.product import CEDULA, DOCTOR_NAME, EHR, IDENTIFIER_BASE, LICENCE, LICENCES, register
from tests.support.redis_server import RedisServer, running_redis

LOGIN, PASSWORD = "dra.rojas", "lampara-de-aceite-7"
PATIENT_NAME = "Rosalinda Zambrano"


@dataclass(frozen=True)
class PlannedVisit:
    consult_id: str
    token: str
    identifier: str


class Cluster:
    """``origin`` is the address that people type; what stands in front of the processes is the test's business."""

    def __init__(self, folder: Path, database_url: str, redis: RedisServer, ehr: FhirServer) -> None:
        self.port = free_port()
        self.origin = f"http://localhost:{self.port}"
        self.redis, self.ehr = redis, ehr
        key = folder / "shared.key"
        key.write_text("s" * 48)
        target = {"name": EHR, "base_url": ehr.base_url, "identifier_base": IDENTIFIER_BASE, "timeout_s": 10.0}
        self._sections: dict[str, dict[str, Any]] = {
            "server": {"public_url": self.origin},
            "storage": {"database_url": database_url},
            "redis": {"url": redis.url},
            "security": {"secret_key_file": key, "request_limit_per_min": 1000},
            "ehr": {"fhir": [target]},
        }
        self.a, self.b = self.add(folder / "a"), self.add(folder / "b")
        self._people = 0
        self._add_doctor()

    def add(self, folder: Path) -> Installation:
        """One more machine of this clinic, not running yet."""
        node = Installation(folder, self._sections)
        node.url = f"http://127.0.0.1:{node.port}"
        return node

    @contextmanager
    def running(self) -> Iterator[tuple[Running, Running]]:
        """Both processes; none is left behind, however far the test came."""
        started: list[Running] = []
        try:
            for node in (self.a, self.b):
                started.append(node.start())
            yield started[0], started[1]
        finally:
            for running in started:
                running.process.stop()

    def _add_doctor(self) -> None:
        staff = ("add-staff", LOGIN, DOCTOR_NAME, "--licence", LICENCE, "--password-stdin")
        self.a.did(*staff, given=PASSWORD + "\n")
        self._key = self.a.did("add-api-key", "agenda").strip()
        register(self.ehr, "Practitioner", LICENCES, LICENCE, DOCTOR_NAME)

    def plan(self, node: Installation) -> PlannedVisit:
        """A new patient's consult, planned through one process's REST API."""
        self._people += 1
        identifier = f"V-{32_000_000 + free_port()}"
        register(self.ehr, "Patient", CEDULA, identifier, PATIENT_NAME)
        body = {
            "doctor": self._api(node, "GET", "/doctors")["doctors"][0]["id"],
            "identifier_kind": "cedula",
            "identifier": identifier,
            "name": PATIENT_NAME,
            "phone": "0414-5550101",
            "scheduled_at": (datetime.now(UTC) + timedelta(minutes=self._people)).isoformat(),
        }
        planned = self._api(node, "POST", "/consults", body)
        return PlannedVisit(planned["consult"]["id"], planned["link"]["url"].rsplit("/", 1)[1], identifier)

    def consult(self, node: Installation, consult_id: str) -> dict[str, Any]:
        return self._api(node, "GET", f"/consults/{consult_id}")

    def _api(self, node: Installation, method: str, path: str, body: object = None) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{node.url}/api/v1{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return dict(json.loads(answer.read()))
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()[:500]}") from None


@contextmanager
def running_cluster(folder: Path, postgresql: PostgresqlServer, ehr: FhirServer, name: str) -> Iterator[Cluster]:
    """Its own database and Redis; the processes are for the test to start."""
    with running_redis(folder) as redis:
        yield Cluster(folder, postgresql.create_database(name), redis, ehr)


class Front:
    """A balancer for one person: passes bytes to whichever process it is pointed at."""

    def __init__(self, target: Installation) -> None:
        self.target = target
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> "Front":
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def aclose(self) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            there, to_there = await asyncio.open_connection("127.0.0.1", self.target.port)
            await asyncio.gather(_pass_on(reader, to_there), _pass_on(there, writer))
        except OSError:
            pass  # the process is gone: the person's browser finds the line cut, and comes again
        finally:
            self._tasks.discard(task)
            writer.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()

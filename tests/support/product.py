"""The whole product as a process of its own, on free ports, as an installation would run it."""

import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.support.coturn import free_port
from tests.support.fhir_server import FhirServer
from tests.support.processes import ServerProcess

ROOT = Path(__file__).resolve().parents[2]
LOGIN, PASSWORD = "dra.rojas", "lampara-de-aceite-7"
DOCTOR_NAME, LICENCE = "Dra. Ana Rojas", "MPPS-48213"
CEDULA, LICENCES = "urn:oid:2.16.862.1.1", "urn:oid:2.16.862.1.3"
EHR = "historia"
IDENTIFIER_BASE = "https://clinica.example/fhir/sid/"
_PREPARED: list[tuple[Path, str]] = []  # a data folder with the doctor and the key, and the key


@dataclass(frozen=True)
class Person:
    """A made-up patient, known to the EHR."""

    identifier: str
    name: str
    phone: str


@dataclass(frozen=True)
class Planned:
    """A planned consult and its patient's link."""

    consult_id: str
    link: str
    person: Person

    @property
    def token(self) -> str:
        return self.link.rsplit("/", 1)[1]


class Product:
    """``python -m candil serve`` with its own data folder; ``kill`` and ``start`` again find the same data."""

    def __init__(
        self,
        folder: Path,
        *,
        ehr: FhirServer | None = None,
        turn: Sequence[str] = (),
        secret: str = "",
        ladder: bool = True,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port, self.media_port = free_port(), free_port()
        self.url = f"http://localhost:{self.port}"
        self.log_file = folder / "candil.log"
        self._folder, self._config = folder, folder / "candil.toml"
        without_ladder = "" if ladder else "[ladder]\nenabled = false\n"
        self._config.write_text(self._configuration(ehr, turn, secret) + without_ladder, "utf-8")
        self._process: ServerProcess | None = None
        self._people = 0
        self._key = self._doctor = ""
        self._ehr = ehr
        self._make_accounts()

    def start(self) -> None:
        self._process = ServerProcess(self._command("serve"), self.log_file, self._answers)

    @property
    def process(self) -> ServerProcess:
        assert self._process is not None, "not started"
        return self._process

    def kill(self) -> None:
        """As a power cut ends it."""
        self.process.kill()

    def stop(self) -> None:
        """End it in order; nothing may have gone wrong on our side while it ran."""
        status = self.process.status
        assert status is None, f"ended by itself with {status}:\n{self.log()[-3000:]}"
        self.process.stop()
        faults = [line for line in self.log().splitlines() if '"level": "error"' in line]
        assert not faults, "\n".join(faults[-5:])

    def log(self) -> str:
        return self.log_file.read_text("utf-8")

    def new_person(self) -> Person:
        """Somebody nobody has heard of, registered in the EHR."""
        self._people += 1
        serial = f"{os.getpid() % 1000:03d}{self._people:02d}"
        person = Person(f"V-{31_000_000 + int(serial)}", f"Rosalinda Zambrano{_word(self._people)}", f"0414-77{serial}")
        if self._ehr is not None:
            register(self._ehr, "Patient", CEDULA, person.identifier, person.name)
        return person

    def plan(self, person: Person | None = None, *, minutes: float = 5, reason: str = "Dolor", **more: Any) -> Planned:
        """Plan a consult through the REST API, as a scheduling system would."""
        person = person or self.new_person()
        at = datetime.now(UTC) + timedelta(minutes=minutes)
        body = {
            "doctor": self.doctor_id,
            "identifier_kind": "cedula",
            "identifier": person.identifier,
            "name": person.name,
            "phone": person.phone,
            "scheduled_at": at.isoformat(),
            "reason": reason,
            **more,
        }
        planned = self.api("POST", "/consults", body)
        return Planned(planned["consult"]["id"], planned["link"]["url"], person)

    def consult(self, consult_id: str) -> dict[str, Any]:
        return self.api("GET", f"/consults/{consult_id}")

    @property
    def doctor_id(self) -> str:
        if not self._doctor:
            self._doctor = self.api("GET", "/doctors")["doctors"][0]["id"]
        return self._doctor

    def api(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self.url}/api/v1{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.loads(answer.read() or "{}")
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()[:500]}") from None

    def run(self, *arguments: str, given: str = "") -> str:
        """One of Candil's commands on this installation; its output."""
        done = subprocess.run(
            self._command(*arguments), input=given, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "candil", "--config", str(self._config), *arguments]

    def _make_accounts(self) -> None:
        """By the commands, once in a test session; later products start from a copy of what they left."""
        if self._ehr is not None:
            register(self._ehr, "Practitioner", LICENCES, LICENCE, DOCTOR_NAME)
        data = self._folder / "data"
        if _PREPARED:
            shutil.copytree(_PREPARED[0][0], data)
            self._key = _PREPARED[0][1]
            return
        doctor = ("add-staff", LOGIN, DOCTOR_NAME, "--licence", LICENCE, "--password-stdin")
        self.run(*doctor, given=PASSWORD + "\n")
        self._key = self.run("add-api-key", "agenda").splitlines()[0].strip()
        shutil.copytree(data, self._folder / "prepared")
        _PREPARED.append((self._folder / "prepared", self._key))

    def _configuration(self, ehr: FhirServer | None, turn: Sequence[str], secret: str) -> str:
        lines = [
            "[server]",
            f'public_url = "{self.url}"',
            f"port = {self.port}",
            "[storage]",
            f'data_dir = "{self._folder / "data"}"',
            "[clinic]",
            'id = "clinica-sol"',
            'name = "Clínica Sol"',
            'short_name = "Clinica Sol"',
            'contact_phone = "0212-555 0100"',
            "price_per_mb = 0.5",
            "[media]",
            f"udp_port = {self.media_port}",
            *(['bind_host = "127.0.0.1"', 'advertised_addresses = ["127.0.0.1"]'] if turn else []),
            "[security]",  # every person of these tests comes from one address
            "request_limit_per_min = 1000",
        ]
        if turn:
            lines += ["[turn]", f"uris = {json.dumps(list(turn))}", f'secret = "{secret}"']
        if ehr is not None:
            lines += ["[[ehr.fhir]]", f'name = "{EHR}"', f'base_url = "{ehr.base_url}"']
            lines += [f'identifier_base = "{IDENTIFIER_BASE}"']
        return "\n".join(lines) + "\n"

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.url + "/login", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def register(ehr: FhirServer, type_: str, system: str, value: str, name: str) -> None:
    """Make a person known to the EHR, once."""
    if not ehr.search(type_, identifier=f"{system}|{value}"):
        identifier = [{"system": system, "value": value}]
        ehr.create({"resourceType": type_, "identifier": identifier, "name": [{"text": name}]})


def _word(number: int) -> str:
    """A number in letters, so that names stay names."""
    return "".join("abcdefghij"[int(digit)] for digit in f"{number:02d}")

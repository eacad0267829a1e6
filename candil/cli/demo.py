"""``candil demo``: a small clinic with a doctor, patients and a real FHIR R4 server as its EHR, on this machine.

Everything is kept in one folder, so stopping and starting again goes on where it was. The demonstration's
password and link are kept there in clear, which a real clinic's never are.
"""

import argparse
import asyncio
import dataclasses
import json
import os
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL, Popen
from urllib.error import URLError
from urllib.request import urlopen

from candil.app import Candil
from candil.cli import serve
from candil.config import ClinicSettings, FhirTargetSettings, Settings
from candil.consults import accounts, planning
from candil.consults.permissions import Actor, Role
from candil.consults.record import Identifier, Person
from candil.errors import ConfigError
from candil.ids import RandomIds
from candil.passwords import hash_password
from candil.store import codes
from candil.store.tx import Transaction
from ehr_bridge.aio.demo import seed_demo_ehr

LOGIN, DOCTOR, LICENCE = "dra.rojas", "Dra. Ana Rojas", "MPPS-48213"
STATE_FILE = "demo.json"
IDENTIFIER_BASE = "https://clinica.example/fhir/sid/"
START_TIMEOUT_S = 60.0

# People who do not exist: (identifier, name, phone, minutes from now, reason)
PATIENTS = (
    ("V-11223344", "María Fernanda Guédez", "0414-5550101", 10, "Dolor de cabeza desde hace tres días"),
    ("V-9876543", "José Gregorio Peña", "0424-5550102", 40, "Control de la tensión"),
    ("V-27654321", "Luisa Elena Marcano", "0412-5550103", 70, "Resultado de exámenes"),
)
DIAGNOSES = (
    ("DEMO-01", "Cefalea tensional"),
    ("DEMO-02", "Hipertensión arterial"),
    ("DEMO-03", "Rinofaringitis aguda"),
    ("DEMO-04", "Lumbalgia"),
    ("DEMO-05", "Gastritis"),
)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=0, help="port of the pages (8080)")
    parser.add_argument("--ehr-port", type=int, default=8090, help="port of the EHR beside it, on loopback (8090)")
    parser.add_argument("--data-dir", type=Path, default=None, help="where everything is kept (data/demo)")


def demo(settings: Settings, options: argparse.Namespace) -> int:
    ehr_url = f"http://127.0.0.1:{options.ehr_port}/fhir"
    settings = demo_settings(settings, ehr_url, options.port, options.data_dir)
    folder = settings.storage.data_dir
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def ready(service: Candil) -> None:
        state = await populate(service, folder, ehr_url)
        print(greeting(settings, state, ehr_url), flush=True)

    with fhir_server(folder, options.ehr_port):
        return asyncio.run(serve.run(settings, ready))


def demo_settings(settings: Settings, ehr_url: str, port: int, data_dir: Path | None) -> Settings:
    """The demonstration's settings over the given ones: localhost, its own folder, its own EHR."""
    clinic = settings.clinic
    if clinic == ClinicSettings():
        clinic = dataclasses.replace(clinic, short_name="Demo", contact_phone="0212-555 0100", price_per_mb=0.5)
    server = settings.server
    if port:
        server = dataclasses.replace(server, port=port, public_url=f"http://localhost:{port}")
    storage = dataclasses.replace(settings.storage, data_dir=data_dir or settings.storage.data_dir / "demo")
    target = FhirTargetSettings(name="historia-demo", base_url=ehr_url, identifier_base=IDENTIFIER_BASE)
    ehr = dataclasses.replace(settings.ehr, fhir=(*settings.ehr.fhir, target))
    return dataclasses.replace(settings, clinic=clinic, server=server, storage=storage, ehr=ehr)


async def populate(service: Candil, folder: Path, ehr_url: str) -> dict[str, str]:
    """The doctor, the patients and the EHR's knowledge of them, once; afterwards what was kept."""
    clinic = service.settings.clinic
    kind = clinic.patient_identifiers[0]
    await seed_demo_ehr(
        ehr_url,
        [Person(Identifier(kind.uri, identifier), name) for identifier, name, *_ in PATIENTS],
        [Person(Identifier(clinic.practitioner_system, LICENCE), DOCTOR)],
    )
    path = folder / STATE_FILE
    if path.exists():
        known: dict[str, str] = json.loads(path.read_text())
        return known
    password = secrets.token_urlsafe(9)
    password_hash = await asyncio.to_thread(hash_password, password)
    tokens = await service.db.write(lambda tx: _people(tx, clinic, password_hash))
    state = {"password": password, **{f"link{i}": token for i, token in enumerate(tokens, 1)}}
    path.touch(mode=0o600)
    path.write_text(json.dumps(state))
    return state


def _people(tx: Transaction, clinic: ClinicSettings, password_hash: str) -> list[str]:
    ids, now = RandomIds(), time.time()
    new = accounts.NewStaff(LOGIN, DOCTOR, Role.DOCTOR, password_hash, clinic.practitioner_system, LICENCE)
    doctor = accounts.add(tx, new, clinic_id=clinic.id, now=now, ids=ids)
    actor = Actor(doctor.id, Role.DOCTOR, clinic.id)
    codes.replace_all(tx, "https://clinica.example/codes", DIAGNOSES)
    tokens = []
    for identifier, name, phone, minutes, reason in PATIENTS:
        request = planning.PlanRequest(
            clinic.patient_identifiers[0].code, identifier, name, phone, now + minutes * 60, reason
        )
        planned = planning.plan(tx, request, doctor_id=doctor.id, actor=actor, clinic=clinic, now=now, ids=ids)
        tokens.append(planned.token)
    return tokens


def greeting(settings: Settings, state: dict[str, str], ehr_url: str) -> str:
    """What a person reads once everything answers."""
    base = settings.server.public_url.rstrip("/")
    return f"""
  Candil is running: a demonstration clinic, with an EHR beside it.

  Doctor     {base}/login
             login     {LOGIN}
             password  {state["password"]}

  Patient    {base}/i/{state["link1"]}
             Open it in another browser window, or in a private one.

  EHR        {ehr_url}/Encounter
             The finished visit arrives there, moments after the doctor signs it.

  Everything is kept in {settings.storage.data_dir}. Ctrl-C stops; the next start goes on from there.
"""


@contextmanager
def fhir_server(folder: Path, port: int) -> Iterator[None]:
    """The FHIR R4 server, bound to loopback, while the demonstration runs."""
    program = Path(sys.executable).parent / "sekmet"
    if not program.exists():
        raise ConfigError("config_demo", "The demonstration's EHR is not installed: pip install 'candil[demo]'.")
    base_url = f"http://127.0.0.1:{port}/fhir"
    if _answers(base_url):
        raise ConfigError("config_demo_port", f"Port {port} is taken; give another with --ehr-port.")
    ehr = folder / "ehr"
    ehr.mkdir(exist_ok=True)
    configuration = {
        "base_url": base_url,
        "db_path": str(ehr / "ehr.db"),
        "own_private_key_path": str(ehr / "key.pem"),
        "simulator": {"enabled": False},
    }
    (ehr / "settings.yaml").write_text(json.dumps(configuration))
    command = [str(program), "serve", "--host", "127.0.0.1", "--port", str(port)]
    with (ehr / "ehr.log").open("ab") as output:
        process = Popen(  # noqa: S603
            [*command, "--config", str(ehr / "settings.yaml")],
            stdin=DEVNULL,
            stdout=output,
            stderr=output,
            env={k: v for k, v in os.environ.items() if not k.startswith("CANDIL_")},
            start_new_session=True,  # Ctrl-C is for us; we stop it when our own work is done
        )
    try:
        _await_answer(process, base_url, ehr / "ehr.log")
        yield
    finally:
        process.terminate()
        process.wait(10)


def _await_answer(process: "Popen[bytes]", base_url: str, log_file: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not _answers(base_url):
        if process.poll() is not None or time.monotonic() > deadline:
            raise ConfigError("config_demo_ehr", f"The EHR did not start; see {log_file}.")
        time.sleep(0.2)


def _answers(base_url: str) -> bool:
    try:
        with urlopen(base_url + "/metadata", timeout=2) as answer:  # noqa: S310 - loopback, our own server
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False

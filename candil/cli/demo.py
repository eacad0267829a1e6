"""``candil demo``: a small clinic with a doctor, patients and a real FHIR R4 server as its EHR, on this machine.

Everything is kept in one folder, so stopping and starting again goes on where it was. The demonstration's
password and link are kept there in clear, which a real clinic's never are.
"""

import argparse
import asyncio
import dataclasses
import json
import secrets
import time
from pathlib import Path

from candil import log
from candil.app import Candil
from candil.cli import serve
from candil.cli.demo_ehr import DemoEhr
from candil.config import ClinicSettings, FhirTargetSettings, LogSettings, Settings
from candil.consults import accounts, planning
from candil.consults.permissions import Actor, Role
from candil.consults.record import Identifier, Person
from candil.errors import ConfigError, Refused
from candil.ids import RandomIds
from candil.passwords import hash_password
from candil.store import codes
from candil.store.tx import Transaction
from ehr_bridge.aio.demo import SeedFailed, seed_demo_ehr

LOGIN, DOCTOR, LICENCE = "dra.rojas", "Dra. Ana Rojas", "MPPS-48213"
STATE_FILE = "demo.json"
IDENTIFIER_BASE = "https://clinica.example/fhir/sid/"

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


def demo_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=0, help="port of the pages (8080)")
    parser.add_argument("--ehr-port", type=int, default=8090, help="port of the EHR beside it, on loopback (8090)")
    parser.add_argument("--data-dir", type=Path, default=None, help="where everything is kept (data/demo)")


def demo(settings: Settings, options: argparse.Namespace) -> int:
    ehr_url = f"http://127.0.0.1:{options.ehr_port}/fhir"
    settings = demo_settings(settings, ehr_url, options.port, options.data_dir)
    if settings.log == LogSettings():
        log.set_up("WARNING")  # the greeting is what this terminal is for
    folder = settings.storage.data_dir
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def ready(service: Candil) -> None:
        state = await populate(service, folder, ehr_url)
        print(greeting(settings, state, ehr_url), flush=True)

    with DemoEhr(folder / "ehr", options.ehr_port):
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
    try:
        await seed_demo_ehr(
            ehr_url,
            [Person(Identifier(kind.uri, identifier), name) for identifier, name, *_ in PATIENTS],
            [Person(Identifier(clinic.practitioner_system, LICENCE), DOCTOR)],
        )
    except SeedFailed as error:
        raise ConfigError("config_demo_ehr", f"The EHR at {ehr_url} did not take the patients ({error}).") from None
    path = folder / STATE_FILE
    if path.exists():
        known: dict[str, str] = json.loads(path.read_text())
        return known
    password = secrets.token_urlsafe(9)
    password_hash = await asyncio.to_thread(hash_password, password)
    try:
        tokens = await service.db.write(lambda tx: _people(tx, clinic, password_hash))
    except Refused as error:  # the power went between the database and the file
        raise ConfigError("config_demo_data", f"{folder} is incomplete ({error}); remove it and start again.") from None
    state = {"password": password, **{f"link{i}": token for i, token in enumerate(tokens, 1)}}
    _write_private(path, json.dumps(state))
    return state


def _write_private(path: Path, text: str) -> None:
    """The whole file or none."""
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600)
    unfinished.write_text(text)
    unfinished.replace(path)


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

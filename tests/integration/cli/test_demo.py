"""``candil demo``: a doctor's login, a patient's link and a real EHR, which ends with it however it ends."""

import contextlib
import os
import re
import signal
import socket
import urllib.request
from pathlib import Path

from tests.support.coturn import free_port
from tests.support.eventually import eventually
from tests.support.http_people import HttpDoctor
from tests.support.installation import Installation, Running


def started(installation: Installation, ehr_port: int) -> Running:
    return installation.start("demo", "--ehr-port", str(ehr_port), "--data-dir", str(installation.folder / "demo"))


def greeting(running: Running) -> str:
    """What it printed for people: everything that is not a log line."""
    return "\n".join(line for line in running.output().splitlines() if not line.startswith("{")).strip()


def ehr_of(running: Running) -> int:
    """Whichever thread of the demonstration started it."""
    found = [
        int(child)
        for task in Path(f"/proc/{running.process.pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]
    return found[0] if found else 0


def is_alive(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


def encounters(ehr_port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{ehr_port}/fhir/Encounter", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


async def test_it_greets_goes_on_and_takes_its_ehr_along(installation: Installation) -> None:
    ehr_port = free_port()
    first = started(installation, ehr_port)
    await eventually("the greeting", lambda: "Ctrl-C stops" in greeting(first), 60)
    told = greeting(first)
    password = re.search(r"password  (\S+)", told)
    link = re.search(rf"{installation.url}/i/(\S+)", told)
    assert password
    assert link
    assert f"http://127.0.0.1:{ehr_port}/fhir/Encounter" in told
    assert encounters(ehr_port)
    doctor = HttpDoctor(installation.url)
    await doctor.sign_in(installation.url, "dra.rojas", password.group(1))
    assert "María Fernanda Guédez" in await doctor.read(installation.url + "/board")
    assert "Dra. Ana Rojas" in await doctor.read(link.group(0))
    await doctor.aclose()

    crashed = ehr_of(first)
    os.kill(crashed, signal.SIGKILL)
    await eventually("the EHR is back", lambda: not is_alive(crashed) and encounters(ehr_port), 60)
    assert "The EHR ended by itself and is started again" in greeting(first)

    ehr = ehr_of(first)
    assert first.end() == 0
    assert not is_alive(ehr)

    second = started(installation, ehr_port)
    await eventually("the same greeting", lambda: greeting(second) == told, 60)
    ehr = ehr_of(second)
    second.process.kill()  # as the power or the OOM killer would
    await eventually("the EHR ends although nobody told it to", lambda: not is_alive(ehr), 20)

    (installation.folder / "demo" / "demo.json").unlink()  # the power went before the file was written
    refused = installation.run("demo", "--ehr-port", str(ehr_port), "--data-dir", str(installation.folder / "demo"))
    assert refused.returncode == 2
    assert "remove it and start again" in refused.stderr
    assert not encounters(ehr_port)


def test_taken_ports_are_told_plainly(installation: Installation) -> None:
    ehr_port = free_port()
    with socket.create_server(("127.0.0.1", ehr_port)):
        refused = installation.run("demo", "--ehr-port", str(ehr_port))
    assert refused.returncode == 2
    assert f"Port {ehr_port} is taken; give another with --ehr-port." in refused.stderr
    with socket.create_server(("127.0.0.1", installation.port)):
        refused = installation.run("demo", "--ehr-port", str(ehr_port))
    assert refused.returncode == 2
    assert f"[server] port {installation.port} on 127.0.0.1 cannot be used" in refused.stderr
    assert not encounters(ehr_port)

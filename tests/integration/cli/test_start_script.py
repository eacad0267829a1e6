"""``./start`` on machines that lack something: it says what, and how to get it. Under a plain POSIX shell."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.installation import ROOT

TOOLS = ("dirname", "cmp", "cp", "rm", "mkdir", "chmod")
SCRIPTS = ("start", "test", "scripts/setup.sh", "scripts/packages.sh")

# A Python whose answers are the test's: $OLD, $NO_VENV and $NO_NETWORK say what is missing.
FAKE_PYTHON = """#!/bin/sh
case "$*" in
*version_info*) exit ${OLD:-0} ;;
*ensurepip*) exit ${NO_VENV:-0} ;;
*"import pip"*|*"import msgspec"*) exit 0 ;;
"-m venv .venv") mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
"-m pip install "*) echo "$*" >>pip.calls; exit ${NO_NETWORK:-0} ;;
"-m candil demo "*) echo "demo: $*" ;;
esac
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A fresh copy of what the script needs, and a PATH with hardly anything in it."""
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool) or "")
    (tmp_path / "bin" / "python3").write_text(FAKE_PYTHON)
    (tmp_path / "bin" / "python3").chmod(0o755)
    product = tmp_path / "candil"
    (product / "scripts").mkdir(parents=True)
    for name in ("start", "scripts/setup.sh", "requirements-demo.lock"):
        shutil.copy(ROOT / name, product / name)
    return product


def start(folder: Path, **missing: str) -> subprocess.CompletedProcess[str]:
    command = ["/bin/dash", str(folder / "start"), "--port", "8080"]
    environment = {"PATH": str(folder.parent / "bin"), **missing}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_scripts_are_posix(script: str) -> None:
    for shell in ("dash", "bash --posix"):
        done = subprocess.run([*shell.split(), "-n", script], cwd=ROOT, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
    if script in ("start", "test"):
        assert os.access(ROOT / script, os.X_OK)


def test_an_old_python_or_none(folder: Path) -> None:
    for missing in ({"OLD": "1"}, {}):
        if not missing:
            (folder.parent / "bin" / "python3").unlink()
        refused = start(folder, **missing)
        assert refused.returncode == 1
        assert "Candil needs Python 3.11 or newer" in refused.stderr
        assert "sudo apt-get install python3 python3-venv" in refused.stderr
        assert not (folder / ".venv").exists()


def test_python_without_venv(folder: Path) -> None:
    refused = start(folder, NO_VENV="1")
    assert refused.returncode == 1
    assert "sudo apt-get install python3-venv" in refused.stderr


def test_no_network_then_network_then_nothing_to_install(folder: Path) -> None:
    refused = start(folder, NO_NETWORK="1")
    assert refused.returncode == 1
    assert "Is there a connection to the Internet?" in refused.stderr
    for _ in range(2):
        done = start(folder)
        assert done.stdout == "demo: -m candil demo --port 8080\n"
    calls = (folder / "pip.calls").read_text().splitlines()
    assert len(calls) == 2  # the failed one and the one that worked
    assert all("--require-hashes -r requirements-demo.lock" in call for call in calls)
    (folder / "requirements-demo.lock").write_text("another==1\n")
    assert start(folder).returncode == 0
    assert len((folder / "pip.calls").read_text().splitlines()) == 3


def test_an_environment_that_was_not_finished_is_made_again(folder: Path) -> None:
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "half").touch()
    done = start(folder)
    assert "Making the environment" in done.stderr
    assert done.returncode == 0
    assert not (folder / ".venv" / "half").exists()

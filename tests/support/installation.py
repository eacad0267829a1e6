"""An installation of Candil as a technician has it: a folder with candil.toml, commands, and what they answer."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.coturn import free_port
from tests.support.processes import ServerProcess

ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 60.0
Sections = Mapping[str, Mapping[str, Any]]
STARTED: list["Running"] = []  # by a test; whoever is left after a failed one is stopped


class Installation:
    """Its own free ports and data folder. Sections given by a test are laid over the usual ones."""

    def __init__(self, folder: Path, sections: Sections | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port, self.media_port = free_port(), free_port()
        self.url = f"http://localhost:{self.port}"
        self.log_file = folder / "candil.log"
        self.configure(sections or {})

    def configure(self, sections: Sections) -> None:
        usual: dict[str, dict[str, Any]] = {
            "server": {"public_url": self.url, "port": self.port},
            "media": {"bind_host": "127.0.0.1", "udp_port": self.media_port, "advertised_addresses": ["127.0.0.1"]},
        }
        names = [*usual, *(name for name in sections if name not in usual)]
        merged = {name: {**usual.get(name, {}), **sections.get(name, {})} for name in names}
        (self.folder / "candil.toml").write_text(to_toml(merged), "utf-8")

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "candil", *arguments]

    def run(
        self, *arguments: str, given: str = "", prefix: Sequence[str] = (), environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """One command to its end. A traceback is never an answer."""
        done = subprocess.run(
            [*prefix, *self.command(*arguments)],
            cwd=self.folder,
            env=self.environment(environment or {}),
            input=given,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def did(self, *arguments: str, given: str = "") -> str:
        """What a command that succeeds printed."""
        done = self.run(*arguments, given=given)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, *arguments: str) -> "Running":
        return Running(self, arguments or ("serve",))

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """The tests' own, without settings of whoever runs them."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CANDIL_")}
        return {**kept, "PYTHONPATH": str(ROOT), **more}

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.url + "/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


class Running:
    """A command that goes on until it is told to stop."""

    def __init__(self, installation: Installation, arguments: Sequence[str]) -> None:
        self.installation = installation
        log_file = installation.log_file
        self._from = log_file.stat().st_size if log_file.exists() else 0
        self.process = ServerProcess(
            installation.command(*arguments),
            log_file,
            self._up,
            START_TIMEOUT_S,
            cwd=installation.folder,
            env=installation.environment({}),
        )
        STARTED.append(self)

    def _up(self) -> bool:
        """Answering; or saying so, where asking takes a certificate or there is no port to ask (the worker)."""
        said = self.output()
        if '"worker.started"' in said or self.installation.url.startswith("https"):
            return '"worker.started"' in said or '"service.listening"' in said
        return self.installation.answers()

    def output(self) -> str:
        """What this run has written so far."""
        return self.installation.log_file.read_bytes()[self._from :].decode("utf-8", "replace")

    def end(self, signal_number: int = signal.SIGTERM, timeout_s: float = 30.0) -> int:
        """Tell it to stop; its exit status."""
        os.kill(self.process.pid, signal_number)
        return self.process.wait(timeout_s)


def to_toml(sections: Sections) -> str:
    """Sections of plain values; a list of tables becomes [[section.name]] blocks."""
    lines: list[str] = []
    for section, values in sections.items():
        lines.append(f"[{section}]")
        lines += [f"{name} = {_value(value)}" for name, value in values.items() if not _is_blocks(value)]
        for name, blocks in values.items():
            for block in blocks if _is_blocks(blocks) else ():
                lines.append(f"[[{section}.{name}]]")
                lines += [f"{key} = {_value(value)}" for key, value in block.items()]
    return "\n".join(lines) + "\n"


def _is_blocks(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], Mapping)


def _value(value: Any) -> str:
    return json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False)

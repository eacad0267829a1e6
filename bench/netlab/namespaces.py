"""Network namespaces of the laboratory, each written down before it is made, so that only ours are ever removed."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

RECORDS = Path("/run/candil-netlab")


@dataclass(frozen=True)
class Record:
    """The namespaces of one laboratory, and the process that made them."""

    lab_id: str
    owner_pid: int
    owner_started: str
    namespaces: tuple[str, ...]

    @property
    def owner_lives(self) -> bool:
        return _started(self.owner_pid) == self.owner_started

    def write(self) -> None:
        RECORDS.mkdir(exist_ok=True)
        self._file().write_text(json.dumps(self.__dict__), "utf-8")

    def remove(self) -> None:
        """The namespaces first; the record only when they are gone."""
        existing = names()
        for namespace in self.namespaces:
            if namespace in existing:
                ip("netns", "delete", namespace)
        self._file().unlink(missing_ok=True)

    def _file(self) -> Path:
        return RECORDS / f"{self.lab_id}.json"


def new_record(lab_id: str, namespaces: tuple[str, ...]) -> Record:
    record = Record(lab_id, os.getpid(), _started(os.getpid()), namespaces)
    record.write()
    return record


def records() -> list[Record]:
    found = []
    for file in sorted(RECORDS.glob("*.json")):
        fields = json.loads(file.read_text("utf-8"))
        found.append(Record(**fields | {"namespaces": tuple(fields["namespaces"])}))
    return found


def clean() -> list[str]:
    """Remove what laboratories left whose process is gone; their ids."""
    left = [record for record in records() if not record.owner_lives]
    for record in left:
        record.remove()
    return [record.lab_id for record in left]


def names() -> set[str]:
    return {line.split()[0] for line in ip("netns", "list").splitlines() if line.strip()}


def ip(*arguments: str) -> str:
    """Debian's ``ip``; its output."""
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False, timeout=20)
    if done.returncode:
        raise RuntimeError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def _started(pid: int) -> str:
    """Start time of a process in the kernel's ticks: with the id it names a process for good."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rsplit(")", 1)[1].split()[19]
    return ""

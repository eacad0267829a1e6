"""A laboratory: hosts in network namespaces of their own around this machine, joined by emulated lines.

    with Lab({"patient": Line(...), "doctor": Line(...)}) as lab:
        subprocess.run([*lab.within("patient"), "ping", "-c", "3", lab.address("server")])
        began = lab.start([Step(20.0, "patient", "both", {"rate_bps": 80_000})])
        lab.report()

"server" is this machine itself under an address of its own, without a line. Needs root and /dev/net/tun.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import secrets
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from bench.netlab.namespaces import Record, ip, new_record
from bench.netlab.network import Line, Step

ROOT = Path(__file__).resolve().parents[2]
SERVER = "server"
_TEST_NETWORK = ipaddress.IPv4Network("198.18.0.0/15")  # for tests of devices, RFC 2544
_FIRST_HOST = 10


class Lab:
    def __init__(self, lines: Mapping[str, Line], *, seed: int = 1) -> None:
        self.lab_id = secrets.token_hex(3)
        self._lines = dict(lines)
        self._seed = seed
        self._emulator: subprocess.Popen[bytes] | None = None
        self._record: Record | None = None
        self._subnet = _free_subnet()
        hosts = [SERVER, *lines]
        numbers = [1, *range(_FIRST_HOST, _FIRST_HOST + len(lines))]
        self._addresses = {host: str(self._subnet[number]) for host, number in zip(hosts, numbers, strict=True)}
        self._devices = {host: f"cnl{self.lab_id}{number}" for number, host in enumerate(hosts)}

    def __enter__(self) -> Self:
        self._record = new_record(self.lab_id, tuple(self.namespace(host) for host in self._lines))
        try:
            self._start_emulator()
            self._join_server()
            for host in self._lines:
                self._join_host(host)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the emulator, and with it the devices; then remove the namespaces."""
        if self._emulator is not None:
            assert self._emulator.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                self._emulator.stdin.close()
            try:
                self._emulator.wait(5)
            except subprocess.TimeoutExpired:
                self._emulator.kill()
                self._emulator.wait()
            self._emulator = None
        if self._record is not None:
            self._record.remove()
            self._record = None

    def address(self, host: str) -> str:
        return self._addresses[host]

    def namespace(self, host: str) -> str:
        return f"cnl-{self.lab_id}-{host}"

    def within(self, host: str) -> list[str]:
        """What to put before a command to run it at a host."""
        return [] if host == SERVER else ["ip", "netns", "exec", self.namespace(host)]

    def start(self, steps: Sequence[Step]) -> float:
        """Begin a schedule, in place of any before; the Unix time that its own times count from."""
        return float(self._ask(do="start", steps=[asdict(step) for step in steps])["started"])

    def set_line(self, host: str, line: Line) -> float:
        """Replace both directions of a line now; the Unix time."""
        return float(self._ask(do="line", host=host, line=asdict(line))["changed"])

    def reset_counters(self) -> None:
        self._ask(do="reset")

    def report(self) -> dict[str, Any]:
        """Counters of all lines since the last reset, and how late the emulator itself was."""
        return self._ask(do="report")

    def _ask(self, **command: Any) -> dict[str, Any]:
        assert self._emulator is not None, "not started"
        assert self._emulator.stdin is not None
        self._emulator.stdin.write(json.dumps(command).encode() + b"\n")
        self._emulator.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._emulator is not None
        assert self._emulator.stdout is not None
        line = self._emulator.stdout.readline()
        if not line:
            raise RuntimeError(f"the emulator has ended: {self._emulator.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer

    def _start_emulator(self) -> None:
        given = {
            "addresses": self._addresses,
            "lines": {host: asdict(line) for host, line in self._lines.items()},
            "devices": self._devices,
            "seed": self._seed,
        }
        self._emulator = subprocess.Popen(
            [sys.executable, "-m", "bench.netlab.emulator", json.dumps(given)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT,
            start_new_session=True,  # Ctrl-C ends the laboratory in order, not the emulator under it
        )  # fmt: skip
        self._answer()

    def _join_server(self) -> None:
        device = self._devices[SERVER]
        ip("link", "set", device, "up")
        ip("address", "add", f"{self.address(SERVER)}/{self._subnet.prefixlen}", "dev", device)

    def _join_host(self, host: str) -> None:
        device, namespace = self._devices[host], self.namespace(host)
        ip("netns", "add", namespace)
        ip("link", "set", device, "netns", namespace)
        inside = ("-n", namespace)
        ip(*inside, "link", "set", "lo", "up")
        ip(*inside, "link", "set", device, "up")
        ip(*inside, "address", "add", f"{self.address(host)}/32", "dev", device)
        ip(*inside, "route", "add", "default", "dev", device)


def _free_subnet() -> ipaddress.IPv4Network:
    """A part of the test network that no route of this machine leads to."""
    routes = ip("-4", "route", "show", "table", "all")
    candidates = list(_TEST_NETWORK.subnets(new_prefix=24))
    while True:
        chosen = secrets.choice(candidates)
        if str(chosen.network_address).rsplit(".", 1)[0] + "." not in routes:
            return chosen

"""A network of its own for a browser: a namespace joined to this machine by a veth pair, with rules of nftables.

Needs root. Everything created carries a random name, and only that is deleted.
"""

import json
import random
import secrets
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


def _run(*command: str, given: str = "") -> str:
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


@dataclass(frozen=True)
class Namespace:
    """``host`` is this machine as seen from inside, ``address`` the inside as seen from here."""

    name: str
    host: str
    address: str
    link: str

    @property
    def prefix(self) -> tuple[str, ...]:
        """What to put before a command that shall run inside."""
        return ("ip", "netns", "exec", self.name)

    def wrapper(self, executable: str, folder: Path) -> Path:
        """A program that is ``executable`` inside the namespace, for those who take only a path."""
        folder.mkdir(parents=True, exist_ok=True)
        script = folder / f"{Path(executable).name}-{self.name}"
        script.write_text(f'#!/bin/sh\nexec {" ".join(self.prefix)} {executable} "$@"\n')
        script.chmod(0o755)
        return script

    def drop(self, **matches: str) -> None:
        """Lose silently, both ways, what matches: a counter's name and a match of nftables each.

        Both sides drop on arrival, as a network would: a sender must not learn of it from its own kernel.
        """
        counters = "".join(f"counter lost_{name} {{ }}\n" for name in matches)
        rules = "".join(f"{match} counter name lost_{name} drop\n" for name, match in matches.items())
        self._load((), f'iifname "{self.link}"', counters, rules)
        self._load(self.prefix, 'iifname "inside"', counters, rules)

    def _load(self, prefix: Sequence[str], interface: str, counters: str, rules: str) -> None:
        chain = "".join(f"{interface} {rule}\n" for rule in rules.splitlines())
        _run(*prefix, "nft", "-f", "-", given=f"""
            table inet {self.name}
            delete table inet {self.name}
            table inet {self.name} {{
                {counters}
                chain arriving {{ type filter hook prerouting priority -300; {chain} }}
            }}""")  # fmt: skip

    def dropped(self, name: str) -> tuple[int, int]:
        """(packets from inside, packets towards it) that the counter ``name`` has seen dropped."""
        return self._packets((), name), self._packets(self.prefix, name)

    def _packets(self, prefix: Sequence[str], name: str) -> int:
        listed = json.loads(_run(*prefix, "nft", "-j", "list", "counter", "inet", self.name, f"lost_{name}"))
        return next(int(item["counter"]["packets"]) for item in listed["nftables"] if "counter" in item)


@contextmanager
def namespace() -> Iterator[Namespace]:
    tag = secrets.token_hex(3)
    net = f"10.{random.randrange(100, 250)}.{random.randrange(256)}"
    inside = Namespace(f"cnd{tag}", f"{net}.1", f"{net}.2", f"cnd{tag}h")
    _run("ip", "netns", "add", inside.name)
    try:
        _run("ip", "link", "add", inside.link, "type", "veth", "peer", "name", "inside", "netns", inside.name)
        _run("ip", "addr", "add", f"{inside.host}/30", "dev", inside.link)
        _run("ip", "link", "set", inside.link, "up")
        for command in (
            ("addr", "add", f"{inside.address}/30", "dev", "inside"),
            ("link", "set", "inside", "up"),
            ("link", "set", "lo", "up"),
            ("route", "add", "default", "via", inside.host),
        ):
            _run("ip", "-n", inside.name, *command)
        yield inside
    finally:
        for command in (
            ("nft", "delete", "table", "inet", inside.name),
            ("ip", "link", "delete", inside.link),
            ("ip", "netns", "delete", inside.name),
        ):
            subprocess.run(command, capture_output=True, check=False)

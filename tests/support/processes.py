"""Starting and ending servers for tests: by their own process id, with what they said when they fail."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def free_port() -> int:
    """A loopback TCP port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class ServerProcess:
    """One server started by a test; its output goes to a file that failures quote."""

    def __init__(
        self, command: list[str], output: Path, answers: Callable[[], bool], timeout_s: float = 60.0, **options: Any
    ) -> None:
        """``options`` go to Popen: cwd, env."""
        self.output = output
        environment = {**options.pop("env", os.environ), "PYTHONFAULTHANDLER": "1"}
        with output.open("ab") as sink:
            self._process = subprocess.Popen(
                command, stdout=sink, stderr=sink, stdin=subprocess.DEVNULL, env=environment, **options
            )
        try:
            self._await_answer(answers, time.monotonic() + timeout_s)
        except BaseException:  # also a test that ran out of time
            self.kill()
            raise

    def _await_answer(self, answers: Callable[[], bool], deadline: float) -> None:
        while not answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = self.output.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{self._process.args} did not come up:\n{said}")
            time.sleep(0.05)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def status(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def wait(self, timeout_s: float) -> int:
        """Its exit status, once it ends."""
        return self._process.wait(timeout_s)

    def kill(self) -> None:
        """End at once, as a power cut would end it."""
        self._process.kill()
        self._process.wait()

    def stop(self, signal_number: int = signal.SIGTERM, timeout_s: float = 15.0) -> None:
        self._process.send_signal(signal.SIGCONT)
        self._process.send_signal(signal_number)
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def pause(self) -> None:
        """Keep its sockets open and answer nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

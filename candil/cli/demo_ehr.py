"""The demonstration's EHR: a FHIR R4 server as a child process, bound to loopback, that never outlives us."""

import json
import os
import socket
import sys
import threading
import time
from pathlib import Path
from subprocess import DEVNULL, Popen, TimeoutExpired
from types import TracebackType
from urllib.error import URLError
from urllib.request import urlopen

from candil.errors import ConfigError

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0
RESTART_AFTER_S = 1.0
PORT_FREES_WITHIN_S = 5.0  # the server of a demonstration that was killed is still ending

# Ask the kernel to end the server when we die, however we die (prctl PR_SET_PDEATHSIG); then become the server.
_CHILD = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


class DemoEhr:
    """A context: the server answers inside it, is started again when it crashes, and is gone after it."""

    def __init__(self, folder: Path, port: int) -> None:
        self.base_url = f"http://127.0.0.1:{port}/fhir"
        self._folder, self._port = folder, port
        self._log_file = folder / "ehr.log"
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._process: Popen[bytes] | None = None

    def __enter__(self) -> "DemoEhr":
        program = Path(sys.executable).parent / "sekmet"
        if not program.exists():
            raise ConfigError("config_demo", "The demonstration's EHR is not installed: pip install 'candil[demo]'.")
        if not _is_free(self._port):
            raise ConfigError("config_demo_port", f"Port {self._port} is taken; give another with --ehr-port.")
        self._configure()
        self._start(program)
        try:
            self._await_answer()
        except BaseException:
            self._stop()
            raise
        threading.Thread(target=self._keep_running, args=(program,), name="demo-ehr", daemon=True).start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._stop()

    def _configure(self) -> None:
        self._folder.mkdir(exist_ok=True)
        settings = {
            "base_url": self.base_url,
            "db_path": str(self._folder / "ehr.db"),
            "own_private_key_path": str(self._folder / "key.pem"),
            "simulator": {"enabled": False},
        }
        (self._folder / "settings.yaml").write_text(json.dumps(settings))  # JSON is YAML

    def _start(self, program: Path) -> None:
        command = [sys.executable, "-c", _CHILD, str(os.getpid()), str(program), "serve", "--host", "127.0.0.1"]
        command += ["--port", str(self._port), "--config", str(self._folder / "settings.yaml")]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CANDIL_")}
        with self._lock, self._log_file.open("ab") as output:
            if self._ending.is_set():
                return
            self._process = Popen(  # noqa: S603
                command,
                stdin=DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                start_new_session=True,  # Ctrl-C is for us; we stop it when our own work is done
            )

    def _await_answer(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not _answers(self.base_url):
            ended = self._process is None or self._process.poll() is not None
            if ended or time.monotonic() > deadline:
                raise ConfigError("config_demo_ehr", f"The EHR did not start; see {self._log_file}.")
            time.sleep(0.2)

    def _keep_running(self, program: Path) -> None:
        while self._process is not None:
            self._process.wait()
            if self._ending.wait(RESTART_AFTER_S):
                return
            print("The EHR ended by itself and is started again; finished visits wait for it.", file=sys.stderr)
            self._start(program)

    def _stop(self) -> None:
        with self._lock:
            self._ending.set()
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except TimeoutExpired:
                self._process.kill()
                self._process.wait()


def _is_free(port: int) -> bool:
    deadline = time.monotonic() + PORT_FREES_WITHIN_S
    while True:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                if time.monotonic() > deadline:
                    return False
            else:
                return True
        time.sleep(0.2)


def _answers(base_url: str) -> bool:
    try:
        with urlopen(base_url + "/metadata", timeout=2) as answer:  # noqa: S310 - loopback, our own server
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False

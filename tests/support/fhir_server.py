"""A real FHIR R4 server (the sekmet-fhir package) for tests: its own database, on a free loopback port."""

import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from tests.support.processes import ServerProcess, free_port


class FhirServer:
    """``kill`` and ``start`` again find the same data, as after a power cut."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.base_url = f"http://127.0.0.1:{self.port}/fhir"
        self._folder = folder
        self._process: ServerProcess | None = None
        settings = {
            "base_url": self.base_url,
            "db_path": str(folder / "ehr.db"),
            "own_private_key_path": str(folder / "key.pem"),
            "simulator": {"enabled": False},
        }
        (folder / "settings.yaml").write_text(json.dumps(settings))  # JSON is YAML

    def start(self) -> None:
        command = [str(Path(sys.executable).parent / "sekmet"), "serve", "--host", "127.0.0.1"]
        command += ["--port", str(self.port), "--config", str(self._folder / "settings.yaml")]
        self._process = ServerProcess(command, self._folder / "fhir.log", self._answers)

    @property
    def process(self) -> ServerProcess:
        assert self._process is not None, "not started"
        return self._process

    def stop(self) -> None:
        self.process.kill()

    def search(self, type_: str, **params: str) -> list[dict[str, Any]]:
        """Every resource of a type that matches, newest state."""
        query = urllib.parse.urlencode({**params, "_count": "200"})
        bundle = self._get(f"/{type_}?{query}")
        return [entry["resource"] for entry in bundle.get("entry", [])]

    def counts(self, *types: str) -> dict[str, int]:
        return {type_: len(self.search(type_)) for type_ in types}

    def create(self, resource: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self.base_url}/{resource['resourceType']}",
            data=json.dumps(resource).encode(),
            headers={"Content-Type": "application/fhir+json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    def _get(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(self.base_url + path, timeout=10) as answer:
            return json.loads(answer.read())

    def _answers(self) -> bool:
        try:
            return bool(self._get("/metadata"))
        except (urllib.error.URLError, OSError):
            return False

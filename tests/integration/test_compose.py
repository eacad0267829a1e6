"""docker-compose.yml as Compose itself reads it, and against the names that the program knows.

Needs the ``docker compose`` plugin, or Debian's package ``docker-compose``. No container is started.
"""

import argparse
import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from candil.config import load
from tests.support.coturn import write_certificate
from turn.coturn_command import add_arguments, configuration
from turn.ice_servers import TurnConfig

ROOT = Path(__file__).parents[2]
SECRETS = ("TURN_SECRET", "POSTGRES_PASSWORD", "REDIS_PASSWORD")


def compose_command() -> list[str]:
    docker = shutil.which("docker")
    if docker and subprocess.run([docker, "compose", "version"], capture_output=True).returncode == 0:
        return [docker, "compose"]
    assert shutil.which("docker-compose"), "install Debian's docker-compose, or the compose plugin of docker"
    return ["docker-compose"]


def compose(env_file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*compose_command(), "--env-file", str(env_file), "-f", str(ROOT / "docker-compose.yml"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin:/usr/local/bin"})


def filled(tmp_path: Path) -> dict[str, str]:
    tls = tmp_path / "tls"
    tls.mkdir(exist_ok=True)
    return {
        "PUBLIC_URL": "https://consulta.clinica.example",
        "PUBLIC_ADDRESS": "203.0.113.7",
        "TURN_HOST": "consulta.clinica.example",
        "TLS_DIR": str(tls),
        **{name: f"{index}123456789abcdef" * 4 for index, name in enumerate(SECRETS, 1)},
    }


def write_env(tmp_path: Path, values: Mapping[str, str]) -> Path:
    path = tmp_path / "env"
    path.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    return path


def read_services(tmp_path: Path) -> dict[str, dict[str, object]]:
    result = compose(write_env(tmp_path, filled(tmp_path)), "config")
    assert result.returncode == 0, result.stderr
    services: dict[str, dict[str, object]] = yaml.safe_load(result.stdout)["services"]
    return services


def environment_of(service: Mapping[str, object]) -> dict[str, str]:
    environment = service["environment"]
    assert isinstance(environment, dict)
    return {name: str(value) for name, value in environment.items()}


def test_config_passes_and_has_the_five_parts_with_health_checks(tmp_path: Path) -> None:
    services = read_services(tmp_path)
    assert set(services) == {"app", "coturn", "postgres", "redis", "fhir"}
    assert [name for name, service in services.items() if "healthcheck" not in service] == []


def test_example_names_every_variable_and_gives_none_a_value() -> None:
    used = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text()))
    lines = [line for line in (ROOT / ".env.example").read_text().splitlines() if line and line[0] != "#"]
    assert {line.partition("=")[0] for line in lines} == used
    assert [line for line in lines if line.partition("=")[2]] == []


@pytest.mark.parametrize("name", ["PUBLIC_URL", "PUBLIC_ADDRESS", "TURN_HOST", "TLS_DIR", *SECRETS])
@pytest.mark.parametrize("present", [True, False])
def test_nothing_starts_with_an_empty_or_missing_value_and_the_message_says_how(
    tmp_path: Path, name: str, present: bool
) -> None:
    values = filled(tmp_path)
    if present:
        values[name] = ""
    else:
        del values[name]
    result = compose(write_env(tmp_path, values), "config")
    assert result.returncode != 0
    assert f"set {name} in .env" in result.stderr


def test_the_program_accepts_the_settings_it_is_given(tmp_path: Path) -> None:
    services = read_services(tmp_path)
    environment = environment_of(services["app"])
    write_certificate(tmp_path, "127.0.0.1")
    environment["CANDIL_SERVER_TLS_CERTIFICATE"] = str(tmp_path / "certificate.pem")
    environment["CANDIL_SERVER_TLS_KEY"] = str(tmp_path / "key.pem")
    settings = load(ROOT / "deploy" / "compose" / "candil.toml", environment)
    assert settings.storage.database_url.startswith("postgresql://")
    assert settings.redis.url.startswith("redis://")
    assert len(settings.turn.uris) == 3
    assert settings.ehr.fhir[0].base_url == environment_of(services["fhir"])["SEKMET_BASE_URL"]


def test_the_relay_starts_from_the_settings_it_is_given_and_may_reach_the_app_only(tmp_path: Path) -> None:
    services = read_services(tmp_path)
    environment = environment_of(services["coturn"])
    script = (ROOT / "deploy" / "compose" / "run-coturn").read_text().replace("\\\n", " ")
    line = next(line for line in script.splitlines() if line.startswith("candil turn-config"))
    words = line.partition(" > ")[0].replace('"$RELAY_ADDRESS"', environment.pop("RELAY_ADDRESS")).split()
    settings = load(None, environment)
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    turn = TurnConfig(secret=settings.turn.secret, uris=settings.turn.uris)
    text = configuration(parser.parse_args(words[2:]), turn, settings.media)
    networks = services["app"]["networks"]
    assert isinstance(networks, dict)
    allowed = re.findall(r"^allowed-peer-ip=(.*)$", text, re.MULTILINE)
    assert allowed == ["203.0.113.7", networks["outside"]["ipv4_address"]]


def test_secrets_reach_only_who_needs_them(tmp_path: Path) -> None:
    services = read_services(tmp_path)
    values = filled(tmp_path)
    holders = {
        secret: {name for name, service in services.items() if values[secret] in json.dumps(service)}
        for secret in SECRETS
    }
    assert holders == {
        "TURN_SECRET": {"app", "coturn"},
        "POSTGRES_PASSWORD": {"app", "postgres"},
        "REDIS_PASSWORD": {"app", "redis"},
    }


def test_the_databases_are_not_reachable_from_outside(tmp_path: Path) -> None:
    for name in ("postgres", "redis", "fhir"):
        service = read_services(tmp_path)[name]
        assert "ports" not in service
        assert list(service["networks"]) == ["inside"]


def test_image_targets_exist_and_every_package_is_copied(tmp_path: Path) -> None:
    stages = set(re.findall(r"^FROM \S+ AS (\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    targets = {service["build"]["target"] for service in read_services(tmp_path).values() if "build" in service}
    assert targets == {"app", "turn", "fhir"}
    assert targets <= stages
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert set(packages) <= kept

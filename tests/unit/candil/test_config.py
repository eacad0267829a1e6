"""Configuration: what is right is read, what is wrong never gets past the start and says its fix."""

from pathlib import Path

import pytest

from candil.cli import reference
from candil.config import load
from candil.config.settings import MediaSettings
from candil.errors import ConfigError

ROOT = Path(__file__).resolve().parents[3]


def problems(environ: dict[str, str], toml: str = "", folder: Path | None = None) -> str:
    path = None
    if folder is not None:
        path = folder / "candil.toml"
        path.write_text(toml)
    with pytest.raises(ConfigError) as refused:
        load(path, environ)
    return str(refused.value)


def test_nothing_configured_works_on_localhost() -> None:
    settings = load(None, {})
    assert settings.server.public_url == "http://localhost:8080"
    assert settings.storage.database_url == ""


def test_file_and_environment_with_the_environment_winning(tmp_path: Path) -> None:
    path = tmp_path / "candil.toml"
    path.write_text(
        """
        [server]
        port = 9000
        [clinic]
        name = "Clínica Sol"
        [[clinic.patient_identifiers]]
        code = "cedula"
        label = "Cédula"
        uri = "urn:x"
        [[ehr.fhir]]
        name = "hapi"
        base_url = "https://ehr.example/fhir"
        """
    )
    settings = load(path, {"CANDIL_SERVER_PORT": "9001", "CANDIL_MEDIA_ADVERTISED_ADDRESSES": "203.0.113.5, 10.0.0.2"})
    assert settings.server.port == 9001
    assert settings.clinic.name == "Clínica Sol"
    assert settings.clinic.patient_identifiers[0].uri == "urn:x"
    assert settings.media.advertised_addresses == ("203.0.113.5", "10.0.0.2")
    assert settings.ehr.fhir[0].name == "hapi"


@pytest.mark.parametrize(
    ("environ", "word"),
    [
        ({"CANDIL_SERVER_PORT": "many"}, "must be a number"),
        ({"CANDIL_SERVER_PROT": "1"}, "is not a setting"),
        ({"CANDIL_SERVER_TLS": "yes"}, "must be one of"),
        ({"CANDIL_SERVER_PUBLIC_URL": "http://clinica.example"}, "Use https"),
        ({"CANDIL_SERVER_PUBLIC_URL": "https://clinica.example"}, "Set tls"),
        ({"CANDIL_CLINIC_SHORT_NAME": "Clínica muy larga"}, "12 characters"),
        ({"CANDIL_CLINIC_TIME_ZONE": "Mars/Olympus"}, "IANA"),
        ({"CANDIL_MEDIA_ADVERTISED_ADDRESSES": "sfu.example"}, "not an IP address"),
        ({"CANDIL_MEDIA_TCP_PORT": "-2"}, "tcp_port must be between"),
        ({"CANDIL_MEDIA_UDP_PORT": "443", "CANDIL_SERVER_PORT": "443"}, "tcp_port is the port of the pages"),
        ({"CANDIL_TURN_URIS": "turn:relay:3478"}, "give secret"),
        ({"CANDIL_TURN_URIS": "stun:relay"}, "must look like turn:"),
        ({"CANDIL_STORAGE_DATABASE_URL": "mysql://x"}, "postgresql://"),
        ({"CANDIL_REDIS_URL": "redis://x"}, "set [storage] database_url"),
    ],
)
def test_a_wrong_setting_says_its_fix(environ: dict[str, str], word: str) -> None:
    assert word in problems(environ)


@pytest.mark.parametrize(
    ("toml", "word"),
    [
        ("server = 3", "must be a section"),
        ("[sever]\nport = 1", "is not a section"),
        ("[server]\nprot = 1", "is not a setting"),
        ("[[ehr.fhir]]\nname = 'x'", "base_url is missing"),
        ("[[ehr.webhooks]]\nname = 'x'\nurl = 'http://x'\nsecret = 'whsec_eA=='", "must be https"),
        ("[server\n", "is not TOML"),
    ],
)
def test_a_wrong_file_says_where(tmp_path: Path, toml: str, word: str) -> None:
    assert word in problems({}, toml, tmp_path)


def test_every_problem_is_told_at_once() -> None:
    text = problems({"CANDIL_SERVER_PORT": "x", "CANDIL_CLINIC_LOCALE": "fr", "CANDIL_NONSENSE": "1"})
    assert "port" in text
    assert "CANDIL_NONSENSE" in text


def test_the_reference_of_settings_is_current() -> None:
    written = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert written == reference.document(), "run: candil settings > docs/configuration.md"


@pytest.mark.parametrize(("tcp_port", "in_use"), [(-1, 4000), (0, 0), (4001, 4001)])
def test_media_over_tcp_has_the_number_of_udp_unless_told(tcp_port: int, in_use: int) -> None:
    assert MediaSettings(udp_port=4000, tcp_port=tcp_port).tcp_port_in_use == in_use

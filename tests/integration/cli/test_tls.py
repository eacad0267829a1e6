"""TLS of the service itself: a certificate of its own for a clinic's network, or the clinic's files."""

import ssl
import urllib.request
from pathlib import Path

from candil.cli.tls import CERTIFICATE_FILE, KEY_FILE, self_signed
from candil.config import load
from tests.support.coturn import write_certificate
from tests.support.installation import Installation


def health(url: str, ca: Path) -> int:
    with urllib.request.urlopen(url + "/health", timeout=10, context=ssl.create_default_context(cafile=ca)) as answer:
        return int(answer.status)


def test_a_self_signed_certificate_is_made_and_kept(installation: Installation) -> None:
    installation.url = f"https://localhost:{installation.port}"
    installation.configure({"server": {"tls": "self-signed"}})
    certificate, key = (installation.folder / "data" / name for name in (CERTIFICATE_FILE, KEY_FILE))
    running = installation.start()
    assert health(installation.url, certificate) == 200
    assert key.stat().st_mode & 0o777 == 0o600
    made = certificate.read_bytes()
    assert running.end() == 0
    again = installation.start()
    assert certificate.read_bytes() == made
    assert health(installation.url, certificate) == 200
    assert again.end() == 0


def test_a_certificate_is_made_again_for_another_name(installation: Installation) -> None:
    def made_for(host: str) -> bytes:
        installation.configure({"server": {"public_url": f"https://{host}", "tls": "self-signed"}})
        settings = load(installation.folder / "candil.toml", {"CANDIL_STORAGE_DATA_DIR": str(installation.folder)})
        certificate, _ = self_signed(settings)
        return certificate.read_bytes()

    first = made_for("consulta.local")
    assert made_for("consulta.local") == first
    second = made_for("clinica.local")
    assert second != first
    (installation.folder / CERTIFICATE_FILE).write_text("cut off by a power cut")
    assert made_for("clinica.local") not in (first, second)


def test_the_clinics_own_files(installation: Installation) -> None:
    write_certificate(installation.folder, "127.0.0.1")
    files = {name: installation.folder / f"{name}.pem" for name in ("certificate", "key")}
    server = {"tls": "files", "tls_certificate": files["certificate"], "tls_key": files["key"]}
    installation.url = f"https://127.0.0.1:{installation.port}"
    installation.configure({"server": server})
    running = installation.start()
    assert health(installation.url, files["certificate"]) == 200
    assert running.end() == 0

    files["key"].write_text("")
    refused = installation.run("serve")
    assert refused.returncode == 2
    assert "certificate.pem" in refused.stderr
    assert "cannot be used together" in refused.stderr
    files["key"].unlink()
    refused = installation.run("serve")
    assert refused.returncode == 2
    assert "[server] tls_key must be a readable PEM file when tls = files." in refused.stderr

"""Debian's real coturn on loopback, configured by our own template."""

import contextlib
import datetime
import ipaddress
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from turn.coturn_config import CoturnSettings, load_template, render_coturn_config
from turn.ice_servers import TurnConfig

TURNSERVER = "/usr/bin/turnserver"
_SCHEMA = Path("/usr/share/coturn/schema.sql")
SECRET = "0123456789abcdef" * 4
_START_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Coturn:
    """A running turnserver."""

    settings: CoturnSettings
    directory: Path
    host: str

    @property
    def udp_uri(self) -> str:
        return f"turn:{self.host}:{self.settings.port}?transport=udp"

    @property
    def tcp_uri(self) -> str:
        return f"turn:{self.host}:{self.settings.port}?transport=tcp"

    @property
    def tls_uri(self) -> str:
        return f"turns:{self.host}:{self.settings.tls_port}?transport=tcp"

    @property
    def certificate_file(self) -> Path:
        return self.directory / "certificate.pem"

    def config(self, *uris: str) -> TurnConfig:
        """What Candil would be told about it; all three transports by default."""
        return TurnConfig(secret=SECRET, uris=uris or (self.udp_uri, self.tcp_uri, self.tls_uri))

    def log(self) -> str:
        return (self.directory / "coturn.log").read_text("utf-8", "replace")


@contextlib.contextmanager
def running_coturn(
    directory: Path, *, edit_config: Sequence[tuple[str, str]] = (), **settings: object
) -> Iterator[Coturn]:
    """Start turnserver with the rendered template on free ports; stop it by its own pid.

    ``edit_config`` replaces texts in the rendered file, for tests of what a wrong
    configuration does. Further arguments override CoturnSettings.
    """
    directory.mkdir(parents=True, exist_ok=True)
    host = "127.0.0.1"
    write_certificate(directory, host)
    # As the Debian package does at installation. Left to coturn, its threads create the file at once,
    # lock each other out and answer 401 to good credentials meanwhile.
    with contextlib.closing(sqlite3.connect(directory / "turndb")) as database:
        database.executescript(_SCHEMA.read_text("utf-8"))
    chosen = CoturnSettings(
        secret=SECRET,
        sfu_addresses=(host,),
        relay_addresses=(host,),
        listening_addresses=(host,),
        port=free_port(),
        tls_port=free_port(),
        certificate_file=str(directory / "certificate.pem"),
        private_key_file=str(directory / "key.pem"),
        pid_file=str(directory / "turnserver.pid"),
        user_db=str(directory / "turndb"),
    )
    chosen = replace(chosen, **settings)
    config = render_coturn_config(load_template(), chosen)
    config_file = directory / "turnserver.conf"
    for old, new in edit_config:
        assert old in config
        config = config.replace(old, new)
    config_file.write_text(config, "utf-8")
    with (directory / "coturn.log").open("wb") as log:
        process = subprocess.Popen([TURNSERVER, "-c", str(config_file)], stdout=log, stderr=log)
    coturn = Coturn(chosen, directory, host)
    try:
        _wait_until_listening(coturn, process)
        yield coturn
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_listening(coturn: Coturn, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection((coturn.host, coturn.settings.port), 0.2):
            return
        time.sleep(0.05)
    raise AssertionError(f"coturn did not start:\n{coturn.log()}")


def free_port() -> int:
    """A port that was free for both TCP and UDP a moment ago."""
    while True:
        with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port: int = tcp.getsockname()[1]
            with contextlib.suppress(OSError):
                udp.bind(("127.0.0.1", port))
                return port


def write_certificate(directory: Path, host: str) -> None:
    """A self-signed certificate for one IP address: ``certificate.pem`` and ``key.pem``."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (directory / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (directory / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )

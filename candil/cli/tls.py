"""TLS of the service itself: the clinic's certificate files, or one made here for its own network."""

import ipaddress
import os
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from candil.addresses import own_addresses
from candil.config import Settings
from candil.errors import ConfigError

CERTIFICATE_FILE, KEY_FILE = "tls-certificate.pem", "tls-key.pem"
VALID_DAYS = 825  # the longest that browsers accept of a certificate somebody installed by hand


def server_context(settings: Settings) -> ssl.SSLContext | None:
    """The context to listen with, or None for plain http (localhost, or behind a proxy)."""
    server = settings.server
    if server.tls in ("off", "proxy"):
        return None
    if server.tls == "self-signed":
        certificate, key = self_signed(settings)
    else:
        if server.tls_certificate is None or server.tls_key is None:
            raise ConfigError("config_tls", "[server] tls = files needs tls_certificate and tls_key.")
        certificate, key = server.tls_certificate, server.tls_key
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError("config_tls", f"[server] {certificate} and {key} cannot be used together: {error}") from None
    return context


def self_signed(settings: Settings) -> tuple[Path, Path]:
    """Certificate and key in data_dir, made when absent, nearly expired or for another host name."""
    folder = settings.storage.data_dir
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    certificate, key = folder / CERTIFICATE_FILE, folder / KEY_FILE
    host = urlsplit(settings.server.public_url).hostname or "localhost"
    if not (certificate.exists() and key.exists() and _still_good(certificate, host)):
        _make(certificate, key, host)
    return certificate, key


def _names(host: str) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = [x509.DNSName("localhost")]
    for address in (host, *own_addresses(host)):
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(address)))
        except ValueError:
            found.append(x509.DNSName(address))
    return list(dict.fromkeys(found))


def _still_good(path: Path, host: str) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError:
        return False
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    known = [str(n) for n in (*names.get_values_for_type(x509.DNSName), *names.get_values_for_type(x509.IPAddress))]
    return host in known and certificate.not_valid_after_utc > datetime.now(UTC) + timedelta(days=30)


def _make(certificate_path: Path, key_path: Path, host: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Candil {host}"[:64])])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName(_names(host)), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    key_path.unlink(missing_ok=True)
    with os.fdopen(os.open(key_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(private)
    certificate_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

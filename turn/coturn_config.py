"""Fills coturn's configuration template; refuses values that would open the relay.

Option names are those of coturn 4.6.1 (Debian 12).
"""

import re
from dataclasses import dataclass, field
from importlib.resources import files
from ipaddress import IPv4Address, IPv6Address, ip_address
from string import Template

from candil.errors import ConfigError
from turn.ice_servers import check_secret

_REALM = re.compile(r"[A-Za-z0-9.-]{1,120}")
_PATH = re.compile(r"[A-Za-z0-9._/@+-]{1,250}")
# Mozilla's intermediate list for TLS 1.2: forward secrecy and authenticated encryption only.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!MD5"

Address = IPv4Address | IPv6Address


@dataclass(frozen=True)
class CoturnSettings:
    """What an installation may choose about its TURN server."""

    secret: str = field(repr=False)
    """The same as ``TurnConfig.secret``."""
    sfu_addresses: tuple[str, ...]
    """Every address our media server advertises: the only peers a client may reach."""
    relay_addresses: tuple[str, ...]
    """Addresses of this machine from which coturn sends to the media server. Usually one IPv4."""
    realm: str = "candil"
    listening_addresses: tuple[str, ...] = ()
    """Empty: every address of the machine."""
    port: int = 3478
    tls_port: int = 5349
    certificate_file: str = ""
    """PEM with the chain; empty: no TLS listener."""
    private_key_file: str = ""
    min_relay_port: int = 49160
    max_relay_port: int = 49999
    user_quota: int = 24
    """Allocations at once for one participant: see docs/decisions/0031."""
    total_quota: int = 800
    max_bytes_per_s: int = 500_000
    """Each way, for one allocation (coturn counts bytes, not bits)."""
    stale_nonce_s: int = 600
    log_file: str = "stdout"
    pid_file: str = "/run/turnserver/turnserver.pid"
    user_db: str = "/var/lib/turn/turndb"
    """coturn opens this SQLite file even when no user is kept in it."""


def load_template() -> str:
    return files("turn").joinpath("coturn", "turnserver.conf.template").read_text("utf-8")


def render_coturn_config(template: str, settings: CoturnSettings) -> str:
    """The text of ``turnserver.conf``. Raises ConfigError, naming the setting and the fix."""
    check_secret(settings.secret)
    _check_plain(settings)
    _check_numbers(settings)
    sfu = _addresses("media server address", settings.sfu_addresses)
    relay = _addresses("relay address", settings.relay_addresses)
    listening = [_address("listening address", text) for text in settings.listening_addresses]
    _check_reachable(sfu, relay)
    return Template(template).substitute(
        port=settings.port,
        listening_ips=_lines("listening-ip", listening) or "# listening-ip: every address",
        tls=_tls(settings),
        relay_ips=_lines("relay-ip", relay),
        min_relay_port=settings.min_relay_port,
        max_relay_port=settings.max_relay_port,
        realm=settings.realm,
        secret=settings.secret,
        stale_nonce_s=settings.stale_nonce_s,
        allowed_peers=_allowed_peers(sfu),
        user_quota=settings.user_quota,
        total_quota=settings.total_quota,
        max_bytes_per_s=settings.max_bytes_per_s,
        log_file=settings.log_file,
        pid_file=settings.pid_file,
        user_db=settings.user_db,
    )


def _lines(option: str, addresses: list[Address]) -> str:
    return "\n".join(f"{option}={address}" for address in addresses)


def _allowed_peers(sfu: list[Address]) -> str:
    lines = _lines("allowed-peer-ip", sfu)
    if any(address.is_loopback for address in sfu):
        # coturn refuses loopback before it reads its lists; the list above still refuses the rest of it.
        lines += "\nallow-loopback-peers"
    return lines


def _tls(settings: CoturnSettings) -> str:
    if not settings.certificate_file:
        return "no-tls"
    return (
        f"tls-listening-port={settings.tls_port}\ncert={settings.certificate_file}\n"
        f"pkey={settings.private_key_file}\ncipher-list={_CIPHERS}"
    )


def _addresses(name: str, texts: tuple[str, ...]) -> list[Address]:
    if not texts:
        raise ConfigError("turn_address", f"No {name} is set for the TURN server; give at least one.")
    return [_address(name, text) for text in texts]


def _address(name: str, text: str) -> Address:
    try:
        address = ip_address(text)
    except ValueError as error:
        raise ConfigError(
            "turn_address", f"The {name} {text!r} is not an IP address; write one such as 203.0.113.7."
        ) from error
    mapped = isinstance(address, IPv6Address) and (address.ipv4_mapped or address.scope_id)
    if address.is_unspecified or address.is_multicast or mapped or str(address) == "255.255.255.255":
        raise ConfigError("turn_address", f"The {name} {text!r} does not name one machine; write its own address.")
    return address


def _check_reachable(sfu: list[Address], relay: list[Address]) -> None:
    missing = {address.version for address in sfu} - {address.version for address in relay}
    if missing:
        version = min(missing)
        raise ConfigError(
            "turn_address",
            f"The media server has an IPv{version} address but the TURN server has no IPv{version} "
            "relay address; add one or stop advertising the other.",
        )


def _check_plain(settings: CoturnSettings) -> None:
    """coturn's file is line by line: a stray line break would be a setting of its own."""
    if not _REALM.fullmatch(settings.realm):
        raise ConfigError("turn_realm", f"The TURN realm {settings.realm!r} must be a plain host name.")
    paths = [settings.log_file, settings.pid_file, settings.user_db]
    if bool(settings.certificate_file) != bool(settings.private_key_file):
        raise ConfigError("turn_tls", "TURN over TLS needs both the certificate file and the private key file.")
    if settings.certificate_file:
        paths += [settings.certificate_file, settings.private_key_file]
    for path in paths:
        if not _PATH.fullmatch(path):
            raise ConfigError("turn_path", f"The TURN path {path!r} may only hold letters, digits and ._/@+-")


def _check_numbers(settings: CoturnSettings) -> None:
    ports = (settings.port, settings.tls_port, settings.min_relay_port, settings.max_relay_port)
    if not all(0 < port < 65536 for port in ports):
        raise ConfigError("turn_port", "TURN ports must be 1 to 65535.")
    if settings.min_relay_port > settings.max_relay_port:
        raise ConfigError("turn_port", "The first TURN relay port is above the last; swap them.")
    if min(settings.user_quota, settings.total_quota, settings.max_bytes_per_s, settings.stale_nonce_s) <= 0:
        # For coturn 0 means "no limit", which is never what a clinic wants.
        raise ConfigError("turn_quota", "TURN quotas, rate and nonce life must be above zero.")

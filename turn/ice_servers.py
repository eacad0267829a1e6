"""Where the TURN server is, and the ``RTCIceServer`` list that a page is given.

There is no STUN server in it: our media server is ICE-lite at an address the browser can reach,
so the browser never needs to learn its own public address.
"""

import re
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv6Address

from candil.errors import ConfigError
from turn.credentials import MAX_LIFE_S, MIN_LIFE_S, TurnCredential

_URI = re.compile(
    r"(?P<scheme>turns?):(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::(?P<port>\d{1,5}))?"
    r"(?:\?transport=(?P<transport>udp|tcp))?"
)
_SECRET = re.compile(r"[A-Za-z0-9._~+/=-]{32,256}")
_DEFAULT_PORT = {"turn": 3478, "turns": 5349}  # RFC 7065 section 3.2


@dataclass(frozen=True)
class TurnUri:
    """One ``turn:`` or ``turns:`` URI (RFC 7065), taken apart."""

    text: str
    host: str
    port: int
    transport: str
    """``udp``, ``tcp`` or ``tls``."""


@dataclass(frozen=True)
class TurnConfig:
    """The TURN servers of this installation. No URIs: calls go without a relay."""

    secret: str = field(default="", repr=False)
    """Shared with coturn's ``static-auth-secret``; 32 characters or more."""
    uris: tuple[str, ...] = ()
    """In the order the page should prefer: UDP, then TCP, then TLS."""
    credential_life_s: int = MAX_LIFE_S
    """How long a credential opens new allocations; 60 to 3600."""

    def __post_init__(self) -> None:
        for uri in self.uris:
            parse_turn_uri(uri)
        if self.uris:
            check_secret(self.secret)
        if not MIN_LIFE_S <= self.credential_life_s <= MAX_LIFE_S:
            raise ConfigError(
                "turn_credential_life",
                f"The TURN credential life is {self.credential_life_s} s; "
                f"set it between {MIN_LIFE_S} and {MAX_LIFE_S}.",
            )


def parse_turn_uri(text: str) -> TurnUri:
    """Raise ConfigError, with an example, on anything a browser would refuse."""
    match = _URI.fullmatch(text)
    if match is None:
        raise _bad_uri(text)
    scheme, transport = match["scheme"], match["transport"]
    if scheme == "turns":
        if transport == "udp":
            raise _bad_uri(text, "DTLS to a TURN server is not supported; use transport=tcp.")
        transport = "tls"
    port = int(match["port"] or _DEFAULT_PORT[scheme])
    host = match["host"]
    if host.startswith("["):
        host = host[1:-1]
        try:
            IPv6Address(host)
        except AddressValueError as error:
            raise _bad_uri(text) from error
    if not 0 < port < 65536:
        raise _bad_uri(text, "The port must be 1 to 65535.")
    return TurnUri(text=text, host=host, port=port, transport=transport or "udp")


def _bad_uri(text: str, reason: str = "") -> ConfigError:
    hint = "Write it like turn:turn.example.org:3478?transport=udp or turns:turn.example.org:5349?transport=tcp."
    return ConfigError("turn_uri", f"The TURN address {text!r} cannot be used. {reason or hint}")


def check_secret(secret: str) -> None:
    """Both ends must read the same secret: coturn's file format leaves no room for blanks or '#'."""
    if not _SECRET.fullmatch(secret):
        raise ConfigError(
            "turn_secret",
            "The TURN secret must be 32 to 256 letters, digits or . _ ~ + / = -. Make one with: openssl rand -hex 32",
        )


def ice_servers(config: TurnConfig, credential: TurnCredential) -> list[dict[str, object]]:
    """The ``iceServers`` value for ``RTCPeerConnection``, ready for JSON. Empty without a relay."""
    if not config.uris:
        return []
    return [
        {
            "urls": list(config.uris),
            "username": credential.username,
            "credential": credential.password,
        }
    ]

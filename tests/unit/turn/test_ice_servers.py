import json

import pytest

from candil.errors import ConfigError
from turn.credentials import mint
from turn.ice_servers import TurnConfig, ice_servers, parse_turn_uri

SECRET = "0123456789abcdef0123456789abcdef"
URIS = (
    "turn:turn.clinica.example:3478?transport=udp",
    "turn:turn.clinica.example:3478?transport=tcp",
    "turns:turn.clinica.example:5349?transport=tcp",
)


def test_page_gets_one_entry_with_all_uris_in_order_and_no_stun() -> None:
    config = TurnConfig(secret=SECRET, uris=URIS)
    credential = mint(SECRET, "par_1", 1_700_000_000.0)
    servers = ice_servers(config, credential)
    assert servers == [{"urls": list(URIS), "username": credential.username, "credential": credential.password}]
    assert "stun:" not in json.dumps(servers)
    assert SECRET not in json.dumps(servers)


def test_no_relay_no_entry() -> None:
    assert ice_servers(TurnConfig(), mint(SECRET, "par_1", 0.0)) == []


@pytest.mark.parametrize(
    ("text", "host", "port", "transport"),
    [
        (URIS[0], "turn.clinica.example", 3478, "udp"),
        (URIS[1], "turn.clinica.example", 3478, "tcp"),
        (URIS[2], "turn.clinica.example", 5349, "tls"),
        ("turn:203.0.113.7", "203.0.113.7", 3478, "udp"),
        ("turns:relay", "relay", 5349, "tls"),
        ("turn:[2001:db8::7]:443?transport=tcp", "2001:db8::7", 443, "tcp"),
    ],
)
def test_uris_are_taken_apart_with_their_defaults(text: str, host: str, port: int, transport: str) -> None:
    uri = parse_turn_uri(text)
    assert (uri.text, uri.host, uri.port, uri.transport) == (text, host, port, transport)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "stun:turn.example:3478",
        "https://turn.example",
        "turn://turn.example",
        "turn:user@turn.example",
        "turn:turn.example:0",
        "turn:turn.example:70000",
        "turn:turn.example?transport=sctp",
        "turns:turn.example?transport=udp",
        "turn:[2001:db8::zz]",
        "turn:turn.example:3478?transport=udp\nevil",
    ],
)
def test_a_uri_a_browser_would_refuse_stops_the_start(text: str) -> None:
    with pytest.raises(ConfigError, match="TURN address"):
        TurnConfig(secret=SECRET, uris=(text,))


@pytest.mark.parametrize("secret", ["", "short", "x" * 31, "has space " * 5, "a" * 40 + "\n", "a" * 40 + "#"])
def test_a_weak_or_unwritable_secret_stops_the_start_without_printing_it(secret: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TurnConfig(secret=secret, uris=URIS)
    assert "openssl rand" in caught.value.message
    assert not secret or secret not in caught.value.message


@pytest.mark.parametrize("life", [0, 59, 3601])
def test_credential_life_is_bounded(life: int) -> None:
    with pytest.raises(ConfigError, match="between 60 and 3600"):
        TurnConfig(secret=SECRET, uris=URIS, credential_life_s=life)


def test_secret_does_not_print() -> None:
    assert SECRET not in repr(TurnConfig(secret=SECRET, uris=URIS))

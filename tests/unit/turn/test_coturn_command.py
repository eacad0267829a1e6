import argparse

import pytest

from candil.config import MediaSettings
from candil.errors import ConfigError
from turn.coturn_command import add_arguments, configuration
from turn.ice_servers import TurnConfig

TURN = TurnConfig(
    secret="0123456789abcdef" * 2,
    uris=("turn:turn.clinica.example:3479?transport=udp", "turns:turn.clinica.example:443?transport=tcp"),
)
MEDIA = MediaSettings(advertised_addresses=("203.0.113.7", "172.28.8.10"))
TLS = ("--certificate", "/tls/c.pem", "--key", "/tls/k.pem")


def write(*arguments: str, turn: TurnConfig = TURN, media: MediaSettings = MEDIA) -> list[str]:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return configuration(parser.parse_args(["--relay-address", "172.28.8.20", *arguments]), turn, media).splitlines()


def test_ports_and_addresses_come_from_the_settings() -> None:
    lines = write(*TLS)
    assert "listening-port=3479" in lines
    assert "tls-listening-port=443" in lines
    assert "relay-ip=172.28.8.20" in lines
    assert [line for line in lines if line.startswith("allowed-peer-ip")] == [
        "allowed-peer-ip=203.0.113.7",
        "allowed-peer-ip=172.28.8.10",
    ]
    assert "realm=turn.clinica.example" in lines


def test_ports_behind_a_forwarder_and_further_media_addresses_are_arguments() -> None:
    lines = write(*TLS, "--port", "3478", "--tls-port", "5349", "--media-address", "10.0.0.9")
    assert "listening-port=3478" in lines
    assert "tls-listening-port=5349" in lines
    assert "allowed-peer-ip=10.0.0.9" in lines


def test_the_rate_limit_leaves_room_for_five_others_at_the_rate_that_is_allowed() -> None:
    assert "max-bps=500000" in write(*TLS)
    rich = MediaSettings(advertised_addresses=("203.0.113.7",), max_video_bps=2_000_000)
    assert "max-bps=1875000" in write(*TLS, media=rich)


@pytest.mark.parametrize(
    ("arguments", "changes", "said"),
    [
        ((), {}, "--certificate"),
        (TLS, {"turn": TurnConfig()}, "No relay is configured"),
        (TLS, {"media": MediaSettings()}, "advertised_addresses"),
    ],
)
def test_what_is_missing_is_named(arguments: tuple[str, ...], changes: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        write(*arguments, **changes)
    assert said in caught.value.message

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from candil.errors import ConfigError
from turn.coturn_config import CoturnSettings, load_template, render_coturn_config

SETTINGS = CoturnSettings(
    secret="0123456789abcdef" * 2,
    sfu_addresses=("203.0.113.7",),
    relay_addresses=("10.0.0.2",),
    certificate_file="/etc/candil/tls.pem",
    private_key_file="/etc/candil/tls.key",
)


def options(text: str) -> list[tuple[str, str]]:
    lines = [line.strip() for line in text.splitlines()]
    return [(name, value) for name, _, value in (line.partition("=") for line in lines if line and line[0] != "#")]


def values(text: str, name: str) -> list[str]:
    return [value for option, value in options(text) if option == name]


def test_everything_is_refused_and_only_the_media_server_allowed() -> None:
    text = render_coturn_config(load_template(), SETTINGS)
    denied = values(text, "denied-peer-ip")
    assert "0.0.0.0-255.255.255.255" in denied
    assert "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" in denied
    assert values(text, "allowed-peer-ip") == ["203.0.113.7"]
    assert values(text, "relay-ip") == ["10.0.0.2"]
    names = {name for name, _ in options(text)}
    assert names >= {"use-auth-secret", "no-cli", "no-multicast-peers", "no-tcp-relay", "no-dtls", "no-rfc5780"}
    assert names >= {"no-software-attribute", "no-tlsv1", "no-tlsv1_1", "user-quota", "total-quota", "max-bps"}
    assert not names & {"allow-loopback-peers", "no-auth", "web-admin", "server-relay", "mobility", "user"}


def test_without_a_certificate_there_is_no_tls_listener() -> None:
    text = render_coturn_config(load_template(), replace(SETTINGS, certificate_file="", private_key_file=""))
    assert values(text, "no-tls") == [""]
    assert not values(text, "cert")


def test_a_media_server_on_this_machine_and_behind_nat_is_allowed_at_both_addresses() -> None:
    settings = replace(SETTINGS, sfu_addresses=("203.0.113.7", "127.0.0.1", "192.168.1.5"))
    text = render_coturn_config(load_template(), settings)
    assert values(text, "allowed-peer-ip") == ["203.0.113.7", "127.0.0.1", "192.168.1.5"]
    assert values(text, "allow-loopback-peers") == [""]
    assert "127.0.0.0" not in text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sfu_addresses": ()}, "No media server address"),
        ({"relay_addresses": ()}, "No relay address"),
        ({"sfu_addresses": ("0.0.0.0",)}, "does not name one machine"),
        ({"sfu_addresses": ("::",)}, "does not name one machine"),
        ({"sfu_addresses": ("224.0.0.1",)}, "does not name one machine"),
        ({"sfu_addresses": ("255.255.255.255",)}, "does not name one machine"),
        ({"sfu_addresses": ("::ffff:10.0.0.1",)}, "does not name one machine"),
        ({"sfu_addresses": ("10.0.0.0/8",)}, "not an IP address"),
        ({"sfu_addresses": ("10.0.0.1-10.0.0.9",)}, "not an IP address"),
        ({"sfu_addresses": ("media.example",)}, "not an IP address"),
        ({"sfu_addresses": ("2001:db8::1",)}, "no IPv6 relay address"),
        ({"relay_addresses": ("2001:db8::1",)}, "no IPv4 relay address"),
        ({"listening_addresses": ("localhost",)}, "not an IP address"),
        ({"secret": "short"}, "openssl rand"),
        ({"realm": "a\nno-auth"}, "realm"),
        ({"log_file": "/tmp/x\nno-auth"}, "path"),
        ({"private_key_file": ""}, "both the certificate"),
        ({"port": 0}, "1 to 65535"),
        ({"min_relay_port": 50_000, "max_relay_port": 49_000}, "swap them"),
        ({"user_quota": 0}, "above zero"),
        ({"max_bytes_per_s": 0}, "above zero"),
    ],
)
def test_what_would_open_or_break_the_relay_is_refused_with_a_reason(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        render_coturn_config(load_template(), replace(SETTINGS, **changes))
    assert said in caught.value.message


@given(
    field=st.sampled_from(["secret", "realm", "log_file", "pid_file", "user_db", "certificate_file"]), text=st.text()
)
def test_no_text_can_smuggle_in_another_option(field: str, text: str) -> None:
    expected = [name for name, _ in options(render_coturn_config(load_template(), SETTINGS))]
    try:
        rendered = render_coturn_config(load_template(), replace(SETTINGS, **{field: text}))
    except ConfigError:
        return
    assert [name for name, _ in options(rendered)] == expected

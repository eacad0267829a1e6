"""Whom a request is counted as."""

import pytest

from candil.addresses import client_address
from candil.config.settings import ServerSettings

DIRECT = ServerSettings()
PROXIED = ServerSettings(tls="proxy")


@pytest.mark.parametrize(
    ("peer", "forwarded", "server", "counted"),
    [
        ("203.0.113.7", "198.51.100.1", DIRECT, "203.0.113.7"),
        ("203.0.113.7", "198.51.100.1", PROXIED, "203.0.113.7"),  # not the proxy
        ("127.0.0.1", "6.6.6.6, 198.51.100.1", PROXIED, "198.51.100.1"),  # the last one is what the proxy saw
        ("127.0.0.1", "", PROXIED, "127.0.0.1"),
        ("127.0.0.1", "nonsense", PROXIED, "127.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "", DIRECT, "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::9", "", DIRECT, "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "", DIRECT, "203.0.113.7"),
        ("", "", DIRECT, ""),
    ],
)
def test_who_is_counted(peer: str, forwarded: str, server: ServerSettings, counted: str) -> None:
    assert client_address(peer, forwarded, server) == counted

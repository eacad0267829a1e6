"""Where a webhook may go."""

import pytest

from ehr_bridge.addresses import is_allowed

PUBLIC = ["8.8.8.8", "190.202.1.1", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]
PRIVATE = [
    "10.0.0.5",
    "172.16.3.4",
    "192.168.1.10",
    "127.0.0.1",
    "127.8.9.1",
    "::1",
    "fd00::5",
    "::ffff:192.168.1.10",
    "64:ff9b::c0a8:10a",
    "2002:c0a8:10a::1",
    "100.64.0.1",
]
NEVER = [
    "0.0.0.0",
    "169.254.169.254",
    "fe80::1",
    "fe80::1%eth0",
    "224.0.0.1",
    "ff02::1",
    "::",
    "::ffff:169.254.169.254",
    "240.0.0.1",
    "not-an-address",
    "",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_internet(address: str) -> None:
    assert is_allowed(address, allow_private=False)


@pytest.mark.parametrize("address", PRIVATE)
def test_own_network_only_when_allowed(address: str) -> None:
    assert not is_allowed(address, allow_private=False)
    assert is_allowed(address, allow_private=True)


@pytest.mark.parametrize("address", NEVER)
def test_never(address: str) -> None:
    assert not is_allowed(address, allow_private=False)
    assert not is_allowed(address, allow_private=True)

"""Whom the relay may be used to reach: the media server, at its own address, and nobody else.

The special ranges are those of the IANA special-purpose registries, plus forms that carry an IPv4
address inside an IPv6 one.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aioice import stun

from tests.support.coturn import SECRET, Coturn, running_coturn
from turn.aio.relay_check import allocation, permission_error
from turn.credentials import TurnCredential, mint, password_for
from turn.ice_servers import parse_turn_uri

SFU = "127.0.0.1"
REFUSED_V4 = (
    "0.0.0.0", "0.0.0.1", "10.0.0.1", "10.255.255.255", "100.64.0.1", "127.0.0.2", "127.255.255.254",
    "169.254.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.31.196.1",
    "192.52.193.1", "192.88.99.1", "192.168.0.1", "192.168.255.255", "192.175.48.1", "198.18.0.1", "198.51.100.1",
    "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "8.8.8.8", "126.255.255.255",
    "128.0.0.1",
)  # fmt: skip
REFUSED_V6 = (
    "::", "::1", "::2", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:127.0.0.2", "::ffff:10.0.0.5",
    "::ffff:169.254.169.254", "::ffff:0.0.0.0", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:5",
    "64:ff9b:1::a00:5", "100::1", "100:0:0:1::1", "2001::1", "2001:2::1", "2001:20::1", "2001:db8::1",
    "2002:7f00:1::1", "2002:a00:5::1", "2620:4f:8000::1", "3fff::1", "5f00::1", "fc00::1", "fd00::1",
    "fd00:ec2::254", "fe80::1", "febf::1", "fec0::1", "ff02::1", "ff0e::1", "2606:4700::1111",
)  # fmt: skip


@pytest.fixture(scope="module")
def coturn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    with running_coturn(tmp_path_factory.mktemp("coturn")) as running:
        yield running


@pytest.fixture(scope="module")
def coturn_on_lan_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    """The media server has a public and a private address; loopback is none of its own."""
    directory = tmp_path_factory.mktemp("coturn-lan")
    with running_coturn(directory, sfu_addresses=("203.0.113.7", "192.168.1.5")) as running:
        yield running


def credential() -> TurnCredential:
    return mint(SECRET, "par_test", time.time())


@asynccontextmanager
async def udp_client(coturn: Coturn) -> AsyncIterator[object]:
    async with allocation(parse_turn_uri(coturn.udp_uri), credential(), None) as client:
        yield client


@pytest.mark.parametrize("kind", ["udp", "tcp"])
async def test_every_special_address_is_refused(coturn: Coturn, kind: str) -> None:
    uri = coturn.udp_uri if kind == "udp" else coturn.tcp_uri
    async with allocation(parse_turn_uri(uri), credential(), None) as client:
        answers = {peer: await permission_error(client, peer, 9) for peer in REFUSED_V4 + REFUSED_V6}
        assert {peer for peer, code in answers.items() if code is None} == set()
        assert {answers[peer] for peer in REFUSED_V4} == {403}
        assert await permission_error(client, SFU, 9) is None


async def test_a_channel_to_a_refused_peer_cannot_be_bound_either(coturn: Coturn) -> None:
    async with udp_client(coturn) as client:
        for peer in ("127.0.0.2", "10.0.0.1", "169.254.169.254", "::ffff:10.0.0.5"):
            with pytest.raises(stun.TransactionFailed):
                await client.channel_bind(0x4001, (peer, 9))
        await client.channel_bind(0x4002, (SFU, 9))


async def test_only_the_named_addresses_of_the_media_server(coturn_on_lan_address: Coturn) -> None:
    async with udp_client(coturn_on_lan_address) as client:
        assert await permission_error(client, "203.0.113.7", 9) is None
        assert await permission_error(client, "192.168.1.5", 9) is None
        for near in ("203.0.113.6", "203.0.113.8", "192.168.1.4", "192.168.1.6", "127.0.0.1", "::ffff:192.168.1.5"):
            assert await permission_error(client, near, 9) is not None, near


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(mint(SECRET, "par_test", 1_700_000_000.0), id="expired"),
        pytest.param(mint("f" * 32, "par_test", 4_000_000_000.0), id="other secret"),
        pytest.param(TurnCredential("par_test", password_for(SECRET, "par_test"), 0, 0.0), id="no expiry"),
        pytest.param(TurnCredential("", "", 0, 0.0), id="empty"),
    ],
)
async def test_a_credential_that_we_did_not_mint_for_now_opens_nothing(coturn: Coturn, bad: TurnCredential) -> None:
    with pytest.raises(stun.TransactionFailed) as caught:
        async with allocation(parse_turn_uri(coturn.udp_uri), bad, None):
            raise AssertionError("allocated")
    assert caught.value.response.error_code == 401


async def test_another_participants_password_opens_nothing(coturn: Coturn) -> None:
    mine = credential()
    stolen = TurnCredential(f"{mine.expires_at}:par_other", mine.password, mine.expires_at, mine.renew_after)
    with pytest.raises(stun.TransactionFailed):
        async with allocation(parse_turn_uri(coturn.udp_uri), stolen, None):
            raise AssertionError("allocated")


async def refresh(client: object) -> stun.Message:
    request = stun.Message(message_method=stun.Method.REFRESH, message_class=stun.Class.REQUEST)
    request.attributes["LIFETIME"] = 700
    response, _ = await client.request_with_retry(request)
    return response


async def test_server_does_not_tell_its_version(coturn: Coturn) -> None:
    async with udp_client(coturn) as client:
        assert "SOFTWARE" not in (await refresh(client)).attributes


async def test_a_call_outlives_its_credential_and_nonce_but_opens_nothing_new(tmp_path: Path) -> None:
    expires_at = int(time.time()) + 4
    username = f"{expires_at}:par_test"
    brief = TurnCredential(username, password_for(SECRET, username), expires_at, 0.0)
    with running_coturn(tmp_path, stale_nonce_s=1) as coturn:
        uri = parse_turn_uri(coturn.udp_uri)
        async with allocation(uri, brief, None) as client:
            await asyncio.sleep(expires_at + 3 - time.time())  # coturn looks at its clock once a second
            nonce = client.nonce
            assert (await refresh(client)).attributes["LIFETIME"] == 700
            assert client.nonce != nonce
            assert await permission_error(client, SFU, 9) is None
            with pytest.raises(stun.TransactionFailed) as caught:
                async with allocation(uri, brief, None):
                    raise AssertionError("allocated")
    assert caught.value.response.error_code == 401

"""``check_relay`` against Debian's coturn: what works, and each thing that can be wrong with it."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.coturn import Coturn, free_port, running_coturn, write_certificate
from turn.aio.relay_check import check_relay, media_port_echo
from turn.ice_servers import TurnConfig

SFU = "127.0.0.1"


@pytest.fixture(scope="module")
def coturn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    with running_coturn(tmp_path_factory.mktemp("coturn")) as running:
        yield running


async def test_all_three_transports_carry_bytes_to_the_media_port_and_back(coturn: Coturn) -> None:
    async with media_port_echo(SFU, 0) as (token, port):
        report = await check_relay(
            coturn.config(), SFU, port, now=time.time(), echo_token=token, ca_file=coturn.certificate_file
        )
    assert [one.transport for one in report.transports] == ["udp", "tcp", "tls"]
    assert report.ok, report.lines()
    assert report.path_tested
    assert all(one.relayed_address == SFU for one in report.transports)
    assert all(one.allocation_ms and one.allocation_ms > 0 for one in report.transports)


async def test_coturn_knows_every_option_of_the_template(coturn: Coturn) -> None:
    assert "Bad configuration format" not in coturn.log()
    assert "CONFIG ERROR" not in coturn.log()


async def test_without_an_echo_the_report_says_the_path_was_not_tried(coturn: Coturn) -> None:
    report = await check_relay(coturn.config(coturn.udp_uri), SFU, 9, now=time.time())
    assert report.ok
    assert "was not tried" in report.lines()[-1]


async def test_a_media_port_where_nobody_answers(coturn: Coturn) -> None:
    report = await check_relay(
        coturn.config(coturn.udp_uri), SFU, free_port(), now=time.time(), echo_token=b"t" * 16, step_timeout_s=0.6
    )
    assert report.transports[0].finding == "path_broken"


async def test_wrong_secret(coturn: Coturn) -> None:
    config = TurnConfig(secret="f" * 32, uris=(coturn.udp_uri, coturn.tcp_uri))
    report = await check_relay(config, SFU, 9, now=time.time())
    assert [one.finding for one in report.transports] == ["wrong_secret", "wrong_secret"]
    assert "clocks" in report.lines()[0]


async def test_our_clock_far_behind_looks_like_an_expired_credential(coturn: Coturn) -> None:
    report = await check_relay(coturn.config(coturn.udp_uri), SFU, 9, now=time.time() - 7200)
    assert report.transports[0].finding == "wrong_secret"


async def test_a_certificate_nobody_vouches_for(coturn: Coturn) -> None:
    report = await check_relay(coturn.config(coturn.tls_uri), SFU, 9, now=time.time())
    assert report.transports[0].finding == "tls_failed"
    assert "self-signed" in report.transports[0].detail


async def test_a_certificate_for_another_machine(tmp_path: Path) -> None:
    with running_coturn(tmp_path / "coturn") as coturn:
        other = tmp_path / "other"
        other.mkdir()
        write_certificate(other, "127.0.0.9")
        report = await check_relay(
            coturn.config(coturn.tls_uri), SFU, 9, now=time.time(), ca_file=other / "certificate.pem"
        )
    assert report.transports[0].finding == "tls_failed"


async def test_a_closed_port_over_each_transport() -> None:
    port = free_port()
    uris = tuple(f"{scheme}:127.0.0.1:{port}?transport={kind}" for scheme, kind in
                 (("turn", "udp"), ("turn", "tcp"), ("turns", "tcp")))  # fmt: skip
    report = await check_relay(TurnConfig(secret="s" * 32, uris=uris), SFU, 9, now=time.time(), step_timeout_s=0.5)
    assert {one.finding for one in report.transports} == {"unreachable"}


async def test_a_name_that_does_not_exist() -> None:
    config = TurnConfig(secret="s" * 32, uris=("turn:relay.invalid:3478?transport=tcp",))
    report = await check_relay(config, SFU, 9, now=time.time())
    assert report.transports[0].finding == "name_unknown"


async def test_a_listener_that_is_not_tls() -> None:
    async def say_hello(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-hello\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(say_hello, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        config = TurnConfig(secret="s" * 32, uris=(f"turns:127.0.0.1:{port}?transport=tcp",))
        report = await check_relay(config, SFU, 9, now=time.time())
    assert report.transports[0].finding == "tls_failed"


async def test_a_media_server_that_coturn_was_not_told_about(tmp_path: Path) -> None:
    with running_coturn(tmp_path, sfu_addresses=("203.0.113.7",)) as coturn:
        report = await check_relay(coturn.config(coturn.udp_uri), "198.51.100.7", 9, now=time.time())
    assert report.transports[0].finding == "sfu_refused"
    assert "198.51.100.7" in report.lines()[0]


async def test_one_address_that_gets_through_is_enough_but_all_must_be_allowed(tmp_path: Path) -> None:
    """As behind a router without hairpin: nothing comes back by the public address, it does by the private one."""
    with running_coturn(tmp_path, sfu_addresses=("127.0.0.77", SFU)) as coturn:
        config = coturn.config(coturn.udp_uri)
        async with media_port_echo(SFU, 0) as (token, port):
            both = await check_relay(
                config, "127.0.0.77", port, now=time.time(), echo_token=token, more_addresses=(SFU, "2001:db8::1")
            )
            forgotten = await check_relay(config, SFU, port, now=time.time(), more_addresses=("127.0.0.78",))
    assert both.ok, both.lines()
    assert forgotten.transports[0].finding == "sfu_refused"
    assert "127.0.0.78" in forgotten.lines()[0]


async def test_an_open_relay_is_called_dangerous(tmp_path: Path) -> None:
    edit = ("denied-peer-ip=0.0.0.0-255.255.255.255\n", "")
    edit_ranges = ("denied-peer-ip=::-::1\n", "")
    with running_coturn(tmp_path, edit_config=[edit, edit_ranges, ("denied-peer-ip=::-ffff:", "#")]) as coturn:
        report = await check_relay(coturn.config(coturn.udp_uri), SFU, 9, now=time.time())
    assert report.transports[0].finding == "open_relay"
    assert report.transports[0].dangerous


async def test_a_relay_without_credentials_is_called_dangerous(tmp_path: Path) -> None:
    with running_coturn(
        tmp_path, edit_config=[("use-auth-secret\n", "no-auth\n"), ("static-auth-secret", "#")]
    ) as coturn:
        report = await check_relay(coturn.config(coturn.udp_uri), SFU, 9, now=time.time())
    assert report.transports[0].finding == "open_to_anyone"
    assert not report.ok


async def test_a_full_relay(tmp_path: Path) -> None:
    with running_coturn(tmp_path, user_quota=1) as coturn:
        report = await check_relay(coturn.config(coturn.udp_uri, coturn.tcp_uri), SFU, 9, now=time.time())
    assert sorted(one.finding for one in report.transports) == ["quota_reached", "works"]


async def test_the_echo_reflects_nothing_for_strangers() -> None:
    class Silent(asyncio.DatagramProtocol):
        def __init__(self) -> None:
            self.heard: asyncio.Queue[bytes] = asyncio.Queue()

        def datagram_received(self, data: bytes, addr: object) -> None:
            self.heard.put_nowait(data)

    async with media_port_echo(SFU, 0) as (token, port):
        loop = asyncio.get_running_loop()
        transport, stranger = await loop.create_datagram_endpoint(Silent, remote_addr=(SFU, port))
        for datagram in (b"", b"hello", bytes(20), token + bytes(200)):
            transport.sendto(datagram)
        transport.sendto(token + b"ours")
        assert await asyncio.wait_for(stranger.heard.get(), 5) == token + b"ours"
        assert stranger.heard.empty()
        transport.close()

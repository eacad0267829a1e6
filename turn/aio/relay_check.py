"""Asks the TURN server for what a patient's browser will ask for, so that a broken or an open
relay is found by ``candil check`` and not by a patient or a stranger."""

import asyncio
import contextlib
import secrets
import socket
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import cast

from aioice import stun, turn

from turn.credentials import TurnCredential, mint
from turn.ice_servers import TurnConfig, TurnUri, parse_turn_uri
from turn.relay_report import Finding, RelayReport, TransportReport

STEP_TIMEOUT_S = 5.0
_ALLOCATION_LIFE_S = 60
_TOKEN_BYTES = 16
_MAX_PROBE_BYTES = 64
_PATH_TRIES = 3  # the way behind the relay is UDP: one lost datagram proves nothing
# One of each kind that an open relay would hand to a stranger: the relay's own machine, a private
# network, a cloud's metadata service, the public internet, and loopback disguised as IPv6.
FOREIGN_PEERS = ("127.0.0.1", "127.0.0.2", "10.255.255.254", "169.254.169.254", "192.0.2.1", "::ffff:127.0.0.1")

_Client = turn.TurnClientUdpProtocol | turn.TurnClientTcpProtocol


class _CheckFailed(Exception):
    def __init__(self, finding: Finding, detail: str = "") -> None:
        super().__init__(finding)
        self.finding = finding
        self.detail = detail


async def check_relay(
    config: TurnConfig,
    sfu_address: str,
    sfu_port: int,
    *,
    now: float,
    more_addresses: Sequence[str] = (),
    echo_token: bytes = b"",
    ca_file: Path | None = None,
    step_timeout_s: float = STEP_TIMEOUT_S,
) -> RelayReport:
    """Try every configured URI: allocate, be allowed to the media server, be refused elsewhere.

    ``more_addresses`` are the other ones that the media server advertises: each must be allowed.
    With ``echo_token`` (from ``media_port_echo``) bytes are also sent through to the media port and
    must come back by at least one address, as one is enough for a call.
    Nothing is raised for a relay that does not work: the report says so.
    """
    credential = mint(config.secret, "relay-check", now, config.credential_life_s) if config.uris else None
    tls = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    sfu = [(address, sfu_port) for address in (sfu_address, *more_addresses)]
    reports = [
        _check_uri(parse_turn_uri(text), cast(TurnCredential, credential), sfu, echo_token, tls, step_timeout_s)
        for text in config.uris
    ]
    return RelayReport(transports=tuple(await asyncio.gather(*reports)), path_tested=bool(echo_token))


async def _check_uri(
    uri: TurnUri,
    credential: TurnCredential,
    sfu: list[tuple[str, int]],
    echo_token: bytes,
    tls: ssl.SSLContext,
    timeout_s: float,
) -> TransportReport:
    started = time.monotonic()
    finding: Finding = "works"
    detail = relayed = ""
    allocation_ms: float | None = None
    try:
        async with allocation(uri, credential, tls, timeout_s) as client:
            allocation_ms = round((time.monotonic() - started) * 1000, 1)
            relayed = client.relayed_address[0] if client.relayed_address else ""
            if client.integrity_key is None:
                raise _CheckFailed("open_to_anyone")
            reachable = [peer for peer in sfu if (":" in peer[0]) == (":" in relayed)] or sfu
            await _check_peers(client, reachable, timeout_s)
            if echo_token:
                await _check_path(client, reachable, echo_token, timeout_s)
    except _CheckFailed as failure:
        finding, detail = failure.finding, failure.detail
    except stun.TransactionFailed as failure:
        finding, detail = _finding_of(failure), _code_of(failure)
    except (TimeoutError, OSError, stun.TransactionError) as failure:
        finding, detail = _finding_of_transport(failure)
    return TransportReport(
        uri=uri.text,
        host=uri.host,
        port=uri.port,
        transport=uri.transport,
        finding=finding,
        detail=detail,
        relayed_address=relayed,
        allocation_ms=allocation_ms,
    )


@contextlib.asynccontextmanager
async def allocation(
    uri: TurnUri, credential: TurnCredential, tls: ssl.SSLContext | None, timeout_s: float = STEP_TIMEOUT_S
) -> AsyncIterator[_Client]:
    """A TURN allocation of our own, given back at the end."""
    client = await asyncio.wait_for(_connect(uri, credential, tls), timeout_s)
    try:
        await asyncio.wait_for(client.connect(), timeout_s)
        yield client
    finally:
        with contextlib.suppress(TimeoutError, OSError, stun.TransactionError):
            if client.relayed_address:
                await asyncio.wait_for(client.delete(), timeout_s)
        client.transport.close()


async def _connect(uri: TurnUri, credential: TurnCredential, tls: ssl.SSLContext | None) -> _Client:
    loop = asyncio.get_running_loop()
    kind: type[_Client] = turn.TurnClientUdpProtocol if uri.transport == "udp" else turn.TurnClientTcpProtocol
    client = kind(
        (uri.host, uri.port),
        username=credential.username,
        password=credential.password,
        lifetime=_ALLOCATION_LIFE_S,
        channel_refresh_time=turn.DEFAULT_CHANNEL_REFRESH_TIME,
    )
    if isinstance(client, turn.TurnClientUdpProtocol):
        await loop.create_datagram_endpoint(lambda: client, remote_addr=(uri.host, uri.port))
    else:
        context = tls if uri.transport == "tls" else None
        await loop.create_connection(lambda: client, uri.host, uri.port, ssl=context)
    return client


async def permission_error(client: _Client, peer: str, port: int, timeout_s: float = STEP_TIMEOUT_S) -> int | None:
    """The code with which the relay refuses this peer (RFC 8656 section 9), or None when it allows it."""
    request = stun.Message(message_method=stun.Method.CREATE_PERMISSION, message_class=stun.Class.REQUEST)
    request.attributes["XOR-PEER-ADDRESS"] = (peer, port)
    try:
        await asyncio.wait_for(client.request_with_retry(request), timeout_s)
    except stun.TransactionFailed as failure:
        return failure.response.error_code or 400
    return None


async def _check_peers(client: _Client, sfu: list[tuple[str, int]], timeout_s: float) -> None:
    for address, port in sfu:
        if await permission_error(client, address, port, timeout_s) is not None:
            raise _CheckFailed("sfu_refused", address)
    for peer in FOREIGN_PEERS:
        if peer not in dict(sfu) and await permission_error(client, peer, sfu[0][1], timeout_s) is None:
            raise _CheckFailed("open_relay", peer)


class _Receiver(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.received: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.received.put_nowait(data)


async def _check_path(client: _Client, sfu: list[tuple[str, int]], token: bytes, timeout_s: float) -> None:
    receiver = _Receiver()
    client.receiver = receiver
    probe = token + secrets.token_bytes(8)
    for _ in range(_PATH_TRIES):
        for peer in sfu:
            await asyncio.wait_for(client.send_data(probe, peer), timeout_s)
        with contextlib.suppress(TimeoutError):
            while await asyncio.wait_for(receiver.received.get(), timeout_s / _PATH_TRIES) != probe:
                pass
            return
    raise _CheckFailed("path_broken", ", ".join(f"{address} port {port}" for address, port in sfu))


class _Echo(asyncio.DatagramProtocol):
    def __init__(self, token: bytes) -> None:
        self._token = token

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if len(data) <= _MAX_PROBE_BYTES and data.startswith(self._token):
            self._transport.sendto(data, addr)


@contextlib.asynccontextmanager
async def media_port_echo(host: str, port: int) -> AsyncIterator[tuple[bytes, int]]:
    """Sits on the media port for the length of a check: yields (token, port) and sends back only
    small datagrams that start with that token, so it reflects nothing for strangers.

    OSError when the port is taken, which is the case while Candil runs."""
    token = secrets.token_bytes(_TOKEN_BYTES)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Echo(token), local_addr=(host, port))
    try:
        yield token, transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


def _finding_of(failure: stun.TransactionFailed) -> Finding:
    known: dict[int | None, Finding] = {401: "wrong_secret", 486: "quota_reached", 508: "quota_reached"}
    return known.get(failure.response.error_code, "unexpected")


def _code_of(failure: stun.TransactionFailed) -> str:
    code, reason = failure.response.attributes.get("ERROR-CODE", (0, ""))
    return f"{code} {reason}".strip()


def _finding_of_transport(failure: Exception) -> tuple[Finding, str]:
    if isinstance(failure, ssl.SSLCertVerificationError):
        return "tls_failed", failure.verify_message
    if isinstance(failure, ssl.SSLError):
        return "tls_failed", failure.reason or "handshake refused"
    if isinstance(failure, socket.gaierror):
        return "name_unknown", ""
    return "unreachable", ""

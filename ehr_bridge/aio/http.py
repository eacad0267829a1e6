"""One bounded HTTP exchange. Redirects are never followed, answers never read past a limit, and for webhooks
the address that was checked is the address that is connected to."""

import errno
import socket
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from aiohttp import (
    AddrInfoType,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientSSLError,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
)

from ehr_bridge.addresses import is_allowed

MAX_ANSWER_BYTES = 2_000_000
NOT_ALLOWED = "address not allowed"


class Reach(Enum):
    """Where a request may connect to."""

    ANY = "any"
    """An address the operator wrote into the configuration: an EHR usually stands beside us."""
    PUBLIC = "public"
    PUBLIC_OR_PRIVATE = "public or private"


@dataclass(frozen=True)
class HttpAnswer:
    status: int
    body: bytes
    retry_after: str | None


@dataclass(frozen=True)
class HttpFailure:
    """No complete answer. ``why`` is ours, not the peer's words."""

    why: str


class AddressNotAllowed(OSError):
    """The name leads to an address that this endpoint may not reach."""


def guarded_socket(reach: Reach) -> Callable[[AddrInfoType], socket.socket]:
    """Makes the socket of each connection, after looking at the very address it will connect to: neither a
    literal address in a URL nor a name that changes its answer gets past."""

    def make(info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = info
        if not is_allowed(str(address[0]), allow_private=reach is Reach.PUBLIC_OR_PRIVATE):
            raise AddressNotAllowed(errno.EACCES, NOT_ALLOWED)
        return socket.socket(family=family, type=kind, proto=protocol)

    return make


class HttpClient:
    """Sessions for the three reaches; ``aclose`` ends them all."""

    def __init__(self) -> None:
        self._sessions: dict[Reach, ClientSession] = {}

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: dict[str, str],
        body: bytes | None = None,
        timeout_s: float,
        reach: Reach = Reach.ANY,
    ) -> HttpAnswer | HttpFailure:
        """Never raises for what the network or the peer does; ``timeout_s`` covers the whole exchange."""
        try:
            async with self._session(reach).request(
                method,
                url,
                data=body,
                headers=headers,
                allow_redirects=False,
                timeout=ClientTimeout(total=timeout_s),
            ) as response:
                return await _read(response)
        except TimeoutError:
            return HttpFailure(f"no complete answer within {timeout_s:g} s")
        except (ClientError, OSError, ValueError) as error:
            return HttpFailure(_reason(error))

    async def aclose(self) -> None:
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()

    def _session(self, reach: Reach) -> ClientSession:
        if reach not in self._sessions:
            guarded = reach is not Reach.ANY
            connector = TCPConnector(
                socket_factory=guarded_socket(reach) if guarded else None,
                force_close=guarded,  # each attempt is checked anew
            )
            self._sessions[reach] = ClientSession(connector=connector, cookie_jar=DummyCookieJar())
        return self._sessions[reach]


async def _read(response: ClientResponse) -> HttpAnswer | HttpFailure:
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_chunked(65536):
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            return HttpFailure(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")
        chunks.append(chunk)
    return HttpAnswer(response.status, b"".join(chunks), response.headers.get("Retry-After"))


def _reason(error: BaseException) -> str:
    """Plain words; messages of the libraries may quote addresses and bytes of the peer."""
    if NOT_ALLOWED in str(error):
        return "the address is in a private network: set allow_private = true if that is meant"
    if isinstance(error, ClientSSLError):
        return "TLS failed: the certificate is not trusted, or does not match the name"
    if isinstance(error, ClientConnectorDNSError):
        return "the host name cannot be resolved"
    if isinstance(error, ClientConnectorError):
        return "no connection: nothing listens there, or the line is down"
    return f"the connection broke ({type(error).__name__})"

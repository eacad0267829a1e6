"""``GET /ws``: what is checked before a WebSocket is opened, and its limits."""

import contextlib
import socket
from urllib.parse import urlsplit

from aiohttp import web

from signaling.messages import MAX_MESSAGE_BYTES

MAX_UNIDENTIFIED = 500  # sockets that have not said hello yet, in this process
MAX_UNIDENTIFIED_OF_ADDRESS = 60  # of them from one address, which may be a whole neighbourhood's
TCP_THIN_LINEAR_TIMEOUTS, TCP_RTO_MAX_MS = 16, 44  # of Linux; Python has no names for them
LONGEST_RETRY_MS = 3000
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


def allowed_origins(public_url: str) -> frozenset[str]:
    """The origins whose pages may connect: ours, and on a developer's machine its other names."""
    url = urlsplit(public_url)
    origins = {f"{url.scheme}://{url.netloc}"}
    if url.hostname in ("localhost", "127.0.0.1", "::1"):
        port = f":{url.port}" if url.port else ""
        origins |= {f"{url.scheme}://{host}{port}" for host in LOOPBACK}
    return frozenset(origins)


def check_origin(request: web.Request, origins: frozenset[str]) -> None:
    """A page of another site may not use our visitor's browser; nothing but a browser needs this socket."""
    if request.headers.get("Origin", "") not in origins:
        raise web.HTTPForbidden(text="origin")


def new_socket() -> web.WebSocketResponse:
    """No compression (a 64 KiB frame stays 64 KiB), no automatic heartbeat: the protocol has its own."""
    return web.WebSocketResponse(max_msg_size=MAX_MESSAGE_BYTES, compress=False, timeout=3.0)


def keep_trying(request: web.Request) -> None:
    """What was lost is sent again every few seconds, not after twice as long each time: on a line that was full or
    dead for a while an order to send less, or a message, would otherwise wait a minute for its turn. Kernels that
    know an option obey it; the others go on as they are."""
    transport = request.transport
    connection = transport.get_extra_info("socket") if transport is not None else None
    if connection is None or connection.family not in (socket.AF_INET, socket.AF_INET6):
        return
    for option, value in ((TCP_THIN_LINEAR_TIMEOUTS, 1), (TCP_RTO_MAX_MS, LONGEST_RETRY_MS)):
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, option, value)


def too_busy() -> web.HTTPServiceUnavailable:
    return web.HTTPServiceUnavailable(headers={"Retry-After": "5"}, text="busy")

"""``GET /ws``: what is checked before a WebSocket is opened, and its limits."""

from urllib.parse import urlsplit

from aiohttp import web

from signaling.messages import MAX_MESSAGE_BYTES

MAX_UNIDENTIFIED = 500  # sockets that have not said hello yet, in this process
MAX_UNIDENTIFIED_OF_ADDRESS = 60  # of them from one address, which may be a whole neighbourhood's
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


def too_busy() -> web.HTTPServiceUnavailable:
    return web.HTTPServiceUnavailable(headers={"Retry-After": "5"}, text="busy")

"""The UDP port: usually one socket, and one more for each advertised address that is this machine's own.

A wildcard socket answers from whatever address routing prefers, and a browser drops an answer that
does not come from where it asked. So own addresses get a socket of their own on the same port.
"""

import asyncio
import errno
import ipaddress
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from media.aio.paths import Path

SOCKET_BUFFER_BYTES = 4 << 20
"""Four seconds of forty cameras. The kernel grants a process without CAP_NET_ADMIN only
``net.core.rmem_max``, often 208 KiB: some 180 packets, or 20 ms of a full server."""
_FORCE = {socket.SO_RCVBUF: 33, socket.SO_SNDBUF: 32}  # SO_RCVBUFFORCE, SO_SNDBUFFORCE of Linux
_WILDCARDS = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound


class UdpSocket:
    """One bound socket and its proven remote addresses."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.paths: dict[Any, Path] = {}
        self.send = sock.sendto

    @property
    def port(self) -> int:
        port: int = self.sock.getsockname()[1]
        return port

    @property
    def receive_buffer_bytes(self) -> int:
        """What the kernel really granted; it counts its own overhead in it."""
        return self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)

    def open(self, readable: Callable[["UdpSocket"], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._readable = readable
        self.resume()

    def pause(self) -> None:
        """Do not tell of datagrams until ``resume``; they wait in the kernel."""
        self._loop.remove_reader(self.sock.fileno())

    def resume(self) -> None:
        self._loop.add_reader(self.sock.fileno(), self._readable, self)

    def close(self) -> None:
        self._loop.remove_reader(self.sock.fileno())
        self.sock.close()


def open_sockets(bind_host: str, port: int, advertised: tuple[str, ...]) -> list[UdpSocket]:
    """All sockets of one port, the configured one first. Raises ``OSError`` when the port is taken."""
    sockets = [_bind(bind_host, port, share=False)]
    try:
        port = sockets[0].getsockname()[1]
        if bind_host in _WILDCARDS:
            # Set after binding: another server on this port must still be an error.
            sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            for host in advertised:
                own = _bind_own(host, port)
                if own is not None:
                    sockets.append(own)
            for sock in sockets:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)
    except OSError:
        for sock in sockets:
            sock.close()
        raise
    return [UdpSocket(sock) for sock in sockets]


def _bind_own(host: str, port: int) -> socket.socket | None:
    """A socket at one of this machine's addresses; None when the address is elsewhere (NAT 1:1)."""
    try:
        return _bind(host, port, share=True)
    except OSError as error:
        if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            return None
        raise


def _bind(host: str, port: int, *, share: bool) -> socket.socket:
    version = ipaddress.ip_address(host).version
    sock = socket.socket(socket.AF_INET6 if version == 6 else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        _enlarge_buffers(sock)
        if version == 6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(host != "::"))
        if share:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


def _enlarge_buffers(sock: socket.socket) -> None:
    for option, forced in _FORCE.items():
        try:
            sock.setsockopt(socket.SOL_SOCKET, forced, SOCKET_BUFFER_BYTES)
        except OSError:  # not privileged, or not Linux: ask for it, take what is granted
            sock.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER_BYTES)

"""Passive ICE-TCP (RFC 6544): one listening port, framed by RFC 4571, for networks that drop UDP.

A connection looks like one more ``UdpSocket`` to the server, which reads frames from it as if they were
datagrams: checks, DTLS and SRTP are the same. It serves only while a session's authenticated check holds
it; nothing here ever waits for a peer, and every number of things is bounded.
"""

import asyncio
import contextlib
import errno
import fcntl
import ipaddress
import logging
import socket
import struct
import sys
from collections import Counter, deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from candil.log import log_event
from media.backlog import Backlog
from media.framing import MAX_FRAME_BYTES, Deframer, FrameTooLong, header

if TYPE_CHECKING:
    from media.aio.paths import Path

log = logging.getLogger(__name__)

UNPROVEN_S = 10.0
"""Life of a connection on which no session has passed an authenticated check."""
IDLE_S = 60.0
"""Nothing authenticated heard for this long: the browser has forgotten the connection, or vanished."""
SWEEP_S = 1.0
ACCEPT_PAUSE_S = 1.0
"""After an accept that failed for want of descriptors or memory; the queue of the kernel waits meanwhile."""
ACCEPT_BATCH = 16
SEND_BUFFER_BYTES = 128 << 10
"""For what is on the way: 1 Mbit/s at a second of round trip. What waits before it is bounded by ``Backlog``."""
_READ_BYTES = 16 << 10
_USER_TIMEOUT_MS = 30_000
_BACKLOG = 64
_SIOCOUTQNSD = 0x894B  # Linux: bytes written and not yet sent for the first time
_ABORT = struct.pack("ii", 1, 0)


class TcpPortTaken(OSError):
    """The TCP port cannot be listened on, while the UDP port of the same server could."""


class TcpConnection:
    """One accepted connection; ``sock``, ``paths`` and ``send`` are those of a ``UdpSocket``.

    ``paths`` has at most one entry: the connection's own address, once a session has proved it.
    """

    def __init__(self, owner: "TcpPort", sock: socket.socket, address: Any, now: float) -> None:
        self.paths: dict[Any, Path] = {}
        self.address = address
        self.closed = False
        self._owner = owner
        self._stream = sock
        self._deframer = Deframer()
        self._frames: deque[bytes] = deque()
        self._backlog = Backlog()
        self._rest = b""
        self._unproven_since: float | None = now
        self.sock = self

    def readable(self) -> None:
        """Take one piece of the stream; hand its frames to the server."""
        try:
            data = self._stream.recv(_READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self.close("ended")
            return
        try:
            self._frames.extend(self._deframer.feed(data))
        except FrameTooLong:
            self.close("frame_too_long")
            return
        while self._frames and not self.closed:
            self._owner.receive(self)

    def recvfrom_into(self, view: memoryview) -> tuple[int, Any]:
        """The next frame that has arrived, as from a datagram socket."""
        if not self._frames:
            raise BlockingIOError
        frame = self._frames.popleft()
        size = len(frame)
        view[:size] = frame
        return size, self.address

    def send(self, data: Any, _address: Any) -> None:
        """Frame ``data`` and write it, whole or not at all. Raises ``OSError`` when it is dropped."""
        owner, size, now = self._owner, len(data), self._owner.now()
        if self.closed:
            raise BrokenPipeError
        if self._rest or size > MAX_FRAME_BYTES or not self._backlog.admits(data, self.unsent_bytes, now):
            owner.dropped += 1
            raise BlockingIOError
        try:
            written = self._stream.sendmsg((header(size), data))
        except BlockingIOError:
            owner.dropped += 1
            raise
        except OSError:
            owner.later(self.close, "broken")
            raise
        self._backlog.wrote(written, now)
        if written < size + 2:  # a frame once begun must be finished, or the stream is lost
            self._rest = (header(size) + bytes(data))[written:]
            owner.watch_writable(self)

    @property
    def unsent_bytes(self) -> int:
        """Bytes that the kernel holds and has not sent once. Elsewhere than on Linux only its buffer bounds them."""
        if sys.platform != "linux":
            return len(self._rest)
        answer = fcntl.ioctl(self._stream, _SIOCOUTQNSD, b"\0\0\0\0")
        return int.from_bytes(answer, sys.byteorder) + len(self._rest)

    def writable(self) -> None:
        try:
            written = self._stream.send(self._rest)
        except BlockingIOError:
            return
        except OSError:
            self.close("broken")
            return
        self._backlog.wrote(written, self._owner.now())
        self._rest = self._rest[written:]
        if not self._rest:
            self._owner.unwatch_writable(self)

    def sweep(self, now: float) -> None:
        """Close what nobody has proved for ``UNPROVEN_S``, or what nobody was heard on for ``IDLE_S``."""
        path = self.paths.get(self.address)
        if path is None:
            self._unproven_since = now if self._unproven_since is None else self._unproven_since
            if now - self._unproven_since > UNPROVEN_S:
                self.close("unproven")
            return
        self._unproven_since = None
        if now - path.heard_at > IDLE_S:
            self.close("idle")

    def close(self, reason: str) -> None:
        """Free everything; the session hears that this path is gone and lives on."""
        if self.closed:
            return
        self.closed = True
        self._frames.clear()
        self._owner.release(self, reason)
        self._stream.close()
        path = self.paths.pop(self.address, None)
        if path is not None:
            path.session.drop_path(path)

    def fileno(self) -> int:
        return self._stream.fileno()


class TcpPort:
    """The listening socket and its connections. ``receive(connection)`` reads the frames that arrived."""

    def __init__(
        self, receive: Callable[[Any], object], now: Callable[[], float], *, max_connections: int, max_per_address: int
    ) -> None:
        self.receive = receive
        self.now = now
        self.port = 0
        self.dropped = self.refused = 0
        self.connections: set[TcpConnection] = set()
        self._max_connections = max_connections
        self._max_per_address = max_per_address
        self._per_address: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None
        self._pause: asyncio.TimerHandle | None = None

    def open(self, host: str, port: int) -> None:
        """Raises ``TcpPortTaken``."""
        self._loop = asyncio.get_running_loop()
        version = ipaddress.ip_address(host).version
        self._listener = socket.socket(socket.AF_INET6 if version == 6 else socket.AF_INET, socket.SOCK_STREAM)
        try:
            self._listener.setblocking(False)
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if version == 6:
                self._listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(host != "::"))
            self._listener.bind((host, port))
            self._listener.listen(_BACKLOG)
        except OSError as error:
            self._listener.close()
            raise TcpPortTaken(error.errno, error.strerror) from None
        self.port = self._listener.getsockname()[1]
        self._loop.add_reader(self._listener, self._accept)

    def close(self) -> None:
        for timer in (self._timer, self._pause):
            if timer is not None:
                timer.cancel()
        self._timer = self._pause = None
        if self.port:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self.port = 0
        for connection in list(self.connections):
            connection.close("server_closed")

    def _accept(self) -> None:
        for _ in range(ACCEPT_BATCH):
            try:
                sock, address = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    self._pause_accepting(error)
                    return
                continue  # the peer gave up meanwhile (accept(2))
            self._admit(sock, address)

    def _pause_accepting(self, error: OSError) -> None:
        log.warning(log_event("media.tcp_accept_paused", reason=errno.errorcode[error.errno or 0]))
        self._loop.remove_reader(self._listener)
        self._pause = self._loop.call_later(ACCEPT_PAUSE_S, lambda: self._loop.add_reader(self._listener, self._accept))

    def _admit(self, sock: socket.socket, address: Any) -> None:
        host = address[0]
        if len(self.connections) >= self._max_connections or self._per_address[host] >= self._max_per_address:
            self.refused += 1
            _abort(sock)
            return
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            if sys.platform == "linux":
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT_MS)
        except OSError:  # reset before it was looked at
            sock.close()
            return
        connection = TcpConnection(self, sock, address, self.now())
        self.connections.add(connection)
        self._per_address[host] += 1
        self._loop.add_reader(connection.fileno(), connection.readable)
        if self._timer is None:
            self._timer = self._loop.call_later(SWEEP_S, self._sweep)

    def _sweep(self) -> None:
        now = self.now()
        for connection in list(self.connections):
            connection.sweep(now)
        self._timer = self._loop.call_later(SWEEP_S, self._sweep) if self.connections else None

    # What connections call

    def later(self, function: Callable[..., None], *arguments: Any) -> None:
        self._loop.call_soon(function, *arguments)

    def watch_writable(self, connection: TcpConnection) -> None:
        self._loop.add_writer(connection.fileno(), connection.writable)

    def unwatch_writable(self, connection: TcpConnection) -> None:
        self._loop.remove_writer(connection.fileno())

    def release(self, connection: TcpConnection, reason: str) -> None:
        self._loop.remove_reader(connection.fileno())
        self._loop.remove_writer(connection.fileno())
        self.connections.discard(connection)
        host = connection.address[0]
        self._per_address[host] -= 1
        if not self._per_address[host]:
            del self._per_address[host]
        if connection.paths:
            log.info(log_event("media.tcp_closed", reason=reason))


def _abort(sock: socket.socket) -> None:
    """Close with a reset, so that a refused peer costs no state."""
    with contextlib.suppress(OSError):  # it has gone already
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
    sock.close()

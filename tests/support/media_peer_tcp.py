"""The participant in Python over TCP, and raw connections of strangers."""

import asyncio
import contextlib
import socket
from typing import Any

from media.aio.server import MediaServer
from media.framing import Deframer, header
from tests.support.media_peer import MediaPeer


class TcpMediaPeer(MediaPeer):
    """As ``MediaPeer``, over one TCP connection at a time; ``reading = False`` lets the stream pile up."""

    async def open(self) -> None:
        self.session = self.server.open_session(self.room_id, self.name, self)
        await self.connect()

    async def connect(self) -> None:
        """A new connection; an older one stays as it is."""
        loop = asyncio.get_running_loop()
        _, self.stream = await loop.create_connection(lambda: _Stream(self), "127.0.0.1", self.server.tcp.port)
        if len(self.streams) == 1:
            self._spawn(self._handshake())

    def __init__(self, server: MediaServer, room_id: str, name: str) -> None:
        super().__init__(server, room_id, name)
        self.streams: list[_Stream] = []

    def send(self, data: bytes) -> None:
        assert self.stream.transport is not None
        self.stream.transport.write(header(len(data)) + data)

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        for stream in self.streams:
            if stream.transport is not None:
                stream.transport.close()


class _Stream(asyncio.Protocol):
    def __init__(self, peer: TcpMediaPeer) -> None:
        self.peer = peer
        self.deframer = Deframer()
        self.transport: asyncio.Transport | None = None
        self.ended = False
        self.received_bytes = 0
        peer.streams.append(self)

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received_bytes += len(data)
        for frame in self.deframer.feed(data):
            self.peer.datagram_received(frame, None)

    def connection_lost(self, _error: Exception | None) -> None:
        self.ended = True


async def stranger(server: MediaServer, host: str = "127.0.0.1") -> socket.socket:
    """A connection from ``host`` that has proved nothing; it may be refused already."""
    sock = socket.socket()
    sock.bind((host, 0))
    sock.setblocking(False)
    with contextlib.suppress(ConnectionResetError):
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", server.tcp.port))
    return sock


async def is_ended(sock: socket.socket) -> bool:
    """Whether the server has closed; what it may have sent before is read away."""
    try:
        return not await asyncio.wait_for(asyncio.get_running_loop().sock_recv(sock, 4096), 0.01)
    except TimeoutError:
        return False
    except OSError:
        return True

"""A UDP relay between browsers and the media server: delay, rate, loss, a new source port, injected datagrams."""

import asyncio
import random
from typing import Any


class _Side(asyncio.DatagramProtocol):
    def __init__(self, receive: Any) -> None:
        self.receive = receive
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.receive(data, addr)


class UdpRelay:
    """Browsers talk to ``port``; each gets one socket towards the server at ``server_port``.

    ``delay_s`` is one way. ``loss_up`` and ``loss_down`` are probabilities. ``rate_up_bps`` serves a
    drop-tail queue of ``queue_s``. Counters tell that an impairment really bit.
    """

    def __init__(self, server_port: int, *, seed: int = 1) -> None:
        self.server = ("127.0.0.1", server_port)
        self.delay_s = 0.0
        self.loss_up = self.loss_down = 0.0
        self.rate_up_bps = 0.0
        self.queue_s = 0.3
        self.blocked = False
        self.up = self.down = self.dropped = self.bytes_up = self.bytes_down = 0
        self.upstreams: dict[Any, asyncio.DatagramTransport] = {}
        self._random = random.Random(seed)
        self._busy_until = 0.0
        self._old: list[asyncio.DatagramTransport] = []
        self._pending: dict[Any, list[bytes]] = {}

    async def start(self) -> "UdpRelay":
        self._loop = asyncio.get_running_loop()
        transport, _ = await self._loop.create_datagram_endpoint(
            lambda: _Side(self._from_client), local_addr=("127.0.0.1", 0)
        )
        self._front: asyncio.DatagramTransport = transport
        self.port: int = transport.get_extra_info("sockname")[1]
        return self

    def close(self) -> None:
        for transport in [self._front, *self.upstreams.values(), *self._old]:
            transport.close()

    def rewrite(self, offer: str) -> str:
        """The offer with the relay's port in place of the server's."""
        return offer.replace(f" {self.server[1]} typ host", f" {self.port} typ host")

    async def move_all(self) -> None:
        """Every client appears from another source port from now on; the old ones go deaf."""
        for client, old in list(self.upstreams.items()):
            self._old.append(old)
            self.upstreams[client] = await self._new_upstream(client)

    def inject(self, data: bytes) -> None:
        """Send to the server from each client's own address, as a spoofer would."""
        for upstream in self.upstreams.values():
            upstream.sendto(data, self.server)

    async def _new_upstream(self, client: Any) -> asyncio.DatagramTransport:
        holder: list[asyncio.DatagramTransport] = []

        def receive(data: bytes, _addr: Any) -> None:
            if self.upstreams.get(client) is holder[0]:
                self._to_client(client, data)

        transport, _ = await self._loop.create_datagram_endpoint(lambda: _Side(receive), local_addr=("127.0.0.1", 0))
        holder.append(transport)
        return transport

    def _from_client(self, data: bytes, client: Any) -> None:
        if client in self.upstreams:
            self._to_server(client, data)
        elif client in self._pending:
            self._pending[client].append(data)
        else:
            self._pending[client] = [data]
            self._loop.create_task(self._introduce(client))

    async def _introduce(self, client: Any) -> None:
        self.upstreams[client] = await self._new_upstream(client)
        for data in self._pending.pop(client):
            self._to_server(client, data)

    def _to_server(self, client: Any, data: bytes) -> None:
        if self.blocked or self._random.random() < self.loss_up:
            self.dropped += 1
            return
        delay_s = self.delay_s
        if self.rate_up_bps:
            now = self._loop.time()
            wait_s = max(0.0, self._busy_until - now)
            if wait_s > self.queue_s:
                self.dropped += 1
                return
            self._busy_until = now + wait_s + (len(data) + 28) * 8 / self.rate_up_bps
            delay_s += self._busy_until - now
        self.up += 1
        self.bytes_up += len(data)
        self._later(delay_s, self._upstream_send, client, data)

    def _upstream_send(self, client: Any, data: bytes) -> None:
        self.upstreams[client].sendto(data, self.server)

    def _to_client(self, client: Any, data: bytes) -> None:
        if self.blocked or self._random.random() < self.loss_down:
            self.dropped += 1
            return
        self.down += 1
        self.bytes_down += len(data)
        self._later(self.delay_s, self._front.sendto, data, client)

    def _later(self, delay_s: float, function: Any, *args: Any) -> None:
        if delay_s:
            self._loop.call_later(delay_s, function, *args)
        else:
            function(*args)

"""DTLS of one session over the shared socket: a bounded pipe, the handshake task, the way it ends."""

import asyncio
import logging
from collections.abc import Callable

from candil.log import log_event
from media.aio.aiortc_private import DtlsAssociation, RTCCertificate
from media.sdp_answer import Answer

log = logging.getLogger(__name__)

MAX_QUEUED = 32
"""DTLS datagrams waiting to be read; a handshake needs fewer than ten."""


class DtlsPipe:
    """Stands where aiortc expects an ICE transport. Only DTLS datagrams of proven paths come here."""

    role = "controlled"
    state = "completed"

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(MAX_QUEUED)
        self._send_now = send
        self._closed = False

    def push(self, data: bytes) -> None:
        if not self._queue.full():
            self._queue.put_nowait(data)

    def close(self) -> None:
        self._closed = True
        while not self._queue.empty():
            self._queue.get_nowait()
        self._queue.put_nowait(None)

    async def _recv(self) -> bytes:
        data = None if self._closed and self._queue.empty() else await self._queue.get()
        if data is None:
            raise ConnectionError
        return data

    async def _send(self, data: bytes) -> None:
        self._send_now(data)


class Dtls:
    """``on_connected`` and ``on_ended`` are each called at most once."""

    def __init__(
        self,
        certificate: RTCCertificate,
        send: Callable[[bytes], None],
        on_connected: Callable[[DtlsAssociation], None],
        on_ended: Callable[[str], None],
    ) -> None:
        self._certificate = certificate
        self._on_connected = on_connected
        self._on_ended = on_ended
        self._association: DtlsAssociation | None = None
        self._task: asyncio.Task[None] | None = None
        self._connected = False
        self.pipe = DtlsPipe(send)

    @property
    def started(self) -> bool:
        return self._association is not None

    def start(self, answer: Answer) -> None:
        """Begin when the answer has told fingerprints and role; earlier datagrams are in the pipe."""
        self._association = DtlsAssociation(self.pipe, self._certificate, peer_is_client=answer.peer_is_dtls_client)
        self._association.on_state_change(self._state_changed)
        self._task = asyncio.get_running_loop().create_task(self._run(self._association, answer))

    async def _run(self, association: DtlsAssociation, answer: Answer) -> None:
        try:
            connected = await association.handshake(answer.fingerprints)
        except Exception:
            # aiortc lets errors of its parsers and of OpenSSL through: they are this peer's alone.
            log.warning(log_event("media.dtls_failed"), exc_info=True)
            connected = False
        if connected:
            self._connected = True
            self._on_connected(association)
        else:
            self._on_ended("handshake_failed")

    def _state_changed(self) -> None:
        if self._connected and self._association is not None and self._association.state == "closed":
            self._connected = False
            self._on_ended("peer_closed")

    async def stop(self) -> None:
        """Say goodbye to the peer (close_notify) and end the tasks."""
        self._connected = False
        if self._association is not None:
            await self._association.stop()
        self.pipe.close()
        if self._task is not None and not self._task.done():
            self._task.cancel()

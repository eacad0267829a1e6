"""ICE (controlling, towards an ICE-lite server) and DTLS under one connected UDP socket."""

from __future__ import annotations

import contextlib
import secrets
import socket
from collections.abc import Callable

from aioice import stun
from pylibsrtp import Session

from bench.dtls import Handshake, Identity
from bench.sdp import Description, LocalTransport

CHECK_INTERVAL_S = 0.05  # until the first answer
CONSENT_INTERVAL_S = 2.5  # afterwards, as Chromium does
RECEIVE_BUFFER_BYTES = 4 << 20
SO_RCVBUFFORCE = 33


class Transport:
    """Reaches `on_ready(outbound, inbound)` once; afterwards only keeps ICE consent alive."""

    def __init__(self, identity: Identity, host: str, on_ready: Callable[[Session, Session], None]) -> None:
        self._identity = identity
        self._on_ready = on_ready
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
        except PermissionError:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        self.socket.bind((host, 0))
        self.local = LocalTransport(
            ufrag=secrets.token_hex(4),
            password=secrets.token_hex(16),
            fingerprint=identity.fingerprint,
            address=self.socket.getsockname(),
        )
        self._remote: Description | None = None
        self._handshake: Handshake | None = None
        self.ready = False

    def connect(self, remote: Description) -> None:
        """Begin with a description's first candidate; a later description of the same session changes nothing."""
        if self._remote is not None:
            return
        if not remote.candidates:
            raise ValueError("the server's description has no UDP candidate")
        self._remote = remote
        self.socket.connect(remote.candidates[0])

    def close(self) -> None:
        self.socket.close()

    def handle(self, datagram: bytes) -> None:
        """Anything that is not RTP or RTCP (RFC 7983)."""
        first = datagram[0] if datagram else 255
        if first < 4:
            self._handle_stun(datagram)
        elif 20 <= first <= 63 and self._handshake is not None:
            self._advance(datagram)

    def handle_timer(self, due: float) -> float:
        """Send the next check or a DTLS retransmission; returns when to be called again."""
        if self._remote is None:
            return due + CHECK_INTERVAL_S
        if self._handshake is None or self.ready:
            self._send_check(self._remote)
        else:
            self._advance(None)
        return due + (CONSENT_INTERVAL_S if self.ready else CHECK_INTERVAL_S)

    def _send_check(self, remote: Description) -> None:
        request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
        request.attributes["USERNAME"] = f"{remote.ufrag}:{self.local.ufrag}"
        request.attributes["PRIORITY"] = 1862270975
        request.attributes["ICE-CONTROLLING"] = 1
        request.attributes["USE-CANDIDATE"] = None
        request.add_message_integrity(remote.password.encode())
        request.add_fingerprint()
        self._send(bytes(request))

    def _handle_stun(self, datagram: bytes) -> None:
        if self._remote is None:
            return  # the server knows us from our description before we know it; it will ask again
        try:
            message = stun.parse_message(datagram)
        except ValueError:
            return
        if message.message_class == stun.Class.REQUEST:
            reply = stun.Message(
                message_method=stun.Method.BINDING,
                message_class=stun.Class.RESPONSE,
                transaction_id=message.transaction_id,
            )
            reply.attributes["XOR-MAPPED-ADDRESS"] = self.socket.getpeername()
            reply.add_message_integrity(self.local.password.encode())
            reply.add_fingerprint()
            self._send(bytes(reply))
        elif message.message_class == stun.Class.RESPONSE and self._handshake is None:
            self._handshake = Handshake(self._identity, self._remote.fingerprint)
            self._advance(None)

    def _advance(self, datagram: bytes | None) -> None:
        if self._handshake is None:
            return
        for reply in self._handshake.advance(datagram):
            self._send(reply)
        if self._handshake.done and not self.ready:
            self.ready = True
            self._on_ready(*self._handshake.srtp_sessions())

    def _send(self, datagram: bytes) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
            self.socket.send(datagram)

"""Every private name of aiortc and pylibsrtp that we rely on, in one place.

Versions are pinned and ``tests/unit/media/test_aiortc_contract.py`` fails when one of them moves.
aiortc does the DTLS handshake and derives the SRTP keys; from then on its libsrtp contexts are called
directly, in place in a shared buffer: no copy in, no allocation, no coroutine per packet.
"""

from collections.abc import Callable
from typing import Any, Protocol

import pylibsrtp
from aiortc import RTCCertificate
from aiortc.rtcdtlstransport import RTCDtlsFingerprint, RTCDtlsParameters, RTCDtlsTransport, State
from pylibsrtp._binding import ffi, lib

__all__ = ["DtlsAssociation", "PacketBuffer", "RTCCertificate", "sha256_fingerprint", "srtp_protect", "srtp_unprotect"]

srtp_protect = lib.srtp_protect
"""``srtp_protect(context, cdata, length)``: 0 when it encrypted ``length[0]`` bytes in place."""
srtp_unprotect = lib.srtp_unprotect
"""The same the other way round; not 0: not authentic, or repeated."""
_TRAILER_BYTES = pylibsrtp.SRTP_MAX_SRTCP_TRAILER_LEN


class DatagramPipe(Protocol):
    """What ``RTCDtlsTransport`` needs of an ICE transport."""

    role: str
    state: str

    async def _recv(self) -> bytes: ...
    async def _send(self, data: bytes) -> None: ...


class PacketBuffer:
    """Memory that libsrtp works on in place; ``view`` is the same memory for Python."""

    def __init__(self, size: int = 2048) -> None:
        self.cdata = ffi.new("char[]", size + _TRAILER_BYTES)
        self.length = ffi.new("int *")
        self.view = memoryview(ffi.buffer(self.cdata))
        self.limit = size


InPlace = Callable[[int], int]
"""Works on the first ``length`` bytes of its buffer; the new length, or -1 when libsrtp refuses."""


def _in_place(function: Any, session: pylibsrtp.Session, buffer: PacketBuffer) -> InPlace:
    handle = session._srtp  # keeps the context alive as long as the closure
    context = handle[0]
    cdata, length, limit = buffer.cdata, buffer.length, buffer.limit

    def run(size: int, *, _owner: Any = handle) -> int:
        if size > limit:
            return -1
        length[0] = size
        return length[0] if function(context, cdata, length) == 0 else -1

    return run


class DtlsAssociation:
    """One DTLS handshake over a pipe, and the SRTP keys that come of it."""

    def __init__(self, pipe: DatagramPipe, certificate: RTCCertificate, *, peer_is_client: bool) -> None:
        self._transport = RTCDtlsTransport(pipe, [certificate])  # type: ignore[arg-type]
        self._transport._set_role("server" if peer_is_client else "client")

    def on_state_change(self, callback: Callable[[], None]) -> None:
        self._transport.on("statechange", callback)

    @property
    def state(self) -> str:
        return self._transport.state

    async def handshake(self, fingerprints: tuple[tuple[str, str], ...]) -> bool:
        """Run the handshake; whether it ended with keys for the right peer."""
        parameters = RTCDtlsParameters(fingerprints=[RTCDtlsFingerprint(*pair) for pair in fingerprints])
        await self._transport.start(parameters)
        return self._transport._state == State.CONNECTED

    def unprotect(self, buffer: PacketBuffer) -> tuple[InPlace, InPlace]:
        """(RTP, RTCP) decryption in ``buffer``."""
        session = self._transport._rx_srtp
        return _in_place(lib.srtp_unprotect, session, buffer), _in_place(lib.srtp_unprotect_rtcp, session, buffer)

    def protect(self, buffer: PacketBuffer) -> tuple[InPlace, InPlace]:
        """(RTP, RTCP) encryption in ``buffer``."""
        session = self._transport._tx_srtp
        return _in_place(lib.srtp_protect, session, buffer), _in_place(lib.srtp_protect_rtcp, session, buffer)

    @property
    def inbound_context(self) -> Any:
        """libsrtp's own handle for ``srtp_unprotect``; valid as long as this object lives."""
        return self._transport._rx_srtp._srtp[0]

    @property
    def outbound_context(self) -> Any:
        """libsrtp's own handle for ``srtp_protect``; valid as long as this object lives."""
        return self._transport._tx_srtp._srtp[0]

    async def stop(self) -> None:
        await self._transport.stop()


def sha256_fingerprint(certificate: RTCCertificate) -> str:
    return next(f.value for f in certificate.getFingerprints() if f.algorithm == "sha-256")

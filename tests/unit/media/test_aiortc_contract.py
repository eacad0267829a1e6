"""The private names we use of pinned libraries: this fails, with the name, when one moves."""

import importlib.metadata
import inspect

import pylibsrtp
import pytest
from aiortc import RTCCertificate, rtcdtlstransport
from pylibsrtp import _binding

from media.aio import aiortc_private


def test_versions_are_the_pinned_ones() -> None:
    assert importlib.metadata.version("aiortc") == "1.16.0"
    assert importlib.metadata.version("pylibsrtp") == "1.0.0"


@pytest.mark.parametrize("name", ["_set_role", "start", "stop", "state", "on"])
def test_dtls_transport_methods(name: str) -> None:
    assert hasattr(rtcdtlstransport.RTCDtlsTransport, name)


async def test_dtls_transport_fields_and_what_it_calls_on_its_pipe() -> None:
    class Pipe:
        role = "controlled"
        state = "completed"

    certificate = RTCCertificate.generateCertificate()
    transport = rtcdtlstransport.RTCDtlsTransport(Pipe(), [certificate])  # type: ignore[arg-type]
    assert transport._rx_srtp is None
    assert transport._tx_srtp is None
    assert transport._state is rtcdtlstransport.State.NEW
    assert transport.state == "new"
    source = inspect.getsource(rtcdtlstransport.RTCDtlsTransport)
    assert "self.transport._recv()" in source
    assert "self.transport._send(data)" in source
    assert len(aiortc_private.sha256_fingerprint(certificate)) == 95


def test_srtp_sessions_can_be_used_in_place() -> None:
    policy = {"key": bytes(range(30)), "srtp_profile": pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80}
    sender = pylibsrtp.Session(pylibsrtp.Policy(ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND, **policy))
    receiver = pylibsrtp.Session(pylibsrtp.Policy(ssrc_type=pylibsrtp.Policy.SSRC_ANY_INBOUND, **policy))
    buffer = aiortc_private.PacketBuffer()
    plain = b"\x80\x6f\x00\x01" + bytes(8) + b"payload"
    buffer.view[: len(plain)] = plain
    sealed = aiortc_private._in_place(_binding.lib.srtp_protect, sender, buffer)(len(plain))
    assert sealed == len(plain) + 10
    assert bytes(buffer.view[:sealed]) != plain
    unprotect = aiortc_private._in_place(_binding.lib.srtp_unprotect, receiver, buffer)
    assert unprotect(sealed) == len(plain)
    assert bytes(buffer.view[: len(plain)]) == plain
    assert unprotect(len(plain)) == -1
    assert unprotect(100_000) == -1


def test_no_other_module_uses_private_names_of_aiortc() -> None:
    from pathlib import Path

    root = Path(aiortc_private.__file__).parents[1]
    users = [
        path.name
        for path in root.rglob("*.py")
        if any(line.startswith(("from aiortc", "import aiortc", "from pylibsrtp", "import pylibsrtp", "from aioice"))
               for line in path.read_text().splitlines())
    ]  # fmt: skip
    assert users == ["aiortc_private.py"]

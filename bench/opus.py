"""libopus 1.3 by ctypes: what the offline table of speech quality needs of it (RFC 6716)."""

from __future__ import annotations

import ctypes
import ctypes.util
from dataclasses import dataclass

import numpy as np

from bench.speech import RATE_HZ, Samples

_VOIP = 2048
_SET_BITRATE, _SET_BANDWIDTH_MAX, _SET_INBAND_FEC, _SET_LOSS_PERCENT, _SET_DTX = 4002, 4004, 4012, 4014, 4016
_NARROWBAND, _WIDEBAND, _FULLBAND = 1101, 1103, 1105
_MOST_BYTES = 1500
_HYBRID, _CELT_ONLY = 12, 16  # first of their configurations, RFC 6716, 3.1


@dataclass(frozen=True, slots=True)
class OpusSetting:
    name: str
    bitrate_bps: int
    ptime_ms: int
    dtx: bool = True
    fec: bool = True
    narrowband: bool = False
    wideband: bool = False
    """Not above 8 kHz: without hybrid frames, whose copies repair but 20 ms of a packet."""


def _library() -> ctypes.CDLL:
    """Raises OSError with what to install."""
    name = ctypes.util.find_library("opus")
    if name is None:
        raise OSError("libopus is missing: apt-get install libopus0")
    library = ctypes.CDLL(name)
    library.opus_encoder_create.restype = library.opus_decoder_create.restype = ctypes.c_void_p
    return library


def encode(samples: Samples, setting: OpusSetting, expected_loss: float) -> list[bytes]:
    """Packets of ``ptime_ms`` each; one byte or two where DTX has nothing to send."""
    library, error = _library(), ctypes.c_int()
    encoder = ctypes.c_void_p(library.opus_encoder_create(RATE_HZ, 1, _VOIP, ctypes.byref(error)))
    if error.value:
        raise OSError(f"libopus: no encoder, error {error.value}")
    bandwidth = _NARROWBAND if setting.narrowband else _WIDEBAND if setting.wideband else _FULLBAND
    for request, value in (
        (_SET_BITRATE, setting.bitrate_bps), (_SET_BANDWIDTH_MAX, bandwidth), (_SET_INBAND_FEC, int(setting.fec)),
        (_SET_LOSS_PERCENT, int(expected_loss * 100)), (_SET_DTX, int(setting.dtx)),
    ):  # fmt: skip
        library.opus_encoder_ctl(encoder, request, ctypes.c_int(value))
    frame = RATE_HZ * setting.ptime_ms // 1000
    pcm = _to_pcm(samples)
    out = ctypes.create_string_buffer(_MOST_BYTES)
    packets = []
    for start in range(0, len(pcm) - frame + 1, frame):
        block = np.ascontiguousarray(pcm[start : start + frame])
        size = library.opus_encode(encoder, block.ctypes.data_as(ctypes.c_void_p), frame, out, _MOST_BYTES)
        if size < 0:
            raise OSError(f"libopus: encoding failed, error {size}")
        packets.append(out.raw[:size])
    library.opus_encoder_destroy(encoder)
    return packets


def decode(packets: list[bytes], arrived: list[bool], setting: OpusSetting) -> Samples:
    """A lost packet is rebuilt from its successor's copy where there is one, else concealed by the decoder."""
    library, error = _library(), ctypes.c_int()
    decoder = ctypes.c_void_p(library.opus_decoder_create(RATE_HZ, 1, ctypes.byref(error)))
    if error.value:
        raise OSError(f"libopus: no decoder, error {error.value}")
    frame = RATE_HZ * setting.ptime_ms // 1000
    block = np.zeros(frame, dtype=np.int16)
    parts = []
    for index, packet in enumerate(packets):
        repair = not arrived[index]
        if repair:
            later = index + 1
            packet = packets[later] if setting.fec and later < len(packets) and arrived[later] else b""
        count = library.opus_decode(
            decoder, packet or None, len(packet), block.ctypes.data_as(ctypes.c_void_p), frame, int(repair)
        )
        if count < 0:
            raise OSError(f"libopus: decoding failed, error {count}")
        parts.append(block[:count].astype(np.float64) / 32768)
    library.opus_decoder_destroy(decoder)
    return np.concatenate(parts)


def has_copy(packet: bytes) -> bool:
    """The packet carries a low-rate copy of the sound before it (RFC 6716, 4.2.4): the LBRR flag of its first frame."""
    configuration = packet[0] >> 3
    start = _first_frame(packet)
    if configuration >= _CELT_ONLY or start >= len(packet):
        return False
    frames = 1 if configuration >= _HYBRID else (1, 1, 2, 3)[configuration & 3]
    return bool(packet[start] & (0x80 >> frames))  # after one voice activity flag per 20 ms


def _first_frame(packet: bytes) -> int:
    """Where it begins: after the table of contents and, with several frames, their lengths (RFC 6716, 3.2)."""
    code = packet[0] & 3
    if code < 2 or len(packet) < 2:
        return 1
    lengths, at = 1, 1
    if code == 3:
        lengths = (packet[1] & 0x3F) - 1 if packet[1] & 0x80 else 0
        at = 2 + (packet[1] >> 6 & 1)  # padding is under 255 bytes here
    for _ in range(lengths):
        at += 2 if packet[at] >= 252 else 1
    return at


def _to_pcm(samples: Samples) -> np.typing.NDArray[np.int16]:
    return (np.clip(samples, -1, 1) * 32767).astype(np.int16)

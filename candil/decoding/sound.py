"""A voice note made anew from its samples: Opus for whoever plays it, MP3 for everybody else; for ``child.py``.

The container is told by its first bytes and handed to that one demuxer, and only the codecs that recorders of phones
and browsers use are opened: no playlist, no reference to another file, no other of FFmpeg's hundreds is ever reached.
"""

import io
from typing import Any

REFUSALS = ("not_a_sound", "too_long")
MEMORY_BYTES = 512 * 1024 * 1024  # of addresses: the libraries take 120 MB of them, two minutes of samples pass through
CPU_S = 40  # two minutes of sound take 6 s of it on a machine of 2020
RATE_HZ = 16_000  # of what is kept: all that is in a voice
OPUS = {"application": "voip", "frame_duration": "60", "vbr": "on"}
OPUS_BPS, MP3_BPS = 14_000, 24_000
CODECS = (
    "aac,alac,amrnb,amrwb,libopencore_amrnb,libopencore_amrwb,libopus,mp3,mp3float,opus,vorbis,"
    "pcm_alaw,pcm_f32le,pcm_mulaw,pcm_s16le,pcm_s24le,pcm_u8"
)
LEAST_HZ, MOST_HZ = 8_000, 96_000
MAX_CHANNELS = 2
LEAST_MS = 200
MAX_BROKEN_PACKETS = 50  # a recording that was cut off still says something
ENCODER_ONLY = {"fflags": "+bitexact"}  # no names and versions of libraries


def container_of(data: bytes) -> str:
    """FFmpeg's name for the container that the first bytes are of; empty for any other."""
    if data[4:8] == b"ftyp":
        return "mov"
    starts = {b"OggS": "ogg", b"\x1aE\xdf\xa3": "matroska", b"#!AMR": "amr", b"ID3": "mp3", b"RIFF": "wav"}
    for start, name in starts.items():
        if data.startswith(start):
            return name if name != "wav" or data[8:12] == b"WAVE" else ""
    if len(data) > 2 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0:  # a frame's sync word
        return "aac" if data[1] & 0x06 == 0 else "mp3"
    return ""


def remake(data: bytes, most_s: int) -> tuple[dict[str, object], dict[str, bytes]]:
    """The sound in mono, at most ``most_s`` long, in both forms. Raises ValueError with a code of REFUSALS."""
    import av

    av.logging.set_level(None)
    name = container_of(data)
    if not name:
        raise ValueError("not_a_sound")
    opus, mp3 = _Writer(av, "ogg", "libopus", OPUS_BPS, OPUS), _Writer(av, "mp3", "libmp3lame", MP3_BPS, {"abr": "1"})
    samples = 0
    try:
        for frame in _frames(av, data, name):
            samples += frame.samples
            if samples > most_s * RATE_HZ:
                raise ValueError("too_long")
            opus.write(frame)
            mp3.write(frame)
    except av.error.FFmpegError:
        raise ValueError("not_a_sound") from None
    duration_ms = 1000 * samples // RATE_HZ
    if duration_ms < LEAST_MS:
        raise ValueError("not_a_sound")
    return {"duration_ms": duration_ms}, {"full": opus.close(), "mp3": mp3.close()}


def _frames(av: Any, data: bytes, name: str) -> Any:
    """The sound as mono frames at RATE_HZ, one after the other whatever their times say."""
    options = {"codec_whitelist": CODECS, "format_whitelist": name}
    with av.open(io.BytesIO(data), format=name, options=options) as source:
        stream = next(iter(source.streams.audio), None)
        if stream is None or stream.codec_context.name not in CODECS.split(","):
            raise ValueError("not_a_sound")
        resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
        for frame in _decoded(av, source, stream):
            if not LEAST_HZ <= frame.sample_rate <= MOST_HZ or len(frame.layout.channels) > MAX_CHANNELS:
                raise ValueError("not_a_sound")
            frame.pts = None
            yield from resampler.resample(frame)
        yield from resampler.resample(None)


def _decoded(av: Any, source: Any, stream: Any) -> Any:
    broken = 0
    packets = source.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            frames = packet.decode() if packet is not None else None
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            broken += 1
            if broken > MAX_BROKEN_PACKETS:
                raise
            continue
        if frames is None:
            return
        yield from frames


class _Writer:
    """One form of the sound, in memory."""

    def __init__(self, av: Any, container: str, codec: str, bps: int, options: dict[str, str]) -> None:
        self._out = io.BytesIO()
        muxer = {"id3v2_version": "0"} if container == "mp3" else {}
        self._file = av.open(self._out, "w", format=container, options=ENCODER_ONLY | muxer)
        self._stream = self._file.add_stream(codec, rate=RATE_HZ, layout="mono", options=options)
        self._stream.bit_rate = bps
        self._fit = av.AudioResampler(format=self._stream.codec_context.format, layout="mono", rate=RATE_HZ)

    def write(self, frame: Any) -> None:
        for fitting in self._fit.resample(frame):
            fitting.pts = None
            self._file.mux(self._stream.encode(fitting))

    def close(self) -> bytes:
        for fitting in self._fit.resample(None):
            fitting.pts = None
            self._file.mux(self._stream.encode(fitting))
        self._file.mux(self._stream.encode(None))
        self._file.close()
        return self._out.getvalue()

"""Sounds made up for tests, in the files that phones and browsers make of them."""

import io
import math
from typing import Any

import av
import numpy as np

RATE_HZ = 48_000
WRITERS = {  # container: FFmpeg's names of it and of the codec
    "webm": ("webm", "libopus"),
    "ogg": ("ogg", "libopus"),
    "mp4": ("mp4", "aac"),
    "mp3": ("mp3", "libmp3lame"),
    "wav": ("wav", "pcm_s16le"),
    "flac": ("flac", "flac"),
}


def a_sound(
    seconds: float = 2.0, container: str = "webm", *, channels: int = 1, rate_hz: int = RATE_HZ, **tags: str
) -> bytes:
    """A tone that goes up and down, as a voice does; ``tags`` are written into the file."""
    times = np.arange(int(seconds * rate_hz)) / rate_hz
    wave = 0.4 * np.sin(2 * math.pi * 220 * times + 40 * np.sin(2 * math.pi * 1.5 * times))
    samples = np.tile((wave * 32767).astype("<i2"), (channels, 1)).T.reshape(1, -1)
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[channels]
    name, codec = WRITERS[container]
    out = io.BytesIO()
    with av.open(out, "w", format=name) as file:
        file.metadata.update(tags)
        stream: Any = file.add_stream(codec, rate=rate_hz, layout=layout)
        if codec != "pcm_s16le":
            stream.bit_rate = 24_000 * channels
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="s16", layout=layout)
        frame.sample_rate = rate_hz
        fit = av.AudioResampler(format=stream.codec_context.format, layout=layout, rate=rate_hz)
        for fitting in [*fit.resample(frame), *fit.resample(None)]:
            file.mux(stream.encode(fitting))
        file.mux(stream.encode(None))
    return out.getvalue()


class Heard:
    """What is in a file: its container, codec, length, loudness (root mean square, 0 to 1) and tags."""

    def __init__(self, data: bytes) -> None:
        with av.open(io.BytesIO(data)) as file:
            stream = file.streams.audio[0]
            self.container, self.codec = file.format.name, stream.codec_context.name
            self.tags = {**file.metadata, **stream.metadata}
            frames = [frame.to_ndarray().astype(float) for frame in file.decode(stream)]
            self.seconds = sum(frame.shape[-1] for frame in frames) / stream.codec_context.sample_rate
            self.channels = stream.codec_context.channels
        whole = np.concatenate([frame.reshape(-1) for frame in frames])
        self.loudness = float(np.sqrt(np.mean(whole**2)))

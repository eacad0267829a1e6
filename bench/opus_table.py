"""How well speech is understood by Opus setting and loss, without any network: python -m bench.opus_table

Says what each rung can reach at best: the calls of bench/adaptation.py add the line, the jitter buffer and the page.
Losses are random, by packet, and the encoder is told of them. Cells: STOI, PESQ, and the share of packets that carry
a copy of the one before. Bit rates are on the wire (IPv4, UDP, RTP, SRTP: 58 bytes a packet) while somebody speaks.
"""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import speech
from bench.intelligibility import Score, score
from bench.opus import OpusSetting, decode, encode, has_copy

HEADER_BYTES = 58
SEEDS = (1, 2, 3)
LOSSES = (0.0, 0.05, 0.1, 0.2)
SETTINGS = (
    OpusSetting("video: 24k, 60 ms, FEC", 24_000, 60, dtx=False),
    OpusSetting("24k, wideband at most, 60 ms, FEC", 24_000, 60, dtx=False, wideband=True),
    OpusSetting("24k, 60 ms, no FEC", 24_000, 60, dtx=False, fec=False),
    OpusSetting("low_video, or audio with loss: 16k, 60 ms, FEC", 16_000, 60),
    OpusSetting("16k, 60 ms, no FEC", 16_000, 60, fec=False),
    OpusSetting("audio: 12k, 60 ms, FEC, DTX", 12_000, 60),
    OpusSetting("emergency: 6k narrowband, 120 ms, DTX", 6_000, 120, fec=False, narrowband=True),
    OpusSetting("6k narrowband, 60 ms, DTX", 6_000, 60, fec=False, narrowband=True),
)
_SPOKEN_BYTES = 10


@dataclass(frozen=True, slots=True)
class Result:
    stoi: float
    pesq: float
    copies: float
    speaking_bps: float


def measured(said: speech.Samples, setting: OpusSetting, loss: float) -> Result:
    """Means over ``SEEDS`` patterns of loss; one is enough without loss."""
    packets = encode(said, setting, loss)
    scores = [_heard(said, packets, setting, loss, seed) for seed in (SEEDS if loss else SEEDS[:1])]
    spoken = [packet for packet in packets if len(packet) > _SPOKEN_BYTES]
    return Result(
        stoi=fmean(found.stoi for found in scores),
        pesq=fmean(found.pesq or 1.0 for found in scores),
        copies=fmean(has_copy(packet) for packet in spoken),
        speaking_bps=fmean(len(packet) + HEADER_BYTES for packet in spoken) * 8000 / setting.ptime_ms,
    )


def _heard(said: speech.Samples, packets: list[bytes], setting: OpusSetting, loss: float, seed: int) -> Score:
    chance = random.Random(seed)
    heard = decode(packets, [chance.random() >= loss for _ in packets], setting)
    found = score(said, heard, speech.RATE_HZ)
    if found is None:
        raise ValueError("what was said holds no whole sentence")
    return found


def main() -> None:
    said = speech.spoken(speech.PATIENT)
    print("| setting | kbit/s speaking | " + " | ".join(f"{loss:.0%} lost" for loss in LOSSES) + " |")
    print("|---|---|" + "---|" * len(LOSSES))
    for setting in SETTINGS:
        results = [measured(said, setting, loss) for loss in LOSSES]
        cells = [f"{found.stoi:.2f}, {found.pesq:.1f}, {found.copies:.0%}" for found in results]
        print(f"| {setting.name} | {results[0].speaking_bps / 1000:.1f} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()

"""Opus without a network: what the offline table rests on."""

import numpy as np
import pytest

from bench.intelligibility import score
from bench.opus import OpusSetting, decode, encode, has_copy
from bench.speech import DOCTOR, RATE_HZ, Samples, spoken

GOOD = OpusSetting("24k", 24_000, 60)


@pytest.fixture(scope="module")
def said() -> Samples:
    return spoken(DOCTOR)[: 15 * RATE_HZ]


def test_what_is_decoded_is_understood_and_half_of_it_is_not(said: Samples) -> None:
    packets = encode(said, GOOD, 0)
    whole = score(said, decode(packets, [True] * len(packets), GOOD), RATE_HZ)
    half = score(said, decode(packets, [index % 4 < 2 for index in range(len(packets))], GOOD), RATE_HZ)
    assert whole is not None
    assert half is not None
    assert whole.stoi > 0.95
    assert half.stoi < whole.stoi - 0.15


def test_copies_are_sent_only_where_asked_for_and_afforded(said: Samples) -> None:
    def share(setting: OpusSetting, loss: float) -> float:
        return float(np.mean([has_copy(packet) for packet in encode(said, setting, loss) if len(packet) > 10]))

    assert share(GOOD, 0.1) > 0.7  # not of what follows a pause
    assert share(OpusSetting("24k", 24_000, 60, fec=False), 0.1) == 0
    assert share(OpusSetting("6k", 6_000, 60), 0.1) == 0


def test_silence_is_next_to_nothing_with_dtx() -> None:
    silent = encode(np.zeros(3 * RATE_HZ), GOOD, 0)
    assert sum(len(packet) > 2 for packet in silent) < len(silent) / 3

"""How much of what was heard was made up by the player. Pure, from the same samples as the other figures."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from bench.call_outcome import SPEAKING_ENERGY_PER_S, Outcome, Sample, growth, stretches

LONGEST_WAY_S, SHORTEST_WAY_S = 1.0, 0.25
"""From a microphone to the other's ear: the line, a packet, the jitter buffer."""
_ENERGY = "source_audio_totalAudioEnergy"


def concealed(samples: Sequence[Sample], start: float, end: float) -> float | None:
    """Share of the played audio that was made up, whatever was lost: also the silence between two comfort noises."""
    played = growth(samples, "in_audio_totalSamplesReceived", start, end)
    if played <= 0:
        return None
    return max(0.0, growth(samples, "in_audio_concealedSamples", start, end)) / played


def damaged(hearing: Sequence[Sample], speaking: Sequence[Sample], start: float, end: float) -> float | None:
    """As ``concealed``, but what was played as silence while the other was silent does not count.

    With discontinuous transmission (RFC 7587, 3.1.3) a pause has next to no packets, and Chromium counts what it
    plays there as concealed and silently concealed. It counts the rest of a long outage in the same way, so silence
    is forgiven only where nothing was being said.
    """
    played = made_up = 0.0
    for earlier, later in pairwise(s for s in hearing if start <= s["t"] <= end):
        played += _grown(earlier, later, "in_audio_totalSamplesReceived")
        lost = _grown(earlier, later, "in_audio_concealedSamples")
        if not _spoke(speaking, earlier["t"] - LONGEST_WAY_S, later["t"] - SHORTEST_WAY_S):
            lost -= _grown(earlier, later, "in_audio_silentConcealedSamples")
        made_up += lost
    return max(0.0, made_up) / played if played > 0 else None


def heard_damaged(outcome: Outcome, side: str, start: float, end: float) -> float | None:
    """``damaged`` at one side."""
    sides = (outcome.patient, outcome.doctor)
    hearing, speaking = sides if side == "patient" else sides[::-1]
    return damaged(hearing, speaking, start, end)


def damaged_outside_text(outcome: Outcome, side: str, start: float, end: float) -> float | None:
    """``damaged`` while the direction to that side was to carry sound.

    Left out is where the ladder had announced text and why; None: nothing else was there.
    """
    hearing, speaking = (outcome.patient, outcome.doctor) if side == "patient" else (outcome.doctor, outcome.patient)
    way = "down" if side == "patient" else "up"
    weighed = made_up = 0.0
    for begins, ends, tier in stretches(outcome, start, end):
        if tier is not None and getattr(tier, way) == "text" and getattr(tier, f"{way}_reason"):
            continue
        share = damaged(hearing, speaking, begins, ends)
        if share is not None:
            weighed += ends - begins
            made_up += share * (ends - begins)
    return made_up / weighed if weighed else None


def _grown(earlier: Sample, later: Sample, name: str) -> float:
    return float(later.get(name, 0)) - float(earlier.get(name, 0))


def _spoke(samples: Sequence[Sample], start: float, end: float) -> bool:
    """Also True where the microphone's statistics are missing: nothing is forgiven unseen."""
    if not samples or samples[0]["t"] > start or _ENERGY not in samples[-1]:
        return True
    return growth(samples, _ENERGY, start, end) > SPEAKING_ENERGY_PER_S * (end - start)

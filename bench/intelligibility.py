"""How well speech is understood after a line: STOI (0 to 1) and wide-band PESQ (1 to 4.6) of received against sent.

A receiver stretches and shrinks time, so each stretch of speech is aligned by itself and the scores are averaged over
the stretches, weighted by nothing: a sentence that was lost counts as much as one that came through.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from pystoi import stoi
from scipy.signal import correlate, resample_poly

from bench.speech import RATE_HZ, Samples

SCORED_HZ = 16_000
_FRAME = SCORED_HZ // 100
_DRIFT_S = 0.6  # how far a sentence may have moved against the one before
_LEAST_S = 0.8


@dataclass(frozen=True, slots=True)
class Score:
    stoi: float
    pesq: float | None
    """None: nothing that it could be computed of."""
    sentences: int


def score(sent_loop: Samples, received: Samples, received_hz: int) -> Score | None:
    """``sent_loop``: the minute that was said over and over at ``RATE_HZ``; None: no whole sentence was recorded."""
    sent = _at_scored_rate(sent_loop, RATE_HZ)
    heard = _at_scored_rate(received, received_hz)
    offset = _loop_offset(sent, heard)
    looped = np.tile(sent, len(heard) // len(sent) + 2)[offset:]
    results = [_sentence(looped, heard, start, end) for start, end in sentences_of(looped[: len(heard)])]
    found = [result for result in results if result is not None]
    if not found:
        return None
    qualities = [quality for _, quality in found if quality is not None]
    mean_quality = float(np.mean(qualities)) if qualities else None
    return Score(float(np.mean([s for s, _ in found])), mean_quality, len(found))


def sentences_of(samples: Samples) -> list[tuple[int, int]]:
    """Stretches of speech between pauses of over half a second."""
    count = len(samples) // _FRAME
    levels = np.sqrt(np.mean(samples[: count * _FRAME].reshape(count, _FRAME) ** 2, axis=1))
    active = np.flatnonzero(levels > 0.01)
    if not len(active):
        return []
    breaks = np.flatnonzero(np.diff(active) > 50)
    starts = [int(active[0]), *(int(active[i + 1]) for i in breaks)]
    ends = [*(int(active[i]) for i in breaks), int(active[-1])]
    pairs = [(start * _FRAME, (end + 1) * _FRAME) for start, end in zip(starts, ends, strict=True)]
    return [(start, end) for start, end in pairs if end - start >= _LEAST_S * SCORED_HZ]


def _sentence(sent: Samples, heard: Samples, start: int, end: int) -> tuple[float, float | None] | None:
    """Scores of one sentence at its own best alignment; None: the recording does not hold all of it."""
    drift = int(_DRIFT_S * SCORED_HZ)
    if start - drift < 0 or end + drift > len(heard):
        return None
    reference, around = sent[start:end], heard[start - drift : end + drift]
    if np.max(np.abs(around)) < 1e-4:
        return 0.0, None
    best = int(np.argmax(correlate(around, reference, mode="valid", method="fft")))
    got = around[best : best + len(reference)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # too little speech left to compare: pystoi says so and returns 1e-5
        understood = float(stoi(reference, got, SCORED_HZ))
    return max(0.0, understood), _quality(reference, got)


def _quality(reference: Samples, got: Samples) -> float | None:
    """PESQ, where it is installed: it is compiled on the spot, which the tests ask of nobody."""
    try:
        from pesq import PesqError, pesq
    except ImportError:
        return None
    try:
        return float(pesq(SCORED_HZ, reference, got, "wb"))
    except (PesqError, ValueError):
        return None


def _loop_offset(sent: Samples, heard: Samples) -> int:
    """Where in the loop the recording begins, by the outlines of both."""
    outline, got = _outline(np.tile(sent, 2)), _outline(heard[: len(sent)])
    coarse = int(np.argmax(correlate(outline, got, mode="valid", method="fft")))
    return (coarse * _FRAME) % len(sent)


def _outline(samples: Samples) -> Samples:
    count = len(samples) // _FRAME
    levels = np.sqrt(np.mean(samples[: count * _FRAME].reshape(count, _FRAME) ** 2, axis=1))
    return np.asarray(levels - np.mean(levels))


def _at_scored_rate(samples: Samples, rate_hz: int) -> Samples:
    return np.asarray(resample_poly(samples, SCORED_HZ, rate_hz)) if rate_hz != SCORED_HZ else samples

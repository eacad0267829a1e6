"""Whether a call was worse than plain WebRTC over the same line in the same run."""

from __future__ import annotations

from bench import call_outcome as figures
from bench import call_sound as sound
from bench.call_outcome import Outcome

SAME_SHARE = 0.005
"""Two runs of one system differ by so much."""
MOVES_FPS = 5
SOUND_IN_ORDER = 0.03
SPEECH_GETS_THROUGH = 0.1
_JOINED_AT_RATE_S = 30.0


def worse_than_plain(outcome: Outcome, plain: Outcome, *, joined_at_rate: bool) -> list[str]:
    """What was worse, in words. Sound: more was made up, or text where plain WebRTC's speech gets through. Video:
    it stands where plain WebRTC moves it with its sound in order; moving it at the price of sound is no merit."""
    found = []
    since_s = _JOINED_AT_RATE_S if joined_at_rate else 0.0
    window, other = outcome.window(since_s), plain.window(since_s)
    for index, side in enumerate(("patient", "doctor")):
        beside = sound.heard_damaged(plain, side, *other)
        found += _sound(side, outcome, window, 1.0 if beside is None else beside)
        fps = figures.frames_per_s(outcome.sides()[index], *window)
        their_fps = figures.frames_per_s(plain.sides()[index], *other)
        in_order = all((made_up or 0.0) <= SOUND_IN_ORDER for made_up in _all_made_up(plain, other))
        if their_fps >= MOVES_FPS and in_order and fps < MOVES_FPS:
            found.append(f"video at {side} {fps:.1f} fps, plain {their_fps:.1f}")
    return found


def _sound(side: str, outcome: Outcome, window: tuple[float, float], beside: float) -> list[str]:
    own = sound.damaged_outside_text(outcome, side, *window)
    if own is None:
        if beside < SPEECH_GETS_THROUGH:
            return [f"no sound at {side}, plain conceals {beside:.1%}"]
    elif own > beside + SAME_SHARE:
        return [f"concealed at {side} {own:.1%}, plain {beside:.1%}"]
    return []


def _all_made_up(plain: Outcome, window: tuple[float, float]) -> list[float | None]:
    return [sound.heard_damaged(plain, side, *window) for side in ("patient", "doctor")]

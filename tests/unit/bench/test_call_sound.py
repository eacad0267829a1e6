"""What was heard damaged, and whether plain WebRTC did better, from samples made by hand."""

from collections.abc import Callable
from typing import Any

import pytest

from bench import call_sound as sound
from bench.call_beside import worse_than_plain
from bench.call_outcome import Outcome, Tier

BEGAN, SECONDS = 1000.0, 60
PLAYED = 48_000.0


def side(
    *, made_up: Callable[[float], float] = lambda t: 0, silent: Callable[[float], float] = lambda t: 0,
    speaks: Callable[[float], bool] = lambda t: True, fps: float = 0,
) -> list[dict[str, Any]]:  # fmt: skip
    """``made_up`` and ``silent``: shares of what is played at a time; four samples a second."""
    totals = dict.fromkeys(("total", "concealed", "silent", "energy", "frames"), 0.0)
    result = []
    for step in range(-8, SECONDS * 4 + 1):
        t = step / 4
        totals["total"] += PLAYED / 4
        totals["concealed"] += PLAYED / 4 * made_up(t)
        totals["silent"] += PLAYED / 4 * silent(t)
        totals["energy"] += 0.05 if speaks(t) else 0
        totals["frames"] += fps / 4
        names = ("in_audio_totalSamplesReceived", "in_audio_concealedSamples", "in_audio_silentConcealedSamples",
                 "source_audio_totalAudioEnergy", "in_video_framesDecoded")  # fmt: skip
        result.append({"t": BEGAN + t, **dict(zip(names, totals.values(), strict=True))})
    return result


def call(patient: list[dict[str, Any]], doctor: list[dict[str, Any]], tiers: tuple[Tier, ...] = ()) -> Outcome:
    return Outcome("candil" if tiers else "plain", BEGAN, float(SECONDS), patient, doctor, {}, tiers=tiers)


def tier(at_s: float, down: str, reason: str = "line") -> Tier:
    return Tier(BEGAN + at_s, down, "audio", reason, "", down, "audio")


def test_concealed_is_a_share_of_what_was_played() -> None:
    seen = side(made_up=lambda t: 0.5 if t > 10 else 0)
    assert sound.concealed(seen, BEGAN, BEGAN + 9) == 0
    assert sound.concealed(seen, BEGAN + 12, BEGAN + 20) == pytest.approx(0.5)
    assert sound.concealed([], BEGAN, BEGAN + 10) is None


def test_pauses_are_not_damage_but_silence_in_place_of_speech_is() -> None:
    def pause(t: float) -> bool:
        return 20 < t < 40

    hearing = side(made_up=lambda t: 0.25 if pause(t) else 0, silent=lambda t: 0.25 if pause(t) else 0)
    window = (BEGAN + 22, BEGAN + 38)
    assert sound.damaged(hearing, side(speaks=lambda t: not pause(t)), *window) == 0
    assert sound.damaged(hearing, side(), *window) == pytest.approx(0.25, abs=0.01)
    audible = side(made_up=lambda t: 0.25)
    assert sound.damaged(audible, side(speaks=lambda t: False), *window) == pytest.approx(0.25, abs=0.01)


def test_nothing_is_forgiven_where_the_microphone_was_not_seen() -> None:
    hearing = side(made_up=lambda t: 1, silent=lambda t: 1)
    assert sound.damaged(hearing, [], BEGAN, BEGAN + 10) == pytest.approx(1)
    assert sound.damaged(hearing, [{"t": BEGAN - 9}, {"t": BEGAN + 9}], BEGAN, BEGAN + 10) == pytest.approx(1)


def test_text_is_left_out_only_with_its_reason() -> None:
    hearing = side(made_up=lambda t: 1 if t > 30 else 0.02)
    told = (tier(0, "audio"), tier(30, "text"))
    found = sound.damaged_outside_text(call(hearing, side(), told), "patient", BEGAN, BEGAN + 60)
    assert found == pytest.approx(0.02, abs=0.002)
    silent = (tier(0, "audio"), tier(30, "text", ""))
    found = sound.damaged_outside_text(call(hearing, side(), silent), "patient", BEGAN, BEGAN + 60)
    assert found == pytest.approx(0.51, abs=0.01)
    assert sound.damaged_outside_text(call(hearing, side(), (tier(0, "text"),)), "patient", BEGAN, BEGAN + 60) is None


def test_worse_than_plain_is_told_for_sound_and_for_video() -> None:
    clean = side(fps=20)
    plain = call(side(fps=20, made_up=lambda t: 0.01), clean)
    assert worse_than_plain(call(side(fps=12), clean, (tier(0, "video"),)), plain, joined_at_rate=False) == []
    stands = call(side(fps=1, made_up=lambda t: 0.04), clean, (tier(0, "stills"),))
    found = worse_than_plain(stands, plain, joined_at_rate=False)
    assert found == ["concealed at patient 4.0%, plain 1.0%", "video at patient 1.0 fps, plain 20.0"]


def test_video_paid_for_with_sound_need_not_be_matched_and_text_only_where_speech_fails() -> None:
    clean = side(fps=20)
    broken = call(side(fps=20, made_up=lambda t: 0.3), clean)
    stands = call(side(), clean, (tier(0, "audio"),))
    assert worse_than_plain(stands, broken, joined_at_rate=False) == []
    text = call(side(made_up=lambda t: 1), clean, (tier(0, "text"),))
    assert worse_than_plain(text, broken, joined_at_rate=True) == []
    speaks = call(side(made_up=lambda t: 0.05), clean)
    assert worse_than_plain(text, speaks, joined_at_rate=True) == ["no sound at patient, plain conceals 5.0%"]

"""The whole loop on simulated lines: what a person in the call would see. The doctor's line is good."""

import pytest

from media.adaptation.orders import LineHint
from media.adaptation.rungs import Rung
from tests.sim.call import Call, alternating, two
from tests.sim.link import Link, RandomLoss

M = 1_000_000


def dropped(call: Call) -> int:
    counters = call.browsers["patient"].down.link.counters
    return counters.dropped_queue + counters.dropped_loss + counters.dropped_outage


def test_a_fall_to_80_kbit_ends_video_within_two_seconds_and_keeps_the_sound() -> None:
    call = Call(two([(0, M), (40, 80e3)], [(0, M), (40, 80e3)])).run(55)
    assert call.rung_at("patient", "down", 40) >= Rung.LOW_VIDEO
    gone_s = call.first_below("patient", "down", Rung.LOW_VIDEO, 40)
    assert gone_s is not None
    assert gone_s < 2
    gone_up_s = call.first_below("patient", "up", Rung.LOW_VIDEO, 40)
    assert gone_up_s is not None
    assert gone_up_s < 1.5
    assert dropped(call) > 0
    assert call.sound("patient", "doctor").concealed(10, 40) <= 0.02
    assert call.sound("doctor", "patient").concealed(10, 40) <= 0.02


def test_a_rise_to_1_mbit_brings_video_back_within_fifteen_seconds() -> None:
    call = Call(two([(0, 80e3), (40, M)], [(0, 80e3), (40, M)]), seed=2).run(60)
    back_s = call.first_reaching("patient", "down", Rung.LOW_VIDEO, 40)
    assert back_s is not None
    assert back_s < 15
    back_up_s = call.first_reaching("patient", "up", Rung.LOW_VIDEO, 40)
    assert back_up_s is not None
    assert back_up_s < 15
    assert call.sound("patient", "doctor").concealed(40, 60) <= 0.01
    assert call.sound("doctor", "patient").concealed(40, 60) <= 0.01


def test_24_kbit_holds_sound_both_ways_without_flapping() -> None:
    call = Call(two(24e3, 24e3, delay_s=0.1), hints={"patient": LineHint(23_000, 23_000)}).run(180)
    for direction in ("down", "up"):
        assert call.rung_at("patient", direction, 120) in (Rung.EMERGENCY, Rung.AUDIO)
        assert call.tier_changes("patient", direction, 20, 120) <= 2
    assert len(call.sound("patient", "doctor").sent) > 500
    assert call.sound("patient", "doctor").concealed(10, 180) <= 0.015
    assert call.sound("doctor", "patient").concealed(10, 180) <= 0.015


def test_12_kbit_holds_emergency_sound_both_ways() -> None:
    call = Call(two(12e3, 12e3, delay_s=0.1), hints={"patient": LineHint(11_500, 11_500)}).run(180)
    for direction in ("down", "up"):
        assert call.rung_at("patient", direction, 180) is Rung.EMERGENCY
        assert call.tier_changes("patient", direction, 10, 180) <= 2
    assert len(call.sound("doctor", "patient").sent) > 500
    assert call.sound("patient", "doctor").concealed(10, 180) <= 0.03
    assert call.sound("doctor", "patient").concealed(10, 180) <= 0.035


@pytest.mark.parametrize("probes", [True, False])
def test_a_browser_grows_to_full_video_in_one_go_with_or_without_probes_of_its_own(probes: bool) -> None:
    call = Call(two(5e6, 5e6))
    for browser in call.browsers.values():
        browser.probes = probes
    call.run(60)
    assert call.rung_at("patient", "up", 20) is Rung.VIDEO
    heights = [order.video.max_height for at, who, order in call.orders if who == "patient" and at > 4 and order.video]
    assert heights == sorted(heights)


def test_an_easy_picture_is_no_reason_against_full_video() -> None:
    call = Call(two(5e6, 5e6))
    call.browsers["patient"].encoder_max_bps = 150_000
    assert call.run(60).rung_at("patient", "up", 30) is Rung.VIDEO


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_80_kbit_from_the_start_is_not_tried_as_video_again_and_again(seed: int) -> None:
    call = Call(two(80e3, 80e3), seed=seed).run(120)
    for direction in ("down", "up"):
        assert call.tier_changes("patient", direction, 10, 120) <= 4
    assert call.sound("patient", "doctor").concealed(10, 120) <= 0.02
    assert call.sound("doctor", "patient").concealed(10, 120) <= 0.02


def test_8_kbit_is_text_with_its_reason_and_the_sound_stops() -> None:
    call = Call(two(8e3, 8e3, delay_s=0.4), hints={"patient": LineHint(7_800, 7_800)}).run(60)
    assert call.rung_at("patient", "down", 60) is Rung.TEXT
    assert call.shown["patient"][-1].down_reason == "line"
    assert not call.sound("patient", "doctor").sent


def test_150_kbit_keeps_a_moving_picture() -> None:
    call = Call(two(150e3, 150e3)).run(90)
    assert call.rung_at("patient", "down", 90) is Rung.LOW_VIDEO
    assert call.tier_changes("patient", "down", 30, 90) == 0
    assert len([at for at in call.browsers["patient"].frames_in if at > 30]) > 300


def test_random_loss_alone_does_not_end_the_picture() -> None:
    call = Call(two(500e3, 500e3, loss=RandomLoss(0.1))).run(60)
    assert dropped(call) > 50
    assert call.rung_at("patient", "down", 60) >= Rung.LOW_VIDEO


def test_an_alternating_line_is_not_followed_up_and_down() -> None:
    schedule = alternating(200e3, 40e3, 5, 600)
    call = Call(two(schedule, schedule)).run(600)
    assert dropped(call) > 0
    assert call.tier_changes("patient", "down", 60, 600) <= 6
    assert call.tier_changes("patient", "up", 60, 600) <= 6


@pytest.mark.parametrize("gap_s", [2, 12, 30])
def test_after_an_outage_sound_and_picture_return_by_themselves(gap_s: int) -> None:
    call = Call(two(M, M, outages=[(40, 40 + gap_s)])).run(60 + gap_s)
    assert dropped(call) > 0
    assert call.sound("patient", "doctor").concealed(40.5, 39.5 + gap_s) == 1.0
    assert call.sound("patient", "doctor").concealed(42 + gap_s, 60 + gap_s) <= 0.02
    back_s = call.first_reaching("patient", "down", Rung.LOW_VIDEO, 40 + gap_s)
    assert back_s is not None
    assert back_s < 5


def test_each_direction_stands_on_its_own_rung() -> None:
    call = Call(two(60e3, M)).run(60)
    assert call.rung_at("patient", "down", 60) >= Rung.LOW_VIDEO
    assert call.rung_at("patient", "up", 60) < Rung.LOW_VIDEO


def test_one_thin_line_among_six_gets_sound_and_the_others_keep_their_pictures() -> None:
    links = {f"p{n}": (Link(5e6, delay_s=0.02, seed=n), Link(5e6, delay_s=0.02, seed=n + 9)) for n in range(5)}
    links["thin"] = (Link(60e3, seed=40), Link(60e3, seed=41))
    call = Call(links, talks=0.2).run(40)
    assert call.rung_at("thin", "down", 40) is Rung.AUDIO
    assert all(call.rung_at(f"p{n}", "down", 40) >= Rung.LOW_VIDEO for n in range(5))

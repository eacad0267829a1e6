import pytest

from candil.errors import ConfigError
from media.adaptation.policy import LadderPolicy
from media.adaptation.rungs import Rung


def test_each_rung_has_a_tier_and_a_name_that_reads_back() -> None:
    assert [rung.tier for rung in Rung] == ["text", "audio", "audio", "stills", "low_video", "video", "video"]
    assert [Rung.from_wire(rung.wire_name) for rung in Rung] == list(Rung)


@pytest.mark.parametrize("name", ["", "VIDEO", "movie"])
def test_an_unknown_rung_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no such rung"):
        Rung.from_wire(name)


@pytest.mark.parametrize(
    ("rung", "wire_bps"), [(Rung.EMERGENCY, 9_866), (Rung.AUDIO, 19_733), (Rung.LOW_VIDEO, 23_733)]
)
def test_sound_fits_what_each_rung_may_cost(rung: Rung, wire_bps: int) -> None:
    rule = LadderPolicy().rule(rung)
    assert rule is not None
    assert rule.audio.wire_bps == wire_bps
    assert rule.audio.wire_bps <= rule.hold_bps


def test_a_clinic_changes_single_figures() -> None:
    policy = LadderPolicy.from_settings({"allow_hd": True, "low_video": {"enter_bps": 100_000}})
    assert policy.top is Rung.HD
    assert policy.low_video.enter_bps == 100_000
    assert policy.low_video.hold_bps == LadderPolicy().low_video.hold_bps


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"speed": 1}, "speed is not a setting"),
        ({"low_video": {"enter": 1}}, "low_video.enter is not a setting"),
        ({"low_video": 85_000}, "low_video must be a table"),
        ({"low_video": {"enter_bps": "much"}}, "low_video.enter_bps must be a number"),
        ({"audio": {"audio_dtx": 1}}, "audio.audio_dtx must be true or false"),
        ({"low_video": {"hold_bps": 90_000}}, "low_video.hold_bps must be above 0 and below"),
        ({"stills": {"enter_bps": 25_000, "hold_bps": 21_000}}, "stills.enter_bps and hold_bps must be above"),
        ({"audio": {"audio_ptime_ms": 50}}, "audio.audio_ptime_ms must be one of 10, 20"),
        ({"emergency": {"audio_bitrate_bps": 4_000}}, "emergency.audio_bitrate_bps must be 6000"),
        ({"emergency": {"hold_bps": 5_000}}, "emergency.hold_bps must bear the sound"),
        ({"video": {"video_framerate": 0}}, "video: a picture needs video_framerate"),
        ({"audio": {"video_max_bitrate_bps": 1, "video_framerate": 1, "video_height": 240}}, "must be 0"),
        ({"use_share": 1.5}, "use_share must be above 0 and at most 1"),
        ({"penalty_growth": 0.5}, "penalty_growth must be at least 1"),
        ({"probe_interval_s": -1}, "probe_interval_s must be a number, 0 or more"),
        ({"probe_interval_s": 20.0}, "probe_max_interval_s must be at least probe_interval_s"),
        ({"allow_hd": 1}, "allow_hd must be true or false"),
    ],
)
def test_nonsense_is_refused_with_the_fix(settings: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        LadderPolicy.from_settings(settings)

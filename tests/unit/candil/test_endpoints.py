"""From the settings to what the media server takes."""

import dataclasses
import re

import pytest

from candil.config import LadderSettings, Settings
from candil.endpoints import ladder_policy, media_config
from candil.errors import ConfigError
from media.adaptation.policy import LadderPolicy


def test_nothing_configured_is_the_ladder_as_built_in() -> None:
    assert ladder_policy(LadderSettings()) == LadderPolicy()
    config = media_config(Settings())
    assert (config.ladder, config.downlink_estimator) == (LadderPolicy(), "transport_cc")


def test_a_ladder_that_is_switched_off_is_none() -> None:
    assert ladder_policy(LadderSettings(enabled=False, video_enter_bps=1)) is None


def test_what_is_configured_reaches_the_ladder() -> None:
    policy = ladder_policy(LadderSettings(allow_hd=True, low_video_enter_bps=100_000, penalty_max_s=600.0))
    assert policy is not None
    assert (policy.allow_hd, policy.low_video.enter_bps, policy.penalty_max_s) == (True, 100_000, 600.0)
    assert policy.low_video.hold_bps == LadderPolicy().low_video.hold_bps


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (LadderSettings(video_hold_bps=500_000), "[ladder] video_hold_bps must be above 0 and below video_enter_bps"),
        (LadderSettings(audio_enter_bps=60_000), "[ladder] stills_enter_bps"),
        (LadderSettings(penalty_first_s=-1.0), "[ladder] penalty_first_s must be a number, 0 or more"),
        (LadderSettings(up_hold_s=0.0), "up_hold_s at least 0.2"),
    ],
)
def test_a_ladder_that_makes_no_sense_says_its_fix(settings: LadderSettings, words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        ladder_policy(settings)
    assert words in refused.value.message


def test_the_built_in_numbers_are_documented_as_they_are() -> None:
    policy, told = LadderPolicy(), 0
    for field in dataclasses.fields(LadderSettings):
        built_in = re.search(r"Built in: ([\d.]+)\.$", field.metadata["doc"])
        if built_in is None:
            assert isinstance(field.default, bool)
            continue
        rung = re.fullmatch(r"(\w+)_(enter_bps|hold_bps)", field.name)
        value = getattr(getattr(policy, rung[1]), rung[2]) if rung else getattr(policy, field.name)
        assert built_in[1] == str(value), f"say the built-in number of {field.name}"
        told += 1
    assert told == 17

"""One thin line in a room of six harms nobody else."""

import pytest

from bench.call_six import measure
from media.adaptation.rungs import Rung


@pytest.mark.slow
async def test_five_keep_their_tier_when_the_sixth_falls_to_60_kbit_s() -> None:
    six = await measure(climb_s=22, watched_s=15)
    assert all(rung >= Rung.LOW_VIDEO for rung in six.before), six
    assert six.kept(), six
    assert Rung.EMERGENCY <= six.thin_at_end[0] <= Rung.STILLS, six
    assert six.bits_after_bps > six.bits_before_bps * 0.5, six

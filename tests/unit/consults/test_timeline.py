"""Modality stretches of a visit cover it exactly, in order, whatever was reported."""

import itertools
import json

from hypothesis import given
from hypothesis import strategies as st

from candil.consults.timeline import segments
from candil.store.thread import TimelineRow


def change(at: float, modality: str) -> TimelineRow:
    return TimelineRow("c", 1, "media.changed", "all", "p", json.dumps({"modality": modality}), at)


def test_text_until_something_better_is_heard_of() -> None:
    found = segments([change(110, "video"), change(200, "audio")], 100, 300)
    assert found == [("text", 100, 110), ("video", 110, 200), ("audio", 200, 300)]


def test_equal_neighbours_are_one_stretch() -> None:
    assert segments([change(110, "text"), change(150, "text")], 100, 300) == [("text", 100, 300)]


def test_a_visit_of_no_length_is_one_stretch() -> None:
    assert segments([], 100, 100) == [("text", 100, 100)]


@given(
    st.lists(st.tuples(st.floats(0, 1000), st.sampled_from(["video", "audio", "text"])), max_size=20),
    st.floats(1, 900),
)
def test_stretches_cover_the_visit_without_gap_or_overlap(reported: list[tuple[float, str]], length: float) -> None:
    start, end = 100.0, 100.0 + length
    found = segments([change(at, m) for at, m in sorted(reported)], start, end)
    assert found[0][1] == start
    assert found[-1][2] == end
    for left, right in itertools.pairwise(found):
        assert left[2] == right[1]
        assert left[0] != right[0]

"""Ranges that players ask for (RFC 9110, 14.2), and what is no range."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.ranges import byte_range


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("bytes=0-1", (0, 2)),
        ("bytes=0-", (0, 100)),
        ("bytes=40-59", (40, 60)),
        ("bytes=40-4000", (40, 100)),
        ("bytes=-30", (70, 100)),
        ("bytes=-300", (0, 100)),
        ("", None),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes=5-2", None),
        ("bytes=0-1,4-5", None),
        ("items=0-1", None),
        ("bytes=a-b", None),
        ("bytes=0-" + "9" * 40, None),
    ],
)
def test_one_range_or_everything(header: str, found: tuple[int, int] | None) -> None:
    assert byte_range(header, 100) == found


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_what_is_beyond_the_end_is_nothing(header: str) -> None:
    with pytest.raises(ValueError, match="nothing"):
        byte_range(header, 100)


@given(st.text(max_size=30), st.integers(0, 1000))
def test_whatever_is_asked_the_range_is_inside(header: str, size: int) -> None:
    for asked in (header, f"bytes={header}"):
        try:
            found = byte_range(asked, size)
        except ValueError:
            continue
        assert found is None or 0 <= found[0] < found[1] <= size

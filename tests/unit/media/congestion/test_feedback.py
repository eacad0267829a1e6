"""Reading transport-wide feedback: every chunk kind, wraps, and bytes that mean nothing."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.congestion.feedback import MAX_STATUSES, ReceiverClock, parse_feedback
from media.transport_cc import encode_feedback

_WRAP_S = 0.064 * (1 << 24)


def _fci(base: int, total: int, reference: int, chunks: list[int], deltas: bytes, count: int = 7) -> bytes:
    head = struct.pack("!HH", base, total) + reference.to_bytes(3, "big") + bytes([count])
    return head + b"".join(struct.pack("!H", chunk) for chunk in chunks) + deltas


def test_run_length_small_deltas() -> None:
    feedback = parse_feedback(_fci(65534, 4, 100, [0x2004], bytes([4, 8, 0, 255])))
    assert feedback is not None
    assert (feedback.base_seq, feedback.count) == (65534, 7)
    assert feedback.arrivals == pytest.approx([6.401, 6.403, 6.403, 6.46675])


def test_one_bit_vector_says_missing() -> None:
    feedback = parse_feedback(_fci(1, 14, 0, [0x8000 | 0b10100000000001], bytes([4, 4, 4])))
    assert feedback is not None
    assert [at is not None for at in feedback.arrivals] == [True, False, True, *[False] * 10, True]


def test_two_bit_vector_with_negative_delta() -> None:
    chunk = 0xC000 | (1 << 12) | (2 << 10)  # small, large, five missing
    feedback = parse_feedback(_fci(1, 7, 1, [chunk], bytes([40]) + struct.pack("!h", -20)))
    assert feedback is not None
    assert feedback.arrivals == [pytest.approx(0.074), pytest.approx(0.069), *[None] * 5]


@pytest.mark.parametrize(
    "fci",
    [
        b"",
        _fci(1, 0, 0, [0x2001], b"\x01"),
        _fci(1, 1, 0, [], b""),
        _fci(1, 2, 0, [0x2002], b"\x01"),  # one delta too few
        _fci(1, 1, 0, [0x4001], b"\x01"),  # half a delta
        _fci(1, 1, 0, [0x6001], b"\x01"),  # reserved symbol
        _fci(1, 5, 0, [0x2000, 0x2005], b"\x01" * 5),  # a run of nothing
        _fci(1, MAX_STATUSES + 1, 0, [0x1FFF], b""),
    ],
)
def test_contradictions_are_refused(fci: bytes) -> None:
    assert parse_feedback(fci) is None


@given(
    base=st.integers(0, 0xFFFF),
    start=st.floats(1, _WRAP_S - 600),
    gaps=st.lists(st.one_of(st.none(), st.floats(-0.5, 3)), min_size=1, max_size=300),
    count=st.integers(0, 255),
)
def test_round_trip(base: int, start: float, gaps: list[float | None], count: int) -> None:
    times: list[float | None] = []
    at = start
    for gap in gaps:
        if gap is not None:
            at = max(1.0, at + gap)
        times.append(None if gap is None else at)
    if all(time is None for time in times):
        times[0] = start
    feedback = parse_feedback(encode_feedback(base, times, count))
    assert feedback is not None
    assert (feedback.base_seq, feedback.count, len(feedback.arrivals)) == (base, count, len(times))
    for told, was in zip(feedback.arrivals, times, strict=True):
        assert (told is None) == (was is None)
        if told is not None and was is not None:
            assert told == pytest.approx(was, abs=0.0003)


@given(st.binary(max_size=600))
def test_any_bytes_give_a_bounded_answer(fci: bytes) -> None:
    feedback = parse_feedback(fci)
    assert feedback is None or 0 < len(feedback.arrivals) <= MAX_STATUSES


def test_reference_time_comes_round() -> None:
    clock = ReceiverClock()
    before = _WRAP_S - 0.1
    assert clock.offset_s(before) == 0
    assert clock.offset_s(0.05) == pytest.approx(_WRAP_S)
    assert clock.offset_s(before) == 0  # a late message from before the wrap
    assert clock.offset_s(0.2) == pytest.approx(_WRAP_S)

"""RFC 4571 frames, in whatever pieces a stream brings them."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.framing import HEADER_BYTES, MAX_FRAME_BYTES, Deframer, FrameTooLong, header

FRAMES = st.lists(st.binary(min_size=0, max_size=60) | st.just(bytes(MAX_FRAME_BYTES)), max_size=12)


def pieces(stream: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    return [stream[start:end] for start, end in itertools.pairwise(edges)]


@given(FRAMES, st.lists(st.integers(0, 20_000), max_size=20))
def test_any_chunking_gives_the_same_frames(frames: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(header(len(frame)) + frame for frame in frames)
    deframer = Deframer()
    found = [frame for piece in pieces(stream, cuts) for frame in deframer.feed(piece)]
    assert found == [frame for frame in frames if frame]
    assert deframer.waiting_bytes == 0


@given(st.binary(max_size=4000), st.lists(st.integers(0, 4000), max_size=8))
def test_garbage_is_cut_or_refused_and_never_kept(stream: bytes, cuts: list[int]) -> None:
    deframer = Deframer()
    try:
        for piece in pieces(stream, cuts):
            assert all(0 < len(frame) <= MAX_FRAME_BYTES for frame in deframer.feed(piece))
            assert deframer.waiting_bytes < HEADER_BYTES + MAX_FRAME_BYTES
    except FrameTooLong:
        return


def test_the_longest_frame_passes_and_one_byte_more_ends_the_stream_at_its_header() -> None:
    assert Deframer().feed(header(1500) + bytes(1500)) == [bytes(1500)]
    with pytest.raises(FrameTooLong):
        Deframer().feed(header(1501))

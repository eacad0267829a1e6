from hypothesis import given
from hypothesis import strategies as st

from media import vp8


def descriptor(picture_id: int, tl0: int, *, key: bool = True, start: bool = True) -> bytes:
    head = bytes([0x90 if start else 0x80, 0xE0, 0x80 | picture_id >> 8, picture_id & 0xFF, tl0, 0x20])
    return head + bytes([0 if key else 1]) + b"frame data"


def test_key_frame_start_is_found() -> None:
    parsed = vp8.parse_descriptor(descriptor(300, 7))
    assert parsed is not None
    assert (parsed.is_keyframe_start, parsed.picture_id, parsed.tl0_index) == (True, 300, 7)


def test_delta_and_continuation_are_not_key_frames() -> None:
    for payload in (descriptor(1, 1, key=False), descriptor(1, 1, start=False), b"\x01\x00", b"\x10\x01x"):
        parsed = vp8.parse_descriptor(payload)
        assert parsed is not None
        assert not parsed.is_keyframe_start


def test_minimal_descriptor() -> None:
    parsed = vp8.parse_descriptor(b"\x10\x00rest")
    assert parsed is not None
    assert parsed.is_keyframe_start
    assert parsed.picture_id == -1


def test_ids_wrap_when_shifted() -> None:
    payload = bytearray(b"xx" + descriptor(0x7FFF, 255))
    parsed = vp8.parse_descriptor(bytes(payload[2:]))
    assert parsed is not None
    vp8.shift_ids(payload, 2, parsed, 3, 2)
    again = vp8.parse_descriptor(bytes(payload[2:]))
    assert again is not None
    assert (again.picture_id, again.tl0_index, again.is_keyframe_start) == (2, 1, True)


def test_seven_bit_ids_stay_seven_bits() -> None:
    payload = bytearray(b"\x90\x80\x7f\x00rest")
    parsed = vp8.parse_descriptor(bytes(payload))
    assert parsed is not None
    vp8.shift_ids(payload, 0, parsed, 2, 0)
    assert payload[2] == 1


@given(st.binary(max_size=12))
def test_noise_never_raises(payload: bytes) -> None:
    vp8.parse_descriptor(payload)

"""The VP8 payload descriptor (RFC 7741 section 4.2): key frames, and picture ids kept continuous."""

from typing import NamedTuple


class Vp8Descriptor(NamedTuple):
    """Offsets are into the payload; -1 when the field is absent. A tuple: one is made for every video packet."""

    is_keyframe_start: bool
    picture_id: int
    picture_id_offset: int
    picture_id_bits: int
    tl0_index: int
    tl0_offset: int


NO_IDS = Vp8Descriptor(False, -1, -1, 0, -1, -1)
"""Nothing to shift."""


def parse_descriptor(payload: bytes) -> Vp8Descriptor | None:
    """None when the payload is too short to be what it says."""
    try:
        return _parse(payload)
    except IndexError:
        return None


def _parse(payload: bytes) -> Vp8Descriptor:
    first = payload[0]
    offset = 1
    picture_id = picture_offset = tl0_index = tl0_offset = -1
    picture_bits = 0
    if first & 0x80:
        flags = payload[1]
        offset = 2
        if flags & 0x80:
            picture_offset = offset
            picture_id, picture_bits = payload[offset] & 0x7F, 7
            if payload[offset] & 0x80:
                picture_id, picture_bits = (picture_id << 8) | payload[offset + 1], 15
                offset += 1
            offset += 1
        if flags & 0x40:
            tl0_index, tl0_offset = payload[offset], offset
            offset += 1
        if flags & 0x30:
            offset += 1
    starts_frame = first & 0x10 and not first & 0x0F
    is_key = bool(starts_frame) and not payload[offset] & 0x01
    return Vp8Descriptor(is_key, picture_id, picture_offset, picture_bits, tl0_index, tl0_offset)


def shift_ids(payload: bytearray | memoryview, at: int, descriptor: Vp8Descriptor, by: int, tl0_by: int) -> None:
    """Add to picture id and TL0PICIDX in place; the payload begins at ``at``."""
    if descriptor.picture_id_bits == 15:
        picture_id = (descriptor.picture_id + by) & 0x7FFF
        payload[at + descriptor.picture_id_offset] = 0x80 | (picture_id >> 8)
        payload[at + descriptor.picture_id_offset + 1] = picture_id & 0xFF
    elif descriptor.picture_id_bits == 7:
        payload[at + descriptor.picture_id_offset] = (descriptor.picture_id + by) & 0x7F
    if descriptor.tl0_offset >= 0:
        payload[at + descriptor.tl0_offset] = (descriptor.tl0_index + tl0_by) & 0xFF

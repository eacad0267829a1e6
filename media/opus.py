"""What an Opus packet says of itself without being decoded (RFC 6716 section 3.1)."""

_SILK_MS = (10.0, 20.0, 40.0, 60.0)
_CELT_MS = (2.5, 5.0, 10.0, 20.0)


def duration_s(payload: bytes) -> float:
    """Seconds of sound in a packet; 0 for an empty or malformed one."""
    if not payload:
        return 0.0
    config, code = payload[0] >> 3, payload[0] & 3
    if config < 12:
        frame_ms = _SILK_MS[config & 3]
    elif config < 16:
        frame_ms = _SILK_MS[config & 1]
    else:
        frame_ms = _CELT_MS[config & 3]
    if code < 3:
        return frame_ms * (1 if code == 0 else 2) / 1000
    return frame_ms * (payload[1] & 0x3F) / 1000 if len(payload) > 1 else 0.0

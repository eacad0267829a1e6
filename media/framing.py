"""Frames on a byte stream (RFC 4571): each datagram behind its length, two bytes in network order."""

MAX_FRAME_BYTES = 1500
HEADER_BYTES = 2


class FrameTooLong(Exception):
    """The peer announced a frame that no datagram of ours could be: the stream is of no use any more."""


def header(size: int) -> bytes:
    return size.to_bytes(HEADER_BYTES, "big")


class Deframer:
    """Cuts a stream back into frames, whatever pieces it arrives in.

    Keeps at most one unfinished frame. Null frames (RFC 4571 section 2) are swallowed.
    """

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    @property
    def waiting_bytes(self) -> int:
        """Bytes of the unfinished frame."""
        return len(self._rest)

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that ``data`` completes. Raises ``FrameTooLong``."""
        stream = self._rest + data
        frames: list[bytes] = []
        at = 0
        while at + HEADER_BYTES <= len(stream):
            size = stream[at] << 8 | stream[at + 1]
            if size > MAX_FRAME_BYTES:
                raise FrameTooLong
            end = at + HEADER_BYTES + size
            if end > len(stream):
                break
            if size:
                frames.append(stream[at + HEADER_BYTES : end])
            at = end
        self._rest = stream[at:]
        return frames

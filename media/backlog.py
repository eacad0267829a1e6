"""How much may wait before a TCP connection that the network does not empty fast enough.

TCP delivers late rather than never, which is the wrong bargain for a conversation: what waited long is
worth nothing and delays what follows. So before a queue grows, packets are refused as a router would
drop them, video first, and a picture once broken is refused to its end.
"""

from collections import deque

from media import rtp

MAX_WAITING_BYTES = 64 << 10
MAX_VIDEO_AGE_S = 0.2
MAX_AUDIO_AGE_S = 0.4
"""Sound costs little and is all that is left when video has given way; beyond this it would be concealed anyway."""
_VIDEO = (rtp.PT_VP8, rtp.PT_RTX)


class Backlog:
    """Knows the age of the oldest byte not yet on the way, from totals of written and unsent bytes."""

    __slots__ = ("_broken_timestamp", "_marks", "_written")

    def __init__(self) -> None:
        self._written = 0
        self._marks: deque[tuple[int, float]] = deque()
        """(total written after a packet, when), of packets of which some bytes wait."""
        self._broken_timestamp = b""

    def wrote(self, size: int, now: float) -> None:
        self._written += size
        self._marks.append((self._written, now))

    def age_s(self, unsent_bytes: int, now: float) -> float:
        """How long the oldest of the last ``unsent_bytes`` written has waited."""
        sent, marks = self._written - unsent_bytes, self._marks
        while marks and marks[0][0] <= sent:
            marks.popleft()
        return now - marks[0][1] if marks else 0.0

    def admits(self, packet: bytes | memoryview, unsent_bytes: int, now: float) -> bool:
        """Whether ``packet`` (SRTP, SRTCP, DTLS or STUN) may be written behind what waits."""
        if unsent_bytes + len(packet) > MAX_WAITING_BYTES:
            return False
        if not 127 < packet[0] < 192 or 191 < packet[1] < 224:
            return True  # control: small, rare, and what keeps the connection known to be alive
        age_s, payload_type = self.age_s(unsent_bytes, now), packet[1] & 0x7F
        if payload_type not in _VIDEO:
            return age_s <= MAX_AUDIO_AGE_S
        timestamp = bytes(packet[4:8])
        if age_s > MAX_VIDEO_AGE_S:
            self._broken_timestamp = timestamp
            return False
        return payload_type == rtp.PT_RTX or timestamp != self._broken_timestamp

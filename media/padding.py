"""Packets that carry nothing, to find out what a line bears (RFC 3550 section 5.1: the P bit)."""

from collections.abc import Iterator

from media.rtp import IP_UDP_BYTES, SRTP_TAG_BYTES

OVERHEAD_BYTES = IP_UDP_BYTES + 20 + SRTP_TAG_BYTES
"""Of each packet on the wire: IPv4, UDP, RTP header with one extension word, SRTP tag."""
MAX_FILL_BYTES = 255
"""The last byte of a packet says how much of it is padding."""


def padding_sizes(wire_bytes: int) -> Iterator[int]:
    """Padding bytes of each packet, so that all together are about ``wire_bytes`` on the wire; at least one."""
    while True:
        fill = max(1, min(MAX_FILL_BYTES, wire_bytes - OVERHEAD_BYTES))
        yield fill
        wire_bytes -= fill + OVERHEAD_BYTES
        if wire_bytes < OVERHEAD_BYTES:
            return

"""Numbers that this server fixes in its offers, and what is read from an RTP header (RFC 3550, RFC 8285).

The server is always the offerer, so payload types and header extension ids are the same for every
participant: a packet is forwarded without translating them.
"""

PT_OPUS = 111
PT_VP8 = 96
PT_RTX = 97

EXT_MID = 1
EXT_ABS_SEND_TIME = 2
EXT_AUDIO_LEVEL = 3
EXT_TRANSPORT_CC = 4

AUDIO = "audio"
VIDEO = "video"
KINDS = (AUDIO, VIDEO)
CLOCK_RATE_HZ = {AUDIO: 48_000, VIDEO: 90_000}

IP_UDP_BYTES = 28
"""Headers of a datagram on an IPv4 line; IPv6 adds 20."""

SRTP_TAG_BYTES = 10
"""Of each RTP packet, with AES128_CM_SHA1_80."""

SEQ_MASK = 0xFFFF
TS_MASK = 0xFFFFFFFF

NTP_EPOCH_S = 2_208_988_800
"""Seconds from 1900 to 1970."""


def find_extensions(packet: bytes, start: int, end: int) -> tuple[int, int]:
    """(transport-wide sequence number, audio level) in a one-byte header block, -1 for what is absent."""
    transport_seq = level = -1
    while start < end:
        head = packet[start]
        if not head:
            start += 1
            continue
        kind = head >> 4
        if kind == 15:
            break
        size = (head & 15) + 1
        if start + size >= end:
            break
        if kind == EXT_TRANSPORT_CC and size == 2:
            transport_seq = (packet[start + 1] << 8) | packet[start + 2]
        elif kind == EXT_AUDIO_LEVEL and size == 1:
            level = packet[start + 1]
        start += size + 1
    return transport_seq, level


def abs_send_time(ntp_s: float) -> int:
    """24 bits, 6.18 fixed point seconds, of the abs-send-time extension."""
    return int(ntp_s * 262144) & 0xFFFFFF

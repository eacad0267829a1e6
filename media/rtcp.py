"""RTCP packets read and written (RFC 3550 section 6, RFC 4585, RFC 5104, REMB draft).

Reading never raises: a malformed packet ends the reading of its compound. What comes back is bounded
by the datagram's size.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass

SR, RR, SDES, BYE, RTPFB, PSFB = 200, 201, 202, 203, 205, 206
FMT_NACK, FMT_TRANSPORT_CC = 1, 15
FMT_PLI, FMT_FIR, FMT_APPLICATION = 1, 4, 15
MAX_NACKS_PER_PACKET = 512

_REPORT = struct.Struct("!IIIIII")


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """One receiver's view of one stream. ``fraction_lost`` is out of 256, ``jitter`` in timestamp units."""

    ssrc: int
    fraction_lost: int
    packets_lost: int
    highest_seq: int
    jitter: int
    lsr: int
    dlsr: int

    def encode(self) -> bytes:
        lost = max(-0x800000, min(0x7FFFFF, self.packets_lost)) & 0xFFFFFF
        return _REPORT.pack(
            self.ssrc, (self.fraction_lost << 24) | lost, self.highest_seq, self.jitter, self.lsr, self.dlsr
        )


@dataclass(frozen=True, slots=True)
class SenderReport:
    ssrc: int
    ntp: int
    """64 bit NTP time, 32.32 fixed point seconds since 1900."""
    rtp_timestamp: int
    packets: int
    octets: int


@dataclass(frozen=True, slots=True)
class Nack:
    media_ssrc: int
    seqs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class KeyframeRequest:
    """PLI or FIR."""

    media_ssrc: int


@dataclass(frozen=True, slots=True)
class Remb:
    bitrate_bps: int
    ssrcs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TransportFeedback:
    """When packets with transport-wide numbers arrived; ``fci`` as it came."""

    fci: bytes


@dataclass(frozen=True, slots=True)
class Bye:
    ssrcs: tuple[int, ...]


Message = SenderReport | ReportBlock | Nack | KeyframeRequest | Remb | TransportFeedback | Bye


def parse_compound(data: bytes) -> list[Message]:
    """Every message understood in ``data``; report blocks come as messages of their own."""
    messages: list[Message] = []
    offset = 0
    while offset + 4 <= len(data):
        first, kind, words = struct.unpack_from("!BBH", data, offset)
        end = offset + 4 + words * 4
        if first >> 6 != 2 or end > len(data):
            break
        body = data[offset + 4 : end]
        if first & 0x20:  # padding
            if not body or not 0 < body[-1] <= len(body):
                break
            body = body[: -body[-1]]
        try:
            messages.extend(_parse(kind, first & 0x1F, body))
        except (struct.error, IndexError):
            break
        offset = end
    return messages


def _parse(kind: int, count: int, body: bytes) -> Iterable[Message]:
    if kind == SR:
        ssrc, ntp, rtp_timestamp, packets, octets = struct.unpack_from("!IQIII", body)
        return [SenderReport(ssrc, ntp, rtp_timestamp, packets, octets), *_blocks(body, 24, count)]
    if kind == RR:
        return _blocks(body, 4, count)
    if kind == BYE:
        return [Bye(struct.unpack_from(f"!{count}I", body))]
    if kind == RTPFB and count == FMT_NACK:
        return [_parse_nack(body)]
    if kind == RTPFB and count == FMT_TRANSPORT_CC:
        return [TransportFeedback(body[8:])]
    if kind == PSFB and count == FMT_PLI:
        return [KeyframeRequest(struct.unpack_from("!II", body)[1])]
    if kind == PSFB and count == FMT_FIR:
        return [KeyframeRequest(ssrc) for ssrc, _ in struct.iter_unpack("!II", body[8 : len(body) // 8 * 8])]
    if kind == PSFB and count == FMT_APPLICATION and body[8:12] == b"REMB":
        return [_parse_remb(body)]
    return []


def _blocks(body: bytes, start: int, count: int) -> list[Message]:
    blocks: list[Message] = []
    for index in range(count):
        ssrc, loss, highest, jitter, lsr, dlsr = _REPORT.unpack_from(body, start + 24 * index)
        lost = loss & 0xFFFFFF
        if lost & 0x800000:
            lost -= 0x1000000
        blocks.append(ReportBlock(ssrc, loss >> 24, lost, highest, jitter, lsr, dlsr))
    return blocks


def _parse_nack(body: bytes) -> Nack:
    media_ssrc = struct.unpack_from("!II", body)[1]
    seqs: list[int] = []
    for pid, mask in struct.iter_unpack("!HH", body[8 : len(body) // 4 * 4]):
        seqs.append(pid)
        seqs.extend((pid + bit + 1) & 0xFFFF for bit in range(16) if mask >> bit & 1)
        if len(seqs) >= MAX_NACKS_PER_PACKET:
            break
    return Nack(media_ssrc, tuple(seqs[:MAX_NACKS_PER_PACKET]))


def _parse_remb(body: bytes) -> Remb:
    count, exponent_mantissa = body[12], int.from_bytes(body[13:16], "big")
    bitrate = (exponent_mantissa & 0x3FFFF) << (exponent_mantissa >> 18)
    return Remb(bitrate, struct.unpack_from(f"!{count}I", body, 16))


def sender_report(report: SenderReport, blocks: list[ReportBlock]) -> bytes:
    body = struct.pack("!IQIII", report.ssrc, report.ntp, report.rtp_timestamp, report.packets, report.octets)
    return _packet(SR, len(blocks), body + b"".join(block.encode() for block in blocks))


def receiver_report(ssrc: int, blocks: list[ReportBlock]) -> bytes:
    return _packet(RR, len(blocks), ssrc.to_bytes(4, "big") + b"".join(block.encode() for block in blocks))


def source_description(names: dict[int, str]) -> bytes:
    """CNAME of each SSRC; streams with one name are played in step (RFC 3550 section 6.5.1)."""
    body = b""
    for ssrc, name in names.items():
        item = ssrc.to_bytes(4, "big") + bytes([1, len(name)]) + name.encode("ascii")
        body += item + bytes(4 - len(item) % 4)
    return _packet(SDES, len(names), body)


def nack(sender_ssrc: int, media_ssrc: int, seqs: list[int]) -> bytes:
    """Generic NACK (RFC 4585 section 6.2.1); ``seqs`` in sending order."""
    pairs: list[list[int]] = []
    for seq in seqs:
        distance = (seq - pairs[-1][0]) & 0xFFFF if pairs else 0
        if pairs and 0 < distance <= 16:
            pairs[-1][1] |= 1 << (distance - 1)
        else:
            pairs.append([seq, 0])
    body = struct.pack("!II", sender_ssrc, media_ssrc)
    return _packet(RTPFB, FMT_NACK, body + b"".join(struct.pack("!HH", *pair) for pair in pairs))


def picture_loss(sender_ssrc: int, media_ssrc: int) -> bytes:
    return _packet(PSFB, FMT_PLI, struct.pack("!II", sender_ssrc, media_ssrc))


def remb(sender_ssrc: int, bitrate_bps: int, ssrcs: list[int]) -> bytes:
    """Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb-03)."""
    exponent = max(0, bitrate_bps.bit_length() - 18)
    value = (exponent << 18) | (bitrate_bps >> exponent)
    head = struct.pack("!II4sB", sender_ssrc, 0, b"REMB", len(ssrcs)) + value.to_bytes(3, "big")
    return _packet(PSFB, FMT_APPLICATION, head + struct.pack(f"!{len(ssrcs)}I", *ssrcs))


def transport_feedback(sender_ssrc: int, media_ssrc: int, fci: bytes) -> bytes:
    body = struct.pack("!II", sender_ssrc, media_ssrc) + fci
    return _packet(RTPFB, FMT_TRANSPORT_CC, body + bytes(-len(body) % 4))


def _packet(kind: int, count: int, body: bytes) -> bytes:
    return struct.pack("!BBH", 0x80 | count, kind, len(body) // 4) + body

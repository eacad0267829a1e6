"""RTCP read and written; whatever arrives, nothing raises."""

import struct

from aiortc.rtp import RtcpPacket, RtcpPsfbPacket, RtcpRrPacket, RtcpRtpfbPacket, RtcpSrPacket, unpack_remb_fci
from hypothesis import given
from hypothesis import strategies as st

from media import rtcp

BLOCK = rtcp.ReportBlock(7, 12, -3, 70_000, 44, 0xAABBCCDD, 65536)


def test_sender_report_round_trip_and_as_aiortc_reads_it() -> None:
    report = rtcp.SenderReport(1, 0x0102030405060708, 99, 5, 600)
    data = rtcp.sender_report(report, [BLOCK])
    assert rtcp.parse_compound(data) == [report, BLOCK]
    theirs = RtcpPacket.parse(data)[0]
    assert isinstance(theirs, RtcpSrPacket)
    assert (theirs.sender_info.ntp_timestamp, theirs.reports[0].packets_lost) == (0x0102030405060708, -3)


def test_receiver_report_and_names() -> None:
    data = rtcp.receiver_report(9, [BLOCK]) + rtcp.source_description({9: "abc"})
    assert rtcp.parse_compound(data) == [BLOCK]
    theirs = RtcpPacket.parse(data)
    assert isinstance(theirs[0], RtcpRrPacket)
    assert [(chunk.ssrc, chunk.items) for chunk in theirs[1].chunks] == [(9, [(1, b"abc")])]


def test_each_chunk_of_names_ends_with_a_null_on_a_word_boundary() -> None:
    """RFC 3550 section 6.5; "ab" ends on a boundary of its own and still needs its null."""
    data = rtcp.source_description({9: "ab", 10: "abcd"})
    assert data[4:] == b"\0\0\0\x09\x01\x02ab\0\0\0\0" + b"\0\0\0\x0a\x01\x04abcd\0\0"
    assert data[:4] == bytes([0x82, 202, 0, 6])


def test_nack_packs_neighbours_and_wraps() -> None:
    seqs = [65534, 65535, 3, 40]
    data = rtcp.nack(1, 2, seqs)
    assert rtcp.parse_compound(data) == [rtcp.Nack(2, tuple(seqs))]
    assert len(data) == 12 + 2 * 4
    theirs = RtcpPacket.parse(data)[0]
    assert isinstance(theirs, RtcpRtpfbPacket)
    assert [seq & 0xFFFF for seq in theirs.lost] == seqs


def test_keyframe_requests() -> None:
    fir = struct.pack("!BBHIIIBxxx", 0x84, 206, 4, 1, 0, 55, 3)
    assert rtcp.parse_compound(rtcp.picture_loss(1, 44) + fir) == [rtcp.KeyframeRequest(44), rtcp.KeyframeRequest(55)]


def test_remb_round_trip() -> None:
    data = rtcp.remb(1, 500_000, [5, 6])
    (message,) = rtcp.parse_compound(data)
    assert isinstance(message, rtcp.Remb)
    assert message.ssrcs == (5, 6)
    assert 498_000 <= message.bitrate_bps <= 500_000
    theirs = RtcpPacket.parse(data)[0]
    assert isinstance(theirs, RtcpPsfbPacket)
    assert unpack_remb_fci(theirs.fci)[1] == [5, 6]


def test_transport_feedback_is_not_taken_for_a_nack() -> None:
    fci = b"\x01\x02" * 6
    assert rtcp.parse_compound(rtcp.transport_feedback(1, 2, fci)) == [rtcp.TransportFeedback(fci)]


def test_a_huge_nack_is_bounded() -> None:
    body = struct.pack("!II", 1, 2) + b"\x00\x00\xff\xff" * 300
    data = struct.pack("!BBH", 0x81, 205, len(body) // 4) + body
    (message,) = rtcp.parse_compound(data)
    assert isinstance(message, rtcp.Nack)
    assert len(message.seqs) == rtcp.MAX_NACKS_PER_PACKET


@given(st.binary(max_size=300))
def test_noise_never_raises(data: bytes) -> None:
    rtcp.parse_compound(data)


@given(
    st.integers(0, 31),
    st.sampled_from([200, 201, 202, 203, 204, 205, 206, 207]),
    st.booleans(),
    st.binary(max_size=120),
)
def test_plausible_headers_with_any_body_never_raise(count: int, kind: int, padded: bool, body: bytes) -> None:
    body = body[: len(body) // 4 * 4]
    rtcp.parse_compound(struct.pack("!BBH", 0x80 | padded << 5 | count, kind, len(body) // 4) + body)

"""The load generator's own judgement must be right, or its figures mean nothing."""

import struct

from bench import sdp
from bench.streams import HeaderTemplate, IncomingStream, OutgoingStream, SendParameters, TransportSequence


def make_stream(kind: str, sent: list[bytes], *, rtx: int = 0, drop_every: int = 0) -> OutgoingStream:
    source = sdp.Source("someone", 0x11223344, 0x55667788)
    parameters = SendParameters(kind, "v0", source, 96, rtx, {sdp.MID: 4, sdp.TRANSPORT_CC: 3})
    return OutgoingStream(parameters, TransportSequence(), sent.append, drop_every)


def test_a_gap_is_reported_once_and_closed_by_a_late_packet() -> None:
    stream = IncomingStream(1, "video", before_first=9)
    assert stream.note(10) == []
    assert stream.note(13) == [11, 12]
    assert (stream.received, stream.lost) == (2, 2)
    assert stream.note(12) == []
    assert (stream.received, stream.lost) == (3, 1)
    assert stream.note(12) == []
    assert stream.duplicates == 1


def test_sequence_numbers_wrap() -> None:
    stream = IncomingStream(1, "video", before_first=65533)
    stream.note(65534)
    assert stream.note(1) == [65535, 0]
    assert stream.extended_highest == 0x10001


def test_a_jump_too_wide_for_loss_is_a_new_start_either_way() -> None:
    stream = IncomingStream(1, "video", before_first=0)
    assert stream.note(20_000) == []
    assert stream.note(5) == []
    assert (stream.lost, stream.restarts, stream.received) == (0, 2, 2)
    assert stream.note(7) == [6]


def test_extensions_are_written_where_the_header_says() -> None:
    template = HeaderTemplate(7, 96, {sdp.MID: 4, sdp.ABS_SEND_TIME: 2, sdp.TRANSPORT_CC: 3}, "v0")
    packet = template.packet(5, 90, True, 0xABCD, 1.5, b"payload")
    assert packet[0] == 0x90
    assert packet[1] == 0x80 | 96
    profile, words = struct.unpack_from("!HH", packet, 12)
    assert profile == 0xBEDE
    block = packet[16 : 16 + 4 * words]
    assert block.startswith(b"\x41v0\x22" + (3 << 17).to_bytes(3, "big") + b"\x31\xab\xcd")
    assert packet[16 + 4 * words :] == b"payload"


def test_a_video_stream_begins_with_a_key_frame_and_sends_one_when_asked() -> None:
    sent: list[bytes] = []
    stream = make_stream("video", sent)
    for due in range(3):
        stream.handle_timer(float(due))
    assert stream.keyframes == 1
    stream.request_keyframe()
    stream.handle_timer(3.0)
    assert stream.keyframes == 2
    assert sum(packet[1] >> 7 for packet in sent) == 4  # one marker per frame


def test_a_packet_dropped_on_the_way_up_is_sent_again_as_rtx() -> None:
    sent: list[bytes] = []
    stream = make_stream("video", sent, rtx=97, drop_every=5)
    stream.handle_timer(0.0)
    sequences = {int.from_bytes(packet[2:4], "big") for packet in sent}
    assert stream.dropped == 1
    missing = set(range(min(sequences), max(sequences))) - sequences
    stream.retransmit(sorted(missing))
    repair = sent[-1]
    assert repair[1] & 0x7F == 97
    assert int.from_bytes(repair[8:12], "big") == 0x55667788
    header = 16 + 4 * int.from_bytes(repair[14:16], "big")
    assert {int.from_bytes(repair[header : header + 2], "big")} == missing


def test_fifty_audio_packets_a_second_and_the_scale_multiplies_them() -> None:
    stream = make_stream("audio", [])
    assert stream.handle_timer(1.0) == 1.02
    stream.scale = 2.0
    assert stream.handle_timer(1.0) == 1.01

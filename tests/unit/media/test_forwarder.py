"""The fast path with identity encryption: what each receiver's wire would carry."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media import rtp, vp8
from media.congestion.history import MASK
from media.room import Room
from tests.support.media_fakes import FakeSession, new_forwarder, rtp_packet, vp8_payload

VIDEO, RTX, AUDIO = 0xAAAA0001, 0xAAAA0002, 0xAAAA0003


class Stage:
    """ana publishes; bea receives."""

    def __init__(self, *, stamped: bool = True) -> None:
        self.room = Room("r")
        self.forwarder = new_forwarder()
        self.ana = FakeSession(self.room, "ana")
        self.bea = FakeSession(self.room, "bea", stamped=stamped)
        self.video = self.ana.send_from(rtp.VIDEO, VIDEO, RTX)
        self.audio = self.ana.send_from(rtp.AUDIO, AUDIO)
        self.video_sink = self.bea.receive_from("ana", rtp.VIDEO, 0xB1, 0xB2)
        self.audio_sink = self.bea.receive_from("ana", rtp.AUDIO, 0xB3)
        self.now = 100.0

    def send_video(self, seq: int, *, key: bool = False, picture: int | None = None, ts: int | None = None) -> None:
        self.now += 0.02
        payload = vp8_payload(seq if picture is None else picture, key=key)
        packet = rtp_packet(rtp.PT_VP8, seq, seq * 3000 if ts is None else ts, VIDEO, payload)
        self.forwarder.receive(self.ana, packet, self.now)

    def send_audio(self, seq: int) -> None:
        self.now += 0.02
        self.forwarder.receive(
            self.ana, rtp_packet(rtp.PT_OPUS, seq, seq * 960, AUDIO, b"opus%d" % seq, extensions=b"\x10a"), self.now
        )

    def out(self) -> list[tuple[int, int, int, int, bytes]]:
        """(payload type, seq, ts, ssrc, payload) of everything bea was sent."""
        result = []
        for packet in self.bea.path.sent:
            first, second, seq, ts, ssrc = struct.unpack_from("!BBHII", packet)
            offset = 12
            if first & 0x10:
                offset += 4 + 4 * struct.unpack_from("!H", packet, 14)[0]
            result.append((second & 0x7F, seq, ts, ssrc, packet[offset:]))
        return result


def test_audio_goes_through_with_the_receivers_ssrc_and_no_extensions() -> None:
    stage = Stage()
    stage.send_audio(7)
    stage.send_audio(8)
    assert stage.out() == [(111, 7, 7 * 960, 0xB3, b"opus7"), (111, 8, 8 * 960, 0xB3, b"opus8")]
    assert stage.bea.path.sent[1][0] == 0x80


def test_video_waits_for_a_key_frame_and_asks_for_one() -> None:
    stage = Stage()
    stage.send_video(1)
    assert stage.out() == []
    assert stage.video.take_keyframe_request(stage.now, 0.5, 0.1)
    stage.send_video(2, key=True)
    stage.send_video(3)
    assert [(item[1], item[3]) for item in stage.out()] == [(2, 0xB1), (3, 0xB1)]


def transport_numbers(packets: list[bytes]) -> list[int | None]:
    """The transport-wide number of each packet, None where there is none."""
    numbers: list[int | None] = []
    for packet in packets:
        if packet[0] & 0x10 and packet[16] == rtp.EXT_TRANSPORT_CC << 4 | 1:
            numbers.append(packet[17] << 8 | packet[18])
        else:
            numbers.append(None)
    return numbers


def test_video_carries_the_receivers_transport_wide_numbers() -> None:
    stage = Stage()
    stage.bea.history.next_seq = 0xFFFE
    for seq in range(1, 5):
        stage.send_video(seq, key=seq == 1)
    assert transport_numbers(stage.bea.path.sent) == [0xFFFE, 0xFFFF, 0, 1]
    assert stage.bea.path.sent[0][12:16] == b"\xbe\xde\x00\x01"
    history, index = stage.bea.history, 0x10000 & MASK
    assert history.sizes[index] == len(stage.bea.path.sent[2]) + 28
    assert history.sent_at[index] == pytest.approx(100.06)
    assert history.unacked_since == pytest.approx(100.02)


def test_on_a_calm_line_video_packets_are_numbered_now_and_then() -> None:
    stage = Stage()
    stage.bea.stamp_interval_s = 0.07  # one is sent each 0.02
    for seq in range(1, 9):
        stage.send_video(seq, key=seq == 1)
    assert transport_numbers(stage.bea.path.sent) == [1, None, None, None, 2, None, None, None]


def test_audio_is_numbered_twice_a_second_and_not_beside_video() -> None:
    stage = Stage()
    for seq in range(100):  # two seconds
        stage.send_audio(seq)
    assert sum(number is not None for number in transport_numbers(stage.bea.path.sent)) == 4
    stage.bea.path.sent.clear()
    for seq in range(100, 200):
        stage.send_video(seq, key=seq == 100)
        stage.send_audio(seq)
    numbers = transport_numbers(stage.bea.path.sent)
    assert all(numbers[0::2])
    assert not any(numbers[1::2])


def test_compared_with_remb_video_carries_abs_send_time_and_audio_nothing() -> None:
    stage = Stage(stamped=False)
    stage.send_video(1, key=True)
    packet = stage.bea.path.sent[0]
    assert packet[12:16] == b"\xbe\xde\x00\x01"
    assert packet[16] == rtp.EXT_ABS_SEND_TIME << 4 | 2
    assert int.from_bytes(packet[17:20], "big") == rtp.abs_send_time(stage.now + 1000.0)
    stage.send_audio(1)
    assert stage.bea.path.sent[1][0] == 0x80


def test_audio_level_is_passed_on_when_the_publisher_sends_it() -> None:
    stage = Stage()
    packet = rtp_packet(rtp.PT_OPUS, 1, 960, AUDIO, b"opus", extensions=bytes([rtp.EXT_AUDIO_LEVEL << 4, 0xB0]))
    stage.forwarder.receive(stage.ana, packet, 1.0)
    stage.forwarder.receive(stage.ana, packet[:3] + b"\2" + packet[4:], 1.02)  # the first one carries a number
    assert stage.bea.path.sent[1][12:20] == b"\xbe\xde\x00\x01\x30\xb0\x00\x00"


def test_paused_video_costs_nothing_and_resumes_without_a_jump() -> None:
    stage = Stage()
    stage.send_video(10, key=True)
    stage.send_video(11)
    stage.video_sink.wanted = False
    stage.room.reconcile(stage.now)
    for seq in range(12, 40):
        stage.send_video(seq)
    assert len(stage.out()) == 2
    stage.video_sink.wanted = True
    stage.room.reconcile(stage.now)
    stage.send_video(40)
    assert stage.video.take_keyframe_request(stage.now + 1, 0.5, 0.1)
    stage.send_video(41, key=True)
    stage.send_video(42)
    out = stage.out()
    assert [item[1] for item in out] == [10, 11, 12, 13]
    pictures = [vp8.parse_descriptor(item[4]) for item in out]
    assert [picture and (picture.picture_id, picture.tl0_index) for picture in pictures] == [
        (10, 10), (11, 11), (12, 12), (13, 13),
    ]  # fmt: skip
    assert out[2][2] > out[1][2]
    assert (out[3][2] - out[2][2]) == 3000


def test_a_second_session_of_the_publisher_continues_the_same_stream() -> None:
    stage = Stage()
    stage.send_video(60_000, key=True)
    stage.send_audio(5)
    newer = FakeSession(stage.room, "ana")
    newer.send_from(rtp.VIDEO, 0xC1)
    newer.send_from(rtp.AUDIO, 0xC2)
    stage.send_video(60_001)
    stage.now += 0.5
    key = rtp_packet(rtp.PT_VP8, 3, 999, 0xC1, vp8_payload(9, key=True))
    stage.forwarder.receive(newer, key, stage.now)
    stage.forwarder.receive(newer, rtp_packet(rtp.PT_OPUS, 1000, 5, 0xC2, b"new"), stage.now)
    stage.send_video(60_002)  # the old session still talks: not forwarded any more
    stage.send_audio(6)
    out = stage.out()
    assert [(item[1], item[3]) for item in out] == [
        (60_000, 0xB1), (5, 0xB3), (60_001, 0xB1), (60_002, 0xB1), (6, 0xB3),
    ]  # fmt: skip
    assert out[-1][4] == b"new"
    picture = vp8.parse_descriptor(out[3][4])
    assert picture is not None
    assert picture.picture_id == (60_001 & 0x7FFF) + 1
    stage.room.remove(stage.ana, stage.now)
    stage.forwarder.receive(newer, rtp_packet(rtp.PT_VP8, 4, 4000, 0xC1, vp8_payload(10)), stage.now)
    assert stage.out()[-1][1] == 60_003


def test_a_gap_is_asked_for_and_its_repair_is_forwarded_once() -> None:
    stage = Stage()
    stage.send_video(1, key=True)
    stage.send_video(4)
    stage.send_video(5)
    assert stage.ana.nacks == [[2, 3]]
    repair = rtp_packet(rtp.PT_RTX, 77, 6000, RTX, b"\x00\x02" + vp8_payload(2))
    stage.forwarder.receive(stage.ana, repair, stage.now)
    stage.forwarder.receive(stage.ana, repair, stage.now)
    assert [item[1] for item in stage.out()] == [1, 4, 5, 2]
    assert stage.out()[-1][3:] == (0xB1, vp8_payload(2))
    assert stage.video.retransmitted == 1
    assert len(stage.video.missing) == 1


def test_a_receivers_nack_is_answered_with_rtx_once_per_round_trip() -> None:
    stage = Stage()
    stage.send_video(1, key=True)
    stage.send_video(2)
    packet = stage.video_sink.may_repeat(2, stage.now, 0.2)
    assert packet is not None
    stage.forwarder.repeat(stage.video_sink, packet, stage.now)
    assert stage.video_sink.may_repeat(2, stage.now + 0.01, 0.2) is None
    assert stage.video_sink.may_repeat(2, stage.now + 0.2, 0.2) is not None
    assert stage.video_sink.may_repeat(50, stage.now, 0.2) is None
    payload_type, _, ts, ssrc, payload = stage.out()[-1]
    assert (payload_type, ts, ssrc, payload) == (97, 6000, 0xB2, b"\x00\x02" + vp8_payload(2))


def test_packets_from_before_an_attach_are_never_repeated() -> None:
    stage = Stage()
    stage.send_video(1)
    stage.send_video(2, key=True)
    assert stage.video_sink.may_repeat(1, stage.now, 0.1) is None


def test_a_probe_of_padding_is_recorded_and_not_forwarded() -> None:
    stage = Stage()
    stage.send_video(1, key=True)
    probe = bytearray(rtp_packet(rtp.PT_RTX, 5, 1, RTX, b"\x00" * 99 + b"\x64", extensions=b"\x41\x01\x02"))
    probe[0] |= 0x20
    stage.forwarder.receive(stage.ana, bytes(probe), stage.now)
    assert stage.ana.feedback.pending() == 1
    assert len(stage.out()) == 1


def test_a_source_that_jumps_is_a_new_start() -> None:
    stage = Stage()
    stage.send_video(1, key=True)
    stage.send_video(30_000)
    assert len(stage.out()) == 1
    stage.send_video(30_001, key=True)
    assert [item[1] for item in stage.out()] == [1, 2]


def test_an_unreachable_receiver_harms_no_other() -> None:
    stage = Stage()
    cleo = FakeSession(stage.room, "cleo")
    cleo.receive_from("ana", rtp.AUDIO, 0xD1)
    stage.bea.path.fails = True
    stage.send_audio(1)
    assert len(cleo.path.sent) == 1
    assert stage.forwarder.dropped == 1


def test_reception_is_reported() -> None:
    stage = Stage()
    for seq in (65_534, 65_535, 1, 2):
        stage.send_video(seq, key=True)
    block = stage.video.report_block(stage.now)
    assert block is not None
    assert (block.packets_lost, block.fraction_lost, block.highest_seq) == (1, 256 // 5, 65_536 + 2)
    again = stage.video.report_block(stage.now)
    assert again is not None
    assert again.fraction_lost == 0


@given(st.lists(st.binary(min_size=12, max_size=80), max_size=8), st.sampled_from([VIDEO, RTX, AUDIO]))
def test_noise_never_raises(packets: list[bytes], ssrc: int) -> None:
    stage = Stage()
    stage.send_video(1, key=True)
    for packet in packets:
        stage.forwarder.receive(stage.ana, packet[:8] + ssrc.to_bytes(4, "big") + packet[12:], stage.now)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([rtp.PT_VP8, rtp.PT_RTX, rtp.PT_OPUS, 0]), st.integers(0, 65535), st.integers(0, 63),
            st.binary(max_size=40),
        ),
        max_size=30,
    )
)  # fmt: skip
def test_any_mix_of_own_streams_never_raises_nor_sends_foreign_ssrcs(
    packets: list[tuple[int, int, int, bytes]],
) -> None:
    stage = Stage()
    ssrcs = {rtp.PT_VP8: VIDEO, rtp.PT_RTX: RTX, rtp.PT_OPUS: AUDIO, 0: VIDEO}
    for payload_type, seq, flags, payload in packets:
        packet = bytearray(rtp_packet(payload_type, seq, seq, ssrcs[payload_type], payload))
        packet[0] = 0x80 | flags
        stage.now += 0.01
        stage.forwarder.receive(stage.ana, bytes(packet), stage.now)
    assert {item[3] for item in stage.out()} <= {0xB1, 0xB2, 0xB3}


@pytest.mark.parametrize("kind", rtp.KINDS)
def test_nobody_hears_themselves(kind: str) -> None:
    stage = Stage()
    stage.ana.receive_from("ana", kind, 0xE1)
    stage.send_video(1, key=True)
    stage.send_audio(1)
    assert stage.ana.path.sent == []

"""Video that has to wait: what is sent when, what is given up, and that the receiver never sees a gap."""

import struct

import pytest

from media import rtp
from media.padding import OVERHEAD_BYTES, padding_sizes
from media.room import Room
from tests.support.media_fakes import FakeSession, new_forwarder, rtp_packet, vp8_payload

VIDEO, RTX, AUDIO = 0xA1, 0xA2, 0xA3


class Line:
    """ana publishes; bea's line is steered by hand: her session is always asked before video goes."""

    def __init__(self) -> None:
        self.room = Room("r")
        self.forwarder = new_forwarder()
        self.ana, self.bea = FakeSession(self.room, "ana"), FakeSession(self.room, "bea")
        self.video = self.ana.send_from(rtp.VIDEO, VIDEO, RTX)
        self.ana.send_from(rtp.AUDIO, AUDIO)
        self.sink = self.bea.receive_from("ana", rtp.VIDEO, 0xB1, 0xB2)
        self.bea.receive_from("ana", rtp.AUDIO, 0xB3)
        self.bea.paced = True
        self.bea.clear_until = 0.0
        self.now = 100.0
        self.bea.pacer.may_send(0, self.now)  # the bucket's clock starts here

    def send_video(self, seq: int, *, key: bool = False, size: int = 1000) -> None:
        payload = vp8_payload(seq, key=key, body=bytes(size))
        self.forwarder.receive(self.ana, rtp_packet(rtp.PT_VP8, seq, seq * 3000, VIDEO, payload), self.now)

    def acknowledge_all(self) -> None:
        self.bea.history.acknowledge(self.bea.history.next_seq - 1)

    def stop_acknowledging(self) -> None:
        """Something was acknowledged once; what is sent now is not, for longer than anybody waits."""
        self.acknowledge_all()
        self.bea.history.record(self.now, 100)
        self.now += 30.0

    def run_short_timer(self) -> None:
        self.forwarder.drain(self.bea, self.now)
        if self.bea.pacer.stale(self.now):
            self.bea.starve(self.now)

    def sent_seqs(self, ssrc: int = 0xB1) -> list[int]:
        heads = [struct.unpack_from("!BBHII", packet) for packet in self.bea.path.sent]
        return [head[2] for head in heads if head[4] == ssrc]


def test_a_burst_beyond_the_bucket_waits_and_follows_in_order() -> None:
    line = Line()
    pace = line.bea.downlink_control.pace_bps
    for seq in range(1, 21):
        line.send_video(seq, key=seq == 1)
    at_once = len(line.sent_seqs())
    assert 1 <= at_once < 20
    assert line.bea.wakes > 0
    start = line.now
    while line.bea.pacer.queue and line.now < start + 1.0:
        line.now += 0.012
        line.acknowledge_all()
        line.forwarder.drain(line.bea, line.now)
    rate = (len(line.sent_seqs()) - at_once) * 1060 * 8 / (line.now - start)
    assert rate <= pace * 1.3
    assert line.sent_seqs() == list(range(1, 1 + len(line.sent_seqs())))


def test_audio_never_waits() -> None:
    line = Line()
    line.send_video(1, key=True)
    line.stop_acknowledging()
    for seq in range(2, 6):
        line.send_video(seq)
        line.forwarder.receive(line.ana, rtp_packet(rtp.PT_OPUS, seq, seq * 960, AUDIO, b"opus"), line.now)
    assert line.sent_seqs(0xB3) == [2, 3, 4, 5]
    assert line.sent_seqs() == [1]


def test_without_acknowledgements_video_is_held_then_dropped_and_no_gap_is_seen() -> None:
    line = Line()
    line.send_video(1, key=True)
    line.stop_acknowledging()
    for seq in range(2, 8):
        line.now += 0.02
        line.send_video(seq)
    assert line.sent_seqs() == [1]
    line.now += 0.5
    line.run_short_timer()
    assert not line.bea.pacer.queue
    assert line.sink.starved
    assert line.sink not in line.video.sinks
    line.send_video(8)
    assert line.sent_seqs() == [1]
    assert not line.bea.feed_starved(line.now + 2)  # still nothing acknowledged
    line.acknowledge_all()
    line.now += 2
    assert line.bea.feed_starved(line.now)
    line.room.reconcile(line.now)
    assert line.video.take_keyframe_request(line.now, 0.5, 0.1)
    line.send_video(9)
    line.send_video(10, key=True)
    line.now += 0.5
    line.send_video(11)
    assert line.sent_seqs() == [1, 2, 3]


def test_a_full_queue_is_given_up_at_once() -> None:
    line = Line()
    line.send_video(1, key=True)
    line.stop_acknowledging()
    for seq in range(2, 80):
        line.send_video(seq, size=10)
    assert line.sink.starved
    assert len(line.bea.pacer.queue) == 0
    assert line.sent_seqs() == [1]


def test_a_starved_receiver_asks_for_key_frames_at_most_once_a_second() -> None:
    line = Line()
    line.send_video(1, key=True)
    line.stop_acknowledging()
    line.send_video(2)
    line.now += 0.5
    line.run_short_timer()
    line.acknowledge_all()
    asked = [step for step in range(20) if line.bea.feed_starved(line.now + step / 10)]
    assert asked == [10]


def test_turning_a_receiver_off_takes_its_waiting_video_with_it() -> None:
    line = Line()
    line.send_video(1, key=True)
    line.stop_acknowledging()
    line.send_video(2)
    line.send_video(3)
    line.sink.wanted = False
    line.room.reconcile(line.now)
    assert not line.bea.pacer.queue
    line.acknowledge_all()
    line.sink.wanted = True
    line.room.reconcile(line.now)
    line.send_video(4, key=True)
    assert line.sent_seqs() == [1, 2]


def test_a_browser_that_never_acknowledged_is_not_waited_for() -> None:
    line = Line()
    line.send_video(1, key=True)
    line.now += 60.0
    line.send_video(2)
    assert line.sent_seqs() == [1, 2]


def test_nobody_is_held_back_unless_somebody_steers() -> None:
    line = Line()
    line.send_video(1, key=True)
    line.stop_acknowledging()
    line.bea.paced = False
    line.bea.tick_downlink(line.now)
    line.send_video(2)
    assert line.sent_seqs() == [1, 2]


def test_starved_without_audio_a_packet_of_padding_asks_whether_the_line_is_back() -> None:
    line = Line()
    line.send_video(1, key=True)
    line.stop_acknowledging()
    line.send_video(2)
    line.now += 0.5
    line.run_short_timer()
    assert line.bea.needs_acknowledgement
    line.forwarder.receive(line.ana, rtp_packet(rtp.PT_OPUS, 1, 960, AUDIO, b"opus"), line.now)
    assert not line.bea.needs_acknowledgement


def test_padding_is_nothing_but_padding_numbered_and_known_as_a_probe() -> None:
    line = Line()
    line.bea.path.sent.clear()
    before = line.bea.wire_down_bytes
    sent = line.forwarder.send_padding(line.bea, 1200, 100.0)
    assert 1100 <= sent <= 1300
    assert sent == line.bea.padding_bytes == line.bea.wire_down_bytes - before
    history = line.bea.history
    for number, packet in enumerate(line.bea.path.sent, start=1):
        first, second, _seq, _ts, ssrc = struct.unpack_from("!BBHII", packet)
        assert (first, second, ssrc) == (0xB0, rtp.PT_RTX, 0xB2)
        assert packet[16:19] == bytes([rtp.EXT_TRANSPORT_CC << 4 | 1, 0, number])
        assert packet[-1] == len(packet) - 20 <= 255
        assert history.probe[number] == line.bea.downlink_control.probe_id
        assert history.sizes[number] == len(packet) + 28
    seqs = line.sent_seqs(0xB2)
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))


def test_padding_needs_a_stream_to_be_sent_on() -> None:
    line = Line()
    assert line.forwarder.send_padding(line.ana, 1200, 100.0) == 0
    assert line.ana.path.sent == []


@pytest.mark.parametrize("wire_bytes", [1, 58, 60, 313, 314, 371, 372, 1000, 5000])
def test_padding_sizes_add_up(wire_bytes: int) -> None:
    sizes = list(padding_sizes(wire_bytes))
    assert all(1 <= size <= 255 for size in sizes)
    total = sum(size + OVERHEAD_BYTES for size in sizes)
    assert abs(total - max(wire_bytes, OVERHEAD_BYTES)) <= OVERHEAD_BYTES


def test_few_packets_are_numbered_once_a_line_has_been_calm_and_all_when_it_is_not() -> None:
    line = Line()
    session = line.bea
    intervals = []
    for step in range(60):
        session.tick_downlink(step / 5)
        intervals.append(session.stamp_interval_s)
    assert intervals[20] == 0
    assert intervals[59] == 0.16
    estimator = session.downlink_control._estimator
    estimator.congestion = "delay"
    session.tick_downlink(12.2)
    assert session.stamp_interval_s == 0
    estimator.congestion = ""
    session.tick_downlink(12.4)
    assert session.stamp_interval_s == 0
    session.tick_downlink(20)
    assert session.stamp_interval_s == 0.16
    session.probe_goal_bps = 500_000
    session.tick_downlink(20.2)
    assert session.stamp_interval_s == 0


def test_the_first_sign_of_a_queue_numbers_every_packet_without_waiting_for_the_tick() -> None:
    session = Line().bea
    for step in range(60):
        session.tick_downlink(step / 5)
    session.paced = True
    session.tick_downlink(12)
    assert (session.stamp_interval_s, session.video_stamp_at < 12) == (0.16, True)
    session.video_stamp_at = 12.1
    session.downlink_control._estimator.congestion = "delay"
    session.on_feedback(b"", 12.05)
    assert session.stamp_interval_s == 0
    assert session.video_stamp_at <= 12.05
    assert session.clear_until == 0  # and video goes by the bucket again

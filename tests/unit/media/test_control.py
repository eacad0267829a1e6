"""Reports in both directions: round trip, lip sync, limits on key frame requests."""

import pytest

from media import control, rtcp, rtp
from media.room import Room
from tests.support.media_fakes import FakeSession, new_forwarder, rtp_packet, vp8_payload


def test_round_trip_is_measured_from_our_reports() -> None:
    session = FakeSession(Room("r"), "bea")
    session.receive_from("ana", rtp.AUDIO, 0xB3)
    sent_at, answered_at = 5_000.0, 5_002.25
    block = rtcp.ReportBlock(0xB3, 64, 9, 100, 48, control.compact_ntp(sent_at), 65536 // 4)
    control.handle_rtcp(session, rtcp.receiver_report(1, [block]), 1.0, answered_at)
    assert session.round_trip.measured
    assert session.round_trip.rtt_s == pytest.approx(2.0, abs=0.001)
    assert session.sinks_by_ssrc[0xB3].statistics()["loss"] == 0.25


def test_an_absurd_round_trip_is_ignored() -> None:
    session = FakeSession(Room("r"), "bea")
    session.receive_from("ana", rtp.AUDIO, 0xB3)
    block = rtcp.ReportBlock(0xB3, 0, 0, 1, 0, 1, 0)
    control.handle_rtcp(session, rtcp.receiver_report(1, [block]), 1.0, 5_000.0)
    assert not session.round_trip.measured


def test_sender_reports_keep_audio_and_video_of_one_publisher_aligned() -> None:
    """Both kinds captured at one publisher instant must map to one server instant at the receiver."""
    members = Room("r")
    forwarder = new_forwarder()
    ana, bea = FakeSession(members, "ana"), FakeSession(members, "bea")
    ana.send_from(rtp.AUDIO, 1)
    ana.send_from(rtp.VIDEO, 2)
    audio, video = bea.receive_from("ana", rtp.AUDIO, 0xB1), bea.receive_from("ana", rtp.VIDEO, 0xB2, 0xB3)
    forwarder.receive(ana, rtp_packet(rtp.PT_OPUS, 1, 48_000, 1, b"x"), 10.0)
    forwarder.receive(ana, rtp_packet(rtp.PT_VP8, 1, 9_000, 2, vp8_payload(1, key=True)), 10.0)
    video.ts_shift = 777  # as after a pause
    # ana's clock reads 2000.0 s when audio 48000 and video 9000 were captured; the reports come apart
    control.handle_rtcp(ana, rtcp.sender_report(rtcp.SenderReport(1, 2000 << 32, 48_000, 1, 1), []), 10.1, 5000.1)
    later = rtcp.SenderReport(2, (2000 << 32) + (1 << 31), 9_000 + 45_000, 1, 1)
    control.handle_rtcp(ana, rtcp.sender_report(later, []), 10.9, 5000.9)
    messages = rtcp.parse_compound(control.build_reports(bea, 12.0, 5002.0))
    reports = {message.ssrc: message for message in messages if isinstance(message, rtcp.SenderReport)}
    assert reports[audio.ssrc].ntp == reports[video.ssrc].ntp == 5002 << 32
    audio_age_s = (reports[audio.ssrc].rtp_timestamp - 48_000) / 48_000
    video_age_s = (reports[video.ssrc].rtp_timestamp - 777 - 9_000) / 90_000
    assert audio_age_s == pytest.approx(video_age_s, abs=0.001)
    assert audio_age_s == pytest.approx(1.9, abs=0.001)


def test_reports_tell_the_publisher_its_losses_and_its_cap() -> None:
    members = Room("r")
    forwarder = new_forwarder()
    ana = FakeSession(members, "ana")
    ana.send_from(rtp.VIDEO, 2)
    for seq in (1, 2, 4):
        forwarder.receive(ana, rtp_packet(rtp.PT_VP8, seq, 1, 2, vp8_payload(seq)), 10.0)
    messages = rtcp.parse_compound(control.build_reports(ana, 12.0, 5002.0))
    block = next(message for message in messages if isinstance(message, rtcp.ReportBlock))
    assert (block.ssrc, block.packets_lost) == (2, 1)
    remb = next(message for message in messages if isinstance(message, rtcp.Remb))
    assert remb.ssrcs == (2,)
    assert 490_000 < remb.bitrate_bps <= 500_000


def test_reports_are_rarer_without_video() -> None:
    session = FakeSession(Room("r"), "ana")
    assert control.report_interval_s(session) == control.AUDIO_REPORT_INTERVAL_S
    session.feedback_interval_s = 0.5
    assert control.report_interval_s(session) == control.THIN_REPORT_INTERVAL_S
    session.uplinks[rtp.VIDEO].active = True
    assert control.report_interval_s(session) == control.REPORT_INTERVAL_S


def test_a_camera_that_should_send_nothing_is_braked_as_far_as_it_goes() -> None:
    session = FakeSession(Room("r"), "ana")
    session.send_from(rtp.VIDEO, 2)
    session.max_video_bitrate_bps = 0
    assert rtcp.parse_compound(control.cap(session)) == [rtcp.Remb(30_000, (2,))]


def test_feedback_losses_and_round_trips_reach_the_estimate_of_the_line() -> None:
    session = FakeSession(Room("r"), "bea")
    told: list[tuple[str, object]] = []
    control_ = session.downlink_control
    control_.on_feedback = lambda fci, now: told.append(("feedback", fci))  # type: ignore[method-assign]
    control_.on_report = lambda loss, now: told.append(("loss", loss))  # type: ignore[method-assign]
    control_.on_rtt = lambda rtt_s, now: told.append(("rtt", round(rtt_s, 2)))  # type: ignore[method-assign]
    control_.on_remb = lambda bps, now: told.append(("remb", bps))  # type: ignore[method-assign]
    for ssrc in (0xB1, 0xB3):
        session.receive_from("ana", rtp.AUDIO, ssrc).attached = True
    blocks = [
        rtcp.ReportBlock(0xB1, 64, 9, 100, 48, control.compact_ntp(5_000.0), 0),
        rtcp.ReportBlock(0xB3, 128, 9, 100, 48, 0, 0),
    ]
    control.handle_rtcp(session, rtcp.receiver_report(1, blocks), 1.0, 5_000.5)
    control.handle_rtcp(session, rtcp.transport_feedback(1, 2, b"\x01" * 12), 1.0, 5_000.5)
    control.handle_rtcp(session, rtcp.remb(1, 100_000, [2]), 1.0, 5_000.5)
    assert told == [("rtt", 0.5), ("loss", 0.5), ("feedback", b"\x01" * 12), ("remb", 100_000)]


def test_key_frames_are_asked_for_at_a_limited_rate_however_many_want_one() -> None:
    members = Room("r")
    forwarder = new_forwarder()
    ana, bea = FakeSession(members, "ana"), FakeSession(members, "bea")
    source = ana.send_from(rtp.VIDEO, 2)
    bea.receive_from("ana", rtp.VIDEO, 0xB1, 0xB2)
    forwarder.receive(ana, rtp_packet(rtp.PT_VP8, 1, 1, 2, vp8_payload(1, key=True)), 10.0)
    source.take_keyframe_request(10.0, 0.5, 0.1)
    asked = 0
    for step in range(200):  # two seconds of a receiver that asks every 10 ms
        control.handle_rtcp(bea, rtcp.picture_loss(9, 0xB1), 11 + step / 100, 0.0)
        asked += source.take_keyframe_request(11 + step / 100, 0.5, 0.1)
    assert asked == 4


def test_a_waiting_receiver_has_the_request_repeated_by_round_trips() -> None:
    members = Room("r")
    forwarder = new_forwarder()
    ana, bea = FakeSession(members, "ana"), FakeSession(members, "bea")
    source = ana.send_from(rtp.VIDEO, 2)
    bea.receive_from("ana", rtp.VIDEO, 0xB1, 0xB2)
    forwarder.receive(ana, rtp_packet(rtp.PT_VP8, 1, 1, 2, vp8_payload(1)), 10.0)
    times = [step / 10 for step in range(100, 200) if source.take_keyframe_request(step / 10, 0.5, 2.0)]
    assert times[0] == 10.0
    assert 3 <= len(times) <= 4


def test_messages_about_streams_that_are_not_ones_own_change_nothing() -> None:
    members = Room("r")
    ana, bea = FakeSession(members, "ana"), FakeSession(members, "bea")
    source = ana.send_from(rtp.VIDEO, 2)
    sink = bea.receive_from("ana", rtp.VIDEO, 0xB1, 0xB2)
    forwarder = new_forwarder()
    forwarder.receive(ana, rtp_packet(rtp.PT_VP8, 1, 1, 2, vp8_payload(1, key=True)), 10.0)
    source.take_keyframe_request(10.0, 0.5, 0.1)
    control.handle_rtcp(ana, rtcp.picture_loss(9, sink.ssrc) + rtcp.nack(9, sink.ssrc, [1]), 20.0, 0.0)
    assert not source.take_keyframe_request(20.0, 0.5, 0.1)
    assert ana.repeats == []
    control.handle_rtcp(bea, rtcp.nack(9, sink.ssrc, [1]), 20.0, 0.0)
    assert bea.repeats == [(1,)]

"""Lost sound: asked for while it is worth it, sent again as it was, and reported so that it is protected."""

import struct

import pytest

from media import control, rtcp, rtp
from media.room import Room
from tests.support.media_fakes import FakeSession, new_forwarder, rtp_packet

AUDIO = 0xA3


class Call:
    """ana speaks; bea and cleo listen."""

    def __init__(self) -> None:
        self.room = Room("r")
        self.forwarder = new_forwarder()
        self.ana, self.bea, self.cleo = (FakeSession(self.room, name) for name in ("ana", "bea", "cleo"))
        self.audio = self.ana.send_from(rtp.AUDIO, AUDIO)
        self.sinks = [self.bea.receive_from("ana", rtp.AUDIO, 0xB3), self.cleo.receive_from("ana", rtp.AUDIO, 0xC3)]
        self.now = 100.0

    def speak(self, *seqs: int) -> None:
        for seq in seqs:
            self.now += 0.06
            packet = rtp_packet(rtp.PT_OPUS, seq, seq * 2880, AUDIO, b"opus%d" % seq)
            self.forwarder.receive(self.ana, packet, self.now)

    def heard(self) -> list[tuple[int, bytes]]:
        out = []
        for packet in self.bea.path.sent:
            seq, _, ssrc = struct.unpack_from("!HII", packet, 2)
            assert ssrc == 0xB3
            out.append((seq, packet[20 if packet[0] & 0x10 else 12 :]))
        return out


def test_lost_sound_is_asked_for_at_once_and_its_repetition_reaches_the_listeners_in_its_place() -> None:
    call = Call()
    call.speak(1, 2, 4)
    assert call.ana.nacks == [[3]]
    call.speak(5, 3, 3, 6)
    assert call.heard() == [(seq, b"opus%d" % seq) for seq in (1, 2, 4, 5, 3, 6)]
    assert call.audio.retransmitted == 1


def test_sound_is_asked_for_at_most_twice() -> None:
    call = Call()
    call.speak(1, 3)
    for _ in range(20):
        call.now += 0.1
        call.ana.send_nack(call.audio, call.now)
    assert call.ana.nacks == [[2], [2]]
    assert len(call.audio.missing) == 0


def test_long_gaps_and_long_round_trips_are_not_repaired() -> None:
    call = Call()
    call.speak(1, 20)
    call.ana.repairs_audio = False
    call.speak(22)
    assert call.ana.nacks == []


def test_a_listener_who_asks_gets_the_same_packet_again() -> None:
    call = Call()
    call.speak(1, 2)
    sink = call.sinks[0]
    packet = sink.may_repeat(1, call.now, 0.1)
    assert packet is not None
    call.forwarder.repeat(sink, packet, call.now)
    assert call.heard()[-1] == (1, b"opus1")
    assert call.bea.path.sent[-1][1] == rtp.PT_OPUS
    assert sink.may_repeat(1, call.now + 0.01, 0.1) is None


def test_what_came_only_when_asked_for_still_counts_as_lost() -> None:
    """Otherwise the encoder would stop protecting its sound just because repair works."""
    call = Call()
    call.speak(1, 2, 4, 3)
    assert call.audio.lost == 1
    block = call.audio.report_block(call.now)
    assert block is not None
    assert block.fraction_lost == 64
    call.speak(6, 5)
    call.audio.missing.clear()
    assert call.audio.lost == 2


def reported_loss(call: Call) -> float:
    messages = rtcp.parse_compound(control.build_reports(call.ana, call.now, 5000.0))
    return next(m.fraction_lost for m in messages if isinstance(m, rtcp.ReportBlock)) / 256


def test_the_speaker_is_told_the_loss_of_the_worst_listener() -> None:
    call = Call()
    call.speak(1, 2, 3)
    assert reported_loss(call) == 0
    for session, ssrc, fraction in ((call.bea, 0xB3, 26), (call.cleo, 0xC3, 51)):
        block = rtcp.ReportBlock(ssrc, fraction, 1, 3, 0, 0, 0)
        control.handle_rtcp(session, rtcp.receiver_report(1, [block]), call.now, 5000.0)
    assert reported_loss(call) == pytest.approx(0.2, abs=0.01)
    assert call.audio.fraction_lost == 0  # its own way up is fine
    call.cleo.downlinks["ana", rtp.AUDIO].wanted = False
    call.room.reconcile(call.now)
    assert reported_loss(call) == pytest.approx(0.1, abs=0.01)


def test_loss_that_was_repaired_for_a_listener_counts_too() -> None:
    call = Call()
    call.speak(*range(1, 21))
    call.sinks[0].repeated = 4
    control.handle_rtcp(call.bea, rtcp.receiver_report(1, [rtcp.ReportBlock(0xB3, 0, 0, 20, 0, 0, 0)]), 1.0, 5000.0)
    assert reported_loss(call) == pytest.approx(0.2, abs=0.01)


def test_what_the_observer_of_the_line_is_told() -> None:
    call = Call()
    assert call.audio.sample() is None
    call.speak(1, 2, 4)
    sample = call.audio.sample()
    assert sample is not None
    assert (sample.packets, sample.lost, sample.last_at) == (3, 1, call.now)
    assert sample.transit_s is not None
    queue_s = 0.5
    call.now += queue_s
    call.speak(5)
    later = call.audio.sample()
    assert later is not None
    assert later.transit_s is not None
    assert later.transit_s - sample.transit_s == pytest.approx(queue_s, abs=0.001)


def test_transit_survives_the_wrap_of_timestamps() -> None:
    call = Call()
    transits: list[float] = []
    for step in range(6):
        ts = (0xFFFFFFFF - 2 * 2880 + step * 2880) & 0xFFFFFFFF
        call.now += 0.06
        call.forwarder.receive(call.ana, rtp_packet(rtp.PT_OPUS, step, ts, AUDIO, b"opus"), call.now)
        sample = call.audio.sample()
        assert sample is not None
        assert sample.transit_s is not None
        transits.append(sample.transit_s)
    assert transits == pytest.approx([transits[0]] * 6, abs=0.001)


def test_totals_survive_a_restart_of_the_source() -> None:
    call = Call()
    call.speak(1, 2, 4)
    call.speak(20_000, 20_001, 20_003)
    assert call.audio.lost == 2

"""Feedback decoded by an independent reader written from the draft."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from media.transport_cc import MAX_PACKETS, FeedbackRecorder


def decode(fci: bytes) -> tuple[int, int, dict[int, float]]:
    base, count = struct.unpack_from("!HH", fci)
    reference_s, feedback_count = int.from_bytes(fci[4:7], "big") * 0.064, fci[7]
    symbols: list[int] = []
    offset = 8
    while len(symbols) < count:
        (chunk,) = struct.unpack_from("!H", fci, offset)
        offset += 2
        if not chunk & 0x8000:
            symbols += [chunk >> 13 & 3] * (chunk & 0x1FFF)
        elif chunk & 0x4000:
            symbols += [chunk >> (12 - 2 * i) & 3 for i in range(7)]
        else:
            symbols += [chunk >> (13 - i) & 1 for i in range(14)]
    arrivals: dict[int, float] = {}
    at = reference_s
    for index, symbol in enumerate(symbols[:count]):
        if symbol == 1:
            at += fci[offset] * 0.00025
            offset += 1
        elif symbol == 2:
            at += struct.unpack_from("!h", fci, offset)[0] * 0.00025
            offset += 2
        else:
            continue
        arrivals[(base + index) & 0xFFFF] = at
    assert offset == len(fci)
    return base, feedback_count, arrivals


def test_losses_large_gaps_and_wrap() -> None:
    recorder = FeedbackRecorder()
    sent = {65530 + i: 100.0 + i * 0.02 for i in range(5)} | {2: 101.5, 3: 101.5005}
    for seq, at in sent.items():
        recorder.add(seq & 0xFFFF, at)
    fci = recorder.drain(0.0)
    assert fci is not None
    base, count, arrivals = decode(fci)
    assert (base, count) == (65530, 0)
    assert arrivals.keys() == sent.keys()
    assert all(abs(arrivals[seq] - at) < 0.0003 for seq, at in sent.items())
    assert recorder.drain(0.0) is None


def test_a_loss_between_two_messages_is_reported() -> None:
    recorder = FeedbackRecorder()
    recorder.add(10, 1.0)
    recorder.drain(0.0)
    recorder.add(13, 1.1)
    fci = recorder.drain(0.0)
    assert fci is not None
    base, count, arrivals = decode(fci)
    assert (base, count, list(arrivals)) == (11, 1, [13])
    assert struct.unpack_from("!H", fci, 2) == (3,)


def test_a_late_packet_is_reported_by_moving_the_base_back() -> None:
    recorder = FeedbackRecorder()
    recorder.add(10, 1.0)
    recorder.add(12, 1.01)
    recorder.drain(0.0)
    recorder.add(11, 1.2)
    recorder.add(13, 1.21)
    fci = recorder.drain(0.0)
    assert fci is not None
    base, _, arrivals = decode(fci)
    assert base == 11
    assert arrivals.keys() == {11, 13}


def test_a_loss_is_told_first_and_forgiven_when_its_repair_has_had_its_time() -> None:
    recorder = FeedbackRecorder()
    recorder.forgive_after_s = 0.15
    told: list[list[int]] = []
    for message, seqs in enumerate([(10, 11, 13), (14, 15), (16, 19), (20,), (21,)]):
        now = 1.0 + message * 0.1
        for seq in seqs:
            recorder.add(seq, now)
        fci = recorder.drain(now + 0.01)
        assert fci is not None
        told.append(sorted(decode(fci)[2]))
    assert told == [[10, 11, 13], [14, 15], [12, 16, 19], [20], [17, 18, 21]]


def test_what_is_still_asked_for_is_not_forgiven_yet() -> None:
    recorder = FeedbackRecorder()
    recorder.forgive_after_s = 0.15
    for seq in (10, 12):
        recorder.add(seq, 1.0)
    recorder.drain(1.0)
    recorder.add(13, 1.3)
    waiting = recorder.drain(1.3, repaired_until=1.0)
    assert waiting is not None
    assert sorted(decode(waiting)[2]) == [13]
    recorder.add(14, 1.5)
    repaired = recorder.drain(1.5, repaired_until=1.4)
    assert repaired is not None
    assert sorted(decode(repaired)[2]) == [11, 14]


def test_losses_are_forgiven_no_more_once_they_are_of_another_kind() -> None:
    recorder = FeedbackRecorder()
    recorder.forgive_after_s = 0.15
    for seq in (10, 12):
        recorder.add(seq, 1.0)
    recorder.drain(1.0)
    recorder.forgive_after_s = None
    recorder.add(13, 1.3)
    fci = recorder.drain(1.3)
    assert fci is not None
    assert list(decode(fci)[2]) == [13]


@given(st.lists(st.tuples(st.integers(0, 65535), st.floats(0, 30)), max_size=400), st.booleans())
def test_any_arrivals_make_bounded_readable_feedback(arrivals: list[tuple[int, float]], forgiving: bool) -> None:
    recorder = FeedbackRecorder()
    recorder.forgive_after_s = 0.2 if forgiving else None
    now = 1000.0
    for number, (seq, step) in enumerate(arrivals):
        now += step / 10
        recorder.add(seq, now)
        if number % 50 == 49:
            fci = recorder.drain(now)
            if fci is not None:
                decode(fci)
    fci = recorder.drain(now)
    if fci is not None:
        assert len(fci) < 8 + MAX_PACKETS * 4
        decode(fci)

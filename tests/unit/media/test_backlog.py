"""What may still be written to a TCP connection behind what waits."""

from hypothesis import given
from hypothesis import strategies as st

from media import rtp
from media.backlog import MAX_AUDIO_AGE_S, MAX_VIDEO_AGE_S, MAX_WAITING_BYTES, Backlog

CONTROL = (b"\x01\x01" + bytes(30), b"\x16\xfe\xfd" + bytes(30), b"\x80\xc8" + bytes(30))


def packet(payload_type: int, timestamp: int = 0, *, marker: bool = False) -> bytes:
    return bytes([0x80, payload_type | marker << 7, 0, 1]) + timestamp.to_bytes(4, "big") + bytes(100)


def test_nothing_waits_nothing_is_refused() -> None:
    backlog = Backlog()
    for number in range(1000):
        assert backlog.admits(packet(rtp.PT_VP8, number), 0, number * 0.001)
        backlog.wrote(110, number * 0.001)


def test_age_is_that_of_the_oldest_byte_not_sent() -> None:
    backlog = Backlog()
    for number in range(10):
        backlog.wrote(100, float(number))
    assert backlog.age_s(1000, 10.0) == 10.0
    assert backlog.age_s(101, 10.0) == 2.0
    assert backlog.age_s(100, 10.0) == 1.0
    assert backlog.age_s(0, 10.0) == 0.0


def test_video_gives_way_before_audio_and_audio_before_control() -> None:
    backlog = Backlog()
    backlog.wrote(5000, 0.0)
    video, sound = packet(rtp.PT_VP8), packet(rtp.PT_OPUS, marker=True)
    assert backlog.admits(video, 5000, MAX_VIDEO_AGE_S - 0.01)
    assert not backlog.admits(video, 5000, MAX_VIDEO_AGE_S + 0.01)
    assert not backlog.admits(packet(rtp.PT_RTX), 5000, MAX_VIDEO_AGE_S + 0.01)
    assert backlog.admits(sound, 5000, MAX_VIDEO_AGE_S + 0.01)
    assert not backlog.admits(sound, 5000, MAX_AUDIO_AGE_S + 0.01)
    assert all(backlog.admits(control, 5000, 9.0) for control in CONTROL)


def test_a_broken_picture_is_refused_to_its_end_but_may_be_repaired() -> None:
    backlog = Backlog()
    backlog.wrote(5000, 0.0)
    assert backlog.admits(packet(rtp.PT_VP8, 77), 5000, 0.1)
    assert not backlog.admits(packet(rtp.PT_VP8, 77), 5000, 0.3)
    assert not backlog.admits(packet(rtp.PT_VP8, 77), 0, 0.3)
    assert backlog.admits(packet(rtp.PT_RTX, 77), 0, 0.3)
    assert backlog.admits(packet(rtp.PT_VP8, 78), 0, 0.3)


@given(st.lists(st.tuples(st.sampled_from([*CONTROL, packet(rtp.PT_VP8), packet(rtp.PT_OPUS)]), st.booleans())))
def test_what_waits_is_bounded_whoever_reads(steps: list[tuple[bytes, bool]]) -> None:
    backlog, waiting = Backlog(), MAX_WAITING_BYTES - 400
    backlog.wrote(waiting, 0.0)
    for number, (data, sent) in enumerate(steps):
        if sent:
            waiting = max(0, waiting - 50)
        if backlog.admits(data, waiting, number * 0.02):
            waiting += len(data)
            backlog.wrote(len(data), number * 0.02)
        assert waiting <= MAX_WAITING_BYTES

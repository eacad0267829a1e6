"""DownlinkControl by hand: what the transport and the ladder rely on."""

import itertools
import math

import pytest

from media.congestion.downlink import DownlinkControl
from media.congestion.history import SIZE, SendHistory
from media.transport_cc import encode_feedback


class _Driver:
    """Sends a packet each 50 ms and acknowledges it ``wait`` later, in its own feedback."""

    def __init__(self, control: DownlinkControl, size: int = 500) -> None:
        self.control, self.size, self.now = control, size, 100.0

    def run(self, packets: int, *, wait: float = 0.1, acknowledge: bool = True, goal: int | None = None) -> None:
        for n in range(packets):
            seq = self.control.history.record(self.now, self.size)
            if acknowledge:
                fci = encode_feedback(seq & 0xFFFF, [self.now + wait / 2], n & 255)
                self.control.on_feedback(fci, self.now + wait)
            self.now += 0.05
            if n % 4 == 3:
                self.control.tick(self.now, flowing_bps=self.size * 8 * 20, probe_goal_bps=goal)


def test_history_by_hand_and_by_method_agree() -> None:
    history = SendHistory()
    assert history.record(1.0, 100) == 1
    assert history.unacked_since == 1.0
    history.record(2.0, 100)
    history.acknowledge(1)
    assert history.unacked_since == 2.0
    history.acknowledge(2)
    assert history.unacked_since == math.inf
    history.acknowledge(1)
    assert (history.newest_acked, history.unacked()) == (2, 0)


def test_history_unwraps_only_what_it_remembers() -> None:
    history = SendHistory()
    assert history.unwrap(1) is None
    for _ in range(70_000):
        history.record(1.0, 100)
    assert history.unwrap(70_000 & 0xFFFF) == 70_000
    assert history.unwrap((70_000 - SIZE + 1) & 0xFFFF) == 70_000 - SIZE + 1
    assert history.unwrap((70_000 - SIZE) & 0xFFFF) is None
    assert history.unwrap((70_000 + 1) & 0xFFFF) is None


@pytest.mark.parametrize("fci", [b"", b"\x00" * 7, b"\xff" * 40, encode_feedback(900, [1.0], 0)])
def test_malformed_or_foreign_feedback_is_counted_and_ignored(fci: bytes) -> None:
    control = DownlinkControl()
    _Driver(control).run(20)
    before = control.line(102)
    control.on_feedback(fci, 102.0)
    assert control.malformed_feedback == 1
    assert control.line(102) == before


def test_same_feedback_twice_changes_nothing() -> None:
    control = DownlinkControl()
    driver = _Driver(control)
    driver.run(20)
    seq = control.history.record(driver.now, 500)
    fci = encode_feedback(seq, [driver.now + 0.05], 1)
    control.on_feedback(fci, driver.now + 0.1)
    before = control.line(driver.now)
    control.on_feedback(fci, driver.now + 0.1)
    assert control.line(driver.now) == before
    assert control.history.newest_acked == seq


@pytest.mark.parametrize("wait", [0.05, 0.2, 0.84])
def test_brake_learns_the_usual_wait(wait: float) -> None:
    control = DownlinkControl()
    _Driver(control).run(100, wait=wait)
    assert max(0.2, wait) <= control.hold_after_s <= wait + 0.4


def test_silence_and_back() -> None:
    control = DownlinkControl(start_bps=300_000)
    driver = _Driver(control)
    driver.run(60)
    believed = control.line(driver.now).capacity_bps
    driver.run(24, acknowledge=False)
    assert control.line(driver.now).congestion == ""
    driver.run(16, acknowledge=False)
    assert control.line(driver.now).congestion == "silence"
    driver.run(4)
    line = control.line(driver.now)
    assert line.congestion == ""
    assert line.capacity_bps == pytest.approx(0.9 * believed, rel=0.05)


def test_nothing_sent_is_no_silence() -> None:
    control = DownlinkControl()
    _Driver(control).run(20)
    control.tick(160.0, flowing_bps=0, probe_goal_bps=None)
    assert control.line(160.0).congestion == ""


def test_hint_is_believed_not_proven() -> None:
    control = DownlinkControl()
    control.hint(700_000, 1.0)
    assert control.line(1.0).capacity_bps == 700_000
    assert not control.line(1.0).proven
    assert control.pace_bps >= 700_000


def test_probe_is_sized_for_its_goal_and_proves_it() -> None:
    control = DownlinkControl()
    driver = _Driver(control, size=120)  # 19 kbit/s
    driver.run(40)
    control.tick(driver.now, flowing_bps=19_200, probe_goal_bps=48_000)
    assert control.probing
    sent: list[tuple[int, float]] = []
    at = driver.now
    media_at = at + 0.05
    everything: list[float] = []
    while control.probing:
        if at >= media_at:
            control.history.record(at, 120)
            everything.append(at)
            media_at += 0.05
        due = control.probe_bytes_due(at)
        while due > 0:
            sent.append((control.history.record(at, min(due, 323), control.probe_id), at))
            everything.append(at)
            due -= 323
        at += 0.01
    rate = control.probe_bytes_total * 8 / (sent[-1][1] - sent[0][1] + 0.0865)
    assert len(sent) >= 4
    assert rate + 19_200 == pytest.approx(52_800, rel=0.1)
    assert control.probe_bytes_total < 2200
    control.on_feedback(encode_feedback(sent[0][0], [when + 0.05 for when in everything], 0), at + 0.1)
    control.tick(at + 0.2, flowing_bps=19_200, probe_goal_bps=None)
    line = control.line(at + 0.2)
    assert line.proven
    assert line.capacity_bps == 48_000


def test_no_probe_without_a_goal_or_in_silence_or_when_already_proven() -> None:
    control = DownlinkControl()
    driver = _Driver(control)
    driver.run(60)
    assert control.probes_started == 0
    driver.run(60, acknowledge=False, goal=10_000_000)
    started = control.probes_started
    driver.run(60, acknowledge=False, goal=10_000_000)
    assert control.probes_started == started
    assert not control.probing


def test_failing_probes_wait_longer_but_never_over_eight_seconds() -> None:
    control = DownlinkControl()
    driver = _Driver(control, size=120)
    starts: list[float] = []
    for _ in range(900):  # 45 s; padding never arrives
        before = control.probes_started
        driver.run(1)
        control.tick(driver.now, flowing_bps=19_200, probe_goal_bps=48_000)
        control.probe_bytes_due(driver.now)
        if control.probes_started > before:
            starts.append(driver.now)
    gaps = [later - earlier for earlier, later in itertools.pairwise(starts)]
    assert len(starts) >= 5
    assert max(gaps) <= 10


def test_new_network_forgets() -> None:
    control = DownlinkControl()
    driver = _Driver(control)
    driver.run(60)
    driver.run(10, acknowledge=False)
    control.path_changed(driver.now)
    assert control.history.unacked_since == math.inf
    driver.run(40, wait=0.6)  # a longer way is no queue now
    line = control.line(driver.now)
    assert line.congestion == ""
    assert line.queue_ms < 20


def test_remb_estimator_takes_what_the_browser_says() -> None:
    control = DownlinkControl("remb")
    control.tick(1.0, flowing_bps=300_000, probe_goal_bps=None)
    control.on_remb(100_000, 1.1)
    assert control.line(1.1).congestion == "delay"
    assert control.line(1.1).capacity_bps <= 100_000
    control.on_report(0.3, 1.2)
    assert control.line(1.2).congestion == "loss"
    assert control.line(1.2).loss == pytest.approx(0.3)


def test_unknown_estimator_is_refused() -> None:
    with pytest.raises(ValueError, match="pigeon"):
        DownlinkControl("pigeon")

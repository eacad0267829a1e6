"""The uplink as seen from what arrives: audio packets through a simulated link."""

import pytest

from media.congestion.line import LineState
from media.congestion.uplink import UplinkObserver, UplinkSample
from tests.sim.link import Events, GilbertElliott, Link, RandomLoss

CLOCK_S = 7000.0


class _Up:
    """A browser sending audio (and a steady video rate from some moment on), observed every 100 ms."""

    def __init__(self, link: Link, *, audio_bytes: int = 180, packet_s: float = 0.06) -> None:
        self.events = Events()
        self.observer = UplinkObserver()
        self.lines: list[tuple[float, LineState]] = []
        self.forgiven: list[tuple[float, bool]] = []
        self.sending = True
        self.expected = True
        self._link = link
        self._sent = self._got = self._bytes = 0
        self._audio_bytes, self._packet_s = audio_bytes, packet_s
        self._transit: float | None = None
        self._last_at = 0.0
        self._newest = -1
        self.events.every(packet_s, self._packet)
        self.events.every(0.1, self._observe, start=0.05)

    def _packet(self) -> None:
        if not self.sending:
            return
        now = self.events.now
        arrival = self._link.send(now, self._audio_bytes)
        self._sent += 1
        if arrival is not None:
            self.events.at(arrival, self._arrive, now, self._sent)

    def _arrive(self, made: float, number: int) -> None:
        self._got += 1
        self._bytes += self._audio_bytes
        self._newest = number
        self._transit = self.events.now - made + CLOCK_S
        self._last_at = self.events.now

    def _observe(self) -> None:
        now = self.events.now
        sample = None
        if self._got:
            lost = self._newest - self._got
            sample = UplinkSample(self._got, self._bytes, lost, self._transit, self._last_at)
        self.observer.observe(now, sample, None, self._bytes, self.expected)
        self.lines.append((now, self.observer.line(now)))
        self.forgiven.append((now, self.observer.forgiving))

    def congestions(self, start: float, end: float) -> set[str]:
        return {line.congestion for at, line in self.lines if start <= at < end}


def test_audio_alone_shows_a_line_grown_thin() -> None:
    up = _Up(Link([(0, 100e3), (10, 16e3)], queue_ms=1000))
    up.events.run(20)
    assert up.congestions(0, 10) == {""}
    first = next(at for at, line in up.lines if line.congestion)
    assert 10 < first < 11.5
    line = up.lines[-1][1]
    assert line.proven
    assert line.capacity_bps == pytest.approx(16_000, rel=0.2)
    assert line.queue_ms > 120


def test_quiet_microphone_is_neither_silence_nor_loss() -> None:
    up = _Up(Link(100e3), audio_bytes=70, packet_s=0.4)
    up.events.run(30)
    assert up.congestions(0, 30) == {""}
    assert up.lines[-1][1].loss == 0


@pytest.mark.parametrize("loss", [RandomLoss(0.2), GilbertElliott(0.1, 3)])
def test_loss_without_a_queue_is_no_congestion(loss: RandomLoss | GilbertElliott) -> None:
    link = Link(100e3, loss=loss)
    up = _Up(link)
    up.events.run(40)
    assert link.counters.dropped_loss > 20
    assert max(line.loss for _, line in up.lines) > 0.1
    assert up.congestions(0, 40) == {""}


@pytest.mark.parametrize("loss", [RandomLoss(0.1), GilbertElliott(0.1, 2)])
def test_losses_a_line_always_has_are_forgiven(loss: RandomLoss | GilbertElliott) -> None:
    up = _Up(Link(100e3, loss=loss))
    up.events.run(60)
    forgiven = [yes for at, yes in up.forgiven if at > 10]
    assert sum(forgiven) > 0.8 * len(forgiven)


def test_losses_of_a_full_queue_are_not_forgiven() -> None:
    link = Link([(0, 100e3), (10, 16e3)], queue_ms=300)
    up = _Up(link)
    up.events.run(30)
    assert link.counters.dropped_queue > 20
    assert not any(yes for at, yes in up.forgiven if at > 11.5)


def test_jitter_is_no_congestion() -> None:
    link = Link(200e3, jitter_s=0.03)
    up = _Up(link)
    up.events.run(60)
    assert link.counters.jittered > 300
    assert up.congestions(0, 60) == {""}


def test_nothing_at_all_is_silence_only_when_something_is_expected() -> None:
    up = _Up(Link(100e3, outages=[(10, 16)]))
    up.events.run(25)
    silent = [at for at, line in up.lines if line.congestion == "silence"]
    assert 11.3 < silent[0] < 12
    assert silent[-1] < 16.5
    muted = _Up(Link(100e3))
    muted.events.run(5)
    muted.sending = muted.expected = False
    muted.events.run(20)
    assert muted.congestions(0, 20) == {""}


def test_longer_route_is_accepted_after_a_while() -> None:
    up = _Up(Link(100e3, delay_s=[(0, 0.05), (10, 0.35)]))
    up.events.run(30)
    assert "delay" in up.congestions(10, 16)
    assert up.congestions(20, 30) == {""}


def test_capacity_follows_what_arrives_and_is_not_proven_by_it() -> None:
    up = _Up(Link(1e6))
    up.events.run(30)
    line = up.lines[-1][1]
    assert 24_000 <= line.capacity_bps <= 40_000
    assert line.rate_bps == pytest.approx(24_000, rel=0.1)


def test_browser_estimate_is_proof_up_to_twice_what_arrives() -> None:
    up = _Up(Link(1e6), audio_bytes=900)
    up.events.run(5)
    up.observer.on_browser_estimate(200_000, 5)
    up.events.run(6)
    line = up.lines[-1][1]
    assert line.proven
    assert line.capacity_bps == pytest.approx(200_000, rel=0.05)
    up.observer.on_browser_estimate(3_000_000, 6)
    up.events.run(7)
    assert up.lines[-1][1].capacity_bps < 2.2 * 120_000


def test_browser_estimate_counts_for_nothing_while_congested() -> None:
    up = _Up(Link([(0, 100e3), (10, 16e3)], queue_ms=1000))
    up.events.run(14)
    up.observer.on_browser_estimate(300_000, 14)
    up.events.run(15)
    assert up.lines[-1][1].capacity_bps < 20_000


def test_another_clock_is_not_a_queue() -> None:
    observer = UplinkObserver()
    for n in range(100):
        transit = 5.0 if n < 50 else 500.0
        observer.observe(n * 0.1, UplinkSample(n + 1, 100 * n, 0, transit, n * 0.1), None, 100 * n)
    assert observer.line(10).congestion == ""
    assert observer.line(10).queue_ms == 0


def _falling(observer: UplinkObserver, seconds: float) -> list[LineState]:
    """600 kbit/s of video and sound each 60 ms; from second 10 on 80 kbit/s come, late, and most is lost."""
    lines = []
    sound = video = lost = wire = 0
    for tick in range(round(seconds / 0.2)):
        now = tick * 0.2
        fallen = now > 10
        wire += 2_000 if fallen else 15_000
        video += 2 if fallen else 14
        lost += 11 if fallen else 0
        sound += 0 if fallen else 3
        late_s = 0.25 if fallen else 0.0
        audio = UplinkSample(sound, sound * 180, 0, 1.0, min(now, 10.0))
        observer.observe(now, audio, UplinkSample(video, wire, lost, 5.0 + late_s, now), wire)
        lines.append(observer.line(now))
    return lines


def test_a_fall_is_seen_by_late_and_lost_pictures_and_measured_without_the_time_before() -> None:
    lines = _falling(UplinkObserver(), 12)
    first = next(index for index, line in enumerate(lines) if line.congestion)
    assert 10 < first * 0.2 <= 10.9
    assert lines[first].proven
    assert lines[first].capacity_bps <= 100_000


def test_what_a_browser_believed_before_a_fall_is_void() -> None:
    observer = UplinkObserver()
    _falling(observer, 11.2)
    observer.on_browser_estimate(900_000, 11.2)
    assert observer.line(11.3).sender_bps is None
    observer.on_browser_estimate(900_000, 14)
    assert observer.line(14).sender_bps == 900_000

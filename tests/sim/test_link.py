"""The link model itself: the other simulations are worth what it is worth."""

import itertools

import pytest

from tests.sim.link import Events, GilbertElliott, Link, RandomLoss


def _pour(link: Link, rate_bps: float, seconds: float, size: int = 1000) -> list[tuple[float, float | None]]:
    gap = size * 8 / rate_bps
    return [(n * gap, link.send(n * gap, size)) for n in range(int(seconds / gap))]


def test_carries_its_rate_and_drops_the_rest() -> None:
    link = Link(100_000, delay_s=0.05, queue_ms=300)
    sent = _pour(link, 200_000, 10)
    arrived = [at for _, at in sent if at is not None]
    assert len(arrived) * 8000 == pytest.approx(100_000 * 10, rel=0.05)
    assert link.counters.dropped_queue == len(sent) - len(arrived) > 0
    assert link.counters.queue_percentile_s(0.99) <= 0.3
    assert link.counters.queue_percentile_s(0.5) > 0.1


def test_a_rate_change_in_the_middle_of_a_packet() -> None:
    link = Link([(0, 8000), (0.5, 16_000)], delay_s=0)
    assert link.send(0, 1000) == pytest.approx(0.75)


def test_rate_zero_holds_packets_outage_loses_them() -> None:
    held = Link([(0, 80_000), (1, 0), (3, 80_000)], delay_s=0, queue_ms=300)
    assert held.send(1.5, 1000) == pytest.approx(3.1)
    lossy = Link(80_000, delay_s=0, outages=[(1, 3)])
    assert lossy.send(1.5, 1000) is None
    assert lossy.counters.dropped_outage == 1


@pytest.mark.parametrize("loss", [RandomLoss(0.1), GilbertElliott(0.1, 5)])
def test_loss_share(loss: RandomLoss | GilbertElliott) -> None:
    link = Link(10_000_000, loss=loss, seed=3)
    _pour(link, 1_000_000, 200)
    assert link.counters.dropped_loss / link.counters.offered == pytest.approx(0.1, abs=0.02)


def test_bursts_are_as_long_as_said() -> None:
    link = Link(10_000_000, loss=GilbertElliott(0.1, 15), seed=4)
    fates = [at is None for _, at in _pour(link, 1_000_000, 200)]
    bursts = sum(1 for before, after in itertools.pairwise(fates) if after and not before)
    assert sum(fates) / bursts == pytest.approx(15, rel=0.3)


def test_jitter_never_reorders() -> None:
    link = Link(1_000_000, jitter_s=0.030)
    arrivals = [at for _, at in _pour(link, 500_000, 20) if at is not None]
    assert arrivals == sorted(arrivals)
    assert link.counters.jittered > 100


def test_delay_schedule_and_events_in_order() -> None:
    events = Events()
    link = Link(1_000_000, delay_s=[(0, 0.05), (1, 0.25)])
    seen: list[float] = []
    for at in (0.5, 1.5):
        arrival = link.send(at, 125)
        assert arrival is not None
        events.at(arrival, seen.append, at)
    events.run(2)
    assert seen == [0.5, 1.5]
    assert events.now == 2

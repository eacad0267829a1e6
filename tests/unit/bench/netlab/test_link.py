"""The model of one direction, in virtual time."""

import pytest

from bench.netlab.link import BIN_S, Direction, Shape


def packet(size: int, mark: int = 0, protocol: int = 17) -> bytes:
    """An IPv4 packet as far as the model reads it."""
    header = bytearray(20)
    header[0], header[9] = 0x45, protocol
    return bytes(header) + mark.to_bytes(4, "big") + bytes(size - 24)


def marks(arrived: list[tuple[float, bytes]]) -> list[int]:
    return [int.from_bytes(p[20:24], "big") for _, p in arrived]


def test_a_packet_takes_its_size_over_the_rate_and_the_delay() -> None:
    line = Direction(Shape(rate_bps=80_000, delay_ms=50), 1)
    line.offer(10.0, packet(1000))
    assert line.arrivals(10.149) == []
    assert line.next_at() == pytest.approx(10.15)
    assert line.arrivals(10.15001)[0][0] == pytest.approx(10.15)
    assert line.next_at() == float("inf")


def test_the_queue_holds_its_time_at_the_rate_and_drops_what_comes_last() -> None:
    line = Direction(Shape(rate_bps=200_000, queue_ms=300), 1)  # 7500 bytes
    for number in range(12):
        line.offer(0.0, packet(1000, number))
    assert marks(line.arrivals(1.0)) == list(range(7))
    assert line.counters.dropped_by_queue == 5
    assert line.counters.wait_max_ms == pytest.approx(7 * 40)


def test_a_slow_line_still_holds_two_full_packets() -> None:
    line = Direction(Shape(rate_bps=8_000, queue_ms=300), 1)
    for number in range(3):
        line.offer(0.0, packet(1500, number))
    assert marks(line.arrivals(3.1)) == [0, 1]


def test_a_change_of_rate_applies_to_the_packet_on_its_way() -> None:
    line = Direction(Shape(rate_bps=80_000), 1)
    line.offer(0.0, packet(1000))
    line.change(0.05, rate_bps=8_000)  # half is sent; the other half takes ten times as long
    assert line.arrivals(0.5) == []
    assert line.arrivals(0.56)[0][0] == pytest.approx(0.55)


def test_a_rate_of_zero_keeps_what_waits_and_an_outage_loses_it() -> None:
    for up, expected in ((True, 1), (False, 0)):
        line = Direction(Shape(rate_bps=80_000), 1)
        line.offer(0.0, packet(1000))
        line.change(0.01, rate_bps=0, up=up)
        line.offer(0.02, packet(1000))
        line.change(5.0, rate_bps=80_000, up=True)
        assert len(line.arrivals(6.0)) == expected * 2
        assert line.counters.dropped_by_outage == (1 - expected) * 2


def test_jitter_adds_delay_and_never_reorders() -> None:
    line = Direction(Shape(rate_bps=10_000_000, delay_ms=20, jitter_ms=30), 7)
    for number in range(2000):
        line.offer(number * 0.002, packet(100, number))
    arrived = line.arrivals(100.0)
    assert marks(arrived) == list(range(2000))
    delays = [at - number * 0.002 for number, (at, _) in enumerate(arrived)]
    assert min(delays) >= 0.02
    assert 0.03 < max(delays) <= 0.0502


@pytest.mark.parametrize(("loss", "burst"), [(0.02, 1.0), (0.2, 1.0), (0.1, 5.0), (0.05, 15.0)])
def test_loss_has_its_share_and_its_mean_burst(loss: float, burst: float) -> None:
    line = Direction(Shape(loss=loss, burst=burst), 3)
    total = 60_000
    for number in range(total):
        line.offer(number * 0.001, packet(100, number))
    got = marks(line.arrivals(1e6))
    lost = total - len(got)
    runs = sum(1 for earlier, later in zip([-1, *got], [*got, total], strict=False) if later - earlier > 1)
    assert line.counters.dropped_by_loss == lost
    assert lost / total == pytest.approx(loss, rel=0.12)
    expected = burst if burst > 1 else 1 / (1 - loss)
    assert lost / runs == pytest.approx(expected, rel=0.12)


def test_the_same_seed_loses_the_same_packets() -> None:
    def survivors(seed: int) -> list[int]:
        line = Direction(Shape(loss=0.3, jitter_ms=10), seed)
        for number in range(200):
            line.offer(number * 0.01, packet(100, number))
        return marks(line.arrivals(100.0))

    assert survivors(5) == survivors(5)
    assert survivors(5) != survivors(6)


def test_the_series_counts_udp_apart() -> None:
    line = Direction(Shape(rate_bps=1_000_000), 1)
    line.offer(0.0, packet(500))
    line.offer(0.0, packet(700, protocol=6))
    line.offer(BIN_S * 3.5, packet(100))
    line.arrivals(1.0)
    first, later = line.counters.bins[0], line.counters.bins[3]
    assert (first.offered_udp_bytes, first.sent_udp_bytes, first.sent_bytes) == (500, 500, 1200)
    assert (later.offered_udp_bytes, later.offered_udp_packets) == (100, 1)

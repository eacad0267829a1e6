"""Hosts, their lines and the schedule, in virtual time."""

import socket

import pytest

from bench.netlab.link import Shape
from bench.netlab.network import Line, Network, Step

ADDRESSES = {"server": "198.18.0.1", "patient": "198.18.0.10", "doctor": "198.18.0.11"}


def packet(to: str, size: int = 1000) -> bytes:
    header = bytearray(20)
    header[0], header[9] = 0x45, 17
    header[16:20] = socket.inet_aton(ADDRESSES.get(to, to))
    return bytes(header) + bytes(size - 20)


def network(patient: Line, doctor: Line | None = None) -> Network:
    packed = {host: socket.inet_aton(address) for host, address in ADDRESSES.items()}
    return Network(packed, {"patient": patient, "doctor": doctor or Line()})


def test_a_packet_goes_up_one_line_and_down_the_other() -> None:
    net = network(
        Line(Shape(rate_bps=80_000, delay_ms=50), Shape()), Line(Shape(), Shape(rate_bps=800_000, delay_ms=20))
    )
    net.offer(0.0, "patient", packet("doctor"))
    assert net.arrivals(0.1799) == []
    [(at, host, _)] = net.arrivals(0.1801)
    assert (host, at) == ("doctor", pytest.approx(0.18))


def test_the_server_has_no_line() -> None:
    net = network(Line(Shape(delay_ms=50), Shape(delay_ms=30)))
    net.offer(1.0, "server", packet("patient"))
    assert net.next_at() == pytest.approx(1.03)
    net.offer(1.0, "patient", packet("server"))
    assert [host for _, host, _ in net.arrivals(1.06)] == ["server", "patient"]


def test_what_is_for_nobody_here_costs_no_line() -> None:
    net = network(Line(Shape(rate_bps=8_000), Shape()))
    for stranger in ("8.8.8.8", "224.0.0.251"):
        net.offer(0.0, "patient", packet(stranger))
    net.offer(0.0, "patient", b"\x60" + bytes(60))  # IPv6
    assert net.stray_packets == 3
    assert net.counters("patient", "up").offered_packets == 0


def test_steps_apply_at_their_own_time_whoever_looks_when() -> None:
    net = network(Line(Shape(rate_bps=800_000), Shape(rate_bps=800_000)))
    net.start(100.0, [Step(2.0, "patient", "up", {"rate_bps": 80_000}), Step(4.0, "patient", "both", {"up": False})])
    assert net.next_at() == 102.0
    net.offer(101.95, "patient", packet("server", 1400))
    net.offer(102.5, "patient", packet("server"))
    net.offer(103.0, "server", packet("patient"))
    times = [at for at, _, _ in net.arrivals(110.0)]
    assert times == pytest.approx([101.964, 102.6, 103.01])
    net.offer(110.1, "server", packet("patient"))
    assert net.arrivals(120.0) == []
    assert net.counters("patient", "down").dropped_by_outage == 1


def test_a_report_holds_every_direction_and_its_series() -> None:
    net = network(Line(Shape(rate_bps=80_000), Shape()))
    net.offer(0.0, "patient", packet("server"))
    net.arrivals(1.0)
    up = net.report()["lines"]["patient"]["up"]
    assert (up["sent_packets"], up["wait_max_ms"]) == (1, pytest.approx(100))
    assert up["bins"][0][:2] == [1000, 1]
    net.reset_counters()
    assert net.report()["lines"]["patient"]["up"]["bins"] == {}

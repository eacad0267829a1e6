"""Figures of a call, from samples made by hand."""

from typing import Any

import pytest

from bench import call_outcome as figures
from bench.call_outcome import Outcome, Tier

BEGAN = 1000.0


def samples(rates: list[tuple[float, dict[str, float]]], end_s: float = 30.0) -> list[dict[str, Any]]:
    """Four a second; ``rates``: from when on each total grows by how much a second."""
    totals: dict[str, float] = {}
    result = []
    for step in range(int(end_s * 4)):
        t = step / 4
        current: dict[str, float] = {}
        for since, growing in rates:
            if t > since:
                current = growing
        for name, per_s in current.items():
            totals[name] = totals.get(name, 0) + per_s / 4
        result.append({"t": BEGAN + t, **totals})
    return result


def outcome(tiers: list[Tier] | None = None, bins: dict[str, list[float]] | None = None, **more: Any) -> Outcome:
    direction = {"bins": bins or {}, "wait_max_ms": 0.0}
    report = {"bin_s": 0.2, "lines": {"patient": {"up": direction, "down": {"bins": {}}}}}
    report["late"] = {"p99_ms": 0.5, "max_ms": 2.0}
    fields: dict[str, Any] = {"patient": samples([]), "doctor": samples([]), "tiers": tiers or [], "base_rtt_ms": 100.0}
    return Outcome("candil", BEGAN, 30.0, report=report, **(fields | more))


def tier(at_s: float, down: str, up: str = "video") -> Tier:
    return Tier(BEGAN + at_s, down, up, "", "")


def test_video_is_off_when_its_bytes_stop_for_good_and_back_when_frames_go_on() -> None:
    moving = {"in_video_bytesReceived": 40_000.0, "in_video_framesDecoded": 16.0}
    seen = samples([(-1, moving), (3.5, {}), (12, moving)])
    assert figures.video_off_s(seen, BEGAN + 2, BEGAN + 11) == pytest.approx(1.5, abs=0.3)
    assert figures.video_off_s(samples([(-1, moving)]), BEGAN + 2, BEGAN + 11) == float("inf")
    stills = {"in_video_bytesReceived": 1_500.0}
    assert figures.video_off_s(samples([(-1, moving), (3.5, stills)]), BEGAN + 2, BEGAN + 11) < 4
    assert figures.video_back_s(seen, BEGAN + 6, BEGAN + 28) == pytest.approx(6, abs=1.1)
    assert figures.video_back_s(seen, BEGAN + 4, BEGAN + 11) == float("inf")


def test_audio_is_back_with_its_second_packet_and_silence_is_timed() -> None:
    talking = {"in_audio_packetsReceived": 16.0}
    seen = samples([(-1, talking), (5, {}), (15, talking)])
    assert figures.audio_back_s(seen, BEGAN + 10, BEGAN + 29) == pytest.approx(5.25, abs=0.3)
    assert figures.longest_silence_s(seen, BEGAN, BEGAN + 29) == pytest.approx(10.25, abs=0.3)


def test_tier_changes_are_those_of_the_direction_that_changed_more() -> None:
    seen = outcome([tier(0, "video"), tier(5, "audio"), tier(6, "audio", "audio"), tier(20, "stills", "audio")])
    assert figures.tier_changes(seen, BEGAN + 1, BEGAN + 30) == 2
    assert figures.tier_changes(seen, BEGAN + 10, BEGAN + 30) == 1
    assert figures.most_changes_a_minute(seen, BEGAN + 1, BEGAN + 30) == 2
    assert figures.tier_changes(outcome(), BEGAN, BEGAN + 30) is None


def test_time_is_shared_out_among_the_tiers_that_were_told() -> None:
    seen = outcome([tier(0, "video"), tier(5, "text", "text"), tier(20, "audio", "text"), tier(22, "audio", "text")])
    assert figures.share_at(seen, lambda t: t.down == "text", BEGAN, BEGAN + 30) == pytest.approx(0.5)
    assert seen.longest(lambda t: t.up == "text", 10) == (BEGAN + 10, BEGAN + 30)
    assert seen.longest(lambda t: t.down == "audio", 0) == (BEGAN + 20, BEGAN + 30)
    start, end = seen.longest(lambda t: t.down == "stills", 0)
    assert start == end
    assert figures.udp_bps(seen, "up", start, end) is None
    assert figures.share_at(outcome(), lambda t: True, BEGAN, BEGAN + 30) is None
    assert outcome().longest(lambda t: False, 10) == (BEGAN + 10, BEGAN + 30)


def test_the_round_trip_is_the_empty_line_and_what_waited() -> None:
    bins: dict[str, list[float]] = {
        str(int((BEGAN + n * 0.2 + 0.01) / 0.2)): [100, 1, 0, 0, 0, 500.0] for n in range(15)
    }
    seen = outcome(bins=bins)
    assert figures.link_rtt_ms(seen, BEGAN, BEGAN + 5) == [600, 600, 600, 100, 100]
    assert figures.rtt_settled_s(seen, BEGAN, BEGAN + 10, 400) == 3
    assert figures.rtt_settled_s(seen, BEGAN, BEGAN + 2, 400) == float("inf")
    assert figures.udp_bps(seen, "up", BEGAN, BEGAN + 3) == pytest.approx(4000)


def test_a_busy_machine_is_named() -> None:
    quiet = outcome()
    assert figures.disturbances(quiet) == []
    busy = outcome(cpu_busy=0.97)
    busy.report["late"]["p99_ms"] = 12.0
    busy.patient = [*busy.patient[:20], *busy.patient[40:]]
    assert len(figures.disturbances(busy)) == 3

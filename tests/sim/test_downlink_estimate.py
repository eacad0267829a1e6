"""The downlink estimate against the link model: useful lines, each with proof that the impairment was there."""

import pytest

from tests.sim.cases import Case, Outcome, bad_lines, laddered, rfc8867, run_case
from tests.sim.link import Events, Link
from tests.sim.models import Moment, Sender, elastic

CASES = {case.name: case for case in [*rfc8867(), *rfc8867(4), *bad_lines()]}


def _moments(outcome: Outcome, start: float, end: float) -> list[Moment]:
    return [moment for moment in outcome.senders[0].moments if start <= moment.at < end]


@pytest.mark.parametrize("name", ["5.1 variable", "5.1/4 variable"])
def test_variable_capacity(name: str) -> None:
    outcome = run_case(CASES[name])
    assert outcome.link.counters.dropped_queue > 0
    assert outcome.utilisation >= 0.6
    assert outcome.loss <= 0.02
    assert outcome.queue_p95_ms <= 300
    assert outcome.audio_lost <= 0.01


@pytest.mark.parametrize("name", ["5.2 two flows", "5.2/4 two flows"])
def test_two_flows_share(name: str) -> None:
    outcome = run_case(CASES[name])
    assert outcome.link.counters.queue_percentile_s(0.95) > 0.1  # the line was full
    assert outcome.utilisation >= 0.6
    assert outcome.loss <= 0.02
    assert min(outcome.shares) >= 0.3


@pytest.mark.parametrize("name", ["5.3 congested feedback", "5.3/4 congested feedback"])
def test_congested_feedback(name: str) -> None:
    outcome = run_case(CASES[name])
    assert outcome.back.counters.queue_percentile_s(0.9) > 0.05  # the way back was full too
    assert outcome.utilisation >= 0.6
    assert outcome.loss <= 0.02
    assert outcome.audio_lost <= 0.01


@pytest.mark.parametrize("name", ["5.6 beside TCP", "5.6/4 beside TCP"])
def test_beside_tcp_audio_lives(name: str) -> None:
    outcome = run_case(CASES[name])
    assert outcome.tcp_share > 0.3  # it was there
    assert outcome.link.counters.dropped_queue > 20
    assert outcome.audio_lost <= 0.01


@pytest.mark.parametrize("name", ["5.8 pause", "5.8/4 pause"])
def test_pause_and_resume(name: str) -> None:
    outcome = run_case(CASES[name])
    first = outcome.senders[0]
    assert first.received_bps(50, 58) < 100_000  # audio and probes
    assert first.received_bps(100, 118) > 3 * first.received_bps(50, 58)
    assert outcome.utilisation >= 0.6
    assert outcome.loss <= 0.02


@pytest.mark.parametrize("share", [0.02, 0.05, 0.10, 0.20])
def test_random_loss_is_not_congestion(share: float) -> None:
    outcome = run_case(CASES[f"500k, {share:.0%} random loss"])
    assert outcome.link.counters.dropped_loss / outcome.link.counters.offered == pytest.approx(share, rel=0.3)
    last = _moments(outcome, 25, 60)
    assert sum(moment.sent_bps > 150_000 for moment in last) > 0.9 * len(last)
    assert outcome.senders[0].received_bps(25, 60) > 200_000


@pytest.mark.parametrize("name", ["500k, 5% in bursts of 5", "500k, 10% in bursts of 5", "500k, 20% in bursts of 5"])
def test_bursts_are_not_congestion(name: str) -> None:
    outcome = run_case(CASES[name])
    assert outcome.link.counters.dropped_loss > 100
    last = _moments(outcome, 30, 60)
    assert sum(moment.sent_bps > 85_000 for moment in last) > 0.9 * len(last)


def test_jitter_is_no_queue() -> None:
    outcome = run_case(CASES["500k, jitter 30 ms"])
    assert outcome.link.counters.jittered > 500
    assert outcome.utilisation >= 0.7


def test_jitter_on_a_comfortable_line_is_never_congestion() -> None:
    case = Case("5 Mbit/s, jitter", 60, 5e6, jitter_s=0.03, video=lambda line, now: 300_000)
    outcome = run_case(case)
    assert outcome.link.counters.jittered > 500
    assert all(moment.line.congestion == "" for moment in outcome.senders[0].moments)


def test_bufferbloat_is_not_filled() -> None:
    outcome = run_case(CASES["384k, queue 2 s"])
    assert max(outcome.link.counters.queue_s) > 0.15
    assert outcome.queue_p95_ms <= 300
    assert outcome.utilisation >= 0.6


def test_the_brake_alone_keeps_a_huge_queue_short() -> None:
    """An encoder that does not listen fills two seconds of queue; pacer and brake stop it."""
    events = Events()
    link, back = Link(384e3, queue_ms=2000), Link(5e6)
    Sender(events, link, back, video_bps=lambda line, now: 700_000, goal=lambda line: None)
    events.run(60)
    assert 0.1 < max(link.counters.queue_s) < 0.5


def test_round_trip_of_840_ms() -> None:
    outcome = run_case(CASES["240k, RTT 840 ms"])
    assert outcome.utilisation >= 0.6
    assert outcome.loss <= 0.02
    assert not [moment for moment in outcome.senders[0].moments if moment.line.congestion == "silence"]


@pytest.mark.parametrize(("feedback_s", "within_s"), [(0.05, 1.0), (0.1, 1.0), (0.25, 1.5)])
def test_step_down_is_noticed_at_once(feedback_s: float, within_s: float) -> None:
    events = Events()
    link, back = Link([(0, 1e6), (30, 80e3)], seed=7), Link(5e6, seed=8)
    sender = Sender(events, link, back, video_bps=laddered(500e3), feedback_s=feedback_s)
    events.run(45)
    at = next(moment.at for moment in sender.moments if moment.at > 30 and moment.line.congestion)
    assert at - 30 <= within_s
    after = [moment for moment in sender.moments if at + feedback_s * 4 <= moment.at < at + 3]
    assert all(30_000 <= moment.line.capacity_bps <= 85_000 for moment in after)
    heard_then = [delay for sent, delay in sender.heard.audio_delay_s if 30 <= sent < 40]
    assert len(heard_then) >= 0.97 * 10 / 0.06  # audio kept alive while video stopped
    late = [delay for sent, delay in sender.heard.audio_delay_s if 34 <= sent < 35]
    assert max(late) < 0.35


def test_step_up_is_found_by_probes() -> None:
    outcome = run_case(CASES["80k to 1M at 30 s"])
    before = _moments(outcome, 20, 30)
    assert max(moment.line.capacity_bps for moment in before) < 110_000
    at = next(moment.at for moment in outcome.senders[0].moments if moment.at > 30 and moment.sent_bps > 280_000)
    assert at - 30 <= 15
    assert outcome.audio_lost <= 0.01


@pytest.mark.parametrize(("name", "start", "end"), [("500k, dead 6 s", 20, 26), ("500k, dead 30 s", 20, 50)])
def test_outage(name: str, start: float, end: float) -> None:
    outcome = run_case(CASES[name])
    assert outcome.link.counters.dropped_outage > 20
    silent = [moment for moment in outcome.senders[0].moments if moment.line.congestion == "silence"]
    assert start + 1.4 < silent[0].at < start + 2.5
    assert silent[-1].at < end + 1
    assert outcome.senders[0].received_bps(end + 2, end + 4) > 200_000


def test_flapping_keeps_audio() -> None:
    outcome = run_case(CASES["200k/40k each 5 s"])
    assert outcome.link.counters.dropped_queue > 20
    assert outcome.audio_lost <= 0.05


def test_longer_route_is_recognised() -> None:
    outcome = run_case(CASES["500k, route 200 ms longer"])
    assert any(moment.line.congestion == "delay" for moment in _moments(outcome, 20, 24))
    assert outcome.senders[0].received_bps(35, 60) > 300_000


def test_audio_alone_finds_a_thinner_line() -> None:
    """Two numbered packets a second are enough."""
    events = Events()
    link, back = Link([(0, 64e3), (20, 16e3)], seed=7), Link(5e6, seed=8)
    sender = Sender(events, link, back, video_bps=lambda line, now: 0.0, goal=lambda line: None)
    events.run(30)
    assert link.counters.dropped_queue > 10
    at = next(moment.at for moment in sender.moments if moment.line.congestion == "delay")
    assert 20 < at < 23
    assert 8_000 < sender.moments[-1].line.capacity_bps < 17_000


def test_belief_stays_near_what_was_tried() -> None:
    case = Case("5 Mbit/s", 60, 5e6)
    events = Events()
    sender = Sender(events, Link(5e6), Link(5e6), video_bps=lambda line, now: 100_000, goal=lambda line: None)
    events.run(case.seconds)
    last = sender.moments[-1]
    assert last.line.capacity_bps < 1.7 * last.sent_bps
    assert not last.line.proven


def test_same_seed_same_figures() -> None:
    first, second = (run_case(CASES["500k, 10% in bursts of 5"]) for _ in range(2))
    assert (first.utilisation, first.queue_p95_ms) == (second.utilisation, second.queue_p95_ms)


def test_remb_estimator_follows_a_variable_line() -> None:
    outcome = run_case(CASES["5.1/4 variable"], "remb")
    assert outcome.utilisation >= 0.3
    assert outcome.loss <= 0.02


def test_elastic_never_asks_for_less_than_nothing() -> None:
    case = Case("20 kbit/s", 30, 20e3, video=elastic())
    outcome = run_case(case)
    assert all(moment.line.capacity_bps >= 5_000 for moment in outcome.senders[0].moments)

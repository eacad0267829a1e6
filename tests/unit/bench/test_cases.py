"""The declared cases and the rows made of them."""

from bench import call_table
from bench.call_outcome import Outcome
from bench.cases import BY_NAME, CASES


def test_every_case_has_a_name_of_its_own_and_goals_and_its_steps_lie_within() -> None:
    assert len(BY_NAME) == len(CASES)
    for case in CASES:
        assert case.goals, case.name
        assert all(0 <= step.at_s <= case.seconds for step in case.steps), case.name


def test_only_the_long_cases_are_shortened() -> None:
    assert BY_NAME["2g"].shortened(90).seconds == 90
    assert BY_NAME["fall"].shortened(5).seconds == BY_NAME["fall"].seconds


def test_a_row_tells_what_was_missed_and_that_nothing_impaired_the_line() -> None:
    counted = {"bins": {}, "wait_max_ms": 0.0, "dropped_by_loss": 0, "dropped_by_outage": 0}
    report = {"bin_s": 0.2, "lines": {"patient": {"up": counted, "down": counted}}}
    report["late"] = {"p99_ms": 0.5, "max_ms": 2.0}
    row = call_table.row(BY_NAME["dead-6"], Outcome("plain", 1000.0, 27.0, [], [], report))
    assert row.hit is False
    assert row.results[0] == "audio back after never (<= 2.0 s) MISS"
    assert row.disturbed == ["nothing met the outage up", "nothing met the outage down"]
    assert "**miss**" in call_table.markdown([row])

from typing import get_args

import pytest

from turn.relay_report import Finding, RelayReport, TransportReport


def report(finding: Finding, detail: str = "") -> TransportReport:
    uri = "turn:relay.example:3478?transport=udp"
    return TransportReport(uri=uri, host="relay.example", port=3478, transport="udp", finding=finding, detail=detail)


@pytest.mark.parametrize("finding", get_args(Finding))
def test_every_finding_has_a_sentence_that_names_the_relay(finding: Finding) -> None:
    sentence = report(finding, "10.0.0.1").sentence()
    assert sentence.startswith("Relay turn:relay.example:3478")
    assert "{" not in sentence
    assert report(finding).ok == (finding == "works")


def test_one_broken_transport_makes_the_report_fail() -> None:
    assert RelayReport((report("works"), report("works")), path_tested=True).ok
    assert not RelayReport((report("works"), report("unreachable")), path_tested=True).ok


def test_no_relay_is_a_choice_and_says_what_it_costs() -> None:
    nothing = RelayReport((), path_tested=False)
    assert nothing.ok
    assert "text only" in nothing.lines()[0]


def test_an_untried_path_is_said() -> None:
    assert "was not tried" in RelayReport((report("works"),), path_tested=False).lines()[-1]
    assert len(RelayReport((report("works"),), path_tested=True).lines()) == 1


def test_danger_is_marked() -> None:
    assert report("open_relay", "10.0.0.1").dangerous
    assert not report("wrong_secret").dangerous

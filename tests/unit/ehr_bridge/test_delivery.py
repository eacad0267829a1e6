"""The delivery table: every outcome from every state, and any sequence of faults."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ehr_bridge.delivery import (
    ENDPOINT_GONE,
    FHIR_SCHEDULE,
    KEEP_TRYING_S,
    RETRY_AFTER_LIMIT_S,
    TERMINAL,
    WEBHOOK_SCHEDULE,
    Accepted,
    Answered,
    Gone,
    Hopeless,
    NotThere,
    Outcome,
    PatientUnknown,
    Progress,
    Proved,
    Schedule,
    Unreachable,
    decide,
)

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("before", "outcome", "after"),
    [
        ("pending", Accepted(), "sent"),
        ("link_patient", Accepted(), "sent"),
        ("sent", Proved("Encounter/1"), "received"),
        ("pending", Proved(), "received"),
        ("pending", Unreachable("x"), "pending"),
        ("sent", Unreachable("x"), "sent"),
        ("link_patient", Unreachable("x"), "pending"),
        ("sent", NotThere("x"), "pending"),
        ("pending", NotThere("x"), "pending"),
        ("pending", PatientUnknown("x"), "link_patient"),
        ("link_patient", PatientUnknown("x"), "link_patient"),
        ("pending", Hopeless("x"), "dead"),
        ("sent", Hopeless("x"), "dead"),
        ("pending", Gone("x"), "dead"),
        ("pending", Answered(503, "x"), "pending"),
        ("sent", Answered(403, "x"), "sent"),
        ("pending", Answered(409, "x"), "pending"),
    ],
)
def test_table(before: str, outcome: Outcome, after: str) -> None:
    decision = decide(Progress(before, 0), outcome, FHIR_SCHEDULE, NOW, 0.5)  # type: ignore[arg-type]
    assert decision.state == after
    assert decision.attempts == 1
    assert decision.last_error.startswith(ENDPOINT_GONE) is isinstance(outcome, Gone)
    if after not in TERMINAL and not isinstance(outcome, Accepted):
        assert decision.next_attempt_at > NOW
        assert decision.last_error == "x"


def test_proof_is_due_at_once_and_names_what_was_found() -> None:
    assert decide(Progress("pending", 3), Accepted(), FHIR_SCHEDULE, NOW, 0.9).next_attempt_at == NOW
    assert decide(Progress("sent", 4), Proved("Encounter/1"), FHIR_SCHEDULE, NOW, 0).detail == "Encounter/1"


def test_waits_grow_and_jitter_spreads_them_by_a_fifth() -> None:
    waits = [
        decide(Progress("pending", n), Unreachable("x"), WEBHOOK_SCHEDULE, NOW, 0.5).next_attempt_at - NOW
        for n in range(9)
    ]
    assert waits == [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]
    early = decide(Progress("pending", 1), Unreachable("x"), WEBHOOK_SCHEDULE, NOW, 0.0).next_attempt_at - NOW
    late = decide(Progress("pending", 1), Unreachable("x"), WEBHOOK_SCHEDULE, NOW, 0.999).next_attempt_at - NOW
    assert (early, round(late)) == (240, 360)


@pytest.mark.parametrize(
    ("retry_after_s", "wait_s"), [(None, 5.0), (1.0, 5.0), (900.0, 900.0), (1e9, RETRY_AFTER_LIMIT_S)]
)
def test_retry_after_lengthens_a_wait_within_a_day(retry_after_s: float | None, wait_s: float) -> None:
    outcome = Answered(429, "x", retry_after_s)
    assert decide(Progress("pending", 0), outcome, FHIR_SCHEDULE, NOW, 0.5).next_attempt_at == NOW + wait_s


def test_a_race_is_settled_in_seconds_at_first() -> None:
    waits = [
        decide(Progress("pending", n), Answered(409, "x"), FHIR_SCHEDULE, NOW, 0.5).next_attempt_at - NOW
        for n in range(6)
    ]
    assert waits == [2, 2, 2, 2, 900, 1800]


@pytest.mark.parametrize("schedule", [FHIR_SCHEDULE, WEBHOOK_SCHEDULE])
def test_gives_up_only_after_seven_days_of_waiting(schedule: Schedule) -> None:
    progress, now = Progress("pending", 0), NOW
    while True:
        decision = decide(progress, Unreachable("line down"), schedule, now, 0.5)
        if decision.state == "dead":
            break
        progress, now = Progress(decision.state, decision.attempts), decision.next_attempt_at
    assert KEEP_TRYING_S <= now - NOW <= KEEP_TRYING_S + 86400
    assert "line down" in decision.last_error


outcomes = st.one_of(
    st.just(Accepted()),
    st.just(Proved()),
    st.builds(Answered, st.integers(300, 599), st.just("x"), st.none() | st.floats(0, 1e7)),
    st.sampled_from([Unreachable("x"), NotThere("x"), PatientUnknown("x"), Hopeless("x"), Gone("x")]),
)


@given(st.lists(st.tuples(outcomes, st.floats(0, 0.999)), max_size=60))
def test_any_sequence_moves_only_along_the_arrows(steps: list[tuple[Outcome, float]]) -> None:
    progress, now = Progress("pending", 0), NOW
    for outcome, jitter in steps:
        decision = decide(progress, outcome, FHIR_SCHEDULE, now, jitter)
        assert decision.attempts == progress.attempts + 1
        assert decision.next_attempt_at >= now
        assert (decision.state == "received") == isinstance(outcome, Proved)
        assert bool(decision.last_error) != isinstance(outcome, Accepted | Proved)
        if decision.state in TERMINAL:
            return
        progress, now = Progress(decision.state, decision.attempts), decision.next_attempt_at


class FakeEhr:
    """What a correct FHIR server keeps under conditional creates, with faults before and after it commits."""

    def __init__(self, patient_known_from: float) -> None:
        self.visits: list[str] = []
        self.patient_known_from = patient_known_from

    def post(self, fault: str, now: float) -> Outcome:
        if fault == "cut_before":
            return Unreachable("cut")
        if fault == "refused":
            return Answered(503, "busy")
        if fault == "stored_nothing":
            return Accepted()
        if now < self.patient_known_from:
            return PatientUnknown("nobody")
        if "visit" not in self.visits:  # the condition of the conditional create
            self.visits.append("visit")
        return {"answer_lost": Unreachable("lost"), "race": Answered(409, "race")}.get(fault, Accepted())

    def read_back(self, fault: str) -> Outcome:
        if fault in ("cut_before", "answer_lost"):
            return Unreachable("cut")
        return Proved() if self.visits else NotThere("gone")


faults = st.sampled_from(["none", "cut_before", "answer_lost", "refused", "stored_nothing", "race"])


@settings(max_examples=300)
@given(st.lists(faults, max_size=80), st.floats(0, 3 * 86400), st.floats(0, 0.999))
def test_whatever_fails_the_visit_is_there_once_and_received_means_it_is(
    plan: list[str], patient_known_after_s: float, jitter: float
) -> None:
    ehr = FakeEhr(NOW + patient_known_after_s)
    progress, now = Progress("pending", 0), NOW
    for fault in [*plan, *["none"] * 400]:
        outcome = ehr.read_back(fault) if progress.state == "sent" else ehr.post(fault, now)
        decision = decide(progress, outcome, FHIR_SCHEDULE, now, jitter)
        if decision.state in TERMINAL:
            break
        progress, now = Progress(decision.state, decision.attempts), decision.next_attempt_at
    assert decision.state == "received"
    assert ehr.visits == ["visit"]

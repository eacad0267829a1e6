"""One direction's ladder: tables of lines, and properties over any line."""

from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.adaptation.ladder import DOUBT, DirectionLadder, Load, Wanted
from media.adaptation.policy import LadderPolicy
from media.adaptation.rungs import Rung
from media.congestion.line import LineState

POLICY = LadderPolicy()
FREE = Wanted(Rung.VIDEO, Rung.VIDEO)
CALM = LineState(40_000, False, "", 0.0, 0.0, 50.0, 20_000)


@dataclass
class Run:
    """A ladder driven every 200 ms, with what it did."""

    ladder: DirectionLadder
    now: float = 0.0

    def feed(
        self, line: LineState, seconds: float, wanted: Wanted = FREE, alive: bool = True
    ) -> list[tuple[float, Rung]]:
        changes = []
        for _ in range(round(seconds / 0.2)):
            before = self.ladder.rung
            self.ladder.tick(self.now, line, alive, wanted)
            if self.ladder.rung is not before:
                changes.append((self.now, self.ladder.rung))
            self.now += 0.2
        return changes


def start(hint_bps: int | None = None) -> Run:
    return Run(DirectionLadder(POLICY, 0.0, hint_bps, POLICY.probe_s))


def proven(bps: int) -> LineState:
    return replace(CALM, capacity_bps=bps, proven=True)


def congested(bps: int) -> LineState:
    return LineState(bps, True, "delay", 250.0, 0.0, 300.0, bps)


@pytest.mark.parametrize(("hint_bps", "rung"), [(None, 2), (900_000, 2), (24_000, 2), (12_000, 1), (8_000, 0)])
def test_a_call_starts_with_sound_unless_the_test_before_it_says_less(hint_bps: int | None, rung: int) -> None:
    assert start(hint_bps).ladder.rung == rung


def test_first_question_comes_a_second_after_the_session_lives() -> None:
    run = start()
    run.feed(CALM, 0.8)
    assert run.ladder.questions.goal_bps is None
    run.feed(CALM, 0.6)
    assert run.ladder.questions.goal_bps == 89_250


def test_a_proven_line_climbs_by_low_video_to_video_within_seconds() -> None:
    changes = start().feed(proven(1_000_000), 6)
    assert [rung for _, rung in changes] == [Rung.LOW_VIDEO, Rung.VIDEO]
    assert changes[-1][0] < 4


def test_what_a_test_before_the_call_found_brings_the_first_question_forward_but_proves_nothing() -> None:
    run = start(900_000)
    assert run.feed(CALM, 0.8) == []
    assert run.ladder.questions.goal_bps is not None
    plain = start()
    plain.feed(CALM, 0.8)
    assert plain.ladder.questions.goal_bps is None


@pytest.mark.parametrize(
    ("capacity_bps", "rung"),
    [(300_000, None), (250_000, Rung.LOW_VIDEO), (80_000, Rung.STILLS), (50_000, Rung.AUDIO), (24_000, Rung.AUDIO)],
)
def test_congested_video_falls_in_one_step_to_what_surely_fits(capacity_bps: int, rung: Rung | None) -> None:
    run = start()
    run.feed(proven(1_000_000), 30)
    changes = run.feed(congested(capacity_bps), 0.2)
    assert [seen for _, seen in changes] == ([rung] if rung is not None else [])


def test_sound_is_made_poorer_only_when_the_line_stays_congested() -> None:
    run = start()
    run.feed(proven(1_000_000), 30)
    changes = run.feed(congested(12_000), 10)
    assert [rung for _, rung in changes] == [Rung.AUDIO, Rung.EMERGENCY]
    assert changes[1][0] - changes[0][0] >= POLICY.audio_patience_s


def test_a_line_that_bears_no_voice_ends_at_text() -> None:
    run = start()
    assert [rung for _, rung in run.feed(congested(7_000), 15)] == [Rung.EMERGENCY, Rung.TEXT]
    assert run.ladder.cause == "line"


def test_a_page_that_gave_up_its_sound_is_asked_again_only_after_a_while() -> None:
    run = start()
    run.feed(CALM, 1)
    run.ladder.give_up(run.now)
    assert run.ladder.rung is Rung.TEXT
    nothing = replace(CALM, capacity_bps=5_000, rate_bps=0)
    assert run.feed(nothing, POLICY.low_probe_interval_s - 0.4) == []
    assert run.ladder.questions.goal_bps is None
    run.feed(nothing, 1)
    assert run.ladder.questions.goal_bps is not None


def test_loss_alone_leaves_the_picture() -> None:
    run = start()
    run.feed(proven(450_000), 10)
    assert run.feed(replace(proven(450_000), loss=0.2), 30) == []


def test_after_an_outage_the_former_rung_comes_back_without_penalty() -> None:
    run = start()
    run.feed(proven(1_000_000), 10)
    silence = replace(proven(1_000_000), congestion="silence")
    assert [rung for _, rung in run.feed(silence, 12)] == [Rung.AUDIO, Rung.EMERGENCY]
    assert run.ladder.cause == "silence"
    changes = run.feed(proven(1_000_000), 3)
    assert [rung for _, rung in changes] == [Rung.VIDEO]
    run.feed(proven(1_000_000), 30)
    assert [rung for _, rung in run.feed(silence, 20)] == [Rung.AUDIO, Rung.EMERGENCY, Rung.TEXT]
    back = run.feed(proven(1_000_000), 3)
    assert [rung for _, rung in back] == [Rung.EMERGENCY, Rung.VIDEO]
    assert back[0][0] - (run.now - 3) < 0.3


def test_in_company_an_outage_does_not_make_the_sound_of_the_others_poorer() -> None:
    run = start()
    wanted = replace(FREE, load=Load(audio=3, video=3))
    run.feed(proven(1_000_000), 10, wanted)
    silence = replace(proven(1_000_000), congestion="silence")
    assert [rung for _, rung in run.feed(silence, 12, wanted)] == [Rung.AUDIO]
    assert [rung for _, rung in run.feed(silence, 8, wanted)] == [Rung.TEXT]


def test_each_failed_upgrade_waits_longer() -> None:
    run = start()
    ups = []
    for _ in range(120):
        ups += [at for at, rung in run.feed(proven(200_000), 5) if rung is Rung.LOW_VIDEO]
        run.feed(congested(38_000), 5)
    waits = [later - earlier for earlier, later in pairwise(ups)]
    assert len(ups) <= 7
    assert waits == sorted(waits)
    assert waits[0] >= POLICY.penalty_first_s


def test_much_more_than_needed_forgives() -> None:
    run = start()
    run.feed(proven(100_000), 4)
    run.feed(congested(30_000), 1)
    assert run.feed(proven(100_000), 8) == []
    assert run.feed(proven(300_000), 1)[0][1] is Rung.LOW_VIDEO


@pytest.mark.parametrize("wanted", [Wanted(Rung.AUDIO, Rung.VIDEO), Wanted(Rung.VIDEO, Rung.AUDIO)])
def test_nothing_is_asked_at_the_top_that_is_allowed_or_useful(wanted: Wanted) -> None:
    run = start()
    for _ in range(100):
        run.feed(CALM, 0.2, wanted)
        assert run.ladder.questions.goal_bps is None


def test_questions_while_a_picture_is_missing_come_at_least_every_eight_seconds() -> None:
    run = start()
    asked = []
    for _ in range(600):
        before = run.ladder.questions.goal_bps
        busy = before is not None
        run.feed(replace(CALM, capacity_bps=60_000, proven=True, queue_ms=150.0 if busy else 0.0), 0.2)
        if before is None and run.ladder.questions.goal_bps is not None:
            asked.append(run.now)
    gaps = [later - earlier for earlier, later in pairwise(asked)]
    assert max(gaps) < 9
    assert min(gaps) > 2


def test_more_streams_need_more() -> None:
    ladder = start().ladder
    five = Load(audio=5, video=5)
    assert ladder.enter_bps(Rung.AUDIO, five) == 26_000 + 4 * 1_300
    assert ladder.enter_bps(Rung.LOW_VIDEO, five) > 4 * 60_000
    assert ladder.hold_bps(Rung.AUDIO, Load(extra_bps=20_000)) == 40_000


lines = st.builds(
    LineState,
    capacity_bps=st.integers(5_000, 2_000_000),
    proven=st.booleans(),
    congestion=st.sampled_from(["", "", "", "delay", "loss", "silence"]),
    queue_ms=st.floats(0, 2_000),
    loss=st.floats(0, 1),
    rtt_ms=st.none() | st.floats(1, 3_000),
    rate_bps=st.integers(0, 600_000),
)
wishes = st.builds(Wanted, ceiling=st.sampled_from(Rung), useful=st.sampled_from(Rung))
stretches = st.lists(st.tuples(lines, wishes, st.floats(0.2, 30), st.booleans()), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(stretches)
def test_any_line_never_exceeds_a_ceiling_nor_climbs_twice_inside_the_hold(
    course: list[tuple[LineState, Wanted, float, bool]],
) -> None:
    run = start()
    last_up = float("-inf")
    for line, wanted, seconds, alive in course:
        for _ in range(round(seconds / 0.2)):
            before, recovering = run.ladder.rung, run.ladder._before_outage is not None
            run.feed(line, 0.2, wanted, alive)
            assert run.ladder.rung <= wanted.ceiling
            if run.ladder.rung > before and not recovering:
                assert run.now - last_up >= POLICY.up_hold_s - 1e-6
                last_up = run.now
            if run.ladder.rung > before:
                assert not line.congestion


@settings(max_examples=25, deadline=None)
@given(stretches, st.integers(5_000, 2_000_000), st.integers(0, 400_000))
def test_any_steady_line_settles(
    course: list[tuple[LineState, Wanted, float, bool]], capacity_bps: int, rate_bps: int
) -> None:
    run = start()
    for line, wanted, seconds, alive in course:
        run.feed(line, seconds, wanted, alive)
    steady = LineState(capacity_bps, True, "", 0.0, 0.0, 50.0, min(rate_bps, capacity_bps))
    run.feed(steady, 700)
    assert run.feed(steady, 120) == []
    if capacity_bps >= DOUBT * POLICY.audio.enter_bps:
        assert run.ladder.rung >= Rung.AUDIO

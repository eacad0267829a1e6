"""How often pages hear of a line: at once when it matters, seldom otherwise, and never twice the same."""

from hypothesis import given
from hypothesis import strategies as st

from media.adaptation.rungs import Rung
from signaling.line_board import CAPACITY_S, REASON_S, LineBoard
from tests.support.ladder_news import line


def test_the_first_news_and_every_other_rung_are_told_at_once() -> None:
    board = LineBoard()
    first, worse, worst = line(), line(up=Rung.EMERGENCY), line(up=Rung.TEXT)
    assert board.changed(first, 0.0) == [first]
    assert board.changed(first, 0.1) == [], "every session's listener brings the same news"
    assert board.changed(worse, 0.2) == [worse]
    assert board.changed(worst, 0.3) == [worst]
    assert board.deadline is None


def test_a_reason_that_flickers_is_told_once_a_second() -> None:
    board = LineBoard()
    board.changed(line(up_reason="line"), 0.0)
    assert board.changed(line(up_reason="loss"), 0.2) == []
    assert board.deadline == REASON_S
    assert board.changed(line(up_reason="line"), 0.4) == []
    assert board.deadline is None
    board.changed(line(up_reason="loss"), 0.6)
    assert board.due(REASON_S) == [line(up_reason="loss")]


def test_a_capacity_is_told_every_ten_seconds_when_it_moved() -> None:
    board = LineBoard()
    board.changed(line(up_bps=60_000), 0.0)
    assert board.changed(line(up_bps=71_000), 20.0) == [], "less than a fifth"
    assert board.deadline is None
    assert board.changed(line(up_bps=80_000), 21.0) == [line(up_bps=80_000)]
    assert board.changed(line(up_bps=120_000), 22.0) == []
    assert board.deadline == 21.0 + CAPACITY_S
    assert board.due(30.9) == []
    assert board.due(31.0) == [line(up_bps=120_000)]


def test_a_page_that_comes_is_told_the_latest_of_everybody_there() -> None:
    board = LineBoard()
    board.changed(line("par_p"), 0.0)
    board.changed(line("par_d", up_bps=1), 0.0)
    board.changed(line("par_d", up_bps=2), 0.1)
    assert board.known() == [line("par_p"), line("par_d", up_bps=2)]
    board.forget("par_d")
    assert board.known() == [line("par_p")]


@given(
    st.lists(
        st.tuples(st.floats(0.01, 3), st.sampled_from(["line", "loss", ""]), st.integers(10_000, 400_000)),
        min_size=1,
        max_size=80,
    )
)
def test_on_one_rung_a_minute_costs_at_most_a_message_a_second(said: list[tuple[float, str, int]]) -> None:
    board, now, told = LineBoard(), 0.0, 0
    for wait_s, reason, bps in said:
        while board.deadline is not None and board.deadline <= now + wait_s:
            told += len(board.due(board.deadline))
        now += wait_s
        told += len(board.changed(line(up_reason=reason, up_bps=bps), now))
    assert told <= now / REASON_S + 2

"""What is kept of the lines: every change, few samples, small batches, nothing lost to a storage that was away."""

from media.adaptation.rungs import Rung
from signaling.line_recorder import BATCH_S, MAX_PENDING, RETRY_S, SAMPLE_S, LineRecorder
from tests.support.ladder_news import line


def test_changes_close_together_are_one_batch_and_a_flicker_is_one_row() -> None:
    made = LineRecorder()
    made.changed(line(up=Rung.VIDEO, up_reason=""), 10.0)
    made.changed(line("par_d"), 10.5)
    made.changed(line(up=Rung.STILLS), 11.2)
    made.changed(line(up=Rung.AUDIO), 11.4)
    assert made.deadline == 10.0 + BATCH_S
    assert made.due(11.9) == ()
    rows = made.due(12.0)
    assert [(r.participant_id, r.at, r.up) for r in rows] == [
        ("par_p", 10.0, "video"),
        ("par_d", 10.5, "audio"),
        ("par_p", 11.4, "audio"),
    ]
    assert made.deadline is None
    made.changed(line(up=Rung.AUDIO), 13.0)
    assert made.deadline is None


def test_a_capacity_is_sampled_when_it_moved_and_not_often() -> None:
    made = LineRecorder()
    made.changed(line(up_bps=60_000), 0.0)
    made.due(2.0)
    made.changed(line(up_bps=70_000), 5.0)
    assert made.deadline is None
    made.changed(line(up_bps=90_000), 6.0)
    assert made.deadline == SAMPLE_S
    assert made.due(SAMPLE_S) == (), "it goes with the next batch"
    (row,) = made.due(SAMPLE_S + BATCH_S)
    assert (row.at, row.up_bps) == (SAMPLE_S, 90_000)
    assert made.deadline is None


def test_sound_that_was_made_up_goes_with_the_next_row() -> None:
    made = LineRecorder()
    made.changed(line(), 0.0)
    made.due(2.0)
    made.concealed("par_p", 0.1234)
    made.due(SAMPLE_S)
    (row,) = made.due(SAMPLE_S + BATCH_S)
    assert row.concealed == 0.123


def test_the_end_of_a_session_is_a_row_and_then_nothing_is_sampled() -> None:
    made = LineRecorder()
    made.changed(line(), 0.0)
    made.left("par_p", "left", 30.0)
    made.left("par_p", "left", 31.0)
    made.left("par_never", "left", 31.0)
    rows = made.due(30.0, everything=True)
    assert [(r.at, r.up, r.up_reason) for r in rows] == [(0.0, "audio", "line"), (30.0, "text", "left")]
    assert made.deadline is None
    made.changed(line(), 40.0)
    assert [r.up for r in made.due(42.0)] == ["audio"]


def test_a_refused_batch_comes_again_in_order_and_is_bounded() -> None:
    made = LineRecorder()
    made.changed(line(), 0.0)
    refused = made.due(2.0)
    made.changed(line(up=Rung.TEXT), 3.0)
    made.put_back(refused, 4.0)
    assert made.due(4.0 + RETRY_S - 1) == ()
    assert [r.at for r in made.due(4.0 + RETRY_S)] == [0.0, 3.0]
    for step in range(2 * MAX_PENDING):
        made.changed(line(up=Rung(step % 3)), 100.0 + 2 * step)
    made.put_back(refused, 100.0)
    assert len(made.due(10_000.0)) == MAX_PENDING

"""The line's history: gaps, the visit's stretches, and a bound that keeps what matters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from candil.consults import finishing, line_history
from candil.consults.line_history import Gap
from candil.store import participants
from candil.store.line_history import LineRow
from tests.support.clinic import NOW, Clinic

RUNGS = ["text", "emergency", "audio", "stills", "low_video", "video", "hd"]


def row(at: float, up: str, reason: str = "line", who: str = "p", bps: int = 50_000) -> LineRow:
    return LineRow(who, at, "video", up, reason if reason == "silence" else "", reason, 900_000, bps)


def test_a_gap_lasts_from_the_first_silence_to_the_first_word() -> None:
    rows = [row(10, "audio"), row(20, "audio", "silence"), row(21, "text", "silence"), row(30, "audio")]
    rows += [row(40, "text", "silence", "d")]
    assert line_history.gaps(rows) == [Gap("p", 20, 30), Gap("d", 40, None)]


def test_the_visit_is_told_by_what_the_patient_sent() -> None:
    rows = [row(100, "text", "starting"), row(105, "low_video"), row(110, "hd", ""), row(200, "stills")]
    rows += [row(300, "emergency"), row(310, "audio"), row(400, "audio", "silence"), row(430, "audio")]
    assert line_history.modalities(rows, 100, 500) == [
        ("text", 100, 105),
        ("video", 105, 200),
        ("stills", 200, 300),
        ("audio", 300, 400),
        ("interrupted", 400, 430),
        ("audio", 430, 500),
    ]


def test_samples_are_given_up_before_changes_and_short_stretches_before_long_ones() -> None:
    rows = [row(0, "video"), row(20, "video", bps=60_000), row(30, "audio"), row(31, "video"), row(90, "audio")]
    numbered = list(enumerate(rows, 1))
    assert line_history.surplus(numbered, 5) == []
    assert line_history.surplus(numbered, 4) == [2]
    assert line_history.surplus(numbered, 3) == [2, 3]


@given(
    st.lists(st.tuples(st.floats(0, 600), st.sampled_from(RUNGS), st.sampled_from("pdg")), max_size=60),
    st.integers(3, 60),
)
def test_what_remains_is_bounded_and_keeps_everybodys_ends(said: list[tuple[float, str, str]], limit: int) -> None:
    rows = [row(at, rung, who=who) for at, rung, who in sorted(said)]
    numbered = list(enumerate(rows, 1))
    dropped = set(line_history.surplus(numbered, limit))
    kept = [r for seq, r in numbered if seq not in dropped]
    people = {r.participant_id for r in rows}
    assert len(kept) <= max(limit, 2 * len(people))
    for who in people:
        before, after = ([r for r in some if r.participant_id == who] for some in (rows, kept))
        assert (before[0], before[-1]) == (after[0], after[-1])


def test_rows_are_kept_in_order_and_thinned_when_there_are_many(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_history, "MAX_ROWS", 20)
    monkeypatch.setattr(line_history, "THINNED_ROWS", 10)
    planned = clinic.plan()
    patient = clinic.start(planned).participant.id
    for batch in range(5):
        at = NOW + 100 * batch
        line_history.append(clinic.tx, planned.consult.id, [row(at + i, RUNGS[i % 2], who=patient) for i in range(7)])
    rows = line_history.of_consult(clinic.tx, planned.consult.id)
    assert 10 <= len(rows) <= 20
    assert [r.at for r in rows] == sorted(r.at for r in rows)
    assert (rows[0].at, rows[-1].at) == (NOW, NOW + 406)


def test_a_visit_that_never_started_keeps_no_rows(clinic: Clinic) -> None:
    planned = clinic.plan()
    line_history.append(clinic.tx, planned.consult.id, [row(NOW, "audio", who=planned.patient_id)])
    line_history.append(clinic.tx, "con_unknown", [row(NOW, "audio", who=planned.patient_id)])
    assert line_history.of_consult(clinic.tx, planned.consult.id) == []


def test_the_signed_record_tells_the_patients_tiers_and_gaps(clinic: Clinic) -> None:
    planned = clinic.plan()
    patient = clinic.start(planned).participant.id
    everybody = participants.of_consult(clinic.tx, planned.consult.id)
    doctor = next(p.id for p in everybody if p.staff_id)
    said = [row(NOW + 60, "video", "", patient), row(NOW + 70, "text", "no_camera", doctor)]
    said += [row(NOW + 120, "stills", "line", patient), row(NOW + 180, "stills", "silence", patient)]
    line_history.append(clinic.tx, planned.consult.id, said)
    revision = clinic.write_complete_note(planned)
    record = finishing.finish(
        clinic.tx,
        planned.consult.id,
        note_revision=revision,
        actor=clinic.actor,
        context=clinic.context,
        now=NOW + 240,
        ids=clinic.ids,
    )
    assert [s.modality for s in record.segments] == ["text", "video", "stills", "interrupted"]
    assert record.segments[0].start == record.started_at
    assert record.segments[-1].end == record.finished_at

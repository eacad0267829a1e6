"""The note's fold: nobody's words disappear, whatever the order in which two people wrote."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from candil.consults import note
from candil.errors import PeerError


class Op(msgspec.Struct, frozen=True):
    revision: int
    client_id: str
    field: str
    value: str
    outcome: str = "applied"


def test_the_last_of_one_writer_holds() -> None:
    folded = note.fold([Op(1, "a", "reason", "x"), Op(2, "a", "reason", "xy")])
    assert folded.text("reason") == "xy"
    assert folded.revision == 2


def test_a_stale_edit_of_somebody_else_is_a_conflict_and_both_texts_stay() -> None:
    before = note.fold([Op(1, "a", "reason", "uno")])
    assert note.judge(before, field="reason", value="dos", base_revision=0, client_id="b") == "conflict"
    after = note.fold([Op(1, "a", "reason", "uno"), Op(2, "b", "reason", "dos", "conflict")])
    assert after.text("reason") == "uno"
    assert [c.value for c in after.conflicts] == ["dos"]


def test_writing_the_field_again_settles_its_conflict() -> None:
    folded = note.fold(
        [Op(1, "a", "reason", "uno"), Op(2, "b", "reason", "dos", "conflict"), Op(3, "b", "reason", "uno y dos")]
    )
    assert folded.conflicts == ()
    assert folded.text("reason") == "uno y dos"


@pytest.mark.parametrize(("base", "client", "value"), [(1, "b", "dos"), (0, "a", "dos"), (0, "b", "uno")])
def test_seen_own_and_equal_edits_are_no_conflict(base: int, client: str, value: str) -> None:
    before = note.fold([Op(1, "a", "reason", "uno")])
    assert note.judge(before, field="reason", value=value, base_revision=base, client_id=client) == "applied"


def test_prescriptions_keep_the_order_in_which_they_were_written() -> None:
    folded = note.fold(
        [
            Op(1, "a", "prescriptions.zz.medicine", "Ibuprofeno"),
            Op(2, "a", "prescriptions.aa.medicine", "Losartán"),
            Op(3, "a", "prescriptions.zz.dose", "400 mg"),
            Op(4, "a", "prescriptions.mm.medicine", "Omeprazol"),
            Op(5, "a", "prescriptions.mm.removed", "1"),
        ]
    )
    assert folded.prescription_ids() == ["zz", "aa"]


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("nonsense", "x", "unknown_field"),
        ("prescriptions.A B.medicine", "x", "unknown_field"),
        ("prescriptions.a.colour", "x", "unknown_field"),
        ("next_action.kind", "later", "invalid_choice"),
        ("next_action.when", "mañana", "invalid_date"),
        ("next_action.when", "2026-02-30", "invalid_date"),
        ("next_action.when", "2026-02-30T10:00", "invalid_date"),
        ("reason", "x" * (note.MAX_VALUE_CHARS + 1), "value_too_long"),
    ],
)
def test_what_cannot_be_is_refused_with_the_fields_name(field: str, value: str, code: str) -> None:
    with pytest.raises(PeerError) as refused:
        note.check(note.fold([]), field, value)
    assert refused.value.code == code
    assert refused.value.detail["field"] == field


def test_a_note_takes_so_many_prescriptions_and_no_more() -> None:
    full = note.fold([Op(i, "a", f"prescriptions.p{i}.medicine", "x") for i in range(1, note.MAX_PRESCRIPTIONS + 1)])
    note.check(full, "prescriptions.p1.dose", "1")
    with pytest.raises(PeerError):
        note.check(full, "prescriptions.more.medicine", "x")


edits = st.lists(
    st.tuples(
        st.sampled_from("ab"), st.sampled_from(["reason", "findings"]), st.sampled_from("xyz"), st.integers(0, 3)
    ),
    max_size=25,
)


@given(edits)
def test_every_text_is_shown_settled_or_waiting(sequence: list[tuple[str, str, str, int]]) -> None:
    """Two writers with any lag: a text is the field's value, a conflict, or was replaced by somebody who had seen
    it (or wrote it)."""
    stored: list[Op] = []
    for client, field, value, lag in sequence:
        before = note.fold(stored)
        base = max(0, before.revision - lag)
        outcome = note.judge(before, field=field, value=value, base_revision=base, client_id=client)
        current = before.fields.get(field)
        if outcome == "conflict":
            assert current is not None
            assert current.revision > base
        elif current is not None and current.value != value:
            assert current.revision <= base or current.client_id == client
        stored.append(Op(before.revision + 1, client, field, value, outcome))
    after = note.fold(stored)
    for op in stored:
        if op.outcome == "conflict" and not any(
            later.field == op.field and later.outcome == "applied" and later.revision > op.revision for later in stored
        ):
            assert any(c.revision == op.revision for c in after.conflicts)

"""From a submitted form to note operations."""

from candil.consults.note import Note, Operation, fold
from candil.store.notes import NoteOperationRow
from webapp.pages import note_form


def note(*edits: tuple[str, str, str]) -> Note:
    """A note made by edits (field, value, outcome)."""
    rows: list[Operation] = [
        NoteOperationRow("con", number, "page", number, 0, field, value, outcome, "stf", 0.0)
        for number, (field, value, outcome) in enumerate(edits, 1)
    ]
    return fold(rows)


def test_only_what_differs_becomes_an_operation() -> None:
    before = note(("reason", "Tos", "applied"), ("findings", "Nada", "applied"))
    made = note_form.operations({"reason": "Tos", "findings": "Fiebre", "csrf": "x", "then": "finish"}, before)
    assert [(op.field, op.value, op.base_revision) for op in made] == [("findings", "Fiebre", 2)]


def test_the_same_form_makes_the_same_keys_and_another_form_others() -> None:
    before = note()
    first = note_form.operations({"reason": "Tos"}, before)
    assert note_form.operations({"reason": "Tos"}, before) == first
    assert note_form.operations({"reason": "Fiebre"}, before)[0].client_id != first[0].client_id


def test_a_time_without_a_day_is_no_date() -> None:
    assert not note_form.operations({"next_action.date": "", "next_action.time": "10:00"}, note())
    made = note_form.operations({"next_action.date": "2027-01-05", "next_action.time": "10:00:00"}, note())
    assert [(op.field, op.value) for op in made] == [("next_action.when", "2027-01-05T10:00")]


def test_a_prescription_begins_with_its_medicine() -> None:
    form = {"prescriptions.b.dose": "1", "prescriptions.b.medicine": "X", "prescriptions.b.route": ""}
    made = note_form.operations(form, note())
    assert [op.field for op in made] == ["prescriptions.b.medicine", "prescriptions.b.dose"]


def test_a_conflict_is_settled_by_either_text() -> None:
    open_one = note(("findings", "Actual", "applied"), ("findings", "Perdido", "conflict"))
    used = note_form.settlement("use:2", open_one)
    kept = note_form.settlement("keep:2", open_one)
    assert used is not None
    assert kept is not None
    assert (used.value, kept.value) == ("Perdido", "Actual")
    for choice in ("", "use:1", "drop:2", "use:"):
        assert note_form.settlement(choice, open_one) is None

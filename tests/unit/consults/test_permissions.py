"""The table itself: what has no rule is refused, and the doors that matter are shut."""

import pytest

from candil.consults.permissions import RULES, Role, allowed, require
from candil.errors import NotAllowed, Refused


def test_what_has_no_rule_is_refused() -> None:
    with pytest.raises(NotAllowed):
        require("fly", Role.ADMIN)


@pytest.mark.parametrize("role", [role for role in Role if role != Role.DOCTOR])
@pytest.mark.parametrize(
    "act", ["note.view", "note.write", "record.view", "history.view", "participant.admit", "consult.finish"]
)
def test_clinical_acts_are_the_doctors_alone(act: str, role: Role) -> None:
    assert not allowed(act, role)


@pytest.mark.parametrize("admission", ["invited", "waiting", "refused"])
def test_the_room_is_shut_before_admission(admission: str) -> None:
    with pytest.raises(Refused):
        require("room.join", Role.PATIENT, status="in-progress", admission=admission)


@pytest.mark.parametrize("status", ["planned", "arrived", "finished", "cancelled"])
def test_the_room_is_open_only_while_the_visit_runs(status: str) -> None:
    assert not allowed("room.join", Role.PATIENT, status=status, admission="admitted")


def test_signed_notes_are_not_written() -> None:
    assert not allowed("note.write", Role.DOCTOR, status="finished")


def test_another_system_sees_no_clinical_content() -> None:
    acts = {act for act, rule in RULES.items() if Role.INTEGRATION in rule.roles}
    assert not acts & {"note.view", "record.view", "thread.view", "history.view"}

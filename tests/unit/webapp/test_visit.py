"""Which step a patient or guest is at, and what the pages say of the line and of costs."""

from typing import Any

import msgspec
import pytest

from candil.store.consults import ConsultRow
from candil.store.participants import ParticipantRow
from media.adaptation.policy import LadderPolicy
from webapp.views.visit import doctor_state, line_of, rung_costs, step_of

CONSULT = ConsultRow(
    "con_1", "clinica", "stf_1", "planned", "urn:x", "V-1", "Rosa", "", 0, "", "es", 1000.0, 20, None, 0.0
)
PATIENT = ParticipantRow("par_1", "con_1", "patient", "Rosa", None, "invited", "video", 0.0)


def consult(status: str, **changes: Any) -> ConsultRow:
    return msgspec.structs.replace(CONSULT, status=status, **changes)


def somebody(admission: str, **changes: Any) -> ParticipantRow:
    return msgspec.structs.replace(PATIENT, admission=admission, **changes)


@pytest.mark.parametrize(
    ("status", "admission", "consent", "asked", "step"),
    [
        ("planned", "invited", "missing", "", "consent"),
        ("planned", "invited", "refused", "", "declined"),
        ("planned", "invited", "refused", "consent", "consent"),
        ("planned", "invited", "missing", "check", "consent"),
        ("planned", "invited", "given", "", "choose"),
        ("planned", "invited", "given", "check", "check"),
        ("arrived", "waiting", "given", "", "waiting"),
        ("arrived", "waiting", "given", "choose", "choose"),
        ("in-progress", "admitted", "given", "", "call"),
        ("in-progress", "admitted", "given", "check", "check"),
        ("in-progress", "refused", "given", "", "refused"),
        ("finished", "admitted", "given", "choose", "finished"),
        ("cancelled", "invited", "missing", "", "cancelled"),
    ],
)
def test_the_patients_step(status: str, admission: str, consent: Any, asked: str, step: str) -> None:
    assert step_of(consult(status), somebody(admission), consent, asked) == step


def test_who_chose_text_has_nothing_to_check() -> None:
    assert step_of(CONSULT, somebody("invited", media="text"), "given", "check") == "choose"


def test_a_guest_is_asked_no_consent() -> None:
    assert step_of(CONSULT, somebody("invited", role="companion"), "missing") == "choose"


def test_a_guest_admitted_before_a_restart_waits_until_the_visit_is_open() -> None:
    assert step_of(consult("arrived"), somebody("admitted", role="companion"), "missing") == "waiting"


def test_back_in_the_waiting_room_after_having_been_in_is_being_held() -> None:
    assert step_of(consult("in-progress"), somebody("waiting", admitted_at=5.0), "given") == "held"


def test_the_conversation_may_end_before_the_visit() -> None:
    assert step_of(consult("in-progress", conversation_ended_at=9.0), somebody("admitted"), "given") == "ended"


def test_what_the_doctor_is_doing() -> None:
    other = msgspec.structs.replace(consult("in-progress"), id="con_2")
    writing = msgspec.structs.replace(other, conversation_ended_at=5.0)
    waiting = consult("arrived")
    assert doctor_state(waiting, open_of_doctor=[waiting, other], present=True) == "busy"
    assert doctor_state(waiting, open_of_doctor=[waiting, writing], present=True) == "here"
    assert doctor_state(waiting, open_of_doctor=[waiting], present=False) == "away"
    assert doctor_state(consult("in-progress"), open_of_doctor=[other], present=True) == "with_you"


def test_the_line_in_people_and_minutes() -> None:
    assert (line_of(1, 20).before, line_of(1, 20).minutes) == (0, 0)
    assert (line_of(3, 20).before, line_of(3, 20).minutes) == (2, 40)
    assert line_of(0, 20).before == 0  # not in the line


def test_costs_of_a_quarter_of_an_hour() -> None:
    costs = rung_costs(LadderPolicy(), 367_000, 0.35, "Bs.", "es")
    assert (costs["video"].megabytes, costs["video"].price) == ("95", "Bs.\N{NO-BREAK SPACE}33,37")
    assert (costs["audio"].megabytes, costs["audio"].under_one) == ("5", False)
    assert costs["text"].under_one
    assert rung_costs(LadderPolicy(), 367_000, 0, "Bs.", "es")["video"].price == ""


def test_a_poorer_rung_costs_less() -> None:
    costs = rung_costs(LadderPolicy(), 500_000, 1.0, "$", "en")
    rungs = ("text", "emergency", "audio", "stills", "low_video", "video")
    amounts = [float(costs[rung].price.split("\N{NO-BREAK SPACE}")[1]) for rung in rungs]
    assert amounts == sorted(amounts)
    assert len(set(amounts)) == len(amounts)

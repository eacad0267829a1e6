"""A visit from its planning to its signature, and every door that must stay shut on the way."""

import json

import pytest

from candil.consults import board, finishing, links, planning, thread, waiting
from candil.consults.permissions import Actor, Role
from candil.errors import NotAllowed, NotAuthenticated, NotFound, PeerError, Refused
from candil.store import audit, consults, outbox, participants
from candil.store import thread as thread_rows
from tests.support.clinic import NOW, Clinic


def kinds(clinic: Clinic, consult_id: str) -> list[str]:
    return [event.kind for event in thread_rows.events_after(clinic.tx, consult_id, 0)]


def test_the_whole_way(clinic: Clinic) -> None:
    planned = clinic.plan()
    seat = clinic.start(planned)
    posted = thread.post(
        clinic.tx, seat.participant.id, "Buenos días", client_id="p", client_seq=1, actor=seat.actor, now=NOW + 5
    )
    assert posted.message.seq == 1
    revision = clinic.write_complete_note(planned)
    record = finishing.finish(
        clinic.tx,
        planned.consult.id,
        note_revision=revision,
        actor=clinic.actor,
        context=clinic.context,
        now=NOW + 900,
        ids=clinic.ids,
    )
    assert record.patient.identifier.value == "V-12345678"
    assert record.diagnosis.text == "Cefalea tensional"
    assert record.finished_at.endswith("-04:00")
    assert record.next_action.when == "2026-12-05"
    assert kinds(clinic, planned.consult.id) == [
        "consult.planned",
        "link.opened",
        "consent.given",
        "participant.arrived",
        "consult.started",
        "participant.admitted",
        "message.posted",
        "consult.finished",
    ]
    (delivery,) = outbox.deliveries_of(clinic.tx, planned.consult.id)
    assert (delivery.target, delivery.state) == ("ehr", "pending")
    event = outbox.event(clinic.tx, delivery.event_id)
    assert event is not None
    assert json.loads(event.payload)["reason"] == "Cefalea de 3 días"
    assert finishing.signed(clinic.tx, planned.consult.id) == record


def test_signing_twice_gives_one_record_and_one_event(clinic: Clinic) -> None:
    planned = clinic.plan()
    clinic.start(planned)
    revision = clinic.write_complete_note(planned)

    def sign(now: float) -> object:
        return finishing.finish(
            clinic.tx,
            planned.consult.id,
            note_revision=revision,
            actor=clinic.actor,
            context=clinic.context,
            now=now,
            ids=clinic.ids,
        )

    assert sign(NOW + 60) == sign(NOW + 120)
    assert len(outbox.deliveries_of(clinic.tx, planned.consult.id)) == 1


def test_signing_names_each_missing_piece(clinic: Clinic) -> None:
    planned = clinic.plan()
    clinic.start(planned)
    revision = clinic.write(planned, "prescriptions.a1.dose", "400 mg").revision
    with pytest.raises(Refused) as refused:
        finishing.finish(
            clinic.tx,
            planned.consult.id,
            note_revision=revision,
            actor=clinic.actor,
            context=clinic.context,
            now=NOW,
            ids=clinic.ids,
        )
    assert refused.value.detail["missing"] == [
        "reason",
        "diagnosis",
        "prescription_medicine",
        "prescriptions_or_instructions",
        "next_action",
    ]


def test_signing_what_the_page_had_not_shown_is_refused(clinic: Clinic) -> None:
    planned = clinic.plan()
    clinic.start(planned)
    revision = clinic.write_complete_note(planned)
    with pytest.raises(Refused, match="changed"):
        finishing.finish(
            clinic.tx,
            planned.consult.id,
            note_revision=revision - 1,
            actor=clinic.actor,
            context=clinic.context,
            now=NOW,
            ids=clinic.ids,
        )


def test_only_signing_ends_a_visit(clinic: Clinic) -> None:
    planned = clinic.plan()
    seat = clinic.start(planned)
    waiting.hold(clinic.tx, seat.participant.id, actor=clinic.actor, now=NOW)
    waiting.end_conversation(clinic.tx, planned.consult.id, actor=clinic.actor, now=NOW)
    row = consults.get(clinic.tx, planned.consult.id)
    assert row is not None
    assert (row.status, board.group_of(row)) == ("in-progress", "to_be_signed")
    waiting.reopen_conversation(clinic.tx, planned.consult.id, actor=clinic.actor, now=NOW)
    row = consults.get(clinic.tx, planned.consult.id)
    assert row is not None
    assert board.group_of(row) == "in_progress"


def test_looking_at_a_link_changes_nothing(clinic: Clinic) -> None:
    planned = clinic.plan()
    for _ in range(3):
        links.look_at(clinic.tx, planned.token, clinic=clinic.settings, now=NOW)
    assert kinds(clinic, planned.consult.id) == ["consult.planned"]
    assert clinic.open_link(planned).participant.id == planned.patient_id


def test_a_revoked_link_ends_its_browsers_and_a_new_one_works(clinic: Clinic) -> None:
    planned = clinic.plan()
    session = links.exchange(clinic.tx, planned.token, clinic=clinic.settings, now=NOW, ids=clinic.ids)
    token = links.reissue(clinic.tx, planned.patient_id, actor=clinic.actor, now=NOW, ids=clinic.ids)
    with pytest.raises(NotFound):
        links.look_at(clinic.tx, planned.token, clinic=clinic.settings, now=NOW)
    with pytest.raises(NotAuthenticated):
        links.seat(clinic.tx, session.token, planned.patient_id, clinic=clinic.settings, now=NOW)
    assert links.look_at(clinic.tx, token, clinic=clinic.settings, now=NOW).participant.id == planned.patient_id


def test_links_follow_the_appointment(clinic: Clinic) -> None:
    planned = clinic.plan(scheduled_at=NOW + 30 * 86_400)
    with pytest.raises(Refused) as early:
        links.look_at(clinic.tx, planned.token, clinic=clinic.settings, now=NOW)
    assert early.value.code == "link_early"
    late = NOW + 30 * 86_400 + 25 * 3600
    with pytest.raises(Refused) as expired:
        links.look_at(clinic.tx, planned.token, clinic=clinic.settings, now=late)
    assert expired.value.code == "link_expired"


def test_an_open_visit_never_locks_its_people_out(clinic: Clinic) -> None:
    planned = clinic.plan()
    clinic.start(planned)
    after_three_days = NOW + 3 * 86_400
    assert links.look_at(clinic.tx, planned.token, clinic=clinic.settings, now=after_three_days)


def test_a_session_opens_only_its_own_seat(clinic: Clinic) -> None:
    one, other = clinic.plan(), clinic.plan(identifier="V-87654321")
    session = links.exchange(clinic.tx, one.token, clinic=clinic.settings, now=NOW, ids=clinic.ids)
    with pytest.raises(NotAuthenticated):
        links.seat(clinic.tx, session.token, other.patient_id, clinic=clinic.settings, now=NOW)


def test_nobody_waits_or_enters_without_consent(clinic: Clinic) -> None:
    planned = clinic.plan()
    seat = clinic.open_link(planned)
    with pytest.raises(Refused, match="consent"):
        waiting.arrive(clinic.tx, seat.participant.id, actor=seat.actor, now=NOW)
    clinic.consent(seat, accepted=False)
    with pytest.raises(Refused, match="consent"):
        waiting.arrive(clinic.tx, seat.participant.id, actor=seat.actor, now=NOW)


def test_the_line_is_first_come_first(clinic: Clinic) -> None:
    plans = [clinic.plan(identifier=f"V-1000000{i}") for i in range(3)]
    for i in (2, 0, 1):
        clinic.now = NOW + i
        clinic.arrive(plans[i])
    places = [waiting.position(clinic.tx, p.consult, p.patient_id) for p in plans]
    assert places == [(1, 3), (2, 3), (3, 3)]
    waiting.admit(clinic.tx, plans[0].patient_id, actor=clinic.actor, now=NOW + 9)
    assert waiting.position(clinic.tx, plans[2].consult, plans[2].patient_id) == (2, 2)


def test_coming_back_needs_no_second_admission(clinic: Clinic) -> None:
    planned = clinic.plan()
    seat = clinic.start(planned)
    again = clinic.open_link(planned)
    assert waiting.arrive(clinic.tx, again.participant.id, actor=seat.actor, now=NOW + 99).admission == "admitted"


def test_another_doctors_consult_does_not_exist(clinic: Clinic) -> None:
    planned = clinic.plan()
    other = Actor(clinic.add_doctor("dr.otro").id, Role.DOCTOR, clinic.settings.id)
    for act in (
        lambda: planning.cancel(clinic.tx, planned.consult.id, actor=other, now=NOW),
        lambda: waiting.admit(clinic.tx, planned.patient_id, actor=other, now=NOW),
        lambda: links.revoke(clinic.tx, planned.patient_id, actor=other, now=NOW),
    ):
        with pytest.raises(NotFound):
            act()


def test_a_patient_may_not_act_as_a_doctor(clinic: Clinic) -> None:
    planned = clinic.plan()
    seat = clinic.arrive(planned)
    with pytest.raises(NotAllowed):
        waiting.admit(clinic.tx, seat.participant.id, actor=seat.actor, now=NOW)


def test_a_message_sent_twice_is_stored_once(clinic: Clinic) -> None:
    planned = clinic.plan()
    seat = clinic.arrive(planned)

    def send() -> thread.Posted:
        return thread.post(
            clinic.tx, seat.participant.id, "hola", client_id="p", client_seq=1, actor=seat.actor, now=NOW
        )

    first, second = send(), send()
    assert (first.duplicate, second.duplicate) == (False, True)
    assert first.message == second.message
    assert kinds(clinic, planned.consult.id).count("message.posted") == 1


def test_marks_never_go_back_or_past_what_exists(clinic: Clinic) -> None:
    planned = clinic.plan()
    seat = clinic.arrive(planned)
    thread.post(clinic.tx, seat.participant.id, "a", client_id="p", client_seq=1, actor=seat.actor, now=NOW)
    marked = thread.mark_seen(clinic.tx, seat.participant.id, delivered=99, read=1)
    assert (marked.delivered_seq, marked.read_seq) == (1, 1)
    marked = thread.mark_seen(clinic.tx, seat.participant.id, delivered=0, read=0)
    assert (marked.delivered_seq, marked.read_seq) == (1, 1)


def test_six_people_and_no_seventh(clinic: Clinic) -> None:
    planned = clinic.plan()
    for i in range(4):
        planning.invite_guest(
            clinic.tx,
            planned.consult.id,
            Role.COMPANION,
            f"Familiar {i}",
            actor=clinic.actor,
            now=NOW,
            ids=clinic.ids,
        )
    with pytest.raises(Refused, match="Six"):
        planning.invite_guest(
            clinic.tx, planned.consult.id, Role.INTERPRETER, "Otra", actor=clinic.actor, now=NOW, ids=clinic.ids
        )


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"identifier": "12"}, "identifier"),
        ({"identifier_kind": "dni"}, "identifier_kind"),
        ({"name": " "}, "name"),
        ({"phone": "123"}, "phone"),
        ({"scheduled_at": NOW - 200_000}, "scheduled_at"),
        ({"duration_min": 1}, "duration_min"),
        ({"reason": "x" * 501}, "reason"),
        ({"locale": "fr"}, "locale"),
    ],
)
def test_a_wrong_field_is_named(clinic: Clinic, changes: dict[str, object], field: str) -> None:
    with pytest.raises(PeerError) as refused:
        clinic.plan(**changes)
    assert refused.value.detail["field"] == field


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("0414-123.45.67", "+584141234567"),
        ("+58 414 1234567", "+584141234567"),
        ("00584141234567", "+584141234567"),
        ("", ""),
    ],
)
def test_phones_as_people_type_them(typed: str, stored: str) -> None:
    assert planning.phone_number(typed, "58") == stored


@pytest.mark.parametrize("typed", ["V-12345678", "v12345678", "V 12.345.678"])
def test_an_identifier_is_kept_in_one_form_however_it_was_typed(clinic: Clinic, typed: str) -> None:
    assert clinic.plan(identifier=typed).consult.patient_value == "V-12345678"


def test_an_external_id_is_planned_once(clinic: Clinic) -> None:
    first = clinic.plan(external_id="cita-1")
    with pytest.raises(Refused) as refused:
        clinic.plan(external_id="cita-1", identifier="V-87654321")
    assert refused.value.detail["consult_id"] == first.consult.id


def test_every_act_leaves_an_audit_row(clinic: Clinic) -> None:
    planned = clinic.plan()
    seat = clinic.start(planned)
    waiting.choose_media(clinic.tx, seat.participant.id, "text", actor=seat.actor, now=NOW)
    clinic.write(planned, "reason", "Dolor")
    acts = {row.act for row in audit.of_consult(clinic.tx, planned.consult.id)}
    assert acts >= {*kinds(clinic, planned.consult.id), "note.write", "media.chosen"}


def test_a_patient_is_found_again_by_identifier(clinic: Clinic) -> None:
    planned = clinic.plan(identifier="v 12.345.678".replace("v ", "V-"))
    rows = consults.of_patient(clinic.tx, clinic.settings.id, planned.consult.patient_system, "V-12345678")
    assert [row.id for row in rows] == [planned.consult.id]
    assert participants.get(clinic.tx, planned.patient_id) is not None

"""The repositories on both databases: keys that hold, numbers without gaps, leases that nobody shares."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, IntegrityError, InvalidRequestError

from candil.consults import timeline
from candil.store import audit, codes, consents, consults, meta, notes, outbox, participants, staff, thread
from candil.store.database import Database
from candil.store.notes import NoteOperationRow, RecordRow
from candil.store.participants import InvitationRow, ParticipantSessionRow
from candil.store.staff import ApiKeyRow, StaffSessionRow
from candil.store.thread import MessageRow, TimelineRow
from tests.support.store_rows import (
    CONSULT,
    DOCTOR,
    NOW,
    PATIENT,
    a_consult,
    a_delivery,
    consult_row,
    delivery_row,
    event_row,
    participant_row,
    staff_row,
)

Work = Callable[[Connection], Any]


@pytest.fixture
async def db(database: Database) -> Database:
    """With one doctor, one consult and its patient."""
    await database.write(a_consult)
    return database


def _message(seq: int, client_seq: int, client_id: str = "page_1") -> MessageRow:
    return MessageRow(CONSULT, seq, PATIENT, client_id, client_seq, "hola", NOW)


def _operation(revision: int, client_seq: int) -> NoteOperationRow:
    return NoteOperationRow(CONSULT, revision, "page_1", client_seq, 0, "reason", "x", "applied", DOCTOR, NOW)


def _invitation(number: int, token: str) -> InvitationRow:
    return InvitationRow(f"inv_{number}", CONSULT, PATIENT, token, NOW)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (lambda tx: thread.add_message(tx, _message(1, 1)), lambda tx: thread.add_message(tx, _message(2, 1))),
        (lambda tx: thread.add_message(tx, _message(1, 1)), lambda tx: thread.add_message(tx, _message(1, 2))),
        (lambda tx: notes.add_operation(tx, _operation(1, 1)), lambda tx: notes.add_operation(tx, _operation(2, 1))),
        (lambda tx: notes.add_operation(tx, _operation(1, 1)), lambda tx: notes.add_operation(tx, _operation(1, 2))),
        (
            lambda tx: participants.add_invitation(tx, _invitation(1, "hash")),
            lambda tx: participants.add_invitation(tx, _invitation(2, "hash")),
        ),
        (lambda _: None, lambda tx: staff.add(tx, staff_row(id="stf_2"))),
        (
            lambda tx: staff.add_api_key(tx, ApiKeyRow("key_1", "clinic", "n", "integration", "hash", NOW)),
            lambda tx: staff.add_api_key(tx, ApiKeyRow("key_2", "clinic", "n", "integration", "hash", NOW)),
        ),
        (
            lambda tx: notes.add_record(tx, RecordRow(CONSULT, 1, "{}", "", DOCTOR, NOW)),
            lambda tx: notes.add_record(tx, RecordRow(CONSULT, 1, "{}", "", DOCTOR, NOW)),
        ),
    ],
    ids=[
        "message key",
        "message seq",
        "operation key",
        "revision",
        "link",
        "login",
        "api key",
        "record",
    ],
)
async def test_a_key_is_used_once(db: Database, first: Work, second: Work) -> None:
    await db.write(first)
    with pytest.raises(IntegrityError):
        await db.write(second)


async def test_an_external_id_is_used_once_in_a_clinic(db: Database) -> None:
    assert await db.write(lambda tx: consults.add(tx, consult_row(id="con_2", external_id="A-1")))
    assert not await db.write(lambda tx: consults.add(tx, consult_row(id="con_3", external_id="A-1")))
    found = await db.read(lambda tx: consults.by_external_id(tx, "clinic", "A-1"))
    assert found is not None
    assert found.id == "con_2"


async def test_consults_without_an_external_id_are_many(db: Database) -> None:
    await db.write(lambda tx: consults.add(tx, consult_row(id="con_2")))
    await db.write(lambda tx: consults.add(tx, consult_row(id="con_3", clinic_id="other", external_id="A-1")))
    await db.write(lambda tx: consults.add(tx, consult_row(id="con_4", external_id="A-1")))
    found = await db.read(lambda tx: consults.by_external_id(tx, "clinic", "A-1"))
    assert found == consult_row(id="con_4", external_id="A-1")


async def test_the_key_finds_what_was_stored_the_first_time(db: Database) -> None:
    await db.write(lambda tx: thread.add_message(tx, _message(1, 7)))
    await db.write(lambda tx: notes.add_operation(tx, _operation(1, 7)))
    assert await db.read(lambda tx: thread.message_by_client(tx, CONSULT, "page_1", 7)) == _message(1, 7)
    assert await db.read(lambda tx: thread.message_by_client(tx, CONSULT, "page_2", 7)) is None
    assert await db.read(lambda tx: notes.operation_by_client(tx, CONSULT, "page_1", 7)) == _operation(1, 7)
    assert await db.read(lambda tx: notes.operation_by_client(tx, "con_2", "page_1", 7)) is None


async def test_events_are_numbered_without_gaps_or_doubles_by_many_writers(db: Database) -> None:
    def append(tx: Connection) -> int:
        consult = consults.lock(tx, CONSULT)
        assert consult is not None
        return timeline.append(tx, consult, "media.changed", actor=PATIENT, now=NOW)

    def refused_after_numbering(tx: Connection) -> None:
        append(tx)
        raise LookupError

    work: list[Work] = [append, append, refused_after_numbering] * 20
    answers = await asyncio.gather(*(db.write(one) for one in work), return_exceptions=True)
    numbers = [answer for answer in answers if isinstance(answer, int)]
    assert sorted(numbers) == list(range(1, 41))
    assert sum(isinstance(answer, LookupError) for answer in answers) == 20
    stored = await db.read(lambda tx: thread.events_after(tx, CONSULT, 0))
    assert [row.seq for row in stored] == list(range(1, 41))
    trail = await db.read(lambda tx: audit.of_consult(tx, CONSULT))
    assert len(trail) == 40, "one audit row with each act, none for what was refused"
    assert [row.seq for row in trail] == sorted({row.seq for row in trail})


async def test_messages_posted_twice_at_once_are_stored_once(db: Database) -> None:
    """The same page sends again over a second connection before the first is answered."""

    def post(tx: Connection) -> tuple[int, bool]:
        consults.lock(tx, CONSULT)
        known = thread.message_by_client(tx, CONSULT, "page_1", 1)
        if known is not None:
            return known.seq, True
        seq = thread.last_message_seq(tx, CONSULT) + 1
        thread.add_message(tx, _message(seq, 1))
        return seq, False

    answers = await asyncio.gather(*(db.write(post) for _ in range(12)))
    assert sorted(answers) == [(1, False)] + [(1, True)] * 11


async def test_what_is_missed_is_given_in_order_and_in_portions(db: Database) -> None:
    def fill(tx: Connection) -> None:
        for seq in range(1, 31):
            thread.add_event(tx, TimelineRow(CONSULT, seq, "k", "all", "a", "{}", NOW))
            thread.add_message(tx, _message(seq, seq))
            notes.add_operation(tx, _operation(seq, seq))

    await db.write(fill)
    assert [row.seq for row in await db.read(lambda tx: thread.events_after(tx, CONSULT, 10, 5))] == [
        11,
        12,
        13,
        14,
        15,
    ]
    assert [row.seq for row in await db.read(lambda tx: thread.messages_after(tx, CONSULT, 28))] == [29, 30]
    assert await db.read(lambda tx: thread.last_message_seq(tx, CONSULT)) == 30
    assert [row.revision for row in await db.read(lambda tx: notes.operations_after(tx, CONSULT, 28))] == [29, 30]


async def test_a_read_cannot_lock_a_row(db: Database) -> None:
    with pytest.raises((InvalidRequestError, DBAPIError), match="read-only transaction"):
        await db.read(lambda tx: consults.lock(tx, CONSULT))


async def test_concurrent_claimers_never_get_the_same_delivery(db: Database) -> None:
    def fill(tx: Connection) -> None:
        for number in range(120):
            a_delivery(tx, number)

    await db.write(fill)

    async def claimer() -> list[str]:
        mine: list[str] = []
        while claimed := await db.write(lambda tx: outbox.claim_due(tx, NOW, NOW + 60, 7, target="fhir")):
            assert len(claimed) <= 7
            mine += [row.id for row in claimed]
        return mine

    claims = await asyncio.gather(*(claimer() for _ in range(4)))
    everything = [delivery_id for mine in claims for delivery_id in mine]
    assert len(everything) == len(set(everything)) == 120
    leased = await db.read(lambda tx: outbox.deliveries_of_many(tx, [f"con_d{n}" for n in range(120)]))
    assert {row.lease_until for row in leased} == {NOW + 60}


async def test_a_dead_workers_lease_passes_on_when_it_ends(db: Database) -> None:
    await db.write(lambda tx: a_delivery(tx, 1))

    def claim(now: float) -> Work:
        return lambda tx: [row.id for row in outbox.claim_due(tx, now, now + 60, 10, target="fhir")]

    assert await db.write(claim(NOW - 1)) == [], "not due yet"
    assert await db.write(claim(NOW)) == ["dlv_0001"]
    assert await db.write(claim(NOW + 59)) == []
    assert await db.read(outbox.earliest_due) == NOW + 60
    assert await db.write(claim(NOW + 60)) == ["dlv_0001"]


async def test_revisions_of_a_consult_go_to_a_target_in_order(db: Database) -> None:
    def fill(tx: Connection) -> None:
        for number, revision in enumerate((2, 1, 3)):
            a_delivery(tx, number, consult_id="con_r", revision=revision)
        a_delivery(tx, 9, consult_id="con_r", revision=4, target="webhook")

    await db.write(fill)

    def claim(target: str) -> Work:
        return lambda tx: [row.revision for row in outbox.claim_due(tx, NOW, NOW + 60, 10, target=target)]

    def close(state: str) -> Work:
        return lambda tx: outbox.record_attempt(
            tx,
            "dlv_0001",
            state=state,
            attempts=1,
            next_attempt_at=NOW,
            last_error="",
            detail="",
            sent_at=NOW,
            received_at=None,
        )

    assert await db.write(claim("fhir")) == [1]
    assert await db.write(claim("fhir")) == [], "a leased revision still holds back the later ones"
    assert await db.write(claim("webhook")) == [4], "another target is not held back"
    await db.write(close("sent"))
    assert await db.write(claim("fhir")) == [1], "sent is not received"
    await db.write(close("received"))
    assert await db.write(claim("fhir")) == [2]


async def test_one_delivery_for_an_event_and_target_however_many_workers_notice(db: Database) -> None:
    await db.write(lambda tx: outbox.add_event(tx, event_row()))
    missing = await db.read(lambda tx: outbox.events_without_delivery(tx, "fhir", type="consultation.completed"))
    assert [event.id for event in missing] == ["evt_1"]
    adding = (db.write(lambda tx, n=n: outbox.add_delivery(tx, delivery_row(id=f"dlv_{n}"))) for n in range(8))
    await asyncio.gather(*adding)
    assert len(await db.read(lambda tx: outbox.deliveries_of(tx, CONSULT))) == 1
    assert await db.read(lambda tx: outbox.events_without_delivery(tx, "fhir", type="consultation.completed")) == []
    assert len(await db.read(lambda tx: outbox.events_without_delivery(tx, "new", type="consultation.completed"))) == 1


async def test_asking_again_leaves_what_was_received_alone(db: Database) -> None:
    def fill(tx: Connection) -> None:
        a_delivery(tx, 1, consult_id="con_r", state="dead", attempts=20)
        a_delivery(tx, 2, consult_id="con_r", state="received", revision=2)

    await db.write(fill)
    await db.write(lambda tx: outbox.retry_now(tx, "con_r", "fhir", NOW + 5))
    rows = await db.read(lambda tx: outbox.deliveries_of(tx, "con_r"))
    assert [(row.state, row.attempts, row.next_attempt_at) for row in rows] == [
        ("pending", 0, NOW + 5),
        ("received", 0, NOW),
    ]


async def test_processes_that_start_together_agree_on_the_epoch(database: Database) -> None:
    starting = (database.write(lambda tx, n=n: meta.ensure_epoch(tx, f"epo_{n}")) for n in range(8))
    answers = await asyncio.gather(*starting)
    assert len(set(answers)) == 1
    await database.write(lambda tx: meta.put(tx, meta.EPOCH, "after a restore"))
    assert await database.write(lambda tx: meta.ensure_epoch(tx, "epo_new")) == "after a restore"


async def test_a_day_has_its_first_moment_and_not_the_next_days(db: Database) -> None:
    day = 86_400.0

    def fill(tx: Connection) -> None:
        consults.add(tx, consult_row(id="last of day", scheduled_at=NOW + day - 1))
        consults.add(tx, consult_row(id="next day", scheduled_at=NOW + day))
        consults.add(tx, consult_row(id="open of old", scheduled_at=NOW - 9 * day, status="in-progress"))

    await db.write(fill)
    of_doctor = await db.read(lambda tx: consults.of_doctor(tx, DOCTOR, NOW, NOW + day))
    assert [row.id for row in of_doctor] == ["open of old", CONSULT, "last of day"]
    of_clinic = await db.read(lambda tx: consults.of_clinic(tx, "clinic", NOW, NOW + day))
    assert [row.id for row in of_clinic] == [CONSULT, "last of day"]


async def test_the_waiting_room_is_first_come_first_served_and_one_doctors(db: Database) -> None:
    def fill(tx: Connection) -> None:
        staff.add(tx, staff_row(id="stf_2", login="other"))
        for number, (doctor, since) in enumerate([(DOCTOR, 30.0), (DOCTOR, 10.0), ("stf_2", 5.0), (DOCTOR, 20.0)]):
            consults.add(tx, consult_row(id=f"con_w{number}", doctor_id=doctor, status="arrived"))
            patient = participant_row(id=f"par_w{number}", consult_id=f"con_w{number}", admission="waiting")
            participants.add(tx, patient)
            participants.update(tx, patient.id, waiting_since=NOW + since)
        participants.add(
            tx, participant_row(id="companion", consult_id="con_w0", role="companion", admission="waiting")
        )

    await db.write(fill)
    waiting = await db.read(lambda tx: participants.waiting_for(tx, DOCTOR))
    assert [row.id for row in waiting] == ["par_w1", "par_w3", "par_w0"]


async def test_revoking_a_participants_links_ends_their_browsers(db: Database) -> None:
    def fill(tx: Connection) -> None:
        participants.add_invitation(tx, _invitation(1, "hash"))
        participants.add_session(tx, ParticipantSessionRow("cookie", PATIENT, "inv_1", "csrf", NOW))
        participants.mark_opened(tx, "inv_1", NOW + 1)
        participants.mark_opened(tx, "inv_1", NOW + 2)

    await db.write(fill)
    await db.write(lambda tx: participants.revoke_invitations(tx, PATIENT, NOW + 3))
    await db.write(lambda tx: participants.revoke_invitations(tx, PATIENT, NOW + 4))
    invitation = await db.read(lambda tx: participants.invitation_by_token(tx, "hash"))
    session = await db.read(lambda tx: participants.session(tx, "cookie"))
    assert invitation is not None
    assert session is not None
    assert (invitation.opened_at, invitation.revoked_at, session.revoked_at) == (NOW + 1, NOW + 3, NOW + 3)


async def test_the_newest_consent_is_in_force(db: Database) -> None:
    def given(number: int, status: str) -> consents.ConsentRow:
        at = NOW + number
        return consents.ConsentRow(
            f"cns_{number}", CONSULT, PATIENT, status, "1", "es", "sha", "texto", "Ana", "", "click", at
        )

    for number, status in enumerate(["rejected", "active", "inactive"]):
        await db.write(lambda tx, row=given(number, status): consents.add(tx, row))
    current = await db.read(lambda tx: consents.current(tx, PATIENT))
    assert current is not None
    assert current.status == "inactive"
    assert [row.status for row in await db.read(lambda tx: consents.of_consult(tx, CONSULT))] == [
        "rejected",
        "active",
        "inactive",
    ]


async def test_codes_are_found_without_accents_and_wildcards_are_plain_characters(database: Database) -> None:
    pairs = [("G44.2", "Cefalea tensiónal"), ("R51", "Cefalea"), ("Z00_1", "Examen 100%")]
    assert await database.write(lambda tx: codes.replace_all(tx, "cie-10", pairs)) == 3

    async def found(words: str) -> list[str]:
        return [row.code for row in await database.read(lambda tx: codes.search(tx, words))]

    assert await found("CEFALEA tension") == ["G44.2"]
    assert await found("cefalea") == ["G44.2", "R51"]
    assert await found("%") == ["Z00_1"]
    assert await found("_") == ["Z00_1"]
    assert await database.write(lambda tx: codes.replace_all(tx, "cie-10", pairs[:1])) == 1
    assert await found("cefalea") == ["G44.2"]


async def test_sign_ins_of_staff(db: Database) -> None:
    await db.write(lambda tx: staff.add_session(tx, StaffSessionRow("cookie", DOCTOR, "csrf", NOW, NOW)))
    await db.write(lambda tx: staff.touch_session(tx, "cookie", NOW + 1))
    await db.write(lambda tx: staff.revoke_session(tx, "cookie", NOW + 2))
    assert await db.read(lambda tx: staff.session(tx, "cookie")) == StaffSessionRow(
        "cookie", DOCTOR, "csrf", NOW, NOW + 1, NOW + 2
    )
    assert await db.read(lambda tx: staff.by_login(tx, "clinic", "dra.perez")) == staff_row()
    assert await db.read(lambda tx: staff.by_login(tx, "other", "dra.perez")) is None
    await db.write(lambda tx: staff.set_password(tx, DOCTOR, "hash"))
    assert await db.read(lambda tx: staff.get(tx, DOCTOR)) == staff_row(password_hash="hash")

"""The consult page by plain forms: the door, the chat, the note, signing."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from candil.consults import notes
from candil.consults.notes import NoteOperation
from candil.consults.planning import Planned
from candil.store import codes, consults, outbox, participants, thread
from candil.store import notes as note_rows
from tests.support.desk import Desk, desk, link_in
from tests.support.web_app import WebApp, running_web_app

NOTE = {
    "reason": "Tos",
    "findings": "Sin fiebre",
    "diagnosis.text": "Bronquitis aguda",
    "diagnosis.certainty": "provisional",
    "prescriptions.abcd1234.medicine": "Ambroxol",
    "prescriptions.abcd1234.dose": "10 ml",
    "instructions": "Líquidos",
    "next_action.kind": "control",
    "next_action.date": "2027-01-05",
    "next_action.time": "09:30",
}


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[WebApp]:
    async with running_web_app(tmp_path) as running:
        yield running


@pytest.fixture
async def doctor(app: WebApp) -> AsyncIterator[Desk]:
    async with desk(app) as person:
        await person.sign_in()
        yield person


@pytest.fixture
async def running(app: WebApp) -> Planned:
    """A visit under way."""
    planned = await app.plan()
    await app.consent(planned)
    await app.arrive(planned)
    await app.admit(planned.patient_id)
    return planned


async def revision(app: WebApp, planned: Planned) -> int:
    note = await app.ctx.db.read(lambda tx: notes.current(tx, planned.consult.id))
    return note.revision


async def test_admitting_by_form_starts_the_visit(app: WebApp, doctor: Desk) -> None:
    planned = await app.plan()
    await app.consent(planned)
    await app.arrive(planned)
    assert 'data-admission="waiting"' in await doctor.text(f"/consults/{planned.consult.id}")
    answer = await doctor.post(f"/consults/{planned.consult.id}/participants/{planned.patient_id}/admit")
    assert (answer.status, answer.headers["Location"]) == (303, f"/consults/{planned.consult.id}")
    assert (await doctor.acts(planned.consult.id))[-2:] == ["consult.started", "participant.admitted"]


async def test_nobody_is_admitted_before_arriving(app: WebApp, doctor: Desk) -> None:
    planned = await app.plan()
    answer = await doctor.post(
        f"/consults/{planned.consult.id}/participants/{planned.patient_id}/admit", Accept="application/json"
    )
    assert answer.status == 409
    assert (await answer.json())["code"] == "not_now"
    assert "consult.started" not in await doctor.acts(planned.consult.id)


async def test_a_message_form_sent_twice_is_one_message(app: WebApp, doctor: Desk, running: Planned) -> None:
    page = await doctor.text(f"/consults/{running.consult.id}")
    form_id = re.search(r'name="form_id" value="([^"]+)"', page)
    assert form_id
    for _ in range(2):
        await doctor.post(f"/consults/{running.consult.id}/messages", {"form_id": form_id[1], "body": "Hola <b>"})
    stored = await app.ctx.db.read(lambda tx: thread.messages_after(tx, running.consult.id, 0))
    assert [message.body for message in stored] == ["Hola <b>"]
    assert "Hola &lt;b&gt;" in await doctor.text(f"/consults/{running.consult.id}")


async def test_a_guest_gets_a_link_that_does_not_carry_the_patients_phone(
    app: WebApp, doctor: Desk, running: Planned
) -> None:
    answer = await doctor.post(
        f"/consults/{running.consult.id}/guests", {"name": "Ana Peña", "role": "companion"}, X_Fragment="1"
    )
    page = await answer.text()
    assert link_in(page)
    assert "<html" not in page, "a script asked for a piece"
    people = await app.ctx.db.read(lambda tx: participants.of_consult(tx, running.consult.id))
    assert [p.admission for p in people if p.role == "companion"] == ["invited"]
    refused = await doctor.post(f"/consults/{running.consult.id}/guests", {"name": "X", "role": "doctor"})
    assert refused.status == 400


async def test_the_whole_note_as_a_form_becomes_operations_once(app: WebApp, doctor: Desk, running: Planned) -> None:
    path = f"/consults/{running.consult.id}/note"
    for _ in range(2):
        answer = await doctor.post(path, NOTE | {"base_revision": "0"})
        assert answer.status == 303
    note = await app.ctx.db.read(lambda tx: notes.current(tx, running.consult.id))
    assert note.revision == len(NOTE) - 1, "date and time are one field; the repetition wrote nothing"
    assert note.text("next_action.when") == "2027-01-05T09:30"
    assert not note.conflicts
    assert (await doctor.acts(running.consult.id)).count("note.write") == note.revision


async def test_an_edit_made_elsewhere_meanwhile_is_kept_and_asked_about(
    app: WebApp, doctor: Desk, running: Planned
) -> None:
    operation = NoteOperation("other-page", 1, 0, "findings", "Con fiebre")
    await app.do(notes.write, running.consult.id, operation, actor=app.actor)
    await doctor.post(
        f"/consults/{running.consult.id}/note", {"base_revision": "0", "findings": "Sin fiebre", "reason": "Tos"}
    )
    page = await doctor.text(f"/consults/{running.consult.id}")
    assert "Con fiebre</textarea>" in page
    settle = re.search(r'name="settle" value="(use:\d+)"', page)
    assert settle
    now = await revision(app, running)
    shown = {"findings": "Con fiebre", "reason": "Tos", "base_revision": str(now), "settle": settle[1]}
    await doctor.post(f"/consults/{running.consult.id}/note", shown)
    note = await app.ctx.db.read(lambda tx: notes.current(tx, running.consult.id))
    assert note.text("findings") == "Sin fiebre"
    assert not note.conflicts


async def test_a_field_that_cannot_be_keeps_nothing_of_the_form(app: WebApp, doctor: Desk, running: Planned) -> None:
    form = {"base_revision": "0", "findings": "x", "next_action.kind": "teleport"}
    answer = await doctor.post(f"/consults/{running.consult.id}/note", form)
    assert answer.status == 400
    assert await revision(app, running) == 0


async def test_signing_too_early_names_every_missing_piece(doctor: Desk, running: Planned) -> None:
    path = f"/consults/{running.consult.id}/finish"
    page = await doctor.text(path)
    for place in ("note-diagnosis-text", "note-instructions", "note-next-kind"):
        assert f'data-focus="{place}"' in page
    answer = await doctor.post(path, {"note_revision": "0"}, Accept="application/json")
    assert answer.status == 409
    told = await answer.json()
    assert told["code"] == "incomplete"
    assert told["missing"] == ["diagnosis", "prescriptions_or_instructions", "next_action"]


async def test_signing_twice_is_one_record_and_the_note_is_closed(app: WebApp, doctor: Desk, running: Planned) -> None:
    base = f"/consults/{running.consult.id}"
    await doctor.post(base + "/note", NOTE | {"base_revision": "0"})
    form = {"note_revision": str(await revision(app, running))}
    answers = [await doctor.post(base + "/finish", form, Accept="application/json") for _ in range(2)]
    signed = [await answer.json() for answer in answers]
    assert [answer.status for answer in answers] == [200, 200]
    assert signed[0] == signed[1]
    assert (await doctor.acts(running.consult.id)).count("consult.finished") == 1
    late = await doctor.post(base + "/note", {"base_revision": form["note_revision"], "findings": "otra cosa"})
    assert late.status == 409
    row = await app.ctx.db.read(lambda tx: note_rows.record(tx, running.consult.id))
    assert row is not None
    assert row.sha256 == signed[0]["sha256"]
    record = await doctor.text(base + "/record")
    for text in ("Bronquitis aguda", "Ambroxol", "10 ml", "05/01/2027 09:30"):
        assert text in record
    gone = await doctor.get(base)
    assert gone.headers["Location"] == base + "/record"
    assert "record.view" in await doctor.acts(running.consult.id)


async def test_signing_an_older_note_shows_the_newer_one(app: WebApp, doctor: Desk, running: Planned) -> None:
    base = f"/consults/{running.consult.id}"
    await doctor.post(base + "/note", NOTE | {"base_revision": "0"})
    seen = await revision(app, running)
    await app.do(notes.write, running.consult.id, NoteOperation("other", 1, seen, "findings", "Nuevo"), actor=app.actor)
    answer = await doctor.post(base + "/finish", {"note_revision": str(seen)})
    assert answer.status == 409
    assert "Nuevo" in await answer.text()
    row = await app.ctx.db.read(lambda tx: consults.get(tx, running.consult.id))
    assert row is not None
    assert row.status == "in-progress"


async def test_the_conversation_ends_and_opens_again_without_ending_the_visit(
    app: WebApp, doctor: Desk, running: Planned
) -> None:
    base = f"/consults/{running.consult.id}/conversation"
    await doctor.post(base + "/end")
    await doctor.post(base + "/reopen")
    row = await app.ctx.db.read(lambda tx: consults.get(tx, running.consult.id))
    assert row is not None
    assert (row.status, row.conversation_ended_at) == ("in-progress", None)
    assert (await doctor.acts(running.consult.id))[-2:] == ["conversation.ended", "conversation.reopened"]


async def test_a_dead_delivery_is_tried_again_when_asked(app: WebApp, doctor: Desk, running: Planned) -> None:
    await app.finish(running, {k: v for k, v in NOTE.items() if k not in ("next_action.date", "next_action.time")})

    def dead(tx: consults.Connection) -> None:
        event = outbox.OutboxEventRow("evt_1", app.doctor.clinic_id, running.consult.id, "x", 1, "{}", 1.0)
        outbox.add_event(tx, event)
        outbox.add_delivery(tx, outbox.DeliveryRow("dlv_1", "evt_1", running.consult.id, 1, "ehr", "dead", 9e9, 30))

    await app.ctx.db.write(dead)
    base = f"/consults/{running.consult.id}"
    assert f'action="{base}/deliveries/ehr/retry"' in await doctor.text(base + "/record")
    assert (await doctor.post(base + "/deliveries/ehr/retry")).status == 303
    assert (await doctor.post(base + "/deliveries/other/retry")).status == 404
    row = (await app.ctx.db.read(lambda tx: outbox.deliveries_of(tx, running.consult.id)))[0]
    assert (row.state, row.attempts) == ("pending", 0)
    assert "delivery.retry" in await doctor.acts(running.consult.id)


async def test_codes_are_found_by_words_without_accents(app: WebApp, doctor: Desk) -> None:
    listed = [("G44.2", "Cefalea tensional"), ("J20.9", "Bronquitis aguda"), ("R51", "Cefalea")]
    await app.ctx.db.write(lambda tx: codes.replace_all(tx, "urn:icd", listed))
    answer = await (await doctor.get("/codes?q=céfal+tens", Accept="application/json")).json()
    assert answer["codes"] == [{"value": "urn:icd|G44.2", "code": "G44.2", "display": "Cefalea tensional"}]
    assert (await (await doctor.get("/codes?q=c", Accept="application/json")).json())["codes"] == []


async def test_tickets_are_for_the_consults_own_doctor(doctor: Desk, running: Planned) -> None:
    answer = await doctor.post(f"/consults/{running.consult.id}/ticket", Accept="application/json")
    assert (await answer.json())["ticket"] == "consult-ticket"
    board = await doctor.post("/board/ticket", Accept="application/json")
    assert (await board.json())["ticket"] == "board-ticket"

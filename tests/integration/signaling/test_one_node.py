"""One process, real sockets, real SQLite: what a page is told, when it is refused, and what survives a reconnect."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from candil.bus.memory import InProcessBus
from candil.clock import SystemClock
from candil.consults import links, waiting
from candil.ids import token_hash
from candil.store import staff, thread
from candil.store.database import Database
from signaling import tickets
from signaling.tickets import Ticket
from tests.support.eventually import eventually
from tests.support.signaling import IDS, KEY, Node, Pages, PageSocket, Visit, add_guest, plan_visit, running_node


@pytest.fixture
async def visit(sqlite_database: Database) -> Visit:
    return await plan_visit(sqlite_database)


def people_in(state: dict[str, Any]) -> set[str]:
    return {p["id"] for p in state["participants"]}


def row(state: dict[str, Any], participant: str) -> dict[str, Any]:
    return next(p for p in state["participants"] if p["id"] == participant)


async def admitted_patient(node: Node, pages: Pages, visit: Visit) -> tuple[PageSocket, PageSocket]:
    """The doctor's and the patient's page, the patient just let in."""
    doctor, patient = await pages.doctor(node, visit), await pages.patient(node, visit)
    await doctor.say("participant.admit", participant=visit.patient)
    await patient.hear("sync", lambda m: m["visibility"] == "room")
    return doctor, patient


async def test_a_waiting_patient_sees_the_doctor_themselves_and_their_place(
    node: Node, pages: Pages, visit: Visit
) -> None:
    page = await pages.open(node, visit.patient, visit.patient_token)
    sync = await page.hear("sync")
    state = sync["state"]
    assert people_in(state) == {visit.patient, visit.doctor}
    assert state["line"] == {"position": 1, "length": 1}
    assert state["consult"]["status"] == "arrived"
    assert sync["note"] is None
    assert sync["visibility"] == "waiting"
    assert {e["kind"] for e in sync["events"]} <= {"participant.arrived", "consent.given", "media.chosen"}


async def test_the_doctor_gets_the_note_and_staff_events(node: Node, pages: Pages, visit: Visit) -> None:
    page = await pages.open(node, visit.doctor, visit.doctor_token)
    sync = await page.hear("sync")
    assert sync["note"] == {"revision": 0, "fields": {}, "conflicts": []}
    assert [e["seq"] for e in sync["events"]] == list(range(1, len(sync["events"]) + 1))
    assert {"consult.planned", "link.opened", "participant.arrived"} <= {e["kind"] for e in sync["events"]}


async def test_chat_while_waiting_reaches_both_with_marks(node: Node, pages: Pages, visit: Visit) -> None:
    doctor, patient = await pages.doctor(node, visit), await pages.patient(node, visit)
    seq = await patient.durable("message.send", body=" Buenos días ")
    ack = await patient.hear("message.ack")
    assert (ack["client_id"], ack["client_seq"], ack["seq"]) == (patient.client_id, seq, 1)
    assert (await doctor.hear("message"))["body"] == "Buenos días"
    patient.rewind()
    assert (await patient.hear("message"))["sender"] == visit.patient
    await doctor.say("message.seen", delivered=1, read=1)
    await patient.hear("state", lambda m: row(m, visit.doctor)["read"] == 1)


async def test_repeating_a_message_gives_the_same_acknowledgement_and_one_message(
    node: Node, pages: Pages, visit: Visit, sqlite_database: Database
) -> None:
    patient = await pages.patient(node, visit)
    await patient.durable("message.send", body="hola")
    first = await patient.hear("message.ack")
    for _ in range(3):
        await patient.say("message.send", client_id=patient.client_id, client_seq=1, body="hola")
        assert await patient.hear("message.ack") == first
    stored = await sqlite_database.read(lambda tx: thread.messages_after(tx, visit.consult_id, 0))
    assert [m.body for m in stored] == ["hola"]


async def test_a_reconnected_page_gets_exactly_what_it_missed(node: Node, pages: Pages, visit: Visit) -> None:
    doctor, patient = await pages.doctor(node, visit), await pages.patient(node, visit)
    await doctor.durable("message.send", body="uno")
    await patient.hear("message")
    await patient.socket.close()
    await doctor.durable("message.send", body="dos")
    await doctor.durable("message.send", body="tres")
    await doctor.hear("message.ack", lambda m: m["seq"] == 3)
    again = await pages.open(
        node, visit.patient, visit.patient_token, last_message=1, epoch="epo_1", visibility="waiting"
    )
    sync = await again.hear("sync")
    assert [m["body"] for m in sync["messages"]] == ["dos", "tres"]


async def test_another_epoch_forgets_the_numbers_of_the_page(node: Node, pages: Pages, visit: Visit) -> None:
    patient = await pages.patient(node, visit)
    await patient.durable("message.send", body="uno")
    await patient.hear("message.ack")
    again = await pages.open(
        node, visit.patient, visit.patient_token, last_message=99, epoch="epo_0", visibility="waiting"
    )
    assert [m["body"] for m in (await again.hear("sync"))["messages"]] == ["uno"]


async def test_a_long_history_comes_in_bounded_pages(
    node: Node, pages: Pages, visit: Visit, sqlite_database: Database
) -> None:
    def fill(tx: Any) -> None:
        for n in range(260):
            thread_row = thread.MessageRow(visit.consult_id, n + 1, visit.patient, "old", n, "x" * 300, 1.0)
            thread.add_message(tx, thread_row)

    await sqlite_database.write(fill)
    page = await pages.open(node, visit.patient, visit.patient_token)
    seqs: list[int] = []
    more, count = True, 0
    while more:
        sync = await page.hear("sync")
        assert len(json.dumps(sync)) < 64 * 1024
        seqs += [m["seq"] for m in sync["messages"]]
        more, count = sync["more"], count + 1
    assert seqs == list(range(1, 261))
    assert count >= 3


async def test_nothing_of_the_room_before_admission(node: Node, pages: Pages, visit: Visit) -> None:
    patient = await pages.patient(node, visit)
    await patient.say("media.join", audio=True, video=True)
    error = await patient.hear("error")
    assert (error["code"], error["ref"]) == ("not_now", "media.join")
    assert node.media.sessions == []
    assert node.ice_asked == []


async def test_admission_opens_media_with_credentials_and_hold_closes_it(
    node: Node, pages: Pages, visit: Visit
) -> None:
    doctor, patient = await admitted_patient(node, pages, visit)
    await patient.say("media.join", audio=True, video=False)
    offer = await patient.hear("media.offer")
    session = node.media.sessions[0]
    assert (offer["session"], offer["sdp"]) == (session.id, f"offer of {session.id}")
    assert offer["ice_servers"][0]["username"] == visit.patient
    assert session.wanted == [(True, False)]
    await patient.say("media.answer", session=session.id, sdp="answer")
    await eventually("the answer arrives", lambda: session.answers == ["answer"])
    session.listener.on_connected(session.id)
    assert (await patient.hear("media.state"))["state"] == "connected"
    await doctor.say("participant.hold", participant=visit.patient)
    assert (await patient.hear("media.closed"))["reason"] == "held"
    await patient.say("media.join", audio=True, video=True)
    assert (await patient.hear("error"))["code"] == "not_now"


@pytest.mark.parametrize("act", ["participant.refuse", "conversation.end"])
async def test_other_ends_of_media(node: Node, pages: Pages, visit: Visit, act: str) -> None:
    doctor, patient = await admitted_patient(node, pages, visit)
    await patient.say("media.join")
    await patient.hear("media.offer")
    await doctor.say(act, **({"participant": visit.patient} if act == "participant.refuse" else {}))
    reason = {"participant.refuse": "refused", "conversation.end": "conversation_ended"}[act]
    assert (await patient.hear("media.closed"))["reason"] == reason


async def test_a_waiting_guest_reads_nothing_of_the_room_and_everything_once_let_in(
    node: Node, pages: Pages, visit: Visit, sqlite_database: Database
) -> None:
    doctor, patient = await admitted_patient(node, pages, visit)
    await patient.durable("message.send", body="me duele aquí")
    await patient.hear("message.ack")
    await doctor.durable("message.send", body="¿desde cuándo?")
    await doctor.hear("message.ack")
    guest_id, token = await add_guest(sqlite_database, visit)
    guest = await pages.open(node, guest_id, token)
    sync = await guest.hear("sync")
    assert sync["messages"] == []
    assert people_in(sync["state"]) == {guest_id, visit.doctor}
    assert all(guest_id in json.dumps(e) for e in sync["events"])
    await patient.durable("message.send", body="desde ayer")
    await patient.hear("message.ack", lambda m: m["client_seq"] == 2)
    await guest.durable("message.send", body="soy su hijo")
    assert (await guest.hear("message"))["body"] == "soy su hijo"
    await doctor.say("participant.admit", participant=guest_id)
    sync = await guest.hear("sync", lambda m: m["visibility"] == "room")
    assert [m["body"] for m in sync["messages"]] == ["me duele aquí", "¿desde cuándo?", "desde ayer", "soy su hijo"]
    assert people_in(sync["state"]) == {guest_id, visit.doctor, visit.patient}


async def test_the_newest_connection_wins(node: Node, pages: Pages, visit: Visit) -> None:
    old = await pages.patient(node, visit)
    await pages.patient(node, visit)
    bye = await old.hear("bye")
    assert (bye["code"], bye["retry"]) == ("replaced", False)
    assert await old.close_code() == 4409


async def test_the_doctor_may_have_several_pages_with_one_note(node: Node, pages: Pages, visit: Visit) -> None:
    one, two = await pages.doctor(node, visit), await pages.doctor(node, visit)
    await one.durable("note.write", base_revision=0, field="findings", value="roncus")
    assert (await one.hear("note.ack"))["outcome"] == "applied"
    assert (await two.hear("note"))["value"] == "roncus"
    await two.durable("note.write", base_revision=0, field="findings", value="sibilantes")
    assert (await two.hear("note.ack"))["outcome"] == "conflict"
    third = await pages.open(node, visit.doctor, visit.doctor_token)
    note = (await third.hear("sync"))["note"]
    assert note["fields"]["findings"]["value"] == "roncus"
    assert note["conflicts"] == [{"field": "findings", "value": "sibilantes", "revision": 2}]
    await one.say("ping", at=1.5)
    assert (await one.hear("pong"))["at"] == 1.5


async def test_a_revoked_link_closes_the_socket(
    node: Node, pages: Pages, visit: Visit, sqlite_database: Database
) -> None:
    patient, doctor = await pages.patient(node, visit), await pages.doctor(node, visit)
    now = SystemClock().now()
    await sqlite_database.write(lambda tx: links.revoke(tx, visit.patient, actor=visit.actor, now=now))
    await doctor.durable("message.send", body="hola")  # any poke makes the service look
    assert (await patient.hear("bye"))["code"] == "session_ended"
    assert await patient.close_code() == 4401
    assert patient.received[-1]["retry"] is False


async def test_signing_out_closes_the_doctors_socket_and_board(
    node: Node, pages: Pages, visit: Visit, sqlite_database: Database
) -> None:
    doctor = await pages.doctor(node, visit)
    board = await pages.open(node, visit.doctor_id, visit.doctor_token, kind="board")
    patient = await pages.patient(node, visit)
    hashed = token_hash(visit.doctor_token)
    await sqlite_database.write(lambda tx: staff.revoke_session(tx, hashed, SystemClock().now()))
    await patient.durable("message.send", body="hola")
    assert await doctor.close_code() == 4401
    assert await board.close_code() == 4401


async def resumed(node: Node, pages: Pages, resume: str, client_id: str) -> PageSocket:
    page = await pages.connect(node)
    page.client_id = client_id
    await page.say("hello", versions=[1], ticket=resume, client_id=client_id)
    return page


async def test_a_page_comes_back_without_a_request_and_nobody_else_with_its_ticket(
    node: Node, pages: Pages, visit: Visit
) -> None:
    patient = await pages.patient(node, visit)
    patient.rewind()
    resume = (await patient.hear("welcome"))["resume"]
    other = await resumed(node, pages, resume, "another-page-load")
    assert (await other.hear("bye"))["code"] == "no_ticket"
    assert await other.close_code() == 4401
    for _ in range(2):  # a hello that was lost with its answer is said again
        again = await resumed(node, pages, resume, patient.client_id)
        welcome = await again.hear("welcome")
        assert welcome["participant"] == visit.patient
        await again.hear("sync")
    assert (await patient.hear("bye"))["code"] == "replaced"
    newest = await resumed(node, pages, welcome["resume"], patient.client_id)
    await newest.hear("welcome")


async def test_a_session_that_ended_is_not_resumed(
    node: Node, pages: Pages, visit: Visit, sqlite_database: Database
) -> None:
    patient, doctor = await pages.patient(node, visit), await pages.doctor(node, visit)
    board = await pages.open(node, visit.doctor_id, visit.doctor_token, kind="board")
    kept = []
    for page in (patient, doctor, board):
        page.rewind()
        kept.append(((await page.hear("welcome"))["resume"], page.client_id))
    now = SystemClock().now()
    await sqlite_database.write(lambda tx: links.revoke(tx, visit.patient, actor=visit.actor, now=now))
    await sqlite_database.write(lambda tx: staff.revoke_session(tx, token_hash(visit.doctor_token), now))
    for resume, client_id in kept:
        page = await resumed(node, pages, resume, client_id)
        bye = await page.hear("bye")
        assert (bye["code"], bye["retry"]) == ("session_ended", False)
        assert await page.close_code() == 4401


async def test_an_old_resume_ticket_is_refused_and_a_ticket_asked_for_opens_again(
    node: Node, pages: Pages, visit: Visit
) -> None:
    patient = await pages.patient(node, visit)
    ticket = Ticket("consult", visit.patient, token_hash(visit.patient_token))
    old = tickets.mint_resume(ticket, patient.client_id, KEY, node.clock.now() - tickets.RESUME_LIFE_S)
    page = await resumed(node, pages, old, patient.client_id)
    assert (await page.hear("bye"))["code"] == "no_ticket"
    await pages.patient(node, visit, client_id=patient.client_id)


async def test_a_board_is_told_of_changes_and_takes_no_messages(node: Node, pages: Pages, visit: Visit) -> None:
    board = await pages.open(node, visit.doctor_id, visit.doctor_token, kind="board")
    patient = await pages.patient(node, visit)
    await patient.durable("message.send", body="hola")
    await board.hear("board.changed")
    await board.durable("message.send", body="hola")
    assert (await board.hear("error"))["code"] == "not_allowed"


async def test_refused_before_a_word(node: Node, pages: Pages, visit: Visit) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await pages.connect(node, origin="https://evil.example")
    assert refused.value.status == 403
    page = await pages.connect(node)
    await page.say("hello", versions=[1], ticket="x", client_id="c")
    assert (await page.hear("bye"))["code"] == "no_ticket"
    assert await page.close_code() == 4401
    page = await pages.connect(node)
    await page.say("hello", versions=[7], ticket="x", client_id="c")
    assert (await page.hear("bye"))["versions"] == [1]


async def test_too_big_and_binary_frames_close(node: Node, pages: Pages, visit: Visit) -> None:
    page = await pages.patient(node, visit)
    await page.say("message.send", client_id="c", client_seq=1, body="x" * 70_000)
    assert await page.close_code() == 1009
    page = await pages.patient(node, visit)
    await page.socket.send_bytes(b"\x00")
    assert await page.close_code() == 4400


async def test_a_message_the_use_case_refuses_says_why(node: Node, pages: Pages, visit: Visit) -> None:
    doctor, patient = await pages.doctor(node, visit), await pages.patient(node, visit)
    seq = await patient.durable("message.send", body="   ")
    error = await patient.hear("error")
    assert (error["code"], error["ref"], error["client_id"]) == ("invalid_body", seq, patient.client_id)
    seq = await doctor.durable("note.write", base_revision=0, field="blood", value="x")
    error = await doctor.hear("error")
    assert (error["code"], error["ref"]) == ("unknown_field", seq)
    other = await pages.open(node, visit.patient, visit.patient_token)
    await other.durable("note.write", base_revision=0, field="findings", value="x")
    assert (await other.hear("error"))["code"] == "not_allowed"


async def test_somebody_of_another_consult_cannot_be_admitted(
    node: Node, pages: Pages, visit: Visit, sqlite_database: Database
) -> None:
    other = await plan_visit(sqlite_database)
    doctor = await pages.doctor(node, visit)
    await doctor.say("participant.admit", participant=other.patient)
    error = await doctor.hear("error")
    assert (error["code"], error["ref"]) == ("no_participant", other.patient)


async def test_presence_and_devices_are_seen_by_the_others(node: Node, pages: Pages, visit: Visit) -> None:
    doctor, patient = await admitted_patient(node, pages, visit)
    await patient.say("media.devices", microphone=True, camera=False)
    await doctor.hear("state", lambda m: row(m, visit.patient)["microphone"] and not row(m, visit.patient)["camera"])
    await patient.socket.close()
    await doctor.hear("state", lambda m: not row(m, visit.patient)["online"])


async def test_a_page_that_reconnects_keeps_its_session_and_gets_its_offer_again(
    node: Node, pages: Pages, visit: Visit
) -> None:
    _, patient = await admitted_patient(node, pages, visit)
    await patient.say("media.join")
    await patient.hear("media.offer")
    session = node.media.sessions[0]
    await patient.socket.close()
    again = await pages.patient(node, visit, client_id=patient.client_id)
    await eventually("the offer is repeated", lambda: session.resent)
    assert not session.closed
    session.listener.on_offer(session.id, "second")
    assert (await again.hear("media.offer"))["sdp"] == "second"
    await again.say("media.receive", session="med_nobody", audio=True, video=True)
    closed = await again.hear("media.closed")
    assert (closed["session"], closed["reason"]) == ("med_nobody", "server")


async def test_a_wrong_answer_ends_only_that_session(node: Node, pages: Pages, visit: Visit) -> None:
    doctor, patient = await admitted_patient(node, pages, visit)
    for page in (doctor, patient):
        await page.say("media.join")
        await page.hear("media.offer")
    theirs = node.media.sessions[1]
    await patient.say("media.answer", session=theirs.id, sdp="nonsense")
    assert (await patient.hear("error"))["ref"] == theirs.id
    assert (await patient.hear("media.closed"))["session"] == theirs.id
    assert not node.media.sessions[0].closed
    await patient.say("media.leave", session=node.media.sessions[0].id)
    await patient.hear("media.closed")
    assert not node.media.sessions[0].closed, "nobody ends another's session"


async def test_the_patients_modality_goes_on_the_timeline(node: Node, pages: Pages, visit: Visit) -> None:
    doctor, patient = await admitted_patient(node, pages, visit)
    await patient.say("media.join")
    await patient.hear("media.offer")
    session = node.media.sessions[0]
    session.listener.on_connected(session.id)
    session.listener.on_media(session.id, "audio", True)
    session.listener.on_media(session.id, "video", True)
    event = await doctor.hear("event", lambda m: m["kind"] == "media.changed")
    assert event["data"] == {"participant": visit.patient, "modality": "video"}


async def test_a_stopping_process_says_so(sqlite_database: Database, pages: Pages, visit: Visit) -> None:
    bus = InProcessBus("n", SystemClock())
    await bus.start()
    async with running_node(sqlite_database, bus) as node:
        doctor, patient = await admitted_patient(node, pages, visit)
        await patient.say("media.join")
        await patient.hear("media.offer")
        stopping = asyncio.create_task(node.service.aclose())
        assert (await patient.hear("media.closed"))["reason"] == "server"
        assert (await patient.hear("bye"))["code"] == "restart"
        assert await patient.close_code() == 1012
        await doctor.close_code()
        await stopping


async def test_waiting_patients_move_up_in_line(
    node: Node, pages: Pages, visit: Visit, sqlite_database: Database
) -> None:
    def second(tx: Any) -> tuple[str, str]:
        from candil.consults import consenting, planning
        from candil.consults.permissions import Actor, Role
        from tests.support.signaling import SETTINGS

        now = SystemClock().now()
        request = planning.PlanRequest("cedula", "V-7654321", "Rosa Mora", "", now + 60)
        planned = planning.plan(
            tx, request, doctor_id=visit.doctor_id, actor=visit.actor, clinic=SETTINGS.clinic, now=now, ids=IDS
        )
        session = links.exchange(tx, planned.token, clinic=SETTINGS.clinic, now=now, ids=IDS)
        actor = Actor(planned.patient_id, Role.PATIENT, visit.clinic_id, planned.patient_id)
        said = consenting.ConsentStatement(True, "1", "es", "ab" * 32, "texto", "Rosa Mora", "", "tap")
        consenting.record(tx, planned.patient_id, said, actor=actor, now=now, ids=IDS)
        waiting.arrive(tx, planned.patient_id, actor=actor, now=now)
        return planned.patient_id, session.token

    patient_id, token = await sqlite_database.write(second)
    page = await pages.open(node, patient_id, token)
    assert (await page.hear("sync"))["state"]["line"] == {"position": 2, "length": 2}
    doctor = await pages.doctor(node, visit)
    await doctor.say("participant.admit", participant=visit.patient)
    await page.hear("state", lambda m: m["line"] == {"position": 1, "length": 1})

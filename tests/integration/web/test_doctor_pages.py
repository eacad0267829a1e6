"""Sign-in, board, planning, appointments and history, by plain forms over real HTTP and SQLite."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from candil.consults import links
from candil.consults.permissions import Role
from candil.store import audit, consults
from tests.support.desk import Desk, add_staff, desk, link_in
from tests.support.web_app import PASSWORD, WebApp, running_web_app

SIGNED_NOTE = {
    "diagnosis.text": "Cefalea tensional",
    "prescriptions.a1.medicine": "Ibuprofeno 400 mg",
    "next_action.kind": "control",
    "next_action.when": "2027-01-05",
}


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[WebApp]:
    async with running_web_app(tmp_path) as running:
        yield running


@pytest.fixture
async def doctor(app: WebApp) -> AsyncIterator[Desk]:
    async with desk(app) as person:
        assert (await person.sign_in()).status == 303
        yield person


def plan_form(app: WebApp, **changes: str) -> dict[str, str]:
    at = app.ctx.templates.languages["es"].local(app.clock.now()) + timedelta(hours=2)
    return {
        "form_id": "frm_0000000000000001",
        "identifier_kind": "cedula",
        "identifier": "V-12.345.678",
        "name": "José Peña",
        "phone": "0414-1234567",
        "date": f"{at:%Y-%m-%d}",
        "time": f"{at:%H:%M}",
        "duration_min": "20",
        "locale": "es",
        "reason": "Dolor de cabeza",
    } | changes


async def test_the_session_cookie_is_not_for_scripts_or_other_sites(app: WebApp) -> None:
    async with desk(app) as person:
        answer = await person.sign_in()
        cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/" in cookie
    assert "Secure" not in cookie, "this clinic is on plain localhost"


async def test_an_unknown_login_and_a_wrong_password_get_the_same_answer(app: WebApp) -> None:
    async with desk(app) as person:
        wrong = await person.sign_in(password="otra clave larga")
        unknown = await person.sign_in(login="nadie")
        pages = [(await answer.text()).replace("nadie", "doctora") for answer in (wrong, unknown)]
    assert (wrong.status, unknown.status) == (401, 401)
    assert pages[0] == pages[1]
    assert "Set-Cookie" not in wrong.headers


async def test_too_many_wrong_passwords_are_told_to_wait(app: WebApp) -> None:
    limit = app.ctx.settings.security.login_attempts_per_10_min
    async with desk(app) as person:
        for _ in range(limit):
            assert (await person.sign_in(password="otra clave larga")).status == 401
        answer = await person.sign_in()  # even the right one waits
        other = await person.sign_in(login="otra.persona")
    assert answer.status == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert other.status == 401, "the limit is per account"


async def test_sign_out_ends_the_session_at_the_server(app: WebApp, doctor: Desk) -> None:
    token = next(iter(doctor.http.cookie_jar)).value
    assert (await doctor.post("/logout")).status == 303
    answer = await doctor.get("/board", Cookie=f"candil_s={token}")
    assert (answer.status, answer.headers["Location"]) == (303, "/login")


async def test_a_form_without_its_token_or_from_another_site_changes_nothing(app: WebApp, doctor: Desk) -> None:
    planned = await app.plan()
    path = f"/consults/{planned.consult.id}/cancel"
    without = await doctor.post(path, csrf="")
    foreign = await doctor.post(path, Origin="https://otro.example")
    row = await app.ctx.db.read(lambda tx: consults.get(tx, planned.consult.id))
    assert (without.status, foreign.status) == (403, 403)
    assert row is not None
    assert row.status == "planned"


async def test_planning_shows_the_link_once_and_the_link_works(app: WebApp, doctor: Desk) -> None:
    answer = await doctor.post("/consults/new", plan_form(app))
    page = await answer.text()
    assert answer.status == 200
    assert "wa.me" in page
    assert "<svg" in page
    opened = await app.do(links.look_at, link_in(page), clinic=app.ctx.settings.clinic)
    assert opened.consult.patient_value == "V-12345678"
    assert opened.consult.patient_phone == "+584141234567"
    assert await doctor.acts(opened.consult.id) == ["consult.planned"]
    for path in ("/board", f"/consults/{opened.consult.id}/appointment", f"/consults/{opened.consult.id}"):
        assert "/i/" not in await doctor.text(path)


async def test_the_same_form_sent_twice_plans_one_consult(app: WebApp, doctor: Desk) -> None:
    await doctor.post("/consults/new", plan_form(app))
    again = await doctor.post("/consults/new", plan_form(app))
    rows = await app.ctx.db.read(lambda tx: consults.of_clinic(tx, app.doctor.clinic_id, 0, 4e9))
    assert len(rows) == 1
    assert (again.status, again.headers["Location"]) == (303, f"/consults/{rows[0].id}/appointment")


async def test_everything_wrong_is_said_beside_its_field_and_nothing_typed_is_lost(app: WebApp, doctor: Desk) -> None:
    form = plan_form(app, identifier="ABC", name="X", phone="12", time="", reason="Tos")
    answer = await doctor.post("/consults/new", form)
    page = await answer.text()
    assert answer.status == 400
    for name in ("identifier", "name", "phone", "time"):
        assert f'id="{name}-error"' in page, name
    for name in ("date", "reason", "duration_min"):
        assert f'id="{name}-error"' not in page, name
    assert 'value="ABC"' in page
    assert ">Tos</textarea>" in page


async def test_the_board_says_where_every_visit_stands(app: WebApp, doctor: Desk) -> None:
    planned, waiting, running, ended, signed = [await app.plan(identifier=f"V-100000{n}") for n in range(5)]
    for visit in (waiting, running, ended, signed):
        await app.consent(visit)
        await app.arrive(visit)
    for visit in (running, ended, signed):
        await app.admit(visit.patient_id)
    await doctor.post(f"/consults/{ended.consult.id}/conversation/end")
    await app.finish(signed, SIGNED_NOTE)
    page = await doctor.text("/board/fragment")
    places = [(page.index(f'id="{group}"'), group) for group in ("g-waiting", "g-progress", "g-sign", "g-planned")]
    places.append((page.index('id="g-delivered"'), "g-delivered"))
    found = {
        visit.consult.id: max(p for p in places if p[0] < page.index(f"row-{visit.consult.id}"))[1]
        for visit in (planned, waiting, running, ended, signed)
    }
    assert list(found.values()) == ["g-planned", "g-waiting", "g-progress", "g-sign", "g-delivered"]
    assert 'data-waiting="1"' in page


async def test_the_front_desk_sees_a_doctors_board_and_no_clinical_page(app: WebApp) -> None:
    await add_staff(app, "recepcion", Role.FRONT_DESK)
    planned = await app.plan()
    async with desk(app) as person:
        await person.sign_in("recepcion")
        board = await person.text("/board")
        statuses = [
            (await person.get(f"/consults/{planned.consult.id}{path}")).status
            for path in ("/appointment", "", "/record")
        ]
        history = await person.get("/history")
    assert planned.consult.patient_name in board
    assert statuses == [200, 403, 403]
    assert history.status == 403


async def test_moving_cancelling_revoking_and_renewing_are_audited(app: WebApp, doctor: Desk) -> None:
    planned = await app.plan()
    base, patient = f"/consults/{planned.consult.id}", planned.patient_id
    tomorrow = datetime.now() + timedelta(days=1)
    moved = await doctor.post(base + "/reschedule", {"date": f"{tomorrow:%Y-%m-%d}", "time": "15:30"})
    revoked = await doctor.post(f"{base}/links/{patient}/revoke")
    with pytest.raises(links.NotFound):
        await app.do(links.look_at, planned.token, clinic=app.ctx.settings.clinic)
    renewed = await doctor.post(f"{base}/links/{patient}/reissue")
    await app.do(links.look_at, link_in(await renewed.text()), clinic=app.ctx.settings.clinic)
    cancelled = await doctor.post(base + "/cancel")
    row = await app.ctx.db.read(lambda tx: consults.get(tx, planned.consult.id))
    assert [a.status for a in (moved, revoked, renewed, cancelled)] == [303, 303, 200, 303]
    assert row is not None
    assert app.ctx.templates.languages["es"].local(row.scheduled_at).strftime("%d %H:%M") == f"{tomorrow:%d} 15:30"
    acts = ["consult.planned", "consult.rescheduled", "link.revoked", "link.issued", "consult.cancelled"]
    assert await doctor.acts(planned.consult.id) == acts


async def test_a_time_that_cannot_be_is_said_on_the_appointment(app: WebApp, doctor: Desk) -> None:
    planned = await app.plan()
    answer = await doctor.post(f"/consults/{planned.consult.id}/reschedule", {"date": "2019-01-01", "time": "10:00"})
    assert answer.status == 400
    assert 'role="alert"' in await answer.text()


OF_A_CONSULT = [
    ("GET", ""),
    ("GET", "/appointment"),
    ("GET", "/record"),
    ("GET", "/finish"),
    ("POST", "/note"),
    ("POST", "/messages"),
    ("POST", "/guests"),
    ("POST", "/reschedule"),
    ("POST", "/cancel"),
    ("POST", "/finish"),
    ("POST", "/ticket"),
    ("POST", "/participants/{patient}/admit"),
    ("POST", "/links/{patient}/reissue"),
    ("POST", "/links/{patient}/revoke"),
    ("POST", "/conversation/end"),
    ("POST", "/deliveries/ehr/retry"),
]


async def test_another_doctors_consult_does_not_exist(app: WebApp) -> None:
    await add_staff(app, "doctor.dos", Role.DOCTOR)
    planned = await app.plan()
    async with desk(app) as other:
        await other.sign_in("doctor.dos")
        for method, path in OF_A_CONSULT:
            target = f"/consults/{planned.consult.id}" + path.format(patient=planned.patient_id)
            answer = await (other.get(target) if method == "GET" else other.post(target))
            assert answer.status == 404, (method, path)


async def test_a_participant_of_another_consult_cannot_be_reached_through_ones_own(app: WebApp, doctor: Desk) -> None:
    mine, other = await app.plan(), await app.plan()
    for act in ("participants/{}/admit", "participants/{}/refuse", "links/{}/revoke", "links/{}/reissue"):
        answer = await doctor.post(f"/consults/{mine.consult.id}/" + act.format(other.patient_id))
        assert answer.status == 404, act


async def test_history_finds_a_patient_however_the_document_is_typed(app: WebApp, doctor: Desk) -> None:
    signed = await app.plan(identifier="V-8123456", name="Rosa Márquez")
    await app.consent(signed)
    await app.arrive(signed)
    await app.admit(signed.patient_id)
    await app.finish(signed, SIGNED_NOTE)
    for typed in ("V-8123456", "v8.123.456", "V 8123456"):
        assert "Rosa Márquez" in await (await doctor.post("/history", {"q": typed})).text(), typed
    assert "Rosa Márquez" not in await (await doctor.post("/history", {"q": "V-999"})).text()
    assert "Rosa Márquez" in await doctor.text("/history")


async def test_a_failed_sign_in_is_kept_without_what_was_typed(app: WebApp) -> None:
    async with desk(app) as person:
        await person.sign_in(login="mi.clave.secreta")

    def rows(tx: audit.Connection) -> list[tuple[str, str]]:
        found = tx.exec_driver_sql("SELECT act, actor || detail FROM audit").all()
        return [(row[0], row[1]) for row in found]

    kept = await app.ctx.db.read(rows)
    assert "staff.sign_in_refused" in [act for act, _ in kept]
    assert not any("secreta" in text or PASSWORD in text for _, text in kept)

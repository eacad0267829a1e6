"""The patient's way through the pages as a browser without scripts goes it, over real HTTP."""

import re
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urljoin

import aiohttp
import pytest
from yarl import URL

from candil.clock import ManualClock
from candil.consults import links, planning, thread
from candil.consults.permissions import Role
from candil.consults.planning import Planned
from candil.store import consents, participants
from candil.store import thread as thread_rows
from tests.support.web_app import WebApp, running_web_app

HTML = {"Accept": "text/html", "Accept-Language": "es-VE"}
FIELD = re.compile(r'<input[^>]* name="(\w+)"[^>]* value="([^"]*)"')


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[WebApp]:
    async with running_web_app(tmp_path, clock=ManualClock()) as running:
        yield running


class Reader:
    """A browser without scripts: follows links and sends the forms it is shown."""

    def __init__(self, app: WebApp, session: aiohttp.ClientSession) -> None:
        self.app, self.session = app, session
        self.status, self.html, self.url = 0, "", app.url

    async def get(self, path: str) -> "Reader":
        async with self.session.get(self.app.url + path, headers=HTML) as answer:
            return await self._read(answer)

    async def send(self, path: str, **fields: str) -> "Reader":
        hidden = dict(FIELD.findall(self.html))
        hidden.pop("media", None)
        async with self.session.post(self.app.url + path, headers=HTML, data=hidden | fields) as answer:
            return await self._read(answer)

    async def _read(self, answer: aiohttp.ClientResponse) -> "Reader":
        self.status, self.html, self.url = answer.status, await answer.text(), str(answer.url)
        return self

    @property
    def path(self) -> str:
        return self.url.removeprefix(self.app.url)


@asynccontextmanager
async def reading(app: WebApp) -> AsyncIterator[Reader]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield Reader(app, session)


async def entered(reader: Reader, planned: Planned) -> str:
    """Past the link's button; the path of the visit."""
    await reader.get(f"/i/{planned.token}")
    await reader.send(f"/i/{planned.token}")
    return reader.path


async def accepted(reader: Reader, planned: Planned) -> str:
    base = await entered(reader, planned)
    await reader.send(f"{base}/consent", answer="accept", name="Rosa Elena Márquez")
    return base


async def test_looking_at_a_link_never_uses_it_up(app: WebApp) -> None:
    planned = await app.plan()
    async with reading(app) as reader:
        for _ in range(3):
            await reader.get(f"/i/{planned.token}")
            assert reader.status == 200
            assert "Su consulta virtual" in reader.html
            assert "Rosa" not in reader.html  # whoever sees the link's page learns no name
        assert not list(reader.session.cookie_jar)
        assert await entered(reader, planned) == f"/v/{planned.patient_id}"
        assert await entered(reader, planned) == f"/v/{planned.patient_id}"


async def test_the_seat_cookie_is_for_this_visit_only_and_for_no_script(app: WebApp) -> None:
    planned = await app.plan()
    address = f"{app.url}/i/{planned.token}"
    async with aiohttp.ClientSession() as session, session.post(address, allow_redirects=False) as answer:
        cookie = answer.headers["Set-Cookie"]
    assert answer.status == 303
    assert f"Path=/v/{planned.patient_id}" in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert planned.token not in cookie


async def test_from_the_link_to_the_waiting_room_by_messages_without_scripts(app: WebApp) -> None:
    planned = await app.plan()
    async with reading(app) as reader:
        base = await entered(reader, planned)
        assert "Su permiso para esta consulta a distancia" in reader.html
        await reader.send(f"{base}/consent", answer="accept", name="Rosa Elena Márquez")
        assert "¿Cómo quiere hablar?" in reader.html
        await reader.send(f"{base}/media", media="text")
        assert reader.path == base
        assert "Usted es el próximo turno." in reader.html
        assert '<meta http-equiv="refresh" content="10">' in reader.html
        await reader.get(f"{base}?write")
        assert 'http-equiv="refresh"' not in reader.html  # what is being typed must not be lost
        fields = dict(FIELD.findall(reader.html))
        await reader.send(f"{base}/messages", body="Me duele la cabeza")
        assert reader.html.count("Me duele la cabeza") == 1
        async with reader.session.post(
            f"{app.url}{base}/messages", headers=HTML, data=fields | {"body": "Me duele la cabeza"}
        ) as again:  # the same form a second time
            assert (await again.text()).count("Me duele la cabeza") == 1


async def test_the_consent_keeps_the_text_that_was_shown(app: WebApp) -> None:
    planned = await app.plan()
    async with reading(app) as reader:
        await accepted(reader, planned)
    given = await app.ctx.db.read(lambda tx: consents.current(tx, planned.patient_id))
    assert given is not None
    wording = app.ctx.wordings.wording("es", clinic=app.ctx.settings.clinic.name, doctor=app.doctor.name)
    assert (given.status, given.given_by, given.method) == ("active", "Rosa Elena Márquez", "form")
    assert (given.wording_text, given.wording_sha256) == (wording.text, wording.sha256)


async def test_a_refusal_is_kept_and_may_be_taken_back(app: WebApp) -> None:
    planned = await app.plan()
    async with reading(app) as reader:
        base = await entered(reader, planned)
        await reader.send(f"{base}/consent", answer="refuse", name="")
        assert "Usted no aceptó, y está bien" in reader.html
        given = await app.ctx.db.read(lambda tx: consents.current(tx, planned.patient_id))
        assert given is not None
        assert given.status == "rejected"
        app.clock.advance(60)  # type: ignore[attr-defined]
        await reader.get(f"{base}?step=consent")
        await reader.send(f"{base}/consent", answer="accept", name="Rosa Márquez")
        assert "¿Cómo quiere hablar?" in reader.html


async def test_somebody_answers_for_a_minor(app: WebApp) -> None:
    planned = await app.plan(minor=True)
    async with reading(app) as reader:
        base = await entered(reader, planned)
        await reader.send(f"{base}/consent", answer="accept", representative="Ana Márquez", relation="")
        assert reader.status == 422
        assert "Escriba qué es usted del paciente" in reader.html
        assert 'value="Ana Márquez"' in reader.html  # nobody types it twice
        await reader.send(f"{base}/consent", answer="accept", representative="Ana Márquez", relation="madre")
        assert "¿Cómo quiere hablar?" in reader.html


async def test_nobody_accepts_a_text_that_changed_meanwhile(app: WebApp) -> None:
    planned = await app.plan()
    async with reading(app) as reader:
        base = await entered(reader, planned)
        await reader.send(f"{base}/consent", answer="accept", name="Rosa", wording="0" * 64)
        assert reader.status == 422
        assert "El texto cambió mientras leía" in reader.html
    assert await app.ctx.db.read(lambda tx: consents.current(tx, planned.patient_id)) is None


async def test_the_waiting_room_asks_for_consent_first(app: WebApp) -> None:
    planned = await app.plan()
    async with reading(app) as reader:
        base = await entered(reader, planned)
        await reader.send(f"{base}/arrive")
        assert reader.status == 409
    participant = await app.ctx.db.read(lambda tx: participants.get(tx, planned.patient_id))
    assert participant is not None
    assert participant.admission == "invited"


async def test_the_line_is_told_in_people_and_minutes(app: WebApp) -> None:
    first, second, third = [await app.plan() for _ in range(3)]
    for planned in (first, second):
        await app.consent(planned)
        await app.arrive(planned)
        app.clock.advance(1)  # type: ignore[attr-defined]
    async with reading(app) as reader:
        base = await accepted(reader, third)
        await reader.send(f"{base}/media", media="text")
        assert 'data-before="many"' in reader.html
        async with reader.session.get(f"{app.url}{base}/now", headers={"Accept": "application/json"}) as answer:
            now = await answer.json()
    assert (now["before"], now["minutes"], now["doctor"], now["step"]) == (2, 40, "away", "waiting")


async def test_scripts_write_and_read_over_plain_requests_when_the_socket_is_blocked(app: WebApp) -> None:
    planned = await app.plan()
    async with reading(app) as reader:
        base = await accepted(reader, planned)
        await reader.send(f"{base}/media", media="text")
        token = dict(FIELD.findall(reader.html))["csrf"]
        headers = {"Accept": "application/json", "X-CSRF-Token": token}
        message = {"body": "¿Me oye?", "client_id": "page-1", "client_seq": 1}
        for _ in range(2):
            async with reader.session.post(f"{app.url}{base}/messages", headers=headers, json=message) as answer:
                assert (await answer.json())["seq"] == 1
        del headers["X-CSRF-Token"]
        async with reader.session.post(f"{app.url}{base}/messages", headers=headers, json=message) as answer:
            assert answer.status == 403
        async with reader.session.get(f"{app.url}{base}/now?after=0", headers=headers) as answer:
            assert [m["body"] for m in (await answer.json())["messages"]] == ["¿Me oye?"]


async def test_one_visits_cookie_opens_no_other(app: WebApp) -> None:
    mine, other = await app.plan(), await app.plan()
    session = await app.session(mine.token)
    async with aiohttp.ClientSession() as client:
        cookie = {"Cookie": f"candil_v={session.token}"}
        for path in ("", "/now", "/summary", "/line/down?bytes=10"):
            async with client.get(f"{app.url}/v/{other.patient_id}{path}", headers=HTML | cookie) as answer:
                assert answer.status == 401, path
                assert "Abra otra vez su enlace" in await answer.text()


async def test_the_line_test_is_bounded_counted_and_cannot_be_compressed_or_kept(app: WebApp) -> None:
    planned = await app.plan()
    async with reading(app) as reader:
        base = await entered(reader, planned)
        down, up = f"{app.url}{base}/line/down?bytes=", f"{app.url}{base}/line/up"
        seen = []
        for asked in (0, 1, 24_576):
            async with reader.session.get(f"{down}{asked}") as answer:
                seen.append(body := await answer.read())
                assert len(body) == asked
                assert answer.headers["Cache-Control"] == "no-store, no-transform"
                assert "Content-Encoding" not in answer.headers
        assert len(zlib.compress(seen[-1], 9)) > 24_576
        for refused in ("24577", "9000000", "-3", ""):
            async with reader.session.get(down + refused) as answer:
                assert answer.status == 400
        async with reader.session.post(up, data=bytes(10)) as answer:
            assert answer.status == 403, "without the session's token nothing is taken"
        token = {"X-CSRF-Token": dict(FIELD.findall(reader.html))["csrf"], "Content-Type": "application/octet-stream"}
        for size, status in ((0, 204), (24_576, 204), (24_577, 400)):
            async with reader.session.post(up, data=bytes(size), headers=token) as answer:
                assert answer.status == status
                assert await answer.read() == b"" or status == 400


async def test_the_line_test_of_one_person_does_not_become_a_load(app: WebApp) -> None:
    planned = await app.plan()
    async with reading(app) as reader:
        base = await entered(reader, planned)
        statuses = []
        for _ in range(40):
            async with reader.session.get(f"{app.url}{base}/line/down?bytes=24576") as answer:
                statuses.append(answer.status)
        assert statuses[:30] == [200] * 30
        assert set(statuses[30:]) == {429}


async def test_early_expired_cancelled_and_revoked_links_say_what_to_do(app: WebApp) -> None:
    clinic = app.ctx.settings.clinic
    early = await app.plan(scheduled_at=app.clock.now() + (clinic.link_opens_before_h + 24) * 3600)
    cancelled, revoked, late = await app.plan(), await app.plan(), await app.plan()
    await app.do(planning.cancel, cancelled.consult.id, actor=app.actor)
    await app.do(links.revoke, revoked.patient_id, actor=app.actor)
    async with reading(app) as reader:
        assert "Todavía es temprano" in (await reader.get(f"/i/{early.token}")).html
        assert "Esta consulta se canceló" in (await reader.get(f"/i/{cancelled.token}")).html
        assert "Este enlace ya no funciona" in (await reader.get(f"/i/{revoked.token}")).html
        assert "Este enlace ya no funciona" in (await reader.get("/i/nosuchtoken1")).html
        app.clock.advance((clinic.link_valid_after_h + 1) * 3600)  # type: ignore[attr-defined]
        assert "Este enlace ya no funciona" in (await reader.get(f"/i/{late.token}")).html


async def test_after_the_visit_the_same_link_shows_the_instructions(app: WebApp) -> None:
    planned = await app.plan()
    await app.consent(planned)
    await app.arrive(planned)
    await app.admit(planned.patient_id)
    note = {
        "diagnosis.text": "Bronquitis aguda",
        "prescriptions.a.medicine": "Amoxicilina 500 mg",
        "prescriptions.a.frequency": "cada 8 horas",
        "instructions": "Reposo <y> agua",
        "next_action.kind": "control",
        "next_action.when": "2023-11-30",
    }
    async with reading(app) as reader:
        await app.finish(planned, note)
        await reader.get(f"/i/{planned.token}")
        assert "Ver mis indicaciones" in reader.html
        base = await entered(reader, planned)
        assert base.endswith("/summary")
        for text in (
            "Amoxicilina 500 mg",
            "cada 8 horas",
            "Reposo &lt;y&gt; agua",
            "jueves 30 de noviembre",
            "Dra. Ana",
        ):
            assert text in reader.html
        assert "Bronquitis" not in reader.html  # the impression is the doctor's to explain
        app.clock.advance(31 * 86_400)  # type: ignore[attr-defined]
        assert (await reader.get(base)).status == 401


async def test_a_guest_chooses_and_waits_without_consent_and_sees_no_summary(app: WebApp) -> None:
    planned = await app.plan()
    guest, token = await app.do(
        planning.invite_guest, planned.consult.id, Role.COMPANION, "Luis Márquez", actor=app.actor, ids=app.ids
    )
    async with reading(app) as reader:
        await reader.get(f"/i/{token}")
        assert "Le invitan a una consulta virtual" in reader.html
        await reader.send(f"/i/{token}")
        assert "Usted entra como Luis Márquez." in reader.html
        await reader.send(f"/v/{guest.id}/media", media="text")
        assert "Usted entra cuando el médico le abra." in reader.html
        assert (await reader.get(f"/v/{guest.id}/summary")).status == 403


async def test_the_other_language_is_one_tap_and_is_remembered(app: WebApp) -> None:
    planned = await app.plan()
    async with reading(app) as reader:
        await reader.get(f"/i/{planned.token}?lang=en")
        assert "Your virtual visit" in reader.html
        await reader.send(f"/i/{planned.token}")
        assert '<html lang="en">' in reader.html


async def test_opening_the_room_marks_messages_as_delivered_not_read(app: WebApp) -> None:
    planned = await app.plan()
    async with reading(app) as reader:
        base = await accepted(reader, planned)
        await reader.send(f"{base}/media", media="text")
        people = await app.ctx.db.read(lambda tx: participants.of_consult(tx, planned.consult.id))
        doctor = next(p for p in people if p.role == Role.DOCTOR)
        await app.do(thread.post, doctor.id, "Ya le abro", client_id="d", client_seq=1, actor=app.actor)
        assert "Ya le abro" in (await reader.get(base)).html
    patient = await app.ctx.db.read(lambda tx: participants.get(tx, planned.patient_id))
    assert patient is not None
    assert (patient.delivered_seq, patient.read_seq) == (1, 0)
    assert await app.ctx.db.read(lambda tx: thread_rows.last_message_seq(tx, planned.consult.id)) == 1


@pytest.mark.parametrize(("step", "most_bytes"), [("landing", 60_000), ("room", 120_000)])
async def test_a_page_with_everything_it_needs_is_light(app: WebApp, step: str, most_bytes: int) -> None:
    planned = await app.plan()
    async with reading(app) as reader:
        await reader.get(f"/i/{planned.token}")
        if step == "room":
            base = await accepted(reader, planned)
            await reader.send(f"{base}/media", media="video")
            await reader.send(f"{base}/arrive")
        async with aiohttp.ClientSession(auto_decompress=False, cookies=None) as raw:
            total = 0
            for address in [reader.url, *(urljoin(reader.url, u) for u in assets_of(reader.html))]:
                cookies = reader.session.cookie_jar.filter_cookies(URL(reader.url))
                async with raw.get(address, headers=HTML | {"Accept-Encoding": "gzip"}, cookies=cookies) as answer:
                    assert answer.status == 200
                    total += len(await answer.read()) + sum(len(k) + len(v) + 4 for k, v in answer.headers.items())
    print(f"{step}: {total} bytes")
    assert 5_000 < total <= most_bytes


def assets_of(html: str) -> set[str]:
    return set(re.findall(r'(?:src|href)="(/static/[^"]+)"', html))


async def test_headers_forbid_everything_foreign(app: WebApp) -> None:
    planned = await app.plan()
    async with aiohttp.ClientSession() as client, client.get(f"{app.url}/i/{planned.token}", headers=HTML) as answer:
        text = await answer.text()
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cache-Control"] == "no-store"
    assert not re.search(r"<script(?![^>]* src=)|<style|\son\w+=| style=", text)


async def test_the_permanent_text_of_a_wording(app: WebApp) -> None:
    async with reading(app) as reader:
        version = app.ctx.wordings.current_version("es")
        assert "Su permiso para esta consulta" in (await reader.get(f"/consent/es/{version}")).html
        assert (await reader.get("/consent/es/1999-01")).status == 404
        assert (await reader.get("/consent/xx/2026-11")).status == 404


async def test_health(app: WebApp) -> None:
    async with reading(app) as reader:
        assert (await reader.get("/health")).html == '{"status": "ok"}'


async def test_a_guest_at_the_door_reads_nothing_of_the_room(app: WebApp) -> None:
    planned = await app.plan()
    await app.consent(planned)
    await app.arrive(planned)
    await app.admit(planned.patient_id)
    guest, token = await app.do(
        planning.invite_guest, planned.consult.id, Role.COMPANION, "Luis Márquez", actor=app.actor, ids=app.ids
    )
    patient = app.guest_actor(planned.patient_id)
    await app.do(thread.post, planned.patient_id, "Me duele aquí", client_id="p", client_seq=1, actor=patient)
    async with reading(app) as reader:
        await reader.get(f"/i/{token}")
        await reader.send(f"/i/{token}")
        await reader.send(f"/v/{guest.id}/media", media="text")
        assert (await reader.get(f"/v/{guest.id}")).status == 200
        assert "Me duele aquí" not in reader.html
        assert "Rosa Elena" not in reader.html
        assert "Me duele aquí" not in (await reader.get(f"/v/{guest.id}/now?after=0")).html
        assert reader.status == 200
        await app.admit(guest.id)
        assert "Me duele aquí" in (await reader.get(f"/v/{guest.id}")).html

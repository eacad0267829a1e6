"""The REST API as a scheduling system uses it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import jsonschema
import pytest

from candil.clock import to_iso
from candil.consults import accounts, links
from candil.consults.permissions import Role
from candil.store import audit
from tests.support.web_app import WebApp, running_web_app
from webapp.api.openapi import OPERATIONS
from webapp.routes import routes

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class Scheduler:
    def __init__(self, app: WebApp, http: aiohttp.ClientSession, key: str) -> None:
        self.app, self.http, self.key = app, http, key

    async def ask(self, method: str, path: str, body: object = None, key: str | None = None) -> tuple[int, Any]:
        sent = {"json": body} if body is not None else {}
        headers = {"Authorization": f"Bearer {self.key if key is None else key}"}
        async with self.http.request(method, f"{self.app.url}/api/v1{path}", headers=headers, **sent) as answer:
            return answer.status, await answer.json() if answer.status != 204 else None

    def new(self, **changes: object) -> dict[str, object]:
        return {
            "doctor": self.app.doctor.id,
            "identifier_kind": "cedula",
            "identifier": "V-12345678",
            "name": "José Peña",
            "scheduled_at": to_iso(self.app.clock.now() + 3600),
            "external_id": "agenda-17",
        } | changes


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[WebApp]:
    async with running_web_app(tmp_path) as running:
        yield running


@pytest.fixture
async def scheduler(app: WebApp) -> AsyncIterator[Scheduler]:
    clinic_id = app.ctx.settings.clinic.id
    key = await app.do(accounts.add_api_key, "agenda", clinic_id=clinic_id, ids=app.ids)
    async with aiohttp.ClientSession() as http:
        yield Scheduler(app, http, key)


async def test_without_a_valid_key_nothing_is_told(scheduler: Scheduler) -> None:
    for key in ("", "cdl_wrong"):
        status, answer = await scheduler.ask("GET", "/doctors", key=key)
        assert (status, answer["code"]) == (401, "no_key")


async def test_planning_is_safe_to_repeat(app: WebApp, scheduler: Scheduler) -> None:
    status, first = await scheduler.ask("POST", "/consults", scheduler.new())
    again, second = await scheduler.ask("POST", "/consults", scheduler.new(name="Otra Persona"))
    assert (status, again) == (201, 200)
    assert second == {"consult": first["consult"], "link": None}
    token = first["link"]["url"].rpartition("/")[2]
    opened = await app.do(links.look_at, token, clinic=app.ctx.settings.clinic)
    assert opened.consult.id == first["consult"]["id"]


async def test_answers_never_hold_what_identifies_or_describes_the_patient(app: WebApp, scheduler: Scheduler) -> None:
    _, planned = await scheduler.ask("POST", "/consults", scheduler.new(reason="Dolor de pecho"))
    one = await scheduler.ask("GET", f"/consults/{planned['consult']['id']}")
    day = app.ctx.templates.languages["es"].local(app.clock.now() + 3600).strftime("%Y-%m-%d")
    many = await scheduler.ask("GET", f"/consults?day={day}")
    assert [consult["id"] for consult in many[1]["consults"]] == [planned["consult"]["id"]]
    for text in ("Peña", "12345678", "pecho"):
        assert text not in str((one, many))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"identifier": "ABC"}, "identifier"),
        ({"identifier_kind": "dni"}, "identifier_kind"),
        ({"doctor": "stf_nobody"}, "doctor"),
        ({"phone": "12"}, "phone"),
        ({"scheduled_at": "mañana"}, "scheduled_at"),
        ({"scheduled_at": "2027-01-01T10:00:00"}, "scheduled_at"),
        ({"scheduled_at": "2019-01-01T10:00:00Z"}, "scheduled_at"),
        ({"duration_min": 1}, "duration_min"),
        ({"locale": "fr"}, "locale"),
        ({"minor": "yes"}, "minor"),
        ({"external_id": "page:x"}, "external_id"),
        ({"surprise": 1}, "surprise"),
    ],
)
async def test_a_wrong_field_is_named(scheduler: Scheduler, change: dict[str, object], field: str) -> None:
    status, answer = await scheduler.ask("POST", "/consults", scheduler.new(**change))
    assert (status, answer["field"]) == (400, field)


async def test_a_missing_field_is_named(scheduler: Scheduler) -> None:
    body = scheduler.new()
    del body["name"]
    status, answer = await scheduler.ask("POST", "/consults", body)
    assert (status, answer["field"]) == (400, "name")


async def test_a_body_that_is_not_json_or_too_large_is_refused(scheduler: Scheduler) -> None:
    headers = {"Authorization": f"Bearer {scheduler.key}"}
    url = scheduler.app.url + "/api/v1/consults"
    async with scheduler.http.post(url, data=b"{", headers=headers) as answer:
        assert (answer.status, (await answer.json())["code"]) == (400, "invalid_json")
    async with scheduler.http.post(url, data=b" " * 70_000, headers=headers) as answer:
        assert answer.status == 413


async def test_moving_renewing_revoking_and_cancelling(app: WebApp, scheduler: Scheduler) -> None:
    _, planned = await scheduler.ask("POST", "/consults", scheduler.new())
    path = f"/consults/{planned['consult']['id']}"
    later = to_iso(app.clock.now() + 7200)
    moved, consult = await scheduler.ask("POST", path + "/reschedule", {"scheduled_at": later})
    assert moved == 200
    assert consult["scheduled_at"][:19] == later[:19]
    renewed, link = await scheduler.ask("POST", path + "/links")
    assert renewed == 201
    assert link["url"] != planned["link"]["url"]
    assert (await scheduler.ask("DELETE", path + "/links"))[0] == 204
    with pytest.raises(links.NotFound):
        await app.do(links.look_at, link["url"].rpartition("/")[2], clinic=app.ctx.settings.clinic)
    for _ in range(2):
        status, consult = await scheduler.ask("POST", path + "/cancel")
        assert (status, consult["status"]) == (200, "cancelled")
    assert (await scheduler.ask("POST", path + "/reschedule", {"scheduled_at": later}))[0] == 409
    rows = await app.ctx.db.read(lambda tx: audit.of_consult(tx, planned["consult"]["id"]))
    assert [row.act for row in rows] == [
        "consult.planned",
        "consult.rescheduled",
        "link.issued",
        "link.revoked",
        "consult.cancelled",
    ]
    assert {row.actor[:4] for row in rows} == {"key_"}


async def test_what_the_clinic_does_not_have_is_not_found(scheduler: Scheduler) -> None:
    for method, path in (("GET", ""), ("POST", "/cancel"), ("POST", "/links"), ("DELETE", "/links")):
        assert (await scheduler.ask(method, "/consults/con_nothing" + path))[0] == 404
    assert (await scheduler.ask("GET", "/consults?day=hoy"))[1]["field"] == "day"
    assert (await scheduler.ask("GET", "/consults?day=2026-02-31"))[0] == 400


async def test_doctors_are_listed_with_their_licence(app: WebApp, scheduler: Scheduler) -> None:
    _, answer = await scheduler.ask("GET", "/doctors")
    assert [(d["id"], d["licence"]) for d in answer["doctors"]] == [(app.doctor.id, "MPPS-12345")]


async def test_the_openapi_document_describes_every_route_and_what_it_answers(scheduler: Scheduler) -> None:
    async with scheduler.http.get(scheduler.app.url + "/api/v1/openapi.json") as answer:
        document = await answer.json()
    assert document["openapi"].startswith("3.1")
    described = {(op.method, op.path) for op in OPERATIONS}
    assert described == {(r.method, r.path) for r in routes() if r.path.startswith("/api/")}
    assert described == {(m.upper(), path) for path, methods in document["paths"].items() for m in methods}
    status, planned = await scheduler.ask("POST", "/consults", scheduler.new())
    answers = document["paths"]["/api/v1/consults"]["post"]["responses"]
    schema = answers[str(status)]["content"]["application/json"]["schema"] | {"components": document["components"]}
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(planned, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(planned | {"consult": {}}, schema)
    assert _references(document) <= {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}


def _references(value: object) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(_references(part) for part in value.values()))
    if isinstance(value, list):
        return set().union(*(_references(part) for part in value))
    return set()


async def test_only_a_receivers_key_reads_a_signed_record_and_the_reading_is_audited(
    app: WebApp, scheduler: Scheduler
) -> None:
    planned = await app.plan()
    await app.consent(planned)
    await app.arrive(planned)
    receiver = await app.do(
        accounts.add_api_key, "historia", role=Role.RECEIVER, clinic_id=app.ctx.settings.clinic.id, ids=app.ids
    )
    path = f"/consults/{planned.consult.id}/record"
    assert (await scheduler.ask("GET", path, key=receiver))[0] == 404  # nothing is signed yet
    await app.admit(planned.patient_id)
    await app.finish(planned, {"diagnosis.text": "Bronquitis", "instructions": "Reposo", "next_action.kind": "none"})
    assert (await scheduler.ask("GET", path))[0] == 403
    status, record = await scheduler.ask("GET", path, key=receiver)
    assert (status, record["diagnosis"]["text"]) == (200, "Bronquitis")
    assert (await scheduler.ask("GET", "/doctors", key=receiver))[0] == 403
    rows = await app.ctx.db.read(lambda tx: audit.of_consult(tx, planned.consult.id))
    assert [row.act for row in rows].count("record.fetch") == 1

"""Every route asked by everybody: what the table of permissions and ownership say is what happens, and no more.

``ROWS`` has one row for every route. A new route fails here until somebody says what it takes and answers.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from candil.clock import to_iso
from candil.consults.permissions import RULES, Role, allowed
from signaling.aio.ws import MAX_UNIDENTIFIED_OF_ADDRESS
from signaling.messages import CLIENT_TYPES
from tests.support.access import ORIGIN, STATUSES, TARGET, Answer, Caller, Scene, Stage, stage
from webapp.guards import Integration, OfConsult, OfSeat, Public, Route, Staff
from webapp.routes import routes

UNSAFE = ("POST", "DELETE")
NOWHERE = {"consult": "con_0000000000000000", "participant": "par_0000000000000000"}
FORM_ID = "frm_0123456789abcdef"
REVISION = "4"  # of a scene's finished note

# Rules that no route or message of the socket names, each with the place that asks for them.
ASKED_BY_USE_CASES = {"link.open", "media.choose", "thread.view", "photo.send", "voice.send"}


@dataclass(frozen=True)
class Row:
    """What a route takes and answers while the scene is in ``status``, to whoever may."""

    answers: int = 200
    status: str = "in-progress"
    form: dict[str, str] = field(default_factory=dict)
    json: Any = None
    query: str = ""


_C, _P, _L = "/consults/{consult}", "/consults/{consult}/participants/{participant}", "/consults/{consult}/links/"
_API, _V = "/api/v1/consults/{consult}", "/v/{participant}"
SOON = {"date": "{day}", "time": "10:00"}
NEW = {"identifier_kind": "cedula", "identifier": "V-7654321", "name": "Luis Rojas"}
MESSAGE = {"body": "hola", "client_id": "cli_1", "client_seq": "1", "form_id": FORM_ID}

VOICE = {"upload": "upl_0123456789abcdef", "kind": "voice", "parts": {"full": {"bytes": 10, "sha256": "ab" * 32}}}

ROWS: dict[tuple[str, str], Row] = {
    ("GET", "/"): Row(),
    ("GET", "/health"): Row(),
    ("GET", "/i/{token}"): Row(),
    ("POST", "/i/{token}"): Row(303),
    ("GET", "/consent/{locale}/{version}"): Row(),
    ("GET", "/login"): Row(),
    ("POST", "/login"): Row(401, form={"login": "nadie", "password": "nada"}),
    ("POST", "/logout"): Row(303),
    ("GET", "/board"): Row(),
    ("GET", "/board/fragment"): Row(),
    ("POST", "/board/ticket"): Row(),
    ("GET", "/consults/new"): Row(),
    ("POST", "/consults/new"): Row(form={**NEW, **SOON, "duration_min": "20", "locale": "es"}),
    ("GET", _C + "/appointment"): Row(),
    ("POST", _C + "/reschedule"): Row(status="arrived", form=SOON),
    ("POST", _C + "/cancel"): Row(status="arrived"),
    ("POST", _L + "{participant}/revoke"): Row(),
    ("POST", _L + "{participant}/reissue"): Row(),
    ("GET", _C): Row(),
    ("POST", _C + "/ticket"): Row(),
    ("GET", _C + "/line/down"): Row(query="?bytes=100"),
    ("POST", _C + "/line/up"): Row(204),
    ("GET", _C + "/finish"): Row(),
    ("POST", _C + "/finish"): Row(409, form={"note_revision": "0"}),
    ("POST", _C + "/conversation/end"): Row(),
    ("POST", _C + "/conversation/reopen"): Row(),
    ("POST", _P + "/admit"): Row(),
    ("POST", _P + "/hold"): Row(),
    ("POST", _P + "/refuse"): Row(),
    ("POST", _C + "/guests"): Row(form={"role": "interpreter", "name": "Inés Paz"}),
    ("POST", _C + "/messages"): Row(form=MESSAGE),
    ("POST", _C + "/note"): Row(form={"base_revision": "0", "findings": "Nada"}),
    ("GET", "/codes"): Row(query="?q=tos"),
    ("GET", "/history"): Row(),
    ("POST", "/history"): Row(form={"q": "V-12345678"}),
    ("GET", _C + "/record"): Row(status="finished"),
    ("POST", _C + "/deliveries/{target}/retry"): Row(status="finished"),
    ("GET", _V): Row(),
    ("GET", _V + "/now"): Row(),
    ("GET", _V + "/line/down"): Row(query="?bytes=100"),
    ("POST", _V + "/line/up"): Row(204),
    ("POST", _C + "/attachments"): Row(400),
    ("POST", _C + "/attachments/uploads"): Row(json=VOICE),
    ("POST", _C + "/attachments/uploads/{upload}/{part}"): Row(404, query="?start=0"),
    ("GET", _C + "/attachments/{attachment}/{part}"): Row(404),
    ("POST", _V + "/attachments"): Row(400),
    ("POST", _V + "/attachments/uploads"): Row(json=VOICE),
    ("POST", _V + "/attachments/uploads/{upload}/{part}"): Row(404, query="?start=0"),
    ("GET", _V + "/attachments/{attachment}/{part}"): Row(404),
    ("POST", _V + "/consent"): Row(422),
    ("POST", _V + "/media"): Row(form={"media": "audio"}),
    ("POST", _V + "/arrive"): Row(),
    ("POST", _V + "/messages"): Row(form=MESSAGE),
    ("POST", _V + "/ticket"): Row(),
    ("GET", _V + "/summary"): Row(status="finished"),
    ("GET", "/api/v1/openapi.json"): Row(),
    ("GET", "/api/v1/doctors"): Row(),
    ("POST", "/api/v1/consults"): Row(201, json={**NEW, "doctor": "{doctor}", "scheduled_at": "{moment}"}),
    ("GET", "/api/v1/consults"): Row(query="?day=2026-11-21"),
    ("GET", _API): Row(),
    ("GET", _API + "/record"): Row(status="finished"),
    ("POST", _API + "/reschedule"): Row(status="arrived", json={"scheduled_at": "{moment}"}),
    ("POST", _API + "/cancel"): Row(status="arrived"),
    ("POST", _API + "/links"): Row(201),
    ("DELETE", _API + "/links"): Row(204),
}
PUBLIC = {
    ("GET", "/"),
    ("GET", "/health"),
    ("GET", "/i/{token}"),
    ("POST", "/i/{token}"),
    ("GET", "/consent/{locale}/{version}"),
    ("GET", "/login"),
    ("POST", "/login"),
    ("GET", "/api/v1/openapi.json"),
}
REPEATED = {("POST", _API + "/cancel"): "cancelled"}  # doing it again is answered as the first time
OPEN = 0  # the route's own answer


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as running:
        yield running


def test_every_route_and_every_act_has_its_row(tmp_path: Path) -> None:
    served = {(route.method, route.path) for route in routes()}
    assert served == set(ROWS)
    assert {(route.method, route.path) for route in routes() if isinstance(route.guard, Public)} == PUBLIC
    asked = {route.guard.act for route in routes() if not isinstance(route.guard, Public)}
    said = {message.act for message in CLIENT_TYPES.values()}
    assert asked | said <= set(RULES)
    assert set(RULES) - asked - said <= ASKED_BY_USE_CASES | {"record.fetch"}


async def test_nothing_is_served_beside_the_table(here: Stage) -> None:
    served = {
        (route.method, route.resource.canonical)
        for route in here.service.web.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    assert served == set(ROWS) | {("GET", "/static/{name}"), ("GET", "/ws")}


def targets(route: Route, scene: Scene) -> Iterator[str]:
    """Whose participant id goes into the path: for pages of a seat, everybody's."""
    if isinstance(route.guard, OfSeat):
        yield from (scene.people[name].id for name in ("patient", "waiting", "admitted", "revoked"))
    else:
        yield scene.people["waiting"].id


def path_of(route: Route, scene: Scene, here: Stage, person: str, **changes: str) -> str:
    wordings = here.ctx.wordings
    values = {
        "consult": scene.consult_id,
        "participant": person,
        "target": TARGET,
        "token": scene.link,
        "attachment": "att_0000000000000000",
        "upload": "upl_0123456789abcdef",
        "part": "full",
        "locale": "es",
        "version": wordings.current_version("es"),
    }
    return route.path.format(**values | changes) + ROWS[route.method, route.path].query


def body_of(route: Route, scene: Scene, here: Stage) -> dict[str, Any]:
    row, at = ROWS[route.method, route.path], here.ctx.clock.now() + 86_400
    words = {"{day}": to_iso(at)[:10], "{moment}": to_iso(at), "{doctor}": scene.doctor_id}
    if row.json is not None:
        return {"json": {name: words.get(str(value), value) for name, value in row.json.items()}}
    return {"data": {name: words.get(value, value) for name, value in row.form.items()}} if row.form else {}


def expected(route: Route, caller: Caller, scene: Scene, participant: str) -> int:
    """The refusal that the table and ownership want, or OPEN."""
    guard = route.guard
    if isinstance(guard, Public):
        return OPEN
    kind = {Staff: "staff", OfConsult: "staff", OfSeat: "seat", Integration: "key"}[type(guard)]
    if caller.kind != kind or not caller.valid or caller.role is None:
        return 401
    if isinstance(guard, OfSeat) and caller.id != participant:
        return 401
    if isinstance(guard, OfConsult) and caller.role == Role.DOCTOR and caller.id != scene.doctor_id:
        return 404
    if caller.role not in RULES[guard.act].roles:
        return 403
    status = scene.status if "{" in route.path else None
    if getattr(guard, "any_status", False):
        status = None
    admission = scene.admissions.get(caller.id, "admitted")
    is_open = allowed(guard.act, caller.role, status=status, admission=admission)
    return OPEN if is_open or REPEATED.get((route.method, route.path)) == status else 409


def check_headers(answer: Answer, path: str) -> None:
    policy = answer.headers.get("Content-Security-Policy", "")
    assert "default-src 'none'" in policy, path
    assert "unsafe" not in policy, path
    assert "frame-ancestors 'none'" in policy, path
    assert "geolocation=()" in answer.headers.get("Permissions-Policy", ""), path
    assert answer.headers.get("Referrer-Policy") == "no-referrer", path
    assert answer.headers.get("X-Content-Type-Options") == "nosniff", path
    assert "max-age" in answer.headers.get("Strict-Transport-Security", ""), path
    assert "no-store" in answer.headers.get("Cache-Control", ""), path
    for cookie in answer.headers.getall("Set-Cookie", []):  # type: ignore[attr-defined]
        assert "Max-Age=0" in cookie or {"HttpOnly", "Secure", "SameSite=Lax"} <= set(cookie.split("; ")), path


@pytest.mark.parametrize("status", STATUSES)
async def test_who_may_not_is_refused_and_nothing_changes(here: Stage, status: str) -> None:
    scene = await here.scene(status)
    before = await here.rows()
    asked = 0
    for route in routes():
        for participant in targets(route, scene):
            for caller in scene.people.values():
                wanted = expected(route, caller, scene, participant)
                if wanted == OPEN or (route.method == "POST" and route.path == "/login"):
                    continue
                path = path_of(route, scene, here, participant)
                answer = await here.ask(route.method, path, caller, **body_of(route, scene, here))
                assert answer.status == wanted, (route.method, route.path, caller.name, answer.status, answer.body)
                check_headers(answer, path)
                asked += 1
    assert await here.rows() == before
    assert asked > 400


async def test_who_may_gets_the_routes_own_answer(here: Stage) -> None:
    scenes = {status: await here.scene(status) for status in STATUSES}
    for route in routes():
        row = ROWS[route.method, route.path]
        for number in range(len(list(targets(route, scenes[row.status])))):
            for name in scenes[row.status].people if not isinstance(route.guard, Public) else ("nobody",):
                scene = scenes[row.status]
                participant = list(targets(route, scene))[number]
                if expected(route, scene.people[name], scene, participant) != OPEN:
                    continue
                path = path_of(route, scene, here, participant)
                answer = await here.ask(route.method, path, scene.people[name], **body_of(route, scene, here))
                assert answer.status == row.answers, (route.method, route.path, name, answer.status, answer.body[:300])
                check_headers(answer, path)
                if route.method in UNSAFE:  # the next one finds it as it was
                    scenes[row.status] = await here.scene(row.status)


async def test_a_consult_that_exists_and_one_that_does_not_look_the_same(here: Stage) -> None:
    scene = await here.scene("in-progress")
    people = scene.people
    for route in routes():
        if "{consult}" not in route.path and "{participant}" not in route.path:
            continue
        callers = ["nobody", "doctor B", "patient of another", "revoked", "signed out", "key receiver"]
        for caller in (people[name] for name in callers):
            if expected(route, caller, scene, people["waiting"].id) in (OPEN, 409):
                continue
            answers = [
                await here.ask(
                    route.method,
                    path_of(route, scene, here, people["waiting"].id, **changes),
                    caller,
                    **body_of(route, scene, here),
                )
                for changes in ({}, NOWHERE)
            ]
            assert len({(a.status, a.body) for a in answers}) == 1, (route.method, route.path, caller.name, answers)


async def test_a_participant_of_another_consult_is_none(here: Stage) -> None:
    mine, other = await here.scene("in-progress"), await here.scene("in-progress")
    before = await here.rows()
    for route in routes():
        if "{consult}" not in route.path or "{participant}" not in route.path:
            continue
        for name in ("doctor A", "admin"):
            if expected(route, mine.people[name], mine, "") != OPEN:
                continue
            path = path_of(route, mine, here, other.people["waiting"].id)
            answer = await here.ask(route.method, path, mine.people[name])
            assert answer.status == 404, (route.path, name)
    assert await here.rows() == before


FOREIGN = (
    {"Origin": "https://otro.example"},
    {"Origin": ORIGIN.replace("https", "http")},
    {"Origin": ORIGIN + ".otro.example"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
)


async def test_a_forged_form_is_refused_everywhere(here: Stage) -> None:
    """Without the session's token, with another's, or from another site."""
    for route in routes():
        if route.method not in UNSAFE or isinstance(route.guard, Integration):
            continue
        scene = await here.scene(ROWS[route.method, route.path].status)
        caller = scene.people["doctor A" if isinstance(route.guard, Staff | OfConsult) else "patient"]
        path = path_of(route, scene, here, scene.patient if caller.kind == "seat" else scene.people["waiting"].id)
        body, before = body_of(route, scene, here), await here.rows()
        sent: list[dict[str, str]] = list(FOREIGN)
        if not isinstance(route.guard, Public):
            other = scene.people["doctor B" if caller.kind == "staff" else "waiting"].csrf
            sent += [{"X-CSRF-Token": token} for token in ("", "x", other, "\udcff")]
        for headers in sent:
            answer = await here.ask(route.method, path, caller, headers, **body)
            assert answer.status == 403, (route.path, headers, answer.status, answer.body)
            check_headers(answer, path)
        assert await here.rows() == before, route.path


async def test_a_form_of_our_own_page_is_taken(here: Stage) -> None:
    """What browsers say of it, with the token in a field: the counterpart of the test before."""
    for headers in ({"Origin": ORIGIN}, {"Origin": "null", "Sec-Fetch-Site": "same-origin"}):
        scene = await here.scene("in-progress")
        doctor = scene.people["doctor A"]
        sent = {**headers, "X-CSRF-Token": ""}
        path = f"/consults/{scene.consult_id}/conversation/end"
        assert (await here.ask("POST", path, doctor, sent, data={"csrf": doctor.csrf})).status == 200
        assert (await here.ask("POST", f"/i/{scene.link}", None, headers)).status == 303


async def test_looking_at_a_link_changes_nothing(here: Stage) -> None:
    scene = await here.scene("planned")
    before = await here.rows()
    for agent in ("WhatsApp/2.23", "facebookexternalhit/1.1", "TelegramBot (like TwitterBot)", "Slackbot 1.0"):
        for method in ("GET", "HEAD"):
            answer = await here.ask(method, f"/i/{scene.link}", None, {"User-Agent": agent})
            assert "Set-Cookie" not in answer.headers
    assert await here.rows() == before
    assert (await here.ask("POST", f"/i/{scene.link}")).status == 303


async def test_a_link_opens_only_its_own_seat(here: Stage) -> None:
    """The cookie is scoped to the seat's pages, new each time, and a planted one is never taken over."""
    scene = await here.scene("planned")
    planted = {"Cookie": "candil_v=planted"}
    cookies = [(await here.ask("POST", f"/i/{scene.link}", None, planted)).headers["Set-Cookie"] for _ in range(2)]
    assert cookies[0] != cookies[1]
    for cookie in cookies:
        assert "planted" not in cookie
        assert f"Path=/v/{scene.patient};" in cookie + ";"
        assert "Domain" not in cookie


@pytest.mark.parametrize("origin", [None, "https://otro.example", "null", "http://consulta.example"])
async def test_the_socket_is_for_our_own_pages(here: Stage, origin: str | None) -> None:
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    answer = await here.ask("GET", "/ws", None, upgrade | ({"Origin": origin} if origin else {}))
    assert answer.status == 403
    check_headers(answer, "/ws")


async def test_tickets_open_the_socket_for_who_asked(here: Stage) -> None:
    """Each kind of ticket from its route, and none after its session has ended."""
    scene = await here.scene("in-progress")
    people = scene.people
    paths = {
        "doctor A": f"/consults/{scene.consult_id}/ticket",
        "front desk": "/board/ticket",
        "admitted": f"/v/{people['admitted'].id}/ticket",
    }
    for name, path in paths.items():
        ticket = await here.ticket(people[name], path)
        said, participant = await here.greet(ticket)
        assert said == "welcome", name
        assert (participant in scene.admissions) is ("board" not in path), name
    ticket = await here.ticket(people["doctor A"], paths["doctor A"])
    await here.ask("POST", "/logout", people["doctor A"])
    assert await here.greet(ticket) == ("bye", "session_ended")


async def test_one_address_cannot_take_every_place_at_the_socket(here: Stage) -> None:
    """Sockets that say nothing: one address is told to come later, another one gets in."""
    scene = await here.scene("in-progress")
    ticket = await here.ticket(scene.people["doctor A"], "/board/ticket")
    crowd = {"X-Forwarded-For": "203.0.113.7"}
    silent = []
    for _ in range(MAX_UNIDENTIFIED_OF_ADDRESS):
        silent.append(await here.http.ws_connect(here.url + "/ws", origin=ORIGIN, headers=crowd))
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await here.http.ws_connect(here.url + "/ws", origin=ORIGIN, headers=crowd)
    assert refused.value.status == 503
    assert (await here.greet(ticket))[0] == "welcome"
    for page in silent:
        await page.close()

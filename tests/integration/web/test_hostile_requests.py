"""Whatever somebody sends, known or not, the answer is ours: never a failure, never a second answer for nothing."""

import asyncio
import string
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.access import Caller, Scene, Stage, stage
from webapp.guards import Integration, OfSeat, Public, Route
from webapp.routes import MAX_BODY_BYTES, routes

FORM = "application/x-www-form-urlencoded"
BROKEN: list[tuple[str, bytes]] = [
    (FORM, b"body=\xff\xfe%ff%00&client_id=%00&client_seq=1"),
    (FORM + "; charset=nonsense", b"body=hola"),
    (FORM + "; charset=utf-16", b"b\x00o"),
    (FORM + "; charset=raw_unicode_escape", b"body=\\ud800&name=\\ud800&login=\\ud800&q=\\ud800&client_id=\\ud800"),
    (FORM, b"&".join(b"field%d=x" % n for n in range(3000))),
    (FORM, b"client_id=a&client_seq=99999999999999999999&body=hola"),
    (FORM, b"client_id=a&client_seq=-1&body=hola"),
    (FORM, b"client_id=" + b"a" * 64 + b"&client_seq=1&body=hola"),
    (FORM, b"form_id=frm_0123456789abcdef&body=" + b"%00"),
    (FORM, b"note_revision=" + b"9" * 5000 + b"&base_revision=" + b"9" * 5000),
    (FORM, "base_revision=²&note_revision=²".encode()),
    (FORM, b"base_revision=0&settle=use:99999999999999999999999"),
    (FORM, b"date=0001-01-01&time=00:00&duration_min=20&identifier=V-1234567&identifier_kind=cedula&name=Ana+Paz"),
    (FORM, b"date=9999-12-31&time=23:59&duration_min=999&form_id=frm_0123456789abcdef"),
    ("multipart/form-data", b"--x\r\n\r\n"),
    ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name=csrf\r\n\r\n1"),
    ("multipart/form-data; boundary=x", b"--y\r\n"),
    (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="body"; filename="a"\r\n\r\nb\r\n--x--\r\n',
    ),
    (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="q"\r\nContent-Transfer-Encoding: nonsense\r\n\r\nb\r\n--x--\r\n',
    ),
    ("multipart/form-data; boundary=" + "x" * 300, b""),
    ("application/json", b"[" * 50_000),
    ("application/json", b'{"body":' * 5_000),
    ("application/json", b'{"body": "a\\u0000b", "client_id": "a", "client_seq": 1e400}'),
    ("application/json", b'{"body": "\\ud800", "client_id": "a", "client_seq": 1}'),
    ("application/json", b'{"scheduled_at": "0001-01-01T00:00:00+14:00"}'),
    ("application/json", b'{"scheduled_at": "9999-12-31T23:59:59-14:00"}'),
    ("application/json", b'{"scheduled_at": 1e308, "doctor": "\\u0000"}'),
    ("application/json", b"\xff\xfe\x00"),
    ("application/json", b"null"),
    ("application/json; charset=nonsense", b"{}"),
    ("text/plain", b"hola"),
    ("nonsense", b"\x00"),
    ("", b"x"),
]
QUERIES = [
    "day=0001-01-01",
    "day=9999-12-31",
    "day=2026-02-30",
    "day=%D9%A1%D9%A2%D9%A3%D9%A4-01-01",
    "before=nan",
    "before=inf",
    "before=1e400",
    "before=-" + "9" * 400,
    "after=" + "9" * 5000,
    "after=%C2%B2",
    "bytes=%C2%B2",
    "bytes=" + "9" * 5000,
    "bytes=-1",
    "lang=%00&step=%00&doctor=%00&q=%00%00",
    "lang=es&lang=en&step=choose&step=check",
    "q=" + "%25" * 100,
    "q=%ff%fe",
    "%00",
    "write&error=1",
]
ODD_WORDS = [
    "%00",
    "%FF",
    "%ED%A0%80",
    "..",
    "%2e%2e",
    "%2F",
    "con_",
    "a" * 3000,
    "%0D%0ASet-Cookie:x=1",
    "'",
    "ñ",
    "1'--",
]


@pytest.fixture(scope="module")
def here() -> Iterator[tuple[asyncio.Runner, Stage, Scene]]:
    """One process for all examples, on a loop that the examples drive."""
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        stack = AsyncExitStack()
        running = runner.run(stack.enter_async_context(stage(Path(folder))))
        yield runner, running, runner.run(running.scene("in-progress"))
        runner.run(stack.aclose())


def may(route: Route, scene: Scene) -> Caller:
    """Somebody whom the route lets in, so that what was sent is looked at."""
    if isinstance(route.guard, Public):
        return scene.people["nobody"]
    if isinstance(route.guard, Integration):
        return scene.people["key receiver" if route.guard.act == "record.fetch" else "key integration"]
    return scene.people["patient" if isinstance(route.guard, OfSeat) else "doctor A"]


def names(route: Route) -> list[str]:
    """The variable parts of a route's path."""
    return [name for _, name, _, _ in string.Formatter().parse(route.path) if name]


def filled(route: Route, scene: Scene) -> str:
    values = {"consult": scene.consult_id, "participant": scene.patient, "token": scene.link, "target": "x"}
    return route.path.format(**values, locale="es", version="1", upload="x", attachment="x", part="full", size="full")


async def ask(here: Stage, route: Route, path: str, caller: Caller, headers: dict[str, str], body: Any) -> None:
    here.forget_counts()
    try:
        answer = await here.ask(route.method, path, caller, headers, data=body)
    except aiohttp.ClientConnectionError:
        return  # the rest of a body too long was not waited for
    said = (route.method, path[:200], headers, answer.status, answer.body[:300])
    assert answer.status < 500, said
    if answer.status != 400 or "code" in answer.body:  # what is no HTTP at all does not reach the application
        assert answer.headers.get("X-Content-Type-Options") == "nosniff", said


CHANGING = [route for route in routes() if route.method != "GET" and route.path != "/logout"]


@pytest.mark.parametrize(("kind", "body"), BROKEN, ids=range(len(BROKEN)))
def test_a_broken_body_is_no_failure(here: tuple[asyncio.Runner, Stage, Scene], kind: str, body: bytes) -> None:
    runner, running, scene = here
    for route in CHANGING:
        runner.run(ask(running, route, filled(route, scene), may(route, scene), {"Content-Type": kind}, body))


def test_a_body_too_long_is_refused(here: tuple[asyncio.Runner, Stage, Scene]) -> None:
    runner, running, scene = here
    for route in CHANGING:
        for kind in (FORM, "application/json"):
            body = b"body=" + b"a" * MAX_BODY_BYTES
            path, caller = filled(route, scene), may(route, scene)
            answer = runner.run(running.ask(route.method, path, caller, {"Content-Type": kind}, data=body))
            assert answer.status < 500, (route.path, answer.status)
    scene = runner.run(running.scene("in-progress"))
    path = f"/v/{scene.patient}/messages"
    answer = runner.run(running.ask("POST", path, scene.people["patient"], data={"body": "a" * MAX_BODY_BYTES}))
    assert answer.status == 413


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_an_absurd_query_is_no_failure(here: tuple[asyncio.Runner, Stage, Scene], query: str) -> None:
    runner, running, scene = here
    scene = runner.run(running.scene("in-progress"))
    for route in routes():
        if route.method == "GET":
            runner.run(ask(running, route, f"{filled(route, scene)}?{query}", may(route, scene), {}, None))


@pytest.mark.parametrize("word", ODD_WORDS)
def test_an_odd_path_is_no_failure(here: tuple[asyncio.Runner, Stage, Scene], word: str) -> None:
    runner, running, scene = here
    for route in routes():
        if "{" in route.path and route.path != "/logout":
            values = dict.fromkeys(names(route), word)
            runner.run(ask(running, route, route.path.format(**values), may(route, scene), {}, None))


@pytest.mark.parametrize(
    "headers",
    [
        {"Cookie": "candil_s=\udcff"},
        {"Cookie": "candil_v=\udcff"},
        {"Authorization": "Bearer \udcff"},
        {"Authorization": "Bearer " + "a" * 5000},
        {"Authorization": "Basic YTpi"},
        {"X-CSRF-Token": "\udcff"},
        {"Accept-Language": "\udcff;q=x,,;;, *, es_*-@"},
        {"Accept": "text/html, \udcff"},
        {"Origin": "\udcff"},
        {"Content-Encoding": "gzip"},
        {"Range": "bytes=0-"},
    ],
    ids=str,
)
def test_broken_headers_are_no_failure(here: tuple[asyncio.Runner, Stage, Scene], headers: dict[str, str]) -> None:
    runner, running, scene = here
    for route in routes():
        if route.path == "/logout":
            continue
        body = b"csrf=x" if route.method != "GET" else None
        runner.run(ask(running, route, filled(route, scene), may(route, scene), headers, body))


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("GET", "/board"),
        ("GET", "/api/v1/doctors"),
        ("GET", "/v/par_0000000000000000"),
        ("POST", "/login"),
    ],
)
@pytest.mark.parametrize("header", ["Cookie: candil_s=", "Cookie: candil_v=", "Authorization: Bearer ", "Origin: "])
def test_bytes_in_headers_are_no_failure(
    here: tuple[asyncio.Runner, Stage, Scene], line: str, path: str, header: str
) -> None:
    """Bytes that are no UTF-8, which an HTTP client of ours would not send."""
    runner, running, _ = here
    head = f"{line} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n{header}"

    async def once() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(running.url.rsplit(":", 1)[1]))
        writer.write(head.encode() + b"\xff\xfe\r\n\r\n")
        answer = await reader.read()
        writer.close()
        return answer

    assert runner.run(once()).split(b" ")[1] in (b"401", b"403")


TEXT = st.text(max_size=30)
FIELDS = ["body", "client_id", "client_seq", "name", "role", "media", "q", "date", "time", "base_revision", "settle"]
FIELDS += ["note_revision", "identifier", "identifier_kind", "phone", "duration_min", "doctor", "form_id", "answer"]
FIELDS += ["wording", "relation", "representative", "findings", "diagnosis.code", "next_action.date", "external_id"]


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    route=st.sampled_from([route for route in routes() if route.path not in ("/logout", "/login")]),
    form=st.dictionaries(st.sampled_from(FIELDS), TEXT, max_size=8),
    query=st.dictionaries(st.sampled_from(["day", "doctor", "before", "after", "bytes", "q", "lang", "step"]), TEXT),
    words=st.lists(TEXT, min_size=3, max_size=3),
    odd_path=st.booleans(),
    as_json=st.booleans(),
)
def test_nothing_that_is_sent_is_a_failure(
    here: tuple[asyncio.Runner, Stage, Scene],
    route: Route,
    form: dict[str, str],
    query: dict[str, str],
    words: list[str],
    odd_path: bool,
    as_json: bool,
) -> None:
    runner, running, scene = here
    path = filled(route, scene)
    if odd_path:
        path = route.path.format(**{name: quote(words[n % 3], safe="") for n, name in enumerate(names(route))})
    path += "?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
    sent: dict[str, Any] = {"json": form} if as_json else {"data": form}

    async def once() -> None:
        running.forget_counts()
        answer = await running.ask(route.method, path, may(route, scene), **(sent if route.method != "GET" else {}))
        assert answer.status < 500, (route.method, path, sent, answer.status, answer.body[:300])

    runner.run(once())

"""Every message in every state by everybody, and time."""

import itertools
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from candil.consults.permissions import RULES, Actor, Role, allowed
from candil.errors import NotAllowed, NotAuthenticated
from signaling import messages as m
from signaling.access import Identity
from signaling.commands import COMMANDS
from signaling.session import (
    HELLO_DEADLINE_S,
    IDLE_S,
    MAX_REFUSED_IN_A_ROW,
    RESUME_RENEWED_S,
    Close,
    Do,
    Identify,
    Opened,
    Rejected,
    Replaced,
    Restarting,
    Send,
    SignalingSession,
    Standing,
)
from signaling.tickets import Ticket

NOW = 1_800_000_000.0
SAMPLES: dict[str, dict[str, Any]] = {
    "hello": {"versions": [1], "ticket": "t", "client_id": "c"},
    "ping": {"at": 1.0},
    "message.send": {"client_id": "c", "client_seq": 1, "body": "hola"},
    "message.seen": {"delivered": 1, "read": 1},
    "note.write": {"client_id": "c", "client_seq": 1, "base_revision": 0, "field": "reason", "value": "x"},
    "participant.admit": {"participant": "par_1"},
    "participant.hold": {"participant": "par_1"},
    "participant.refuse": {"participant": "par_1"},
    "conversation.end": {},
    "conversation.reopen": {},
    "media.join": {"audio": True, "video": True},
    "media.answer": {"session": "med_1", "sdp": "v=0"},
    "media.receive": {"session": "med_1", "audio": True, "video": True},
    "media.leave": {"session": "med_1"},
    "media.devices": {"microphone": True, "camera": True},
    "media.limit": {"session": "med_1", "down": "video", "up": "audio", "reason": "chosen"},
    "photo.request": {"participant": "par_1"},
    "photo.answer": {"request": "pho_1", "accepted": True},
    "media.report": {"session": "med_1", "outgoing_bps": 120_000.5, "concealed": 0.01},
}
# Which row of the one table each message asks: a new message without a line here fails.
ACTS = {
    "hello": "session.open",
    "ping": "session.open",
    "message.send": "message.send",
    "message.seen": "message.seen",
    "note.write": "note.write",
    "participant.admit": "participant.admit",
    "participant.hold": "participant.hold",
    "participant.refuse": "participant.refuse",
    "conversation.end": "conversation.end",
    "conversation.reopen": "conversation.reopen",
    "media.join": "room.join",
    "media.answer": "room.join",
    "media.receive": "room.join",
    "media.leave": "room.leave",
    "media.devices": "room.join",
    "media.limit": "room.join",
    "media.report": "room.join",
    "photo.request": "photo.request",
    "photo.answer": "photo.answer",
}
LIVE = ("media", "photo")  # nothing of these is durable
ROLES = [Role.PATIENT, Role.COMPANION, Role.INTERPRETER, Role.SECOND_DOCTOR, Role.DOCTOR]
ADMISSIONS = ["invited", "waiting", "admitted", "refused"]
STATUSES = ["planned", "arrived", "in-progress", "finished", "cancelled"]


def text(kind: str, **changes: Any) -> bytes:
    return json.dumps({"type": kind, **SAMPLES[kind], **changes}).encode()


def identity(role: Role, *, board: bool = False) -> Identity:
    actor = Actor("stf_1" if role == Role.DOCTOR else "par_1", role, "clinica", "" if board else "par_1")
    kind: Any = "board" if board else "consult"
    return Identity(Ticket(kind, "par_1", "h"), actor, "" if board else "con_1", "stf_1")


def resume(now: float) -> str:
    return f"resume {now - NOW:.0f}"


def opened(role: Role, standing: Standing | None, *, board: bool = False) -> SignalingSession:
    session = SignalingSession(NOW)
    session.receive(text("hello"), NOW)
    session.handle(Opened(identity(role, board=board), standing, "epo_1", resume), NOW)
    session.drain_effects()
    return session


def test_the_samples_are_every_message_and_all_have_a_row() -> None:
    assert set(SAMPLES) == set(ACTS) == set(m.CLIENT_TYPES)
    for kind, cls in m.CLIENT_TYPES.items():
        assert cls.act == ACTS[kind]
        assert cls.act in RULES
    durable = {m.CLIENT_TYPES[kind] for kind in SAMPLES if kind not in ("hello", "ping") and kind[:5] not in LIVE}
    assert set(COMMANDS) == durable


@pytest.mark.parametrize("role", ROLES)
def test_the_matrix_of_an_open_session(role: Role) -> None:
    """message x admission x status: done exactly when the one table allows it."""
    for kind, admission, status, ended in itertools.product(SAMPLES, ADMISSIONS, STATUSES, (False, True)):
        if kind in ("hello", "ping"):
            continue
        session = opened(role, Standing(admission, status, ended))
        session.receive(text(kind), NOW)
        effects = session.drain_effects()
        may = allowed(ACTS[kind], role, status=status, admission=admission)
        may = may and not (kind == "media.join" and ended)
        case = (kind, admission, status, ended)
        assert len(effects) == 1, case
        if may:
            assert isinstance(effects[0], Do), case
        else:
            assert isinstance(effects[0], Send), case
            error = effects[0].message
            assert isinstance(error, m.Error), case
            assert error.code == ("not_allowed" if role not in RULES[ACTS[kind]].roles else "not_now"), case
        assert session.state == "open"


@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_before_admission_no_message_of_media_is_done(kind: str) -> None:
    for role, admission in itertools.product(ROLES[:-1], ["invited", "waiting", "refused"]):
        session = opened(role, Standing(admission, "in-progress", False))
        session.receive(text(kind), NOW)
        done = [e.message for e in session.drain_effects() if isinstance(e, Do)]
        assert not any(isinstance(message, m.MediaJoin | m.MediaAnswer | m.MediaReceive) for message in done)


@pytest.mark.parametrize("kind", sorted(set(SAMPLES) - {"hello"}))
@pytest.mark.parametrize("state", ["new", "opening"])
def test_nothing_is_done_before_somebody_is_known(kind: str, state: str) -> None:
    session = SignalingSession(NOW)
    if state == "opening":
        session.receive(text("hello"), NOW)
        session.drain_effects()
    session.receive(text(kind), NOW)
    assert session.drain_effects() == [Send(m.Bye("malformed", retry=False)), Close(4400)]
    assert session.state == "closed"


@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_a_closed_session_hears_and_says_nothing(kind: str) -> None:
    session = opened(Role.DOCTOR, Standing("admitted", "in-progress", False))
    session.handle(Restarting(), NOW)
    session.drain_effects()
    session.receive(text(kind), NOW)
    session.handle(Replaced(), NOW)
    session.handle_timer(NOW + 1e6)
    assert session.drain_effects() == []
    assert session.next_deadline() is None


@pytest.mark.parametrize("kind", sorted(set(SAMPLES) - {"hello", "ping"}))
@pytest.mark.parametrize("role", [Role.DOCTOR, Role.FRONT_DESK, Role.ADMIN])
def test_a_board_takes_no_messages(kind: str, role: Role) -> None:
    session = opened(role, None, board=True)
    session.receive(text(kind), NOW)
    (effect,) = session.drain_effects()
    assert isinstance(effect, Send)
    assert isinstance(effect.message, m.Error)
    assert effect.message.code == "not_allowed"


def test_hello_ping_and_a_second_hello() -> None:
    session = SignalingSession(NOW)
    session.receive(text("hello"), NOW)
    (effect,) = session.drain_effects()
    assert isinstance(effect, Identify)
    session.handle(Opened(identity(Role.PATIENT), Standing("waiting", "arrived", False), "epo_1", resume), NOW)
    assert session.drain_effects() == [Send(m.Welcome(1, "epo_1", NOW, 15, "par_1", "patient", resume(NOW)))]
    session.receive(text("ping", at=4.5), NOW)
    assert session.drain_effects() == [Send(m.Pong(4.5))]
    session.receive(text("hello"), NOW)
    assert Close(4400) in session.drain_effects()


def test_the_resume_ticket_is_made_anew_while_the_page_is_heard_whatever_the_clock_does() -> None:
    session = opened(Role.PATIENT, Standing("waiting", "arrived", False))

    def ponged(after_s: float) -> m.Outgoing:
        session.receive(text("ping", at=1.0), NOW + after_s)
        (effect,) = session.drain_effects()
        assert isinstance(effect, Send)
        return effect.message

    assert m.encode(ponged(RESUME_RENEWED_S - 1)) == '{"type":"pong","at":1.0}'
    assert ponged(RESUME_RENEWED_S) == m.Pong(1.0, "resume 300")
    assert ponged(RESUME_RENEWED_S + 15) == m.Pong(1.0)
    assert ponged(-7200) == m.Pong(1.0, "resume -7200")
    assert ponged(86_400) == m.Pong(1.0, "resume 86400")


def test_a_version_we_do_not_speak() -> None:
    session = SignalingSession(NOW)
    session.receive(text("hello", versions=[2, 3]), NOW)
    assert session.drain_effects()[0] == Send(m.Bye("version", retry=False, versions=(1,)))


@pytest.mark.parametrize(("error", "code"), [(NotAuthenticated("no_ticket"), 4401), (NotAllowed("not_allowed"), 4403)])
def test_who_is_not_let_in(error: Any, code: int) -> None:
    session = SignalingSession(NOW)
    session.receive(text("hello"), NOW)
    session.drain_effects()
    session.handle(Rejected(error), NOW)
    assert session.drain_effects() == [Send(m.Bye(error.code, retry=False)), Close(code)]


def test_deadlines_of_hello_and_silence() -> None:
    session = SignalingSession(NOW)
    session.handle_timer(NOW + HELLO_DEADLINE_S - 0.01)
    assert session.drain_effects() == []
    session.handle_timer(NOW + HELLO_DEADLINE_S)
    assert Close(4408) in session.drain_effects()
    session = opened(Role.PATIENT, Standing("waiting", "arrived", False))
    session.receive(text("ping"), NOW + 40)
    session.drain_effects()
    session.handle_timer(NOW + IDLE_S + 1)
    assert session.state == "open"
    session.handle_timer(NOW + 40 + IDLE_S)
    assert session.drain_effects() == [Send(m.Bye("idle", retry=True)), Close(4408)]


def test_too_many_messages_are_answered_so_then_closed_and_a_pause_helps() -> None:
    session = opened(Role.PATIENT, Standing("waiting", "arrived", False))
    for n in range(199):  # hello was the first
        session.receive(text("message.send", client_seq=n), NOW)
    assert all(isinstance(e, Do) for e in session.drain_effects())
    session.receive(text("message.send", client_seq=200), NOW)
    (effect,) = session.drain_effects()
    assert isinstance(effect, Send)
    error = effect.message
    assert isinstance(error, m.Error)
    assert (error.code, error.ref, error.client_id) == ("too_many", 200, "c")
    assert error.retry_after_s is not None
    session.receive(text("message.send", client_seq=200), NOW + error.retry_after_s)
    assert isinstance(session.drain_effects()[0], Do)
    for _ in range(MAX_REFUSED_IN_A_ROW + 1):
        session.receive(text("ping"), NOW + error.retry_after_s)
    assert session.drain_effects()[-1] == Close(4429)


def test_bytes_are_limited_too() -> None:
    session = opened(Role.PATIENT, Standing("waiting", "arrived", False))
    body = "x" * 19_000
    for n in range(100):
        session.receive(text("message.send", client_seq=n, body=body), NOW)
    done = [e for e in session.drain_effects() if isinstance(e, Do)]
    assert 50 <= len(done) < 60, "about a mebibyte at once"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"{", 4400),
        (b"[]", 4400),
        (b'{"type":"ping","at":NaN}', 4400),
        (b"[" * 50_000, 4400),
        (b"\xff\xfe", 4400),
        (b'{"type":"ping","x":"' + b"x" * 65_536 + b'"}', 1009),
    ],
)
def test_what_is_no_message_closes(data: bytes, code: int) -> None:
    session = opened(Role.PATIENT, Standing("waiting", "arrived", False))
    session.receive(data, NOW)
    assert session.drain_effects()[-1] == Close(code)


@pytest.mark.parametrize(
    ("data", "code", "ref"),
    [
        (b'{"type":"dance"}', "unknown_type", None),
        (b'{"type":"message.send","client_id":"c","client_seq":7}', "malformed", 7),
        (b'{"type":"message.send","client_id":"c","client_seq":7,"body":"a\\u0000"}', "malformed", 7),
        (b'{"type":"message.send","client_id":"c","client_seq":-7,"body":"a"}', "malformed", -7),
        (b'{"type":"media.answer","session":"s","sdp":""}', "malformed", None),
    ],
)
def test_a_wrong_message_is_answered_and_harms_nobody(data: bytes, code: str, ref: int | None) -> None:
    session = opened(Role.PATIENT, Standing("waiting", "arrived", False))
    session.receive(data, NOW)
    (effect,) = session.drain_effects()
    assert isinstance(effect, Send)
    assert isinstance(effect.message, m.Error)
    assert (effect.message.code, effect.message.ref) == (code, ref)
    assert session.state == "open"


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@given(st.sampled_from(sorted(SAMPLES)), st.dictionaries(st.text(max_size=12), _json, max_size=4), st.data())
def test_hostile_fields_never_raise(kind: str, extra: dict[str, Any], data: st.DataObject) -> None:
    fields = {**SAMPLES[kind], **extra}
    for name in SAMPLES[kind]:
        if data.draw(st.booleans()):
            fields[name] = data.draw(_json)
    raw = json.dumps({"type": kind, **fields}).encode()
    session = opened(Role.DOCTOR, Standing("admitted", "in-progress", False))
    session.receive(raw, NOW)
    for effect in session.drain_effects():
        if isinstance(effect, Send):
            m.encode(effect.message)
        elif isinstance(effect, Do):
            assert msgspec.convert(msgspec.to_builtins(effect.message), type(effect.message)) == effect.message


@given(st.binary(max_size=400))
def test_hostile_bytes_never_raise(raw: bytes) -> None:
    for session in (SignalingSession(NOW), opened(Role.PATIENT, Standing("waiting", "arrived", False))):
        session.receive(raw, NOW)
        assert all(isinstance(effect, Send | Close) for effect in session.drain_effects())

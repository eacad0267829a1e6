"""What each viewer is told, from any number on: a model check over random histories."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from candil.consults.gallery import Shown
from candil.store.consults import ConsultRow
from candil.store.notes import NoteOperationRow
from candil.store.participants import ParticipantRow
from candil.store.thread import MessageRow, TimelineRow
from signaling import messages as m
from signaling.facts import Facts, People, Presence, Since, presence_of
from signaling.replay import PAGE_BYTES, PAGE_ROWS, Follower, sync_pages
from signaling.state import state_for

NOW = 1_800_000_000.0
ROLES = {"par_p": "patient", "par_d": "doctor", "par_g": "companion"}


def facts_of(
    messages: list[MessageRow] | None = None,
    events: list[TimelineRow] | None = None,
    operations: list[NoteOperationRow] | None = None,
    since: Since | None = None,
    presence: dict[str, Presence] | None = None,
    position: int = 0,
    started_at: float | None = NOW,
    **admissions: str,
) -> Facts:
    since = since or Since()
    consult = ConsultRow(
        "con_1", "clinica", "stf_1", "in-progress", "s", "v", "n", "", 0, "", "es", NOW, 20, None, NOW,
        started_at=started_at, note_revision=len(operations or ()),
    )  # fmt: skip
    rows = tuple(
        ParticipantRow(
            pid,
            "con_1",
            role,
            pid,
            "stf_1" if role == "doctor" else None,
            admissions.get(pid, "admitted"),
            "video",
            NOW,
        )
        for pid, role in ROLES.items()
    )
    return Facts(
        People(consult, rows, position, 3),
        since,
        tuple(e for e in events or () if e.seq > since.event),
        tuple(x for x in messages or () if x.seq > since.message),
        tuple(o for o in operations or () if o.revision > since.revision),
        presence or {},
    )


def said(seq: int, sender: str, at: float = NOW + 1) -> MessageRow:
    return MessageRow("con_1", seq, sender, "c", seq, f"text {seq}", at)


def event(seq: int, kind: str = "participant.admitted", audience: str = "all", actor: str = "stf_1") -> TimelineRow:
    return TimelineRow("con_1", seq, kind, audience, actor, '{"participant":"par_p"}', NOW)


def follower(viewer: str, **hello: Any) -> Follower:
    return Follower(viewer, m.Hello(versions=[1], ticket="", client_id="c", **hello), "epo_1")


def told(answer: list[m.Outgoing]) -> list[int]:
    """Numbers of the chat messages in an answer."""
    rows = [row for one in answer if isinstance(one, m.Sync) for row in one.messages]
    return [row.seq for row in [*rows, *(one for one in answer if isinstance(one, m.Message))]]


def test_first_everything_then_only_what_is_new() -> None:
    follow = follower("par_p")
    history = [said(1, "par_d"), said(2, "par_p")]
    (sync,) = follow.advance(facts_of(history))
    assert isinstance(sync, m.Sync)
    assert [x.seq for x in sync.messages] == [1, 2]
    assert not sync.more
    history.append(said(3, "par_g"))
    facts = facts_of(history)
    assert follow.since(facts.people) == Since(0, 2, 0)
    assert told(follow.advance(facts)) == [3]
    assert follow.advance(facts) == [], "nothing new, nothing said"


def test_the_state_is_said_again_only_when_it_differs() -> None:
    follow = follower("par_p")
    follow.advance(facts_of())
    (state,) = follow.advance(facts_of(presence={"par_d": Presence(microphone=True)}))
    assert isinstance(state, m.State)
    seen = {p.id: (p.online, p.microphone) for p in state.participants}
    assert seen["par_d"] == (True, True)
    assert seen["par_p"] == (False, False)


def test_somebody_waiting_sees_the_doctor_and_themselves() -> None:
    history = [said(1, "par_p"), said(2, "par_d"), said(3, "par_g"), said(4, "par_d", at=NOW - 5)]
    events = [event(1), event(2, audience="staff"), event(3, "participant.arrived", actor="par_g")]
    for viewer, seen in (("par_g", [3, 4]), ("par_p", [1, 2, 4])):
        (sync,) = follower(viewer).advance(facts_of(history, events, **{viewer: "waiting"}))
        assert isinstance(sync, m.Sync)
        assert [x.seq for x in sync.messages] == seen
        assert {p.id for p in sync.state.participants} == {viewer, "par_d"}
        assert sync.note is None
    (sync,) = follower("par_g").advance(facts_of(history, events, par_g="waiting"))
    assert isinstance(sync, m.Sync)
    assert [e.kind for e in sync.events] == ["participant.arrived"]
    (sync,) = follower("par_g").advance(facts_of(history, events, par_g="refused"))
    assert isinstance(sync, m.Sync)
    assert sync.messages == ()


def test_a_message_carries_its_attachment_to_whom_it_is_for() -> None:
    photo = msgspec.structs.replace(said(1, "par_p"), body="", audience="doctor", attachment_id="att_1")
    voice = msgspec.structs.replace(said(2, "par_p"), body="", attachment_id="att_2")
    shown = {
        "att_1": Shown(
            "att_1", 1, "photo", "upl_1", "par_p", NOW, "receiving", (36, 27), (0, 0), 0, {"preview": 9}, False
        ),
        "att_2": Shown(
            "att_2", 2, "voice", "upl_2", "par_p", NOW, "kept", (0, 0), (0, 0), 7000, {"full": 8, "mp3": 9}, True
        ),
    }  # fmt: skip
    facts = msgspec.structs.replace(facts_of([photo, voice]), attachments=shown)
    for viewer, seen in (("par_d", ["att_1", "att_2"]), ("par_p", ["att_1", "att_2"]), ("par_g", ["att_2"])):
        (sync,) = follower(viewer).advance(facts)
        assert isinstance(sync, m.Sync)
        assert [x.attachment.id for x in sync.messages if x.attachment] == seen
    wire = msgspec.json.decode(m.encode(sync))["messages"]
    assert wire[0]["attachment"] == {
        "id": "att_2", "kind": "voice", "upload": "upl_2", "state": "kept", "bytes": 8, "size": [0, 0],
        "duration_ms": 7000, "heard": True,
    }  # fmt: skip
    (plain,) = follower("par_p").advance(facts_of([said(1, "par_d")]))
    assert "attachment" not in m.encode(plain)


def test_admission_sends_what_had_been_hidden_also_after_a_reconnect() -> None:
    history = [said(n, "par_p") for n in range(1, 6)]
    follow = follower("par_g")
    assert told(follow.advance(facts_of(history, par_g="waiting"))) == []
    facts = facts_of(history)
    assert follow.since(facts.people) == Since()
    assert told(follow.advance(facts)) == [1, 2, 3, 4, 5]
    again = follower("par_g", last_message=5, epoch="epo_1", visibility="waiting")
    assert told(again.advance(facts_of(history))) == [1, 2, 3, 4, 5]
    knows = follower("par_g", last_message=5, epoch="epo_1", visibility="room")
    assert told(knows.advance(facts_of(history, since=Since(0, 5)))) == []


def test_only_the_doctor_has_the_note_and_staff_events_and_nobody_sees_staff_ids() -> None:
    operations = [NoteOperationRow("con_1", 1, "c", 1, 0, "reason", "tos", "applied", "stf_1", NOW)]
    events = [event(1), event(2, "link.opened", "staff", "par_p"), event(3, "consult.rescheduled", actor="stf_9")]
    (for_doctor,) = follower("par_d").advance(facts_of([], events, operations))
    (for_patient,) = follower("par_p").advance(facts_of([], events, operations))
    assert isinstance(for_doctor, m.Sync)
    assert isinstance(for_patient, m.Sync)
    assert for_doctor.note == m.WholeNote(1, {"reason": m.NoteField("tos", 1)}, ())
    assert for_patient.note is None
    assert [(e.seq, e.actor) for e in for_doctor.events] == [(1, "par_d"), (2, "par_p"), (3, "clinic")]
    assert [e.seq for e in for_patient.events] == [1, 3]


def test_the_line_is_the_waiting_patients_alone() -> None:
    facts = facts_of(position=2, par_p="waiting", par_g="waiting")
    lines = {p.id: state_for(p, facts).line for p in facts.people.participants}
    assert lines == {"par_p": m.Line(2, 3), "par_d": None, "par_g": None}


def test_presence_of_several_pages_and_of_other_versions() -> None:
    members = {"par_d/a": '{"microphone":true,"camera":false}', "par_d/b": '{"camera":true}', "par_p/c": "junk"}
    assert presence_of(members) == {"par_d": Presence(True, True)}


@given(st.lists(st.integers(1, 6000), max_size=260))
def test_pages_are_bounded_and_lose_nothing(sizes: list[int]) -> None:
    rows = [m.Message(n, "par_p", "x" * size, NOW, "c", n) for n, size in enumerate(sizes, 1)]
    facts = facts_of()
    state = state_for(facts.people.participants[0], facts)
    pages = list(sync_pages(state, [], rows, None, "room"))
    assert [row for page in pages for row in page.messages] == rows
    assert [page.more for page in pages] == [True] * (len(pages) - 1) + [False]
    for page in pages:
        assert len(page.messages) <= PAGE_ROWS
        assert len(msgspec.json.encode(page.messages)) <= PAGE_BYTES + 6500


_acts = st.lists(st.sampled_from(["say", "admit", "hold", "drop", "look"]), max_size=40)


@given(_acts)
def test_a_page_ends_up_with_exactly_what_it_may_see(acts: list[str]) -> None:
    """A guest's page through any mix of admissions, drops and reconnects; the page keeps what it heard by number."""
    history: list[MessageRow] = []
    admission, page, place = "waiting", set[int](), ""
    follow = follower("par_g")

    def look() -> None:
        nonlocal place
        facts = facts_of(history, par_g=admission)
        since = follow.since(facts.people)
        assert since is not None
        for one in follow.advance(facts_of(history, since=since, par_g=admission)):
            page.update(told([one]))
            if isinstance(one, m.Sync):
                place = one.visibility

    for act in acts:
        if act == "say":
            history.append(said(len(history) + 1, "par_p" if len(history) % 2 else "par_g"))
        elif act in ("admit", "hold"):
            admission = "admitted" if act == "admit" else "waiting"
        elif act == "look":
            look()
        else:
            follow = follower("par_g", last_message=max(page, default=0), epoch="epo_1", visibility=place)
    admission = "admitted"
    look()
    assert page == {row.seq for row in history}

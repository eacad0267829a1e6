"""Uploads in pieces: whatever is lost, doubled, late or begun again, the same bytes are there once, kept once, and
shown once in the thread to whom they are for."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from candil.consults import attachments, gallery, planning, thread, visibility, waiting
from candil.consults.attachments import RULES, DeclaredPart, Kind, Made, PartName, Progress
from candil.consults.permissions import Actor, Role
from candil.errors import NotFound, PeerError, Refused
from candil.store import attachments as store
from candil.store import audit, consults, participants
from candil.store import thread as thread_rows
from candil.store.consults import ConsultRow
from candil.store.participants import ParticipantRow
from tests.support.clinic import Clinic, open_transaction

UPLOAD = "upl_00000001"
PICTURE = Made(b"redrawn", 640, 480)
SOUND = Made(b"opus", duration_ms=12_300, also={"mp3": b"the mp3"})
KEPT: dict[Kind, Made] = {"photo": PICTURE, "voice": SOUND}


@dataclass(frozen=True)
class Seat:
    """Somebody of the consult who sends and looks."""

    consult: ConsultRow
    participant: ParticipantRow
    actor: Actor


def start(clinic: Clinic, identifier: str = "V-12345678") -> Seat:
    patient = clinic.start(clinic.plan(identifier=identifier))
    return Seat(patient.consult, patient.participant, patient.actor)


@pytest.fixture
def seat(clinic: Clinic) -> Seat:
    return start(clinic)


def declared(**parts: bytes) -> dict[PartName, DeclaredPart]:
    return {
        name: DeclaredPart(len(data), hashlib.sha256(data).hexdigest())  # type: ignore[misc]
        for name, data in parts.items()
    }


def begin(clinic: Clinic, seat: Seat, upload: str = UPLOAD, kind: Kind = "photo", **parts: bytes) -> Progress:
    return attachments.begin(
        clinic.tx, seat.participant.id, upload, kind, declared(**parts), actor=seat.actor, now=clinic.now,
        ids=clinic.ids,
    )  # fmt: skip


def append(clinic: Clinic, seat: Seat, part: PartName, start: int, data: bytes, upload: str = UPLOAD) -> Progress:
    return attachments.append(clinic.tx, seat.participant.id, upload, part, start, data, actor=seat.actor)


def sent(clinic: Clinic, seat: Seat, kind: Kind = "voice", upload: str = UPLOAD) -> Progress:
    """Begun and kept."""
    began = begin(clinic, seat, upload, kind, full=b"x")
    return attachments.keep(clinic.tx, began.attachment, "full", KEPT[kind], actor=seat.actor, now=clinic.now)


def news(clinic: Clinic, seat: Seat) -> list[tuple[str, str]]:
    """(kind, audience) of every event about an attachment."""
    events = thread_rows.events_after(clinic.tx, seat.consult.id, 0)
    return [(event.kind, event.audience) for event in events if "attachment" in json.loads(event.data)]


def acts(clinic: Clinic, seat: Seat) -> list[str]:
    return [row.act for row in audit.of_consult(clinic.tx, seat.consult.id) if "attachment" in json.loads(row.detail)]


def doctor(clinic: Clinic, seat: Seat) -> Seat:
    """The consult's doctor, as somebody who sends."""
    people = participants.of_consult(clinic.tx, seat.consult.id)
    me = next(person for person in people if person.role == Role.DOCTOR)
    return Seat(seat.consult, me, Actor(clinic.doctor.id, Role.DOCTOR, clinic.settings.id))


def guest(clinic: Clinic, seat: Seat, *, admitted: bool = True) -> Seat:
    row, _ = planning.invite_guest(
        clinic.tx, seat.consult.id, Role.COMPANION, "Luisa Peña", actor=clinic.actor, now=clinic.now, ids=clinic.ids
    )
    actor = Actor(row.id, Role.COMPANION, clinic.settings.id, row.id)
    row = waiting.arrive(clinic.tx, row.id, actor=actor, now=clinic.now)
    if admitted:
        row = waiting.admit(clinic.tx, row.id, actor=clinic.actor, now=clinic.now)
    return Seat(seat.consult, row, actor)


def read_by(clinic: Clinic, viewer: Seat) -> list[int]:
    """Numbers of the messages with attachments that somebody may read."""
    consult = consults.get(clinic.tx, viewer.consult.id)
    assert consult is not None
    people = {person.id: person for person in participants.of_consult(clinic.tx, consult.id)}
    rows = thread_rows.messages_after(clinic.tx, consult.id, 0)
    me = people[viewer.participant.id]
    return [row.seq for row in rows if row.attachment_id and visibility.may_read(me, row, consult, people)]


def test_preview_first_then_the_full_one_each_with_its_event_and_audit(clinic: Clinic, seat: Seat) -> None:
    began = begin(clinic, seat, preview=b"small", full=b"all of it")
    assert began.received == {"preview": 0, "full": 0}
    assert append(clinic, seat, "preview", 0, b"small").complete == ("preview",)
    attachments.keep(clinic.tx, began.attachment, "preview", PICTURE, actor=seat.actor, now=clinic.now)
    [shown] = gallery.of_consult(clinic.tx, seat.consult.id).values()
    assert (shown.preview, shown.full, shown.state) == ((640, 480), (0, 0), "receiving")
    assert append(clinic, seat, "full", 0, b"all of").complete == ()
    done = append(clinic, seat, "full", 6, b" it")
    assert done.complete == ("full",)
    assert attachments.whole(clinic.tx, began.attachment, "full") == b"all of it"
    kept = attachments.keep(clinic.tx, began.attachment, "full", PICTURE, actor=seat.actor, now=clinic.now + 9)
    assert (kept.attachment.state, kept.attachment.kept_at, kept.complete) == ("kept", clinic.now + 9, ())
    again = attachments.keep(clinic.tx, began.attachment, "full", PICTURE, actor=seat.actor, now=clinic.now + 10)
    assert again.attachment == kept.attachment
    assert news(clinic, seat) == [("photo.previewed", "staff"), ("photo.kept", "staff")]
    assert acts(clinic, seat) == ["photo.begun", "photo.previewed", "photo.kept"]
    assert store.chunks(clinic.tx, began.attachment.id, "full") == b"", "what came is dropped"
    assert [row.attachment_id for row in thread_rows.messages_after(clinic.tx, seat.consult.id, 0)] == [
        began.attachment.id
    ]


def test_a_voice_note_stands_in_the_thread_in_both_its_forms(clinic: Clinic, seat: Seat) -> None:
    thread.post(clinic.tx, seat.participant.id, "antes", client_id="p", client_seq=1, actor=seat.actor, now=clinic.now)
    kept = sent(clinic, seat)
    assert kept.received == {"full": 0}, "what was made here was never declared"
    assert kept.kept == ("full", "mp3")
    assert sent(clinic, seat).attachment == kept.attachment
    rows = thread_rows.messages_after(clinic.tx, seat.consult.id, 0)
    assert [(row.seq, row.body, row.audience) for row in rows] == [(1, "antes", "all"), (2, "", "all")]
    [shown] = gallery.readable(clinic.tx, seat.consult, seat.participant.id)
    assert (shown.duration_ms, shown.bytes, shown.heard) == (12_300, {"full": 4, "mp3": 7}, False)
    assert news(clinic, seat) == [("voice.kept", "all")]
    with pytest.raises(NotFound):
        append(clinic, seat, "mp3", 0, b"x")


def test_heard_is_said_once_and_by_whom_it_was_for(clinic: Clinic, seat: Seat) -> None:
    mine, companion = sent(clinic, seat).attachment, guest(clinic, seat)
    theirs = sent(clinic, doctor(clinic, seat), upload="upl_00000002").attachment
    for note, hears_not, hears in (
        (mine, (seat.actor, companion.actor), clinic.actor),
        (theirs, (clinic.actor, companion.actor), seat.actor),
    ):
        for actor in hears_not:
            assert not attachments.heard(clinic.tx, note, actor=actor, now=clinic.now)
        assert attachments.heard(clinic.tx, note, actor=hears, now=clinic.now + 5)
        assert not attachments.heard(clinic.tx, note, actor=hears, now=clinic.now + 6)
    assert [kind for kind, _ in news(clinic, seat)].count("voice.heard") == 2
    assert all(one.heard for one in gallery.of_consult(clinic.tx, seat.consult.id).values())


def test_what_is_said_is_for_the_room_and_a_photo_for_the_doctor(clinic: Clinic, seat: Seat) -> None:
    """And whoever waits hears themselves and the doctor, as with messages."""
    companion, outside = guest(clinic, seat), guest(clinic, seat, admitted=False)
    mine = doctor(clinic, seat)
    for number, (sender, kind) in enumerate(
        [(seat, "voice"), (seat, "photo"), (companion, "photo"), (outside, "voice"), (mine, "voice"), (mine, "photo")],
        1,
    ):
        sent(clinic, sender, kind, f"upl_0000000{number}")  # type: ignore[arg-type]
    assert read_by(clinic, mine) == [1, 2, 3, 4, 5, 6]
    assert read_by(clinic, seat) == [1, 2, 4, 5, 6]
    assert read_by(clinic, companion) == [1, 3, 4, 5, 6]
    assert read_by(clinic, outside) == [4], "what the doctor said to the room was not said to the door"
    assert [audience for _, audience in news(clinic, seat)] == ["all", "staff", "staff", "all", "all", "all"]


def test_only_who_may_read_it_is_given_it(clinic: Clinic, seat: Seat) -> None:
    photo, note = sent(clinic, seat, "photo").attachment, sent(clinic, seat, upload="upl_00000002").attachment
    companion, outside = guest(clinic, seat), guest(clinic, seat, admitted=False)
    other = start(clinic, "V-8222333")
    may = {
        (photo.id, seat), (photo.id, doctor(clinic, seat)),
        (note.id, seat), (note.id, doctor(clinic, seat)), (note.id, companion),
    }  # fmt: skip
    for attachment in (photo, note):
        for someone in (seat, doctor(clinic, seat), companion, outside, other):
            for part in ("preview", "full"):
                if (attachment.id, someone) in may:
                    _, data = gallery.view(clinic.tx, seat.consult, attachment.id, part, actor=someone.actor)
                    assert data == KEPT[attachment.kind].data  # type: ignore[index]
                else:
                    with pytest.raises(NotFound):
                        gallery.view(clinic.tx, seat.consult, attachment.id, part, actor=someone.actor)
    with pytest.raises(NotFound):
        gallery.view(clinic.tx, other.consult, photo.id, "full", actor=clinic.actor)


def test_that_the_doctor_looked_or_listened_is_kept(clinic: Clinic, seat: Seat) -> None:
    photo, note = sent(clinic, seat, "photo").attachment, sent(clinic, seat, upload="upl_00000002").attachment
    for attachment in (photo, note):
        gallery.note_viewed(clinic.tx, attachment, actor=seat.actor, now=clinic.now)
        gallery.note_viewed(clinic.tx, attachment, actor=clinic.actor, now=clinic.now)
    assert [act for act in acts(clinic, seat) if act.endswith((".view", ".heard"))] == [
        "photo.view",
        "voice.view",
        "voice.heard",
    ]


def test_a_wrong_hash_is_refused_and_everything_dropped(clinic: Clinic, seat: Seat) -> None:
    began = begin(clinic, seat, preview=b"small", full=b"right")
    attachments.keep(clinic.tx, began.attachment, "preview", PICTURE, actor=seat.actor, now=clinic.now)
    append(clinic, seat, "full", 0, b"wrong")
    with pytest.raises(Refused) as refused:
        attachments.whole(clinic.tx, began.attachment, "full")
    assert refused.value.code == "wrong_hash"
    gone = attachments.refuse(clinic.tx, began.attachment, "wrong_hash", actor=seat.actor, now=clinic.now)
    assert (gone.attachment.state, gone.attachment.refusal) == ("refused", "wrong_hash")
    assert store.chunks(clinic.tx, began.attachment.id, "full") == b""
    [shown] = gallery.of_consult(clinic.tx, seat.consult.id).values()
    assert (shown.state, shown.bytes) == ("refused", {}), "its place in the thread says so"
    assert gallery.readable(clinic.tx, seat.consult) == []
    assert begin(clinic, seat, preview=b"small", full=b"right").attachment.state == "refused", "it stays refused"


def test_an_upload_id_is_its_owners_and_means_one_content(clinic: Clinic, seat: Seat) -> None:
    begin(clinic, seat, full=b"mine")
    for kind, content in (("photo", b"else"), ("voice", b"mine")):
        with pytest.raises(PeerError) as taken:
            begin(clinic, seat, kind=kind, full=content)  # type: ignore[arg-type]
        assert taken.value.code == "upload_id_taken"
    other = start(clinic, "V-8222333")
    with pytest.raises(NotFound):
        append(clinic, other, "full", 0, b"mine")
    assert begin(clinic, other, full=b"else").received == {"full": 0}
    assert begin(clinic, seat, full=b"mine").received == {"full": 0}


@pytest.mark.parametrize(
    ("start", "data"), [(0, b""), (0, b"x" * 11), (5, b"x" * 6), (0, b"x" * (attachments.MAX_CHUNK_BYTES + 1))]
)
def test_a_chunk_that_cannot_be_is_refused(clinic: Clinic, seat: Seat, start: int, data: bytes) -> None:
    begin(clinic, seat, full=b"0123456789")
    with pytest.raises(PeerError):
        append(clinic, seat, "full", start, data)


def part(bytes_: int) -> DeclaredPart:
    return DeclaredPart(bytes_, "00" * 32)


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        ("photo", {"full": part(RULES["photo"].parts["full"] + 1)}),
        ("photo", {"preview": part(RULES["photo"].parts["preview"] + 1), "full": part(1)}),
        ("photo", {"full": part(0)}),
        ("photo", {"preview": part(1)}),
        ("voice", {"full": part(RULES["voice"].parts["full"] + 1)}),
        ("voice", {"preview": part(1), "full": part(1)}),
        ("voice", {"full": part(1), "mp3": part(1)}),
        ("voice", {}),
    ],
)
def test_sizes_and_parts_have_limits(
    clinic: Clinic, seat: Seat, kind: Kind, parts: dict[PartName, DeclaredPart]
) -> None:
    with pytest.raises(PeerError):
        attachments.begin(
            clinic.tx, seat.participant.id, UPLOAD, kind, parts, actor=seat.actor, now=clinic.now, ids=clinic.ids
        )


def test_everybody_has_so_many_of_their_own_and_unfinished_uploads_give_way(
    clinic: Clinic, seat: Seat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(attachments.RULES, "voice", attachments.Rule(RULES["voice"].parts, 5))
    for number in range(8):
        begin(clinic, seat, f"upl_0000000{number}", "voice", full=b"x")
    receiving = [row.upload_id[-1] for row in store.of_consult(clinic.tx, seat.consult.id)]
    assert receiving == ["5", "6", "7"]
    for number in (5, 6, 7):
        sent(clinic, seat, upload=f"upl_0000000{number}")
    for number in (8, 9):
        begin(clinic, seat, f"upl_0000000{number}", "voice", full=b"x")
    with pytest.raises(Refused) as full:
        begin(clinic, seat, "upl_00000010", "voice", full=b"x")
    assert full.value.code == "too_many_voices"
    begin(clinic, seat, "upl_00000011", "photo", full=b"x")
    sent(clinic, guest(clinic, seat), upload="upl_00000012")


def test_a_photo_half_of_which_is_shown_gives_way_with_a_word(clinic: Clinic, seat: Seat) -> None:
    began = begin(clinic, seat, preview=b"small", full=b"never whole")
    attachments.keep(clinic.tx, began.attachment, "preview", PICTURE, actor=seat.actor, now=clinic.now)
    for number in range(3):
        begin(clinic, seat, f"upl_0000000{number + 2}", full=b"x")
    row = store.get(clinic.tx, began.attachment.id)
    assert row is not None
    assert (row.state, row.refusal) == ("refused", "given_up")


def test_voice_notes_where_messages_work_photos_in_the_running_visit(clinic: Clinic, seat: Seat) -> None:
    begin(clinic, seat, "upl_00000002", full=b"xy")
    begin(clinic, seat, "upl_00000003", "voice", full=b"xy")
    waiting.hold(clinic.tx, seat.participant.id, actor=clinic.actor, now=clinic.now)
    for act in (
        lambda: begin(clinic, seat, "upl_00000004", full=b"x"),
        lambda: append(clinic, seat, "full", 0, b"x", "upl_00000002"),
    ):
        with pytest.raises(Refused):
            act()
    assert append(clinic, seat, "full", 0, b"x", "upl_00000003").received == {"full": 1}
    assert begin(clinic, seat, "upl_00000005", "voice", full=b"x").received == {"full": 0}
    assert begin(clinic, seat, "upl_00000002", full=b"xy").attachment.state == "receiving", "asking is always answered"
    consults.update(clinic.tx, seat.consult.id, status="finished")
    with pytest.raises(Refused):
        begin(clinic, seat, "upl_00000006", "voice", full=b"x")


Step = tuple[str, int, int]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(1, 400), st.just(0)),
        st.tuples(st.just("repeat"), st.integers(0, 500), st.integers(1, 400)),
        st.tuples(st.just("ahead"), st.integers(1, 500), st.integers(1, 400)),
        st.tuples(st.just("begin"), st.just(0), st.just(0)),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.binary(min_size=1, max_size=1500),
    steps=STEPS,
    number=st.integers(0, 10**9),
    kind=st.sampled_from(["photo", "voice"]),
)
def test_any_order_of_pieces_gives_the_same_bytes_once(
    clinic: Clinic, seat: Seat, data: bytes, steps: list[Step], number: int, kind: Kind
) -> None:
    """Lost pieces are those never sent; repeated and early ones come in between; then the page goes on to the end."""
    before = clinic.tx.begin_nested()
    upload = f"upl_{abs(hash((data, number))):020d}"
    received = begin(clinic, seat, upload, kind, full=data).received["full"]
    for step, one, two in steps:
        if step == "begin":
            assert begin(clinic, seat, upload, kind, full=data).received["full"] == received
        elif step == "ahead" and received < len(data):
            start = received + one
            if start < len(data):
                with pytest.raises(Refused) as gap:
                    append(clinic, seat, "full", start, data[start : start + two], upload)
                assert gap.value.detail["received"] == received
        else:
            start = received if step == "send" else min(one, received)
            piece = data[start : start + (one if step == "send" else two)]
            if piece:
                received = max(received, start + len(piece))
                assert append(clinic, seat, "full", start, piece, upload).received["full"] == received
    if received < len(data):
        append(clinic, seat, "full", received, data[received:], upload)
    now = begin(clinic, seat, upload, kind, full=data)
    assert now.complete == ("full",)
    assert attachments.whole(clinic.tx, now.attachment, "full") == data
    for _ in range(2):
        kept = attachments.keep(clinic.tx, now.attachment, "full", KEPT[kind], actor=seat.actor, now=clinic.now)
        assert kept.attachment.state == "kept"
    assert thread_rows.last_message_seq(clinic.tx, seat.consult.id) == 1
    before.rollback()


def test_in_one_piece_it_is_kept_once(clinic: Clinic, seat: Seat) -> None:
    pictures: dict[PartName, Made] = {"preview": Made(b"p", 3, 2), "full": Made(b"f", 30, 20)}
    for _ in range(2):
        taken = attachments.take(
            clinic.tx, seat.participant.id, UPLOAD, "photo", pictures, actor=seat.actor, now=clinic.now,
            ids=clinic.ids,
        )  # fmt: skip
        assert taken.kept == ("preview", "full")
    [shown] = gallery.readable(clinic.tx, seat.consult, seat.participant.id)
    assert (shown.preview, shown.full) == ((3, 2), (30, 20))
    assert news(clinic, seat) == [("photo.previewed", "staff"), ("photo.kept", "staff")]


def test_all_is_there_after_the_signature(tmp_path: Path) -> None:
    clinic = Clinic(open_transaction(tmp_path))
    seat = start(clinic)
    sent(clinic, seat, "photo")
    sent(clinic, seat, upload="upl_00000002")
    consults.update(clinic.tx, seat.consult.id, status="finished")
    kinds = [one.kind for one in gallery.readable(clinic.tx, seat.consult, seat.participant.id)]
    assert kinds == ["photo", "voice"]

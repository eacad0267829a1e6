"""Uploads in pieces: whatever is lost, doubled, late or begun again, the same bytes are there once, and kept once."""

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from candil.consults import attachments, gallery, waiting
from candil.consults.attachments import DeclaredPart, PartName, Picture, Progress
from candil.consults.links import Seat
from candil.errors import NotFound, PeerError, Refused
from candil.store import attachments as store
from candil.store import audit, consults, thread
from tests.support.clinic import Clinic, open_transaction

UPLOAD = "upl_00000001"
PICTURE = Picture(b"redrawn", 640, 480)


@pytest.fixture
def seat(clinic: Clinic) -> Seat:
    return clinic.start(clinic.plan())


def declared(**parts: bytes) -> dict[PartName, DeclaredPart]:
    return {
        name: DeclaredPart(len(data), hashlib.sha256(data).hexdigest())  # type: ignore[misc]
        for name, data in parts.items()
    }


def begin(clinic: Clinic, seat: Seat, upload: str = UPLOAD, **parts: bytes) -> Progress:
    return attachments.begin(
        clinic.tx, seat.participant.id, upload, declared(**parts), actor=seat.actor, now=clinic.now, ids=clinic.ids
    )


def append(clinic: Clinic, seat: Seat, part: PartName, start: int, data: bytes, upload: str = UPLOAD) -> Progress:
    return attachments.append(clinic.tx, seat.participant.id, upload, part, start, data, actor=seat.actor)


def kinds(clinic: Clinic, seat: Seat) -> list[str]:
    events = thread.events_after(clinic.tx, seat.consult.id, 0)
    return [event.kind for event in events if event.kind.startswith("photo.")]


def test_preview_first_then_the_full_one_each_with_its_event_and_audit(clinic: Clinic, seat: Seat) -> None:
    began = begin(clinic, seat, preview=b"small", full=b"all of it")
    assert began.received == {"preview": 0, "full": 0}
    assert append(clinic, seat, "preview", 0, b"small").complete == ("preview",)
    attachments.keep(clinic.tx, began.attachment, "preview", PICTURE, actor=seat.actor, now=clinic.now)
    [shown] = gallery.shown(clinic.tx, seat.consult.id)
    assert (shown.preview, shown.full, shown.percent) == ((640, 480), (0, 0), 0)
    assert append(clinic, seat, "full", 0, b"all of").complete == ()
    done = append(clinic, seat, "full", 6, b" it")
    assert done.complete == ("full",)
    assert attachments.whole(clinic.tx, began.attachment, "full") == b"all of it"
    kept = attachments.keep(clinic.tx, began.attachment, "full", PICTURE, actor=seat.actor, now=clinic.now + 9)
    assert (kept.attachment.state, kept.attachment.kept_at, kept.complete) == ("kept", clinic.now + 9, ())
    again = attachments.keep(clinic.tx, began.attachment, "full", PICTURE, actor=seat.actor, now=clinic.now + 10)
    assert again.attachment == kept.attachment
    assert kinds(clinic, seat) == ["photo.previewed", "photo.kept"]
    acts = [(row.act, json.loads(row.detail).get("photo")) for row in audit.of_consult(clinic.tx, seat.consult.id)]
    photo = began.attachment.id
    assert [act for act in acts if act[0].startswith("photo.")] == [
        ("photo.begun", photo),
        ("photo.previewed", photo),
        ("photo.kept", photo),
    ]
    assert store.chunks(clinic.tx, photo, "full") == b"", "what came is dropped"


def test_a_wrong_hash_is_refused_and_everything_dropped(clinic: Clinic, seat: Seat) -> None:
    began = begin(clinic, seat, full=b"right")
    append(clinic, seat, "full", 0, b"wrong")
    with pytest.raises(Refused) as refused:
        attachments.whole(clinic.tx, began.attachment, "full")
    assert refused.value.code == "wrong_hash"
    gone = attachments.refuse(clinic.tx, began.attachment, "wrong_hash", actor=seat.actor, now=clinic.now)
    assert (gone.attachment.state, gone.attachment.refusal) == ("refused", "wrong_hash")
    assert store.chunks(clinic.tx, began.attachment.id, "full") == b""
    assert gallery.shown(clinic.tx, seat.consult.id) == []
    assert begin(clinic, seat, full=b"right").attachment.state == "refused", "the same upload stays refused"


def test_an_upload_id_is_its_owners_and_means_one_content(clinic: Clinic, seat: Seat) -> None:
    begin(clinic, seat, full=b"mine")
    with pytest.raises(PeerError) as taken:
        begin(clinic, seat, full=b"else")
    assert taken.value.code == "upload_id_taken"
    other = clinic.start(clinic.plan(identifier="V-8222333"))
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


@pytest.mark.parametrize(
    "parts",
    [
        {"full": DeclaredPart(attachments.MAX_BYTES["full"] + 1, "00" * 32)},
        {"preview": DeclaredPart(attachments.MAX_BYTES["preview"] + 1, "00" * 32), "full": DeclaredPart(1, "00" * 32)},
        {"full": DeclaredPart(0, "00" * 32)},
        {"preview": DeclaredPart(1, "00" * 32)},
    ],
    ids=["full too large", "preview too large", "nothing", "no full"],
)
def test_sizes_have_limits(clinic: Clinic, seat: Seat, parts: dict[PartName, DeclaredPart]) -> None:
    with pytest.raises(PeerError):
        attachments.begin(
            clinic.tx, seat.participant.id, UPLOAD, parts, actor=seat.actor, now=clinic.now, ids=clinic.ids
        )


def test_a_visit_keeps_so_many_and_unfinished_uploads_give_way(
    clinic: Clinic, seat: Seat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attachments, "MAX_KEPT_PER_CONSULT", 5)
    for number in range(8):
        begin(clinic, seat, f"upl_0000000{number}", full=b"x")
    receiving = [row.upload_id[-1] for row in store.of_consult(clinic.tx, seat.consult.id)]
    assert receiving == ["5", "6", "7"]
    for number in (5, 6, 7):
        row = store.by_upload(clinic.tx, seat.participant.id, f"upl_0000000{number}")
        assert row is not None
        attachments.keep(clinic.tx, row, "full", PICTURE, actor=seat.actor, now=clinic.now)
    for number in (8, 9):
        begin(clinic, seat, f"upl_0000000{number}", full=b"x")
    with pytest.raises(Refused) as full:
        begin(clinic, seat, "upl_00000010", full=b"x")
    assert full.value.code == "too_many_photos"


def test_only_who_is_in_the_running_visit_sends_and_only_the_doctor_and_the_sender_look(
    clinic: Clinic, seat: Seat
) -> None:
    row = begin(clinic, seat, full=b"x").attachment
    attachments.keep(clinic.tx, row, "full", PICTURE, actor=seat.actor, now=clinic.now)
    look = [seat.actor, clinic.actor]
    for actor in look:
        for part in attachments.PARTS:
            _, data = gallery.view(clinic.tx, seat.consult.id, row.id, part, actor=actor, now=clinic.now)
            assert data == PICTURE.jpeg
    other = clinic.start(clinic.plan(identifier="V-8222333"))
    for consult_id, actor in ((seat.consult.id, other.actor), (other.consult.id, clinic.actor)):
        with pytest.raises(NotFound):
            gallery.view(clinic.tx, consult_id, row.id, "full", actor=actor, now=clinic.now)
    assert gallery.shown(clinic.tx, seat.consult.id, other.participant.id) == []
    begin(clinic, seat, "upl_00000002", full=b"xy")
    waiting.hold(clinic.tx, seat.participant.id, actor=clinic.actor, now=clinic.now)
    for act in (
        lambda: begin(clinic, seat, "upl_00000003", full=b"x"),
        lambda: append(clinic, seat, "full", 0, b"x", "upl_00000002"),
    ):
        with pytest.raises(Refused):
            act()
    assert begin(clinic, seat, full=b"x").attachment.state == "kept", "asking how far it came is always answered"


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
@given(data=st.binary(min_size=1, max_size=1500), steps=STEPS, number=st.integers(0, 10**9))
def test_any_order_of_pieces_gives_the_same_bytes_once(
    clinic: Clinic, seat: Seat, data: bytes, steps: list[Step], number: int
) -> None:
    """Lost pieces are those never sent; repeated and early ones come in between; then the page goes on to the end."""
    upload = f"upl_{abs(hash((data, number))):020d}"
    received = begin(clinic, seat, upload, full=data).received["full"]
    for kind, one, two in steps:
        if kind == "begin":
            assert begin(clinic, seat, upload, full=data).received["full"] == received
        elif kind == "ahead" and received < len(data):
            start = received + one
            if start < len(data):
                with pytest.raises(Refused) as gap:
                    append(clinic, seat, "full", start, data[start : start + two], upload)
                assert gap.value.detail["received"] == received
        else:
            start = received if kind == "send" else min(one, received)
            piece = data[start : start + (one if kind == "send" else two)]
            if piece:
                received = max(received, start + len(piece))
                assert append(clinic, seat, "full", start, piece, upload).received["full"] == received
    if received < len(data):
        append(clinic, seat, "full", received, data[received:], upload)
    now = begin(clinic, seat, upload, full=data)
    assert now.complete == ("full",)
    assert attachments.whole(clinic.tx, now.attachment, "full") == data
    assert (
        attachments.keep(clinic.tx, now.attachment, "full", PICTURE, actor=seat.actor, now=clinic.now).attachment.state
        == "kept"
    )
    store.delete(clinic.tx, now.attachment.id)


def test_a_photo_in_one_piece_is_kept_once(clinic: Clinic, seat: Seat) -> None:
    pictures: dict[PartName, Picture] = {"preview": Picture(b"p", 3, 2), "full": Picture(b"f", 30, 20)}
    for _ in range(2):
        taken = attachments.take(
            clinic.tx, seat.participant.id, UPLOAD, pictures, actor=seat.actor, now=clinic.now, ids=clinic.ids
        )
        assert taken.kept == ("preview", "full")
    [shown] = gallery.shown(clinic.tx, seat.consult.id, seat.participant.id)
    assert (shown.preview, shown.full) == ((3, 2), (30, 20))
    assert kinds(clinic, seat) == ["photo.previewed", "photo.kept"]


def test_both_are_there_after_the_signature(tmp_path: Path) -> None:
    clinic = Clinic(open_transaction(tmp_path))
    seat = clinic.start(clinic.plan())
    row = begin(clinic, seat, full=b"x").attachment
    attachments.keep(clinic.tx, row, "full", PICTURE, actor=seat.actor, now=clinic.now)
    consults.update(clinic.tx, seat.consult.id, status="finished")
    assert len(gallery.shown(clinic.tx, seat.consult.id)) == 1
    with pytest.raises(Refused):
        begin(clinic, seat, "upl_00000002", full=b"x")

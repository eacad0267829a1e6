"""Uploads by strangers' pages: broken off and gone on with, no picture or sound, too large, cut short, not what was
declared, or not theirs."""

import asyncio
import hashlib
import io
import json
import struct
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from PIL import Image

from candil.consults.attachments import RULES as KINDS
from candil.consults.permissions import RULES, Role
from candil.decoding.aio.decoder import Decoder, NotDecodable
from candil.store import attachments as store
from candil.store import audit, thread
from candil.store.engine import FILE_NAME, sqlite_engine
from tests.support.access import Scene, Stage, stage
from tests.support.photos import a_photo, dimensions
from tests.support.sounds import Heard, a_sound

UPLOAD = "upl_0123456789abcdef"


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as running:
        yield running


@pytest.fixture
async def scene(here: Stage) -> Scene:
    return await here.scene("in-progress")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Phone:
    """One person's page, sending: a seat's, or the doctor's."""

    def __init__(self, here: Stage, scene: Scene, name: str = "patient") -> None:
        self.here, self.caller = here, scene.people[name]
        of = f"/consults/{scene.consult_id}" if self.caller.kind == "staff" else f"/v/{self.caller.id}"
        self.base = of + "/attachments"

    async def begin(
        self, full: bytes, preview: bytes = b"", upload: str = UPLOAD, digest: str = "", kind: str = "photo"
    ) -> dict[str, Any]:
        parts = {"full": {"bytes": len(full), "sha256": digest or sha256(full)}}
        if preview:
            parts["preview"] = {"bytes": len(preview), "sha256": sha256(preview)}
        return await self._ask("/uploads", json={"upload": upload, "kind": kind, "parts": parts})

    async def piece(self, part: str, start: int, data: bytes, upload: str = UPLOAD) -> dict[str, Any]:
        return await self._ask(f"/uploads/{upload}/{part}?start={start}", data=data)

    async def send(self, part: str, data: bytes, upload: str = UPLOAD) -> dict[str, Any]:
        told: dict[str, Any] = {}
        for start in range(0, len(data), 30_000):
            told = await self.piece(part, start, data[start : start + 30_000], upload)
        return told

    async def voice(self, data: bytes, upload: str = UPLOAD) -> dict[str, Any]:
        await self.begin(data, upload=upload, kind="voice")
        return await self.send("full", data, upload)

    async def _ask(self, path: str, **sent: Any) -> dict[str, Any]:
        async with self.here.http.post(
            self.here.url + self.base + path, headers=self.caller.headers(), **sent
        ) as answer:
            return {"status": answer.status, **await answer.json()}

    async def form(self, data: bytes, upload: str = UPLOAD, kind: str = "photo") -> int:
        form = aiohttp.FormData({"csrf": self.caller.csrf, "upload": upload, "kind": kind})
        form.add_field("file", b"", filename="", content_type="application/octet-stream")  # the input left empty
        form.add_field("file", data, filename="../../x.jpg", content_type="image/jpeg")
        headers = self.caller.headers() | {"X-CSRF-Token": ""}
        url = self.here.url + self.base
        async with self.here.http.post(url, headers=headers, data=form, allow_redirects=False) as answer:
            return answer.status

    async def get(
        self, part: str = "full", query: str = "", method: str = "GET", attachment: str = "", **headers: str
    ) -> tuple[int, Any, bytes]:
        """Somebody else's or one's own: the visit's only attachment, if none is named."""
        url = f"{self.here.url}{self.base}/{attachment or await self._only()}/{part}{query}"
        async with self.here.http.request(method, url, headers=self.caller.headers() | headers) as answer:
            return answer.status, answer.headers, await answer.read()

    async def _only(self) -> str:
        rows = await self.here.ctx.db.read(lambda tx: tx.exec_driver_sql("SELECT id FROM attachments").all())
        [[attachment_id]] = rows
        return str(attachment_id)


def phone(here: Stage, scene: Scene, name: str = "patient") -> Phone:
    return Phone(here, scene, name)


async def acts(here: Stage, scene: Scene) -> list[str]:
    return [row.act for row in await here.ctx.db.read(lambda tx: audit.of_consult(tx, scene.consult_id))]


async def news(here: Stage, scene: Scene) -> list[tuple[str, str]]:
    events = await here.ctx.db.read(lambda tx: thread.events_after(tx, scene.consult_id, 0))
    return [(event.kind, event.audience) for event in events if "attachment" in json.loads(event.data)]


async def test_a_photo_is_kept_without_what_it_carried_and_shown_to_the_doctor_and_its_sender(
    here: Stage, scene: Scene
) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x8298] = "SECRETPHONE", "SECRETPLACE"
    exif[0x0112] = 6  # turned by a quarter
    photo = a_photo(1200, 800, exif=exif.tobytes()) + b"<script>SECRETTAIL</script>"
    preview = a_photo(300, 200)
    patient = phone(here, scene)
    assert (await patient.begin(photo, preview))["received"] == {"preview": 0, "full": 0}
    assert (await patient.send("preview", preview))["kept"] == ["preview"]
    assert (await patient.send("full", photo))["state"] == "kept"
    for name in ("doctor A", "patient"):
        status, headers, data = await phone(here, scene, name).get()
        assert (status, headers["Content-Type"], dimensions(data)) == (200, "image/jpeg", (800, 1200))
        assert not any(secret in data for secret in (b"SECRET", b"Exif", b"script"))
        assert headers["Content-Disposition"] == 'inline; filename="foto-1.jpg"'
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "no-store" in headers["Cache-Control"]
        assert "sandbox" in headers["Content-Security-Policy"]
    _, headers, _ = await patient.get(query="?download")
    assert headers["Content-Disposition"] == 'attachment; filename="foto-1.jpg"'
    assert dimensions((await patient.get("preview"))[2]) == (300, 200)
    for name in ("admitted", "waiting", "doctor B"):
        assert (await phone(here, scene, name).get())[0] == 404
    done = await acts(here, scene)
    assert (done.count("photo.kept"), done.count("photo.view")) == (1, 1)
    assert await news(here, scene) == [("photo.previewed", "staff"), ("photo.kept", "staff")]


async def test_a_voice_note_is_for_the_room_and_heard_when_the_doctor_was_given_the_whole_of_it(
    here: Stage, scene: Scene
) -> None:
    patient, doctor = phone(here, scene), phone(here, scene, "doctor A")
    assert (await patient.voice(a_sound(3, title="SECRETPLACE")))["kept"] == ["full", "mp3"]
    for name, method in (("doctor A", "HEAD"), ("patient", "GET"), ("admitted", "GET")):
        status, headers, data = await phone(here, scene, name).get("mp3", method=method)
        assert (status, headers["Content-Type"]) == (200, "audio/mpeg")
        assert headers["Content-Disposition"] == 'inline; filename="voz-1.mp3"'
        assert b"SECRET" not in data
    for name in ("waiting", "doctor B"):
        assert (await phone(here, scene, name).get())[0] == 404
    status, headers, start = await doctor.get(Range="bytes=0-999")
    assert (status, headers["Content-Type"], len(start)) == (206, "audio/ogg", 1000)
    assert ("voice.heard", "all") not in await news(here, scene), "not from its beginning alone, nor by anybody else"
    size = int(headers["Content-Range"].rsplit("/", 1)[1])
    status, headers, rest = await doctor.get(Range=f"bytes=1000-{size + 500}")
    assert headers["Content-Range"] == f"bytes 1000-{size - 1}/{size}"
    assert abs(Heard(start + rest).seconds - 3) < 0.2
    await doctor.get()
    assert await news(here, scene) == [("voice.kept", "all"), ("voice.heard", "all")]
    assert (await acts(here, scene)).count("voice.view") == 2
    assert (await doctor.get(Range="bytes=999999-"))[0] == 416


async def test_the_doctor_speaks_and_shows_too(here: Stage, scene: Scene) -> None:
    doctor, patient = phone(here, scene, "doctor A"), phone(here, scene)
    assert (await doctor.voice(a_sound(1)))["state"] == "kept"
    assert (await patient.get())[0] == 200
    assert await news(here, scene) == [("voice.kept", "all"), ("voice.heard", "all")]
    picture = a_photo()
    await doctor.begin(picture, upload="upl_0000000picture")
    assert (await doctor.send("full", picture, "upl_0000000picture"))["state"] == "kept"
    rows = await here.ctx.db.read(lambda tx: store.of_consult(tx, scene.consult_id))
    assert dimensions((await phone(here, scene, "admitted").get(attachment=rows[1].id))[2]) == (640, 480)


async def test_who_waits_leaves_a_voice_note_for_the_doctor(here: Stage) -> None:
    scene = await here.scene("arrived")
    patient, doctor, guest = (phone(here, scene, name) for name in ("patient", "doctor A", "waiting"))
    assert (await patient.voice(a_sound(1)))["state"] == "kept"
    assert [(await who.get())[0] for who in (patient, doctor, guest)] == [200, 200, 404]
    assert (await patient.begin(a_photo(), upload="upl_0000000photo"))["code"] == "not_now"


async def test_a_transfer_that_breaks_anywhere_goes_on_where_it_broke(here: Stage, scene: Scene) -> None:
    """Pieces that came without an answer, twice, too early, and one whose connection died in the middle of its body."""
    patient, sound = phone(here, scene), a_sound(6)
    await patient.begin(sound, kind="voice")
    assert (await patient.piece("full", 0, sound[:2000]))["received"] == {"full": 2000}
    assert (await patient.piece("full", 0, sound[:3000]))["received"] == {"full": 3000}
    told = await patient.piece("full", 5000, sound[5000:6000])
    assert (told["status"], told["code"], told["received"]) == (409, "gap", 3000)
    await _half_a_request(patient, 3000, sound[3000:7000])
    assert (await patient.begin(sound, kind="voice"))["received"] == {"full": 3000}
    told = await patient.piece("full", 3000, sound[3000:])
    assert (told["state"], told["received"]) == ("kept", {"full": len(sound)})
    assert (await patient.piece("full", 0, sound[:100]))["state"] == "kept"
    rows = await here.ctx.db.read(lambda tx: thread.messages_after(tx, scene.consult_id, 0))
    assert len([row for row in rows if row.attachment_id]) == 1


async def _half_a_request(patient: Phone, start: int, data: bytes) -> None:
    """Says how long its body is, sends half of it, and is gone."""
    host, port = patient.here.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = [f"POST {patient.base}/uploads/{UPLOAD}/full?start={start} HTTP/1.1", "Host: x"]
    lines += [f"{name}: {value}" for name, value in patient.caller.headers().items()]
    writer.write("\r\n".join([*lines, f"Content-Length: {len(data)}", "", ""]).encode() + data[: len(data) // 2])
    await writer.drain()
    writer.close()
    await reader.read()


async def test_what_was_answered_as_kept_was_committed_with_its_event_and_audit(here: Stage, scene: Scene) -> None:
    """Whatever ends the process after the answer finds all of it, or before it none."""
    await phone(here, scene).voice(a_sound(1))
    engine = sqlite_engine(_as_after_a_power_cut(here.ctx.settings.storage.data_dir / FILE_NAME), writer=True)
    with engine.connect() as tx:
        [row] = store.of_consult(tx, scene.consult_id)
        assert (row.state, store.data(tx, row.id, "mp3") is not None) == ("kept", True)
        assert thread.message_of_attachment(tx, row.id) is not None
        assert thread.events_after(tx, scene.consult_id, 0)[-1].kind == "voice.kept"
        assert audit.of_consult(tx, scene.consult_id)[-1].act == "voice.kept"
    engine.dispose()


def _as_after_a_power_cut(path: Path) -> Path:
    """The files as they are this moment, elsewhere."""
    copy = path.with_name("copy.sqlite")
    for suffix in ("", "-wal"):
        Path(f"{copy}{suffix}").write_bytes(Path(f"{path}{suffix}").read_bytes())
    return copy


async def test_a_flood_of_one_person_holds_nobody_up(here: Stage, scene: Scene) -> None:
    """Recordings that take long to decode, all at once, and somebody else's short one between them."""
    patient, guest = phone(here, scene), phone(here, scene, "admitted")
    long = a_sound(50, "ogg")

    async def flood(number: int) -> dict[str, Any]:
        return await patient.voice(long, f"upl_0000000flood{number}")

    floods = [asyncio.create_task(flood(number)) for number in range(3)]
    short = await guest.voice(a_sound(1), "upl_0000000short")
    assert short["state"] == "kept"
    assert sum(not task.done() for task in floods) >= 2
    told = await asyncio.gather(*floods)
    assert {one["state"] for one in told} == {"kept"}


def png_bomb(side: int) -> bytes:
    """A few kilobytes that say they are ``side`` pixels wide and high."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    row = b"\0" + b"\0" * side
    packed = b"".join(packer.compress(row) for _ in range(min(side, 2000))) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


HTML = b"<!doctype html><script>alert(1)</script>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>'
GIF = b"GIF89a" + b"\0" * 40


@pytest.mark.parametrize(
    ("data", "refusal"),
    [
        (HTML, "not_a_picture"),
        (SVG, "not_a_picture"),
        (GIF, "not_a_picture"),
        (b"\xff\xd8\xff" + HTML, "not_a_picture"),
        (a_photo(900, 700, detail=True)[:40_000], "not_a_picture"),
        (png_bomb(30_000), "too_many_pixels"),
        (png_bomb(5_000), "too_many_pixels"),
        (b"\0", "not_a_picture"),
    ],
    ids=["html", "svg", "gif", "jpeg head", "truncated", "bomb", "bomb below the decoder's own limit", "a byte"],
)
async def test_what_is_no_picture_is_refused_for_good(here: Stage, scene: Scene, data: bytes, refusal: str) -> None:
    patient = phone(here, scene)
    await patient.begin(data)
    told = await patient.send("full", data)
    assert (told["status"], told["state"], told["refusal"]) == (200, "refused", refusal)
    assert (await patient.begin(data))["state"] == "refused"
    assert (await phone(here, scene, "doctor A").get())[0] == 404
    assert await patient.form(data, "upl_00000000form") == 409


async def test_the_form_takes_a_cameras_file_and_the_same_form_twice_is_one_photo(here: Stage, scene: Scene) -> None:
    patient = phone(here, scene)
    photo = a_photo(3200, 2400, detail=True)
    assert len(photo) > 1_000_000
    assert [await patient.form(photo), await patient.form(photo)] == [303, 303]
    status, _, data = await patient.get()
    assert (status, dimensions(data)) == (200, (2560, 1920))
    assert await patient.form(b"\xff" * (13 * 1024 * 1024), "upl_000000000big") == 413


async def test_what_is_not_what_was_declared_is_dropped(here: Stage, scene: Scene) -> None:
    patient, photo = phone(here, scene), a_photo()
    await patient.begin(photo, digest=sha256(b"something else"))
    told = await patient.send("full", photo)
    assert (told["state"], told["refusal"]) == ("refused", "wrong_hash")


async def test_another_participants_upload_is_none_and_changes_nothing(here: Stage, scene: Scene) -> None:
    photo = a_photo()
    patient, guest = phone(here, scene), phone(here, scene, "admitted")
    await patient.begin(photo)
    assert (await guest.piece("full", 0, b"x" * 10))["status"] == 404
    guest.base = patient.base  # with the guest's own cookie at the patient's address
    assert (await guest.piece("full", 0, b"x" * 10))["status"] == 401
    assert (await patient.begin(photo))["received"] == {"full": 0}
    assert (await patient.begin(photo + b"x"))["code"] == "upload_id_taken"


@pytest.mark.parametrize(
    ("path", "data", "code"),
    [
        ("full?start=x", b"x", "invalid_chunk"),
        ("full?start=-1", b"x", "invalid_chunk"),
        ("full?start=0", b"", "invalid_chunk"),
        ("full?start=0", b"x" * 40_000, "invalid_chunk"),
        ("full?start=99999", b"x", "invalid_chunk"),
        ("full?start=5", b"x", "gap"),
        ("preview?start=0", b"x", "no_part"),
        ("other?start=0", b"x", "no_part"),
    ],
)
async def test_pieces_that_cannot_be(here: Stage, scene: Scene, path: str, data: bytes, code: str) -> None:
    patient, photo = phone(here, scene), a_photo()
    await patient.begin(photo)
    told = await patient._ask(f"/uploads/{UPLOAD}/{path}", data=data)
    assert told["code"] == code
    assert told["status"] in (400, 404, 409)


@pytest.mark.parametrize("upload", ["short", "UPPER_CASE", "../../etc", "a" * 41, "nul_\0_in_it"])
async def test_names_of_uploads_are_plain(here: Stage, scene: Scene, upload: str) -> None:
    told = await phone(here, scene).begin(a_photo(), upload=upload)
    assert (told["status"], told["code"]) in ((400, "invalid_upload"), (400, "malformed"))


async def test_two_at_once_settle_one_photo(here: Stage, scene: Scene) -> None:
    patient, photo = phone(here, scene), a_photo()
    await patient.begin(photo)
    half = len(photo) // 2
    await patient.piece("full", 0, photo[:half])
    told = await asyncio.gather(*(patient.piece("full", half, photo[half:]) for _ in range(4)))
    assert {one["state"] for one in told} == {"kept"}
    assert (await acts(here, scene)).count("photo.kept") == 1


async def test_the_form_takes_a_recorders_file(here: Stage, scene: Scene) -> None:
    patient = phone(here, scene)
    assert [await patient.form(a_sound(2, "mp4"), kind="voice") for _ in range(2)] == [303, 303]
    assert abs(Heard((await phone(here, scene, "doctor A").get())[2]).seconds - 2) < 0.2
    assert await patient.form(a_photo(), "upl_000000photo", "voice") == 409
    assert await patient.form(b"", "upl_000000empty", "voice") == 409
    assert await patient.form(a_sound(1), "upl_000000what", "film") == 400
    assert await phone(here, scene, "doctor A").form(a_sound(1), "upl_000000doctor", "voice") == 303


async def test_what_is_no_sound_is_refused_for_good(here: Stage, scene: Scene) -> None:
    patient = phone(here, scene)
    for number, (data, refusal) in enumerate([(HTML, "not_a_sound"), (a_sound(125, "ogg"), "too_long")]):
        told = await patient.voice(data, f"upl_0000000bad{number}")
        assert (told["status"], told["state"], told["refusal"]) == (200, "refused", refusal)
    told = await patient.begin(b"x" * (KINDS["voice"].parts["full"] + 1), upload="upl_0000000big", kind="voice")
    assert told["code"] == "too_large"


async def test_the_child_is_bounded() -> None:
    """A valid picture of as many pixels as are allowed passes; time is limited; nothing is left behind."""
    out = io.BytesIO()
    Image.new("RGB", (5000, 4000), "navy").save(out, "PNG")
    picture = await Decoder().picture(out.getvalue(), 1600, 80)
    assert (picture.width, picture.height) == (1600, 1280)
    with pytest.raises(NotDecodable) as late:
        await Decoder(picture_limit_s=0.01).picture(out.getvalue(), 1600, 80)
    assert late.value.code == "too_heavy"


def test_the_desk_sees_and_hears_nothing() -> None:
    for act in ("attachment.send", "attachment.view", "photo.send", "voice.send"):
        assert not RULES[act].roles & {Role.FRONT_DESK, Role.ADMIN, Role.INTEGRATION, Role.RECEIVER}

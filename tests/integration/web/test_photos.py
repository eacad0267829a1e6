"""Uploads by strangers' pages: what is no picture, too large, cut short, not what was declared, or not theirs."""

import asyncio
import hashlib
import io
import struct
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from PIL import Image

from candil.consults.permissions import RULES, Role
from candil.imaging.aio.redraw import NotDrawable, Redrawer
from candil.store import attachments as store
from candil.store import audit, thread
from tests.support.access import Caller, Scene, Stage, stage
from tests.support.photos import a_photo, dimensions

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
    """One participant's page, sending."""

    def __init__(self, here: Stage, caller: Caller) -> None:
        self.here, self.caller = here, caller
        self.base = f"/v/{caller.id}/photos"

    async def begin(self, full: bytes, preview: bytes = b"", upload: str = UPLOAD, digest: str = "") -> dict[str, Any]:
        said: dict[str, Any] = {"upload": upload, "full": {"bytes": len(full), "sha256": digest or sha256(full)}}
        if preview:
            said["preview"] = {"bytes": len(preview), "sha256": sha256(preview)}
        return await self._ask("/uploads", json=said)

    async def piece(self, part: str, start: int, data: bytes, upload: str = UPLOAD) -> dict[str, Any]:
        return await self._ask(f"/uploads/{upload}/{part}?start={start}", data=data)

    async def send(self, part: str, data: bytes, upload: str = UPLOAD) -> dict[str, Any]:
        told: dict[str, Any] = {}
        for start in range(0, len(data), 30_000):
            told = await self.piece(part, start, data[start : start + 30_000], upload)
        return told

    async def _ask(self, path: str, **sent: Any) -> dict[str, Any]:
        async with self.here.http.post(
            self.here.url + self.base + path, headers=self.caller.headers(), **sent
        ) as answer:
            return {"status": answer.status, **await answer.json()}

    async def form(self, data: bytes, upload: str = UPLOAD) -> int:
        form = aiohttp.FormData({"csrf": self.caller.csrf, "upload": upload})
        form.add_field("photo", data, filename="../../x.jpg", content_type="image/jpeg")
        headers = self.caller.headers() | {"X-CSRF-Token": ""}
        url = self.here.url + self.base
        async with self.here.http.post(url, headers=headers, data=form, allow_redirects=False) as answer:
            return answer.status


def phone(here: Stage, scene: Scene, name: str = "patient") -> Phone:
    return Phone(here, scene.people[name])


async def kept(
    here: Stage, scene: Scene, caller: Caller, part: str = "full", query: str = ""
) -> tuple[int, Any, bytes]:
    [row] = await here.ctx.db.read(lambda tx: store.of_consult(tx, scene.consult_id))
    base = f"/consults/{scene.consult_id}" if caller.kind == "staff" else f"/v/{caller.id}"
    async with here.http.get(f"{here.url}{base}/photos/{row.id}/{part}{query}", headers=caller.headers()) as answer:
        return answer.status, answer.headers, await answer.read()


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
        status, headers, data = await kept(here, scene, scene.people[name])
        assert (status, headers["Content-Type"], dimensions(data)) == (200, "image/jpeg", (800, 1200))
        assert not any(secret in data for secret in (b"SECRET", b"Exif", b"script"))
        assert headers["Content-Disposition"] == 'inline; filename="foto-1.jpg"'
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "no-store" in headers["Cache-Control"]
        assert "sandbox" in headers["Content-Security-Policy"]
    _, headers, _ = await kept(here, scene, scene.people["patient"], query="?download")
    assert headers["Content-Disposition"] == 'attachment; filename="foto-1.jpg"'
    assert dimensions((await kept(here, scene, scene.people["patient"], "preview"))[2]) == (300, 200)
    for name in ("admitted", "doctor B"):
        assert (await kept(here, scene, scene.people[name]))[0] == 404
    acts = [row.act for row in await here.ctx.db.read(lambda tx: audit.of_consult(tx, scene.consult_id))]
    assert acts.count("photo.kept") == 1
    assert acts.count("photo.view") == 1
    events = await here.ctx.db.read(lambda tx: thread.events_after(tx, scene.consult_id, 0))
    photos = [event for event in events if event.kind.startswith("photo.")]
    assert [(event.kind, event.audience) for event in photos] == [("photo.previewed", "staff"), ("photo.kept", "staff")]


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
    assert (await kept(here, scene, scene.people["doctor A"]))[0] == 404
    assert await patient.form(data, "upl_00000000form") == 409


async def test_the_form_takes_a_cameras_file_and_the_same_form_twice_is_one_photo(here: Stage, scene: Scene) -> None:
    patient = phone(here, scene)
    photo = a_photo(3200, 2400, detail=True)
    assert len(photo) > 1_000_000
    assert [await patient.form(photo), await patient.form(photo)] == [303, 303]
    status, _, data = await kept(here, scene, scene.people["patient"])
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
    acts = [row.act for row in await here.ctx.db.read(lambda tx: audit.of_consult(tx, scene.consult_id))]
    assert acts.count("photo.kept") == 1


async def test_the_child_is_bounded(tmp_path: Path) -> None:
    """A valid picture of as many pixels as are allowed passes; time is limited; nothing is left behind."""
    out = io.BytesIO()
    Image.new("RGB", (5000, 4000), "navy").save(out, "PNG")
    redrawer = Redrawer()
    picture = await redrawer.redraw(out.getvalue(), 1600, 80)
    assert (picture.width, picture.height) == (1600, 1280)
    with pytest.raises(NotDrawable) as late:
        await Redrawer(time_limit_s=0.01).redraw(out.getvalue(), 1600, 80)
    assert late.value.code == "too_heavy"


def test_only_the_invited_send_and_the_desk_sees_nothing() -> None:
    assert Role.DOCTOR not in RULES["photo.send"].roles
    assert not RULES["photo.view"].roles & {Role.FRONT_DESK, Role.ADMIN, Role.INTEGRATION, Role.RECEIVER}

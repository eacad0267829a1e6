"""A photo on request, between two real pages: asked for, taken, seen before it goes, sent in pieces, seen large."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.support import visit
from tests.support.browser import Person, person
from tests.support.eventually import eventually
from tests.support.photos import a_photo, dimensions
from tests.support.product import Product

pytestmark = pytest.mark.asyncio(loop_scope="session")

LOST = (r"ERR_CONNECTION", r"WebSocket connection", r"ERR_EMPTY_RESPONSE", r"ERR_INCOMPLETE", r"ERR_FAILED")
PICTURES = os.environ.get("SCREENSHOTS_TO", "")


async def picture(someone: Person, name: str) -> None:
    if PICTURES:
        await someone.page.screenshot(path=Path(PICTURES) / f"{name}.png")


async def in_the_visit(
    browser: Browser, product: Product, media: str = "video", **options: object
) -> tuple[Person, Person]:
    """The doctor and the patient, who has been admitted."""
    planned = product.plan()
    doctor = await visit.signed_in_doctor(browser, product)
    patient = await person(browser, "the patient", **options)  # type: ignore[arg-type]
    patient_id = await visit.arrive(patient, planned.link, media)
    doctor_id = await visit.open_consult(doctor, product, planned)
    await visit.admit(doctor, patient_id)
    await visit.in_room(patient, "call")
    if media == "video":
        await patient.sees_and_hears(doctor_id)
    return doctor, patient


async def ask(doctor: Person, patient: Person) -> None:
    await doctor.press("[data-ask-photo]:visible")
    await patient.sees("[data-photo-sheet] [data-do=take]")


async def arrives(doctor: Person, timeout_s: float = 30) -> None:
    shown = doctor.page.locator("[data-messages] [data-entry=kept] a[data-photo] img")
    await expect(shown).to_have_count(1, timeout=timeout_s * 1000)
    await expect(doctor.page.locator("[data-messages] [data-picture]")).to_have_count(1)


async def test_the_calls_camera_takes_it_and_the_doctor_sees_it_large(browser: Browser, product: Product) -> None:
    doctor, patient = await in_the_visit(browser, product)
    await ask(doctor, patient)
    await picture(patient, "photo-asked")
    await patient.press("[data-photo-sheet] [data-do=take]")
    await patient.sees("[data-photo-sheet] video")
    await asyncio.sleep(0.5)  # a frame or two for the picture of this moment
    await picture(patient, "photo-camera")
    await patient.press("[data-photo-sheet] [data-do=shoot]")
    await patient.sees("[data-photo-picture]")
    cost = await patient.page.locator("[data-photo-cost]").inner_text()
    assert "kB" in cost
    assert await patient.axe() == []
    await picture(patient, "photo-confirm")
    await patient.press("[data-photo-sheet] [data-do=send]")
    await patient.sees("[data-photo-news]")
    await picture(patient, "photo-sending")
    await arrives(doctor)
    await patient.sees("[data-photo-news][data-state=kept]")

    link = doctor.page.locator("[data-messages] a[data-photo]")
    await picture(doctor, "photo-doctor")
    await link.click()
    await doctor.sees("[data-photo-viewer] img")
    large = doctor.page.locator("[data-photo-viewer] img")
    await expect(doctor.page.locator("[data-photo-viewer]")).not_to_have_attribute("data-loading", "1")
    width = await large.evaluate("image => image.naturalWidth")
    assert width >= 640
    for _ in range(3):
        await doctor.page.keyboard.press("+")
    await doctor.page.keyboard.press("ArrowRight")
    assert "scale(2.7" in await large.evaluate("image => image.style.transform")
    await picture(doctor, "photo-viewer")
    assert await doctor.axe() == []
    await doctor.page.keyboard.press("Escape")
    await expect(doctor.page.locator("[data-photo-viewer]")).to_be_hidden()

    await visit.fill_note(doctor, **visit.NOTE)
    await visit.sign(doctor)
    await expect(doctor.page.locator(".photos img")).to_have_count(1)
    await picture(doctor, "photo-record")
    await doctor.close()
    await patient.close()


async def test_not_now_is_told_and_nothing_is_sent(browser: Browser, product: Product) -> None:
    doctor, patient = await in_the_visit(browser, product, "text")
    await ask(doctor, patient)
    await patient.page.keyboard.press("Escape")
    await doctor.sees("[data-photo-news][data-news=declined]")
    await expect(doctor.page.locator("[data-picture]")).to_have_count(0)
    await doctor.close()
    await patient.close()


async def test_in_the_text_thread_the_phones_own_camera_takes_it_and_a_reload_goes_on(
    browser: Browser, product: Product, tmp_path: Path
) -> None:
    doctor, patient = await in_the_visit(browser, product, "text", permissions=())
    file = tmp_path / "IMG_0001.jpg"
    file.write_bytes(a_photo(3000, 2000, detail=True))
    await ask(doctor, patient)
    async with patient.page.expect_file_chooser() as chosen:
        await patient.press("[data-photo-sheet] [data-do=take]")
    await (await chosen.value).set_files(file)
    await patient.sees("[data-photo-picture]")
    patient.forgive(*LOST)
    pieces: list[int] = []
    await patient.context.route("**/attachments/uploads/**", lambda route: _some(route, pieces))
    await patient.press("[data-photo-sheet] [data-do=send]")
    await expect(doctor.page.locator("[data-entry=receiving] img")).to_have_count(1, timeout=20_000)
    await picture(doctor, "photo-arriving")
    await patient.sees("[data-photo-news][data-state=waiting]", 20)
    await picture(patient, "photo-waiting")
    await patient.page.reload()
    await patient.context.unroute("**/attachments/uploads/**")
    await arrives(doctor)
    assert len(pieces) > 2
    await patient.sees("[data-messages] [data-entry=kept] img")
    await expect(patient.page.locator("[data-messages] [data-picture]")).to_have_count(1)
    data = await doctor.page.evaluate(
        """async () => {
          const answer = await fetch(document.querySelector("[data-messages] a[data-photo]").href);
          return Array.from(new Uint8Array(await answer.arrayBuffer()));
        }"""
    )
    assert max(dimensions(bytes(data))) == 1600
    await picture(patient, "photo-own")
    await doctor.close()
    await patient.close()


async def _some(route, pieces: list[int]) -> None:  # type: ignore[no-untyped-def]
    """Lets the preview and two pieces of the full picture through; then the line is dead."""
    if "/full?" in route.request.url:
        pieces.append(1)
        if len(pieces) > 2:
            await route.abort()
            return
    await route.continue_()


async def test_without_scripts_a_plain_form_sends_the_cameras_file(
    browser: Browser, product: Product, tmp_path: Path
) -> None:
    planned = product.plan()
    doctor = await visit.signed_in_doctor(browser, product)
    patient = await person(browser, "the patient", watch=False, permissions=(), java_script_enabled=False)
    patient_id = await visit.take_link(patient, planned.link)
    await visit.accept(patient)
    await visit.choose(patient, "text")
    await visit.in_room(patient, "waiting")
    await visit.open_consult(doctor, product, planned)
    await visit.admit(doctor, patient_id)
    await patient.page.goto(patient.page.url.split("?")[0] + "?write")
    file = tmp_path / "IMG_0002.jpg"
    file.write_bytes(a_photo(2400, 1800, detail=True))
    await patient.page.set_input_files("#photo-file", file)
    await picture(patient, "photo-form")
    await patient.press(".file-form:has(#photo-file) button")
    await expect(patient.page.locator("[data-messages] [data-entry=kept] img")).to_have_count(1)
    await arrives(doctor)
    await doctor.close()
    await patient.close()


@pytest.fixture
def fragile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    running = Product(tmp_path_factory.mktemp("product"))
    running.start()
    yield running
    running.stop()


async def test_a_power_cut_of_the_server_in_the_middle_costs_no_byte(
    browser: Browser, fragile: Product, tmp_path: Path
) -> None:
    doctor, patient = await in_the_visit(browser, fragile, "text", permissions=())
    file = tmp_path / "IMG_0003.jpg"
    file.write_bytes(a_photo(3000, 2000, detail=True))
    await ask(doctor, patient)
    await patient.page.set_input_files("[data-photo-sheet] [data-if-photo=camera] input", file)
    await patient.sees("[data-photo-picture]")
    sent: list[tuple[str, int]] = []
    patient.page.on("requestfinished", lambda request: sent.append((request.url, len(request.post_data_buffer or b""))))
    for someone in (doctor, patient):
        someone.forgive(*LOST)
    await patient.context.route("**/uploads/*/full?*", lambda route: _slow(route))
    await patient.press("[data-photo-sheet] [data-do=send]")
    await expect(patient.page.locator("[data-photo-news]")).to_contain_text("%", timeout=10_000)
    await eventually("three pieces have arrived", lambda: sum("/full?" in url for url, _ in sent) >= 3)
    fragile.kill()
    await patient.sees("[data-photo-news][data-state=waiting]", 20)
    fragile.start()
    await arrives(doctor, 60)
    starts = [int(url.rsplit("=", 1)[1]) for url, _ in sent if "/full?" in url]
    assert starts == sorted(starts)
    assert starts.count(0) == 1, "it went on where it broke"
    await doctor.close()
    await patient.close()


async def _slow(route) -> None:  # type: ignore[no-untyped-def]
    await asyncio.sleep(0.2)
    await route.continue_()

"""Voice notes between two real pages: held and spoken, listened to, sent over a line that breaks, heard once."""

import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, Route, expect

from tests.support import visit
from tests.support.browser import Person, person
from tests.support.eventually import eventually
from tests.support.photos import a_photo
from tests.support.product import Product
from tests.support.sounds import a_sound

pytestmark = pytest.mark.asyncio(loop_scope="session")

LOST = (r"ERR_CONNECTION", r"ERR_INTERNET_DISCONNECTED", r"WebSocket connection", r"ERR_FAILED", r"ERR_NETWORK")
NOTE = "[data-messages] [data-kind=voice]"

# Every sound the page plays passes a meter.
METERED = """() => {
  const Native = self.Audio;
  self.__sounds = [];
  self.Audio = function (src) {
    const sound = new Native(src);
    self.__sounds.push(sound);
    return sound;
  };
}"""
ENERGY = """async () => {
  const sound = self.__sounds.find((one) => !one.paused);
  if (!sound) return -1;
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  context.createMediaStreamSource(sound.captureStream()).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  let energy = 0;
  for (let i = 0; i < 10; i += 1) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    analyser.getFloatTimeDomainData(samples);
    energy += samples.reduce((sum, sample) => sum + sample * sample, 0);
  }
  context.close();
  return energy;
}"""


async def people(browser: Browser, product: Product) -> tuple[Person, Person, str]:
    """The doctor at the consult's page, the patient who waits and writes, and the patient's id."""
    planned = product.plan()
    doctor = await visit.signed_in_doctor(browser, product)
    await doctor.context.add_init_script(f"({METERED})()")
    patient = await person(browser, "the patient")
    await patient.context.add_init_script(f"({METERED})()")
    patient_id = await visit.arrive(patient, planned.link, "text")
    await visit.open_consult(doctor, product, planned)
    return doctor, patient, patient_id


async def hold(someone: Person, seconds: float, slide_px: int = 0) -> None:
    """Press the button, talk, and let go, maybe away from it."""
    box = await someone.get("[data-voice-button]").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    mouse = someone.page.mouse
    await mouse.move(x, y)
    await mouse.down()
    await someone.sees("[data-voice-bar][data-state=holding] [data-voice-clock]", 20)
    await someone.page.wait_for_timeout(seconds * 1000)
    if slide_px:
        await mouse.move(x - slide_px, y, steps=4)
        await someone.sees("[data-voice-bar][data-state=cancelling]")
    await mouse.up()


async def plays(someone: Person, bubble: str = NOTE) -> None:
    """Real sound comes out of it."""
    await someone.press(f"{bubble} [data-play]")
    await someone.page.locator(f"{bubble} [data-voice][data-state=playing]").wait_for(timeout=20_000)

    async def heard() -> bool:
        return float(await someone.page.evaluate(ENERGY)) > 0.5

    await eventually(f"{someone.name} hears it", heard, 15)


async def test_held_spoken_broken_off_reloaded_it_arrives_once_and_is_heard(browser: Browser, product: Product) -> None:
    doctor, patient, _ = await people(browser, product)
    await hold(patient, 1, slide_px=150)
    await expect(patient.page.locator("[data-voice-bar]")).to_be_hidden()
    assert await patient.page.locator(NOTE).count() == 0, "slid away, it was thrown away"

    await hold(patient, 9)
    await patient.sees("[data-voice-bar][data-state=review] [data-voice-do=send]")
    await plays(patient, "[data-voice-bar]")
    starts: list[int] = []
    patient.forgive(*LOST)

    async def one_piece_then_no_line(route: Route) -> None:
        if found := re.search(r"/full\?start=(\d+)", route.request.url):
            starts.append(int(found[1]))
            if len(starts) == 2:
                await patient.context.set_offline(True)
            if len(starts) > 1:
                await route.abort()
                return
        await route.continue_()

    await patient.context.route("**/attachments/uploads/**", one_piece_then_no_line)
    await patient.press("[data-voice-do=send]")
    await eventually("it broke in the middle", lambda: len(starts) >= 2, 20)
    await patient.page.locator(f"{NOTE}[data-mark=wait]").wait_for(timeout=20_000)
    await expect(patient.page.locator(f"{NOTE} .m-wait")).to_have_text("en este teléfono")
    await plays(patient)
    await patient.context.set_offline(False)
    await patient.page.reload()
    await patient.context.unroute("**/attachments/uploads/**")
    again: list[str] = []
    patient.page.on("request", lambda request: again.append(request.url))

    await doctor.page.locator(f"{NOTE}[data-entry=kept]").wait_for(timeout=30_000)
    assert [url for url in again if "/full?start=0" in url] == [], "it went on where it broke"
    await patient.page.locator(f"{NOTE}[data-mark=delivered]").wait_for(timeout=10_000)
    for someone in (doctor, patient):
        await expect(someone.page.locator(NOTE)).to_have_count(1)
    assert re.search(r"0:(09|1\d) · \d+ kB", await doctor.page.locator(f"{NOTE} [data-voice-says]").inner_text())
    assert not [url for url in doctor.requested if "/full" in url], "nothing was loaded before it was asked for"
    await plays(doctor)
    await doctor.press(f"{NOTE} .voice-speed")
    assert await doctor.page.evaluate("() => self.__sounds.find((one) => !one.paused).playbackRate") == 1.5
    await patient.page.locator(f"{NOTE}[data-mark=heard]").wait_for(timeout=10_000)
    for someone in (doctor, patient):
        assert await someone.axe() == []
        await someone.close()


async def test_tapped_by_keys_both_ways_and_kept_in_the_record(browser: Browser, product: Product) -> None:
    doctor, patient, patient_id = await people(browser, product)
    await visit.admit(doctor, patient_id)
    await visit.in_room(patient, "call")
    await doctor.page.locator("[data-voice-button]").focus()
    await doctor.page.keyboard.press("Enter")
    await doctor.page.locator("[data-voice-do=stop]:focus").wait_for(timeout=20_000)
    await doctor.page.wait_for_timeout(1500)
    await doctor.page.keyboard.press("Enter")
    await doctor.page.locator("[data-voice-bar][data-state=review] [data-voice-do=send]:focus").wait_for()
    await doctor.page.keyboard.press("Enter")
    await plays(patient)
    await doctor.page.locator(f"{NOTE}[data-mark=heard]").wait_for(timeout=10_000)

    await doctor.page.set_input_files("[data-send-picture] input", {
        "name": "receta.jpg", "mimeType": "image/jpeg", "buffer": a_photo(1200, 900, detail=True),
    })  # fmt: skip
    await doctor.press("[data-picture-do=send]")
    await patient.page.locator("[data-messages] [data-entry=kept] a[data-photo]").wait_for(timeout=20_000)

    await visit.fill_note(doctor, **visit.NOTE)
    await visit.sign(doctor)
    await doctor.sees(".voices [data-play]")
    await doctor.sees(".photos img")
    await patient.page.wait_for_url("**/summary")
    await plays(patient, ".voices")
    for someone in (doctor, patient):
        assert await someone.axe() == []
        await someone.close()


async def test_in_a_call_that_carries_the_voice_there_is_nothing_to_record(browser: Browser, product: Product) -> None:
    planned = product.plan()
    doctor = await visit.signed_in_doctor(browser, product)
    patient = await person(browser, "the patient")
    patient_id = await visit.arrive(patient, planned.link, "audio")
    doctor_id = await visit.open_consult(doctor, product, planned)
    await visit.admit(doctor, patient_id)
    await visit.in_room(patient, "call")
    await patient.sees_and_hears(doctor_id, pictures=False)
    await patient.press("[data-open-chat]")
    await patient.press("[data-voice-button]")
    await patient.sees("[data-voice-bar][data-state=live]", 20)
    await patient.press("[data-voice-do=drop]")
    await patient.press("[data-close-chat]")
    await patient.press("[data-microphone]")
    await patient.press("[data-open-chat]")
    before = len(await patient.asked_devices())
    await hold(patient, 2)
    await patient.press("[data-voice-do=send]")
    await doctor.page.locator(f"{NOTE}[data-entry=kept]").wait_for(timeout=20_000)
    assert len(await patient.asked_devices()) == before, "the call's microphone was listened to, not opened again"
    assert await patient.page.locator("[data-microphone]").get_attribute("aria-pressed") == "false"
    await doctor.close()
    await patient.close()


async def test_without_scripts_a_form_takes_the_recorders_file(
    browser: Browser, product: Product, tmp_path: Path
) -> None:
    planned = product.plan()
    doctor = await visit.signed_in_doctor(browser, product)
    await doctor.context.add_init_script(f"({METERED})()")
    patient = await person(browser, "the patient", watch=False, permissions=(), java_script_enabled=False)
    await visit.take_link(patient, planned.link)
    await visit.accept(patient)
    await visit.choose(patient, "text")
    await visit.in_room(patient, "waiting")
    await patient.press(".write-link a")
    file = tmp_path / "Grabación 12.m4a"
    file.write_bytes(a_sound(3, "mp4"))
    await patient.page.set_input_files("#voice-recorder", file)
    await patient.press(".file-form:has(#voice-recorder) button")
    link = patient.page.locator(f"{NOTE} a[data-play]")
    await expect(link).to_have_attribute("href", re.compile(r"/v/.*/attachments/att_.*/mp3$"))
    played = await patient.context.request.get(product.url + str(await link.get_attribute("href")))
    assert (played.status, played.headers["content-type"]) == (200, "audio/mpeg")
    await visit.open_consult(doctor, product, planned)
    await plays(doctor)
    await doctor.close()
    await patient.close()

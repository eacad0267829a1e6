"""What both see of the line: the tier that flows, why, what it spends, and the ways to go on."""

import json

import pytest
from playwright.async_api import Browser, expect

from tests.support import visit
from tests.support.browser import Person, person
from tests.support.line_news import tell, watch_sockets, way
from tests.support.product import Product

pytestmark = pytest.mark.asyncio(loop_scope="session")

WATCH_SENT = """(() => {
  self.__sent = [];
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (text) { self.__sent.push(text); return send.call(this, text); };
})();"""


# The page's call in the test's hand.
HOLD = """() => {
  self.Candil = {};
  let made;
  Object.defineProperty(self.Candil, "Call", {
    get: () => made,
    set: (Call) => (made = class extends Call {
      constructor(options) {
        super(options);
        self.heldCall = this;
      }
    }),
  });
}"""


async def in_call(browser: Browser, product: Product) -> tuple[Person, Person, str, str]:
    planned = product.plan()
    doctor = await visit.signed_in_doctor(browser, product)
    patient = await person(browser, "the patient")
    for someone in (doctor, patient):
        await someone.context.add_init_script(WATCH_SENT)
        await someone.context.add_init_script(f"({HOLD})()")
        await watch_sockets(someone)
    mine = await visit.arrive(patient, planned.link)
    theirs = await visit.open_consult(doctor, product, planned)
    await visit.admit(doctor, mine)
    await patient.sees_and_hears(theirs)
    return doctor, patient, mine, theirs


async def limits_sent(someone: Person) -> list[dict[str, str]]:
    sent = [json.loads(text) for text in await someone.page.evaluate("() => self.__sent")]
    return [message for message in sent if message["type"] == "media.limit"]


async def test_the_patient_reads_the_tier_and_its_reason_one_change_at_a_time(
    browser: Browser, product: Product
) -> None:
    doctor, patient, mine, _ = await in_call(browser, product)
    page = patient.page
    await tell(patient, mine, way("video"), way("video"))
    await expect(page.locator("[data-lamp-word]")).to_have_text("Video")
    await expect(page.locator(".tile.pictured")).to_be_visible()
    await tell(patient, mine, way("stills", "line", 60_000, 85_000), way("audio", "line", 31_000, 48_000))
    await expect(page.locator("[data-lamp-word]")).to_have_text("Fotos")
    news = page.locator("[data-line-news-text]")
    await expect(news).to_have_text("Por ahora fotos en vez de video, para que la voz siga clara.")
    await expect(page.locator(".tile.still .photo-age")).to_contain_text("Foto de", timeout=10_000)
    await tell(patient, mine, way("audio", "line", 31_000, 48_000), way("audio", "line", 31_000, 48_000))
    await tell(patient, mine, way("emergency", "line", 14_000, 26_000), way("audio", "line", 31_000, 48_000))
    await expect(news).to_have_text("La conexión está muy débil: por ahora solo lo esencial de la voz.", timeout=10_000)
    await expect(page.locator(".tile.pictured")).to_have_count(0)
    await patient.press("[data-lamp] summary")
    down = page.locator("[data-way=down]")
    await expect(down.locator("[data-word]")).to_have_text("Solo audio, lo esencial")
    await expect(down.locator("[data-reason]")).to_contain_text("14 kbit/s; hacen falta 26 para una voz clara")
    await expect(page.locator("[data-way=up] [data-reason]")).to_contain_text("48 para fotos")
    assert await patient.axe() == []
    await page.keyboard.press("Escape")
    await expect(page.locator("[data-lamp]")).not_to_have_attribute("open", "")
    await doctor.close()
    await patient.close()


async def test_the_patient_chooses_how_to_go_on_and_the_device_remembers(browser: Browser, product: Product) -> None:
    doctor, patient, _, _ = await in_call(browser, product)
    await patient.press("[data-lamp] summary")
    await patient.press("label.mode:has(input[value=saving])")
    limits = await limits_sent(patient)
    assert {key: limits[-1][key] for key in ("down", "up", "reason")} == {
        "down": "stills", "up": "stills", "reason": "saving",
    }  # fmt: skip
    await patient.page.reload()
    await visit.in_room(patient, "call")
    await expect(patient.page.locator("input[name=mode][value=saving]")).to_be_checked()
    await patient.press("[data-lamp] summary")
    await patient.press("label.mode:has(input[value=audio])")
    await expect(patient.page.locator("[data-room]")).to_have_attribute("data-media", "audio")
    await doctor.close()
    await patient.close()


async def test_the_patient_sees_what_it_spends_and_sets_a_limit(browser: Browser, product: Product) -> None:
    doctor, patient, _, _ = await in_call(browser, product)
    page = patient.page
    await patient.press("[data-lamp] summary")
    await expect(page.locator("[data-spent-call]")).to_contain_text(" MB", timeout=10_000)
    await page.select_option("[data-cap]", "15")
    await expect(page.locator("[data-spent-left]")).to_contain_text("de su límite de 15 MB", timeout=10_000)
    await page.select_option("[data-cap]", "other")
    await page.fill("#cap-other", "1")
    await patient.press("[data-cap-set]")
    await patient.press("[data-close-lamp]")
    await page.evaluate("() => heldCall.countBytes(900_000)")  # as an upload of that size would
    await expect(page.locator("[data-spent-words]")).to_contain_text("Llegó a 1 MB", timeout=40_000)
    await expect(page.locator("[data-spent-words]")).to_be_visible(timeout=40_000)
    assert await patient.axe() == []
    await patient.press("[data-raise-cap]")
    await page.select_option("[data-cap]", "")
    await patient.press("[data-close-lamp]")
    await expect(page.locator("[data-spent-words]")).to_be_hidden(timeout=20_000)
    await doctor.close()
    await patient.close()


async def test_the_doctor_reads_both_directions_beside_the_picture(browser: Browser, product: Product) -> None:
    doctor, patient, mine, theirs = await in_call(browser, product)
    page = doctor.page
    await tell(doctor, mine, way("low_video", "line", 150_000, 415_000), way("video"))
    await tell(doctor, mine, way("low_video", "line", 150_000, 415_000), way("stills", "line", 60_000, 85_000))
    await tell(doctor, theirs, way("stills", "peer", 900_000), way("low_video", "peer", 900_000))
    await expect(page.locator("[data-short=down]")).to_have_text("Video pequeño")
    await expect(page.locator("[data-short=up]")).to_have_text("Fotos")
    await expect(page.locator("[data-short-reason]")).to_have_text(
        "Su conexión da 60 kbit/s; hacen falta 85 para video."
    )
    await expect(page.locator("[data-line-news-text]")).to_have_text("El paciente envía ahora: Fotos.")
    await expect(page.locator(".tile.still .photo-age")).to_contain_text("Foto de", timeout=10_000)
    await doctor.press("[data-lamp] summary")
    await expect(page.locator("svg[data-chart=up] .band-of-tier")).not_to_have_count(0)
    await expect(page.locator("svg[data-chart=up]")).to_have_attribute(
        "aria-label", "Lo que envía el paciente: ahora Fotos; capacidad 60 kbit/s."
    )
    await expect(page.locator("[data-way=own-up] [data-reason]")).to_contain_text("La conexión del paciente")
    height = await page.evaluate("() => [document.documentElement.scrollHeight, innerHeight]")
    assert height[0] <= height[1]
    assert await doctor.axe() == []
    await doctor.press("label.mode:has(input[value=audio])")
    assert (await limits_sent(doctor))[-1]["reason"] == "chosen"
    await doctor.close()
    await patient.close()

"""A second engine: the patient in Firefox, the doctor in Chromium."""

import asyncio

import pytest
from playwright.async_api import Browser

from tests.support import visit
from tests.support.eventually import eventually
from tests.support.firefox import Firefox, firefox
from tests.support.product import Product

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def to_choice(fox: Firefox, link: str) -> str:
    """From the link to how to talk; the participant id."""
    await fox.do("goto", url=link)
    await fox.do("submit", selector="form[action^='/i/'] button")
    await fox.do("submit", selector="button[name=answer][value=accept]")
    return str(await fox.do("url")).rsplit("/", 1)[1].split("?")[0]


async def choose(fox: Firefox, media: str) -> None:
    await fox.do("click", selector=f"label.choice:has(input[value={media}])")
    await fox.do("submit", selector="form[action$='/media'] button.primary")


async def shows(fox: Firefox, selector: str) -> None:
    await fox.do("wait", selector=selector)


async def reads(fox: Firefox, text: str, timeout_s: float = 15) -> None:
    async def there() -> bool:
        return text in await fox.do("text")

    await eventually(f"Firefox shows {text!r}", there, timeout_s)


async def test_a_video_visit_between_firefox_and_chromium(browser: Browser, product: Product) -> None:
    planned = product.plan()
    doctor = await visit.signed_in_doctor(browser, product)
    async with firefox() as fox:
        patient_id = await to_choice(fox, planned.link)
        await choose(fox, "video")
        await fox.do("click", selector="[data-try]")
        await shows(fox, "[data-check][data-state=ready]")
        await fox.do("submit", selector="[data-enter]")
        await shows(fox, "[data-room][data-step=waiting]")
        doctor_id = await visit.open_consult(doctor, product, planned)
        await visit.admit(doctor, patient_id)
        await shows(fox, "[data-room][data-step=call]")
        await fox.sees_and_hears(doctor_id)
        await doctor.sees_and_hears(patient_id, timeout_s=30)
        await fox.do("click", selector="[data-open-chat]")
        await fox.do("type", selector="#message", text="Hola desde Firefox")
        await fox.do("click", selector="[data-compose] button")
        await visit.has_message(doctor, "Hola desde Firefox")
        await visit.write(doctor, "Hola desde Chromium")
        await reads(fox, "Hola desde Chromium")
        await fox.do("reload")
        await shows(fox, "[data-room][data-step=call]")
        await fox.sees_and_hears(doctor_id)
        await doctor.sees_and_hears(patient_id, timeout_s=30)
        assert await fox.do("errors") == []
    await doctor.close()


async def test_a_visit_by_messages_in_firefox_asks_for_no_device(browser: Browser, product: Product) -> None:
    planned = product.plan()
    doctor = await visit.signed_in_doctor(browser, product)
    async with firefox() as fox:
        patient_id = await to_choice(fox, planned.link)
        await choose(fox, "text")
        await shows(fox, "[data-room][data-step=waiting]")
        await visit.open_consult(doctor, product, planned)
        await visit.admit(doctor, patient_id)
        await shows(fox, "[data-room][data-step=call]")
        await fox.do("type", selector="#message", text="Prefiero escribir")
        await fox.do("click", selector="[data-compose] button")
        await visit.has_message(doctor, "Prefiero escribir")
        await visit.write(doctor, "Muy bien")
        await reads(fox, "Muy bien")
        watched = await fox.evaluate("({asked: self.__watched.asked, open: self.__watched.connections.length})")
        assert watched == {"asked": [], "open": 0}
        assert await fox.do("errors") == []
    await doctor.close()


async def test_voice_notes_between_firefox_and_chromium(browser: Browser, product: Product) -> None:
    """Firefox records Ogg where Chromium records WebM; each plays what was made of the other's."""
    planned = product.plan()
    doctor = await visit.signed_in_doctor(browser, product)
    async with firefox() as fox:
        await to_choice(fox, planned.link)
        await choose(fox, "text")
        await shows(fox, "[data-room][data-step=waiting]")
        await fox.do("click", selector="[data-voice-button]")
        await shows(fox, "[data-voice-do=stop]")
        await asyncio.sleep(2)
        await fox.do("click", selector="[data-voice-do=stop]")
        await fox.do("click", selector="[data-voice-bar] [data-voice-do=send]")
        await visit.open_consult(doctor, product, planned)
        await doctor.press("[data-kind=voice] [data-play]")
        await doctor.page.locator("[data-kind=voice] [data-voice][data-state=playing]").wait_for(timeout=20_000)
        await shows(fox, "[data-kind=voice][data-mark=heard]")

        await doctor.press("[data-voice-button]")
        await doctor.sees("[data-voice-do=stop]", 20)
        await asyncio.sleep(3)
        await doctor.press("[data-voice-do=stop]")
        await doctor.press("[data-voice-do=send]")
        await fox.do("click", selector=".bubble:not(.mine) [data-play]")
        await shows(fox, ".bubble:not(.mine) [data-voice][data-state=playing]")
        assert await fox.do("errors") == []
    await doctor.close()

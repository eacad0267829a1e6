"""A visit by messages alone, with scripts and without them."""

import pytest
from playwright.async_api import Browser, expect

from tests.support import visit
from tests.support.browser import Person, person
from tests.support.product import Product

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_text_only_never_touches_a_device_and_goes_to_the_end(browser: Browser, product: Product) -> None:
    planned = product.plan()
    doctor = await visit.signed_in_doctor(browser, product)
    patient = await person(browser, "the patient", permissions=())
    asked: list[str] = []
    patient_id = await visit.arrive(patient, planned.link, "text")
    asked += await patient.asked_devices()
    await visit.write(patient, "Prefiero escribir")
    await visit.open_consult(doctor, product, planned)
    await visit.has_message(doctor, "Prefiero escribir")
    await visit.admit(doctor, patient_id)
    await visit.in_room(patient, "call")
    await visit.write(doctor, "Con gusto, ¿qué siente?")
    await visit.has_message(patient, "Con gusto, ¿qué siente?")
    await visit.write(patient, "Ardor al orinar")
    await visit.has_message(doctor, "Ardor al orinar")
    await visit.message_state(patient, "Ardor al orinar", "read")
    await visit.fill_note(doctor, **visit.NOTE)
    assert await patient.page.evaluate("() => self.__watched.connections.length") == 0
    asked += await patient.asked_devices()
    await visit.sign(doctor)
    await patient.page.wait_for_url("**/summary")
    await patient.reads(visit.NOTE["instructions"])
    assert asked == []
    await doctor.close()
    await patient.close()


async def renewed(patient: Person) -> None:
    await patient.page.goto(patient.page.url.split("#")[0].split("?")[0])


async def send_by_form(patient: Person, text: str) -> None:
    await renewed(patient)
    await patient.press(".write-link a")
    await patient.page.fill("#message", text)
    await patient.press("[data-compose] button")
    await visit.has_message(patient, text)


async def test_without_scripts_the_patient_writes_by_forms_to_the_end(browser: Browser, product: Product) -> None:
    planned = product.plan()
    doctor = await visit.signed_in_doctor(browser, product)
    patient = await person(browser, "the patient", watch=False, permissions=(), java_script_enabled=False)
    patient_id = await visit.take_link(patient, planned.link)
    await visit.accept(patient)
    await visit.choose(patient, "text")
    await visit.in_room(patient, "waiting")
    await visit.in_line(patient, 0)
    await send_by_form(patient, "Hola, no tengo buena línea")

    await visit.open_consult(doctor, product, planned)
    await visit.has_message(doctor, "Hola, no tengo buena línea")
    await visit.admit(doctor, patient_id)
    await visit.write(doctor, "Aquí estoy, cuénteme")
    await visit.has_message(doctor, "Aquí estoy, cuénteme")
    await renewed(patient)
    await visit.in_room(patient, "call")
    await visit.has_message(patient, "Aquí estoy, cuénteme")
    await visit.message_state(doctor, "Aquí estoy, cuénteme", "delivered")
    await send_by_form(patient, "Me duele al tragar")
    await visit.has_message(doctor, "Me duele al tragar")

    await visit.fill_note(doctor, **visit.NOTE)
    await visit.sign(doctor)
    await renewed(patient)
    await patient.reads(visit.NOTE["instructions"])
    await doctor.close()
    await patient.close()


async def test_the_waiting_room_renews_itself_without_scripts(browser: Browser, product: Product) -> None:
    planned = product.plan()
    patient = await person(browser, "the patient", watch=False, permissions=(), java_script_enabled=False)
    await visit.take_link(patient, planned.link)
    await visit.accept(patient)
    await visit.choose(patient, "text")
    await visit.in_room(patient, "waiting")
    assert await patient.page.locator("noscript meta[http-equiv=refresh]").count() == 1
    await expect(patient.page.locator(".write-link")).to_be_visible()
    await patient.close()

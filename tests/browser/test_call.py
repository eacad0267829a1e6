"""Inside a call: devices switched off, leaving and coming back, reloads at any moment."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.support import visit
from tests.support.browser import Person, person
from tests.support.product import Product

pytestmark = pytest.mark.asyncio(loop_scope="session")


@dataclass
class InCall:
    doctor: Person
    doctor_id: str
    patient: Person
    patient_id: str

    async def both_see_and_hear(self) -> None:
        await self.patient.sees_and_hears(self.doctor_id)
        await self.doctor.sees_and_hears(self.patient_id)


@pytest_asyncio.fixture(loop_scope="session")
async def call(browser: Browser, product: Product) -> AsyncIterator[InCall]:
    planned = product.plan()
    doctor = await visit.signed_in_doctor(browser, product)
    patient = await person(browser, "the patient")
    patient_id = await visit.arrive(patient, planned.link)
    doctor_id = await visit.open_consult(doctor, product, planned)
    await visit.admit(doctor, patient_id)
    await visit.in_room(patient, "call")
    running = InCall(doctor, doctor_id, patient, patient_id)
    await running.both_see_and_hear()
    yield running
    await patient.close()
    await doctor.close()


async def test_a_muted_microphone_and_a_camera_switched_off_are_seen_on_the_other_side(call: InCall) -> None:
    muted = call.doctor.page.locator(f"[data-door] [data-person='{call.patient_id}'] [data-muted]")
    stage = call.doctor.page.locator("[data-stage]")
    await expect(stage).to_have_attribute("data-state", "video")
    await expect(muted).to_be_hidden()
    await call.patient.press("button[data-microphone]")
    await expect(muted).to_be_visible()
    await call.doctor.stays_without(call.patient_id, "energy")
    await call.patient.press("button[data-camera]")
    await call.doctor.stays_without(call.patient_id, "frames")
    await expect(stage).not_to_have_attribute("data-state", "video")
    await call.patient.press("button[data-microphone]")
    await call.patient.press("button[data-camera]")
    await call.doctor.sees_and_hears(call.patient_id)
    await expect(muted).to_be_hidden()
    await expect(stage).to_have_attribute("data-state", "video")


async def test_the_doctors_microphone_and_camera_too(call: InCall) -> None:
    tile = call.patient.page.locator(f"[data-tiles] [data-person='{call.doctor_id}']")
    await call.doctor.press("button[data-microphone]")
    await expect(tile.locator("[data-muted]")).to_be_visible()
    await call.patient.stays_without(call.doctor_id, "energy")
    await call.doctor.press("button[data-camera]")
    await call.patient.stays_without(call.doctor_id, "frames")
    await call.doctor.press("button[data-microphone]")
    await call.doctor.press("button[data-camera]")
    await call.patient.sees_and_hears(call.doctor_id)


async def test_the_patient_reloads_and_is_back_in_the_same_call_without_questions(call: InCall) -> None:
    await visit.write(call.patient, "Antes de recargar")
    await call.patient.page.reload()
    await visit.in_room(call.patient, "call")
    await call.both_see_and_hear()
    await visit.has_message(call.patient, "Antes de recargar")


async def test_the_doctor_reloads_and_is_back_in_the_same_call(call: InCall) -> None:
    await visit.fill_note(call.doctor, findings="Rigidez de nuca ausente")
    await call.doctor.page.reload()
    await call.both_see_and_hear()
    await expect(call.doctor.page.locator("[data-note=findings]")).to_have_value("Rigidez de nuca ausente")


async def test_leaving_and_coming_back_does_not_end_the_visit(call: InCall) -> None:
    await call.patient.press("[data-leave]")
    await visit.in_room(call.patient, "left")
    await call.patient.press("[data-return]")
    await call.both_see_and_hear()
    await call.doctor.press("[data-leave]")
    await call.doctor.press("[data-rejoin]")
    await call.both_see_and_hear()


async def test_a_text_edit_in_the_note_is_kept_before_it_says_so(call: InCall) -> None:
    field = call.doctor.page.locator("[data-note=findings]")
    await field.fill("Fondo de ojo normal")
    await visit.kept(call.doctor)
    second = await call.doctor.context.new_page()
    await second.goto(call.doctor.page.url)
    await expect(second.locator("[data-note=findings]")).to_have_value("Fondo de ojo normal")
    await second.close()


async def test_the_end_of_the_conversation_leaves_text_open_and_may_be_taken_back(call: InCall) -> None:
    await call.doctor.press("[data-conversation] button")
    await visit.in_room(call.patient, "ended")
    await visit.write(call.patient, "¿Y la receta?")
    await visit.has_message(call.doctor, "¿Y la receta?")
    await call.doctor.press("[data-conversation] button")
    await visit.in_room(call.patient, "call")
    await call.both_see_and_hear()


async def test_a_person_sent_back_to_the_waiting_room_hears_nothing_until_admitted_again(call: InCall) -> None:
    row = f"[data-person='{call.patient_id}']"
    await call.doctor.press(f"{row} form[action$='/hold'] button")
    await visit.in_room(call.patient, "held")
    await call.doctor.page.locator(f"{row}[data-admission=waiting]").wait_for()
    live = "() => self.__watched.connections.filter(c => c.connectionState !== 'closed').length"
    assert await call.patient.page.evaluate(live) == 0
    await visit.admit(call.doctor, call.patient_id)
    await visit.in_room(call.patient, "call")
    await call.both_see_and_hear()


async def test_who_chose_voice_is_heard_and_their_camera_is_never_asked_for(browser: Browser, product: Product) -> None:
    planned = product.plan()
    doctor = await visit.signed_in_doctor(browser, product)
    patient = await person(browser, "the patient", permissions=("microphone",))
    patient_id = await visit.arrive(patient, planned.link, "audio")
    doctor_id = await visit.open_consult(doctor, product, planned)
    await visit.admit(doctor, patient_id)
    await patient.sees_and_hears(doctor_id, pictures=False)
    await doctor.sees_and_hears(patient_id, pictures=False)
    assert (await doctor.received())[patient_id]["frames"] == 0
    assert (await patient.received())[doctor_id]["frames"] == 0
    asked = await patient.asked_devices()
    assert asked
    assert not [wishes for wishes in asked if '"video":false' not in wishes]
    await doctor.close()
    await patient.close()

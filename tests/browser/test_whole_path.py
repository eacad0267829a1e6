"""The whole visit at the real pages: planned, joined, held, written, signed, delivered, read afterwards."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.async_api import Browser, expect

from tests.support import visit
from tests.support.browser import Person, person
from tests.support.eventually import eventually
from tests.support.fhir_server import FhirServer
from tests.support.product import CEDULA, EHR, IDENTIFIER_BASE, Product

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def plan_at_the_page(doctor: Person, product: Product) -> tuple[str, str]:
    """The doctor plans for in ten minutes; the consult's id and the patient's link as the share page shows it."""
    patient = product.new_person()
    at = datetime.now(ZoneInfo("America/Caracas")) + timedelta(minutes=10)
    await doctor.press("a[href^='/consults/new'].primary")
    page = doctor.page
    await page.fill("#identifier", patient.identifier)
    await page.fill("#name", patient.name)
    await page.fill("#phone", patient.phone)
    await page.fill("#date", f"{at:%Y-%m-%d}")
    await page.fill("#time", f"{at:%H:%M}")
    await page.fill("#reason", "Dolor de cabeza")
    await doctor.press("form[action='/consults/new'] button[type=submit]")
    link = await page.locator("#share-link").input_value()
    assert len(await page.locator("#share-sms").input_value()) <= 70
    assert "wa.me/58414" in (await page.locator("a[href*='wa.me']").get_attribute("href") or "")
    await doctor.press(".actions a[href='/board']")
    row = page.locator("li.row", has_text=patient.name)
    await expect(row).to_be_visible()
    return (await row.get_attribute("id") or "").removeprefix("row-"), link


async def finish_with_a_missing_piece(doctor: Person) -> None:
    """The first try names what is missing and leads there; the second signs."""
    await visit.fill_note(doctor, **{name: visit.NOTE[name] for name in ("findings", "diagnosis.text", "instructions")})
    await doctor.press("[data-finish]")
    missing = await doctor.sees("[data-panel=finish] .missing")
    [named] = await missing.locator("a").all()
    assert "paso" in await named.inner_text()
    await named.click()
    await expect(doctor.page.locator("#note-next-kind")).to_be_focused()
    await visit.fill_note(doctor, **{"next_action.kind": "control"})
    await visit.sign(doctor)


async def test_a_visit_from_planning_to_the_patients_instructions(
    browser: Browser, product: Product, ehr: FhirServer
) -> None:
    doctor = await visit.signed_in_doctor(browser, product)
    consult_id, link = await plan_at_the_page(doctor, product)

    patient = await person(browser, "the patient")
    patient_id = await visit.take_link(patient, link)
    await visit.accept(patient)
    await visit.choose(patient, "video")
    await visit.try_devices(patient)
    await patient.sees("[data-check] [data-heard]")
    await visit.enter_waiting_room(patient)
    await visit.in_line(patient, 0)

    await expect(doctor.page.locator(f"li.row.waiting#row-{consult_id}")).to_be_visible()
    await doctor.press(f"#go-{consult_id}")
    doctor_id = await visit.participant_of(doctor)
    await visit.write(patient, "Buenos días, doctora")
    await visit.has_message(doctor, "Buenos días, doctora")
    await visit.message_state(patient, "Buenos días, doctora", "read")
    assert await patient.received() == {}

    await visit.admit(doctor, patient_id)
    await visit.in_room(patient, "call")
    await patient.sees_and_hears(doctor_id)
    await doctor.sees_and_hears(patient_id)
    await visit.write(doctor, "La veo y la escucho bien")
    await visit.has_message(patient, "La veo y la escucho bien")

    await finish_with_a_missing_piece(doctor)
    await eventually("received by the EHR", lambda: delivered(product, consult_id), 30)
    encounters = ehr.search("Encounter", identifier=f"{IDENTIFIER_BASE}consultation|{consult_id}")
    assert [(e["class"]["code"], e["status"]) for e in encounters] == [("VR", "finished")]

    await doctor.page.goto(product.url + "/board")
    await expect(doctor.page.locator(f"#row-{consult_id}")).to_contain_text(f"{EHR}: recibido")
    await patient.page.wait_for_url("**/summary")
    await patient.reads(visit.NOTE["instructions"])
    await patient.page.goto(link)
    await patient.press("form[action^='/i/'] button")
    await patient.reads(visit.NOTE["instructions"])
    await doctor.close()
    await patient.close()


def delivered(product: Product, consult_id: str) -> bool:
    return [d["state"] for d in product.consult(consult_id)["deliveries"]] == ["received"]


async def test_a_visit_by_text_reaches_the_ehr_as_an_encounter_of_this_patient(
    browser: Browser, product: Product, ehr: FhirServer
) -> None:
    """The Encounter's subject is the person of the consult and no other."""
    planned = product.plan()
    doctor = await visit.signed_in_doctor(browser, product)
    patient = await person(browser, "the patient")
    patient_id = await visit.arrive(patient, planned.link, "text")
    await visit.open_consult(doctor, product, planned)
    await visit.admit(doctor, patient_id)
    await visit.fill_note(doctor, **visit.NOTE)
    await visit.sign(doctor)
    await eventually("received by the EHR", lambda: delivered(product, planned.consult_id), 30)
    [encounter] = ehr.search("Encounter", identifier=f"{IDENTIFIER_BASE}consultation|{planned.consult_id}")
    [subject] = ehr.search("Patient", identifier=f"{CEDULA}|{planned.person.identifier}")
    assert encounter["subject"]["reference"] == f"Patient/{subject['id']}"
    await doctor.close()
    await patient.close()

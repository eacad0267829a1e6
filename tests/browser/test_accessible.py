"""Every page for everybody: no serious fault that axe-core knows, and the doctor's work by keyboard alone."""

import pytest
from playwright.async_api import Browser, expect

from tests.support import visit
from tests.support.browser import Person, person
from tests.support.product import Product

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def check(faults: dict[str, list[str]], someone: Person, name: str) -> None:
    if found := await someone.axe():
        faults[name] = found


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_no_page_has_a_serious_fault(browser: Browser, product: Product, scheme: str) -> None:
    faults: dict[str, list[str]] = {}
    planned = product.plan(reason="Tos")
    doctor = await person(browser, "the doctor", desk=True, color_scheme=scheme)
    await doctor.page.goto(product.url + "/login")
    await check(faults, doctor, "login")
    await doctor.close()
    doctor = await visit.signed_in_doctor(browser, product, color_scheme=scheme)
    await check(faults, doctor, "board")
    for path in ("/consults/new", f"/consults/{planned.consult_id}/appointment", "/history"):
        await doctor.page.goto(product.url + path)
        await check(faults, doctor, path.replace(planned.consult_id, "..."))
    patient = await person(browser, "the patient", color_scheme=scheme)
    await patient.page.goto(product.url)
    await check(faults, patient, "home")
    await patient.page.goto(planned.link)
    await check(faults, patient, "landing")
    patient_id = await visit.take_link(patient, planned.link)
    await check(faults, patient, "consent")
    await visit.accept(patient)
    await check(faults, patient, "choose")
    await visit.choose(patient, "video")
    await visit.try_devices(patient)
    await check(faults, patient, "check")
    await visit.enter_waiting_room(patient)
    await check(faults, patient, "waiting")
    doctor_id = await visit.open_consult(doctor, product, planned)
    await check(faults, doctor, "consult, patient waiting")
    await visit.admit(doctor, patient_id)
    await patient.sees_and_hears(doctor_id)
    await visit.write(doctor, "Hola")
    await visit.has_message(patient, "Hola")
    await check(faults, patient, "call")
    await patient.press("[data-open-chat]")
    await check(faults, patient, "call with chat")
    await doctor.press("[data-open-panel=invite]")
    await check(faults, doctor, "consult in call, inviting")
    await doctor.press("[data-panel=invite] [data-close-panel]")
    await doctor.press("[data-finish]")
    await doctor.sees("[data-panel=finish] .missing")
    await check(faults, doctor, "consult, something missing")
    await visit.fill_note(doctor, **visit.NOTE)
    await visit.sign(doctor)
    await check(faults, doctor, "record")
    await patient.page.wait_for_url("**/summary")
    await check(faults, patient, "summary")
    await doctor.close()
    await patient.close()
    assert faults == {}


async def tab_to(someone: Person, selector: str, most: int = 60) -> None:
    """Tab until the element has the focus, as somebody without a mouse."""
    for _ in range(most):
        if await someone.page.evaluate("s => document.activeElement.matches(s)", selector):
            return
        await someone.page.keyboard.press("Tab")
    raise AssertionError(f"{most} times Tab did not reach {selector}")


async def test_the_doctor_admits_writes_and_signs_by_keyboard_alone(browser: Browser, product: Product) -> None:
    planned = product.plan(reason="Fiebre")
    doctor = await visit.signed_in_doctor(browser, product)
    patient = await person(browser, "the patient", permissions=())
    await visit.arrive(patient, planned.link, "text")
    keyboard = doctor.page.keyboard
    await tab_to(doctor, f"#go-{planned.consult_id}")
    await keyboard.press("Enter")
    await doctor.page.wait_for_url(f"**/consults/{planned.consult_id}")
    await doctor.sees("[data-admit] button")
    await tab_to(doctor, "[data-admit] button")
    await keyboard.press("Enter")
    await visit.in_room(patient, "call")
    await keyboard.press("Alt+c")
    await keyboard.type("Dígame")
    await keyboard.press("Enter")
    await visit.has_message(patient, "Dígame")
    for field, text in (("findings", "Faringe roja"), ("diagnosis.text", "Faringitis aguda")):
        await tab_to(doctor, f"[data-note='{field}']")
        await keyboard.type(text)
    await tab_to(doctor, "[data-rx-add]")
    await keyboard.press("Enter")
    await expect(doctor.page.locator("[data-rx-rows] .rx-medicine")).to_be_focused()
    await keyboard.type("Acetaminofén 500 mg")
    await tab_to(doctor, "[data-note=instructions]")
    await keyboard.type("Líquidos abundantes")
    await tab_to(doctor, "#note-next-kind")
    await keyboard.press("ArrowDown")
    await visit.kept(doctor)
    await tab_to(doctor, "[data-finish]")
    await keyboard.press("Enter")
    await doctor.sees("[data-sign] button")
    await tab_to(doctor, "[data-sign] button")
    await keyboard.press("Enter")
    await doctor.page.wait_for_url("**/record")
    await expect(doctor.page.locator(".rx-list")).to_contain_text("Acetaminofén 500 mg")
    await doctor.close()
    await patient.close()


async def test_nothing_that_arrives_takes_the_doctors_focus_or_text(browser: Browser, product: Product) -> None:
    planned = product.plan()
    doctor = await visit.signed_in_doctor(browser, product)
    patient = await person(browser, "the patient", permissions=())
    await visit.open_consult(doctor, product, planned)
    field = doctor.page.locator("[data-note=findings]")
    await field.focus()
    await doctor.page.keyboard.type("Abdomen blando, ")
    await visit.arrive(patient, planned.link, "text")
    await visit.write(patient, "Ya llegué")
    await visit.has_message(doctor, "Ya llegué")
    await expect(field).to_be_focused()
    await doctor.page.keyboard.type("no doloroso")
    await expect(field).to_have_value("Abdomen blando, no doloroso")
    await doctor.close()
    await patient.close()

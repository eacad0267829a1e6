"""The server's machine loses power in the middle of a call and comes back with the same disk."""

from collections.abc import Iterator

import pytest
from playwright.async_api import Browser, expect

from tests.support import visit
from tests.support.browser import person
from tests.support.product import Product

pytestmark = pytest.mark.asyncio(loop_scope="session")

LOST = (r"ERR_CONNECTION", r"WebSocket connection", r"ERR_EMPTY_RESPONSE", r"ERR_INCOMPLETE")


@pytest.fixture
def fragile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    running = Product(tmp_path_factory.mktemp("product"))
    running.start()
    yield running
    running.stop()


async def test_after_a_power_cut_both_are_back_in_the_same_call_by_themselves(
    browser: Browser, fragile: Product
) -> None:
    planned = fragile.plan()
    doctor = await visit.signed_in_doctor(browser, fragile)
    patient = await person(browser, "the patient")
    patient_id = await visit.arrive(patient, planned.link)
    doctor_id = await visit.open_consult(doctor, fragile, planned)
    await visit.admit(doctor, patient_id)
    await patient.sees_and_hears(doctor_id)
    await visit.fill_note(doctor, findings="Antes del apagón")
    await visit.write(patient, "Se está yendo la luz")
    await visit.has_message(doctor, "Se está yendo la luz")

    for someone in (doctor, patient):
        someone.forgive(*LOST)
    fragile.kill()
    await visit.write(patient, "Escrito a oscuras")
    await doctor.page.locator("[data-note=instructions]").fill("Escritas a oscuras")
    await doctor.sees("[data-offline]")
    await patient.sees("[data-if-connection=offline]")
    fragile.start()

    await visit.has_message(doctor, "Escrito a oscuras", 30)
    await visit.message_state(patient, "Escrito a oscuras", "read")
    await patient.sees_and_hears(doctor_id, timeout_s=30)
    await doctor.sees_and_hears(patient_id, timeout_s=30)
    await visit.kept(doctor)
    assert fragile.consult(planned.consult_id)["status"] == "in-progress"

    await doctor.page.reload()
    await expect(doctor.page.locator("[data-note=findings]")).to_have_value("Antes del apagón")
    await expect(doctor.page.locator("[data-note=instructions]")).to_have_value("Escritas a oscuras")
    for text in ("Se está yendo la luz", "Escrito a oscuras"):
        await visit.has_message(doctor, text)
    await doctor.close()
    await patient.close()

"""Six people in one consult: each decodes and hears the five others."""

import asyncio

import pytest
from playwright.async_api import Browser

from tests.support import visit
from tests.support.browser import Person, person
from tests.support.product import Product

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

GUESTS = (
    ("companion", "Pedro Zambrano"),
    ("interpreter", "Yuleima Intérprete"),
    ("second-doctor", "Dr. Luis Salas"),
    ("companion", "Carmen Zambrano"),
)


async def test_each_of_six_sees_and_hears_the_five_others(browser: Browser, product: Product) -> None:
    planned = product.plan()
    doctor = await visit.signed_in_doctor(browser, product, small_video=True)
    patient = await person(browser, "the patient", small_video=True, device_scale_factor=1)
    people: dict[str, Person] = {await visit.arrive(patient, planned.link): patient}
    doctor_id = await visit.open_consult(doctor, product, planned)
    await visit.admit(doctor, next(iter(people)))
    for role, name in GUESTS:
        guest = await person(browser, name, small_video=True, device_scale_factor=1)
        participant = await visit.arrive(guest, await visit.invite(doctor, name, role), is_patient=False)
        people[participant] = guest
        await visit.admit(doctor, participant)
    people[doctor_id] = doctor
    await asyncio.gather(
        *(
            someone.sees_and_hears(*(other for other in people if other != own), timeout_s=60)
            for own, someone in people.items()
        )
    )
    await doctor.press("[data-open-panel=invite]")
    await doctor.page.fill("#guest-name", "Una séptima persona")
    await doctor.press("[data-invite] button[type=submit]")
    await doctor.sees("[data-panel=invite] [data-panel-error]")
    doctor.forgive("409")
    for someone in people.values():
        await someone.close()

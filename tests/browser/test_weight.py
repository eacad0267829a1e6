"""What the pages cost on the wire: headers and bodies of everything a page needs, nothing cached."""

from collections.abc import Callable

import pytest
from playwright.async_api import Browser

from tests.support import visit
from tests.support.browser import person, weigh
from tests.support.product import Product

pytestmark = pytest.mark.asyncio(loop_scope="session")

LANDING_BYTES = 60_000
CONSULT_BYTES = 120_000
PROBE_BYTES = 50_000


async def test_the_patients_pages_are_light(
    browser: Browser, product: Product, record_property: Callable[[str, object], None]
) -> None:
    planned = product.plan()
    patient = await person(browser, "the patient")
    landing = await weigh(patient, lambda: patient.page.goto(planned.link))
    assert landing.bytes > 1000
    assert landing.bytes <= LANDING_BYTES, landing.by_url
    await visit.arrive(patient, planned.link)
    room = await weigh(patient, patient.page.reload)
    assert room.bytes <= CONSULT_BYTES, room.by_url
    record_property("landing_bytes", landing.bytes)
    record_property("room_bytes", room.bytes)
    print(f"landing {landing.bytes:.0f} bytes, room {room.bytes:.0f} bytes")
    await patient.close()


async def test_the_doctors_consult_page_is_light(browser: Browser, product: Product) -> None:
    planned = product.plan()
    doctor = await visit.signed_in_doctor(browser, product)
    weight = await weigh(doctor, lambda: visit.open_consult(doctor, product, planned))
    assert weight.bytes <= CONSULT_BYTES, weight.by_url
    print(f"consult {weight.bytes:.0f} bytes")
    await doctor.close()

"""What happens to a link on its way: preview robots, several people in line, a link called back."""

import urllib.error
import urllib.request

import pytest
from playwright.async_api import Browser

from tests.support import visit
from tests.support.browser import person
from tests.support.product import Product

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROBOTS = (
    "WhatsApp/2.23.20.0",
    "TelegramBot (like TwitterBot)",
    "facebookexternalhit/1.1",
    "Mozilla/5.0 (compatible; Googlebot/2.1)",
    "SkypeUriPreview Preview/0.5",
)


def fetch(url: str, method: str, agent: str) -> tuple[int, str]:
    request = urllib.request.Request(url, method=method, headers={"User-Agent": agent, "Accept": "text/html"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers.get("Set-Cookie") or ""
    except urllib.error.HTTPError as error:
        return error.code, ""


async def test_preview_robots_do_not_use_up_a_link(browser: Browser, product: Product) -> None:
    planned = product.plan()
    for agent in ROBOTS:
        for method in ("HEAD", "GET", "GET"):
            assert fetch(planned.link, method, agent) == (200, "")
    doctor = await visit.signed_in_doctor(browser, product)
    await doctor.page.goto(f"{product.url}/consults/{planned.consult_id}/appointment")
    await doctor.reads("Todavía no lo ha abierto.")
    patient = await person(browser, "the patient", permissions=())
    await visit.arrive(patient, planned.link, "text")
    again = await person(browser, "the patient's other phone", permissions=())
    await visit.take_link(again, planned.link)
    await visit.in_room(again, "waiting")
    await visit.in_room(patient, "replaced")
    for someone in (doctor, patient, again):
        await someone.close()
    product.api("POST", f"/consults/{planned.consult_id}/cancel")


async def test_a_revoked_link_and_an_unknown_one_say_what_to_do(browser: Browser, product: Product) -> None:
    planned = product.plan()
    product.api("DELETE", f"/consults/{planned.consult_id}/links")
    patient = await person(browser, "the patient")
    patient.forgive("404")
    for link in (planned.link, product.url + "/i/AAAAAAAAAAAAAAAAAAAAAA"):
        answer = await patient.page.goto(link)
        assert answer is not None
        assert answer.status == 404
        await patient.reads("Este enlace ya no funciona")
    await patient.close()


async def test_the_second_in_line_sees_their_place_and_moves_up(browser: Browser, product: Product) -> None:
    doctor = await visit.signed_in_doctor(browser, product)
    first, second = product.plan(minutes=1), product.plan(minutes=2)
    one = await person(browser, "the first", permissions=())
    two = await person(browser, "the second", permissions=())
    one_id = await visit.arrive(one, first.link, "text")
    await visit.in_line(one, 0)
    await visit.arrive(two, second.link, "text")
    await visit.in_line(two, 1)
    await visit.open_consult(doctor, product, first)
    await visit.admit(doctor, one_id)
    await visit.in_line(two, 0, timeout_s=15)
    for someone in (doctor, one, two):
        await someone.close()

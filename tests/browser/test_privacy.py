"""Nothing that identifies a person, and no link, in any log line or requested address of a whole visit."""

import re
import unicodedata
from collections.abc import Iterator

import pytest
from playwright.async_api import Browser

from tests.support import visit
from tests.support.browser import person
from tests.support.coturn import SECRET, Coturn, running_coturn
from tests.support.eventually import eventually
from tests.support.fhir_server import FhirServer
from tests.support.product import CEDULA, DOCTOR_NAME, LOGIN, PASSWORD, Person, Product, register

pytestmark = pytest.mark.asyncio(loop_scope="session")

PLANTED = Person("V-27418935", "Ysmelda Piñango Urbaneja", "0424-6183275")
GUEST = "Eudomar Urbaneja"
REASON = "Ronquera persistente"
NOTE = {
    "findings": "Cuerdas vocales eritematosas",
    "diagnosis.text": "Laringitis subaguda",
    "instructions": "Reposo vocal absoluto",
    "next_action.kind": "control",
}
MESSAGE = "Desde anoche escupo flemas verdosas"


@pytest.fixture
def coturn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    with running_coturn(tmp_path_factory.mktemp("coturn")) as running:
        yield running


@pytest.fixture
def relayed(tmp_path_factory: pytest.TempPathFactory, ehr: FhirServer, coturn: Coturn) -> Iterator[Product]:
    running = Product(tmp_path_factory.mktemp("product"), ehr=ehr, turn=[coturn.udp_uri], secret=SECRET)
    register(ehr, "Patient", CEDULA, PLANTED.identifier, PLANTED.name)
    running.start()
    yield running
    running.stop()


def plain(text: str) -> str:
    """Without case and accents, so that no spelling slips through."""
    return "".join(c for c in unicodedata.normalize("NFD", text.lower()) if not unicodedata.combining(c))


def secrets_of(link: str, guest_link: str) -> set[str]:
    """Every word that must appear nowhere."""
    words = {link.rsplit("/", 1)[1], guest_link.rsplit("/", 1)[1], "27418935", "6183275", LOGIN, PASSWORD}
    for text in (PLANTED.name, GUEST, REASON, MESSAGE, DOCTOR_NAME, *list(NOTE.values())[:3]):
        words |= {word for word in re.findall(r"\w{5,}", text)}
    return {plain(word) for word in words}


def found(words: set[str], text: str) -> set[str]:
    where = plain(text)
    return {word for word in words if word in where}


async def test_no_log_and_no_address_of_a_whole_visit_names_anybody(
    browser: Browser, relayed: Product, coturn: Coturn
) -> None:
    planned = relayed.plan(PLANTED, reason=REASON)
    doctor = await visit.signed_in_doctor(browser, relayed)
    patient = await person(browser, "the patient", relay_only=True)
    patient_id = await visit.arrive(patient, planned.link)
    doctor_id = await visit.open_consult(doctor, relayed, planned)
    await visit.admit(doctor, patient_id)
    await patient.sees_and_hears(doctor_id)
    assert (await patient.path() or {})["type"] == "relay"
    guest_link = await visit.invite(doctor, GUEST, "companion")
    guest = await person(browser, "the companion", permissions=())
    guest_id = await visit.arrive(guest, guest_link, "text", is_patient=False)
    await visit.admit(doctor, guest_id)
    await visit.write(patient, MESSAGE)
    await visit.has_message(doctor, MESSAGE)
    await visit.fill_note(doctor, **NOTE)
    await visit.sign(doctor)
    received = [{"state": "received"}]
    await eventually(
        "received",
        lambda: [{"state": d["state"]} for d in relayed.consult(planned.consult_id)["deliveries"]] == received,
        30,
    )
    await doctor.page.goto(relayed.url + "/history")
    await doctor.page.fill("#q", PLANTED.identifier)
    await doctor.press("form[role=search] button")
    await doctor.reads(PLANTED.name)
    assert (await doctor.page.goto(relayed.url + "/nada?" + "x" * 30)) is not None
    doctor.forgive("404")

    words = secrets_of(planned.link, guest_link)
    assert found(words, "ysmelda PIÑANGO 27418935") == {"ysmelda", "pinango", "27418935"}
    relayed.stop()
    log = relayed.log()
    assert '"route": "/i/{token}"' in log
    assert found(words, log) == set()
    assert coturn.log()
    assert found(words, coturn.log()) == set()
    for someone, link in ((doctor, ""), (patient, planned.link), (guest, guest_link)):
        asked = [url for url in someone.requested if url not in (f"GET {link}", f"POST {link}")]
        assert len(asked) > 10
        assert {url: hits for url in asked if (hits := found(words, url))} == {}
        await someone.close()
    relayed.start()

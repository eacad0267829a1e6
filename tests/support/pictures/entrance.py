"""The patient's pages before the visit, and those of links that lead to none."""

import sqlite3

from tests.support import visit
from tests.support.pictures import words as people
from tests.support.pictures.studio import Studio

DENY = """navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("no", "NotAllowedError"));"""


async def entrance(studio: Studio) -> None:
    """From the message to the waiting room, two people ahead."""
    ahead = [await studio.arrived(), await studio.arrived()]
    patient, planned = await studio.patient(), studio.plan(people.JESUS)
    page = patient.page
    await page.goto(studio.product.url)
    await studio.shoot(page, "patient-home")
    await page.goto(planned.link)
    await studio.shoot(page, "patient-landing")
    await visit.take_link(patient, planned.link)
    await studio.shoot(page, "patient-consent")
    await page.fill("#name", "")
    patient.forgive("422")
    await patient.press("button[value=accept]")
    await page.locator("#answer .error").scroll_into_view_if_needed()
    await studio.shoot(page, "patient-consent-missing")
    await page.fill("#name", planned.person.name)
    await visit.accept(patient)
    await studio.shoot(page, "patient-choose")
    await visit.choose(patient, "video")
    await studio.shoot(page, "patient-check", settle_ms=1200)
    await visit.try_devices(patient)
    await page.evaluate("scrollTo(0, 0)")
    await studio.shoot(page, "patient-check-ready", settle_ms=700)
    await visit.enter_waiting_room(patient)
    await studio.shoot(page, "patient-waiting-third", settle_ms=1200)
    for waiting in (planned, *(before for before, _ in ahead)):
        studio.product.api("POST", f"/consults/{waiting.consult_id}/cancel")
    await patient.context.close()


async def minor(studio: Studio) -> None:
    patient = await studio.patient()
    await visit.take_link(patient, studio.plan(people.LUCIA, minor=True, reason=studio.words.other_reasons[1]).link)
    await patient.page.locator("#answer").scroll_into_view_if_needed()
    await patient.page.evaluate("document.querySelector('#answer').scrollIntoView()")
    await studio.shoot(patient.page, "patient-consent-minor", full=True)
    await patient.context.close()


async def refusals(studio: Studio) -> None:
    """No permission for the devices, no consent, not let in; a browser without scripts."""
    denied = await studio.patient()
    await denied.context.add_init_script(DENY)
    await visit.take_link(denied, studio.plan().link)
    await visit.accept(denied)
    await visit.choose(denied, "video")
    await denied.press("[data-try]")
    await studio.shoot(denied.page, "patient-check-denied")
    await visit.take_link(denied, studio.plan().link)
    await denied.press("button[value=refuse]")
    await denied.page.wait_for_load_state()
    await studio.shoot(denied.page, "patient-declined")
    await denied.context.close()
    plain = await studio.patient(java_script_enabled=False, watch=False)
    planned = studio.plan()
    await visit.arrive(plain, planned.link, "text")
    await studio.shoot(plain.page, "patient-waiting-without-scripts")
    studio.product.api("POST", f"/consults/{planned.consult_id}/cancel")
    await plain.context.close()


async def closed_links(studio: Studio) -> None:
    reader = await studio.patient()
    reader.forgive(".")
    page, product = reader.page, studio.product
    await page.goto(studio.plan(minutes=60 * 24 * 20).link)
    await studio.shoot(page, "patient-link-early")
    cancelled = studio.plan()
    product.api("POST", f"/consults/{cancelled.consult_id}/cancel")
    await page.goto(cancelled.link)
    await studio.shoot(page, "patient-link-cancelled")
    expired = studio.plan()
    with sqlite3.connect(product.log_file.parent / "data" / "candil.sqlite") as database:  # time passes for nobody else
        database.execute("UPDATE consults SET scheduled_at = scheduled_at - 864000 WHERE id = ?", (expired.consult_id,))
    database.close()
    await page.goto(expired.link)
    await studio.shoot(page, "patient-link-expired")
    replaced = studio.plan()
    doctor = await studio.doctor()
    await doctor.page.goto(f"{product.url}/consults/{replaced.consult_id}/appointment")
    await doctor.press("form[action$='/revoke'] button")
    await doctor.page.wait_for_load_state()
    await page.goto(replaced.link)
    await studio.shoot(page, "patient-link-revoked")
    product.api("POST", f"/consults/{replaced.consult_id}/cancel")
    product.api("POST", f"/consults/{expired.consult_id}/cancel")
    await doctor.context.close()
    await page.goto(f"{product.url}/nothing-here")
    await studio.shoot(page, "error-not-found")
    await page.goto(f"{product.url}/v/0123456789")
    await studio.shoot(page, "error-no-session")
    await reader.context.close()

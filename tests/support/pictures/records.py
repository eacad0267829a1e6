"""Signed records, by how far they are on their way to the clinical history."""

from tests.support import visit
from tests.support.browser import Person
from tests.support.eventually import eventually
from tests.support.pictures import words as people
from tests.support.pictures.studio import Studio
from tests.support.product import Person as Patient


async def records(studio: Studio) -> None:
    doctor = await studio.doctor()
    await show(studio, doctor, people.ROSA.name, "received", "doctor-record")
    unknown = await signed(studio, doctor, people.OTHERS[-1])
    await show(studio, doctor, unknown, "link_patient", "doctor-record-link-patient")
    studio.ehr.process.pause()
    try:
        waiting = await signed(studio, doctor, people.OTHERS[-2])
        await show(studio, doctor, waiting, "pending", "doctor-record-pending")
    finally:
        studio.ehr.process.resume()
    await doctor.context.close()


async def signed(studio: Studio, doctor: Person, who: Patient) -> str:
    """A short visit by messages from its beginning to the signature."""
    planned, theirs = await studio.arrived(who)
    await visit.open_consult(doctor, studio.product, planned)
    await visit.admit(doctor, theirs)
    await visit.fill_note(doctor, **studio.words.note, **studio.words.ending)
    await visit.sign(doctor)
    return who.name


async def show(studio: Studio, doctor: Person, name: str, state: str, picture: str) -> None:
    """The record of the newest visit of ``name``, once its delivery is in ``state``."""
    await doctor.page.goto(studio.product.url + "/history")
    await doctor.page.locator(".row", has_text=name).first.locator(".row-links a").click()
    await doctor.page.wait_for_url("**/record")

    async def reached() -> bool:
        await doctor.page.reload()
        return await doctor.page.locator(f".deliveries [data-state={state}]").count() > 0

    await eventually(f"{name}: {state}", reached, 30)
    await studio.shoot(doctor.page, picture, full=True)

"""A visit seen from both sides, with everything that may happen to its line."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support import visit
from tests.support.browser import Person
from tests.support.line_news import watch_sockets
from tests.support.pictures import words as people
from tests.support.pictures.line import thin_line
from tests.support.pictures.studio import Studio
from tests.support.product import Planned


@asynccontextmanager
async def held_line(someone: Person) -> AsyncIterator[None]:
    """While it lasts, the media session of this page comes no further."""
    await someone.page.evaluate("self.__hold = true")
    yield
    await someone.page.evaluate("self.__hold = false")


async def main_visit(studio: Studio) -> None:
    doctor, patient, planned = await studio.doctor(), await studio.patient(), studio.plan(people.ROSA)
    await watch_sockets(doctor)
    await watch_sockets(patient)
    await visit.open_consult(doctor, studio.product, planned)
    await studio.shoot(doctor.page, "doctor-consult-absent", full=True, settle_ms=800)
    await doctor.page.goto(studio.product.url + "/board")
    mine = await visit.arrive(patient, planned.link)
    await studio.shoot(patient.page, "patient-waiting-doctor-away", settle_ms=800)
    await waiting(studio, doctor, patient, planned)
    await admission(studio, doctor, patient, mine)
    await call(studio, doctor, patient)
    await thin_line(studio, doctor, patient, mine)
    await company(studio, doctor, patient)
    await changes(studio, doctor, patient, mine)
    await troubles(studio, doctor, patient)
    patient = await gone(studio, doctor, patient, planned)
    await ending(studio, doctor, patient, planned)


async def waiting(studio: Studio, doctor: Person, patient: Person, planned: Planned) -> None:
    await visit.open_consult(doctor, studio.product, planned)
    await patient.page.locator("[data-waiting][data-doctor=here]").wait_for(timeout=20_000)
    await visit.write(patient, studio.words.greeting)
    await visit.write(doctor, studio.words.answer)
    await patient.page.locator("[data-messages] .bubble").nth(1).wait_for()
    await studio.shoot(patient.page, "patient-waiting", settle_ms=800)
    await patient.page.set_viewport_size({"width": 360, "height": 640})
    await patient.page.evaluate("document.querySelector('.room-main').scrollTop = 9999")
    await studio.shoot(patient.page, "patient-waiting-chat", at=(360,))
    await patient.page.emulate_media(color_scheme="dark")
    await studio.shoot(patient.page, "patient-waiting-dark")
    await patient.page.emulate_media(color_scheme="light")
    await studio.shoot(doctor.page, "doctor-consult-waiting", full=True)


async def admission(studio: Studio, doctor: Person, patient: Person, mine: str) -> None:
    """The call on its way, as a slow line shows it to both."""
    async with held_line(doctor), held_line(patient):
        await visit.admit(doctor, mine)
        await visit.in_room(patient, "call")
        await studio.shoot(patient.page, "patient-call-entering", at=(360,))
        await studio.shoot(doctor.page, "doctor-consult-joining", full=True)
        await studio.shoot(patient.page, "patient-call-entering-slow", settle_ms=1500)
    for someone in (doctor, patient):
        await someone.page.locator(".tile.pictured, .tile video").first.wait_for(timeout=30_000)
    await patient.page.locator(".tile.pictured").wait_for(timeout=30_000)


async def call(studio: Studio, doctor: Person, patient: Person) -> None:
    await note(studio, doctor)
    await patient.page.wait_for_timeout(2500)
    await studio.shoot(doctor.page, "doctor-consult-call", full=True, settle_ms=700)
    await doctor.page.emulate_media(color_scheme="dark")
    await studio.shoot(doctor.page, "doctor-consult-call-dark", at=(1366,))
    await doctor.page.emulate_media(color_scheme="light")
    await doctor.press("[data-lamp] summary")
    await studio.shoot(doctor.page, "doctor-consult-lamp", at=(1366,))
    await doctor.press("[data-lamp] summary")
    await studio.shoot(patient.page, "patient-call", settle_ms=700)
    await patient.press("[data-lamp] summary")
    await studio.shoot(patient.page, "patient-call-lamp")
    await patient.press("[data-lamp] summary")
    await patient.page.set_viewport_size({"width": 360, "height": 640})
    await patient.press("[data-open-chat]")
    await studio.shoot(patient.page, "patient-call-chat", at=(360,))
    await patient.page.set_viewport_size({"width": 360, "height": 640})
    await patient.press("[data-close-chat]")
    await patient.page.set_viewport_size({"width": 1366, "height": 768})


async def note(studio: Studio, doctor: Person) -> None:
    """The note half written, with a medicine and a code."""
    await visit.fill_note(doctor, **studio.words.note)
    await doctor.press("[data-rx-add]")
    for part, text in studio.words.prescription.items():
        await doctor.page.locator(f".rx-{part} >> visible=true").first.fill(text)
    await doctor.page.fill("#note-code", studio.words.code_search)
    await doctor.page.locator("#code-list [role=option]").first.wait_for()
    await studio.shoot(doctor.page, "doctor-consult-codes", at=(1366,))
    await doctor.page.locator("#note-code").focus()
    await doctor.page.keyboard.press("Enter")
    await doctor.page.select_option("#note-certainty", "provisional")
    await doctor.page.locator("#note-findings").focus()
    await visit.kept(doctor)


async def company(studio: Studio, doctor: Person, patient: Person) -> None:
    await doctor.press("[data-open-panel=invite]")
    await studio.shoot(doctor.page, "doctor-consult-invite", full=True)
    role, name = people.GUESTS[0]
    await doctor.page.fill("#guest-name", name)
    await doctor.page.select_option("#guest-role", role)
    await doctor.press("[data-invite] button[type=submit]")
    shown = doctor.page.locator("[data-panel=invite] [data-share]", has_text=name)
    link = await shown.locator("[data-copy-source]").input_value()
    await studio.shoot(doctor.page, "doctor-consult-invited", full=True)
    await doctor.press("[data-panel=invite] [data-close-panel]")
    companion = await studio.guest(name)
    await companion.page.goto(link)
    await studio.shoot(companion.page, "guest-landing")
    theirs = await visit.arrive(companion, link, is_patient=False)
    await studio.shoot(companion.page, "guest-waiting")
    await visit.admit(doctor, theirs)
    await patient.page.locator(".tile.pictured").nth(1).wait_for(timeout=30_000)
    await studio.shoot(patient.page, "patient-call-with-companion", settle_ms=1200)
    await doctor.page.locator(".tile").nth(1).wait_for(timeout=30_000)
    await studio.shoot(doctor.page, "doctor-consult-with-companion", settle_ms=700)
    await companion.context.close()
    await doctor.press(f"[data-person='{theirs}'] form[action$='/hold'] button")


async def changes(studio: Studio, doctor: Person, patient: Person, mine: str) -> None:
    await patient.press("[data-lamp] summary")
    await patient.press("label.mode:has(input[value=audio])")
    await patient.press("[data-close-lamp]")
    await patient.page.wait_for_timeout(3000)
    await studio.shoot(patient.page, "patient-call-audio")
    await studio.shoot(doctor.page, "doctor-consult-audio", full=True)
    await doctor.press(f"[data-person='{mine}'] form[action$='/hold'] button")
    await visit.in_room(patient, "held")
    await studio.shoot(patient.page, "patient-held")
    await studio.shoot(doctor.page, "doctor-consult-held")
    await visit.admit(doctor, mine)
    await visit.in_room(patient, "call")
    await patient.press("[data-leave]")
    await studio.shoot(patient.page, "patient-left")
    await patient.press("[data-return]")
    await visit.in_room(patient, "call")
    await doctor.page.locator("[data-stage][data-state=video], [data-stage][data-state=voice]").wait_for(timeout=30_000)
    await patient.page.wait_for_timeout(1500)


async def troubles(studio: Studio, doctor: Person, patient: Person) -> None:
    """The clinic's machine slow, gone and back; the doctor's note changed elsewhere meanwhile."""
    for someone in (doctor, patient):
        someone.forgive(".")
    other = await studio.doctor(java_script_enabled=False, watch=False)
    await other.page.goto(doctor.page.url)
    studio.product.process.pause()
    await visit.write(patient, studio.words.while_offline)
    await doctor.page.fill("#note-instructions", studio.words.ending["instructions"].splitlines()[0])
    await patient.page.locator("[data-connection=slow]").first.wait_for(timeout=30_000)
    await studio.shoot(patient.page, "patient-slow", settle_ms=150)
    await studio.shoot(doctor.page, "doctor-consult-slow", at=(1366,))
    studio.product.process.resume()
    studio.product.kill()
    await patient.page.locator("[data-connection=offline]").first.wait_for(timeout=60_000)
    await doctor.sees("[data-offline]", 60)
    await studio.shoot(patient.page, "patient-offline", settle_ms=800)
    await studio.shoot(doctor.page, "doctor-consult-offline", full=True)
    await doctor.page.fill("#note-findings", studio.words.on_another_screen)
    await doctor.page.locator("#note-reason").focus()
    await doctor.context.set_offline(True)
    studio.product.start()
    await patient.page.locator("[data-connection=resumed]").wait_for(timeout=60_000)
    await studio.shoot(patient.page, "patient-resumed", settle_ms=150)
    await other.page.fill("#note-findings", studio.words.note["findings"] + " 37,2 °C.")
    await other.page.locator("[data-note-form] noscript button").first.click()
    await other.page.wait_for_load_state()
    await other.context.close()
    await doctor.context.set_offline(False)
    await doctor.sees("[data-conflicts] .band", 90)
    await studio.shoot(doctor.page, "doctor-consult-conflict", full=True)
    await doctor.page.locator("[data-conflicts] button").first.click()
    await visit.kept(doctor, 30)
    second = await patient.context.new_page()
    await second.goto(patient.page.url)
    await patient.page.locator("[data-step=replaced]").wait_for(timeout=30_000)
    await studio.shoot(patient.page, "patient-replaced")
    await second.close()
    await patient.page.reload()
    await visit.in_room(patient, "call", 30)


async def gone(studio: Studio, doctor: Person, patient: Person, planned: Planned) -> Person:
    """The patient's phone is off, then back by the same link."""
    await patient.context.close()
    await doctor.page.locator("[data-stage][data-state=gone]").wait_for(timeout=90_000)
    await studio.shoot(doctor.page, "doctor-consult-patient-gone", full=True)
    back = await studio.patient()
    await visit.take_link(back, planned.link)
    if await back.page.locator("label.choice").count():
        await visit.choose(back, "video")
        await visit.try_devices(back)
        await back.press("[data-enter]")
    await visit.in_room(back, "call", 30)
    return back


async def ending(studio: Studio, doctor: Person, patient: Person, planned: Planned) -> None:
    await doctor.press("[data-conversation] button")
    await visit.in_room(patient, "ended")
    await studio.shoot(patient.page, "patient-ended")
    await studio.shoot(doctor.page, "doctor-consult-ended", full=True)
    await doctor.press("[data-finish]")
    await doctor.sees("[data-panel=finish] .missing")
    await studio.shoot(doctor.page, "doctor-consult-missing", full=True)
    await visit.fill_note(doctor, **studio.words.ending)
    await doctor.press("[data-finish]")
    await doctor.sees("[data-sign] button")
    await studio.shoot(doctor.page, "doctor-consult-sign", full=True)
    other = await studio.doctor(java_script_enabled=False, watch=False)
    await other.page.goto(f"{studio.product.url}/consults/{planned.consult_id}/finish")
    await other.press("[data-sign] button")
    await doctor.sees("[data-over=signed]", 30)
    await studio.shoot(doctor.page, "doctor-consult-signed", full=True)
    await patient.page.wait_for_url("**/summary", timeout=30_000)
    await studio.shoot(patient.page, "patient-summary", full=True)
    await other.page.goto(planned.link)
    await studio.shoot(other.page, "patient-landing-after")
    for someone in (other, patient, doctor):
        await someone.context.close()


async def by_messages(studio: Studio) -> None:
    doctor, patient, planned = await studio.doctor(), await studio.patient(permissions=()), studio.plan(people.JESUS)
    mine = await visit.arrive(patient, planned.link, "text")
    await visit.open_consult(doctor, studio.product, planned)
    await visit.admit(doctor, mine)
    await visit.in_room(patient, "call")
    await visit.write(patient, studio.words.by_message[0])
    await visit.write(doctor, studio.words.by_message[1])
    await doctor.page.locator("[data-stage][data-state=text]").wait_for(timeout=30_000)
    await studio.shoot(patient.page, "patient-call-text", settle_ms=1000)
    await studio.shoot(doctor.page, "doctor-consult-text", full=True)
    await voice_note(studio, doctor, patient)
    await patient.context.close()
    await doctor.context.close()


async def voice_note(studio: Studio, doctor: Person, patient: Person) -> None:
    """Tapped, spoken, listened to, sent; and heard on the other side."""
    await patient.press("[data-voice-button]")
    await patient.sees("[data-voice-do=stop]", 20)
    await studio.shoot(patient.page, "patient-voice-recording", settle_ms=1200)
    await patient.page.wait_for_timeout(6000)
    await patient.press("[data-voice-do=stop]")
    await patient.sees("[data-voice-do=send]")
    await studio.shoot(patient.page, "patient-voice-review")
    await patient.press("[data-voice-do=send]")
    await doctor.press("[data-kind=voice] [data-play]")
    await doctor.page.locator("[data-voice][data-state=playing]").wait_for(timeout=30_000)
    await studio.shoot(doctor.page, "doctor-voice", full=True, settle_ms=800)
    await patient.page.locator("[data-kind=voice][data-mark=heard]").wait_for(timeout=30_000)
    await studio.shoot(patient.page, "patient-voice-heard")


async def not_let_in(studio: Studio) -> None:
    planned, theirs = await studio.arrived()
    doctor = await studio.doctor()
    await visit.open_consult(doctor, studio.product, planned)
    await doctor.press(f"[data-person='{theirs}'] form[action$='/refuse'] button")
    await doctor.page.locator(f"[data-person='{theirs}'][data-admission=refused]").wait_for()
    patient = await studio.patient(permissions=())
    await patient.page.goto(planned.link)
    await patient.press("form[action^='/i/'] button")
    await patient.page.wait_for_url("**/v/*")
    await studio.shoot(patient.page, "patient-refused")
    await patient.context.close()
    await doctor.context.close()
    studio.product.api("POST", f"/consults/{planned.consult_id}/cancel")


async def six_people(studio: Studio) -> None:
    doctor, planned = await studio.doctor(small_video=True), studio.plan(people.CARMEN)
    patient = await studio.patient(small_video=True)
    mine = await visit.arrive(patient, planned.link)
    await visit.open_consult(doctor, studio.product, planned)
    await visit.admit(doctor, mine)
    guests = []
    for number, (role, name) in enumerate(people.GUESTS):
        guest = await studio.guest(name, small_video=True)
        media = "audio" if number == 1 else "video"
        theirs = await visit.arrive(guest, await visit.invite(doctor, name, role), media, is_patient=False)
        await visit.admit(doctor, theirs)
        guests.append(guest)
    for someone in (doctor, patient):
        await someone.page.locator(".tile").nth(4).wait_for(timeout=60_000)
    await patient.page.wait_for_timeout(4000)
    await studio.shoot(patient.page, "patient-call-six-people", settle_ms=1000)
    await studio.shoot(doctor.page, "doctor-consult-six-people", full=True, settle_ms=700)
    for someone in guests:
        await someone.context.close()
    await doctor.press("[data-conversation] button")
    await visit.in_room(patient, "ended")
    for someone in (patient, doctor):
        await someone.context.close()

"""Pictures of every state of the patient's pages, taken from the running product with real browsers.

``python -m tests.support.pictures [folder]`` makes ``docs/images/patient-*.png`` again, at 360x640 and 1366x768.
The people before the cameras are drawings.
"""

import asyncio
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from playwright.async_api import Browser

from tests.support import visit
from tests.support.browser import ROOT, Person, chromium, person
from tests.support.product import Planned, Product

NOTE = {
    "findings": "Refiere fotofobia leve",
    "diagnosis.text": "Cefalea tensional episódica",
    "instructions": "Tome agua, duerma a sus horas y anote los días en que le duele.\n"
    "Si el dolor es muy fuerte o le da fiebre, vaya a la emergencia.",
    "next_action.kind": "control",
}
REASON = "Dolor de cabeza"
PORTRAIT = """<body style="margin:0"><svg viewBox="0 0 640 480" width="640" height="480">
<rect width="640" height="480" fill="{wall}"/><rect x="430" y="40" width="150" height="200" fill="{frame}" rx="6"/>
<path d="M110 480c0-120 90-170 210-170s210 50 210 170z" fill="{coat}"/>
<path d="M270 290h100v60c0 30-100 30-100 0z" fill="{skin}"/><ellipse cx="320" cy="215" rx="88" ry="110" fill="{skin}"/>
<path d="M225 215c-12-130 60-150 95-150s112 22 95 150c-10-60-40-85-95-85s-85 25-95 85z" fill="{hair}"/>
<circle cx="288" cy="212" r="8" fill="#2b2320"/><circle cx="352" cy="212" r="8" fill="#2b2320"/>
<path d="M290 268q30 24 60 0" fill="none" stroke="#8a3b2e" stroke-width="6" stroke-linecap="round"/></svg>"""
DOCTOR = {"wall": "#dfe7e2", "frame": "#b9cfc3", "coat": "#fbfbf8", "skin": "#d9a07a", "hair": "#2f2723"}
PATIENT = {"wall": "#efe3cc", "frame": "#cfa96b", "coat": "#3b6ea5", "skin": "#c98f6b", "hair": "#9a9a98"}
DENY = """navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("no", "NotAllowedError"));"""


async def portrait(browser: Browser, colours: dict[str, str]) -> bytes:
    """A drawing as a film of two equal frames, for Chromium's fake camera."""
    page = await browser.new_page(viewport={"width": 640, "height": 480})
    await page.set_content(PORTRAIT.format(**colours))
    frame = await page.screenshot(type="jpeg", quality=80)
    await page.close()
    return frame * 2


def camera(film: bytes, path: Path) -> str:
    path.write_bytes(film)
    return f"--use-file-for-fake-video-capture={path}"


class Studio:
    """One size of screen: the clinic, its doctor at the desk, and a patient in front of our camera."""

    def __init__(self, folder: Path, product: Product, patients: Browser, doctor: Person, *, desk: bool) -> None:
        self.folder, self.product, self.patients, self.doctor, self.desk = folder, product, patients, doctor, desk
        self.size = "1366x768" if desk else "360x640"

    async def patient(self, **options: object) -> Person:
        return await person(self.patients, "the patient", desk=self.desk, **options)  # type: ignore[arg-type]

    def plan(self) -> Planned:
        return self.product.plan(minutes=3, reason=REASON)

    async def shoot(self, someone: Person, name: str, *, settle_ms: int = 400, full: bool = False) -> None:
        await someone.page.wait_for_timeout(settle_ms)
        await someone.page.screenshot(path=self.folder / f"patient-{name}-{self.size}.png", full_page=full, scale="css")

    async def from_link_to_room(self) -> None:
        """The steps before the waiting room, then the room with two people ahead."""
        patient, planned = await self.patient(), self.plan()
        await patient.page.goto(self.product.url)
        await self.shoot(patient, "home")
        await patient.page.goto(planned.link)
        await self.shoot(patient, "landing")
        await visit.take_link(patient, planned.link)
        await self.shoot(patient, "consent")
        await patient.page.fill("#name", "")
        patient.forgive("422")
        await patient.press("button[value=accept]")
        await patient.page.locator("#answer .error").scroll_into_view_if_needed()
        await self.shoot(patient, "consent-missing")
        await patient.page.fill("#name", planned.person.name)
        await visit.accept(patient)
        await self.shoot(patient, "choose")
        await visit.choose(patient, "video")
        await self.shoot(patient, "check", settle_ms=1500)
        await visit.try_devices(patient)
        await patient.page.evaluate("scrollTo(0, 0)")
        await self.shoot(patient, "check-ready", settle_ms=1500)
        for _ in range(2):
            ahead = await self.patient()
            await visit.arrive(ahead, self.plan().link, "text")
            await ahead.context.close()
        await visit.enter_waiting_room(patient)
        await self.shoot(patient, "waiting-in-line", settle_ms=1500)
        await patient.context.close()

    async def troubles(self) -> None:
        denied = await self.patient()
        await denied.context.add_init_script(DENY)
        await visit.take_link(denied, self.plan().link)
        await visit.accept(denied)
        await visit.choose(denied, "video")
        await denied.press("[data-try]")
        await self.shoot(denied, "check-denied")
        planned = self.plan()
        await visit.take_link(denied, planned.link)
        await denied.press("button[value=refuse]")
        await self.shoot(denied, "declined", settle_ms=1000)
        planned = self.plan()
        self.product.api("POST", f"/consults/{planned.consult_id}/cancel")
        await denied.page.goto(planned.link)
        await self.shoot(denied, "cancelled")
        denied.forgive("404")
        await denied.page.goto(f"{self.product.url}/i/nosuchlink23")
        await self.shoot(denied, "link-expired")
        await denied.context.close()
        plain = await self.patient(java_script_enabled=False, watch=False)
        await visit.arrive(plain, self.plan().link, "text")
        await self.shoot(plain, "waiting-without-scripts")
        await plain.context.close()

    async def call(self) -> None:
        """A visit with everything that may happen to its line, to the instructions at its end."""
        patient, planned = await self.patient(), self.plan()
        mine = await visit.arrive(patient, planned.link)
        await visit.write(patient, "Buenos días doctora, desde ayer me duele la cabeza")
        await visit.open_consult(self.doctor, self.product, planned)
        await visit.write(self.doctor, "Buenos días, ya le abro")
        await self.shoot(patient, "waiting", settle_ms=6000)
        await visit.admit(self.doctor, mine)
        await visit.in_room(patient, "call")
        await patient.page.locator(".tile.pictured").wait_for(timeout=20_000)
        await self.shoot(patient, "call", settle_ms=2500)
        await patient.press("[data-lamp] summary")
        await self.shoot(patient, "call-lamp")
        await patient.press("[data-lamp] summary")
        if not self.desk:
            await patient.press("[data-open-chat]")
            await self.shoot(patient, "call-messages")
            await patient.press("[data-close-chat]")
        companion = await self.guest("Luis Zambrano", "companion")
        await patient.page.locator(".tile.pictured").nth(1).wait_for(timeout=20_000)
        await self.shoot(patient, "call-with-companion", settle_ms=1500)
        await companion.context.close()
        await self.changes(patient, mine)
        await self.ending(patient)

    async def guest(self, name: str, role: str) -> Person:
        link = await visit.invite(self.doctor, name, role)
        guest = await self.patient()
        theirs = await visit.arrive(guest, link, is_patient=False)
        await visit.admit(self.doctor, theirs)
        await visit.in_room(guest, "call")
        return guest

    async def changes(self, patient: Person, mine: str) -> None:
        await patient.press("[data-lamp] summary")
        await patient.press("[data-only-audio]")
        await self.shoot(patient, "call-voice", settle_ms=2500)
        await self.doctor.press(f"[data-person='{mine}'] form[action$='/hold'] button")
        await visit.in_room(patient, "held")
        await self.shoot(patient, "held")
        await visit.admit(self.doctor, mine)
        await visit.in_room(patient, "call")
        await patient.press("[data-leave]")
        await self.shoot(patient, "left")
        await patient.press("[data-return]")
        patient.forgive(".")
        self.doctor.forgive(".")
        self.product.kill()
        await patient.page.locator("[data-connection=offline]").wait_for(timeout=30_000)
        await visit.write(patient, "¿Sigue ahí, doctora?")
        await self.shoot(patient, "offline", settle_ms=9000)
        self.product.start()
        await patient.page.locator("[data-connection=resumed]").wait_for(timeout=60_000)
        await self.shoot(patient, "resumed", settle_ms=1000)
        other = await patient.context.new_page()
        await other.goto(patient.page.url)
        await patient.page.locator("[data-step=replaced]").wait_for(timeout=20_000)
        await self.shoot(patient, "replaced")
        await other.close()
        await patient.page.reload()
        await visit.in_room(patient, "call")
        if not await self.doctor.page.locator("[data-saves]").count():
            await self.doctor.page.reload()

    async def ending(self, patient: Person) -> None:
        await self.doctor.press("[data-conversation] button")
        await visit.in_room(patient, "ended")
        await self.shoot(patient, "ended")
        await visit.fill_note(self.doctor, **NOTE)
        await visit.sign(self.doctor)
        await patient.page.wait_for_url("**/summary")
        await self.shoot(patient, "summary", full=True)
        await patient.context.close()

    async def by_messages(self) -> None:
        patient, planned = await self.patient(permissions=()), self.plan()
        mine = await visit.arrive(patient, planned.link, "text")
        await visit.open_consult(self.doctor, self.product, planned)
        await visit.admit(self.doctor, mine)
        await visit.in_room(patient, "call")
        await visit.write(patient, "Buenos días doctora, prefiero escribirle")
        await visit.write(self.doctor, "Claro que sí. ¿Desde cuándo le duele?")
        await self.shoot(patient, "by-messages", settle_ms=1500)
        await patient.context.close()


async def take_all(folder: Path) -> None:
    async with AsyncExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        async with chromium() as painter:
            films = [await portrait(painter, colours) for colours in (DOCTOR, PATIENT)]
        flags = [camera(film, scratch / f"{number}.mjpeg") for number, film in enumerate(films)]
        clinic, patients = [await stack.enter_async_context(chromium(flag)) for flag in flags]
        for desk in (False, True):
            product = Product(scratch / ("desk" if desk else "phone"))
            product.start()
            stack.callback(product.stop)
            doctor = await visit.signed_in_doctor(clinic, product)
            studio = Studio(folder, product, patients, doctor, desk=desk)
            await studio.from_link_to_room()
            await studio.troubles()
            await studio.by_messages()
            await studio.call()


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images"
    target.mkdir(parents=True, exist_ok=True)
    asyncio.run(take_all(target))

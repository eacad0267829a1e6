"""What a thin line looks like to both, told to the pages without having to be thin."""

from tests.support import visit
from tests.support.browser import Person
from tests.support.line_news import tell, way
from tests.support.pictures.studio import Studio


async def thin_line(studio: Studio, doctor: Person, patient: Person, mine: str) -> None:
    """The same line getting worse, as both see it."""
    theirs = await visit.participant_of(doctor)
    await on_line(doctor, patient, mine, way("video"), way("video"))
    await on_line(doctor, patient, mine, low(180), low(150))
    await studio.shoot(patient.page, "patient-line-small-video", settle_ms=700)
    await on_line(doctor, patient, mine, way("stills", "line", 60_000, 85_000), way("audio", "line", 31_000, 48_000))
    await patient.page.wait_for_timeout(3000)
    await studio.shoot(patient.page, "patient-line-photos", settle_ms=700)
    await patient.page.wait_for_timeout(4000)
    await patient.press("[data-lamp] summary")
    await patient.page.select_option("[data-cap]", "50")
    await studio.shoot(patient.page, "patient-line-why", settle_ms=700)
    await patient.page.set_viewport_size({"width": 360, "height": 640})
    await patient.page.evaluate("document.querySelector('.lamp-why').scrollTop = 9999")
    await studio.shoot(patient.page, "patient-line-limit", at=(360,))
    await patient.page.select_option("[data-cap]", "")
    await patient.page.keyboard.press("Escape")
    await on_line(
        doctor, patient, mine, way("emergency", "line", 14_000, 26_000), way("emergency", "line", 13_000, 26_000)
    )
    await patient.page.wait_for_timeout(6500)
    await studio.shoot(patient.page, "patient-line-essential", settle_ms=700)
    await on_line(doctor, patient, mine, low(150), way("stills", "line", 60_000, 85_000))
    await tell(doctor, theirs, way("stills", "peer", 900_000), way("low_video", "peer", 900_000))
    await studio.shoot(doctor.page, "doctor-line-photos", settle_ms=1500)
    await doctor.press("[data-lamp] summary")
    await studio.shoot(doctor.page, "doctor-line-why", settle_ms=700)
    await doctor.press("[data-lamp] summary")
    await on_line(doctor, patient, mine, way("video"), way("video"))
    await patient.page.wait_for_timeout(7500)


def low(kbps: int) -> dict[str, object]:
    return way("low_video", "line", kbps * 1000, 415_000)


async def on_line(doctor: Person, patient: Person, mine: str, down: dict[str, object], up: dict[str, object]) -> None:
    """Both hear the same of the patient's line; a little time passes, which the doctor's drawing shows."""
    for someone in (patient, doctor):
        await tell(someone, mine, down, up)
    await patient.page.wait_for_timeout(2500)

"""The clinic's pages outside a visit."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from tests.support.pictures import words as people
from tests.support.pictures.studio import Studio
from tests.support.product import LOGIN


async def sign_in(studio: Studio) -> None:
    page = await studio.clinic.new_page(locale=studio.words.locale)
    await page.goto(studio.product.url + "/login")
    await studio.shoot(page, "doctor-login")
    await page.fill("#login", LOGIN)
    await page.fill("#password", "not this one")
    await page.click("form[action='/login'] button")
    await page.locator("[role=alert]").wait_for()
    await studio.shoot(page, "doctor-login-wrong")
    await page.close()
    doctor = await studio.doctor()
    await studio.shoot(doctor.page, "doctor-board-empty")
    await doctor.page.goto(studio.product.url + "/history")
    await studio.shoot(doctor.page, "doctor-history-empty")
    await doctor.context.close()


async def planning(studio: Studio) -> None:
    doctor = await studio.doctor()
    doctor.forgive("422", "400")
    page, url = doctor.page, studio.product.url
    await page.goto(url + "/consults/new")
    await studio.shoot(page, "doctor-plan", full=True)
    await page.fill("#identifier", "12")
    await page.fill("#phone", "0414")
    await doctor.press("form[action='/consults/new'] button.primary")
    await page.locator("[role=alert]").first.wait_for()
    await studio.shoot(page, "doctor-plan-errors", full=True)
    await page.fill("#identifier", people.CARMEN.identifier)
    await page.fill("#name", people.CARMEN.name)
    await page.fill("#phone", people.CARMEN.phone)
    await page.fill("#reason", studio.words.other_reasons[0])
    tomorrow = (datetime.now(ZoneInfo("America/Caracas")) + timedelta(days=1)).date().isoformat()
    await page.fill("#date", tomorrow)
    await page.fill("#time", "10:30")
    await doctor.press("form[action='/consults/new'] button.primary")
    await doctor.sees("[data-copy-source]")
    await studio.shoot(page, "doctor-share", full=True)
    await page.goto(f"{url}/board?day={tomorrow}")
    await page.locator("a[href$='/appointment']").first.click()
    await page.wait_for_url("**/appointment")
    await studio.shoot(page, "doctor-appointment", full=True)
    await doctor.context.close()


async def the_day(studio: Studio) -> None:
    """The board when every group has somebody, and the history."""
    for minutes in (40, 60, 80):
        studio.plan(minutes=minutes)
    await studio.arrived(minutes=-4)
    await studio.arrived(minutes=6)
    doctor = await studio.doctor()
    page = doctor.page
    await page.goto(studio.product.url + "/board")
    await studio.shoot(page, "doctor-board", full=True)
    await page.emulate_media(color_scheme="dark")
    await studio.shoot(page, "doctor-board-dark")
    await page.emulate_media(color_scheme="light")
    await page.goto(studio.product.url + "/history")
    await studio.shoot(page, "doctor-history")
    await page.goto(studio.product.url + "/board")
    doctor.forgive(".")
    studio.product.kill()
    await doctor.sees("[data-board-offline]", 60)
    await studio.shoot(page, "doctor-board-offline")
    studio.product.start()
    await doctor.context.close()

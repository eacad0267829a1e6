"""What the people of a consult do at the real pages, step by step, as they would."""

from typing import Any

from playwright.async_api import Browser

from tests.support.browser import Person, person
from tests.support.eventually import eventually
from tests.support.product import LOGIN, PASSWORD, Planned, Product


async def signed_in_doctor(browser: Browser, product: Product, name: str = "the doctor", **options: Any) -> Person:
    """The doctor at the clinic's screen, signed in through the page."""
    doctor = await person(browser, name, desk=True, **options)
    await doctor.page.goto(product.url + "/login")
    await doctor.page.fill("#login", LOGIN)
    await doctor.page.fill("#password", PASSWORD)
    await doctor.press("form[action='/login'] button")
    await doctor.page.wait_for_url("**/board")
    return doctor


async def open_consult(doctor: Person, product: Product, planned: Planned) -> str:
    """The doctor's consult page; the doctor's participant id."""
    answer = await doctor.page.goto(f"{product.url}/consults/{planned.consult_id}")
    assert answer is not None
    assert answer.ok, product.log()[-1500:]
    return await participant_of(doctor)


async def participant_of(doctor: Person) -> str:
    return await doctor.page.locator("[data-doctor-consult]").get_attribute("data-me") or ""


async def take_link(someone: Person, link: str) -> str:
    """From the message to the first question; the participant id."""
    await someone.page.goto(link)
    await someone.press("form[action^='/i/'] button")
    await someone.page.wait_for_url("**/v/*")
    return someone.page.url.rsplit("/", 1)[1].split("?")[0]


async def accept(patient: Person) -> None:
    await patient.press("button[name=answer][value=accept]")
    await patient.sees("label.choice")


async def choose(someone: Person, media: str) -> None:
    await someone.press(f"label.choice:has(input[value={media}])")
    await someone.press("form[action$='/media'] button.primary")


async def try_devices(someone: Person) -> None:
    await someone.press("[data-try]")
    await someone.sees("[data-check][data-state=ready]", 20)


async def enter_waiting_room(someone: Person) -> None:
    await someone.press("[data-enter]")
    await in_room(someone, "waiting")


async def in_room(someone: Person, step: str, timeout_s: float = 15) -> None:
    await someone.page.locator(f"[data-room][data-step={step}]").wait_for(timeout=timeout_s * 1000)


async def in_line(someone: Person, before: int, timeout_s: float = 10) -> None:
    """The waiting room says how many people are before this one."""
    await someone.sees(f"[data-waiting] [data-if-before='{before}']", timeout_s)


async def arrive(someone: Person, link: str, media: str = "video", *, is_patient: bool = True) -> str:
    """The whole way from the link to the waiting room; the participant id."""
    participant = await take_link(someone, link)
    if is_patient:
        await accept(someone)
    await choose(someone, media)
    if media == "text":
        await in_room(someone, "waiting")
    else:
        await try_devices(someone)
        await enter_waiting_room(someone)
    return participant


async def admit(doctor: Person, participant: str) -> None:
    """Open the door for one person from the list of people."""
    await doctor.press(f"[data-person='{participant}'] [data-admit] button")
    await doctor.page.locator(f"[data-person='{participant}'][data-admission=admitted]").wait_for()


async def invite(doctor: Person, name: str, role: str) -> str:
    """A guest's link, from the doctor's panel."""
    await doctor.press("[data-open-panel=invite]")
    await doctor.page.fill("#guest-name", name)
    await doctor.page.select_option("#guest-role", role)
    await doctor.press("[data-invite] button[type=submit]")
    shown = doctor.page.locator("[data-panel=invite] [data-share]", has_text=name)
    link = await shown.locator("[data-copy-source]").input_value()
    await doctor.press("[data-panel=invite] [data-close-panel]")
    return link


async def write(someone: Person, text: str) -> None:
    """A chat message, opening the chat first where a phone hides it."""
    box = someone.page.locator("[data-compose] textarea")
    if not await box.is_visible():
        await someone.press("[data-open-chat]")
    await box.fill(text)
    await someone.press("[data-compose] button")


async def has_message(someone: Person, text: str, timeout_s: float = 10) -> None:
    """The message is in the conversation, once."""
    bubble = someone.page.locator("[data-messages] .bubble", has_text=text)

    async def once() -> bool:
        return await bubble.count() == 1

    await eventually(f"{someone.name} has {text!r} once", once, timeout_s)


async def message_state(someone: Person, text: str, state: str, timeout_s: float = 10) -> None:
    """The mark on one's own message: wait, clinic, delivered or read."""
    mark = someone.page.locator(f"[data-messages] .bubble.mine[data-mark={state}]", has_text=text)
    await mark.wait_for(state="attached", timeout=timeout_s * 1000)


NOTE = {
    "findings": "Refiere fotofobia leve",
    "diagnosis.text": "Cefalea tensional episódica",
    "instructions": "Reposo, agua y volver si empeora",
    "next_action.kind": "control",
}


async def fill_note(doctor: Person, **fields: str) -> None:
    """Type into the note's fields and wait until the clinic has kept them."""
    for name, value in fields.items():
        control = doctor.page.locator(f"[data-note='{name}']")
        if await control.evaluate("e => e.tagName") == "SELECT":
            await control.select_option(value)
        else:
            await control.fill(value)
            await control.blur()
    await kept(doctor)


async def kept(doctor: Person, timeout_s: float = 10) -> None:
    """The marks say that the note is at the clinic."""
    await doctor.page.locator("[data-saves][data-saved='2']").wait_for(timeout=timeout_s * 1000)


async def sign(doctor: Person) -> None:
    """Finish and sign; afterwards the doctor looks at the record."""
    await doctor.press("[data-finish]")
    await doctor.press("[data-sign] button")
    await doctor.page.wait_for_url("**/record")

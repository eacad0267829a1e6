"""The doctor asks for a photo: who may, who hears of it, and what comes back."""

import pytest

from candil.store.database import Database
from tests.support.signaling import Node, Pages, Visit, add_guest, plan_visit


@pytest.fixture
async def visit(sqlite_database: Database) -> Visit:
    return await plan_visit(sqlite_database, admitted=True)


async def test_the_one_asked_hears_and_the_doctor_is_answered(
    node: Node, pages: Pages, visit: Visit, sqlite_database: Database
) -> None:
    guest_id, guest_token = await add_guest(sqlite_database, visit)
    doctor, patient = await pages.doctor(node, visit), await pages.patient(node, visit)
    guest = await pages.open(node, guest_id, guest_token)
    await doctor.say("photo.request", participant=visit.patient)
    request = (await patient.hear("photo.requested"))["request"]
    await patient.say("photo.answer", request=request, accepted=False)
    assert await doctor.hear("photo.answered") == {
        "type": "photo.answered",
        "request": request,
        "participant": visit.patient,
        "accepted": False,
    }
    for page, kind, fields, code in (
        (patient, "photo.request", {"participant": visit.doctor}, "not_allowed"),
        (doctor, "photo.request", {"participant": guest_id}, "not_now"),
        (doctor, "photo.request", {"participant": "par_nobody"}, "not_now"),
        (guest, "photo.answer", {"request": request, "accepted": True}, "not_now"),
    ):
        await page.say(kind, **fields)
        assert (await page.hear("error"))["code"] == code
    await guest.say("ping", at=1.0)
    await guest.hear("pong")
    assert [m for m in guest.received if m["type"].startswith("photo")] == []

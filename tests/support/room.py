"""A consult's media room with three people, for tests of its core."""

from typing import Any

import msgspec

from candil.store.consults import ConsultRow
from candil.store.participants import ParticipantRow
from signaling import messages as m
from signaling.facts import People
from signaling.room import ConsultRoom
from signaling.room_effects import Page

NOW = 1_800_000_000.0
RENEW_S = 2700.0
PATIENT, DOCTOR, GUEST = (Page(p, f"page-{p}", "node1") for p in ("par_p", "par_d", "par_g"))


def people(consult: dict[str, Any] | None = None, **admissions: str) -> People:
    row = ConsultRow(
        "con_1", "clinica", "stf_1", "in-progress", "s", "v", "n", "", 0, "", "es", NOW, 20, None, NOW, started_at=NOW
    )
    everybody = [("par_p", "patient", None), ("par_d", "doctor", "stf_1"), ("par_g", "companion", None)]
    rows = tuple(
        ParticipantRow(pid, "con_1", role, "n", staff, admissions.get(pid, "admitted"), "video", NOW)
        for pid, role, staff in everybody
    )
    return People(msgspec.structs.replace(row, **(consult or {})), rows, 0, 0)


def room(facts: People | None = None) -> ConsultRoom:
    made = ConsultRoom("con_1", RENEW_S)
    made.people_changed(facts or people(), NOW)
    return made


def joined(*pages: Page) -> ConsultRoom:
    made = room()
    for page in pages:
        made.handle(m.MediaJoin(), page, NOW)
        made.opened(f"med_{page.participant_id}", page, NOW)
    made.drain_effects()
    return made

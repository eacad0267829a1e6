"""Rows for tests of the store: only what a test cares about is said."""

from typing import Any

import msgspec
from sqlalchemy import Connection

from candil.store import consults, outbox, participants, staff
from candil.store.consults import ConsultRow
from candil.store.outbox import DeliveryRow, OutboxEventRow
from candil.store.participants import ParticipantRow
from candil.store.staff import StaffRow

NOW = 1_790_000_000.0
DOCTOR = "stf_1"
CONSULT = "con_1"
PATIENT = "par_1"


def staff_row(**changes: Any) -> StaffRow:
    row = StaffRow(DOCTOR, "clinic", "dra.perez", "Dra. Pérez", "doctor", "", "urn:x", "1", "es", NOW)
    return msgspec.structs.replace(row, **changes)


def consult_row(**changes: Any) -> ConsultRow:
    row = ConsultRow(
        id=CONSULT,
        clinic_id="clinic",
        doctor_id=DOCTOR,
        status="planned",
        patient_system="cedula",
        patient_value="V-1",
        patient_name="Ana",
        patient_phone="",
        patient_is_minor=0,
        reason="",
        locale="es",
        scheduled_at=NOW,
        duration_min=20,
        external_id=None,
        created_at=NOW,
    )
    return msgspec.structs.replace(row, **changes)


def participant_row(**changes: Any) -> ParticipantRow:
    row = ParticipantRow(PATIENT, CONSULT, "patient", "Ana", None, "invited", "video", NOW)
    return msgspec.structs.replace(row, **changes)


def event_row(**changes: Any) -> OutboxEventRow:
    row = OutboxEventRow("evt_1", "clinic", CONSULT, "consultation.completed", 1, "{}", NOW)
    return msgspec.structs.replace(row, **changes)


def delivery_row(**changes: Any) -> DeliveryRow:
    row = DeliveryRow("dlv_1", "evt_1", CONSULT, 1, "fhir", "pending", NOW)
    return msgspec.structs.replace(row, **changes)


def a_consult(tx: Connection) -> None:
    """A doctor, a consult of theirs and its patient."""
    staff.add(tx, staff_row())
    consults.add(tx, consult_row())
    participants.add(tx, participant_row())


def a_delivery(tx: Connection, number: int, **changes: Any) -> None:
    """An event with one delivery, of a consult of its own unless told."""
    consult_id = changes.pop("consult_id", f"con_d{number}")
    if consults.get(tx, consult_id) is None:
        consults.add(tx, consult_row(id=consult_id))
    revision = changes.get("revision", 1)
    outbox.add_event(tx, event_row(id=f"evt_{number}", consult_id=consult_id, revision=revision))
    row = delivery_row(id=f"dlv_{number:04d}", event_id=f"evt_{number}", consult_id=consult_id)
    outbox.add_delivery(tx, msgspec.structs.replace(row, **changes))

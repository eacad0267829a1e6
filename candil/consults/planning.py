"""Planning a consult, moving it, calling it off."""

import re

import msgspec

from candil.config import ClinicSettings, IdentifierSystem
from candil.consults import links, states, timeline
from candil.consults.permissions import Actor, Role, require
from candil.errors import NotFound, PeerError, Refused
from candil.ids import IdSource
from candil.store import consults, participants, staff
from candil.store.consults import ConsultRow
from candil.store.participants import ParticipantRow
from candil.store.tx import Transaction

MAX_PARTICIPANTS = 6
MAX_DAYS_AHEAD = 400
_PHONE = re.compile(r"\+\d{8,15}")


class PlanRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What planning needs; ``identifier_kind`` is the code of one of the clinic's identifier systems."""

    identifier_kind: str
    identifier: str
    name: str
    phone: str
    scheduled_at: float
    reason: str = ""
    duration_min: int = 20
    minor: bool = False
    locale: str = "es"
    external_id: str | None = None


class Planned(msgspec.Struct, frozen=True):
    """A planned consult and the patient's link token, which only this answer holds."""

    consult: ConsultRow
    patient_id: str
    token: str


def plan(
    tx: Transaction,
    request: PlanRequest,
    *,
    doctor_id: str,
    actor: Actor,
    clinic: ClinicSettings,
    now: float,
    ids: IdSource,
) -> Planned:
    """Create the consult, its patient and its doctor as participants, and the patient's link.

    Raises PeerError naming the field that is wrong, Refused ``already_planned`` for a repeated external id.
    """
    require("consult.plan", actor.role)
    doctor = staff.get(tx, doctor_id)
    if doctor is None or doctor.clinic_id != actor.clinic_id or doctor.role != Role.DOCTOR:
        raise PeerError("invalid_doctor", "There is no such doctor in this clinic.", field="doctor")
    checked = check(request, clinic, now)
    kind = identifier_system(clinic, checked.identifier_kind)
    consult = ConsultRow(
        id=ids.new_id("con"),
        clinic_id=clinic.id,
        doctor_id=doctor.id,
        status="planned",
        patient_system=kind.uri,
        patient_value=checked.identifier,
        patient_name=checked.name,
        patient_phone=checked.phone,
        patient_is_minor=int(checked.minor),
        reason=checked.reason,
        locale=checked.locale,
        scheduled_at=checked.scheduled_at,
        duration_min=checked.duration_min,
        external_id=checked.external_id,
        created_at=now,
    )
    if not consults.add(tx, consult):
        known = consults.by_external_id(tx, clinic.id, checked.external_id or "")
        known_id = known.id if known else ""
        raise Refused("already_planned", "A consult with this external id exists.", consult_id=known_id)
    patient = ParticipantRow(ids.new_id("par"), consult.id, Role.PATIENT, checked.name, None, "invited", "video", now)
    participants.add(tx, patient)
    participants.add(
        tx,
        ParticipantRow(
            ids.new_id("par"), consult.id, Role.DOCTOR, doctor.name, doctor.id, "admitted", "video", now + 1e-6
        ),
    )
    token = links.issue(tx, patient, now=now, ids=ids)
    timeline.append(tx, consult, "consult.planned", actor=actor.id, now=now, audience=timeline.STAFF)
    return Planned(consult, patient.id, token)


def check(request: PlanRequest, clinic: ClinicSettings, now: float) -> PlanRequest:
    """The request with its values in their stored form; PeerError (``field`` in detail) when one is wrong."""
    kind = identifier_system(clinic, request.identifier_kind)
    identifier = identifier_value(kind, request.identifier)
    if not identifier:
        raise PeerError("invalid_identifier", f"{kind.label} looks like {kind.example}", field="identifier")
    name = " ".join(request.name.split())
    if not 2 <= len(name) <= 120:
        raise PeerError("invalid_name", "The name is missing.", field="name")
    if not now - 86_400 <= request.scheduled_at <= now + MAX_DAYS_AHEAD * 86_400:
        raise PeerError("invalid_time", "The date is in the past or too far away.", field="scheduled_at")
    if not 5 <= request.duration_min <= 240:
        raise PeerError("invalid_duration", "A visit takes from 5 to 240 minutes.", field="duration_min")
    if len(request.reason) > 500:
        raise PeerError("invalid_reason", "The reason takes at most 500 characters.", field="reason")
    if request.locale not in ("es", "en"):
        raise PeerError("invalid_locale", "The language is es or en.", field="locale")
    return msgspec.structs.replace(
        request,
        identifier=identifier,
        name=name,
        phone=phone_number(request.phone, clinic.phone_country_code),
        reason=request.reason.strip(),
    )


def identifier_system(clinic: ClinicSettings, code: str) -> IdentifierSystem:
    for kind in clinic.patient_identifiers:
        if kind.code == code:
            return kind
    raise PeerError("invalid_identifier_kind", "Unknown kind of identifier.", field="identifier_kind")


def identifier_value(kind: IdentifierSystem, typed: str) -> str:
    """The one form in which an identifier is kept, however it was typed; empty when it is not one."""
    match = re.fullmatch(kind.pattern, re.sub(r"[\s.]", "", typed).upper())
    if match is None:
        return ""
    return match.expand(kind.stored) if kind.stored else match[0]


def phone_number(text: str, country_code: str) -> str:
    """E.164, or empty when none was given: 0414-123.45.67 becomes +584141234567."""
    digits = re.sub(r"[\s().-]", "", text)
    if not digits:
        return ""
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    elif not digits.startswith("+"):
        digits = f"+{country_code}{digits.lstrip('0')}"
    if not _PHONE.fullmatch(digits):
        raise PeerError("invalid_phone", "The phone number is not complete.", field="phone")
    return digits


def reschedule(tx: Transaction, consult_id: str, scheduled_at: float, *, actor: Actor, now: float) -> ConsultRow:
    """Move a consult that has not started; its link goes on working."""
    consult = locked(tx, consult_id, actor, "consult.reschedule")
    if not now - 86_400 <= scheduled_at <= now + MAX_DAYS_AHEAD * 86_400:
        raise PeerError("invalid_time", "The date is in the past or too far away.", field="scheduled_at")
    consults.update(tx, consult_id, scheduled_at=scheduled_at)
    timeline.append(
        tx, consult, "consult.rescheduled", actor=actor.id, now=now, before=consult.scheduled_at, after=scheduled_at
    )
    return msgspec.structs.replace(consult, scheduled_at=scheduled_at)


def cancel(tx: Transaction, consult_id: str, *, actor: Actor, now: float) -> None:
    consult = locked(tx, consult_id, actor, "consult.cancel")
    status = states.consult_after(consult.status, "cancel")
    consults.update(tx, consult_id, status=status, cancelled_at=now)
    timeline.append(tx, consult, "consult.cancelled", actor=actor.id, now=now)


def locked(tx: Transaction, consult_id: str, actor: Actor, act: str) -> ConsultRow:
    """The consult's row locked for ``act``; NotFound for another's consult, as for none."""
    consult = consults.lock(tx, consult_id)
    if consult is None or consult.clinic_id != actor.clinic_id:
        raise NotFound("no_consult", "There is no such consult.")
    if actor.role == Role.DOCTOR and consult.doctor_id != actor.id:
        raise NotFound("no_consult", "There is no such consult.")
    require(act, actor.role, status=consult.status)
    return consult


def invite_guest(
    tx: Transaction, consult_id: str, role: Role, name: str, *, actor: Actor, now: float, ids: IdSource
) -> tuple[ParticipantRow, str]:
    """A companion, interpreter or second doctor with a link of their own; up to six people in all."""
    consult = locked(tx, consult_id, actor, "guest.invite")
    if role not in (Role.COMPANION, Role.INTERPRETER, Role.SECOND_DOCTOR):
        raise PeerError("invalid_role", "A guest is a companion, an interpreter or a second doctor.", field="role")
    name = " ".join(name.split())
    if not 2 <= len(name) <= 120:
        raise PeerError("invalid_name", "The name is missing.", field="name")
    present = [p for p in participants.of_consult(tx, consult_id) if p.admission != "refused"]
    if len(present) >= MAX_PARTICIPANTS:
        raise Refused("room_full", "Six people is the most a consult takes.")
    guest = ParticipantRow(ids.new_id("par"), consult_id, role, name, None, "invited", "video", now)
    participants.add(tx, guest)
    token = links.issue(tx, guest, now=now, ids=ids)
    timeline.append(
        tx,
        consult,
        "guest.invited",
        actor=actor.id,
        now=now,
        audience=timeline.STAFF,
        participant=guest.id,
        role=str(role),
    )
    return guest, token

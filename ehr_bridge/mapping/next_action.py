"""The next clinical action, as the resource its kind asks for.

| kind                         | resource                                             |
|------------------------------|------------------------------------------------------|
| control                      | ServiceRequest, a plan                               |
| laboratory, imaging, referral| ServiceRequest, an order                             |
| emergency                    | ServiceRequest, an order, priority stat              |
| appointment                  | Appointment, booked when a time is known             |
| call                         | Task for the clinic's staff                          |
| none                         | nothing                                              |
"""

from fhir.resources.R4B.appointment import Appointment
from fhir.resources.R4B.servicerequest import ServiceRequest
from fhir.resources.R4B.task import Task

from ehr_bridge import codes
from ehr_bridge.codes import Json
from ehr_bridge.mapping import times
from ehr_bridge.mapping.context import BusinessId, MappingContext
from ehr_bridge.wording import next_action_name

# kind -> (resource type, ServiceRequest intent, ServiceRequest priority)
_KINDS = {
    "none": ("", "", ""),
    "control": ("ServiceRequest", "plan", "routine"),
    "laboratory": ("ServiceRequest", "order", "routine"),
    "imaging": ("ServiceRequest", "order", "routine"),
    "referral": ("ServiceRequest", "order", "routine"),
    "emergency": ("ServiceRequest", "order", "stat"),
    "appointment": ("Appointment", "", ""),
    "call": ("Task", "", ""),
}
_WHEN = "next_action.when"


def next_action_id(context: MappingContext) -> BusinessId | None:
    """The business identifier of the next action, or None when the doctor said there is none."""
    type_, _, _ = codes.lookup(_KINDS, context.record.next_action.kind, "next_action.kind")
    return context.next_action(type_) if type_ else None


def map_next_action(context: MappingContext) -> ServiceRequest | Appointment | Task | None:
    id_ = next_action_id(context)
    if id_ is None:
        return None
    if id_.type == "Appointment":
        return _appointment(context, id_)
    if id_.type == "Task":
        return _task(context, id_)
    return _service_request(context, id_)


def _service_request(context: MappingContext, id_: BusinessId) -> ServiceRequest:
    record, action = context.record, context.record.next_action
    _, intent, priority = _KINDS[action.kind]
    name = next_action_name(action.kind, record.locale)
    body: Json = {
        "text": context.narrative([name, action.detail, action.when]),
        "language": record.locale,
        "identifier": [id_.as_identifier()],
        "status": "active",
        "intent": intent,
        "category": [{"text": name}],
        "priority": priority,
        "code": {"text": action.detail.strip() or name},
        "subject": context.patient(),
        "encounter": context.encounter.reference(),
        "authoredOn": times.date_time(record.signed_at, "signed_at"),
        "requester": context.practitioner(),
        "reasonReference": [context.condition.reference()],
    }
    if action.when:
        body["occurrenceDateTime"] = times.date_or_date_time(action.when, _WHEN)
    return ServiceRequest.model_validate(body)


def _appointment(context: MappingContext, id_: BusinessId) -> Appointment:
    """Booked with a start and an end (app-2), or proposed while only a day, or nothing, is known (app-3)."""
    record, action = context.record, context.record.next_action
    name = next_action_name(action.kind, record.locale)
    booked = bool(action.when) and not times.is_date(action.when)
    accepted = "accepted" if booked else "needs-action"
    body: Json = {
        "text": context.narrative([name, action.detail, action.when]),
        "language": record.locale,
        "identifier": [id_.as_identifier()],
        "status": "booked" if booked else "proposed",
        "appointmentType": codes.concept(codes.V2_APPOINTMENT_REASON, "FOLLOWUP"),
        "reasonReference": [context.condition.reference()],
        "description": action.detail.strip() or name,
        "created": times.date_time(record.signed_at, "signed_at"),
        "participant": [
            {"actor": context.patient(), "status": accepted},
            {"actor": context.practitioner(), "status": accepted},
        ],
    }
    if booked:
        minutes = context.target.appointment_minutes
        body["start"] = times.instant(action.when, _WHEN)
        body["end"] = times.instant_after(action.when, minutes, _WHEN)
    elif action.when:
        day = times.date_or_date_time(action.when, _WHEN)
        body["requestedPeriod"] = [{"start": day, "end": day}]
    return Appointment.model_validate(body)


def _task(context: MappingContext, id_: BusinessId) -> Task:
    record, action = context.record, context.record.next_action
    name = next_action_name(action.kind, record.locale)
    body: Json = {
        "text": context.narrative([name, action.detail, action.when]),
        "language": record.locale,
        "identifier": [id_.as_identifier()],
        "status": "requested",
        "intent": "order",
        "code": {"text": name},
        "description": action.detail.strip() or name,
        "focus": context.encounter.reference(),
        "for": context.patient(),
        "encounter": context.encounter.reference(),
        "authoredOn": times.date_time(record.signed_at, "signed_at"),
        "requester": context.practitioner(),
    }
    if action.when:
        when = times.date_or_date_time(action.when, _WHEN)
        limits: Json = {"start": when, "end": when} if times.is_date(when) else {"start": when}
        body["restriction"] = {"period": limits}
    return Task.model_validate(body)

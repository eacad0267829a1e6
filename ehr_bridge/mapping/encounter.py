"""The visit itself: a finished Encounter of class VR."""

from fhir.resources.R4B.encounter import Encounter

from ehr_bridge import codes
from ehr_bridge.codes import Json
from ehr_bridge.mapping import times
from ehr_bridge.mapping.context import MappingContext, required_text


def map_encounter(context: MappingContext) -> Encounter:
    record = context.record
    reason = required_text(record.reason, "reason")
    period = times.period(record.started_at, record.finished_at, "started_at..finished_at")
    body: Json = {
        "text": context.narrative([record.clinic_name, f"{period['start']} – {period['end']}", reason]),
        "language": record.locale,
        "identifier": [context.encounter.as_identifier()],
        "status": "finished",
        "statusHistory": _status_history(context, period),
        "class": codes.virtual_class(),
        "subject": context.patient(),
        "participant": [_physician(context, period)],
        "period": period,
        "reasonCode": [{"text": reason}],
        "diagnosis": [{"condition": context.condition.reference(), "rank": 1}],
    }
    if class_history := _class_history(context):
        body["classHistory"] = class_history
    organization = context.organization()
    if organization is not None:
        body["serviceProvider"] = organization
    return Encounter.model_validate(body)


def _status_history(context: MappingContext, call: Json) -> list[Json]:
    """Waiting room, then call."""
    record = context.record
    history: list[Json] = []
    if record.arrived_at:
        waiting = times.period(record.arrived_at, record.started_at, "arrived_at..started_at")
        history.append({"status": "arrived", "period": waiting})
    history.append({"status": "in-progress", "period": call})
    return history


def _class_history(context: MappingContext) -> list[Json]:
    """R4 has no element for the modality: each stretch is class VR with our extension (docs/decisions/0020).
    A stretch in which nothing was heard is left out: a hole between two periods."""
    history: list[Json] = []
    for index, segment in enumerate(context.record.segments):
        field = f"segments[{index}]"
        if segment.modality == codes.INTERRUPTED:
            continue
        extension = {
            "url": context.target.modality_extension_url,
            "valueCoding": _modality(context, segment.modality, f"{field}.modality"),
        }
        period = times.period(segment.start, segment.end, field)
        history.append({"extension": [extension], "class": codes.virtual_class(), "period": period})
    return history


def _modality(context: MappingContext, modality: str, field: str) -> Json:
    if modality in codes.OWN_MODALITY_CODES:
        return codes.coding(context.target.modality_code_system, *codes.OWN_MODALITY_CODES[modality])
    return codes.coding(codes.V3_PARTICIPATION_MODE, *codes.lookup(codes.MODALITY_CODES, modality, field))


def _physician(context: MappingContext, period: Json) -> Json:
    return {
        "type": [codes.concept(codes.V3_PARTICIPATION_TYPE, "PPRF", "primary performer")],
        "period": period,
        "individual": context.practitioner(),
    }

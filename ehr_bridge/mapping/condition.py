"""The diagnostic impression: text always, a code only when the clinic's own list gave one."""

import re

from fhir.resources.R4B.condition import Condition

from candil.consults.record import Diagnosis
from ehr_bridge import codes
from ehr_bridge.codes import Json
from ehr_bridge.errors import MappingRefused
from ehr_bridge.mapping import times
from ehr_bridge.mapping.context import MappingContext, is_absolute_uri, required_text

_CODE = re.compile(r"^\S+( \S+)*$")


def map_condition(context: MappingContext) -> Condition:
    record = context.record
    code, display = codes.lookup(codes.CERTAINTY_CODES, record.diagnosis.certainty, "diagnosis.certainty")
    concept = _diagnosis_concept(record.diagnosis)
    return Condition.model_validate(
        {
            "text": context.narrative([str(concept["text"])]),
            "language": record.locale,
            "identifier": [context.condition.as_identifier()],
            # Always sent: without it con-3 fires on some validators.
            "clinicalStatus": codes.concept(codes.CONDITION_CLINICAL, "active", "Active"),
            "verificationStatus": codes.concept(codes.CONDITION_VERIFICATION, code, display),
            "category": [codes.concept(codes.CONDITION_CATEGORY, "encounter-diagnosis", "Encounter Diagnosis")],
            "code": concept,
            "subject": context.patient(),
            "encounter": context.encounter.reference(),
            "recordedDate": times.date_time(record.signed_at, "signed_at"),
            "recorder": context.practitioner(),
        }
    )


def _diagnosis_concept(diagnosis: Diagnosis) -> Json:
    concept: Json = {"text": required_text(diagnosis.text, "diagnosis.text")}
    if not diagnosis.code:
        return concept
    if not is_absolute_uri(diagnosis.code_system):
        raise MappingRefused("diagnosis.code_system", "must be a URI when a code is given")
    if not _CODE.match(diagnosis.code):
        raise MappingRefused("diagnosis.code", "is not a code: it has spaces at an end or two in a row")
    concept["coding"] = [codes.coding(diagnosis.code_system, diagnosis.code, diagnosis.code_display)]
    return concept

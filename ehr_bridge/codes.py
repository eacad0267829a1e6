"""Every code system and code the bridge emits, in one place. FHIR R4 (4.0.1).

A value that is not in a table here is refused with the field's name; nothing falls back to a default.
"""

from collections.abc import Mapping
from typing import Final, TypeVar

from ehr_bridge.errors import MappingRefused

T = TypeVar("T")

Json = dict[str, object]

TERMINOLOGY: Final = "http://terminology.hl7.org/CodeSystem/"
V3_ACT_CODE: Final = TERMINOLOGY + "v3-ActCode"
V3_PARTICIPATION_TYPE: Final = TERMINOLOGY + "v3-ParticipationType"
V3_PARTICIPATION_MODE: Final = TERMINOLOGY + "v3-ParticipationMode"
V3_DATA_OPERATION: Final = TERMINOLOGY + "v3-DataOperation"
V2_APPOINTMENT_REASON: Final = TERMINOLOGY + "v2-0276"
CONDITION_CATEGORY: Final = TERMINOLOGY + "condition-category"
CONDITION_CLINICAL: Final = TERMINOLOGY + "condition-clinical"
CONDITION_VERIFICATION: Final = TERMINOLOGY + "condition-ver-status"
MEDICATION_REQUEST_CATEGORY: Final = TERMINOLOGY + "medicationrequest-category"
CONSENT_SCOPE: Final = TERMINOLOGY + "consentscope"
PROVENANCE_PARTICIPANT: Final = TERMINOLOGY + "provenance-participant-type"
LOINC: Final = "http://loinc.org"

# The system of ICD-10 (CIE-10) codes a clinic imports; no table of it is shipped (licence).
ICD_10: Final = "http://hl7.org/fhir/sid/icd-10"

# HL7's codes for how the patient took part.
MODALITY_CODES: Final = {
    "video": ("VIDEOCONF", "videoconferencing"),
    "audio": ("PHONE", "telephone"),
    "text": ("ONLINEWRIT", "online written"),
}
# What HL7 has no code for, in a code system of our own: a voice with a picture every few seconds is no video.
OWN_MODALITY_CODES: Final = {"stills": ("stills", "voice with still pictures")}
INTERRUPTED: Final = "interrupted"  # nothing was heard: a hole in the history, not a modality
CERTAINTY_CODES: Final = {
    "provisional": ("provisional", "Provisional"),
    "confirmed": ("confirmed", "Confirmed"),
}
CONSENT_STATUSES: Final = {"active": "active", "rejected": "rejected", "inactive": "inactive"}


def lookup(table: Mapping[str, T], value: str, field: str) -> T:
    """The code for ``value``, or a refusal that names ``field``."""
    if value not in table:
        raise MappingRefused(field, "this code is not in the table of codes we may send")
    return table[value]


def coding(system: str, code: str, display: str = "") -> Json:
    result: Json = {"system": system, "code": code}
    if display:
        result["display"] = display
    return result


def concept(system: str, code: str, display: str = "") -> Json:
    """A CodeableConcept of one coding."""
    return {"coding": [coding(system, code, display)]}


def virtual_class() -> Json:
    """Encounter.class of a virtual visit."""
    return coding(V3_ACT_CODE, "VR", "virtual")

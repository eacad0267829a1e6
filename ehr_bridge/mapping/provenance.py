"""Who wrote the visit and what assembled it.

Provenance has no identifier to be conditional on, so it is PUT to an id of ours: every retry meets itself.
"""

from collections.abc import Sequence

from fhir.resources.R4B.provenance import Provenance

from ehr_bridge import codes
from ehr_bridge.codes import Json
from ehr_bridge.mapping import times
from ehr_bridge.mapping.context import BusinessId, MappingContext


def map_provenance(context: MappingContext, targets: Sequence[BusinessId]) -> Provenance:
    record = context.record
    author: Json = {
        "type": codes.concept(codes.PROVENANCE_PARTICIPANT, "author", "Author"),
        "who": context.practitioner(),
    }
    organization = context.organization()
    if organization is not None:
        author["onBehalfOf"] = organization
    assembler = {
        "type": codes.concept(codes.PROVENANCE_PARTICIPANT, "assembler", "Assembler"),
        "who": {"type": "Device", "display": f"Candil FHIR bridge {context.version}"},
    }
    return Provenance.model_validate(
        {
            "id": context.provenance.uuid,
            "target": [target.reference() for target in targets],
            "recorded": times.instant(record.signed_at, "signed_at"),
            "activity": codes.concept(codes.V3_DATA_OPERATION, "CREATE", "create"),
            "agent": [author, assembler],
        }
    )

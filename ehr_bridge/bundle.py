"""One finished visit as one FHIR R4 transaction, made so that sending it again changes nothing.

Every entry but Provenance is created only if nothing carries its business identifier yet; Provenance is PUT to
an id of ours. The same record gives the same bytes, always.
"""

import json
from dataclasses import dataclass

from fhir.resources.R4B.bundle import Bundle

from candil import __version__
from candil.consults.record import FinalRecord
from ehr_bridge.codes import Json
from ehr_bridge.errors import MappingRefused
from ehr_bridge.mapping.condition import map_condition
from ehr_bridge.mapping.consent import map_consent
from ehr_bridge.mapping.context import BusinessId, MappingContext
from ehr_bridge.mapping.document_reference import map_document_reference
from ehr_bridge.mapping.encounter import map_encounter
from ehr_bridge.mapping.medication_request import map_medication_request
from ehr_bridge.mapping.next_action import map_next_action, next_action_id
from ehr_bridge.mapping.plain import clean_record
from ehr_bridge.mapping.provenance import map_provenance
from ehr_bridge.targets import FhirTarget


@dataclass(frozen=True)
class TransactionBundle:
    """A transaction ready to POST, and what is needed to check its answer."""

    body: bytes
    entry_types: tuple[str, ...]
    encounter: BusinessId

    def as_json(self) -> Json:
        return json.loads(self.body)


def build_transaction(record: FinalRecord, target: FhirTarget, version: str = __version__) -> TransactionBundle:
    """Map the record for this target. Raises MappingRefused with the field's name when it cannot be said."""
    if record.revision != 1:
        raise MappingRefused("revision", "only the first signed revision can be sent as a create")
    context = MappingContext(clean_record(record), target, version, record.sha256())
    resources = _resources(context)
    provenance = context.provenance
    entries = [_create(id_, resource, target) for id_, resource in resources]
    entries.append(
        {
            "fullUrl": provenance.full_url,
            "resource": map_provenance(context, [id_ for id_, _ in resources]),
            "request": {"method": "PUT", "url": f"Provenance/{provenance.uuid}"},
        }
    )
    bundle = Bundle.model_validate({"type": "transaction", "entry": entries})
    return TransactionBundle(
        body=bundle.model_dump_json().encode(),
        entry_types=(*(id_.type for id_, _ in resources), "Provenance"),
        encounter=context.encounter,
    )


def _resources(context: MappingContext) -> list[tuple[BusinessId, object]]:
    """What is created, in the order a reader of the bundle expects."""
    resources: list[tuple[BusinessId, object]] = [
        (context.encounter, map_encounter(context)),
        (context.condition, map_condition(context)),
    ]
    for index in range(len(context.record.prescriptions)):
        resources.append((context.prescription(index), map_medication_request(context, index)))
    next_id = next_action_id(context)
    if next_id is not None:
        resources.append((next_id, map_next_action(context)))
    resources.append((context.consent, map_consent(context)))
    resources.append((context.note, map_document_reference(context)))
    _refuse_twins(resources)
    return resources


def _refuse_twins(resources: list[tuple[BusinessId, object]]) -> None:
    """Two entries with one identity would be stored as one: refuse them instead of losing one."""
    ids = [id_ for id_, _ in resources]
    if len(set(ids)) != len(ids):
        raise MappingRefused("prescriptions", "two of them have the same id")


def _create(id_: BusinessId, resource: object, target: FhirTarget) -> Json:
    condition = f"{id_.type}?{id_.query}" if target.condition_prefix else id_.query
    return {
        "fullUrl": id_.full_url,
        "resource": resource,
        "request": {"method": "POST", "url": id_.type, "ifNoneExist": condition},
    }

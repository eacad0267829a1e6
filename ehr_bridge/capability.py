"""Reading a server's CapabilityStatement before trusting it with visits. Pure: words for the technician."""

from collections.abc import Iterator
from typing import Any

from ehr_bridge.targets import FhirTarget

_CREATED_TYPES = ("Encounter", "Condition", "MedicationRequest", "Consent", "DocumentReference")


def problems_of(statement: dict[str, Any], target: FhirTarget) -> list[str]:
    """What would keep visits from landing, most important first; empty when the server looks able."""
    if statement.get("resourceType") != "CapabilityStatement":
        return ["the address answers, but not with a FHIR CapabilityStatement: check base_url"]
    found = []
    version = str(statement.get("fhirVersion", "none"))
    if not version.startswith("4.0"):
        found.append(f"the server speaks FHIR {version}; visits are FHIR 4.0.1 (R4)")
    rest: dict[str, Any] = next((r for r in statement.get("rest", []) if r.get("mode") == "server"), {})
    interactions = {i.get("code") for i in rest.get("interaction", [])}
    if "transaction" not in interactions:
        found.append("the server does not offer transactions, which profile fhir-transaction needs")
    return found + list(_type_problems(rest))


def _type_problems(rest: dict[str, Any]) -> Iterator[str]:
    offered = {r.get("type"): r for r in rest.get("resource", [])}
    for type_ in (*_CREATED_TYPES, "Provenance", "Patient", "Practitioner"):
        if type_ not in offered:
            yield f"the server does not offer {type_}"
    for type_ in _CREATED_TYPES:
        if offered.get(type_, {}).get("conditionalCreate") is False:
            yield f"{type_} has no conditional create: repeated deliveries would make doubles"
    if offered.get("Provenance", {}).get("updateCreate") is False:
        yield "Provenance cannot be created by PUT: repeated deliveries would be refused"
    for type_ in ("Encounter", "Patient", "Practitioner"):
        params = offered.get(type_, {}).get("searchParam")
        if params and "identifier" not in {p.get("name") for p in params}:
            yield f"{type_} cannot be searched by identifier"

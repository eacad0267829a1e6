"""The demo clinic's EHR needs its people before a visit can be tied to them."""

import json
from collections.abc import Iterable

from candil.consults.record import Person
from ehr_bridge.aio.http import HttpClient, HttpFailure
from ehr_bridge.codes import Json
from ehr_bridge.mapping.context import identifier_query


class SeedFailed(Exception):
    """The EHR did not take one of the people."""


async def seed_demo_ehr(base_url: str, patients: Iterable[Person], practitioners: Iterable[Person]) -> None:
    """Create each person in the FHIR server unless their identifier is there already."""
    http = HttpClient()
    try:
        for type_, people in (("Patient", patients), ("Practitioner", practitioners)):
            for person in people:
                await _create(http, base_url.rstrip("/"), type_, person)
    finally:
        await http.aclose()


async def _create(http: HttpClient, base_url: str, type_: str, person: Person) -> None:
    identifier = person.identifier
    resource: Json = {
        "resourceType": type_,
        "identifier": [{"system": identifier.system, "value": identifier.value}],
        "name": [{"text": person.name}],
    }
    if person.phone:
        resource["telecom"] = [{"system": "phone", "value": person.phone}]
    answer = await http.request(
        "POST",
        f"{base_url}/{type_}",
        headers={
            "Content-Type": "application/fhir+json",
            "If-None-Exist": identifier_query(identifier.system, identifier.value),
        },
        body=json.dumps(resource).encode(),
        timeout_s=15.0,
    )
    if isinstance(answer, HttpFailure):
        raise SeedFailed(f"{type_}: {answer.why}")
    if answer.status not in (200, 201):
        raise SeedFailed(f"{type_}: HTTP {answer.status}")

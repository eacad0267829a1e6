"""Asking a FHIR server, before any visit is sent, whether visits will land."""

import json

from ehr_bridge.aio.http import HttpClient, HttpFailure
from ehr_bridge.capability import problems_of
from ehr_bridge.profiles.transaction import request_headers
from ehr_bridge.targets import FhirTarget


async def probe(target: FhirTarget) -> list[str]:
    """What is wrong with this target, in plain words; empty when nothing is. Sends no patient data."""
    http = HttpClient()
    try:
        answer = await http.request(
            "GET",
            f"{target.base_url}/metadata",
            headers=request_headers(target),
            timeout_s=min(target.timeout_s, 15.0),
        )
        if isinstance(answer, HttpFailure):
            return [f"the server cannot be reached: {answer.why}"]
        if answer.status in (401, 403):
            return [f"the server refuses our credentials (HTTP {answer.status}): check the auth settings"]
        if answer.status != 200:
            return [f"HTTP {answer.status} on /metadata: check base_url, it must be the FHIR API's own address"]
        try:
            statement = json.loads(answer.body)
        except ValueError:
            return ["the address answers, but not in FHIR JSON: check base_url"]
        problems = problems_of(statement if isinstance(statement, dict) else {}, target)
        return problems + await _search_problems(http, target)
    finally:
        await http.aclose()


async def _search_problems(http: HttpClient, target: FhirTarget) -> list[str]:
    """Metadata is often public: only a search shows whether our account may read back what it sent."""
    answer = await http.request(
        "GET",
        f"{target.base_url}/Encounter?identifier={target.identifier_base}consultation%7Cprobe",
        headers=request_headers(target),
        timeout_s=min(target.timeout_s, 15.0),
    )
    if isinstance(answer, HttpFailure):
        return [f"searching Encounter failed: {answer.why}"]
    if answer.status in (401, 403):
        return [f"our account may not search Encounter (HTTP {answer.status}): deliveries could not be proved"]
    return [] if answer.status == 200 else [f"searching Encounter by identifier answered HTTP {answer.status}"]

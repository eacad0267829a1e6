"""The ``fhir-transaction`` profile: what to ask a FHIR server, and what its answers mean. Pure.

One POST of the transaction, then proof: the Encounter is searched by its identifier and its patient is read.
"""

import base64
import json
import re
from dataclasses import dataclass
from typing import Any

from candil.consults.record import FinalRecord
from ehr_bridge import codes
from ehr_bridge.bundle import TransactionBundle
from ehr_bridge.delivery import Accepted, Answered, Hopeless, NotThere, Outcome, PatientUnknown, Proved, Unreachable
from ehr_bridge.outcome import describe, diagnostics, parse_outcome
from ehr_bridge.targets import FhirTarget

FHIR_JSON = "application/fhir+json"
_FINAL = frozenset({400, 403, 405, 413, 415, 422, 501})
"""Refusals that the same bytes will always meet again; a person reads them and replays the delivery."""
_CONDITIONAL = re.compile(r"\b(Patient|Practitioner|Organization)\?")
_LITERAL = re.compile(r"(?:^|/)(Patient/[A-Za-z0-9.-]{1,64})(?:/_history/[A-Za-z0-9.-]{1,64})?$")


@dataclass(frozen=True)
class EncounterFound:
    """The stored Encounter, as it should be; its patient is still to be checked."""

    reference: str
    patient_reference: str


def request_headers(target: FhirTarget) -> dict[str, str]:
    """Headers of every request to this server. ``no-cache``: HAPI answers repeated searches from a cache."""
    headers = {"Accept": FHIR_JSON, "Cache-Control": "no-cache"}
    if target.auth == "basic":
        pair = f"{target.username}:{target.password}".encode()
        headers["Authorization"] = "Basic " + base64.b64encode(pair).decode()
    elif target.auth == "bearer":
        headers["Authorization"] = f"Bearer {target.token}"
    return headers


def transaction_headers(target: FhirTarget) -> dict[str, str]:
    return {**request_headers(target), "Content-Type": FHIR_JSON, "Prefer": "return=minimal"}


def encounter_query(bundle: TransactionBundle) -> str:
    """The search that proves delivery, relative to the base URL."""
    return f"Encounter?{bundle.encounter.query}"


def judge_transaction(
    status: int, body: bytes, retry_after_s: float | None, bundle: TransactionBundle, record: FinalRecord
) -> Outcome:
    """What the answer to the POST means. A 2xx alone is not enough: each entry must say that it is stored."""
    if not 200 <= status < 300:
        return _refusal(status, body, retry_after_s, record)
    answer = _resource(body)
    if answer.get("resourceType") != "Bundle" or answer.get("type") not in (
        "transaction-response",
        "batch-response",
    ):
        return NotThere(f"HTTP {status}, but the answer was not a transaction-response")
    entries = answer.get("entry")
    if not isinstance(entries, list) or len(entries) != len(bundle.entry_types):
        return NotThere(f"HTTP {status}, but the answer does not cover every entry")
    for type_, entry in zip(bundle.entry_types, entries, strict=True):
        response = entry.get("response", {}) if isinstance(entry, dict) else {}
        entry_status = _entry_status(response)
        if not 200 <= entry_status < 300:
            # A server without real transactions runs them entry by entry; the next try meets what is there.
            outcome = response.get("outcome")
            refused = _refusal(entry_status, json.dumps(outcome).encode(), retry_after_s, record)
            return _name_entry(refused, type_)
    return Accepted()


def judge_encounter(
    status: int, body: bytes, retry_after_s: float | None, record: FinalRecord
) -> Outcome | EncounterFound:
    """The answer to the Encounter search: exactly one, virtual, finished, and about a patient."""
    if status != 200:
        return _read_refusal(status, body, retry_after_s, record)
    found = _matches(body, "Encounter")
    if found is None:
        return Unreachable("reading back: the answer was not a searchset")
    if not found:
        return NotThere("reading back: the server has no such Encounter")
    if len(found) > 1:
        return Hopeless("reading back: the server has more than one Encounter with this identifier")
    encounter = found[0]
    wrong = _wrong_with(encounter)
    if wrong:
        return Hopeless(f"reading back: the server changed the Encounter: {wrong}")
    subject = _LITERAL.search(str(encounter.get("subject", {}).get("reference", "")))
    if subject is None:
        return Hopeless("reading back: the Encounter has no patient")
    return EncounterFound(f"Encounter/{encounter.get('id', '')}", subject.group(1))


def judge_patient(
    status: int, body: bytes, retry_after_s: float | None, record: FinalRecord, found: EncounterFound
) -> Outcome:
    """The answer to reading the Encounter's patient: it must carry the identifier of the record."""
    if status != 200:
        return _read_refusal(status, body, retry_after_s, record)
    patient = _resource(body)
    wanted = record.patient.identifier
    for identifier in patient.get("identifier", []):
        if identifier.get("system") == wanted.system and identifier.get("value") == wanted.value:
            return Proved(found.reference)
    return Hopeless("reading back: the Encounter belongs to a patient with another identifier")


def _refusal(status: int, body: bytes, retry_after_s: float | None, record: FinalRecord) -> Outcome:
    outcome = parse_outcome(body)
    why = describe(status, outcome, record)
    if outcome is None:
        # No FHIR server says no like this: a wrong address, a proxy, a login page. Worth another try.
        return Unreachable(why) if status in {*_FINAL, 404, 412} else Answered(status, why, retry_after_s)
    if status in (400, 404, 412, 422):
        about = set(_CONDITIONAL.findall(diagnostics(outcome)))
        if "Patient" in about or (not about and status in (404, 412)):
            return PatientUnknown(f"patient not found, or found twice; {why}")
        if about:
            missing = " and ".join(sorted(about))
            return Unreachable(f"the EHR does not know the {missing} by this identifier; {why}")
    if status in _FINAL:
        return Hopeless(why)
    return Answered(status, why, retry_after_s)


def _read_refusal(status: int, body: bytes, retry_after_s: float | None, record: FinalRecord) -> Outcome:
    return Answered(status, "reading back: " + describe(status, parse_outcome(body), record), retry_after_s)


def _name_entry(outcome: Outcome, type_: str) -> Outcome:
    match outcome:
        case Answered(status, why, retry_after_s):
            return Answered(status, f"{type_}: {why}", retry_after_s)
        case Hopeless(why):
            return Hopeless(f"{type_}: {why}")
        case Unreachable(why):
            return Unreachable(f"{type_}: {why}")
    return outcome


def _entry_status(response: object) -> int:
    """``201 Created`` is 201; an entry without a status counts as a server error."""
    text = str(response.get("status", "")) if isinstance(response, dict) else ""
    return int(text[:3]) if text[:3].isdigit() else 500


def _wrong_with(encounter: dict[str, Any]) -> str:
    class_ = encounter.get("class")
    if not isinstance(class_, dict) or (class_.get("system"), class_.get("code")) != (codes.V3_ACT_CODE, "VR"):
        return "class is not VR"
    return "" if encounter.get("status") == "finished" else "status is not finished"


def _matches(body: bytes, type_: str) -> list[dict[str, Any]] | None:
    """The resources of one type in a searchset, or None when the answer is not one."""
    bundle = _resource(body)
    if bundle.get("resourceType") != "Bundle" or bundle.get("type") != "searchset":
        return None
    entries = bundle.get("entry") or []
    resources = [entry.get("resource") for entry in entries if isinstance(entry, dict)]
    return [r for r in resources if isinstance(r, dict) and r.get("resourceType") == type_]


def _resource(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}

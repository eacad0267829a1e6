"""The checker itself: each kind of mistake it exists for is found."""

from collections.abc import Callable

import pytest

from ehr_bridge.bundle import build_transaction
from tests.support.fhir_official import problems
from tests.support.fhir_records import fhir_target, full_record

Entries = list[dict]


def _encounter(entries: Entries) -> dict:
    return entries[0]["resource"]


@pytest.mark.parametrize(
    ("expected", "spoil"),
    [
        ("'done' is not one of", lambda e: _encounter(e).update(status="done")),
        ("'class' is a required property", lambda e: _encounter(e).pop("class")),
        ("Additional properties", lambda e: _encounter(e).update(virtualService=[])),
        ("invariant per-1", lambda e: _encounter(e)["period"].update(end="2020-01-01T00:00:00Z")),
        ("invariant ext-1", lambda e: _encounter(e)["classHistory"][0]["extension"][0].pop("valueCoding")),
        ("invariant dom-6", lambda e: _encounter(e).pop("text")),
        ("has no VRR", lambda e: _encounter(e)["class"].update(code="VRR")),
        ("is 'virtual', not", lambda e: _encounter(e)["class"].update(display="remote")),
        ("unknown code system", lambda e: _encounter(e)["class"].update(system="http://terminology.hl7.org/x")),
        ("invariant con-4", lambda e: e[1]["resource"].update(abatementString="ayer")),
        ("invariant ppc-1", lambda e: e[5]["resource"].pop("policy")),
        ("invariant bdl-3", lambda e: e[0].pop("request")),
        ("invariant bdl-7", lambda e: e[1].update(fullUrl=e[0]["fullUrl"])),
        ("dangling reference", lambda e: e[1].update(fullUrl="urn:uuid:0")),
        ("does not match", lambda e: e[1]["resource"].update(recordedDate="2026-01-02T10:24:10")),
    ],
)
def test_mistake_is_found(expected: str, spoil: Callable[[Entries], object]) -> None:
    bundle = build_transaction(full_record(), fhir_target()).as_json()
    assert problems(bundle) == []
    spoil(bundle["entry"])  # type: ignore[arg-type]
    assert any(expected in problem for problem in problems(bundle)), problems(bundle)

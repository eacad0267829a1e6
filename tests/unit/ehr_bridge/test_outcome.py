"""What is kept of a receiver's complaint: enough to act on, nothing of the patient."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ehr_bridge.outcome import describe, parse_outcome, parse_retry_after, scrub, sensitive_words
from tests.support.fhir_records import full_record

RECORD = full_record()
WORDS = sensitive_words(RECORD)


def outcome(**issue: object) -> dict[str, Any]:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "invalid", **issue}]}


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Unknown code 'zzz' in \"status\"", "Unknown code … in …"),
        ("Invalid match URL Patient?identifier=a|b here", "Invalid match URL Patient?… here"),
        ("patient BEGOÑA NUNEZ PEÑA rejected", "patient … rejected"),
        ("see https://ehr.example/Patient/12 now", "see … now"),
        ("HAPI-1091: born 1980-02-03, phone +584141234567", "HAPI-1091: born …, phone +…"),
        ("write to ana@example.com or V-12345678", "write to … or V-…"),
        ("Encounter.status is required", "Encounter.status is required"),
    ],
)
def test_scrub(text: str, kept: str) -> None:
    assert scrub(text, WORDS) == kept


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_word_of_the_record_survives_any_wrapping(before: str, after: str) -> None:
    for secret in ("Begoña", "Núñez", "V12345678", "Cefalea", "Acetaminofén"):
        assert secret.casefold() not in scrub(f"{before} {secret} {after}", WORDS).casefold()


def test_describe_names_code_and_place() -> None:
    found = describe(422, outcome(diagnostics="bad", expression=["Encounter.status", "has spaces in it"]), RECORD)
    assert found == "HTTP 422; error invalid at Encounter.status: bad"
    assert describe(502, None, RECORD) == "HTTP 502; the answer was not an OperationOutcome"
    assert describe(422, outcome(details={"text": "no"}), RECORD) == "HTTP 422; error invalid: no"


def test_describe_is_short_whatever_comes() -> None:
    issues = [{"severity": "x" * 100, "code": 5, "diagnostics": "y " * 5000, "expression": "z"}] * 50
    assert len(describe(500, {"issue": issues}, RECORD)) <= 600
    assert describe(500, {"issue": "no list"}, RECORD) == "HTTP 500"
    assert describe(500, {"issue": [1, None]}, RECORD) == "HTTP 500"


def test_only_an_operation_outcome_is_one() -> None:
    assert parse_outcome(json.dumps(outcome()).encode()) == outcome()
    for body in (b"", b"[]", b"null", b"\xff", b'{"resourceType":"Bundle"}'):
        assert parse_outcome(body) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("120", 120.0),
        ("soon", None),
        ("-5", None),
        ("Tue, 14 Nov 2023 22:14:20 GMT", 60.0),
        ("Tue, 14 Nov 2000 22:14:20 GMT", 0.0),
        ("9" * 400, 999999999.0),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, 1_700_000_000.0) == seconds

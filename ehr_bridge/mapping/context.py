"""What every mapping shares: the record, the target's identifier systems, and how resources point at each other."""

import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from urllib.parse import quote

from candil.consults.record import FinalRecord, Identifier
from ehr_bridge.codes import Json
from ehr_bridge.errors import MappingRefused
from ehr_bridge.targets import FhirTarget

# Version 5 UUIDs in this namespace name our bundle entries; the value is arbitrary and must never change.
_NAMESPACE = uuid.UUID("6f1a3f0e-5a0b-5d0c-9d55-1f1f6f1c7a42")
_URI = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*:\S+$")
_ID = re.compile(r"^[A-Za-z0-9._-]{1,64}$")
_XHTML = "http://www.w3.org/1999/xhtml"


@dataclass(frozen=True)
class BusinessId:
    """One resource's business identifier: the key that makes a repeated delivery harmless."""

    type: str
    system: str
    value: str

    @property
    def uuid(self) -> str:
        return str(uuid.uuid5(_NAMESPACE, f"{self.type}|{self.system}|{self.value}"))

    @property
    def full_url(self) -> str:
        return f"urn:uuid:{self.uuid}"

    @property
    def query(self) -> str:
        return identifier_query(self.system, self.value)

    def as_identifier(self) -> Json:
        return {"system": self.system, "value": self.value}

    def reference(self) -> Json:
        """A reference to this resource inside the same bundle."""
        return {"reference": self.full_url}


def identifier_query(system: str, value: str) -> str:
    """``identifier=system|value`` as a search: FHIR's own escapes first (R4 search 3.1.1.1), then the URL's."""
    escaped = [re.sub(r"([\\,|$])", r"\\\1", part) for part in (system, value)]
    return "identifier=" + "|".join(quote(part, safe=":/.-_~") for part in escaped)


@dataclass(frozen=True)
class MappingContext:
    """One record on its way to one target. ``record`` is cleaned for FHIR; ``signed_sha256`` is the SHA-256 of
    the record as it was signed."""

    record: FinalRecord
    target: FhirTarget
    version: str
    signed_sha256: str

    def business_id(self, type_: str, kind: str, suffix: str = "") -> BusinessId:
        consult = self.record.consult_id
        if not _ID.match(consult):
            raise MappingRefused("consult_id", "is not a plain identifier")
        return BusinessId(type_, self.target.identifier_base + kind, consult + suffix)

    @property
    def encounter(self) -> BusinessId:
        return self.business_id("Encounter", "consultation")

    @property
    def condition(self) -> BusinessId:
        return self.business_id("Condition", "diagnosis", "-dx-1")

    def prescription(self, index: int) -> BusinessId:
        field = f"prescriptions[{index}].id"
        id_ = self.record.prescriptions[index].id
        if not _ID.match(id_):
            raise MappingRefused(field, "is not a plain identifier")
        return self.business_id("MedicationRequest", "prescription", f"-rx-{id_}")

    def next_action(self, type_: str) -> BusinessId:
        return self.business_id(type_, "next-action", "-next-1")

    @property
    def consent(self) -> BusinessId:
        return self.business_id("Consent", "consent", "-consent-1")

    @property
    def note(self) -> BusinessId:
        return self.business_id("DocumentReference", "note", "-note-1")

    @property
    def provenance(self) -> BusinessId:
        return self.business_id("Provenance", "provenance", "-provenance-1")

    def patient(self) -> Json:
        return conditional_reference("Patient", self.record.patient.identifier, "patient.identifier")

    def practitioner(self) -> Json:
        return conditional_reference("Practitioner", self.record.practitioner.identifier, "practitioner.identifier")

    def organization(self) -> Json | None:
        """The clinic, where the target asks for it."""
        if self.target.organization == "none":
            return None
        if self.record.clinic_identifier is None:
            raise MappingRefused("clinic_identifier", "is empty, and this target names the organization")
        return conditional_reference("Organization", self.record.clinic_identifier, "clinic_identifier")

    def narrative(self, lines: Iterable[str]) -> Json:
        """A short human-readable text (dom-6), one paragraph a line; empty lines are left out."""
        language = escape(self.record.locale, quote=True)
        paragraphs = "".join(f"<p>{escape(line)}</p>" for line in lines if line.strip())
        div = f'<div xmlns="{_XHTML}" lang="{language}" xml:lang="{language}">{paragraphs}</div>'
        return {"status": "generated", "div": div}


def conditional_reference(type_: str, identifier: Identifier, field: str) -> Json:
    """``Type?identifier=system|value``: the server resolves it, or refuses the whole transaction."""
    if not is_absolute_uri(identifier.system) or not identifier.value.strip():
        raise MappingRefused(field, "needs a system (a URI) and a value")
    return {"reference": f"{type_}?{identifier_query(identifier.system, identifier.value)}"}


def is_absolute_uri(uri: str) -> bool:
    return bool(_URI.match(uri))


def required_text(value: str, field: str) -> str:
    """A text the minimum record of a visit must have."""
    if not value.strip():
        raise MappingRefused(field, "is empty")
    return value.strip()

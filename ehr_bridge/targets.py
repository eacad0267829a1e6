"""Where signed visits go. One frozen object per target, every field documented; wrong ones stop the start.

The application builds these from its configuration. A URL may carry no credentials and no query:
it is printed in logs and error messages.
"""

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from candil.errors import ConfigError

_NAME = re.compile(r"^[a-z0-9][a-z0-9_-]{0,39}$")
_SECRET_PREFIX = "whsec_"  # noqa: S105  (the public prefix of the Standard Webhooks specification)


@dataclass(frozen=True, kw_only=True)
class FhirTarget:
    """A FHIR R4 server that receives each visit as one transaction."""

    name: str
    """Short name shown on the board and stored with each delivery; lower case, digits, ``-`` and ``_``.
    Renaming a target sends everything again under the new name (the EHR still keeps one copy)."""

    base_url: str
    """Base URL of the FHIR API, such as ``https://ehr.clinica.example/fhir``; no trailing slash needed."""

    identifier_base: str
    """The clinic's own base for identifier systems, ending in ``/``, such as
    ``https://clinica.example/fhir/sid/``. Every business identifier we create starts with it.
    It must never change: it is the key by which a repeated delivery finds what is already there."""

    profile: Literal["fhir-transaction"] = "fhir-transaction"
    """How the visit is sent. Servers without transactions need another profile."""

    auth: Literal["none", "basic", "bearer"] = "none"
    """How we prove who we are: ``basic`` uses ``username`` and ``password``, ``bearer`` uses ``token``."""

    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)

    timeout_s: float = 30.0
    """Longest wait for one whole answer, in seconds (1 to 120)."""

    patient_link: Literal["conditional"] = "conditional"
    """How the visit is tied to the patient. ``conditional``: the server resolves the patient's identifier;
    no match, or two, puts the delivery in the "link patient" queue. Patients are never created."""

    organization: Literal["none", "conditional"] = "none"
    """``conditional`` also names the clinic by its identifier (it must exist in the EHR as an Organization)."""

    condition_prefix: bool = False
    """Write conditions as ``Encounter?identifier=…`` instead of ``identifier=…`` (the specification's form)."""

    extension_base: str = ""
    """Base of the URL of our one extension, ending in ``/``; empty means ``identifier_base`` without ``sid/``."""

    appointment_minutes: int = 30
    """Length written for a booked next appointment: R4 wants an end, and the doctor states only a start."""

    concurrency: int = 2
    """Deliveries to this target at the same time (1 to 8)."""

    def __post_init__(self) -> None:
        where = f"target {self.name!r}"
        _check_name(self.name)
        _check_url(where, "base_url", self.base_url)
        _check_base(where, "identifier_base", self.identifier_base)
        if self.extension_base:
            _check_base(where, "extension_base", self.extension_base)
        _check_auth(where, self)
        _check_range(where, "timeout_s", self.timeout_s, 1, 120)
        _check_range(where, "concurrency", self.concurrency, 1, 8)
        _check_range(where, "appointment_minutes", self.appointment_minutes, 5, 240)
        object.__setattr__(self, "base_url", self.base_url.rstrip("/"))

    @property
    def modality_extension_url(self) -> str:
        return self._own_base + "StructureDefinition/encounter-modality"

    @property
    def modality_code_system(self) -> str:
        return self._own_base + "CodeSystem/encounter-modality"

    @property
    def _own_base(self) -> str:
        return self.extension_base or self.identifier_base.removesuffix("sid/")


@dataclass(frozen=True, kw_only=True)
class WebhookTarget:
    """An HTTP endpoint that is told of each finished visit, signed as Standard Webhooks 1.0.0."""

    name: str
    """Short name, as for a FHIR target."""

    url: str
    """Where to POST. Redirects are refused: give the final address."""

    secret: str = field(repr=False)
    """The endpoint's own signing secret: ``whsec_`` and 24 to 64 random bytes in base64."""

    payload: Literal["thin", "full"] = "thin"
    """``thin`` sends ids and the address to fetch the record from (the read is then audited); ``full`` sends
    the record itself, with the patient's data."""

    allow_private: bool = False
    """Allow addresses of the clinic's own network (private, loopback). Off, a webhook can only go out to
    the internet, so a mistyped or hostile URL cannot reach the machines beside this one."""

    timeout_s: float = 20.0
    """Longest wait for the answer, in seconds (1 to 60)."""

    concurrency: int = 2
    """Deliveries to this endpoint at the same time (1 to 8)."""

    def __post_init__(self) -> None:
        where = f"target {self.name!r}"
        _check_name(self.name)
        _check_url(where, "url", self.url, allow_query=True)
        _check_secret(where, self.secret)
        _check_range(where, "timeout_s", self.timeout_s, 1, 60)
        _check_range(where, "concurrency", self.concurrency, 1, 8)


Target = FhirTarget | WebhookTarget


def secret_bytes(secret: str) -> bytes:
    """The key inside a ``whsec_`` secret; raises ValueError when it is not one."""
    if not secret.startswith(_SECRET_PREFIX):
        raise ValueError("no whsec_ prefix")
    try:
        return base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


def _fail(where: str, setting: str, fix: str) -> ConfigError:
    return ConfigError("target_invalid", f"{where}: {setting} {fix}", setting=setting)


def _check_name(name: str) -> None:
    if not _NAME.match(name):
        raise _fail(f"target {name!r}", "name", "must be 1 to 40 of a-z, 0-9, - and _")


def _check_url(where: str, setting: str, url: str, *, allow_query: bool = False) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise _fail(where, setting, "must start with https:// or http:// and name a host")
    if parts.username or parts.password:
        raise _fail(where, setting, "must not contain a user name or password; use the auth settings")
    if parts.fragment or (parts.query and not allow_query):
        raise _fail(where, setting, "must not contain '?' or '#'")


def _check_base(where: str, setting: str, base: str) -> None:
    if not base.endswith("/") or not urlsplit(base).scheme or any(c in base for c in " |,\\$?#"):
        raise _fail(where, setting, "must be a URI that ends in '/', such as https://clinica.example/fhir/sid/")


def _check_auth(where: str, target: FhirTarget) -> None:
    if target.auth == "basic" and not (target.username and target.password):
        raise _fail(where, "auth", "is basic: set username and password")
    if target.auth == "bearer" and not target.token:
        raise _fail(where, "auth", "is bearer: set token")
    if target.auth == "none" and (target.username or target.password or target.token):
        raise _fail(where, "auth", "is none, but credentials are given: set it to basic or bearer")


def _check_range(where: str, setting: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise _fail(where, setting, f"must be between {low} and {high}")


def _check_secret(where: str, secret: str) -> None:
    try:
        key = secret_bytes(secret)
    except ValueError:
        key = b""
    if not 24 <= len(key) <= 64:
        raise _fail(where, "secret", "must be whsec_ followed by the base64 of 24 to 64 random bytes")

"""What travels over the REST API. The OpenAPI document is built from these, so it cannot disagree with them.

Nothing here is clinical, and a patient's name or number only ever comes in.
"""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Moment = Annotated[datetime, Meta(tz=True, description="RFC 3339 with an offset.")]
Status = Literal["planned", "arrived", "in-progress", "finished", "cancelled"]
DeliveryState = Literal["pending", "sent", "received", "dead", "link_patient"]


class NewConsult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A consult to plan. Repeating an ``external_id`` answers with the consult that exists."""

    doctor: Annotated[str, Meta(description="Id of a doctor, from /api/v1/doctors.")]
    identifier_kind: Annotated[str, Meta(description="Code of one of the clinic's identifier systems.")]
    identifier: Annotated[str, Meta(max_length=60)]
    name: Annotated[str, Meta(max_length=120)]
    scheduled_at: Moment
    phone: Annotated[str, Meta(max_length=30, description="Local or international; may be empty.")] = ""
    reason: Annotated[str, Meta(max_length=500)] = ""
    duration_min: Annotated[int, Meta(ge=5, le=240)] = 20
    minor: bool = False
    locale: Literal["es", "en"] = "es"
    external_id: Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^:\s]+$")] | None = None


class NewTime(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where to move a consult that has not started."""

    scheduled_at: Moment


class Delivery(msgspec.Struct, frozen=True):
    """How far the signed record came with one receiver."""

    target: str
    state: DeliveryState
    attempts: int
    sent_at: Moment | None
    received_at: Moment | None


class Consult(msgspec.Struct, frozen=True):
    """Where a consult stands."""

    id: str
    external_id: str | None
    doctor: str
    status: Status
    scheduled_at: Moment
    duration_min: int
    arrived_at: Moment | None
    started_at: Moment | None
    finished_at: Moment | None
    cancelled_at: Moment | None
    deliveries: list[Delivery]


class Link(msgspec.Struct, frozen=True):
    """The patient's link with texts to send it by. Only this answer holds it; keep it as you keep a password."""

    url: str
    sms: Annotated[str, Meta(description="Fits one SMS.")]
    chat: Annotated[str, Meta(description="For WhatsApp or mail, where length is free.")]


class PlannedConsult(msgspec.Struct, frozen=True):
    """A consult and the patient's link; ``link`` is null when the consult existed already."""

    consult: Consult
    link: Link | None


class Consults(msgspec.Struct, frozen=True):
    consults: list[Consult]


class Doctor(msgspec.Struct, frozen=True):
    id: str
    name: str
    licence_system: str
    licence: str


class Doctors(msgspec.Struct, frozen=True):
    doctors: list[Doctor]


class Problem(msgspec.Struct, frozen=True):
    """Why it could not be done: ``code`` is stable, ``field`` names what to mend when it is one field."""

    code: str
    message: str
    field: str | None = None
    retry_after_s: int | None = None

"""The OpenAPI 3.1 document of the REST API, built from the same structs that read and write its bodies."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

from candil.consults.record import FinalRecord
from webapp.api import models

_REF = "#/components/schemas/{name}"


@dataclass(frozen=True)
class Operation:
    """One operation: what it takes, what it answers. ``answers`` maps a status to (sentence, body or None)."""

    method: str
    path: str
    id: str
    summary: str
    answers: dict[int, tuple[str, type | None]]
    body: type | None = None
    query: tuple[str, ...] = ()
    refusals: tuple[int, ...] = ()
    public: bool = False


_CONSULT = "/api/v1/consults/{consult}"

OPERATIONS = (
    Operation(
        "GET", "/api/v1/openapi.json", "getOpenApi", "This document.", {200: ("OpenAPI 3.1.", None)}, public=True
    ),
    Operation("GET", "/api/v1/doctors", "listDoctors", "The clinic's doctors.", {200: ("Doctors.", models.Doctors)}),
    Operation(
        "POST",
        "/api/v1/consults",
        "planConsult",
        "Plan a consult and get the patient's link. Safe to repeat with the same external_id.",
        {
            201: ("Planned, with the link.", models.PlannedConsult),
            200: ("This external_id had been planned; no link is given again.", models.PlannedConsult),
        },
        body=models.NewConsult,
        refusals=(400, 413),
    ),
    Operation(
        "GET",
        "/api/v1/consults",
        "listConsults",
        "Consults of a calendar day in the clinic's time zone.",
        {200: ("Consults in order of time.", models.Consults)},
        query=("day",),
        refusals=(400,),
    ),
    Operation(
        "GET",
        _CONSULT,
        "getConsult",
        "Where a consult and its deliveries stand. Never clinical content.",
        {200: ("The consult.", models.Consult)},
        refusals=(404,),
    ),
    Operation(
        "GET",
        _CONSULT + "/record",
        "getRecord",
        "The signed record of a finished visit, for keys with the role receiver only; the reading is audited.",
        {200: ("The record.", FinalRecord)},
        refusals=(403, 404),
    ),
    Operation(
        "POST",
        _CONSULT + "/reschedule",
        "rescheduleConsult",
        "Move a consult that has not started. Its link goes on working.",
        {200: ("The consult at its new time.", models.Consult)},
        body=models.NewTime,
        refusals=(400, 404, 409, 413),
    ),
    Operation(
        "POST",
        _CONSULT + "/cancel",
        "cancelConsult",
        "Call off a consult that has not started. Repeating it changes nothing.",
        {200: ("The cancelled consult.", models.Consult)},
        refusals=(404, 409),
    ),
    Operation(
        "POST",
        _CONSULT + "/links",
        "renewLink",
        "A new link for the patient; every earlier one stops working.",
        {201: ("The new link.", models.Link)},
        refusals=(404, 409),
    ),
    Operation(
        "DELETE",
        _CONSULT + "/links",
        "revokeLinks",
        "End every link of the patient.",
        {204: ("No link works any more.", None)},
        refusals=(404,),
    ),
)

_REFUSALS = {
    400: "Something in the request is wrong; field names it.",
    401: "The API key is missing or not valid.",
    403: "This key's role may not do this.",
    404: "No such consult in this clinic.",
    409: "Not possible in the consult's present state.",
    413: "The body is larger than 64 KiB.",
    429: "Too many requests; wait retry_after_s.",
    503: "The database could not keep the change; nothing was done. Repeat it later.",
}


@lru_cache
def document(origin: str) -> dict[str, Any]:
    """The document for the service at ``origin``."""
    kinds = {kind for op in OPERATIONS for kind in (op.body, *(b for _, b in op.answers.values())) if kind}
    _, components = msgspec.json.schema_components(
        sorted({*kinds, models.Problem}, key=lambda kind: kind.__name__), ref_template=_REF
    )
    paths: dict[str, dict[str, Any]] = {}
    for op in OPERATIONS:
        paths.setdefault(op.path, {})[op.method.lower()] = _operation(op)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Candil scheduling API",
            "version": "1",
            "description": "Plans, moves and cancels consults and renews their links. Times are RFC 3339.",
        },
        "servers": [{"url": origin}],
        "security": [{"apiKey": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"apiKey": {"type": "http", "scheme": "bearer", "description": "An API key."}},
        },
    }


def _operation(op: Operation) -> dict[str, Any]:
    refusals = () if op.public else (401, *op.refusals, 429, *((503,) if op.method != "GET" else ()))
    made: dict[str, Any] = {
        "operationId": op.id,
        "summary": op.summary,
        "responses": {
            **{str(status): _answer(text, body) for status, (text, body) in op.answers.items()},
            **{str(status): _answer(_REFUSALS[status], models.Problem) for status in refusals},
        },
    }
    if op.public:
        made["security"] = []
    if parameters := [*_path_parameters(op.path), *(_query_parameter(name) for name in op.query)]:
        made["parameters"] = parameters
    if op.body:
        made["requestBody"] = {"required": True, "content": _content(op.body)}
    return made


def _answer(text: str, body: type | None) -> dict[str, Any]:
    return {"description": text, "content": _content(body)} if body else {"description": text}


def _content(body: type) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": _REF.format(name=body.__name__)}}}


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _query_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": True, "schema": {"type": "string", "format": "date"}}

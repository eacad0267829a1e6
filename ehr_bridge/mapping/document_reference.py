"""The signed note as plain text, readable by an EHR that understands nothing else."""

import base64
import hashlib

from fhir.resources.R4B.documentreference import DocumentReference

from ehr_bridge import codes
from ehr_bridge.codes import Json
from ehr_bridge.mapping import times
from ehr_bridge.mapping.context import MappingContext
from ehr_bridge.note_text import render_note
from ehr_bridge.wording import note_title


def map_document_reference(context: MappingContext) -> DocumentReference:
    record = context.record
    note = render_note(record).encode()
    identifier = context.note.as_identifier()
    body: Json = {
        "language": record.locale,
        "masterIdentifier": identifier,
        "identifier": [identifier],
        "status": "current",
        "docStatus": "final",
        "type": codes.concept(codes.LOINC, "11488-4", "Consult note"),
        "subject": context.patient(),
        "date": times.instant(record.signed_at, "signed_at"),
        "author": [context.practitioner()],
        "description": f"{note_title(record.locale)} · SHA-256 {context.signed_sha256}",
        "content": [{"attachment": _attachment(context, note)}],
        "context": {
            "encounter": [context.encounter.reference()],
            "period": times.period(record.started_at, record.finished_at, "started_at..finished_at"),
        },
    }
    organization = context.organization()
    if organization is not None:
        body["custodian"] = organization
    return DocumentReference.model_validate(body)


def _attachment(context: MappingContext, note: bytes) -> Json:
    record = context.record
    return {
        "contentType": "text/plain; charset=utf-8",
        "language": record.locale,
        "data": base64.b64encode(note).decode(),
        "size": len(note),
        # SHA-1 by definition of Attachment.hash in R4; integrity rests on the SHA-256 in the description.
        "hash": base64.b64encode(hashlib.sha1(note, usedforsecurity=False).digest()).decode(),
        "title": note_title(record.locale),
        "creation": times.date_time(record.signed_at, "signed_at"),
    }

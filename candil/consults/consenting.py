"""Keeping the consent of a visit: append-only, with the exact text that was shown."""

import msgspec

from candil.consults import timeline
from candil.consults.permissions import Actor, require
from candil.errors import NotFound
from candil.ids import IdSource
from candil.store import consents, consults, participants
from candil.store.consents import ConsentRow
from candil.store.tx import Transaction


class ConsentStatement(msgspec.Struct, frozen=True):
    """What a person said about a wording; ``accepted`` False is a refusal and is kept too.

    ``representative_relation`` is empty when patients speak for themselves; ``given_by`` is then the patient.
    """

    accepted: bool
    wording_version: str
    wording_locale: str
    wording_sha256: str
    wording_text: str
    given_by: str
    representative_relation: str
    method: str


def record(
    tx: Transaction, participant_id: str, statement: ConsentStatement, *, actor: Actor, now: float, ids: IdSource
) -> ConsentRow:
    """Store the statement; the same one repeated (a second tap, a lost answer) changes nothing."""
    participant = participants.get(tx, participant_id)
    consult = consults.lock(tx, participant.consult_id) if participant else None
    if participant is None or consult is None:
        raise NotFound("no_participant", "There is no such participant.")
    require("consent.give", actor.role, status=consult.status)
    status = "active" if statement.accepted else "rejected"
    known = consents.current(tx, participant_id)
    if known and (known.status, known.wording_sha256, known.given_by, known.representative_relation) == (
        status,
        statement.wording_sha256,
        statement.given_by,
        statement.representative_relation,
    ):
        return known
    row = ConsentRow(
        id=ids.new_id("cns"),
        consult_id=consult.id,
        participant_id=participant_id,
        status=status,
        wording_version=statement.wording_version,
        wording_locale=statement.wording_locale,
        wording_sha256=statement.wording_sha256,
        wording_text=statement.wording_text,
        given_by=statement.given_by,
        representative_relation=statement.representative_relation,
        method=statement.method,
        recorded_at=now,
    )
    consents.add(tx, row)
    kind = "consent.given" if statement.accepted else "consent.refused"
    timeline.append(tx, consult, kind, actor=actor.id, now=now, consent=row.id, version=row.wording_version)
    return row

"""The doctor's explicit act that ends a visit, and nothing else does.

State, timeline, signed record, the event that leaves and its deliveries commit together: after a power cut
at any instant there is either all of it or none.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from candil.config import ClinicSettings
from candil.consults import line_history, notes, states, timeline
from candil.consults.note import Note
from candil.consults.permissions import Actor, Role
from candil.consults.planning import locked
from candil.consults.record import (
    ConsentGiven,
    Diagnosis,
    FinalRecord,
    Identifier,
    ModalitySegment,
    NextAction,
    Person,
    Prescription,
    decode,
)
from candil.errors import NotFound, Refused
from candil.ids import IdSource
from candil.store import codes, consents, consults, outbox, participants, staff, thread
from candil.store import notes as note_rows
from candil.store.consents import ConsentRow
from candil.store.consults import ConsultRow
from candil.store.notes import RecordRow
from candil.store.outbox import DeliveryRow, OutboxEventRow
from candil.store.staff import StaffRow
from candil.store.tx import Transaction

COMPLETED = "consultation.completed"


class FinishContext(msgspec.Struct, frozen=True):
    """What finishing needs to know of the installation."""

    clinic: ClinicSettings
    targets: tuple[str, ...]  # names of every receiver
    consent_uri: str  # template with {locale} and {version}: the permanent address of a wording


def missing(note: Note, consult: ConsultRow, consent: ConsentRow | None) -> list[str]:
    """Names of what the minimum record of a visit still lacks; empty when it can be signed."""
    lacking: list[str] = []
    if not consult.patient_value:
        lacking.append("patient_identifier")
    if consult.started_at is None:
        lacking.append("started")
    if consent is None or consent.status != "active":
        lacking.append("consent")
    if not note.text("reason") and not consult.reason:
        lacking.append("reason")
    if not note.text("diagnosis.text"):
        lacking.append("diagnosis")
    named = [rx for rx in note.prescription_ids() if note.text(f"prescriptions.{rx}.medicine")]
    if len(named) < len(note.prescription_ids()):
        lacking.append("prescription_medicine")
    if not named and not note.text("instructions"):
        lacking.append("prescriptions_or_instructions")
    if not note.text("next_action.kind"):
        lacking.append("next_action")
    if note.conflicts:
        lacking.append("conflicts")
    return lacking


def finish(
    tx: Transaction,
    consult_id: str,
    *,
    note_revision: int,
    actor: Actor,
    context: FinishContext,
    now: float,
    ids: IdSource,
) -> FinalRecord:
    """Sign the note as it stood at ``note_revision`` and end the visit. Done again, it gives the same record.

    Raises Refused ``incomplete`` with ``detail['missing']``, or ``note_moved`` when edits arrived that the
    doctor's page had not shown.
    """
    consult = locked(tx, consult_id, actor, "consult.finish")
    if consult.status == "finished":
        return signed(tx, consult_id)
    note = notes.current(tx, consult_id)
    if note.revision != note_revision:
        raise Refused("note_moved", "The note changed; look at it again before signing.", revision=note.revision)
    patient = next(p for p in participants.of_consult(tx, consult_id) if p.role == Role.PATIENT)
    consent = consents.current(tx, patient.id)
    if lacking := missing(note, consult, consent):
        raise Refused("incomplete", "The record lacks something.", missing=lacking)
    doctor = staff.get(tx, consult.doctor_id)
    if doctor is None or consent is None:
        raise NotFound("no_consult", "There is no such consult.")
    status = states.consult_after(consult.status, "finish")
    ended_at = consult.conversation_ended_at or now
    consult = msgspec.structs.replace(consult, status=status, finished_at=ended_at)
    record = _Builder(tx, consult, note, doctor, consent, context, now).build()
    consults.update(tx, consult_id, status=status, finished_at=ended_at)
    note_rows.add_record(tx, RecordRow(consult_id, 1, record.to_json().decode(), record.sha256(), actor.id, now))
    _emit(tx, record, context, now, ids)
    timeline.append(tx, consult, "consult.finished", actor=actor.id, now=now, sha256=record.sha256())
    return record


def signed(tx: Transaction, consult_id: str) -> FinalRecord:
    """The signed record; NotFound while there is none."""
    row = note_rows.record(tx, consult_id)
    if row is None:
        raise NotFound("no_record", "This visit has not been signed.")
    return decode(row.document)


def _emit(tx: Transaction, record: FinalRecord, context: FinishContext, now: float, ids: IdSource) -> None:
    event = OutboxEventRow(
        id=ids.new_id("evt"),
        clinic_id=record.clinic_id,
        consult_id=record.consult_id,
        type=COMPLETED,
        revision=record.revision,
        payload=record.to_json().decode(),
        created_at=now,
    )
    outbox.add_event(tx, event)
    for target in context.targets:
        outbox.add_delivery(
            tx,
            DeliveryRow(ids.new_id("dlv"), event.id, record.consult_id, record.revision, target, "pending", now),
        )


class _Builder:
    """Collects the parts of one record; times get the clinic's offset."""

    def __init__(
        self,
        tx: Transaction,
        consult: ConsultRow,
        note: Note,
        doctor: StaffRow,
        consent: ConsentRow,
        context: FinishContext,
        now: float,
    ) -> None:
        self.tx, self.consult, self.note, self.doctor = tx, consult, note, doctor
        self.consent, self.context, self.now = consent, context, now
        self.zone = ZoneInfo(context.clinic.time_zone)

    def build(self) -> FinalRecord:
        clinic, consult, note = self.context.clinic, self.consult, self.note
        started_at, finished_at = consult.started_at or self.now, consult.finished_at or self.now
        return FinalRecord(
            consult_id=consult.id,
            clinic_id=clinic.id,
            clinic_name=clinic.name,
            clinic_identifier=Identifier(clinic.identifier_system, clinic.identifier_value)
            if clinic.identifier_value
            else None,
            time_zone=clinic.time_zone,
            locale=consult.locale,
            revision=1,
            patient=Person(
                Identifier(consult.patient_system, consult.patient_value), consult.patient_name, consult.patient_phone
            ),
            practitioner=Person(
                Identifier(self.doctor.practitioner_system, self.doctor.practitioner_value), self.doctor.name
            ),
            scheduled_at=self.time(consult.scheduled_at),
            arrived_at=self.time(consult.arrived_at or started_at),
            started_at=self.time(started_at),
            finished_at=self.time(finished_at),
            signed_at=self.time(self.now),
            reason=note.text("reason") or consult.reason,
            findings=note.text("findings"),
            diagnosis=self.diagnosis(),
            prescriptions=tuple(self.prescription(rx) for rx in note.prescription_ids()),
            instructions=note.text("instructions"),
            next_action=NextAction(
                kind=note.text("next_action.kind"),  # type: ignore[arg-type]  # note.check let in only these
                when=self.when(note.text("next_action.when")),
                detail=note.text("next_action.detail"),
            ),
            consent=self.consent_given(),
            segments=self.segments(started_at, finished_at),
        )

    def time(self, at: float) -> str:
        return datetime.fromtimestamp(at, self.zone).isoformat(timespec="seconds")

    def when(self, text: str) -> str:
        """A date stays a date; a local date-time gets the clinic's offset."""
        return datetime.fromisoformat(text).replace(tzinfo=self.zone).isoformat() if "T" in text else text

    def diagnosis(self) -> Diagnosis:
        system, _, code = self.note.text("diagnosis.code").rpartition("|")
        known = codes.get(self.tx, system, code) if code else None
        return Diagnosis(
            text=self.note.text("diagnosis.text"),
            code_system=known.system if known else "",
            code=known.code if known else "",
            code_display=known.display if known else "",
            certainty="confirmed" if self.note.text("diagnosis.certainty") == "confirmed" else "provisional",
        )

    def prescription(self, rx: str) -> Prescription:
        def part(name: str) -> str:
            return self.note.text(f"prescriptions.{rx}.{name}")

        return Prescription(
            id=rx,
            medicine=part("medicine"),
            dose=part("dose"),
            route=part("route"),
            frequency=part("frequency"),
            duration=part("duration"),
            instructions=part("instructions"),
        )

    def consent_given(self) -> ConsentGiven:
        consent = self.consent
        return ConsentGiven(
            id=consent.id,
            status="active",
            wording_version=consent.wording_version,
            wording_locale=consent.wording_locale,
            wording_sha256=consent.wording_sha256,
            wording_uri=self.context.consent_uri.format(locale=consent.wording_locale, version=consent.wording_version),
            given_by=consent.given_by,
            recorded_at=self.time(consent.recorded_at),
            method=consent.method,
            representative_relation=consent.representative_relation,
        )

    def segments(self, started_at: float, finished_at: float) -> tuple[ModalitySegment, ...]:
        """From the line's history; from what was reported of the media where no adaptation ran."""
        patients = {p.id for p in participants.of_consult(self.tx, self.consult.id) if p.role == Role.PATIENT}
        rows = [r for r in line_history.of_consult(self.tx, self.consult.id) if r.participant_id in patients]
        if rows:
            stretches = line_history.modalities(rows, started_at, finished_at)
        else:
            events = thread.events_after(self.tx, self.consult.id, 0, limit=10_000)
            stretches = timeline.segments((e for e in events if e.actor in patients), started_at, finished_at)
        return tuple(ModalitySegment(m, self.time(start), self.time(end)) for m, start, end in stretches)

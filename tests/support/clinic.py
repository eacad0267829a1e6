"""A small clinic in a database of its own, for tests of the use cases: no loop, no threads, time as an argument."""

from dataclasses import dataclass, field
from pathlib import Path

from candil.config import ClinicSettings
from candil.consults import accounts, consenting, links, notes, planning, waiting
from candil.consults.finishing import FinishContext
from candil.consults.permissions import Actor, Role
from candil.consults.planning import Planned
from candil.ids import CountedIds
from candil.store.engine import sqlite_engine
from candil.store.notes import NoteOperationRow
from candil.store.staff import StaffRow
from candil.store.tables import metadata
from candil.store.tx import Transaction

NOW = 1_795_257_000.0  # 2026-11-21 10:30 UTC
COMPLETE_NOTE = {
    "reason": "Cefalea de 3 días",
    "diagnosis.text": "Cefalea tensional",
    "prescriptions.a1.medicine": "Ibuprofeno 400 mg",
    "instructions": "Reposo y agua",
    "next_action.kind": "control",
    "next_action.when": "2026-12-05",
}


def open_transaction(folder: Path) -> Transaction:
    """A connection with every table, in a transaction that is never committed."""
    engine = sqlite_engine(folder / "clinic.sqlite", writer=True)
    connection = engine.connect()
    connection.begin()
    metadata.create_all(connection)
    return connection


@dataclass
class Clinic:
    tx: Transaction
    ids: CountedIds = field(default_factory=CountedIds)
    settings: ClinicSettings = field(default_factory=ClinicSettings)
    now: float = NOW

    def __post_init__(self) -> None:
        self.doctor = self.add_doctor("dra.rojas")
        self.actor = Actor(self.doctor.id, Role.DOCTOR, self.settings.id)
        self._seq = 0

    @property
    def context(self) -> FinishContext:
        return FinishContext(self.settings, ("ehr",), "https://c.example/consent/{locale}/{version}")

    def add_doctor(self, login: str) -> StaffRow:
        new = accounts.NewStaff(login, "Dra. Ana Rojas", Role.DOCTOR, "x", "urn:mpps", "MPPS-1")
        return accounts.add(self.tx, new, clinic_id=self.settings.id, now=self.now, ids=self.ids)

    def plan(self, **changes: object) -> Planned:
        values: dict[str, object] = {
            "identifier_kind": "cedula",
            "identifier": "V-12345678",
            "name": "José Peña",
            "phone": "0414-1234567",
            "scheduled_at": self.now + 600,
        }
        request = planning.PlanRequest(**{**values, **changes})  # type: ignore[arg-type]
        return planning.plan(
            self.tx,
            request,
            doctor_id=self.doctor.id,
            actor=self.actor,
            clinic=self.settings,
            now=self.now,
            ids=self.ids,
        )

    def open_link(self, planned: Planned) -> links.Seat:
        session = links.exchange(self.tx, planned.token, clinic=self.settings, now=self.now, ids=self.ids)
        return links.seat(self.tx, session.token, session.participant_id, clinic=self.settings, now=self.now)

    def consent(self, seat: links.Seat, *, accepted: bool = True) -> None:
        statement = consenting.ConsentStatement(accepted, "2026-11", "es", "ab" * 32, "texto", "José Peña", "", "tap")
        consenting.record(self.tx, seat.participant.id, statement, actor=seat.actor, now=self.now, ids=self.ids)

    def arrive(self, planned: Planned) -> links.Seat:
        """The patient opened the link, accepted and waits."""
        seat = self.open_link(planned)
        self.consent(seat)
        waiting.arrive(self.tx, seat.participant.id, actor=seat.actor, now=self.now)
        return seat

    def start(self, planned: Planned) -> links.Seat:
        """The visit is running."""
        seat = self.arrive(planned)
        waiting.admit(self.tx, seat.participant.id, actor=self.actor, now=self.now)
        return seat

    def write(
        self, planned: Planned, fieldname: str, value: str, *, client: str = "tab1", base: int = 10**6
    ) -> NoteOperationRow:
        self._seq += 1
        operation = notes.NoteOperation(client, self._seq, base, fieldname, value)
        return notes.write(self.tx, planned.consult.id, operation, actor=self.actor, now=self.now)[0]

    def write_complete_note(self, planned: Planned) -> int:
        """Fill in the minimum record; the note's revision."""
        return [self.write(planned, name, value) for name, value in COMPLETE_NOTE.items()][-1].revision

"""What the product itself signs, through its own use cases, can be said in FHIR, whatever comes next."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from candil.config import ClinicSettings
from candil.consults import finishing
from candil.consults.note import NEXT_ACTIONS
from candil.consults.record import FinalRecord
from candil.store import outbox
from ehr_bridge.aio.store import COMPLETED
from tests.support.clinic import NOW, Clinic, open_transaction
from tests.support.fhir_records import checked_bundle, fhir_target, resources


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[Clinic]:
    transaction = open_transaction(tmp_path)
    yield Clinic(transaction, settings=ClinicSettings(time_zone="America/Caracas"))
    transaction.close()
    transaction.engine.dispose()


def sign(clinic: Clinic, *fields: tuple[str, str]) -> FinalRecord:
    """Plan, admit, write and sign; more or other note fields as given."""
    planned = clinic.plan()
    clinic.start(planned)
    revision = clinic.write_complete_note(planned)
    for name, value in fields:
        revision = clinic.write(planned, name, value).revision
    return finishing.finish(
        clinic.tx,
        planned.consult.id,
        note_revision=revision,
        actor=clinic.actor,
        context=clinic.context,
        now=NOW + 900,
        ids=clinic.ids,
    )


def test_signed_visit_conforms_and_waits_in_the_outbox_for_the_bridge(clinic: Clinic) -> None:
    record = sign(clinic)
    (encounter,) = resources(checked_bundle(record), "Encounter")
    assert encounter["period"]["start"].endswith("-04:00")
    (delivery,) = outbox.deliveries_of(clinic.tx, record.consult_id)
    event = outbox.event(clinic.tx, delivery.event_id)
    assert event is not None
    assert event.type == COMPLETED
    assert event.payload == record.to_json().decode()


@pytest.mark.parametrize("kind", NEXT_ACTIONS)
@pytest.mark.parametrize("when", ["", "2026-12-05", "2026-12-05T08:30"])
def test_every_next_action_the_note_takes_has_a_resource(clinic: Clinic, kind: str, when: str) -> None:
    record = sign(clinic, ("next_action.kind", kind), ("next_action.when", when))
    types = set(checked_bundle(record, fhir_target()).entry_types)
    assert len(types & {"ServiceRequest", "Appointment", "Task"}) == (kind != "none")

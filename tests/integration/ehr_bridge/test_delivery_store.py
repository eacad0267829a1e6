"""The outbox as the delivery worker sees it, on both databases, and several workers over one."""

import asyncio

import msgspec
import pytest

from candil.errors import StorageFailed
from candil.store import outbox as rows
from candil.store.database import Database
from ehr_bridge.aio.senders import Sender
from ehr_bridge.aio.store import ClaimedDelivery
from ehr_bridge.delivery import Accepted, Decision, Outcome, Proved, Unreachable
from ehr_bridge.targets import Target
from tests.support.fhir_outbox import Outbox
from tests.support.fhir_records import fhir_target

NOW = 1_767_363_850.0
TARGET = fhir_target()


@pytest.fixture
async def outbox(database: Database) -> Outbox:
    box = Outbox(database, NOW)
    await box.open()
    return box


async def claim(outbox: Outbox) -> list[ClaimedDelivery]:
    now = outbox.clock.now()
    return await outbox.store.claim_due(TARGET.name, now, now + 60, 10)


async def test_every_event_gets_one_delivery_a_target(outbox: Outbox) -> None:
    record = await outbox.sign()
    targets = [TARGET, fhir_target(name="second")]
    await asyncio.gather(*(outbox.store.enqueue_missing(targets, NOW) for _ in range(4)))
    assert sorted(row.target for row in await outbox.deliveries(record)) == ["ehr", "second"]


async def test_claimed_delivery_carries_the_signed_record(outbox: Outbox) -> None:
    record = await outbox.sign()
    await outbox.store.enqueue_missing([TARGET], NOW)
    (delivery,) = await claim(outbox)
    assert delivery.payload == record.to_json().decode()
    assert (delivery.state, delivery.attempts, delivery.event_type) == ("pending", 0, "consultation.completed")
    assert await claim(outbox) == []


async def test_later_revision_waits_for_the_earlier(outbox: Outbox) -> None:
    record = await outbox.sign()
    await outbox.sign(msgspec.structs.replace(record, revision=2))
    await outbox.store.enqueue_missing([TARGET], NOW)
    (first,) = await claim(outbox)
    assert msgspec.json.decode(first.payload)["revision"] == 1
    await outbox.store.record_result(first, Decision("link_patient", 1, NOW + 900, "x"), NOW)
    assert await claim(outbox) == []
    outbox.clock.advance(900)
    (again,) = await claim(outbox)
    assert again.id == first.id
    await outbox.store.record_result(again, Decision("dead", 2, NOW, "x"), NOW)
    (second,) = await claim(outbox)
    assert msgspec.json.decode(second.payload)["revision"] == 2


async def test_result_of_a_worker_that_lost_its_lease_is_dropped(outbox: Outbox) -> None:
    """The slow worker's failure must not undo what the fast one proved."""
    record = await outbox.sign()
    await outbox.store.enqueue_missing([TARGET], NOW)
    (slow,) = await claim(outbox)
    outbox.clock.advance(61)
    (fast,) = await claim(outbox)
    assert await outbox.store.record_result(fast, Decision("received", 1, NOW, detail="Encounter/1"), NOW)
    assert not await outbox.store.record_result(slow, Decision("pending", 1, NOW + 5, "timeout"), NOW)
    row = await outbox.delivery(record)
    assert (row.state, row.detail, row.last_error) == ("received", "Encounter/1", "")


async def test_earliest_due_counts_waiting_patients(outbox: Outbox) -> None:
    await outbox.sign()
    await outbox.store.enqueue_missing([TARGET], NOW)
    (delivery,) = await claim(outbox)
    await outbox.store.record_result(delivery, Decision("link_patient", 1, NOW + 900, "x"), NOW)
    assert await outbox.store.earliest_due() == NOW + 900


async def test_sent_and_received_are_dated(outbox: Outbox) -> None:
    record = await outbox.sign()
    await outbox.store.enqueue_missing([TARGET], NOW)
    (delivery,) = await claim(outbox)
    await outbox.store.record_result(delivery, Decision("sent", 1, NOW), NOW + 1)
    sent = await outbox.delivery(record)
    assert (sent.sent_at, sent.received_at) == (NOW + 1, None)
    (again,) = await claim(outbox)
    await outbox.store.record_result(again, Decision("received", 2, NOW), NOW + 2)
    row = await outbox.delivery(record)
    assert (row.sent_at, row.received_at) == (NOW + 1, NOW + 2)


async def test_nobody_takes_a_delivery_between_its_sending_and_its_proof(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the proof is read, the row looks free (the result gave up the lease), yet is not due."""
    record = await outbox.sign()
    stolen: list[ClaimedDelivery] = []

    async def step(sender: Sender, delivery: ClaimedDelivery, target: Target) -> Outcome:
        if delivery.state == "pending":
            return Accepted()
        stolen.extend(await claim(outbox))
        return Proved()

    monkeypatch.setattr(Sender, "step", step)
    await outbox.deliver(TARGET)
    assert stolen == []
    assert (await outbox.delivery(record)).state == "received"


async def test_crash_between_sending_and_proof_ends_in_proof_alone(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = await outbox.sign()
    await outbox.store.enqueue_missing([TARGET], NOW)
    (delivery,) = await claim(outbox)
    await outbox.store.record_result(delivery, Decision("sent", 1, NOW + 60), NOW)
    steps: list[str] = []

    async def step(sender: Sender, delivery: ClaimedDelivery, target: Target) -> Outcome:
        steps.append(delivery.state)
        return Proved()

    monkeypatch.setattr(Sender, "step", step)
    await outbox.deliver(TARGET)
    assert steps == []
    outbox.clock.advance(61)
    await outbox.deliver(TARGET)
    assert steps == ["sent"]
    assert (await outbox.delivery(record)).state == "received"


async def test_our_own_mistake_keeps_the_visit_and_the_worker(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    record = await outbox.sign()

    async def step(sender: Sender, delivery: ClaimedDelivery, target: Target) -> Outcome:
        raise KeyError("a bug that quotes Begoña")

    monkeypatch.setattr(Sender, "step", step)
    await outbox.deliver(TARGET)
    row = await outbox.delivery(record)
    assert (row.state, row.last_error) == ("pending", "internal error; see the log")


async def test_result_that_storage_would_not_keep_is_tried_again_after_its_lease(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = await outbox.sign()
    proofs: list[str] = []

    async def step(sender: Sender, delivery: ClaimedDelivery, target: Target) -> Outcome:
        proofs.append(delivery.state)
        return Proved()

    async def full_disk(delivery: ClaimedDelivery, decision: Decision, now: float) -> bool:
        raise StorageFailed("storage_busy")

    monkeypatch.setattr(Sender, "step", step)
    with monkeypatch.context() as broken:
        broken.setattr(outbox.store, "record_result", full_disk)
        await outbox.deliver(TARGET)
    assert (await outbox.delivery(record)).state == "pending"
    await outbox.deliver(TARGET)
    assert proofs == ["pending"]
    outbox.clock.advance(3 * TARGET.timeout_s + 31)
    await outbox.deliver(TARGET)
    assert (await outbox.delivery(record)).state == "received"


async def test_several_workers_take_each_delivery_once(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(12):
        await outbox.sign()
    taken: list[str] = []

    async def step(sender: Sender, delivery: ClaimedDelivery, target: Target) -> Outcome:
        taken.append(delivery.id)
        await asyncio.sleep(0)
        return Unreachable("x")

    monkeypatch.setattr(Sender, "step", step)
    await asyncio.gather(*(outbox.deliver(TARGET) for _ in range(3)))
    assert len(taken) == len(set(taken)) == 12
    assert await outbox.database.read(lambda tx: rows.earliest_due(tx)) == NOW + 5


async def test_unreadable_event_is_a_dead_letter_that_quotes_nothing(outbox: Outbox) -> None:
    record = await outbox.sign()
    spoiled = msgspec.structs.replace(record.diagnosis, certainty="segurísima")
    await outbox.sign(msgspec.structs.replace(record, revision=2, diagnosis=spoiled))
    await outbox.store.enqueue_missing([TARGET], NOW)
    (first,) = await claim(outbox)
    await outbox.store.record_result(first, Decision("dead", 1, NOW, "x"), NOW)
    await outbox.deliver(TARGET)
    row = (await outbox.deliveries(record))[1]
    assert row.state == "dead"
    assert "diagnosis.certainty" in row.last_error
    assert "segur" not in row.last_error

"""A real database with signed visits in its outbox, for the delivery tests."""

import msgspec

from candil.clock import ManualClock
from candil.consults.record import FinalRecord
from candil.ids import RandomIds
from candil.store import consults, outbox, staff
from candil.store.database import Database
from ehr_bridge.aio.store import COMPLETED, OutboxDeliveryStore
from ehr_bridge.aio.worker import DeliveryWorker
from ehr_bridge.profiles.webhook import WebhookSettings
from ehr_bridge.targets import Target
from tests.support.fhir_records import full_record

WEBHOOKS = WebhookSettings("https://candil.clinica.example", "https://candil.clinica.example/r/{consult_id}")


class Outbox:
    """Signed visits waiting for delivery, a clock moved by hand, and workers over both."""

    def __init__(self, database: Database, now: float) -> None:
        self.database = database
        self.clock = ManualClock(now)
        self.ids = RandomIds()
        self.store = OutboxDeliveryStore(self.database, self.ids)
        self.changes: list[tuple[str, str, str]] = []

    async def open(self) -> None:
        row = staff.StaffRow("stf_1", "clinic", "d", "Dra.", "doctor", "", "s", "v", "es", self.clock.now())
        await self.database.write(lambda tx: staff.add(tx, row))

    async def sign(self, record: FinalRecord | None = None) -> FinalRecord:
        """A signed visit: its event is in the outbox, no delivery yet. Later revisions keep the consult."""
        record = record or full_record()
        if record.revision > 1:
            return await self._add_event(record)
        consult_id = self.ids.new_id("con")
        record = msgspec.structs.replace(record, consult_id=consult_id)
        now = self.clock.now()
        consult = consults.ConsultRow(
            consult_id, "clinic", "stf_1", "finished", "s", "v", "n", "", 0, "", "es", now, 20, None, now
        )
        await self.database.write(lambda tx: consults.add(tx, consult))
        return await self._add_event(record)

    async def _add_event(self, record: FinalRecord) -> FinalRecord:
        event = outbox.OutboxEventRow(
            self.ids.new_id("evt"),
            "clinic",
            record.consult_id,
            COMPLETED,
            record.revision,
            record.to_json().decode(),
            self.clock.now(),
        )
        await self.database.write(lambda tx: outbox.add_event(tx, event))
        return record

    def worker(self, *targets: Target) -> DeliveryWorker:
        return DeliveryWorker(
            self.store,
            targets,
            clock=self.clock,
            webhooks=WEBHOOKS,
            on_delivery_change=lambda *change: self.changes.append(change),
            jitter=lambda: 0.5,
        )

    async def deliver(self, *targets: Target) -> None:
        """One worker works off what is due now, then stops."""
        worker = self.worker(*targets)
        try:
            await worker.run_until_idle()
        finally:
            await worker.aclose()

    async def replay(self, record: FinalRecord, target: str) -> None:
        """A person asks for another try."""
        now = self.clock.now()
        await self.database.write(lambda tx: outbox.retry_now(tx, record.consult_id, target, now))

    async def deliveries(self, record: FinalRecord) -> list[outbox.DeliveryRow]:
        return await self.database.read(lambda tx: outbox.deliveries_of(tx, record.consult_id))

    async def delivery(self, record: FinalRecord) -> outbox.DeliveryRow:
        (row,) = await self.deliveries(record)
        return row

    def states(self, record: FinalRecord) -> list[str]:
        """Every state the board was told of, in order."""
        return [state for consult_id, _, state in self.changes if consult_id == record.consult_id]

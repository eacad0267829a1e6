"""What the delivery worker needs of storage, and how the outbox tables give it."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol, cast

from sqlalchemy import Connection

from candil.ids import IdSource
from candil.store import meta, outbox
from candil.store.database import Database
from candil.store.outbox import DeliveryRow, OutboxEventRow
from ehr_bridge.delivery import ENDPOINT_GONE, Decision, DeliveryState
from ehr_bridge.targets import Target, WebhookTarget

COMPLETED = "consultation.completed"
WEBHOOK_BACKFILL_S = 3600.0
"""An endpoint added later is not told of old visits: its flows write to patients. A new EHR gets them all."""


@dataclass(frozen=True)
class ClaimedDelivery:
    """One delivery leased to this worker, with the event it carries. Times are Unix seconds."""

    id: str
    event_id: str
    event_type: str
    consult_id: str
    target: str
    state: DeliveryState
    attempts: int
    payload: str
    created_at: float
    last_error: str = ""

    @property
    def replayed_to_gone(self) -> bool:
        """A person asked for another try although the endpoint had answered 410."""
        return self.last_error.startswith(ENDPOINT_GONE)


class DeliveryStore(Protocol):
    """Storage of deliveries; every method returns after its commit."""

    async def enqueue_missing(self, targets: Collection[Target], now: float) -> None:
        """A delivery for every event that a target has none for."""

    async def claim_due(self, target: str, now: float, lease_until: float, limit: int) -> list[ClaimedDelivery]:
        """Lease due deliveries of one target; of one consult only the earliest open revision."""

    async def record_result(self, delivery: ClaimedDelivery, decision: Decision, now: float) -> bool:
        """Keep a decision and give up the lease. False when another worker was faster: drop the result."""

    async def earliest_due(self) -> float | None:
        """When the next delivery of any target wants attention."""

    async def gone(self, target: WebhookTarget) -> bool:
        """True once this endpoint answered 410. Another URL under the same name is another endpoint."""

    async def set_gone(self, target: WebhookTarget, gone: bool) -> None:
        """Switch an endpoint off, or on again after a replayed delivery went through."""


class OutboxDeliveryStore:
    """``DeliveryStore`` over the outbox tables."""

    def __init__(self, database: Database, ids: IdSource) -> None:
        self._database = database
        self._ids = ids

    async def enqueue_missing(self, targets: Collection[Target], now: float) -> None:
        def missing(tx: Connection) -> list[tuple[Target, OutboxEventRow]]:
            return [(target, event) for target in targets for event in _missing_events(tx, target, now)]

        def add(tx: Connection) -> None:
            for target, event in missing(tx):
                outbox.add_delivery(tx, self._new_delivery(event, target.name, now))

        if await self._database.read(missing):
            await self._database.write(add)

    async def claim_due(self, target: str, now: float, lease_until: float, limit: int) -> list[ClaimedDelivery]:
        def claim(tx: Connection) -> list[ClaimedDelivery]:
            rows = outbox.claim_due(tx, now, lease_until, limit, target=target)
            return [_claimed(tx, row) for row in rows]

        return await self._database.write(claim)

    async def record_result(self, delivery: ClaimedDelivery, decision: Decision, now: float) -> bool:
        def record(tx: Connection) -> bool:
            row = outbox.delivery(tx, delivery.id)
            # (state, attempts) moves with every result: if it moved, our lease had run out.
            if row is None or (row.state, row.attempts) != (delivery.state, delivery.attempts):
                return False
            outbox.record_attempt(
                tx,
                delivery.id,
                state=decision.state,
                attempts=decision.attempts,
                next_attempt_at=decision.next_attempt_at,
                last_error=decision.last_error,
                detail=decision.detail or row.detail,
                sent_at=row.sent_at or (now if decision.state in ("sent", "received") else None),
                received_at=now if decision.state == "received" else None,
            )
            return True

        return await self._database.write(record)

    async def earliest_due(self) -> float | None:
        return await self._database.read(outbox.earliest_due)

    async def gone(self, target: WebhookTarget) -> bool:
        return await self._database.read(lambda tx: meta.get(tx, _gone_key(target))) == "gone"

    async def set_gone(self, target: WebhookTarget, gone: bool) -> None:
        await self._database.write(lambda tx: meta.put(tx, _gone_key(target), "gone" if gone else "open"))

    def _new_delivery(self, event: OutboxEventRow, target: str, now: float) -> DeliveryRow:
        return DeliveryRow(
            id=self._ids.new_id("dlv"),
            event_id=event.id,
            consult_id=event.consult_id,
            revision=event.revision,
            target=target,
            state="pending",
            next_attempt_at=now,
        )


def _missing_events(tx: Connection, target: Target, now: float) -> list[OutboxEventRow]:
    since = now - WEBHOOK_BACKFILL_S if isinstance(target, WebhookTarget) else 0.0
    return outbox.events_without_delivery(tx, target.name, since=since, type=COMPLETED)


def _claimed(tx: Connection, row: DeliveryRow) -> ClaimedDelivery:
    event = outbox.event(tx, row.event_id)
    assert event is not None  # a foreign key
    return ClaimedDelivery(
        id=row.id,
        event_id=event.id,
        event_type=event.type,
        consult_id=row.consult_id,
        target=row.target,
        state=cast(DeliveryState, row.state),
        attempts=row.attempts,
        payload=event.payload,
        created_at=event.created_at,
        last_error=row.last_error,
    )


def _gone_key(target: WebhookTarget) -> str:
    """One row of ``meta`` per endpoint that was ever switched off; the URL may hold a secret path, so it is hashed."""
    return "gone:" + hashlib.sha256(f"{target.name} {target.url}".encode()).hexdigest()[:40]

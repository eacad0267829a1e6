"""Events that must leave, and what became of each at each target.

An event is written in the transaction that caused it, with one delivery per target. A worker claims due
deliveries with a lease; a worker that dies loses its lease and another claims them again. Deliveries of one
consult to one target go in order of revision.
"""

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, case, func, select

from candil.store import tables as t
from candil.store.rows import insert, insert_unless_present, many, one

# Still to be worked on. link_patient is looked at again now and then: the patient may be registered meanwhile.
OPEN_STATES = ("pending", "sent", "link_patient")


class OutboxEventRow(msgspec.Struct, frozen=True):
    id: str
    clinic_id: str
    consult_id: str
    type: str
    revision: int
    payload: str
    created_at: float


class DeliveryRow(msgspec.Struct, frozen=True):
    id: str
    event_id: str
    consult_id: str
    revision: int
    target: str
    state: str
    next_attempt_at: float
    attempts: int = 0
    lease_until: float = 0.0
    last_error: str = ""
    detail: str = ""
    sent_at: float | None = None
    received_at: float | None = None


def add_event(tx: Connection, row: OutboxEventRow) -> None:
    insert(tx, t.outbox_events, row)


def add_delivery(tx: Connection, row: DeliveryRow) -> None:
    """One per event and target: a second is left out, since workers of several processes may notice alike."""
    insert_unless_present(tx, t.deliveries, row)


def event(tx: Connection, event_id: str) -> OutboxEventRow | None:
    return one(tx, select(t.outbox_events).where(t.outbox_events.c.id == event_id), OutboxEventRow)


def delivery(tx: Connection, delivery_id: str) -> DeliveryRow | None:
    """The row, held until the transaction ends: a result is judged against it and then kept."""
    return one(tx, select(t.deliveries).where(t.deliveries.c.id == delivery_id).with_for_update(), DeliveryRow)


def claim_due(tx: Connection, now: float, lease_until: float, limit: int, *, target: str) -> list[DeliveryRow]:
    """Deliveries of one target due and unleased, now leased to the caller, oldest first; a later revision
    waits for the earlier."""
    d = t.deliveries.c
    earlier = t.deliveries.alias("earlier")
    blocked = (
        select(earlier.c.id)
        .where(
            and_(
                earlier.c.consult_id == d.consult_id,
                earlier.c.target == d.target,
                earlier.c.revision < d.revision,
                earlier.c.state.in_(OPEN_STATES),
            )
        )
        .exists()
    )
    query = (
        select(t.deliveries)
        .where(d.target == target, d.state.in_(OPEN_STATES))
        .where(d.next_attempt_at <= now, d.lease_until <= now, ~blocked)
        .order_by(d.next_attempt_at, d.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = many(tx, query, DeliveryRow)
    for row in rows:
        tx.execute(t.deliveries.update().where(d.id == row.id).values(lease_until=lease_until))
    return [msgspec.structs.replace(row, lease_until=lease_until) for row in rows]


def record_attempt(
    tx: Connection,
    delivery_id: str,
    *,
    state: str,
    attempts: int,
    next_attempt_at: float,
    last_error: str,
    detail: str,
    sent_at: float | None,
    received_at: float | None,
) -> None:
    """Keep what an attempt came to and give up its lease."""
    tx.execute(
        t.deliveries.update()
        .where(t.deliveries.c.id == delivery_id)
        .values(
            state=state,
            attempts=attempts,
            next_attempt_at=next_attempt_at,
            lease_until=0.0,
            last_error=last_error,
            detail=detail,
            sent_at=sent_at,
            received_at=received_at,
        )
    )


def earliest_due(tx: Connection) -> float | None:
    """When the next delivery wants attention: its time, or the end of a lease that may have been abandoned."""
    d = t.deliveries.c
    return tx.scalar(select(func.min(_later(d.next_attempt_at, d.lease_until))).where(d.state.in_(OPEN_STATES)))


def _later(left: ColumnElement[float], right: ColumnElement[float]) -> ColumnElement[float]:
    """The greater of two columns; SQLite's two-argument max is PostgreSQL's greatest, so neither is used."""
    return case((left > right, left), else_=right)


def deliveries_of(tx: Connection, consult_id: str) -> list[DeliveryRow]:
    query = select(t.deliveries).where(t.deliveries.c.consult_id == consult_id)
    return many(tx, query.order_by(t.deliveries.c.revision, t.deliveries.c.target), DeliveryRow)


def deliveries_of_many(tx: Connection, consult_ids: list[str]) -> list[DeliveryRow]:
    query = select(t.deliveries).where(t.deliveries.c.consult_id.in_(consult_ids))
    return many(tx, query.order_by(t.deliveries.c.revision, t.deliveries.c.target), DeliveryRow)


def retry_now(tx: Connection, consult_id: str, target: str, now: float) -> None:
    """A person asks for another try: the same event id, so that receivers still see it once."""
    d = t.deliveries
    tx.execute(
        d.update()
        .where(d.c.consult_id == consult_id, d.c.target == target, d.c.state != "received")
        .values(state="pending", next_attempt_at=now, attempts=0, lease_until=0.0)
    )


def events_without_delivery(
    tx: Connection, target: str, *, type: str, since: float = 0.0, limit: int = 200
) -> list[OutboxEventRow]:
    """Events of one type, not older than ``since``, that a target has no delivery for: it was added to the
    configuration after they happened."""
    delivered = select(t.deliveries.c.event_id).where(t.deliveries.c.target == target)
    e = t.outbox_events.c
    query = select(t.outbox_events).where(e.id.not_in(delivered), e.type == type, e.created_at >= since)
    return many(tx, query.order_by(t.outbox_events.c.created_at).limit(limit), OutboxEventRow)

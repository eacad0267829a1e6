"""Two people's acts on one consult at the same moment, in two processes on PostgreSQL: one comes after the other."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from sqlalchemy import text

from candil.clock import SystemClock
from candil.consults import links, thread, waiting
from candil.errors import NotFound, Refused
from candil.store import participants, tables
from candil.store import thread as thread_rows
from candil.store.database import Database
from candil.store.open import open_database
from candil.store.tx import Transaction
from tests.support.databases import postgresql_settings
from tests.support.eventually import eventually
from tests.support.signaling import IDS, SETTINGS, Visit, plan_visit

Act = Callable[[Transaction], Any]


@pytest.fixture
async def db(postgresql_url: str) -> AsyncIterator[Database]:
    opened = open_database(postgresql_settings(postgresql_url))
    yield opened
    opened.close()


@pytest.fixture
async def visit(db: Database) -> Visit:
    return await plan_visit(db, admitted=True)


async def one_within_the_other(db: Database, first: Act, second: Act) -> Any:
    """``second`` begins after ``first`` has done its work and before it commits; what becomes of ``second``."""
    worked, go_on = threading.Event(), threading.Event()

    def held(tx: Transaction) -> None:
        first(tx)
        worked.set()
        assert go_on.wait(20)

    holding = asyncio.ensure_future(db.write(held))
    assert await asyncio.to_thread(worked.wait, 20)
    following = asyncio.ensure_future(db.write(second))

    async def waits() -> bool:
        query = text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(await db.read(lambda tx: tx.scalar(query)))

    try:
        await eventually("the second waits for the first", waits)
    finally:
        go_on.set()
    await holding
    return (await asyncio.gather(following, return_exceptions=True))[0]


async def test_a_link_revoked_while_it_is_opened_leaves_no_session(db: Database, visit: Visit) -> None:
    now = SystemClock().now()
    token = await db.write(lambda tx: links.reissue(tx, visit.patient, actor=visit.actor, now=now, ids=IDS))
    opened = await one_within_the_other(
        db,
        lambda tx: links.revoke(tx, visit.patient, actor=visit.actor, now=now),
        lambda tx: links.exchange(tx, token, clinic=SETTINGS.clinic, now=now, ids=IDS),
    )
    assert isinstance(opened, NotFound)
    live = tables.participant_sessions.select().where(tables.participant_sessions.c.revoked_at.is_(None))
    assert await db.read(lambda tx: tx.execute(live).all()) == []


async def test_somebody_refused_while_they_write_is_not_heard(db: Database, visit: Visit) -> None:
    now = SystemClock().now()
    posted = await one_within_the_other(
        db,
        lambda tx: waiting.refuse(tx, visit.patient, actor=visit.actor, now=now),
        lambda tx: thread.post(
            tx, visit.patient, "hola", client_id="c", client_seq=1, actor=visit.patient_actor, now=now
        ),
    )
    assert isinstance(posted, Refused)
    assert await db.read(lambda tx: thread_rows.messages_after(tx, visit.consult_id, 0)) == []


async def test_marks_of_two_pages_never_go_back(db: Database, visit: Visit) -> None:
    now = SystemClock().now()

    def write(tx: Transaction) -> None:
        for number in range(3):
            thread.post(tx, visit.patient, "hola", client_id="c", client_seq=number, actor=visit.patient_actor, now=now)

    await db.write(write)
    await one_within_the_other(
        db,
        lambda tx: thread.mark_seen(tx, visit.patient, delivered=3, read=3),
        lambda tx: thread.mark_seen(tx, visit.patient, delivered=2, read=1),
    )
    row = await db.read(lambda tx: participants.get(tx, visit.patient))
    assert row is not None
    assert (row.delivered_seq, row.read_seq) == (3, 3)


async def test_admitted_and_refused_at_once_the_later_one_holds(db: Database, visit: Visit) -> None:
    now = SystemClock().now()
    await db.write(lambda tx: waiting.hold(tx, visit.patient, actor=visit.actor, now=now))
    admitted = await one_within_the_other(
        db,
        lambda tx: waiting.refuse(tx, visit.patient, actor=visit.actor, now=now),
        lambda tx: waiting.admit(tx, visit.patient, actor=visit.actor, now=now),
    )
    assert isinstance(admitted, Refused)
    row = await db.read(lambda tx: participants.get(tx, visit.patient))
    assert row is not None
    assert row.admission == "refused"

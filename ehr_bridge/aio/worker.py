"""The delivery worker: claims what is due, sends it, keeps what came of it. Safe to run several of."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import TypeVar

from candil.clock import Clock
from candil.log import log_event
from ehr_bridge.aio.http import HttpClient
from ehr_bridge.aio.senders import Sender
from ehr_bridge.aio.store import ClaimedDelivery, DeliveryStore
from ehr_bridge.delivery import (
    FHIR_SCHEDULE,
    WEBHOOK_SCHEDULE,
    Decision,
    Gone,
    Outcome,
    Progress,
    Proved,
    Unreachable,
    decide,
)
from ehr_bridge.profiles.webhook import WebhookSettings
from ehr_bridge.targets import FhirTarget, Target, WebhookTarget

log = logging.getLogger(__name__)
T = TypeVar("T")

DeliveryListener = Callable[[str, str, str], None]
"""Called on the loop with (consult id, target name, state) after each change; must not block or raise."""

POLL_S = 30.0
SHORTEST_WAIT_S = 1.0
AFTER_FAILURE_S = 5.0
LEASE_MARGIN_S = 30.0
STOP_GRACE_S = 5.0


class DeliveryWorker:
    """``start``, ``notify`` whenever something was signed or replayed, ``aclose``."""

    def __init__(
        self,
        store: DeliveryStore,
        targets: Iterable[Target],
        *,
        clock: Clock,
        webhooks: WebhookSettings,
        on_delivery_change: DeliveryListener = lambda consult_id, target, state: None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._targets = {target.name: target for target in targets}
        self._clock = clock
        self._http = HttpClient()
        self._sender = Sender(self._http, webhooks, clock.now)
        self._on_change = on_delivery_change
        self._jitter = jitter
        self._running: dict[asyncio.Task[None], ClaimedDelivery] = {}
        self._wake = asyncio.Event()
        self._look_for_events = True
        self._loop_task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._loop_task = asyncio.create_task(self._run(), name="delivery-worker")

    def notify(self) -> None:
        """Something was signed or replayed: look now rather than at the next tick."""
        self._look_for_events = True
        self._wake.set()

    async def aclose(self) -> None:
        """Stop claiming, let running exchanges end for a moment, give back the leases of the rest."""
        if self._loop_task is not None:
            self._loop_task.cancel()
            await asyncio.gather(self._loop_task, return_exceptions=True)
        running = dict(self._running)
        if running:
            _, late = await asyncio.wait(running, timeout=STOP_GRACE_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
            for task in late:
                await self._give_back(running[task])
        await self._http.aclose()

    async def run_until_idle(self) -> None:
        """Work off everything due now, then return."""
        await self._store.enqueue_missing(self._targets.values(), self._clock.now())
        while await self._claim() or self._running:
            if self._running:
                await asyncio.wait(list(self._running), return_when=asyncio.FIRST_COMPLETED)

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            wait_s = await self._patiently(self._tick, AFTER_FAILURE_S)
            try:
                await asyncio.wait_for(self._wake.wait(), wait_s)
            except TimeoutError:
                self._look_for_events = True

    async def _tick(self) -> float:
        """Claim what is due; the seconds until something else may be."""
        if self._look_for_events:  # not after every finished delivery: the search reads all events
            self._look_for_events = False
            await self._store.enqueue_missing(self._targets.values(), self._clock.now())
        await self._claim()
        due = await self._store.earliest_due()
        return POLL_S if due is None else min(POLL_S, max(SHORTEST_WAIT_S, due - self._clock.now()))

    async def _patiently(self, work: Callable[[], Awaitable[T]], otherwise: T) -> T:
        """Storage that fails must not end the worker: the next tick tries again."""
        try:
            return await work()
        except Exception:
            log.exception(log_event("delivery.worker_failed"))
            return otherwise

    async def _claim(self) -> int:
        """Start what each target has room for; a hanging target holds up nobody else."""
        started = 0
        for target in self._targets.values():
            room = target.concurrency - self._running_for(target.name)
            if room <= 0:
                continue
            now = self._clock.now()
            lease_until = now + 3 * target.timeout_s + LEASE_MARGIN_S  # one POST and two GETs
            for delivery in await self._store.claim_due(target.name, now, lease_until, room):
                task = asyncio.create_task(self._deliver(delivery, target))
                self._running[task] = delivery
                task.add_done_callback(self._finished)
                started += 1
        return started

    def _running_for(self, target: str) -> int:
        return sum(delivery.target == target for delivery in self._running.values())

    def _finished(self, task: asyncio.Task[None]) -> None:
        """A result that storage would not keep is retried once its lease has run out."""
        self._running.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error(log_event("delivery.result_lost"), exc_info=error)
        self._wake.set()

    async def _deliver(self, delivery: ClaimedDelivery, target: Target) -> None:
        """Send, and read back in the same breath; stop at the first result that has to wait."""
        while True:
            decision = await self._attempt(delivery, target)
            proof_follows = decision.state == "sent" and delivery.state != "sent"
            if proof_follows:
                # Until the proof is in, nobody else may take it: due only after our lease would have ended.
                decision = replace(decision, next_attempt_at=self._clock.now() + 2 * target.timeout_s)
            if not await self._keep(delivery, decision) or not proof_follows:
                return
            delivery = replace(delivery, state=decision.state, attempts=decision.attempts)

    async def _attempt(self, delivery: ClaimedDelivery, target: Target) -> Decision:
        schedule = FHIR_SCHEDULE if isinstance(target, FhirTarget) else WEBHOOK_SCHEDULE
        progress = Progress(delivery.state, delivery.attempts)
        outcome: Outcome
        try:
            outcome = await self._outcome(delivery, target)
        except Exception:
            # Ours, not the receiver's: keep the visit and keep the other deliveries going.
            log.exception(log_event("delivery.step_failed", delivery=delivery.id, target=target.name))
            outcome = Unreachable("internal error; see the log")
        return decide(progress, outcome, schedule, self._clock.now(), self._jitter())

    async def _outcome(self, delivery: ClaimedDelivery, target: Target) -> Outcome:
        """One step; an endpoint that answered 410 is called again only when a person replays a delivery."""
        if not isinstance(target, WebhookTarget):
            return await self._sender.step(delivery, target)
        if not delivery.replayed_to_gone and await self._store.gone(target):
            return Gone("an earlier event was answered with 410")
        outcome = await self._sender.step(delivery, target)
        if isinstance(outcome, Gone) or (isinstance(outcome, Proved) and delivery.replayed_to_gone):
            await self._store.set_gone(target, isinstance(outcome, Gone))
        return outcome

    async def _keep(self, delivery: ClaimedDelivery, decision: Decision) -> bool:
        kept = await self._store.record_result(delivery, decision, self._clock.now())
        if kept:
            log.info(
                log_event(
                    f"delivery.{decision.state}",
                    delivery=delivery.id,
                    consult=delivery.consult_id,
                    target=delivery.target,
                    attempts=decision.attempts,
                    error=decision.last_error,
                )
            )
            self._on_change(delivery.consult_id, delivery.target, decision.state)
        return kept

    async def _give_back(self, delivery: ClaimedDelivery) -> None:
        now = self._clock.now()
        decision = Decision(delivery.state, delivery.attempts, now, delivery.last_error)
        await self._store.record_result(delivery, decision, now)

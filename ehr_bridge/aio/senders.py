"""One step of one delivery over the network: send it, or prove that it arrived."""

import re
from collections.abc import Callable

import msgspec

from candil.consults.record import FinalRecord, decode
from ehr_bridge.aio.http import HttpAnswer, HttpClient, HttpFailure, Reach
from ehr_bridge.aio.store import ClaimedDelivery
from ehr_bridge.bundle import TransactionBundle, build_transaction
from ehr_bridge.delivery import Hopeless, Outcome, Unreachable
from ehr_bridge.errors import MappingRefused
from ehr_bridge.outcome import parse_retry_after
from ehr_bridge.profiles import transaction as fhir
from ehr_bridge.profiles import webhook as hooks
from ehr_bridge.targets import FhirTarget, Target, WebhookTarget


class Sender:
    """Turns a claimed delivery into an outcome; keeps nothing between two calls but connections."""

    def __init__(self, http: HttpClient, settings: hooks.WebhookSettings, now: Callable[[], float]) -> None:
        self._http = http
        self._settings = settings
        self._now = now

    async def step(self, delivery: ClaimedDelivery, target: Target) -> Outcome:
        try:
            record = decode(delivery.payload)
        except msgspec.DecodeError as error:
            return Hopeless(f"the stored event is not a signed record of this version: {_place(error)}")
        if isinstance(target, WebhookTarget):
            return await self._webhook(delivery, record, target)
        try:
            bundle = build_transaction(record, target)
        except MappingRefused as refusal:
            return Hopeless(f"cannot be said in FHIR: {refusal.message}")
        if delivery.state == "sent":
            return await self._read_back(bundle, record, target)
        return await self._transaction(bundle, record, target)

    async def _transaction(self, bundle: TransactionBundle, record: FinalRecord, target: FhirTarget) -> Outcome:
        answer = await self._http.request(
            "POST",
            target.base_url,
            headers=fhir.transaction_headers(target),
            body=bundle.body,
            timeout_s=target.timeout_s,
        )
        if isinstance(answer, HttpFailure):
            return Unreachable(answer.why)
        return fhir.judge_transaction(answer.status, answer.body, self._retry_after(answer), bundle, record)

    async def _read_back(self, bundle: TransactionBundle, record: FinalRecord, target: FhirTarget) -> Outcome:
        answer = await self._get(target, fhir.encounter_query(bundle))
        if isinstance(answer, HttpFailure):
            return Unreachable(f"reading back: {answer.why}")
        found = fhir.judge_encounter(answer.status, answer.body, self._retry_after(answer), record)
        if not isinstance(found, fhir.EncounterFound):
            return found
        answer = await self._get(target, found.patient_reference)
        if isinstance(answer, HttpFailure):
            return Unreachable(f"reading back: {answer.why}")
        return fhir.judge_patient(answer.status, answer.body, self._retry_after(answer), record, found)

    async def _get(self, target: FhirTarget, path: str) -> HttpAnswer | HttpFailure:
        url = f"{target.base_url}/{path}"
        return await self._http.request("GET", url, headers=fhir.request_headers(target), timeout_s=target.timeout_s)

    async def _webhook(self, delivery: ClaimedDelivery, record: FinalRecord, target: WebhookTarget) -> Outcome:
        event = hooks.WebhookEvent(delivery.event_id, delivery.event_type, delivery.created_at, record)
        body = hooks.webhook_body(event, target, self._settings)
        answer = await self._http.request(
            "POST",
            target.url,
            headers=hooks.webhook_headers(body, event, target, self._now()),
            body=body,
            timeout_s=target.timeout_s,
            reach=Reach.PUBLIC_OR_PRIVATE if target.allow_private else Reach.PUBLIC,
        )
        if isinstance(answer, HttpFailure):
            return Unreachable(answer.why)
        return hooks.judge_webhook(answer.status, self._retry_after(answer))

    def _retry_after(self, answer: HttpAnswer) -> float | None:
        return parse_retry_after(answer.retry_after, self._now())


def _place(error: msgspec.DecodeError) -> str:
    """Only where the record is wrong: the library's message quotes what it found there."""
    found = re.search(r"at `\$\.?([\w.\[\]]*)`", str(error))
    return found.group(1) if found else "not readable"

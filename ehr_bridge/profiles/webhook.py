"""The ``webhook`` profile: Standard Webhooks 1.0.0. Pure; the time of the attempt is an argument.

The body depends on the event alone, so every retry carries the same bytes and the same ``webhook-id``;
only ``webhook-timestamp`` and the signature are of the attempt.
"""

import json
from dataclasses import dataclass

from standardwebhooks import Webhook

from candil import __version__
from candil.clock import to_datetime, to_iso
from candil.consults.record import FinalRecord
from ehr_bridge.codes import Json
from ehr_bridge.delivery import Answered, Gone, Outcome, Proved
from ehr_bridge.targets import WebhookTarget

MAX_BODY_BYTES = 20_000


@dataclass(frozen=True)
class WebhookEvent:
    """One event of the outbox, as a receiver is told of it."""

    id: str
    type: str
    created_at: float
    record: FinalRecord


@dataclass(frozen=True)
class WebhookSettings:
    """``source`` names this clinic's Candil (its public address); ``record_url`` is where a receiver
    of a thin payload fetches the record, with ``{consult_id}`` in it."""

    source: str
    record_url: str


def webhook_body(event: WebhookEvent, target: WebhookTarget, settings: WebhookSettings) -> bytes:
    """The JSON body. A full record over 20 kB goes out thin, and says so."""
    if target.payload == "full":
        full = _encode(event, settings, {"record": json.loads(event.record.to_json())})
        if len(full) <= MAX_BODY_BYTES:
            return full
        return _encode(event, settings, {"record_omitted": "too_large"})
    return _encode(event, settings, {})


def webhook_headers(body: bytes, event: WebhookEvent, target: WebhookTarget, now: float) -> dict[str, str]:
    """Content-Type is exactly ``application/json``: some receivers parse nothing else."""
    moment = to_datetime(now)  # UTC: the library signs the wall time of any other zone wrongly
    return {
        "Content-Type": "application/json",
        "User-Agent": f"Candil/{__version__}",
        "webhook-id": event.id,
        "webhook-timestamp": str(int(now)),
        "webhook-signature": Webhook(target.secret).sign(event.id, moment, body.decode()),
    }


def judge_webhook(status: int, retry_after_s: float | None) -> Outcome:
    """Only 2xx is success; a redirect is a failure. The receiver's body is never read into an error."""
    if 200 <= status < 300:
        return Proved()
    if status == 410:
        return Gone("HTTP 410: this endpoint is switched off")
    if 300 <= status < 400:
        return Answered(status, f"HTTP {status}; redirects are refused: configure the final address", retry_after_s)
    return Answered(status, f"HTTP {status}", retry_after_s)


def _encode(event: WebhookEvent, settings: WebhookSettings, extra: Json) -> bytes:
    record = event.record
    data: Json = {
        "consultation_id": record.consult_id,
        "revision": record.revision,
        "clinic_id": record.clinic_id,
        "record_url": settings.record_url.replace("{consult_id}", record.consult_id),
        "record_sha256": record.sha256(),
        **extra,
    }
    body = {
        "type": event.type,
        "timestamp": to_iso(event.created_at),
        "id": event.id,
        "source": settings.source,
        "data": data,
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()

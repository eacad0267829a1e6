"""Standard Webhooks 1.0.0: what is sent, how it is signed, what answers mean."""

import base64
import hashlib
import hmac
import json
import os
import time
from datetime import UTC, datetime
from unittest import mock

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from ehr_bridge.delivery import Answered, Gone, Proved
from ehr_bridge.profiles.webhook import (
    MAX_BODY_BYTES,
    WebhookEvent,
    WebhookSettings,
    judge_webhook,
    webhook_body,
    webhook_headers,
)
from ehr_bridge.targets import WebhookTarget
from tests.support.fhir_records import full_record

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
SETTINGS = WebhookSettings("https://candil.example", "https://candil.example/api/v1/consults/{consult_id}/record")
CREATED = 1_767_363_850.0
EVENT = WebhookEvent("evt_1", "consultation.completed", CREATED, full_record())


def target(**changes: object) -> WebhookTarget:
    settings: dict[str, object] = {"name": "n8n", "url": "https://n8n.example/webhook/x", "secret": SECRET}
    return WebhookTarget(**{**settings, **changes})  # type: ignore[arg-type]


def test_thin_body_holds_ids_and_where_to_fetch() -> None:
    body = json.loads(webhook_body(EVENT, target(), SETTINGS))
    assert body == {
        "type": "consultation.completed",
        "timestamp": "2026-01-02T14:24:10.000Z",
        "id": "evt_1",
        "source": "https://candil.example",
        "data": {
            "consultation_id": "con_7m2k9qv0c3t8xw1z",
            "revision": 1,
            "clinic_id": "clinic",
            "record_url": "https://candil.example/api/v1/consults/con_7m2k9qv0c3t8xw1z/record",
            "record_sha256": full_record().sha256(),
        },
    }


def test_thin_body_names_nobody() -> None:
    body = webhook_body(EVENT, target(), SETTINGS).decode()
    for secret in ("Begoña", "V12345678", "Cefalea", "Güell"):
        assert secret not in body


def test_full_body_is_the_signed_record() -> None:
    body = json.loads(webhook_body(EVENT, target(payload="full"), SETTINGS))
    assert body["data"]["record"] == json.loads(full_record().to_json())


def test_full_record_too_large_goes_out_thin_and_says_so() -> None:
    event = WebhookEvent("evt_1", EVENT.type, CREATED, full_record(findings="ñ" * MAX_BODY_BYTES))
    body = webhook_body(event, target(payload="full"), SETTINGS)
    assert len(body) < MAX_BODY_BYTES
    data = json.loads(body)["data"]
    assert data["record_omitted"] == "too_large"
    assert "record" not in data


@pytest.mark.parametrize("zone", ["UTC", "America/Caracas"])
def test_signature_is_accepted_by_the_library_whatever_the_machines_zone(
    zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "TZ", zone)
    time.tzset()
    try:
        body = webhook_body(EVENT, target(payload="full"), SETTINGS)
        headers = webhook_headers(body, EVENT, target(), CREATED + 5)
        with mock.patch("standardwebhooks.webhooks.datetime") as clock:
            clock.now.return_value = datetime.fromtimestamp(CREATED + 10, UTC)
            clock.fromtimestamp = datetime.fromtimestamp
            assert Webhook(SECRET).verify(body, headers)["id"] == "evt_1"
            with pytest.raises(WebhookVerificationError):
                Webhook(SECRET).verify(body.replace(b"evt_1", b"evt_2"), headers)
            with pytest.raises(WebhookVerificationError):
                Webhook("whsec_" + base64.b64encode(b"x" * 32).decode()).verify(body, headers)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_signature_is_the_specifications_hmac() -> None:
    headers = webhook_headers(b"{}", EVENT, target(), CREATED)
    signed = hmac.new(bytes(range(32)), b"evt_1.1767363850.{}", hashlib.sha256).digest()
    assert headers["webhook-signature"] == "v1," + base64.b64encode(signed).decode()


def test_retries_carry_the_same_id_and_bytes_and_a_new_time() -> None:
    first, again = (webhook_headers(b"{}", EVENT, target(), CREATED + s) for s in (0, 300))
    assert first["webhook-id"] == again["webhook-id"] == "evt_1"
    assert int(again["webhook-timestamp"]) - int(first["webhook-timestamp"]) == 300
    assert first["webhook-signature"] != again["webhook-signature"]
    assert webhook_body(EVENT, target(), SETTINGS) == webhook_body(EVENT, target(), SETTINGS)


def test_content_type_is_exactly_json() -> None:
    assert webhook_headers(b"{}", EVENT, target(), CREATED)["Content-Type"] == "application/json"


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_only_2xx_is_success(status: int) -> None:
    assert judge_webhook(status, None) == Proved()


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 408, 422, 429, 500, 503])
def test_anything_else_is_tried_again(status: int) -> None:
    refused = judge_webhook(status, 9.0)
    assert isinstance(refused, Answered)
    assert (refused.status, refused.retry_after_s) == (status, 9.0)


def test_gone_switches_the_endpoint_off() -> None:
    assert isinstance(judge_webhook(410, None), Gone)

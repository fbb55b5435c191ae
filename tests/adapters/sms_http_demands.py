"""What a described aggregator says on the wire: the table by which ``test_every_adapter`` tries ``adapters/sms_http.py``.

The aggregator is nobody's: JSON, a bearer token, errors by code, signed hooks with the kind in a field, two look-ups.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from adapters.kit.port import Hook
from adapters.kit.testing import Demands, Says
from vocabulary.outcome import Lost, ReceiptKind

TOKEN = "canary-token-of-the-account"
HOOK_KEY = "canary-key-of-the-hooks"
SENDER = "85432"
ID = "msg-0f1e2d3c"
JSON = {"Content-Type": "application/json"}

STATUSES = {
    "queued": ReceiptKind.ACCEPTED,
    "sent": ReceiptKind.SENT,
    "rejected_by_carrier": ReceiptKind.FAILED,
    "not_delivered": ReceiptKind.UNDELIVERED,
    "delivered": ReceiptKind.DELIVERED,
    "read": ReceiptKind.READ,
}


def table(base_url: str) -> dict[str, Any]:
    return {
        "kind": "sms_http",
        "base_url": base_url,
        "from": SENDER,
        "secrets": {"token": TOKEN, "hooks": HOOK_KEY},
        "send": {
            "method": "POST",
            "path": "/v1/messages",
            "headers": {"Authorization": "Bearer {{secrets.token}}", "X-Request": "{{id}}"},
            "json": '{"to": "{{to_digits}}", "from": "{{from}}", "text": "{{text}}", "reference": "{{id}}",'
            ' "valid": {{validity_seconds}}, "hook": {"url": "{{status_url}}"}}',
        },
        "answer": {
            "format": "json",
            "id": "messages.0.id",
            "status": "messages.0.status",
            "segments": "messages.0.parts",
            "code": "error.code",
            "retry_after": "error.wait",
            "codes": {
                "2001": "rejected",
                "2002": "opted_out",
                "2003": "address_invalid",
                "2004": "throttled",
                "2005": "not_sent",
            },
            "http": {"500": "by_code", "503": "unknown"},
        },
        "find": [
            {
                "path": f"/v1/{place}",
                "query": {"reference": "{{id}}"},
                "headers": {"Authorization": "Bearer {{secrets.token}}"},
                "format": "json",
                "list": "messages",
                "attempt": "reference",
                "id": "id",
                "status": "status",
            }
            for place in ("waiting", "messages")
        ],
        "hooks": {
            "signature_header": "X-Signature",
            "prefix": "sha256=",
            "secrets": ["hooks"],
            "format": "json",
            "told_by": "event",
            "status_words": ["receipt"],
            "inbound_words": ["reply"],
        },
        "receipts": {
            "id": "message.id",
            "attempt": "message.reference",
            "status": "message.status",
            "error": "message.error",
            "no_error": ["0"],
            "opted_out": ["2002"],
            "address_invalid": ["2003"],
            "statuses": {word: kind.value for word, kind in STATUSES.items()},
        },
        "inbound": {"id": "id", "from": "from", "to": "to", "text": "text", "number_prefix": "+"},
    }


def says(status: int, told: object, **headers: str) -> Says:
    return Says(status=status, body=json.dumps(told).encode(), headers=JSON | headers)


def error(status: int, code: int, text: str = "no", **headers: str) -> Says:
    return says(status, {"error": {"code": code, "text": text}}, **headers)


def listed(*messages: Mapping[str, object]) -> Says:
    return says(200, {"messages": list(messages)})


def signed(kind: str, url: str, body: bytes, key: str = HOOK_KEY) -> Hook:
    mac = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
    return Hook(method="POST", url=url, kind=kind, headers=JSON | {"X-Signature": f"sha256={mac}"}, body=body)


def status_body(word: str, **told: object) -> bytes:
    return json.dumps({"event": "receipt", "message": {"id": ID, "status": word, "error": 0} | told}).encode()


def inbound_body(text: str, **told: object) -> bytes:
    whole = {"event": "reply", "id": "in-77", "from": "573001230000", "to": SENDER, "text": text} | told
    return json.dumps(whole, ensure_ascii=False).encode()


def of(lost: Lost, provider_id: str, **told: object) -> dict[str, object]:
    return {"id": provider_id, "reference": lost.attempt.hex, "status": "sent"} | told


DEMANDS = Demands(
    table=table,
    secrets=(TOKEN, HOOK_KEY),
    sent=says(201, {"messages": [{"id": ID, "status": "queued", "parts": 1}]}),
    sent_id=ID,
    rejected=error(400, 2001, f"canary: not to +573001230000 nor 300 123 0000 with {TOKEN}: Hola canary"),
    opted_out=error(200, 2002),
    address_invalid=error(422, 2003),
    throttled=error(429, 2004, **{"Retry-After": "7"}),
    throttled_seconds=7.0,
    server_fault=error(503, 9999),
    found=lambda lost, provider_id: [listed(of(lost, provider_id))],
    absent=[listed(), listed()],
    statuses=STATUSES,
    unknown_status="teleported",
    status_hook=lambda url, word: signed("status", url, status_body(word)),
    inbound_hook=lambda url, text: signed("inbound", url, inbound_body(text)),
    signature_header="X-Signature",
)


def query(target: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(target).query, keep_blank_values=True)

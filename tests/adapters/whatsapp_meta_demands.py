"""What Meta's Cloud API says on the wire: the table by which ``test_every_adapter`` tries ``adapters/whatsapp_meta.py``.

Shapes: https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages and
…/support/error-codes; ids and numbers are those of Meta's own examples.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from adapters.kit.port import Hook
from adapters.kit.testing import Demands, Says
from adapters.whatsapp_meta_hooks import STATUSES

NUMBER_ID = "106540352242922"
NUMBER = "+15550783881"
PERSON = "+573001230000"
TOKEN = "canary-token-of-the-app"
APP_SECRET = "canary-secret-of-the-app"
VERIFY = "canary-word-of-greeting"
WAMID = "wamid.HBgLMTY1MDM4Nzk0MzkVAgARGBJCOTY3NDc0NDFDRUI3NTA0Q0UA"
HER_WAMID = "wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQTRBNjU5OUFFRTAzODEwMTQ0RgA="
JSON = {"Content-Type": "application/json; charset=UTF-8"}


def says(status: int, told: object, **headers: str) -> Says:
    return Says(status=status, body=json.dumps(told).encode(), headers=JSON | headers)


def sent(wamid: str = WAMID, **told: object) -> Says:
    contacts = [{"input": PERSON, "wa_id": PERSON[1:]}]
    return says(200, {"messaging_product": "whatsapp", "contacts": contacts, "messages": [{"id": wamid, **told}]})


def error(status: int, code: int, text: str = "no", **headers: str) -> Says:
    told = {
        "error": {
            "message": f"(#{code}) {text}",
            "type": "OAuthException",
            "code": code,
            "error_data": {"messaging_product": "whatsapp", "details": "no details"},
            "fbtrace_id": "AXsgnV2Cm3ZMGF3dF_cfYIn",
        }
    }
    return says(status, told, **{name.replace("_", "-"): value for name, value in headers.items()})


def table(base_url: str) -> Mapping[str, object]:
    return {
        "kind": "whatsapp_meta",
        "phone_number_id": NUMBER_ID,
        "access_token": TOKEN,
        "app_secret": APP_SECRET,
        "verify_token": VERIFY,
        "base_url": base_url,
    }


def change(field: str = "messages", **value: Any) -> dict[str, Any]:
    metadata = {"display_phone_number": NUMBER[1:], "phone_number_id": NUMBER_ID}
    return {"value": {"messaging_product": "whatsapp", "metadata": metadata, **value}, "field": field}


def whole(*changes: Mapping[str, Any]) -> dict[str, Any]:
    return {"object": "whatsapp_business_account", "entry": [{"id": "419561257915477", "changes": list(changes)}]}


def status(word: str, mark: str = "", **told: Any) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": WAMID,
        "status": word,
        "timestamp": "1749416390",
        "recipient_id": PERSON[1:],
        "pricing": {"billable": True, "pricing_model": "PMP", "category": "utility"},
    }
    return shown | ({"biz_opaque_callback_data": mark} if mark else {}) | told


def said(kind: str = "text", **told: Any) -> dict[str, Any]:
    return {"from": PERSON[1:], "id": HER_WAMID, "timestamp": "1749416383", "type": kind} | told


def inbound(*messages: Mapping[str, Any]) -> dict[str, Any]:
    contacts = [{"profile": {"name": "Ana"}, "wa_id": PERSON[1:]}]
    return change(contacts=contacts, messages=list(messages))


def hook(told: object, secret: str = APP_SECRET, url: str = "https://tregua.example/in/hooks/way-one") -> Hook:
    """Signed as Meta does: HMAC-SHA256 of the very bytes, in which everything beyond ASCII is escaped."""
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "X-Hub-Signature-256": f"sha256={signature}"}
    return Hook(method="POST", url=url, kind="any", headers=headers, body=body)


def _status_hook(url: str, word: str) -> Hook:
    # Meta calls one address for everything: what other providers carry in the address comes back in the body.
    return hook(whole(change(statuses=[status(word, urlsplit(url).query)])))


def _nothing(*_: object) -> list[Says]:
    return []


DEMANDS = Demands(
    table=table,
    secrets=(TOKEN, APP_SECRET, VERIFY),
    sent=sent(),
    sent_id=WAMID,
    rejected=error(400, 131047, "Re-engagement message to 573001230000"),
    opted_out=error(400, 131050, "User has stopped receipt of marketing messages"),
    address_invalid=None,
    throttled=error(429, 130429, "Rate limit hit", Retry_After="7"),
    throttled_seconds=7.0,
    server_fault=error(500, 131000, "Something went wrong"),
    found=_nothing,
    absent=[],
    lists=False,
    statuses=STATUSES,
    unknown_status="teleported",
    status_hook=_status_hook,
    inbound_hook=lambda _url, text: hook(whole(inbound(said(text={"body": text})))),
    signature_header="X-Hub-Signature-256",
    signs=frozenset({"body"}),
)

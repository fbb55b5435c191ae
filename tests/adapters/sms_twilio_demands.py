"""What Twilio says on the wire: the table by which ``test_every_adapter`` tries ``adapters/sms_twilio.py``.

Shapes: https://www.twilio.com/docs/messaging/api/message-resource and …/docs/usage/twilios-response.
"""

import json
from collections.abc import Mapping, Sequence
from email.utils import format_datetime
from urllib.parse import urlencode

from twilio.request_validator import RequestValidator

from adapters.kit.port import Hook
from adapters.kit.testing import Demands, Says
from adapters.kit.twilio_hooks import STATUSES
from vocabulary.outcome import Lost

ACCOUNT = "AC" + "0123456789abcdef" * 2
TOKEN = "canary-token-of-the-account"
NUMBER = "+15005550006"
SID = "SM" + "0f" * 16
JSON = {"Content-Type": "application/json"}


def message(**told: object) -> dict[str, object]:
    whole: dict[str, object] = {
        "account_sid": ACCOUNT,
        "api_version": "2010-04-01",
        "body": "Hola canary",
        "date_created": "Mon, 23 Nov 2026 12:00:00 +0000",
        "date_sent": None,
        "date_updated": "Mon, 23 Nov 2026 12:00:00 +0000",
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "from": NUMBER,
        "messaging_service_sid": None,
        "num_media": "0",
        "num_segments": "1",
        "price": None,
        "price_unit": "USD",
        "sid": SID,
        "status": "queued",
        "subresource_uris": {},
        "to": "+573001230000",
        "uri": f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{SID}.json",
    }
    return whole | told


def says(status: int, told: object, **headers: str) -> Says:
    return Says(status=status, body=json.dumps(told).encode(), headers=JSON | headers)


def error(status: int, code: int, text: str = "no", **headers: str) -> Says:
    told = {"code": code, "message": text, "more_info": f"https://www.twilio.com/docs/errors/{code}", "status": status}
    return says(status, told, **{name.replace("_", "-"): value for name, value in headers.items()})


def page(*messages: Mapping[str, object], following: str | None = None) -> Says:
    return says(200, {"messages": list(messages), "next_page_uri": following, "page": 0, "page_size": 100, "uri": "/x"})


def of(lost: Lost, **told: object) -> dict[str, object]:
    return message(**({"to": lost.to, "body": lost.text, "date_created": format_datetime(lost.not_before)} | told))


def _found(lost: Lost, sid: str) -> Sequence[Says]:
    return [page(of(lost, sid=sid, status="sent"))]


def table(base_url: str) -> Mapping[str, object]:
    return {"kind": "twilio", "account_sid": ACCOUNT, "auth_token": TOKEN, "from": NUMBER, "base_url": base_url}


def hook(kind: str, url: str, form: Mapping[str, str] | Sequence[tuple[str, str]], token: str = TOKEN) -> Hook:
    """Signed by Twilio's own code."""
    headers = {
        "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
        "X-Twilio-Signature": RequestValidator(token).compute_signature(url, dict(form)),
    }
    return Hook(method="POST", url=url, kind=kind, headers=headers, body=urlencode(form).encode())


def status_form(word: str, **told: str) -> dict[str, str]:
    return {
        "AccountSid": ACCOUNT,
        "ApiVersion": "2010-04-01",
        "From": NUMBER,
        "MessageSid": SID,
        "MessageStatus": word,
        "SmsSid": SID,
        "SmsStatus": word,
        "To": "+573001230000",
        "AParameterOfTomorrow": "",
    } | told


def inbound_form(text: str, **told: str) -> dict[str, str]:
    return {
        "AccountSid": ACCOUNT,
        "ApiVersion": "2010-04-01",
        "Body": text,
        "From": "+573001230000",
        "MessageSid": SID,
        "NumMedia": "0",
        "NumSegments": "1",
        "SmsMessageSid": SID,
        "SmsSid": SID,
        "SmsStatus": "received",
        "To": NUMBER,
        "ToCountry": "",
    } | told


DEMANDS = Demands(
    table=table,
    secrets=(TOKEN,),
    sent=says(201, message()),
    sent_id=SID,
    rejected=error(400, 21408, "Permission to send an SMS has not been enabled for the region of +573001230000"),
    opted_out=error(400, 21610, "Attempt to send to unsubscribed recipient"),
    address_invalid=error(400, 21211, "The 'To' number +57 300 123 0000 is not a valid phone number."),
    throttled=error(429, 20429, "Too Many Requests", Retry_After="7"),
    throttled_seconds=7.0,
    server_fault=error(503, 20503, "Service unavailable"),
    found=_found,
    absent=[page(), page()],
    statuses=STATUSES,
    unknown_status="teleported",
    status_hook=lambda url, word: hook("status", url, status_form(word)),
    inbound_hook=lambda url, text: hook("inbound", url, inbound_form(text)),
    signature_header="X-Twilio-Signature",
)

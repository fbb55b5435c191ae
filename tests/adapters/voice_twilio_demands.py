"""What Twilio says on the wire of calls: the table by which ``test_every_adapter`` tries ``adapters/voice_twilio.py``.

Shapes: https://www.twilio.com/docs/voice/api/call-resource and …/docs/usage/twilios-response.
"""

from collections.abc import Mapping, Sequence
from email.utils import format_datetime

from adapters.kit.testing import Demands, Says
from adapters.voice_twilio import STATUSES
from tests.adapters.sms_twilio_demands import ACCOUNT, NUMBER, TOKEN, error, hook, says
from vocabulary.outcome import Lost

SID = "CA" + "0f" * 16


def call(**told: object) -> dict[str, object]:
    whole: dict[str, object] = {
        "account_sid": ACCOUNT,
        "answered_by": None,
        "api_version": "2010-04-01",
        "caller_name": None,
        "date_created": "Mon, 23 Nov 2026 12:00:00 +0000",
        "date_updated": "Mon, 23 Nov 2026 12:00:00 +0000",
        "direction": "outbound-api",
        "duration": None,
        "end_time": None,
        "forwarded_from": None,
        "from": NUMBER,
        "from_formatted": "(500) 555-0006",
        "group_sid": None,
        "parent_call_sid": None,
        "phone_number_sid": "PN" + "0a" * 16,
        "price": None,
        "price_unit": "USD",
        "queue_time": "0",
        "sid": SID,
        "start_time": None,
        "status": "queued",
        "subresource_uris": {},
        "to": "+573001230000",
        "to_formatted": "+573001230000",
        "trunk_sid": None,
        "uri": f"/2010-04-01/Accounts/{ACCOUNT}/Calls/{SID}.json",
    }
    return whole | told


def page(*calls: Mapping[str, object]) -> Says:
    return says(200, {"calls": list(calls), "next_page_uri": None, "page": 0, "page_size": 100, "uri": "/x"})


def _found(lost: Lost, sid: str) -> Sequence[Says]:
    return [page(call(to=lost.to, date_created=format_datetime(lost.not_before), sid=sid, status="completed"))]


def table(base_url: str) -> Mapping[str, object]:
    return {"kind": "twilio_voice", "account_sid": ACCOUNT, "auth_token": TOKEN, "from": NUMBER, "base_url": base_url}


def status_form(word: str, **told: str) -> dict[str, str]:
    return {
        "AccountSid": ACCOUNT,
        "ApiVersion": "2010-04-01",
        "CallSid": SID,
        "CallStatus": word,
        "Called": "+573001230000",
        "Caller": NUMBER,
        "Direction": "outbound-api",
        "From": NUMBER,
        "To": "+573001230000",
        "AParameterOfTomorrow": "",
    } | told


def said_form(text: str, **told: str) -> dict[str, str]:
    """What she said in a call of ours, as ``<Gather>`` tells it."""
    return status_form("in-progress", SpeechResult=text, Confidence="0.9", **told)


DEMANDS = Demands(
    table=table,
    secrets=(TOKEN,),
    sent=says(201, call()),
    sent_id=SID,
    rejected=error(400, 21215, "Account not authorized to call +573001230000"),
    opted_out=error(400, 21610, "Attempt to call unsubscribed recipient"),
    address_invalid=error(400, 21211, "The 'To' number +57 300 123 0000 is not a valid phone number."),
    throttled=error(429, 20429, "Too Many Requests", Retry_After="7"),
    throttled_seconds=7.0,
    server_fault=error(503, 20503, "Service unavailable"),
    found=_found,
    absent=[page(), page()],
    listed_status="completed",
    statuses=STATUSES,
    unknown_status="teleported",
    status_hook=lambda url, word: hook("status", url, status_form(word)),
    inbound_hook=lambda url, text: hook("inbound", url, said_form(text)),
    signature_header="X-Twilio-Signature",
)

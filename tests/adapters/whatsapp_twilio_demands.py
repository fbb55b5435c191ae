"""What Twilio says of WhatsApp on the wire: the table by which ``test_every_adapter`` tries ``adapters/whatsapp_twilio.py``.

Fields that only WhatsApp has: https://www.twilio.com/docs/messaging/guides/webhook-request#whatsapp-specific-parameters.
"""

from collections.abc import Mapping, Sequence

from adapters.kit.port import Hook
from adapters.kit.testing import Demands, Says
from adapters.kit.twilio_hooks import STATUSES
from tests.adapters import sms_twilio_demands as sms
from tests.adapters.sms_twilio_demands import ACCOUNT, SID, TOKEN, error, page, says
from vocabulary.outcome import Lost

SENDER = "+15005550006"
PERSON = "+573001230000"


def message(**told: object) -> dict[str, object]:
    whole: dict[str, object] = {"from": f"whatsapp:{SENDER}", "to": f"whatsapp:{PERSON}"}
    return sms.message(**whole | told)


def of(lost: Lost, **told: object) -> dict[str, object]:
    return sms.of(lost, **{"to": f"whatsapp:{lost.to}", "from": f"whatsapp:{SENDER}"} | told)


def _found(lost: Lost, sid: str) -> Sequence[Says]:
    return [page(of(lost, sid=sid, status="sent"))]


def table(base_url: str) -> Mapping[str, object]:
    return {
        "kind": "whatsapp_twilio",
        "account_sid": ACCOUNT,
        "auth_token": TOKEN,
        "from": SENDER,
        "base_url": base_url,
    }


def status_form(word: str, **told: str) -> dict[str, str]:
    more = {
        "From": f"whatsapp:{SENDER}",
        "To": f"whatsapp:{PERSON}",
        "ChannelPrefix": "whatsapp",
        "ChannelInstallSid": "XE" + "0f" * 16,
        "ChannelToAddress": PERSON,
        "StructuredMessage": "false",
    }
    return sms.status_form(word, **more | ({"EventType": "READ"} if word == "read" else {}) | told)


def inbound_form(text: str, **told: str) -> dict[str, str]:
    more = {
        "From": f"whatsapp:{PERSON}",
        "To": f"whatsapp:{SENDER}",
        "MessageType": "text",
        "ProfileName": "Ana",
        "WaId": PERSON[1:],
        "ReferralNumMedia": "0",
    }
    return sms.inbound_form(text, **more | told)


def hook(kind: str, url: str, form: Mapping[str, str]) -> Hook:
    return sms.hook(kind, url, form)


DEMANDS = Demands(
    table=table,
    secrets=(TOKEN,),
    sent=says(201, message()),
    sent_id=SID,
    rejected=error(400, 63016, "Outside messaging window. For WhatsApp, use a Message Template instead"),
    opted_out=error(400, 21610, "Attempt to send to unsubscribed recipient"),
    address_invalid=error(400, 21211, "Invalid 'To' Phone Number: whatsapp:+57 300 123 0000"),
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

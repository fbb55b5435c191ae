"""Twilio's words, version 2010-04-01: the shape of a message, errors by number, filters of the list and dates."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import web

from adapters.kit.segments import segmented

VERSION: Final = "2010-04-01"
BODY_CHARACTERS_MAX: Final = 1_600
#: What the simulated account pays for a segment, USD, wherever it goes to.
SEGMENT_PRICE: Final = Decimal("0.0279")
VALIDITY_SECONDS_MAX: Final = 36_000
CALLBACK_CHARACTERS_MAX: Final = 4_000
#: Instants of whole seconds that are read again with every list.
INSTANTS_KEPT_MAX: Final = 65_536

_SERVICE_SID: Final = re.compile(r"MG[0-9a-fA-F]{32}")
E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")


class TwilioError(Exception):
    """Twilio says no: ``status`` is HTTP's, ``code`` is of https://www.twilio.com/docs/api/errors."""

    def __init__(self, status: int, code: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}

    def response(self) -> web.Response:
        """https://www.twilio.com/docs/usage/twilios-response#response-formats-exceptions."""
        return web.json_response(
            {
                "code": self.code,
                "message": self.message,
                "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
                "status": self.status,
            },
            status=self.status,
            headers=self.headers,
        )


def check(form: Mapping[str, str], number: str) -> None:
    """Raise what Twilio says to a create that it does not like; ``number`` is the account's only one."""
    to, sender, body = form.get("To", ""), form.get("From", ""), form.get("Body", "")
    if not to:
        raise TwilioError(400, 21604, "A 'To' phone number is required.")
    if not sender and not form.get("MessagingServiceSid"):
        raise TwilioError(400, 21603, "A 'From' phone number is required.")
    if "MessagingServiceSid" in form and not _SERVICE_SID.fullmatch(form["MessagingServiceSid"]):
        raise TwilioError(400, 21701, "The Messaging Service does not exist")
    if not body:
        raise TwilioError(400, 21602, "Message body is required.")
    if len(body) > BODY_CHARACTERS_MAX:
        raise TwilioError(400, 21617, "The concatenated message body exceeds the 1600 character limit")
    if not E164.fullmatch(to):
        raise TwilioError(400, 21211, f"The 'To' number {to} is not a valid phone number.")
    if sender == to:
        raise TwilioError(400, 21266, "'To' and 'From' number cannot be the same")
    if sender and sender != number:
        raise TwilioError(
            400, 21606, f"The 'From' phone number provided ({sender}) is not a valid message-capable Twilio number"
        )
    validity = form.get("ValidityPeriod", "1")
    if not (validity.isascii() and validity.isdigit() and 1 <= int(validity[:9]) <= VALIDITY_SECONDS_MAX):
        raise TwilioError(400, 90007, "Invalid validity period value")
    callback = form.get("StatusCallback")
    if callback is not None:
        parts = urlsplit(callback)
        if parts.scheme not in ("http", "https") or not parts.hostname or len(callback) > CALLBACK_CHARACTERS_MAX:
            raise TwilioError(400, 21609, "The StatusCallback URL is not a valid URL.")
    if to.endswith("0003"):
        # Of the pair of numbers, not of hers: an address that is none would never be tried again.
        raise TwilioError(400, 21612, f"Message cannot be sent with the current combination of 'To' ({to}) and 'From'")
    if to.endswith("0005"):
        raise TwilioError(400, 21610, "Attempt to send to unsubscribed recipient")


def new_resource(account_sid: str, sid: str, sender: str, to: str, text: str, now: datetime) -> dict[str, Any]:
    """A message that was just created, as it is told in answers."""
    uri = f"/{VERSION}/Accounts/{account_sid}/Messages/{sid}"
    return {
        "account_sid": account_sid,
        "api_version": VERSION,
        "body": text,
        "date_created": rfc2822(now),
        "date_sent": None,
        "date_updated": rfc2822(now),
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "from": sender,
        "messaging_service_sid": None,
        "num_media": "0",
        "num_segments": str(segmented(text).segments),
        "price": None,
        "price_unit": "USD",
        "sid": sid,
        "status": "queued",
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": to,
        "uri": f"{uri}.json",
    }


#: https://www.twilio.com/docs/api/errors/30003 and …/30036. A phone that is switched off, and a message that waited too long.
ERRORS: Final[Mapping[str, tuple[int, str]]] = {
    "undelivered": (30003, "Unreachable destination handset"),
    "failed": (30036, "Validity Period Expired"),
}


#: …/errors/63016 and …/63049: what WhatsApp alone fails by.
REASONS: Final[Mapping[int, str]] = {
    63016: "Outside messaging window. For WhatsApp, use a Message Template instead",
    63019: "Media failed to download",
    63049: "Meta chose not to deliver this WhatsApp marketing message",
}


def turned(resource: dict[str, Any], word: str, now: datetime, error: int | None = None) -> None:
    """The message has reached another status; ``error`` says why, where that is not the usual."""
    resource["status"] = word
    resource["date_updated"] = rfc2822(now)
    if word == "sent":
        resource["date_sent"] = rfc2822(now)
    if word in ERRORS:
        resource["error_code"], resource["error_message"] = ERRORS[word]
        if error is not None and error in REASONS:
            resource["error_code"], resource["error_message"] = error, REASONS[error]


def priced(resource: Mapping[str, Any], now: datetime, after_seconds: float) -> dict[str, Any]:
    """The message as it is told: with its price, once it has left for long enough. What failed before it left costs nothing."""
    sent = None if resource["date_sent"] is None else _instant(resource["date_sent"])
    if sent is None or resource["direction"] == "inbound" or (now - sent).total_seconds() < after_seconds:
        return dict(resource)
    return {**resource, "price": f"-{SEGMENT_PRICE * int(resource['num_segments']):.5f}"}


def matches(resource: Mapping[str, Any], query: Mapping[str, str]) -> bool:
    """Whether the list that is asked for shows this message."""
    if query.get("To", resource["to"]) != resource["to"] or query.get("From", resource["from"]) != resource["from"]:
        return False
    sent = None if resource["date_sent"] is None else _instant(resource["date_sent"])
    for name, fits in _DATE_FILTERS.items():
        asked = query.get(name)
        if asked is not None and (sent is None or not fits(sent, asked)):
            return False
    return True


@lru_cache(maxsize=INSTANTS_KEPT_MAX)
def _instant(text: str) -> datetime:
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        pass
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        raise TwilioError(400, 20001, "DateSent is not a date") from None
    return told if told.tzinfo is not None else told.replace(tzinfo=UTC)


def _day_or_instant(sent: datetime, asked: str) -> tuple[Any, Any]:
    if len(asked) == 10:
        return sent.astimezone(UTC).date(), _instant(asked).date()
    return sent, _instant(asked)


def _same(sent: datetime, asked: str) -> bool:
    return sent.astimezone(UTC).date() == _instant(asked).astimezone(UTC).date()


def _on_or_before(sent: datetime, asked: str) -> bool:
    known, limit = _day_or_instant(sent, asked)
    return bool(known <= limit)


def _on_or_after(sent: datetime, asked: str) -> bool:
    known, limit = _day_or_instant(sent, asked)
    return bool(known >= limit)


#: Written ``DateSent>=2026-11-23`` in an address, so that the name ends in the sign: both bounds are inclusive.
_DATE_FILTERS: Final[Mapping[str, Callable[[datetime, str], bool]]] = {
    "DateSent": _same,
    "DateSent<": _on_or_before,
    "DateSent>": _on_or_after,
}


def rfc2822(instant: datetime) -> str:
    """An instant as Twilio writes it, in whole seconds."""
    return format_datetime(instant.replace(microsecond=0))

"""Twilio's words about calls, version 2010-04-01: the shape of a call, what it is refused for, and what a document has it do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element, ParseError, fromstring

from sandbox.twilio_words import CALLBACK_CHARACTERS_MAX, E164, INSTANTS_KEPT_MAX, VERSION, TwilioError, rfc2822

TWIML_CHARACTERS_MAX: Final = 4_000
#: What the simulated account pays for a begun minute, USD, wherever it calls.
MINUTE_PRICE: Final = Decimal("0.0449")
DOCUMENT_BYTES_MAX: Final = 64 * 1024
_VERBS: Final = frozenset({"Say", "Play", "Gather", "Hangup", "Pause", "Redirect"})


class Ending(StrEnum):
    """How a call goes, when it is not simply answered by her."""

    ANSWERED = "answered"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    FAILED = "failed"
    VOICEMAIL = "voicemail"
    VOICEMAIL_FULL = "voicemail-full"
    FAX = "fax"


#: What Twilio's answering-machine detection says of who picked up.
ANSWERED_BY: Final[Mapping[Ending, str]] = {
    Ending.ANSWERED: "human",
    Ending.VOICEMAIL: "machine_end_beep",
    Ending.VOICEMAIL_FULL: "machine_start",
    Ending.FAX: "fax",
}

#: The statuses of a call after it was taken.
LIVES: Final[Mapping[Ending, tuple[str, ...]]] = {
    Ending.ANSWERED: ("initiated", "ringing", "in-progress", "completed"),
    Ending.VOICEMAIL: ("initiated", "ringing", "in-progress", "completed"),
    Ending.VOICEMAIL_FULL: ("initiated", "ringing", "in-progress", "completed"),
    Ending.FAX: ("initiated", "ringing", "in-progress", "completed"),
    Ending.BUSY: ("initiated", "busy"),
    Ending.NO_ANSWER: ("initiated", "ringing", "no-answer"),
    Ending.FAILED: ("initiated", "failed"),
}

#: Which event each status is told under; what has no event of its own ends a call. https://www.twilio.com/docs/voice/api/call-resource
EVENTS: Final[Mapping[str, str]] = {"initiated": "initiated", "ringing": "ringing", "in-progress": "answered"}

#: ``initiated`` is an event, not a status that the API shows.
_SHOWN: Final = {"initiated": "queued"}


@dataclass(frozen=True, slots=True)
class Document:
    """What TwiML has a call do, flat and in order. ``gather`` is where the next key goes; ``hears``: words as well."""

    said: tuple[str, ...] = field(repr=False)
    played: tuple[str, ...] = field(repr=False)
    gather: str | None = field(default=None, repr=False)
    hears: bool = False


def read_document(text: str | bytes) -> Document:
    """Read TwiML as far as it is spoken here. Raises ValueError, as Twilio logs 12100 and ends the call."""
    if len(text) > DOCUMENT_BYTES_MAX or b"<!" in (text.encode() if isinstance(text, str) else text):
        raise ValueError("too long, or holds a declaration")
    try:
        root = fromstring(text)  # noqa: S314 - declarations, by which XML grows without end, were refused above
    except ParseError as error:
        raise ValueError("no XML") from error
    if root.tag != "Response":
        raise ValueError("no Response")
    said: list[str] = []
    played: list[str] = []
    gather: Element | None = None
    for verb in root.iter():
        if verb is root:
            continue
        if verb.tag not in _VERBS:
            raise ValueError(f"no verb {verb.tag}")
        if verb.tag == "Say":
            said.append("".join(verb.itertext()).strip())
        elif verb.tag == "Play":
            played.append("".join(verb.itertext()).strip())
        elif verb.tag == "Gather" and gather is None:
            gather = verb
    return Document(
        said=tuple(said),
        played=tuple(played),
        gather=None if gather is None else gather.get("action"),
        hears=gather is not None and "speech" in gather.get("input", "dtmf"),
    )


def check_call(form: Mapping[str, str], number: str) -> Document:
    """Raise what Twilio says to a create that it does not like; else what the call is to do."""
    to, sender = form.get("To", ""), form.get("From", "")
    if not to:
        raise TwilioError(400, 21201, "No 'To' number specified")
    if not sender:
        raise TwilioError(400, 21213, "No 'From' number specified")
    if not E164.fullmatch(to):
        raise TwilioError(400, 21211, f"The 'To' number {to} is not a valid phone number.")
    if sender != number:
        raise TwilioError(
            400, 21210, f"The source phone number provided, {sender}, is not yet verified for your account."
        )
    document = form.get("Twiml")
    if document is None:
        raise TwilioError(400, 21205, "Url parameter is required.")
    if len(document) > TWIML_CHARACTERS_MAX:
        raise TwilioError(400, 21229, "The TwiML is too long")
    callback = form.get("StatusCallback")
    if callback is not None:
        parts = urlsplit(callback)
        if parts.scheme not in ("http", "https") or not parts.hostname or len(callback) > CALLBACK_CHARACTERS_MAX:
            raise TwilioError(400, 21609, "The StatusCallback URL is not a valid URL.")
    if form.get("MachineDetection", "Enable") not in ("Enable", "DetectMessageEnd"):
        raise TwilioError(400, 20001, "MachineDetection is not known")
    if to.endswith("0003"):
        raise TwilioError(400, 21217, f"Phone number {to} does not appear to be valid")
    if to.endswith("0005"):
        raise TwilioError(400, 21610, "Attempt to call unsubscribed recipient")
    try:
        return read_document(document)
    except ValueError:
        raise TwilioError(400, 12100, "Document parse failure") from None


def new_call(account_sid: str, sid: str, sender: str, to: str, now: datetime) -> dict[str, Any]:
    """A call that was just created, as it is told in answers."""
    uri = f"/{VERSION}/Accounts/{account_sid}/Calls/{sid}"
    return {
        "account_sid": account_sid,
        "answered_by": None,
        "api_version": VERSION,
        "caller_name": None,
        "date_created": rfc2822(now),
        "date_updated": rfc2822(now),
        "direction": "outbound-api",
        "duration": None,
        "end_time": None,
        "forwarded_from": None,
        "from": sender,
        "from_formatted": sender,
        "group_sid": None,
        "parent_call_sid": None,
        "phone_number_sid": "PN" + "0" * 32,
        "price": None,
        "price_unit": "USD",
        "queue_time": "0",
        "sid": sid,
        "start_time": None,
        "status": "queued",
        "subresource_uris": {"recordings": f"{uri}/Recordings.json"},
        "to": to,
        "to_formatted": to,
        "trunk_sid": None,
        "uri": f"{uri}.json",
    }


def turned_call(call: dict[str, Any], word: str, now: datetime, answered_by: str | None) -> None:
    """The call has reached another status."""
    call["status"] = _SHOWN.get(word, word)
    call["date_updated"] = rfc2822(now)
    if word == "in-progress":
        call["start_time"], call["answered_by"] = rfc2822(now), answered_by
    elif word not in EVENTS:
        call["end_time"] = rfc2822(now)
        call["start_time"] = call["start_time"] or rfc2822(now)
        call["duration"] = "20" if word == "completed" else "0"


def priced_call(call: Mapping[str, Any], now: datetime, after_seconds: float) -> dict[str, Any]:
    """The call as it is told: with its price for each begun minute, once it has been over for long enough."""
    if call["end_time"] is None or (now - _instant(call["end_time"])).total_seconds() < after_seconds:
        return dict(call)
    return {**call, "price": f"-{MINUTE_PRICE * -(-int(call['duration']) // 60):.5f}"}


def call_matches(call: Mapping[str, Any], query: Mapping[str, str]) -> bool:
    """Whether the list that is asked for shows this call. ``StartTime>`` and ``<`` are days or instants, and inclusive."""
    if query.get("To", call["to"]) != call["to"] or query.get("From", call["from"]) != call["from"]:
        return False
    since, until = (_bound(query.get(name)) for name in ("StartTime>", "StartTime<"))
    if since is None and until is None:
        return True
    if call["start_time"] is None:
        return False
    started = _instant(call["start_time"])
    return (since is None or started >= since) and (until is None or started <= until)


def _bound(asked: str | None) -> datetime | None:
    if asked is None:
        return None
    try:
        bound = datetime.fromisoformat(asked)
    except ValueError:
        raise TwilioError(400, 20001, "StartTime is not a date") from None
    return bound if bound.tzinfo is not None else bound.replace(tzinfo=UTC)


@lru_cache(maxsize=INSTANTS_KEPT_MAX)
def _instant(told: str) -> datetime:
    return datetime.strptime(told, "%a, %d %b %Y %H:%M:%S %z")

"""SMS by Twilio Programmable Messaging: the official package over our one transport, and the hooks that Twilio signs."""

import hmac
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from uuid import UUID

import aiohttp
from multidict import MultiDict
from twilio.base.exceptions import TwilioException
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.request_validator import RequestValidator, add_port, remove_port
from twilio.rest import Client

from adapters.kit.discovery import Spec
from adapters.kit.port import Forged, Hook, Unreadable
from adapters.kit.segments import quoted
from adapters.kit.settings import Prices, Table
from adapters.kit.signing import attempt_marked
from adapters.kit.transport import Answered, MayHaveLeft, NothingLeft, Transport
from vocabulary.channel import Channel
from vocabulary.outcome import (
    Absent,
    CannotTell,
    Found,
    Lost,
    NotSent,
    Outcome,
    Parcel,
    Quote,
    Receipt,
    ReceiptKind,
    Rejected,
    Reply,
    Sent,
    Traced,
    Unknown,
)

BASE_URL: Final = "https://api.twilio.com"

#: https://www.twilio.com/docs/messaging/api/message-resource#message-status-values
#: ``receiving`` and ``received`` are for what people send us; ``partially_delivered`` is not explained there: none of
#: the three is guessed at. ``canceled`` is a scheduled message that was stopped before it left.
STATUSES: Final[Mapping[str, ReceiptKind]] = {
    "accepted": ReceiptKind.ACCEPTED,
    "scheduled": ReceiptKind.ACCEPTED,
    "queued": ReceiptKind.ACCEPTED,
    "sending": ReceiptKind.ACCEPTED,
    "sent": ReceiptKind.SENT,
    "failed": ReceiptKind.FAILED,
    "canceled": ReceiptKind.FAILED,
    "undelivered": ReceiptKind.UNDELIVERED,
    "delivered": ReceiptKind.DELIVERED,
    "read": ReceiptKind.READ,
}

#: https://www.twilio.com/docs/api/errors/21610: the person told Twilio or the carrier to stop.
OPTED_OUT: Final = frozenset({"21610"})

#: https://www.twilio.com/docs/api/errors: the number is not one, or can never receive an SMS. Codes that speak of the
#: pair of numbers (21612), of permissions (21408) or of a phone that is switched off (30003) are not here.
ADDRESS_INVALID: Final = frozenset({"21211", "21214", "21217", "21614", "21635", "30005", "30006"})

#: https://www.twilio.com/docs/api/errors/20429
THROTTLED: Final = "20429"

#: https://www.twilio.com/docs/api/errors/90007
VALIDITY_SECONDS_MIN: Final = 1
VALIDITY_SECONDS_MAX: Final = 36_000

#: 408 and 409 may stand for a message that was taken; every other 4xx with Twilio's own error is its word.
_UNCERTAIN: Final = frozenset({408, 409})

RETRY_AFTER_SECONDS_MAX: Final = 3_600.0
FIND_MESSAGES_MAX: Final = 1_000
FIND_PAGE: Final = 100
FORM_FIELDS_MAX: Final = 200
MEDIA_MAX: Final = 10
REASON_CHARACTERS_MAX: Final = 200

# Twilio puts this before every text while an account is on trial.
_TRIAL: Final = "Sent from your Twilio trial account - "

_ACCOUNT: Final = re.compile(r"AC[0-9A-Za-z]{1,64}")
_MESSAGE_SID: Final = re.compile(r"(?:SM|MM)[0-9a-f]{32}")
_STATUS_WORD: Final = re.compile(r"[a-z_-]{1,32}")
_ERROR_CODE: Final = re.compile(r"[0-9]{1,6}")
_PARTY: Final = re.compile(r"[\x21-\x7e][\x20-\x7e]{0,63}")
# Twilio's error texts repeat the number; reasons are kept and shown where no number may stand.
_NUMBER: Final = re.compile(r"\+?[0-9][0-9 ()\-]{4,}[0-9]")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")

# The package logs whole requests; this logger is never given to anyone, and nothing here calls it.
_SILENT: Final = logging.Logger("adapters.sms_twilio.silent", level=logging.CRITICAL + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``[providers.NAME] kind = "twilio"``.

    ``auth_token`` verifies hooks; REST uses ``api_key`` and ``api_secret`` where given, so that the one secret that can
    forge hooks need not travel. ``auth_token_secondary`` is accepted on hooks while the token is being changed.
    """

    account_sid: str
    auth_token: str = field(repr=False)
    auth_token_secondary: str | None = field(default=None, repr=False)
    api_key: str | None = field(default=None, repr=False)
    api_secret: str | None = field(default=None, repr=False)
    sender: str | None = None
    messaging_service_sid: str | None = None
    base_url: str = BASE_URL
    prices: Prices | None = None


def settings(provider: str, table: Mapping[str, object]) -> Settings:
    """Read the table of one provider; raises ``SettingsError``, which names the setting and never its value."""
    asked = Table(provider, table)
    read = Settings(
        account_sid=asked.text("account_sid"),
        auth_token=asked.text("auth_token"),
        auth_token_secondary=asked.text_or_none("auth_token_secondary"),
        api_key=asked.text_or_none("api_key"),
        api_secret=asked.text_or_none("api_secret"),
        sender=asked.text_or_none("from"),
        messaging_service_sid=asked.text_or_none("messaging_service_sid"),
        base_url=asked.base_url("base_url", BASE_URL),
        prices=asked.prices("prices"),
    )
    asked.done()
    if not _ACCOUNT.fullmatch(read.account_sid):
        raise asked.wrong("account_sid", "must begin with AC")
    if (read.api_key is None) != (read.api_secret is None):
        raise asked.wrong("api_key", "and api_secret are given together or not at all")
    if read.sender is None and read.messaging_service_sid is None:
        raise asked.wrong("from", "or messaging_service_sid is needed")
    return read


class _NotTakenError(Exception):
    """Carries an ending through the official package, which knows only answers."""

    def __init__(self, exchange: NothingLeft | MayHaveLeft) -> None:
        super().__init__(exchange.reason)
        self.exchange = exchange


class _NotCreatedError(Exception):
    """An answer that is not a readable 2xx, as the package would hide its status and its headers from us."""

    def __init__(self, answered: Answered) -> None:
        super().__init__(f"status {answered.status}")
        self.answered = answered


class _OverTransport(AsyncHttpClient):  # type: ignore[misc] # the package is published without types
    """The package's own port for HTTP, met by our one transport. It never retries and never logs."""

    def __init__(self, transport: Transport, base_url: str) -> None:
        super().__init__(_SILENT, True, None)
        self._transport = transport
        self._base = urlsplit(base_url)

    async def request(
        self,
        method: str,
        url: str,
        params: Mapping[str, object] | None = None,
        data: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the package's own signature; the transport has the limit
        allow_redirects: bool = False,
    ) -> Response:
        """Make one call; raises ``_NotTakenError`` or ``_NotCreatedError``, returns only 2xx with a JSON object."""
        parts = urlsplit(url)
        query = "&".join(filter(None, (parts.query, urlencode(params or {}, doseq=True))))
        # Whatever host an answer names (``next_page_uri``), credentials go to the configured one only.
        target = urlunsplit((self._base.scheme, self._base.netloc, self._base.path + parts.path, query, ""))
        sent = dict(headers or {})
        if auth is not None:
            sent["Authorization"] = aiohttp.encode_basic_auth(auth[0], auth[1])
        body = None if data is None else urlencode(data, doseq=True).encode("ascii")
        exchange = await self._transport.exchange(method.upper(), target, headers=sent, body=body)
        if not isinstance(exchange, Answered):
            raise _NotTakenError(exchange)
        if not 200 <= exchange.status < 300 or _object(exchange) is None:
            raise _NotCreatedError(exchange)
        assert exchange.body is not None
        return Response(exchange.status, exchange.body.decode(), exchange.headers)


class TwilioSms:
    """One Twilio account or subaccount with one sender."""

    def __init__(self, name: str, settings: Settings, mark_secret: bytes, transport: Transport) -> None:
        self._name = name
        self._settings = settings
        self._mark_secret = mark_secret
        self._transport = transport
        self._client = Client(
            settings.api_key or settings.account_sid,
            settings.api_secret or settings.auth_token,
            settings.account_sid,
            http_client=_OverTransport(transport, settings.base_url),
        )
        # Imports the package's resources now, half a second of them, and not while the first message waits.
        _ = self._client.messages
        tokens = filter(None, (settings.auth_token, settings.auth_token_secondary))
        self._validators = tuple(RequestValidator(token) for token in tokens)

    def __repr__(self) -> str:
        return f"TwilioSms({self._name!r})"

    @property
    def name(self) -> str:
        """The operator's name for this way."""
        return self._name

    @property
    def channel(self) -> Channel:
        """SMS."""
        return Channel.SMS

    def quote(self, to: str, text: str, /) -> Quote:
        """Segments by GSM 03.38, and the operator's price for the number's prefix."""
        return quoted(to, text, self._settings.prices)

    async def send(self, parcel: Parcel, /) -> Outcome:
        """Create one message with one POST. https://www.twilio.com/docs/messaging/api/message-resource#create-a-message."""
        if not _encodable(parcel.text):
            return Rejected(code="unencodable", reason="the text is not Unicode: it holds half of a surrogate pair")
        sender = self._settings.sender
        service = self._settings.messaging_service_sid
        asked: dict[str, object] = {
            "to": parcel.to,
            "body": parcel.text,
            "status_callback": parcel.status_url,
            "validity_period": min(max(parcel.validity_seconds, VALIDITY_SECONDS_MIN), VALIDITY_SECONDS_MAX),
        }
        if sender is not None:
            asked["from_"] = sender
        if service is not None:
            asked["messaging_service_sid"] = service
        try:
            created = await self._client.messages.create_async(**asked)
        except _NotTakenError as ending:
            if isinstance(ending.exchange, NothingLeft):
                return NotSent(reason=ending.exchange.reason)
            return Unknown(reason=ending.exchange.reason)
        except _NotCreatedError as ending:
            return _refused(ending.answered)
        except Exception as error:
            # The package choked on a 2xx, or we on our own bug: looking it up tells the two apart, sending again would not.
            return Unknown(reason=f"answer not understood: {type(error).__name__}")
        return Sent(
            provider_id=_matched(_MESSAGE_SID, created.sid),
            provider_status=_matched(_STATUS_WORD, created.status),
            segments=_count(created.num_segments),
        )

    async def find(self, lost: Lost, /) -> Traced:
        """Look in Twilio's list for a message to that number, with that text, created in that span, that is nobody else's.

        Asked first by day of sending, then, since a message that still waits has no such day, by number alone.
        """
        day = lost.not_before.astimezone(UTC).date().isoformat()
        for narrowed in ({"date_sent_after": day}, {}):
            traced = await self._look(lost, narrowed)
            if not isinstance(traced, Absent):
                return traced
        return Absent()

    def read(self, hook: Hook, /) -> tuple[Receipt | Reply, ...]:
        """Verify ``X-Twilio-Signature`` and read. https://www.twilio.com/docs/usage/webhooks/webhooks-security."""
        form = self._verified(hook)
        if hook.kind == "status":
            return (self._receipt(form, hook.url),)
        if hook.kind == "inbound":
            return (_reply(form),)
        raise Unreadable(f"no hook of the kind {hook.kind}")

    async def close(self) -> None:
        """Let go of connections."""
        await self._transport.close()

    async def _look(self, lost: Lost, narrowed: Mapping[str, str]) -> Traced:
        # Twilio tells instants in whole seconds.
        not_before = lost.not_before.replace(microsecond=0)
        seen = 0
        candidates: list[Any] = []
        try:
            stream = await self._client.messages.stream_async(
                to=lost.to, limit=FIND_MESSAGES_MAX, page_size=FIND_PAGE, **narrowed
            )
            async for message in stream:
                seen += 1
                if _is(message, lost, not_before):
                    candidates.append(message)
        except _NotTakenError as ending:
            return CannotTell(reason=ending.exchange.reason)
        except _NotCreatedError as ending:
            return CannotTell(reason=f"the list answered {ending.answered.status}")
        except (TwilioException, ValueError, TypeError, KeyError, AttributeError) as error:
            return CannotTell(reason=f"the list could not be read: {type(error).__name__}")
        if candidates:
            first = min(candidates, key=lambda message: (message.date_created, message.sid))
            return Found(provider_id=first.sid, provider_status=_matched(_STATUS_WORD, first.status))
        if seen >= FIND_MESSAGES_MAX:
            return CannotTell(reason="the list is longer than what is read of it")
        return Absent()

    def _verified(self, hook: Hook) -> MultiDict[str]:
        headers = {name.lower(): value for name, value in hook.headers.items()}
        signature = headers.get("x-twilio-signature", "")
        content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        if not signature.isascii() or content_type != "application/x-www-form-urlencoded":
            raise Forged("not signed as Twilio signs forms")
        try:
            form = MultiDict(
                parse_qsl(hook.body.decode(), keep_blank_values=True, errors="strict", max_num_fields=FORM_FIELDS_MAX)
            )
            # Twilio's own senders do not agree whether the port belongs to the signed address.
            parts = urlsplit(hook.url)
            urls = dict.fromkeys((hook.url, add_port(parts), remove_port(parts)))
        except ValueError:
            # Not a form or not an address, so there is nothing that could have been signed.
            raise Forged("not a form") from None
        genuine = any(
            hmac.compare_digest(validator.compute_signature(url, form), signature)
            for validator in self._validators
            for url in urls
        )
        if not genuine:
            raise Forged("signature does not fit")
        return form

    def _receipt(self, form: MultiDict[str], url: str) -> Receipt:
        # https://www.twilio.com/docs/messaging/guides/track-outbound-message-status
        sid = form.get("MessageSid", form.get("SmsSid", ""))
        word = form.get("MessageStatus", form.get("SmsStatus", ""))
        code = form.get("ErrorCode", "")
        if not _MESSAGE_SID.fullmatch(sid) or not _STATUS_WORD.fullmatch(word):
            raise Unreadable("no MessageSid or no MessageStatus")
        return Receipt(
            key=f"{sid}:{word}",
            kind=STATUSES.get(word, ReceiptKind.UNREADABLE),
            provider_status=word,
            attempt=self._attempt(url),
            provider_id=sid,
            error_code=code if _ERROR_CODE.fullmatch(code) and code != "0" else None,
            opted_out=code in OPTED_OUT,
            address_invalid=code in ADDRESS_INVALID,
        )

    def _attempt(self, url: str) -> UUID | None:
        query = dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
        if "a" not in query and "k" not in query:
            # A message of this account that did not come from us, or an address set in Twilio's console.
            return None
        attempt = attempt_marked(self._mark_secret, query.get("a", ""), query.get("k", ""))
        if attempt is None:
            # Whoever holds the auth token can sign for Twilio, but cannot mark for us.
            raise Forged("mark does not fit")
        return attempt


def _reply(form: MultiDict[str]) -> Reply:
    # https://www.twilio.com/docs/messaging/guides/webhook-request
    sid = form.get("MessageSid", form.get("SmsMessageSid", ""))
    sender, recipient = form.get("From", ""), form.get("To", "")
    if not _MESSAGE_SID.fullmatch(sid) or not _PARTY.fullmatch(sender) or not _PARTY.fullmatch(recipient):
        raise Unreadable("no MessageSid, From or To")
    media = [form[f"MediaUrl{index}"] for index in range(MEDIA_MAX) if f"MediaUrl{index}" in form]
    return Reply(
        key=sid,
        channel=Channel.SMS,
        sender=sender,
        recipient=recipient,
        # PostgreSQL has no text with NUL in it, and a NUL must not be what keeps a STOP from being heard.
        text=form.get("Body", "").replace("\x00", ""),
        provider_id=sid,
        media=tuple(media),
        # https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out: Twilio has already stopped sending to her.
        carrier_opt_out=form.get("OptOutType", "").upper() == "STOP",
    )


def _refused(answered: Answered) -> Outcome:
    """What a create that was answered, but not with a readable 2xx, means."""
    if 200 <= answered.status < 300:
        return Sent(provider_id=None)
    error = _object(answered) or {}
    code, message = error.get("code"), error.get("message")
    # https://www.twilio.com/docs/usage/twilios-response#response-formats-exceptions
    told = isinstance(code, int) and not isinstance(code, bool) and isinstance(message, str)
    if answered.status == 429 or (told and 400 <= answered.status < 500 and str(code) == THROTTLED):
        return NotSent(reason="throttled", retry_after_seconds=_retry_after(answered.headers))
    if told and 400 <= answered.status < 500 and answered.status not in _UNCERTAIN:
        return Rejected(
            code=str(code),
            reason=_without_person(str(message)),
            opted_out=str(code) in OPTED_OUT,
            address_invalid=str(code) in ADDRESS_INVALID,
        )
    return Unknown(reason=f"answered {answered.status}")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """RFC 9110 section 10.2.3: seconds, or a date, which is read against the answer's own ``Date``."""
    told = headers.get("Retry-After", "").strip()
    if told.isascii() and told.isdigit():
        return min(float(told[:9]), RETRY_AFTER_SECONDS_MAX)
    try:
        seconds = (parsedate_to_datetime(told) - parsedate_to_datetime(headers.get("Date", ""))).total_seconds()
    except (ValueError, TypeError):
        return None
    return min(max(seconds, 0.0), RETRY_AFTER_SECONDS_MAX)


def _is(message: Any, lost: Lost, not_before: datetime) -> bool:
    return (
        isinstance(message.sid, str)
        and message.sid not in lost.taken
        and message.to == lost.to
        and message.body in (lost.text, _TRIAL + lost.text)
        and message.direction != "inbound"
        and message.date_created is not None
        and not_before <= message.date_created <= lost.not_after
    )


def _object(answered: Answered) -> dict[str, Any] | None:
    if answered.body is None:
        return None
    try:
        read = json.loads(answered.body.decode())
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) else None


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _matched(pattern: re.Pattern[str], value: object) -> str | None:
    return value if isinstance(value, str) and pattern.fullmatch(value) else None


def _count(value: object) -> int | None:
    # Sent through a Messaging Service, the number of segments is "0" until a sender is chosen.
    text = str(value)
    return int(text) or None if text.isascii() and text.isdigit() and len(text) < 4 else None


def _without_person(message: str) -> str:
    return _UNPRINTABLE.sub(" ", _NUMBER.sub("(number)", message))[:REASON_CHARACTERS_MAX]


def _build(name: str, table: Mapping[str, object], mark_secret: bytes) -> TwilioSms:
    return TwilioSms(name, settings(name, table), mark_secret, Transport())


SPEC: Final = Spec(kind="twilio", channel=Channel.SMS, hooks=frozenset({"status", "inbound"}), build=_build)

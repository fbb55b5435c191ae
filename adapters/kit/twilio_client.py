"""Twilio's official package over our one transport: an account, one POST that creates a message, its list, and what refusals mean."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final, TypeAlias
from urllib.parse import quote_plus, urlencode, urlsplit, urlunsplit

import aiohttp
from twilio.base.exceptions import TwilioException
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from adapters.kit.media import Store
from adapters.kit.retry import retry_after
from adapters.kit.settings import Table
from adapters.kit.transport import Answered, Exchange, MayHaveLeft, NothingLeft, Transport
from vocabulary.outcome import (
    About,
    Absent,
    Bill,
    CannotTell,
    Found,
    Lost,
    NotSent,
    Outcome,
    Rejected,
    Sent,
    Traced,
    Unknown,
)

BASE_URL: Final = "https://api.twilio.com"
_FORM: Final = "application/x-www-form-urlencoded"

#: https://www.twilio.com/docs/api/errors/20429
THROTTLED: Final = "20429"

#: https://www.twilio.com/docs/api/errors/90007
VALIDITY_SECONDS_MIN: Final = 1
VALIDITY_SECONDS_MAX: Final = 36_000

#: 408 and 409 may stand for a message that was taken; every other 4xx with Twilio's own error is its word.
_UNCERTAIN: Final = frozenset({408, 409})
_CREDENTIALS: Final = frozenset({401, 403})
#: What people sent us, of one number in one look.
PULL_MESSAGES_MAX: Final = 2_000

#: From so many of one day on, the day's list is read: one call each would be dearer. Pages are no larger than their texts allow.
LISTED_FROM: Final = 20
BILLS_PAGE: Final = 200
#: So much of a day's list is read at the most. It begins with the newest, and what is asked about is a quarter of an hour old.
BILLS_LISTED_MAX: Final = 100_000
#: A page is read where it may spare so many calls: in vain, it costs as much as they would.
SPARED_BY_PAGE: Final = 4
BILLS_AT_ONCE: Final = 8

FIND_MESSAGES_MAX: Final = 1_000
FIND_PAGE: Final = 100
REASON_CHARACTERS_MAX: Final = 200

# Twilio puts this before every text while an account is on trial.
_TRIAL: Final = "Sent from your Twilio trial account - "

_ACCOUNT: Final = re.compile(r"AC[0-9A-Za-z]{1,64}")
MESSAGE_SID: Final = re.compile(r"(?:SM|MM)[0-9a-f]{32}")
STATUS_WORD: Final = re.compile(r"[a-z_-]{1,32}")
# Twilio's error texts repeat the number; reasons are kept and shown where no number may stand.
_NUMBER: Final = re.compile(r"\+?[0-9][0-9 ()\-]{4,}[0-9]")
_PRICE: Final = re.compile(r"-?[0-9]{1,9}(?:\.[0-9]{1,9})?")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")

# The package logs whole requests; this logger is never given to anyone, and nothing here calls it.
_SILENT: Final = logging.Logger("adapters.kit.twilio.silent", level=logging.CRITICAL + 1)


#: What a message is created from, in the names of Twilio's form: each has one value.
Form: TypeAlias = dict[str, str | int]
#: What each byte of a text is in a form (https://url.spec.whatwg.org/#concept-urlencoded-serializer, as urllib does it).
_IN_FORMS: Final = {byte: quote_plus(bytes([byte])) for byte in range(256)}


def in_form(text: str) -> str:
    """As ``urllib.parse.quote_plus`` in half of its time: every text of every message comes by."""
    return text.encode().decode("latin-1").translate(_IN_FORMS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who we are at Twilio.

    ``auth_token`` verifies hooks; REST uses ``api_key`` and ``api_secret`` where given, so that the one secret that can
    forge hooks need not travel. ``auth_token_secondary`` is accepted on hooks while the token is being changed.
    """

    account_sid: str
    auth_token: str = field(repr=False)
    auth_token_secondary: str | None = field(default=None, repr=False)
    api_key: str | None = field(default=None, repr=False)
    api_secret: str | None = field(default=None, repr=False)
    base_url: str = BASE_URL

    @property
    def tokens(self) -> tuple[str, ...]:
        """What hooks may be signed with."""
        return tuple(filter(None, (self.auth_token, self.auth_token_secondary)))


def read_account(asked: Table) -> Account:
    """Take an account's settings out of a table; raises ``SettingsError``, which names the setting and never its value."""
    read = Account(
        account_sid=asked.text("account_sid"),
        auth_token=asked.text("auth_token"),
        auth_token_secondary=asked.text_or_none("auth_token_secondary"),
        api_key=asked.text_or_none("api_key"),
        api_secret=asked.text_or_none("api_secret"),
        base_url=asked.base_url("base_url", BASE_URL),
    )
    if not _ACCOUNT.fullmatch(read.account_sid):
        raise asked.wrong("account_sid", "must begin with AC")
    if (read.api_key is None) != (read.api_secret is None):
        raise asked.wrong("api_key", "and api_secret are given together or not at all")
    return read


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """What Twilio's error numbers mean on one channel. ``rests``: not taken now, and for how many seconds at the least."""

    opted_out: frozenset[str]
    address_invalid: frozenset[str]
    rests: Mapping[str, float] = field(default_factory=dict)


class NotTakenError(Exception):
    """Carries an ending through the official package, which knows only answers."""

    def __init__(self, exchange: NothingLeft | MayHaveLeft) -> None:
        super().__init__(exchange.reason)
        self.exchange = exchange


class NotCreatedError(Exception):
    """An answer that is not a readable 2xx, as the package would hide its status and its headers from us."""

    def __init__(self, answered: Answered) -> None:
        super().__init__(f"status {answered.status}")
        self.answered = answered


class _OverTransport(AsyncHttpClient):  # type: ignore[misc] # the package is published without types
    """The package's own port for HTTP, met by our one transport. It never retries and never logs."""

    def __init__(self, transport: Transport, account: Account) -> None:
        super().__init__(_SILENT, True, None)
        self._transport = transport
        self._base = urlsplit(account.base_url)
        self._messages = f"{account.base_url}/2010-04-01/Accounts/{account.account_sid}/Messages.json"
        self._headers: Mapping[str, str] = {}

    def prepared(self, headers: Mapping[str, str], auth: tuple[str, str]) -> None:
        """What goes with every message that is created: the package's own headers, and who we are."""
        self._headers = {**headers, "Authorization": aiohttp.encode_basic_auth(*auth)}

    async def create(self, form: Form) -> Exchange:
        """One POST of a form to the account's messages, with one try."""
        body = "&".join([f"{name}={in_form(str(value))}" for name, value in form.items()]).encode("ascii")
        return await self._transport.exchange("POST", self._messages, headers=self._headers, body=body)

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
        """Make one call; raises ``NotTakenError`` or ``NotCreatedError``, returns only 2xx with a JSON object."""
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
            raise NotTakenError(exchange)
        if not 200 <= exchange.status < 300 or _object(exchange) is None:
            raise NotCreatedError(exchange)
        assert exchange.body is not None
        return Response(exchange.status, exchange.body.decode(), exchange.headers)


def client(account: Account, transport: Transport) -> Client:
    """The package's client for one account; opens nothing."""
    user, password = account.api_key or account.account_sid, account.api_secret or account.auth_token
    over = _OverTransport(transport, account)
    made = Client(user, password, account.account_sid, http_client=over)
    over.prepared(made.get_headers("POST", {"Content-Type": _FORM, "Accept": "application/json"}), (user, password))
    # Imports the package's resources now, half a second of them, and not while the first message waits.
    _ = made.messages
    return made


def media_store(account: Account) -> Store:
    """Where what people send is kept: the API, which sends on to Twilio's own storage."""
    key, secret = account.api_key or account.account_sid, account.api_secret or account.auth_token
    return Store(
        base_url=account.base_url,
        domains=("twilio.com", "twiliocdn.com"),
        headers={"Authorization": aiohttp.encode_basic_auth(key, secret)},
    )


async def create(over: Client, asked: Form, refusals: Refusals) -> Outcome:
    """Create one message with one POST, ``asked`` in the names of Twilio's form.

    https://www.twilio.com/docs/messaging/api/message-resource#create-a-message. The form goes straight to the transport: every
    message comes this way, and the package's own path from its arguments to the same form costs half as much as the call.
    """
    exchange = await over.http_client.create(asked)
    if isinstance(exchange, NothingLeft):
        return NotSent(reason=exchange.reason)
    if isinstance(exchange, MayHaveLeft):
        return Unknown(reason=exchange.reason)
    created = _object(exchange) if 200 <= exchange.status < 300 else None
    if created is None:
        return refused(exchange, refusals)
    return Sent(
        provider_id=matched(MESSAGE_SID, created.get("sid")),
        provider_status=matched(STATUS_WORD, created.get("status")),
        segments=_count(created.get("num_segments")),
    )


def of_text(lost: Lost) -> Callable[[Any], bool]:
    """Whether a message of the list has the lost one's text."""
    texts = (lost.text, _TRIAL + lost.text)
    return lambda message: message.body in texts


async def find(over: Client, lost: Lost, to: str, same: Callable[[Any], bool], *, words_kept: bool = True) -> Traced:
    """Look in Twilio's list for a message to ``to`` that is the ``same``, created in that span, that is nobody else's.

    Asked first by day of sending, then, since a message that still waits has no such day, by number alone. Where the list
    may tell other words than were handed over (not ``words_kept``), nobody's message that says something else leaves it open.
    """
    day = lost.not_before.astimezone(UTC).date().isoformat()
    for narrowed in ({"date_sent_after": day}, {}):
        traced = await _look(over, lost, to, same, narrowed, words_kept)
        if not isinstance(traced, Absent):
            return traced
    return Absent()


async def _look(
    over: Client, lost: Lost, to: str, same: Callable[[Any], bool], narrowed: Mapping[str, str], words_kept: bool
) -> Traced:
    # Twilio tells instants in whole seconds.
    not_before = lost.not_before.replace(microsecond=0)
    seen = strangers = 0
    candidates: list[Any] = []
    try:
        stream = await over.messages.stream_async(to=to, limit=FIND_MESSAGES_MAX, page_size=FIND_PAGE, **narrowed)
        async for message in stream:
            seen += 1
            if (
                isinstance(message.sid, str)
                and message.sid not in lost.taken
                and message.to == to
                and message.direction != "inbound"
                and message.date_created is not None
                and not_before <= message.date_created <= lost.not_after
            ):
                if same(message):
                    candidates.append(message)
                else:
                    strangers += 1
    except NotTakenError as ending:
        return CannotTell(reason=ending.exchange.reason)
    except NotCreatedError as ending:
        return CannotTell(reason=f"the list answered {ending.answered.status}")
    except (TwilioException, ValueError, TypeError, KeyError, AttributeError) as error:
        return CannotTell(reason=f"the list could not be read: {type(error).__name__}")
    if candidates:
        first = min(candidates, key=lambda message: (message.date_created, message.sid))
        return Found(provider_id=first.sid, provider_status=matched(STATUS_WORD, first.status))
    if strangers and not words_kept:
        return CannotTell(reason="a message to that number in that span says something else")
    if seen >= FIND_MESSAGES_MAX:
        return CannotTell(reason="the list is longer than what is read of it")
    return Absent()


async def inbound(over: Client, to: str, since: datetime, until: datetime) -> list[Any] | CannotTell:
    """What people sent to one of our numbers in a span, by Twilio's list, whose filter knows whole days."""
    found: list[Any] = []
    try:
        stream = await over.messages.stream_async(
            to=to,
            date_sent_after=since.astimezone(UTC).date().isoformat(),
            limit=PULL_MESSAGES_MAX,
            page_size=FIND_PAGE,
        )
        async for message in stream:
            at = message.date_sent or message.date_created
            if message.direction == "inbound" and at is not None and since <= at <= until:
                found.append(message)
            elif at is not None and at < since:
                # Newest first: what follows is older still.
                break
    except NotTakenError as ending:
        return CannotTell(reason=ending.exchange.reason)
    except NotCreatedError as ending:
        return CannotTell(reason=f"the list answered {ending.answered.status}")
    except (TwilioException, ValueError, TypeError, KeyError, AttributeError) as error:
        return CannotTell(reason=f"the list could not be read: {type(error).__name__}")
    return found


async def message_bills(over: Client, asked: Mapping[str, datetime]) -> Mapping[str, Bill] | CannotTell:
    """What messages cost, by sid."""

    async def listed(day: date, limit: int) -> AsyncIterator[Any]:
        stream: AsyncIterator[Any] = await over.messages.stream_async(
            date_sent=day.isoformat(), limit=limit, page_size=BILLS_PAGE
        )
        return stream

    return await bills(asked, listed, lambda sid: over.messages(sid).fetch_async())


async def bills(
    asked: Mapping[str, datetime],
    listed: Callable[[date, int], Awaitable[AsyncIterator[Any]]],
    fetch: Callable[[str], Awaitable[Any]],
) -> Mapping[str, Bill] | CannotTell:
    """What messages or calls cost, by sid; ``price`` is null until Twilio has reckoned it, and then below zero.

    A day of which many are asked is read from its list; the others, and what the list of that day did not show, one by one. https://www.twilio.com/docs/messaging/api/message-resource#message-properties.
    """
    days: dict[date, set[str]] = {}
    for sid, at in asked.items():
        days.setdefault(at.astimezone(UTC).date(), set()).add(sid)
    found: dict[str, Bill] = {}
    try:
        for day, left in days.items():
            if len(left) >= LISTED_FROM:
                limit = min(BILLS_LISTED_MAX, BILLS_PAGE * (len(left) // SPARED_BY_PAGE))
                await _take_bills(listed(day, limit), left, found)
            singly = sorted(left)
            for start in range(0, len(singly), BILLS_AT_ONCE):
                some = singly[start : start + BILLS_AT_ONCE]
                for told in await asyncio.gather(*(_unless_gone(fetch(sid)) for sid in some)):
                    _note_bill(told, found)
    except NotTakenError as ending:
        return CannotTell(reason=ending.exchange.reason)
    except NotCreatedError as ending:
        return CannotTell(reason=f"a price was answered with {ending.answered.status}")
    except (TwilioException, ValueError, TypeError, KeyError, AttributeError) as error:
        return CannotTell(reason=f"a price could not be read: {type(error).__name__}")
    return found


async def _take_bills(listed: Awaitable[AsyncIterator[Any]], left: set[str], found: dict[str, Bill]) -> None:
    try:
        async for told in await listed:
            if told.sid in left:
                left.discard(told.sid)
                _note_bill(told, found)
                if not left:
                    return
    except NotCreatedError as ending:
        if not 200 <= ending.answered.status < 300:
            raise
        # A page whose texts are longer than what is read of an answer: who stands on it is asked for by name.


async def _unless_gone(fetched: Awaitable[Any]) -> Any:
    try:
        return await fetched
    except NotCreatedError as ending:
        if ending.answered.status == 404:
            return None  # deleted at Twilio: its price will not be told any more
        raise


def _note_bill(told: Any, found: dict[str, Bill]) -> None:
    if told is None or told.price is None:
        return
    amount, unit = str(told.price), str(told.price_unit).upper()
    if _PRICE.fullmatch(amount) and _CURRENCY.fullmatch(unit):
        found[told.sid] = Bill(abs(Decimal(amount)), unit)


def refused(answered: Answered, refusals: Refusals) -> Outcome:
    """What a create that was answered, but not with a readable 2xx, means."""
    if 200 <= answered.status < 300:
        return Sent(provider_id=None)
    error = _object(answered) or {}
    code, message = error.get("code"), error.get("message")
    # https://www.twilio.com/docs/usage/twilios-response#response-formats-exceptions
    told = isinstance(code, int) and not isinstance(code, bool) and isinstance(message, str)
    word = str(code)
    if answered.status == 429 or (told and 400 <= answered.status < 500 and word == THROTTLED):
        return NotSent(reason="throttled", retry_after_seconds=retry_after(answered.headers), about=About.PACE)
    if answered.status in _CREDENTIALS:
        # Not a word about the message: a token that was changed, an account that is suspended. Nothing was taken, and what
        # waits must not fail for what the operator mends.
        return NotSent(reason=f"our account is refused: {answered.status}", about=About.ACCOUNT)
    if told and 400 <= answered.status < 500 and answered.status not in _UNCERTAIN:
        if word in refusals.rests:
            asked = retry_after(answered.headers) or 0.0
            rest = max(asked, refusals.rests[word])
            return NotSent(reason=f"not taken now: {word}", retry_after_seconds=rest, about=About.PACE)
        return Rejected(
            code=word,
            reason=without_person(str(message)),
            opted_out=word in refusals.opted_out,
            address_invalid=word in refusals.address_invalid,
        )
    return Unknown(reason=f"answered {answered.status}")


def matched(pattern: re.Pattern[str], value: object) -> str | None:
    """A value of the form that is awaited, None for anything else."""
    return value if isinstance(value, str) and pattern.fullmatch(value) else None


def without_person(message: str) -> str:
    """A provider's own words without numbers, on one line, cut short."""
    return _UNPRINTABLE.sub(" ", _NUMBER.sub("(number)", message))[:REASON_CHARACTERS_MAX]


def _object(answered: Answered) -> dict[str, Any] | None:
    if answered.body is None:
        return None
    try:
        read = json.loads(answered.body.decode())
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) else None


def _count(value: object) -> int | None:
    # Sent through a Messaging Service, the number of segments is "0" until a sender is chosen.
    text = str(value)
    return int(text) or None if text.isascii() and text.isdigit() and len(text) < 4 else None

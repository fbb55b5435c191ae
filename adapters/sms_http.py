"""SMS by any aggregator that speaks HTTP, described by its table in ``tregua.toml`` alone: docs/channels/sms-http.md."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, quote, urlsplit
from uuid import UUID

import phonenumbers

from adapters.kit.calls import Call
from adapters.kit.discovery import Spec
from adapters.kit.documents import Document, Path, identifier, opened, scrubbed, told, wholesome, word
from adapters.kit.port import Forged, Hook, Unreadable
from adapters.kit.retry import retry_after, seconds_told
from adapters.kit.segments import quoted, segmented
from adapters.kit.signing import attempt_marked
from adapters.kit.templates import SECRETS
from adapters.kit.transport import Answered, Exchange, MayHaveLeft, NothingLeft, Transport
from adapters.sms_http_settings import ANY, Ending, Finding, Hooks, Inbound, Receipts, Settings, Told, settings
from vocabulary.channel import Channel
from vocabulary.outcome import (
    About,
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

__all__ = ["SPEC", "HttpSms", "settings"]

#: 4xx that may stand for a message that was taken all the same (RFC 9110 sections 15.5.9 and 15.5.10).
UNCERTAIN: Final = frozenset({408, 409})
#: The provider refuses us (RFC 9110 sections 15.5.2 and 15.5.4), where the table does not say otherwise.
CREDENTIALS: Final = frozenset({401, 403})
#: Receipts or replies that one hook may bring.
ITEMS_MAX: Final = 1_000

_PARTY: Final = re.compile(r"[\x21-\x7e]{1,64}")


class HttpSms:
    """One account at one aggregator."""

    def __init__(self, name: str, settings: Settings, mark_secret: bytes, transport: Transport) -> None:
        self._name = name
        self._settings = settings
        self._mark_secret = mark_secret
        self._transport = transport
        self._secrets = {SECRETS + name: value for name, value in settings.secrets.items()}

    def __repr__(self) -> str:
        return f"HttpSms({self._name!r})"

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

    # Sending

    async def send(self, parcel: Parcel, /) -> Outcome:
        """Make the one call that the table describes, once."""
        if not _encodable(parcel.text):
            return Rejected(code="unencodable", reason="the text is not Unicode: it holds half of a surrogate pair")
        guard, encodings = self._settings.hooks and self._settings.hooks.guard, self._settings.encodings
        values = {
            "text": parcel.text,
            "validity_seconds": str(parcel.validity_seconds),
            "status_url": guard.marked(parcel.status_url) if guard else parcel.status_url,
        }
        if encodings is not None:
            values["encoding"] = encodings[segmented(parcel.text).encoding]
        exchange = await self._exchange(self._settings.send, parcel.attempt, parcel.to, values, once=True)
        match exchange:
            case NothingLeft():
                return NotSent(reason=exchange.reason)
            case MayHaveLeft():
                return Unknown(reason=exchange.reason)
            case Answered():
                return self._ending(exchange, parcel)

    def _ending(self, answered: Answered, parcel: Parcel) -> Outcome:
        """What an answer means: the provider's code where it may be believed, then the declared status, then caution."""
        answer, status = self._settings.answer, answered.status
        document = opened(answer.format, answered.body, answer.separator)
        code = word(document, answer.code)
        declared = answer.http.get(status)
        success = 200 <= status < 300
        ending = None
        if success or declared is not None or (400 <= status < 500 and status not in UNCERTAIN):
            ending = answer.codes.get(code, answer.codes.get(ANY)) if code is not None else None
        if ending is None and declared not in (None, Ending.BY_CODE):
            ending = declared
        if ending is None and success:
            # A 2xx is the word that it was taken, unless there is another word for that, and this is not it.
            worded = code is not None or Ending.SENT in answer.codes.values()
            ending = Ending.UNKNOWN if worded else Ending.SENT
        if ending is None and status in CREDENTIALS:
            # Nobody who is not let in has handed anything over; and what waits must not fail for what the operator mends.
            return NotSent(reason=f"our account is refused: {status}", about=About.ACCOUNT)
        if ending is None:
            ending = Ending.THROTTLED if status == 429 else Ending.UNKNOWN
        match ending:
            case Ending.SENT:
                parts = told(document, answer.segments) or ""
                return Sent(
                    provider_id=identifier(document, answer.id),
                    provider_status=word(document, answer.status),
                    segments=int(parts) or None if parts.isascii() and parts.isdigit() and len(parts) < 4 else None,
                )
            case Ending.THROTTLED:
                seconds = retry_after(answered.headers)
                if seconds is None:
                    seconds = seconds_told(told(document, answer.retry_after) or "")
                return NotSent(reason="throttled", retry_after_seconds=seconds, about=About.PACE)
            case Ending.NOT_SENT:
                return NotSent(reason=f"answered {status}, which is declared to mean that nothing was sent")
            case Ending.REJECTED | Ending.OPTED_OUT | Ending.ADDRESS_INVALID:
                # The provider's sentence stays out of this: it may repeat the text, the number or what we signed in with.
                said = None if code is None else scrubbed(code)
                return Rejected(
                    code=said or f"http-{status}",
                    reason=f"answered {status}" if said is None else f"answered {status} with the code {said}",
                    opted_out=ending is Ending.OPTED_OUT,
                    address_invalid=ending is Ending.ADDRESS_INVALID,
                )
            case Ending.UNKNOWN | Ending.BY_CODE:
                return Unknown(reason=f"answered {status}")

    # Looking up what was lost

    async def find(self, lost: Lost, /) -> Traced:
        """Ask each look-up of the table in turn, by our own id; without one nobody can tell."""
        if not self._settings.find:
            return CannotTell(reason="no look-up is configured for this way")
        for finding in self._settings.find:
            traced = await self._look(finding, lost)
            if not isinstance(traced, Absent):
                return traced
        return Absent()

    async def _look(self, finding: Finding, lost: Lost) -> Traced:
        exchange = await self._exchange(finding.call, lost.attempt, lost.to, {}, once=False)
        if not isinstance(exchange, Answered):
            return CannotTell(reason=exchange.reason)
        if exchange.status in finding.absent_http:
            return Absent()
        if not 200 <= exchange.status < 300:
            return CannotTell(reason=f"the look-up answered {exchange.status}")
        document = opened(finding.format, exchange.body, finding.separator)
        listed = [document] if finding.list is None else finding.list.found_in(document)
        if document is None or not isinstance(listed, list) or len(listed) > ITEMS_MAX:
            return CannotTell(reason="the look-up could not be read")
        ours = [item for item in listed if _is(item, finding, lost)]
        ids = [identifier(item, finding.id) for item in ours]
        for item, provider_id in zip(ours, ids, strict=True):
            if provider_id is not None and provider_id not in lost.taken:
                return Found(provider_id=provider_id, provider_status=word(item, finding.status))
        if None in ids or (finding.list is None and not ours):
            return CannotTell(reason="the look-up could not be read")
        return Absent()

    # Hooks

    def read(self, hook: Hook, /) -> tuple[Receipt | Reply, ...]:
        """Verify as the table says, tell receipts from replies, and read each that the hook brings."""
        hooks, receipts, inbound = self._settings.hooks, self._settings.receipts, self._settings.inbound
        if hooks is None or hook.method != "POST" or not hooks.guard.genuine(hook):
            raise Forged("not authenticated as this way is configured")
        place = f"/hooks/{quote(self._name, safe='')}" + ("" if hook.kind == "any" else f"/{hook.kind}")
        url = urlsplit(hook.url)
        if not url.path.endswith(place):
            # The signature does not cover the address, so nothing else may stand in it either.
            raise Forged("told at an address of nobody")
        marked = self._marked(url.query)
        document = opened(hooks.format, hook.body)
        kind = self._told(hook, hooks, document)
        if kind is Told.STATUS and receipts is not None:
            items = _items(document, receipts.list)
            return tuple(self._receipt(receipts, item, marked, len(items) == 1) for item in items)
        if kind is Told.INBOUND and inbound is not None:
            items = _items(document, inbound.list)
            return tuple(self._reply(inbound, item, len(items) == 1) for item in items)
        raise Unreadable("no table describes hooks of this kind")

    async def close(self) -> None:
        """Let go of connections."""
        await self._transport.close()

    def _told(self, hook: Hook, hooks: Hooks, document: Document) -> Told:
        """Whether it is a receipt or a person's words: by the field that tells, else by the address."""
        found = told(document, hooks.told_by) or ""
        by_field = hooks.told.get(found, hooks.told.get(ANY)) if document is not None else None
        match hook.kind:
            case Told.STATUS | Told.INBOUND:
                if by_field is not None and by_field is not Told(hook.kind):
                    raise Forged("told by its provider for another address")
                return Told(hook.kind)
            case "any" if by_field is not None:
                return by_field
            case "any" if hooks.told_by is None and (self._settings.receipts is None or self._settings.inbound is None):
                return Told.INBOUND if self._settings.receipts is None else Told.STATUS
        raise Unreadable("nothing tells whether it is a receipt or a person's words")

    def _marked(self, query: str) -> UUID | None:
        told = dict(parse_qsl(query, keep_blank_values=True))
        if "a" not in told and "k" not in told:
            return None
        attempt = attempt_marked(self._mark_secret, told.get("a", ""), told.get("k", ""))
        if attempt is None:
            raise Forged("mark does not fit")
        return attempt

    def _receipt(self, receipts: Receipts, item: Document, marked: UUID | None, alone: bool) -> Receipt:
        provider_id = identifier(item, receipts.id)
        named = _attempt(told(item, receipts.attempt))
        if marked is not None and alone:
            if named not in (None, marked):
                raise Forged("the mark is of another attempt")
            named = marked
        status = word(item, receipts.status)
        if status is None or (provider_id is None and named is None):
            return _odd(item, alone)
        code = word(item, receipts.error)
        return Receipt(
            key=f"{provider_id or (named and named.hex)}:{status}",
            kind=receipts.statuses.get(status, ReceiptKind.UNREADABLE),
            provider_status=scrubbed(status),
            attempt=named,
            provider_id=provider_id,
            error_code=scrubbed(code) if code is not None and code not in receipts.no_error else None,
            opted_out=bool({status, code} & receipts.opted_out),
            address_invalid=bool({status, code} & receipts.address_invalid),
        )

    def _reply(self, inbound: Inbound, item: Document, alone: bool) -> Reply | Receipt:
        sender, text = _party(told(item, inbound.sender), inbound.prefix), told(item, inbound.text)
        if sender is None or text is None:
            return _odd(item, alone)
        provider_id = identifier(item, inbound.id)
        if inbound.id is not None and provider_id is None:
            return _odd(item, alone)
        recipient = _party(told(item, inbound.recipient), "") or self._settings.sender or ""
        return Reply(
            key=provider_id or _digest(item),
            channel=Channel.SMS,
            sender=sender,
            recipient=recipient,
            text=wholesome(text),
            provider_id=provider_id,
        )

    async def _exchange(self, call: Call, attempt: UUID, to: str, more: Mapping[str, str], *, once: bool) -> Exchange:
        values = {
            **self._secrets,
            "id": attempt.hex,
            "from": self._settings.sender or "",
            "to": to,
            "to_digits": to.removeprefix("+"),
            "to_national": _national(to) if "to_national" in call.names else "",
            **more,
        }
        request = call.filled(values)
        return await self._transport.exchange(
            request.method,
            self._settings.base_url + request.target,
            headers=request.headers,
            body=request.body,
            once=once,
        )


def _is(item: Document, finding: Finding, lost: Lost) -> bool:
    return finding.attempt is None or _attempt(told(item, finding.attempt)) == lost.attempt


def _items(document: Document, path: Path | None) -> list[Document]:
    """What a hook brings, one by one. Raises ``Unreadable`` when there is nothing or more than anyone sends at once."""
    listed = [document] if path is None else path.found_in(document)
    if document is None or not isinstance(listed, list) or not 0 < len(listed) <= ITEMS_MAX:
        raise Unreadable("not what the table describes")
    return listed


def _odd(item: Document, alone: bool) -> Receipt:
    """Something of a hook that cannot be read: the whole hook when it is alone, else a receipt that is kept and says nothing.

    Among others it must not keep them from being heard: one of them may be a STOP.
    """
    if alone:
        raise Unreadable("not what the table describes")
    name = f"unreadable-{_digest(item)}"
    return Receipt(key=name, kind=ReceiptKind.UNREADABLE, provider_status="unreadable", provider_id=name)


def _digest(item: Document) -> str:
    """A name for what has none: a repeat of the very same has the same one."""
    return hashlib.sha256(json.dumps(item, sort_keys=True).encode()).hexdigest()


def _attempt(text: str | None) -> UUID | None:
    try:
        return UUID(hex=text) if text is not None and len(text) in (32, 36) else None
    except ValueError:
        return None


def _party(text: str | None, prefix: str) -> str | None:
    party = "".join((text or "").split())
    if party.isascii() and party.isdigit():
        party = prefix + party
    return party if _PARTY.fullmatch(party) else None


def _national(to: str) -> str:
    try:
        return phonenumbers.national_significant_number(phonenumbers.parse(to))
    except phonenumbers.NumberParseException:
        return to.removeprefix("+")


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _build(name: str, table: Mapping[str, object], mark_secret: bytes) -> HttpSms:
    return HttpSms(name, settings(name, table), mark_secret, Transport())


SPEC: Final = Spec(kind="sms_http", channel=Channel.SMS, hooks=frozenset({"status", "inbound", "any"}), build=_build)

"""WhatsApp by Twilio: free text while she speaks with us, approved templates otherwise, voice notes and read receipts."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from multidict import MultiDict

from adapters.kit import media, twilio_client, twilio_hooks
from adapters.kit.discovery import Spec
from adapters.kit.documents import encodable
from adapters.kit.port import Hook, Unreadable
from adapters.kit.settings import Table
from adapters.kit.transport import Transport
from adapters.kit.twilio_client import (
    MESSAGE_SID,
    VALIDITY_SECONDS_MAX,
    VALIDITY_SECONDS_MIN,
    Account,
    Form,
    Refusals,
    read_account,
)
from vocabulary.channel import Channel
from vocabulary.outcome import (
    Bill,
    CannotTell,
    Lost,
    Outcome,
    Parcel,
    Quote,
    Receipt,
    Registered,
    Rejected,
    Reply,
    Traced,
)

#: Before every address, ours and hers. https://www.twilio.com/docs/whatsapp/api#using-phone-numbers-with-whatsapp
PREFIX: Final = "whatsapp:"

#: https://www.twilio.com/docs/api/errors: she told Twilio to stop (21610), or blocked us on WhatsApp (63033).
OPTED_OUT: Final = frozenset({"21610", "63033"})

#: …/errors: it is no number at all. That nobody has WhatsApp there (63003, 63024) is not among them: the same number may be
#: good for a call and for an SMS. 63016 (no template outside the window), 63032 (WhatsApp keeps this one from her) and 63049
#: (one marketing template too many for her) say nothing about the number.
ADDRESS_INVALID: Final = frozenset({"21211", "21217"})

#: …/errors/63018: faster than the sender may, or the portfolio's people of today are used up. Seconds until it is tried again.
RESTS: Final[Mapping[str, float]] = {"63018": 60.0}

REFUSALS: Final = Refusals(opted_out=OPTED_OUT, address_invalid=ADDRESS_INVALID, rests=RESTS)

#: https://www.twilio.com/docs/content/content-types-overview
_CONTENT_SID: Final = re.compile(r"HX[0-9a-fA-F]{32}")
_PARTY: Final = re.compile(r"whatsapp:(\+[1-9][0-9]{6,14})")
#: https://www.twilio.com/docs/whatsapp/api: a WhatsApp text holds so many characters.
TEXT_CHARACTERS_MAX: Final = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``[providers.NAME] kind = "whatsapp_twilio"``; ``sender`` is E.164, without the prefix."""

    account: Account
    sender: str | None = None
    messaging_service_sid: str | None = None


def settings(provider: str, table: Mapping[str, object]) -> Settings:
    """Read the table of one provider; raises ``SettingsError``, which names the setting and never its value."""
    asked = Table(provider, table)
    read = Settings(
        account=read_account(asked),
        sender=asked.text_or_none("from"),
        messaging_service_sid=asked.text_or_none("messaging_service_sid"),
    )
    asked.done()
    if read.sender is None and read.messaging_service_sid is None:
        raise asked.wrong("from", "or messaging_service_sid is needed")
    if read.sender is not None and not _PARTY.fullmatch(PREFIX + read.sender):
        raise asked.wrong("from", "must be the number of the WhatsApp sender in E.164, without whatsapp: before it")
    return read


class TwilioWhatsApp:
    """One WhatsApp sender, or one Messaging Service with several, of one Twilio account."""

    def __init__(self, name: str, settings: Settings, mark_secret: bytes, transport: Transport) -> None:
        self._name = name
        self._settings = settings
        self._mark_secret = mark_secret
        self._transport = transport
        self._client = twilio_client.client(settings.account, transport)
        self._signatures = twilio_hooks.Signatures(settings.account.tokens)

    def __repr__(self) -> str:
        return f"TwilioWhatsApp({self._name!r})"

    @property
    def name(self) -> str:
        """The operator's name for this way."""
        return self._name

    @property
    def channel(self) -> Channel:
        """WhatsApp."""
        return Channel.WHATSAPP

    def quote(self, _to: str, _text: str, /) -> Quote | None:
        """WhatsApp has no segments, and its price hangs on who spoke last."""
        return None

    async def send(self, parcel: Parcel, /) -> Outcome:
        """Create one message with one POST: a template, a voice note or a text."""
        asked: Form = {
            "To": PREFIX + parcel.to,
            "StatusCallback": parcel.status_url,
            "ValidityPeriod": min(max(parcel.validity_seconds, VALIDITY_SECONDS_MIN), VALIDITY_SECONDS_MAX),
        }
        if self._settings.sender is not None:
            asked["From"] = PREFIX + self._settings.sender
        if self._settings.messaging_service_sid is not None:
            asked["MessagingServiceSid"] = self._settings.messaging_service_sid
        content = _content(parcel)
        if isinstance(content, Rejected):
            return content
        return await twilio_client.create(self._client, asked | content, REFUSALS)

    async def find(self, lost: Lost, /) -> Traced:
        """Look in Twilio's list for a message to her with that text; what a template says is written by Twilio there, not by us."""
        return await twilio_client.find(self._client, lost, PREFIX + lost.to, _same(lost), words_kept=False)

    async def billed(self, asked: Mapping[str, datetime], /) -> Mapping[str, Bill] | CannotTell:
        """What Twilio bills. Meets ``Bills``."""
        return await twilio_client.message_bills(self._client, asked)

    def read(self, hook: Hook, /) -> tuple[Receipt | Reply, ...]:
        """Verify ``X-Twilio-Signature`` and read."""
        form = self._signatures.verified(hook)
        if hook.kind == "status":
            attempt = twilio_hooks.attempt_in(hook.url, self._mark_secret)
            return (twilio_hooks.receipt(_told(form), attempt, OPTED_OUT, ADDRESS_INVALID),)
        if hook.kind == "inbound":
            return (_reply(form),)
        raise Unreadable(f"no hook of the kind {hook.kind}")

    async def fetch(self, reference: str, bytes_max: int, /) -> bytes | None:
        """What came with a message of hers. https://www.twilio.com/docs/messaging/api/media-resource."""
        return await media.fetch(twilio_client.media_store(self._settings.account), reference, bytes_max)

    async def close(self) -> None:
        """Let go of connections."""
        await self._transport.close()


def _content(parcel: Parcel) -> Form | Rejected:
    if parcel.template is not None:
        return _template(parcel.template)
    if parcel.note is not None:
        # WhatsApp shows OGG/Opus as a voice note; a voice note has no words beside it.
        return {"MediaUrl": parcel.note.url}
    if not parcel.text:
        return Rejected(code="empty", reason="neither a text nor a template nor a voice note")
    if not encodable(parcel.text):
        return Rejected(code="unencodable", reason="the text is not Unicode: it holds half of a surrogate pair")
    if len(parcel.text) > TEXT_CHARACTERS_MAX:
        return Rejected(code="too_long", reason=f"a WhatsApp text holds {TEXT_CHARACTERS_MAX} characters")
    return {"Body": parcel.text}


def _template(template: Registered) -> Form | Rejected:
    """https://www.twilio.com/docs/content/send-templates-created-with-the-content-template-builder."""
    if not _CONTENT_SID.fullmatch(template.reference):
        return Rejected(code="template", reason="the template has no ContentSid (HX…) at this provider")
    if not all(map(encodable, template.values)):
        return Rejected(code="unencodable", reason="a value is not Unicode: it holds half of a surrogate pair")
    if not all(value.strip() for value in template.values):
        return Rejected(code="template", reason="a value of the template is empty")
    asked: Form = {"ContentSid": template.reference}
    if template.values:
        numbered = {str(number): value for number, value in enumerate(template.values, 1)}
        asked["ContentVariables"] = json.dumps(numbered, ensure_ascii=False, separators=(",", ":"))
    return asked


def _same(lost: Lost) -> Callable[[Any], bool]:
    said = twilio_client.of_text(lost)
    if lost.text:
        return said
    # A recorded voice note says nothing in words: Twilio lists it without a body.
    return lambda message: not message.body and str(message.num_media) not in ("0", "None")


def _told(form: MultiDict[str]) -> MultiDict[str]:
    """A read receipt may name its event alone. https://www.twilio.com/docs/whatsapp/api#monitor-the-status-of-your-whatsapp-outbound-message."""
    if form.get("EventType", "") == "READ" and not form.get("MessageStatus"):
        form = MultiDict(form)
        form["MessageStatus"] = "read"
    return form


def _reply(form: MultiDict[str]) -> Reply:
    # https://www.twilio.com/docs/messaging/guides/webhook-request#whatsapp-specific-parameters
    sid = form.get("MessageSid", form.get("SmsMessageSid", ""))
    sender, recipient = _PARTY.fullmatch(form.get("From", "")), _PARTY.fullmatch(form.get("To", ""))
    if not MESSAGE_SID.fullmatch(sid) or sender is None or recipient is None:
        raise Unreadable("no MessageSid, From or To")
    # What a quick reply shows stands in Body too, except where an older template sends the button alone.
    words = form.get("Body") or form.get("ButtonText") or form.get("ButtonPayload") or ""
    return Reply(
        key=sid,
        channel=Channel.WHATSAPP,
        sender=sender[1],
        recipient=recipient[1],
        # PostgreSQL has no text with NUL in it, and a NUL must not be what keeps a STOP from being heard.
        text=words.replace("\x00", ""),
        provider_id=sid,
        media=twilio_hooks.media_in(form),
        # https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out: Twilio has already stopped sending to her.
        carrier_opt_out=form.get("OptOutType", "").upper() == "STOP",
    )


def _build(name: str, table: Mapping[str, object], mark_secret: bytes) -> TwilioWhatsApp:
    return TwilioWhatsApp(name, settings(name, table), mark_secret, Transport())


SPEC: Final = Spec(
    kind="whatsapp_twilio", channel=Channel.WHATSAPP, hooks=frozenset({"status", "inbound"}), build=_build
)

"""SMS by Twilio Programmable Messaging: the official package over our one transport, and the hooks that Twilio signs."""

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from multidict import MultiDict

from adapters.kit import media, twilio_client, twilio_hooks
from adapters.kit.discovery import Spec
from adapters.kit.documents import encodable
from adapters.kit.port import Hook, Unreadable
from adapters.kit.segments import quoted
from adapters.kit.senders import sender_for
from adapters.kit.settings import Prices, Table
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
from vocabulary.outcome import Bill, CannotTell, Lost, Outcome, Parcel, Quote, Receipt, Rejected, Reply, Traced

#: https://www.twilio.com/docs/api/errors/21610: the person told Twilio or the carrier to stop.
OPTED_OUT: Final = frozenset({"21610"})

#: https://www.twilio.com/docs/api/errors: the number is not one, or can never receive an SMS. Codes that speak of the
#: pair of numbers (21612), of permissions (21408) or of a phone that is switched off (30003) are not here.
ADDRESS_INVALID: Final = frozenset({"21211", "21214", "21217", "21614", "21635", "30005", "30006"})

_REFUSALS: Final = Refusals(opted_out=OPTED_OUT, address_invalid=ADDRESS_INVALID)

SENDERS_MAX: Final = 100
SENDER_CHARACTERS_MAX: Final = 64
_PARTY: Final = re.compile(r"[\x21-\x7e][\x20-\x7e]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``[providers.NAME] kind = "twilio"``."""

    account: Account
    #: Our numbers; each person is always written to from the same one.
    senders: tuple[str, ...] = ()
    messaging_service_sid: str | None = None
    prices: Prices | None = None


def settings(provider: str, table: Mapping[str, object]) -> Settings:
    """Read the table of one provider; raises ``SettingsError``, which names the setting and never its value."""
    asked = Table(provider, table)
    read = Settings(
        account=read_account(asked),
        senders=_senders(asked),
        messaging_service_sid=asked.text_or_none("messaging_service_sid"),
        prices=asked.prices("prices"),
    )
    asked.done()
    if not read.senders and read.messaging_service_sid is None:
        raise asked.wrong("from", "or senders or messaging_service_sid is needed")
    return read


def _senders(asked: Table) -> tuple[str, ...]:
    one, many = (
        asked.text_or_none("from"),
        asked.labels("senders", most=SENDERS_MAX, characters_max=SENDER_CHARACTERS_MAX),
    )
    if one is not None and many:
        raise asked.wrong("from", "and senders are not given together")
    return tuple(dict.fromkeys(many)) if one is None else (one,)


class TwilioSms:
    """One Twilio account or subaccount with its senders. Also meets ``Pulls``."""

    def __init__(self, name: str, settings: Settings, mark_secret: bytes, transport: Transport) -> None:
        self._name = name
        self._settings = settings
        self._mark_secret = mark_secret
        self._transport = transport
        self._client = twilio_client.client(settings.account, transport)
        self._signatures = twilio_hooks.Signatures(settings.account.tokens)

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

    def sender(self, to: str, /) -> str | None:
        """Always the same for the same person. Meets ``HasSenders``."""
        senders = self._settings.senders
        return sender_for(senders, to) if senders else None

    async def send(self, parcel: Parcel, /) -> Outcome:
        """Create one message with one POST."""
        if not encodable(parcel.text):
            return Rejected(code="unencodable", reason="the text is not Unicode: it holds half of a surrogate pair")
        sender = self.sender(parcel.to)
        service = self._settings.messaging_service_sid
        asked: Form = {
            "To": parcel.to,
            "Body": parcel.text,
            "StatusCallback": parcel.status_url,
            "ValidityPeriod": min(max(parcel.validity_seconds, VALIDITY_SECONDS_MIN), VALIDITY_SECONDS_MAX),
        }
        if sender is not None:
            asked["From"] = sender
        if service is not None:
            asked["MessagingServiceSid"] = service
        return await twilio_client.create(self._client, asked, _REFUSALS)

    async def find(self, lost: Lost, /) -> Traced:
        """Look in Twilio's list for a message to that number, with that text, created in that span, that is nobody else's."""
        return await twilio_client.find(self._client, lost, lost.to, twilio_client.of_text(lost))

    async def billed(self, asked: Mapping[str, datetime], /) -> Mapping[str, Bill] | CannotTell:
        """What Twilio bills. Meets ``Bills``."""
        return await twilio_client.message_bills(self._client, asked)

    def read(self, hook: Hook, /) -> tuple[Receipt | Reply, ...]:
        """Verify ``X-Twilio-Signature`` and read."""
        form = self._signatures.verified(hook)
        if hook.kind == "status":
            attempt = twilio_hooks.attempt_in(hook.url, self._mark_secret)
            return (twilio_hooks.receipt(form, attempt, OPTED_OUT, ADDRESS_INVALID),)
        if hook.kind == "inbound":
            return (_reply(form),)
        raise Unreadable(f"no hook of the kind {hook.kind}")

    async def pulled(self, since: datetime, until: datetime, /) -> tuple[Reply, ...] | CannotTell:
        """What people sent to our numbers. A messaging service alone does not tell which numbers are ours."""
        if not self._settings.senders:
            return CannotTell(reason="senders are not named")
        found: list[Reply] = []
        for sender in self._settings.senders:
            listed = await twilio_client.inbound(self._client, sender, since, until)
            if isinstance(listed, CannotTell):
                return listed
            # As its hook would have said it; what is not of that form is nobody's.
            for message in listed:
                form = {"MessageSid": message.sid, "From": message.from_, "To": message.to, "Body": message.body}
                with contextlib.suppress(Unreadable):
                    found.append(_reply(MultiDict({name: str(value or "") for name, value in form.items()})))
        return tuple(found)

    async def fetch(self, reference: str, bytes_max: int, /) -> bytes | None:
        """What came with a message of hers. https://www.twilio.com/docs/messaging/api/media-resource."""
        return await media.fetch(twilio_client.media_store(self._settings.account), reference, bytes_max)

    async def close(self) -> None:
        """Let go of connections."""
        await self._transport.close()


def _reply(form: MultiDict[str]) -> Reply:
    # https://www.twilio.com/docs/messaging/guides/webhook-request
    sid = form.get("MessageSid", form.get("SmsMessageSid", ""))
    sender, recipient = form.get("From", ""), form.get("To", "")
    if not MESSAGE_SID.fullmatch(sid) or not _PARTY.fullmatch(sender) or not _PARTY.fullmatch(recipient):
        raise Unreadable("no MessageSid, From or To")
    return Reply(
        key=sid,
        channel=Channel.SMS,
        sender=sender,
        recipient=recipient,
        # PostgreSQL has no text with NUL in it, and a NUL must not be what keeps a STOP from being heard.
        text=form.get("Body", "").replace("\x00", ""),
        provider_id=sid,
        media=twilio_hooks.media_in(form),
        # https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out: Twilio has already stopped sending to her.
        carrier_opt_out=form.get("OptOutType", "").upper() == "STOP",
    )


def _build(name: str, table: Mapping[str, object], mark_secret: bytes) -> TwilioSms:
    return TwilioSms(name, settings(name, table), mark_secret, Transport())


SPEC: Final = Spec(kind="twilio", channel=Channel.SMS, hooks=frozenset({"status", "inbound"}), build=_build)

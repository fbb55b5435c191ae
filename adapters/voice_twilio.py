"""Calls by Twilio Programmable Voice: a note is played, keys answer it, and how the call ended is told in our words."""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from multidict import MultiDict
from twilio.base.exceptions import TwilioException

from adapters.kit import twilio_calls, twilio_client, twilio_hooks
from adapters.kit.discovery import Spec
from adapters.kit.documents import encodable
from adapters.kit.port import Hook, Unreadable
from adapters.kit.settings import Prices, Table
from adapters.kit.transport import NothingLeft, Transport
from adapters.kit.twilio_calls import PRESSES_MAX, TWIML_CHARACTERS_MAX, WORDS, Key, Turn
from adapters.kit.twilio_client import (
    FIND_MESSAGES_MAX,
    FIND_PAGE,
    STATUS_WORD,
    Account,
    NotCreatedError,
    NotTakenError,
    Refusals,
    read_account,
)
from vocabulary.channel import Channel
from vocabulary.event import ContactOutcome
from vocabulary.outcome import (
    Absent,
    Bill,
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

#: https://www.twilio.com/docs/voice/api/call-resource#call-status-values. ``initiated`` is the event of the queue's end.
STATUSES: Final[Mapping[str, ReceiptKind]] = {
    "queued": ReceiptKind.ACCEPTED,
    "initiated": ReceiptKind.ACCEPTED,
    "ringing": ReceiptKind.SENT,
    "in-progress": ReceiptKind.SENT,
    "completed": ReceiptKind.DELIVERED,
    "busy": ReceiptKind.UNDELIVERED,
    "no-answer": ReceiptKind.UNDELIVERED,
    "failed": ReceiptKind.FAILED,
    "canceled": ReceiptKind.FAILED,
}

#: The same words as laws count calls; ``completed`` as far as nothing is known of who answered.
RESULTS: Final[Mapping[str, ContactOutcome]] = {
    "in-progress": ContactOutcome.CONNECTED,
    "completed": ContactOutcome.CONNECTED,
    "busy": ContactOutcome.NOT_CONNECTED,
    "no-answer": ContactOutcome.NO_ANSWER,
    "failed": ContactOutcome.NOT_CONNECTED,
    "canceled": ContactOutcome.NOT_CONNECTED,
}

#: https://www.twilio.com/docs/voice/answering-machine-detection#answeredby. With ``DetectMessageEnd`` our words begin after the
#: machine's own: then a message was left. ``machine_start`` says only that there is one.
ANSWERED_BY: Final[Mapping[str, ContactOutcome]] = {
    "machine_end_beep": ContactOutcome.VOICEMAIL_LEFT,
    "machine_end_silence": ContactOutcome.VOICEMAIL_LEFT,
    "machine_end_other": ContactOutcome.VOICEMAIL_LEFT,
    "machine_start": ContactOutcome.VOICEMAIL_REACHED,
    "fax": ContactOutcome.NOT_CONNECTED,
}

#: https://www.twilio.com/docs/api/errors. Calls have no such word of their own; a subaccount with keyword handling may say it.
OPTED_OUT: Final = frozenset({"21610"})
#: Not a number that can be called: https://www.twilio.com/docs/api/errors/13224, …/21211, …/21214, …/21217.
ADDRESS_INVALID: Final = frozenset({"13224", "21211", "21214", "21217"})
_REFUSALS: Final = Refusals(opted_out=OPTED_OUT, address_invalid=ADDRESS_INVALID)

#: How long a call rings; Twilio adds up to 5 s. 25 s keep most answering machines out.
RING_SECONDS: Final = 25
RING_SECONDS_MAX: Final = 600
#: The longest call: a note, its menu, and all the repeats there are.
CALL_SECONDS_MAX: Final = 900
DETECTION: Final[Mapping[str, str | None]] = {"message end": "DetectMessageEnd", "off": None}
#: A spoken text's characters a second, and the seconds of the menu; calls are billed by begun minutes.
CHARACTERS_A_SECOND: Final = 14
MENU_SECONDS: Final = 15

_CALL_SID: Final = re.compile(r"CA[0-9a-f]{32}")
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_PARTY: Final = re.compile(r"[\x21-\x7e][\x20-\x7e]{0,63}")
_SIP: Final = re.compile(r"[1-6][0-9]{2}")
_NAME_CHARACTERS_MAX: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``[providers.NAME] kind = "twilio_voice"``. ``caller`` is the name that calls are made in; ``hears``: she may speak, too."""

    account: Account
    sender: str
    caller: str | None = None
    language: str = twilio_calls.LANGUAGE_DEFAULT
    detection: str | None = "DetectMessageEnd"
    ring_seconds: int = RING_SECONDS
    hears: bool = True
    prices: Prices | None = None


def settings(provider: str, table: Mapping[str, object]) -> Settings:
    """Read the table of one provider; raises ``SettingsError``, which names the setting and never its value."""
    asked = Table(provider, table)
    account = read_account(asked)
    sender = asked.text("from")
    caller = asked.text_or_none("caller")
    language = asked.text_or_none("language") or twilio_calls.LANGUAGE_DEFAULT
    detection = asked.text_or_none("machine_detection") or "message end"
    ring = asked.text_or_none("ring_seconds") or str(RING_SECONDS)
    answers = asked.text_or_none("answers") or "keys and words"
    prices = asked.prices("prices")
    asked.done()
    if not _E164.fullmatch(sender):
        raise asked.wrong("from", "must be a number in E.164, such as +573001234567")
    if caller is not None and len(caller) > _NAME_CHARACTERS_MAX:
        raise asked.wrong("caller", f"must have at most {_NAME_CHARACTERS_MAX} characters")
    if language not in WORDS:
        raise asked.wrong("language", f"must be one of {', '.join(WORDS)}")
    if detection not in DETECTION:
        raise asked.wrong("machine_detection", f"must be one of {', '.join(DETECTION)}")
    if not (ring.isascii() and ring.isdecimal() and 5 <= int(ring[:9]) <= RING_SECONDS_MAX):
        raise asked.wrong("ring_seconds", f'must be seconds from 5 to {RING_SECONDS_MAX}, as in "25"')
    if answers not in ("keys", "keys and words"):
        raise asked.wrong("answers", "must be keys or keys and words")
    return Settings(
        account=account,
        sender=sender,
        caller=caller,
        language=language,
        detection=DETECTION[detection],
        ring_seconds=int(ring),
        hears=answers == "keys and words",
        prices=prices,
    )


class TwilioVoice:
    """One Twilio account or subaccount with one number that calls."""

    def __init__(self, name: str, settings: Settings, mark_secret: bytes, transport: Transport) -> None:
        self._name = name
        self._settings = settings
        self._mark_secret = mark_secret
        self._transport = transport
        self._client = twilio_client.client(settings.account, transport)
        _ = self._client.calls
        self._signatures = twilio_hooks.Signatures(settings.account.tokens)

    def __repr__(self) -> str:
        return f"TwilioVoice({self._name!r})"

    @property
    def name(self) -> str:
        """The operator's name for this way."""
        return self._name

    @property
    def channel(self) -> Channel:
        """Voice."""
        return Channel.VOICE

    def quote(self, to: str, text: str, /) -> Quote:
        """Begun minutes of a call that is heard to its end, and the operator's price for a minute to the number's prefix."""
        minutes = -(-(len(text) // CHARACTERS_A_SECOND + MENU_SECONDS) // 60)
        prices = self._settings.prices
        amount = prices.amount(to, minutes) if prices else None
        return Quote(
            segments=minutes,
            encoding="minutes",
            amount=None if amount is None else f"{amount:.4f}",
            currency=prices.currency if prices and amount is not None else None,
        )

    async def send(self, parcel: Parcel, /) -> Outcome:
        """Create one call with one POST. https://www.twilio.com/docs/voice/api/call-resource#create-a-call-resource."""
        if not encodable(parcel.text):
            return Rejected(code="unencodable", reason="the text is not Unicode: it holds half of a surrogate pair")
        if parcel.note is None and not parcel.text:
            return Rejected(code="silent", reason="there is neither a note nor a text")
        document = self._document(parcel)
        if len(document) > TWIML_CHARACTERS_MAX:
            return Rejected(code="too_long", reason="the text is too long to be spoken in a call")
        asked: dict[str, object] = {
            "to": parcel.to,
            "from_": self._settings.sender,
            "twiml": document,
            "status_callback": parcel.status_url,
            "status_callback_event": ["initiated", "ringing", "answered", "completed"],
            "timeout": self._settings.ring_seconds,
            "time_limit": CALL_SECONDS_MAX,
        }
        if self._settings.detection is not None:
            asked["machine_detection"] = self._settings.detection
        try:
            created = await self._client.calls.create_async(**asked)
        except NotTakenError as ending:
            if isinstance(ending.exchange, NothingLeft):
                return NotSent(reason=ending.exchange.reason)
            return Unknown(reason=ending.exchange.reason)
        except NotCreatedError as ending:
            return twilio_client.refused(ending.answered, _REFUSALS)
        except Exception as error:
            # The package choked on a 2xx, or we on our own bug: looking it up tells the two apart, calling again would not.
            return Unknown(reason=f"answer not understood: {type(error).__name__}")
        return Sent(
            provider_id=twilio_client.matched(_CALL_SID, created.sid),
            provider_status=twilio_client.matched(STATUS_WORD, created.status),
        )

    async def find(self, lost: Lost, /) -> Traced:
        """Look in Twilio's list for a call to that number, created in that span, that is nobody else's.

        A call keeps no words; the span and our own number are what tells it from others.
        """
        day = lost.not_before.replace(hour=0, minute=0, second=0, microsecond=0)
        for narrowed in ({"start_time_after": day}, {}):
            traced = await self._look(lost, narrowed)
            if not isinstance(traced, Absent):
                return traced
        return Absent()

    async def billed(self, asked: Mapping[str, datetime], /) -> Mapping[str, Bill] | CannotTell:
        """What Twilio bills for calls. Meets ``Bills``."""

        async def listed(day: date, limit: int) -> AsyncIterator[Any]:
            begins = datetime.combine(day, time(), UTC)
            stream: AsyncIterator[Any] = await self._client.calls.stream_async(
                start_time_after=begins,
                start_time_before=begins + timedelta(days=1),
                limit=limit,
                page_size=twilio_client.BILLS_PAGE,
            )
            return stream

        return await twilio_client.bills(asked, listed, lambda sid: self._client.calls(sid).fetch_async())

    def read(self, hook: Hook, /) -> tuple[Receipt | Reply, ...]:
        """Verify ``X-Twilio-Signature`` and read. https://www.twilio.com/docs/voice/twiml#request-parameters."""
        form = self._signatures.verified(hook)
        attempt = twilio_hooks.attempt_in(hook.url, self._mark_secret)
        if hook.kind == "status":
            return (replace(_receipt(form), attempt=attempt),)
        if hook.kind != "inbound":
            raise Unreadable(f"no hook of the kind {hook.kind}")
        sid, sender, recipient = form.get("CallSid", ""), form.get("From", ""), form.get("To", "")
        if not _CALL_SID.fullmatch(sid) or not _PARTY.fullmatch(sender) or not _PARTY.fullmatch(recipient):
            raise Unreadable("no CallSid, From or To")
        if form.get("Direction", "inbound") != "inbound":
            sender, recipient = recipient, sender
        turn = self._turn(hook.url)
        key = f"{sid}:{turn.presses}"
        reply = Reply(
            key=key,
            channel=Channel.VOICE,
            sender=sender,
            recipient=recipient,
            text="",
            provider_id=sid,
            attempt=attempt,
            language=turn.language,
        )
        pressed, said = _key(form), form.get("SpeechResult")
        if "Digits" not in form and said is None:
            return (replace(reply, calls=True),)
        answered = self._answered(key, pressed, attempt, sid)
        if said is not None and pressed is None:
            # PostgreSQL has no text with NUL in it, and a NUL must not be what keeps a STOP from being heard.
            return (*answered, replace(reply, text=said.replace("\x00", "")))
        words = WORDS[turn.language].says.get(pressed) if pressed is not None else None
        return answered if words is None else (*answered, replace(reply, text=words))

    def answer(self, hook: Hook, /) -> bytes | None:
        """The document that a hook that was read is answered with; None when any answer will do."""
        if hook.kind != "inbound":
            return None
        form = self._signatures.verified(hook)
        turn = self._turn(hook.url)
        hears, caller = self._settings.hears, self._settings.caller
        pressed, said = _key(form), form.get("SpeechResult")
        if turn.presses >= PRESSES_MAX:
            document = twilio_calls.ended_document(turn.language)
        elif "Digits" not in form and said is None:
            begun = replace(turn, inbound=True, note=None)
            document = twilio_calls.menu_document(hook.url, begun, caller, hears=hears)
        elif pressed is None and said is not None:
            document = twilio_calls.done_document(turn.language, None)
        elif pressed is Key.REPEAT and turn.note is not None:
            note = twilio_calls.note_url(hook.url, turn.note)
            document = twilio_calls.message_document(hook.url, turn, name=caller, text="", note=note, hears=hears)
        elif pressed in (Key.CALL_BACK, Key.NOT_ME, Key.STOP):
            document = twilio_calls.done_document(turn.language, pressed)
        else:
            document = twilio_calls.menu_document(hook.url, turn, None, hears=hears)
        return document.encode()

    async def close(self) -> None:
        """Let go of connections."""
        await self._transport.close()

    def _document(self, parcel: Parcel) -> str:
        language = twilio_calls.language_of(parcel.locale, self._settings.language)
        url = None if parcel.note is None else parcel.note.url
        # Only what we serve ourselves can be named again when it is to be repeated.
        token = urlsplit(url).path.rpartition("/media/")[2] if url else None
        turn = Turn(language=language, note=token or None)
        return twilio_calls.message_document(
            parcel.status_url,
            turn,
            name=self._settings.caller,
            text=parcel.text,
            note=url,
            hears=self._settings.hears,
        )

    def _turn(self, url: str) -> Turn:
        turn = twilio_calls.turn_in(url)
        return turn if "l=" in urlsplit(url).query else replace(turn, language=self._settings.language)

    def _answered(self, key: str, pressed: Key | None, attempt: Any, sid: str) -> tuple[Receipt, ...]:
        """A key or a word proves that somebody is there; who says that she is not the one, is somebody else."""
        if attempt is None:
            return ()
        somebody = pressed is Key.NOT_ME
        return (
            Receipt(
                key=f"{key}:answered",
                kind=ReceiptKind.DELIVERED if somebody else ReceiptKind.READ,
                provider_status="answered",
                attempt=attempt,
                provider_id=sid,
                result=ContactOutcome.CONNECTED if somebody else ContactOutcome.CONVERSATION,
            ),
        )

    async def _look(self, lost: Lost, narrowed: Mapping[str, Any]) -> Traced:
        # Twilio tells instants in whole seconds.
        not_before = lost.not_before.replace(microsecond=0)
        seen = 0
        candidates: list[Any] = []
        try:
            stream = await self._client.calls.stream_async(
                to=lost.to, limit=FIND_MESSAGES_MAX, page_size=FIND_PAGE, **narrowed
            )
            async for call in stream:
                seen += 1
                if (
                    isinstance(call.sid, str)
                    and call.sid not in lost.taken
                    and (call.to, call._from) == (lost.to, self._settings.sender)
                    and call.direction != "inbound"
                    and call.date_created is not None
                    and not_before <= call.date_created.astimezone(UTC) <= lost.not_after
                ):
                    candidates.append(call)
        except NotTakenError as ending:
            return CannotTell(reason=ending.exchange.reason)
        except NotCreatedError as ending:
            return CannotTell(reason=f"the list answered {ending.answered.status}")
        except (TwilioException, ValueError, TypeError, KeyError, AttributeError) as error:
            return CannotTell(reason=f"the list could not be read: {type(error).__name__}")
        if candidates:
            first = min(candidates, key=lambda call: (call.date_created, call.sid))
            return Found(provider_id=first.sid, provider_status=twilio_client.matched(STATUS_WORD, first.status))
        if seen >= FIND_MESSAGES_MAX:
            return CannotTell(reason="the list is longer than what is read of it")
        return Absent()


def _receipt(form: MultiDict[str]) -> Receipt:
    """A status call. https://www.twilio.com/docs/voice/api/call-resource#statuscallback."""
    sid, word = form.get("CallSid", ""), form.get("CallStatus", "")
    by, sip = form.get("AnsweredBy", ""), form.get("SipResponseCode", "")
    if not _CALL_SID.fullmatch(sid) or not STATUS_WORD.fullmatch(word):
        raise Unreadable("no CallSid or no CallStatus")
    kind = STATUSES.get(word, ReceiptKind.UNREADABLE)
    result = RESULTS.get(word)
    if result is ContactOutcome.CONNECTED:
        result = ANSWERED_BY.get(by, result)
        if word == "completed" and result in (ContactOutcome.VOICEMAIL_REACHED, ContactOutcome.NOT_CONNECTED):
            kind = ReceiptKind.UNDELIVERED
    return Receipt(
        # Who answered may be told later, with a word that was told before.
        key=f"{sid}:{word}:{by}" if by in ANSWERED_BY else f"{sid}:{word}",
        kind=kind,
        provider_status=word,
        provider_id=sid,
        error_code=sip if word == "failed" and _SIP.fullmatch(sip) else None,
        result=result,
    )


def _key(form: MultiDict[str]) -> Key | None:
    try:
        return Key(form.get("Digits", ""))
    except ValueError:
        return None


def _build(name: str, table: Mapping[str, object], mark_secret: bytes) -> TwilioVoice:
    return TwilioVoice(name, settings(name, table), mark_secret, Transport())


SPEC: Final = Spec(kind="twilio_voice", channel=Channel.VOICE, hooks=frozenset({"status", "inbound"}), build=_build)

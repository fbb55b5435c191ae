"""What a CRM may ask for, as types: read strictly, unknown fields refused, described in the OpenAPI document."""

import re
from datetime import date, datetime
from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from jurisdictions.house import PLACE
from vocabulary.channel import AddressKind, AddressSource, Form, Purpose, Role, Sector, SenderRole
from vocabulary.event import ConsentState, ContactOutcome, Instrument, NoticeKind, StatusKind, Weekday
from vocabulary.outcome import Registered

TEXT_CHARS_MAX: Final = 10_000
ADDRESSES_MAX: Final = 50
DEBTS_MAX: Final = 50
METADATA_MAX: Final = 50
SPREAD_SECONDS_MAX: Final = 12 * 3600
#: Variables of a template, and the characters of a value.
VARIABLES_MAX: Final = 50
VALUE_CHARS_MAX: Final = 1_000
EVENTS_MAX: Final = 1_000
KEY_CHARS_MAX: Final = 255

_KEY: Final = re.compile(rf"[\x20-\x7e]{{1,{KEY_CHARS_MAX}}}")

# Patterns end in (?![\s\S]) because Python's $ also matches before a last line feed, which would then be part of an id.
Id = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        pattern=r"^[A-Za-z0-9._:@+~-]+(?![\s\S])",
        description="The CRM's own id: letters, digits and `. _ : @ + ~ -`.",
    ),
]
Instant = Annotated[datetime, Meta(tz=True, description="RFC 3339 with an offset.")]
Zone = Annotated[str, Meta(min_length=1, max_length=64, description="An IANA time zone.")]
Locale = Annotated[
    str,
    Meta(
        max_length=35,
        pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*(?![\s\S])",
        description="A language as BCP 47 writes it: `es`, `es-CO`, `pt-BR`.",
    ),
]
Place = Annotated[
    str, Meta(max_length=16, pattern=PLACE, description="A country or a part of one (ISO 3166): `CO`, `US-FL`.")
]
PackCode = Annotated[
    str,
    Meta(
        min_length=2,
        max_length=16,
        pattern=r"^[A-Z]{2}(-[A-Z0-9]{2,8})*(?![\s\S])",
        description="A jurisdiction: a country or a part of one, such as `CO` or `US-NYC`.",
    ),
]
Short = Annotated[str, Meta(max_length=200)]
#: What a variable of a template may be given. Longer numbers are written as words; what reads JSON keeps 64 bits.
Value = Annotated[str, Meta(max_length=VALUE_CHARS_MAX)] | Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Sendable = Literal["sms", "email", "whatsapp", "telegram", "voice", "web"]
AnyChannel = Literal["sms", "email", "whatsapp", "telegram", "voice", "web", "call_live", "visit", "letter"]


class AuthorisedAsk(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When and by what the person allowed contact at an address; kept once as a statement of consent."""

    at: Instant
    instrument: Instrument


class AddressAsk(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One way to reach a person: E.164 for sms, whatsapp and voice, a mail address, a Telegram chat id, her own id for web."""

    channel: Sendable
    address: Annotated[str, Meta(min_length=1, max_length=320)]
    kind: AddressKind = AddressKind.UNKNOWN
    source: AddressSource = AddressSource.UNKNOWN
    authorised: AuthorisedAsk | None = None


class ContactAsk(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A person. Her statements are never replaced by it."""

    id: Id
    name: Short | None = None
    role: Role = Role.UNKNOWN
    locale: Locale | None = None
    jurisdictions: Annotated[list[PackCode], Meta(max_length=20)] = []
    zones: Annotated[list[Zone], Meta(max_length=20)] = []
    household: Id | None = None
    residence: Place | None = None
    addresses: Annotated[list[AddressAsk], Meta(max_length=ADDRESSES_MAX)] = []


class DebtContactAsk(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a person is to a debt."""

    contact: Id
    role: Role


class DebtAsk(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Facts about a debt that laws ask for. ``due`` is the day after which it is past due."""

    id: Id
    creditor: Id | None = None
    contract_signed: date | None = None
    due: date | None = None
    kind: Short | None = None
    contacts: Annotated[list[DebtContactAsk], Meta(max_length=50)] | UnsetType = UNSET

    def __post_init__(self) -> None:
        if self.contacts is not UNSET and len({tie.contact for tie in self.contacts}) != len(self.contacts):
            raise ValueError("A person stands in `contacts` twice")


class SenderAsk(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who collects, for whom; what is left out is the tenant's."""

    role: SenderRole | None = None
    creditor: Id | None = None
    collector: Id | None = None
    sector: Sector | None = None
    seat: Place | None = None


class AudioAsk(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A recorded or spoken note."""

    media: Id | None = None
    speech: Annotated[str, Meta(min_length=1, max_length=TEXT_CHARS_MAX)] | None = None


class ContentAsk(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """The words, or the template that makes them; flags may only say more than the text does."""

    text: Annotated[str, Meta(min_length=1, max_length=TEXT_CHARS_MAX)] | None = None
    subject: Annotated[str, Meta(min_length=1, max_length=998)] | None = None
    html: Annotated[str, Meta(min_length=1, max_length=200_000)] | None = None
    template: Id | None = None
    template_version: (
        Annotated[int, Meta(ge=1, le=2_000_000_000, description="Left out: the version in force when it is accepted.")]
        | None
    ) = None
    locale: (
        Annotated[
            str,
            Meta(
                max_length=35,
                pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*(?![\s\S])",
                description="The language of the template's words, as `es-CO`; left out: the person's.",
            ),
        ]
        | None
    ) = None
    variables: Annotated[dict[str, Value], Meta(max_length=VARIABLES_MAX)] | None = None
    audio: AudioAsk | None = None
    caller_id: Literal["shown", "hidden"] | None = None
    states: (
        Annotated[
            list[Literal["collector", "creditor", "amount", "calculation_date", "complaints_unit"]], Meta(max_length=5)
        ]
        | None
    ) = None
    registered_template: bool | None = None
    opt_out_notice: bool | None = None


class MessageAsk(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One message to one person, by one channel or the first of several that the law allows."""

    contact: Id | ContactAsk
    channel: (
        Literal["sms", "email", "whatsapp", "telegram", "voice", "web", "auto", "call_live", "visit", "letter"] | None
    ) = None
    channels: Annotated[list[Sendable], Meta(min_length=1, max_length=6)] | None = None
    purpose: Purpose = Purpose.COLLECTION
    debts: Annotated[list[Id | DebtAsk], Meta(max_length=DEBTS_MAX)] = []
    content: ContentAsk
    sender: SenderAsk | None = None
    form: Form = Form.TEXT
    address: Annotated[str, Meta(min_length=1, max_length=320)] | None = None
    in_reply_to: Id | None = None
    send_at: Instant | None = None
    expires_at: Instant | None = None
    spread_seconds: (
        Annotated[
            int,
            Meta(
                ge=0,
                le=SPREAD_SECONDS_MAX,
                description="What is deferred leaves within so many seconds after it may, not all of a campaign at once.",
            ),
        ]
        | None
    ) = None
    best_hour: Annotated[
        bool,
        Meta(
            description="With `channel` `auto` and without `send_at`: what the law allows now may wait for a later hour of the "
            "same day at which she is known to answer better."
        ),
    ] = False
    metadata: Annotated[
        dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=500)]], Meta(max_length=METADATA_MAX)
    ] = {}


def is_idempotency_key(text: str) -> bool:
    """Whether it can be one: up to 255 printable ASCII characters."""
    return _KEY.fullmatch(text) is not None


class DecisionAsk(MessageAsk, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The same question without sending: at an instant, written to the trace only if wanted, explained in a language if wanted."""

    at: Instant | None = None
    record: bool = False
    explain: Literal["en", "es", "pt"] | None = None


class Rendering(Struct, frozen=True, kw_only=True):
    """What a message says on one channel, pinned at acceptance.

    ``registered_by``, by way: the approved template there that says it too; ``registered``: one of them, where every way of
    the channel has one, so that the message is a registered template whichever of them it takes.
    """

    content: ContentAsk
    registered: Registered | None = None
    registered_by: dict[str, Registered] = {}


class Pinned(Struct, frozen=True, kw_only=True):
    """The template that a message was made with, in the version that it was made with."""

    name: str
    version: int


def _no_debts() -> list[str]:
    """Not ``list`` itself, whose empty value would be left out: SQL reads them."""
    return []


class StoredAsk(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message as it was accepted: canonical, complete, references resolved; what every later decision starts from.

    ``content`` is what was asked for. ``renderings``, by channel, stand for it where a template was rendered; read both by
    ``content_for`` and ``registered_for``.
    """

    channels: list[str]
    purpose: Purpose
    content: ContentAsk
    role: SenderRole
    creditor: str
    collector: str
    sector: Sector | None = None
    seat: str | None = None
    debts: list[str] = field(default_factory=_no_debts)
    form: Form = Form.TEXT
    address: str | None = None
    in_reply_to: str | None = None
    answers_channel: str | None = None
    send_at: datetime | None = None
    spread_seconds: int = 0
    #: Its channels are hers in no order of the CRM's; a later hour of the same day may be waited for.
    auto: bool = False
    best_hour: bool = False
    metadata: dict[str, str] = {}
    renderings: dict[str, Rendering] = {}
    template: Pinned | None = None
    #: Under which span of whose trace it was accepted (W3C ``traceparent``); left out where nobody collects traces.
    trace: str | UnsetType = UNSET


def content_for(ask: StoredAsk, channel: str) -> ContentAsk:
    """What a message says on a channel: what laws read, ways price and people receive."""
    rendering = ask.renderings.get(channel)
    return ask.content if rendering is None else rendering.content


def registered_for(ask: StoredAsk, channel: str, way: str | None = None) -> Registered | None:
    """The approved template by which a message may leave on a channel (by a way, where one is named), None without one."""
    rendering = ask.renderings.get(channel)
    if rendering is None:
        return None
    return rendering.registered_by.get(way) if way is not None and rendering.registered_by else rendering.registered


# What happened elsewhere, in the words of the scenario files (``history`` types). Their D1, N1 and C1 hold in files only: here
# a left-out ``debts``, ``address`` or ``channel`` says nothing (contact, reply) or means all of them (statements).

EventAddress = Annotated[
    str, Meta(min_length=1, max_length=320, description="A real address: E.164, a mail address, a chat id.")
]
EventDebts = Annotated[list[Id], Meta(max_length=DEBTS_MAX)]
#: Enough for any letter; more is a file that belongs elsewhere.
EVIDENCE_CHARS_MAX: Final = 4_000
ZONES_STATED_MAX: Final = 5
Amount = Annotated[
    str,
    Meta(
        pattern=r"^(0|[1-9][0-9]{0,14})(\.[0-9]{1,4})?(?![\s\S])",
        description="A decimal as text, without separators of thousands: `150000.00`.",
    ),
]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}(?![\s\S])", description="A currency of ISO 4217, as `COP`.")]
Hour = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9](?![\s\S])", description="HH:MM where she is.")]
HourEnd = Annotated[
    str,
    Meta(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)(?![\s\S])", description="HH:MM; 24:00 is the day's end."),
]
Days = Annotated[list[Weekday], Meta(min_length=1, max_length=7)]


class EvidenceAsk(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What proves a statement: her words, by which way they came, what lay before her, and the carrier's own id of them."""

    words: Annotated[str, Meta(min_length=1, max_length=EVIDENCE_CHARS_MAX)] | None = None
    channel: AnyChannel | None = None
    address: EventAddress | None = None
    purpose: Purpose | None = None
    instrument: Instrument | None = None
    page: Annotated[str, Meta(min_length=1, max_length=128, description="The version of the page shown.")] | None = None
    provider_id: Annotated[str, Meta(min_length=1, max_length=200)] | None = None


class _EventAsk(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="type"):
    """What every event has: its instant (not in the future), the CRM's own id for it, the id of one that it corrects, its proof."""

    at: Instant
    id: Id | None = None
    corrects: Id | None = None
    evidence: EvidenceAsk | None = None


class ContactEventAsk(_EventAsk, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="contact"):
    """Something was sent to the person, or tried, by somebody else: a call, a visit, a letter, another system."""

    channel: AnyChannel
    form: Form = Form.TEXT
    outcome: ContactOutcome = ContactOutcome.ATTEMPTED
    purpose: Purpose = Purpose.COLLECTION
    debts: EventDebts = []
    address: EventAddress | None = None
    address_kind: AddressKind = AddressKind.UNKNOWN
    creditor: Id | None = None
    collector: Id | None = None
    reply_to_inbound: bool = False
    role: Role | None = None


class ReplyEventAsk(_EventAsk, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="reply"):
    """The person wrote or said something elsewhere."""

    channel: AnyChannel
    text: Annotated[str, Meta(max_length=TEXT_CHARS_MAX)] | None = None
    debts: EventDebts = []
    address: EventAddress | None = None


class InboundCallEventAsk(_EventAsk, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="inbound_call"):
    """The person called."""

    outcome: ContactOutcome = ContactOutcome.CONVERSATION
    debts: EventDebts = []


class ConsentEventAsk(_EventAsk, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="consent"):
    """What the person allowed or took back: on a channel, at an address, or everywhere."""

    state: ConsentState
    channel: AnyChannel | None = None
    address: EventAddress | None = None
    all: bool = False
    purpose: Purpose | None = None
    instrument: Instrument | None = None
    given_to: Literal["sender", "creditor"] | None = None
    grants: Literal["extra_calls"] | None = None
    debts: EventDebts | None = None
    for_days: Annotated[int, Meta(ge=1, le=3650)] | None = None


class HoursRequestedEventAsk(_EventAsk, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="hours_requested"):
    """Contact was asked for in these hours; ``from`` is inside, ``to`` outside."""

    days: Days | None = None
    opens: Hour = field(name="from")
    closes: HourEnd = field(name="to")
    instrument: Instrument | None = None
    requested_by: Literal["person", "creditor"] = "person"


class InconvenientEventAsk(_EventAsk, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="inconvenient"):
    """The person said not then (``from`` and ``to``) or not there (``place``)."""

    days: Days | None = None
    opens: Hour | None = field(name="from", default=None)
    closes: HourEnd | None = field(name="to", default=None)
    place: AddressKind | None = None


class StatusEventAsk(_EventAsk, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="status"):
    """A fact that stops or shapes contact began, or ``ended``."""

    status: StatusKind = field(name="is")
    kind: Literal["mental_health"] | None = None
    ended: bool = False
    debts: EventDebts | None = None
    channel: AnyChannel | None = None
    address: EventAddress | None = None


class ListedEventAsk(_EventAsk, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="listed"):
    """The address, or every address of the person's, stands on a do-not-contact register."""

    register: Annotated[str, Meta(min_length=1, max_length=64)] = field(name="list")
    channel: AnyChannel | None = None
    address: EventAddress | None = None
    since: date | None = None


class NotAssociatedEventAsk(_EventAsk, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="not_associated"):
    """The address turned out not to be the person's."""

    address: EventAddress
    channel: AnyChannel | None = None


class NoticeEventAsk(_EventAsk, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="notice"):
    """A written notice was sent, by letter unless ``channel`` says otherwise."""

    notice: NoticeKind = field(name="is")
    debts: EventDebts = []
    channel: AnyChannel = "letter"


class ChannelPreferredEventAsk(
    _EventAsk, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="channel_preferred"
):
    """The person would rather be reached on this channel (at this address); her last word stands, ``ended`` takes it back."""

    channel: Sendable
    address: EventAddress | None = None
    ended: bool = False


class LanguagePreferredEventAsk(
    _EventAsk, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="language_preferred"
):
    """The language in which the person wants to be written to (BCP 47)."""

    locale: Locale


class ZoneStatedEventAsk(_EventAsk, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="zone_stated"):
    """Where her clock stands, said by the person herself: it replaces every other zone, until ``ended``."""

    zones: Annotated[list[Zone], Meta(max_length=ZONES_STATED_MAX)] = []
    ended: bool = False


class CallRequestedEventAsk(_EventAsk, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="call_requested"):
    """The person wants to be called, between the instants ``from`` and ``to`` where she said when."""

    begins: Instant | None = field(name="from", default=None)
    ends: Instant | None = field(name="to", default=None)
    channel: AnyChannel | None = None
    address: EventAddress | None = None
    debts: EventDebts = []
    ended: bool = False


class PromiseEventAsk(_EventAsk, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="promise"):
    """The person said that she will pay: on which day, how much, of which debts. ``ended`` takes it back."""

    pays_on: date | None = None
    amount: Amount | None = None
    currency: Currency | None = None
    debts: EventDebts = []
    ended: bool = False


class HeldEventAsk(_EventAsk, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="held"):
    """Nobody may be sure that she did not say stop: no contact on any channel before ``until``. ``ended``: somebody looked."""

    until: Instant | None = None
    reason: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    ended: bool = False


EventAsk = (
    ContactEventAsk
    | ReplyEventAsk
    | InboundCallEventAsk
    | ConsentEventAsk
    | HoursRequestedEventAsk
    | InconvenientEventAsk
    | StatusEventAsk
    | ListedEventAsk
    | NotAssociatedEventAsk
    | NoticeEventAsk
    | ChannelPreferredEventAsk
    | LanguagePreferredEventAsk
    | ZoneStatedEventAsk
    | CallRequestedEventAsk
    | PromiseEventAsk
    | HeldEventAsk
)

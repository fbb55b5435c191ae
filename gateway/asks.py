"""What a CRM may ask for, as types: read strictly, unknown fields refused, described in the OpenAPI document."""

from datetime import date, datetime
from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from vocabulary.channel import AddressKind, AddressSource, Form, Purpose, Role, Sector, SenderRole
from vocabulary.event import Instrument

TEXT_CHARS_MAX: Final = 10_000
ADDRESSES_MAX: Final = 50
DEBTS_MAX: Final = 50
METADATA_MAX: Final = 50

Id = Annotated[
    str, Meta(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9._:@+~-]+$", description="The CRM's own id.")
]
Instant = Annotated[datetime, Meta(tz=True, description="RFC 3339 with an offset.")]
Zone = Annotated[str, Meta(min_length=1, max_length=64, description="An IANA time zone.")]
PackCode = Annotated[str, Meta(min_length=2, max_length=16, pattern=r"^[A-Z]{2}(-[A-Z0-9]{2,8})*$")]
Short = Annotated[str, Meta(max_length=200)]
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
    locale: Annotated[str, Meta(max_length=35, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")] | None = None
    jurisdictions: Annotated[list[PackCode], Meta(max_length=20)] = []
    zones: Annotated[list[Zone], Meta(max_length=20)] = []
    household: Id | None = None
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


class SenderAsk(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who collects, for whom; what is left out is the tenant's."""

    role: SenderRole | None = None
    creditor: Id | None = None
    collector: Id | None = None
    sector: Sector | None = None


class AudioAsk(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A recorded or spoken note."""

    media: Id | None = None
    speech: Annotated[str, Meta(min_length=1, max_length=TEXT_CHARS_MAX)] | None = None


class ContentAsk(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The words, or the template that makes them; flags may only say more than the text does."""

    text: Annotated[str, Meta(min_length=1, max_length=TEXT_CHARS_MAX)] | None = None
    subject: Annotated[str, Meta(min_length=1, max_length=998)] | None = None
    html: Annotated[str, Meta(min_length=1, max_length=200_000)] | None = None
    template: Id | None = None
    variables: dict[str, str | int] | None = None
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
    metadata: Annotated[
        dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=500)]], Meta(max_length=METADATA_MAX)
    ] = {}


class DecisionAsk(MessageAsk, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The same question without sending: at an instant, and written to the trace only if wanted."""

    at: Instant | None = None
    record: bool = False

"""What happened to a person: the facts that laws count, each a frozen record with its own instant.

Instants are aware datetimes. Identifiers of persons, debts and addresses are opaque strings: the policy compares them and
never reads them. The words are those of the scenario files (``history`` types).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from enum import StrEnum
from typing import Final

from vocabulary.channel import AddressKind, Channel, Form, Purpose, Role
from vocabulary.values import quickly_made


class ContactOutcome(StrEnum):
    """How a contact ended, as far as is known. ``ATTEMPTED`` means not known, so it counts."""

    ATTEMPTED = "attempted"
    NOT_CONNECTED = "not_connected"
    NO_ANSWER = "no_answer"
    VOICEMAIL_REACHED = "voicemail_reached"
    VOICEMAIL_LEFT = "voicemail_left"
    DELIVERED = "delivered"
    READ = "read"
    CONNECTED = "connected"
    CONVERSATION = "conversation"
    FAILED = "failed"


class ConsentState(StrEnum):
    """Whether something was allowed or taken back."""

    GRANTED = "granted"
    WITHDRAWN = "withdrawn"


class Instrument(StrEnum):
    """By what a person allowed, withdrew or asked for something."""

    CONTRACT = "contract"
    SEPARATE = "separate"
    WEB = "web"
    REPLY = "reply"
    #: A click behind a link that anybody may have opened: it takes back, and never allows.
    LINK = "link"


class StatusKind(StrEnum):
    """A fact that stops or shapes contact."""

    CEASE_REQUESTED = "cease_requested"
    ATTORNEY = "attorney"
    DISPUTE = "dispute"
    CLAIM_PENDING = "claim_pending"
    LAWSUIT = "lawsuit"
    INSOLVENCY = "insolvency"
    MORATORIUM = "moratorium"
    PLAN = "plan"
    DECEASED = "deceased"
    MINOR = "minor"
    WRONG_PARTY = "wrong_party"
    PAID = "paid"
    HARDSHIP = "hardship"


class NoticeKind(StrEnum):
    """A written notice that starts or lifts something."""

    VALIDATION = "validation"
    WRITTEN = "written"
    DEBT_TRANSFER = "debt_transfer"


class Weekday(StrEnum):
    """Days as scenario files, packs and the contract spell them; order is ISO."""

    MON = "Mon"
    TUE = "Tue"
    WED = "Wed"
    THU = "Thu"
    FRI = "Fri"
    SAT = "Sat"
    SUN = "Sun"


ALL_DAYS: Final[tuple[Weekday, ...]] = tuple(Weekday)


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class Contacted:
    """Something was sent to a person, or tried. ``latest`` is the last instant at which it can still reach her (None: at ``at``)."""

    at: datetime
    channel: Channel
    outcome: ContactOutcome = ContactOutcome.ATTEMPTED
    form: Form = Form.TEXT
    purpose: Purpose = Purpose.COLLECTION
    debts: tuple[str, ...] = ()
    address: str | None = None
    address_kind: AddressKind = AddressKind.UNKNOWN
    creditor: str | None = None
    collector: str | None = None
    reply_to_inbound: bool = False
    person: str
    role: Role = Role.UNKNOWN
    latest: datetime | None = None
    id: str | None = None


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class Replied:
    """The person wrote or said something: a two-way contact."""

    at: datetime
    channel: Channel
    text: str | None = field(default=None, repr=False)
    debts: tuple[str, ...] = ()
    address: str | None = None
    person: str
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundCall:
    """The person called."""

    at: datetime
    outcome: ContactOutcome = ContactOutcome.CONVERSATION
    debts: tuple[str, ...] = ()
    person: str
    id: str | None = None


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class Consented:
    """The person allowed something or took it back. With neither channel, address nor ``all`` it speaks of every channel."""

    at: datetime
    state: ConsentState
    channel: Channel | None = None
    address: str | None = None
    all: bool = False
    purpose: Purpose | None = None
    instrument: Instrument | None = None
    given_to: str | None = None
    grants: str | None = None
    debts: tuple[str, ...] | None = None
    for_days: int | None = None
    person: str
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HoursRequested:
    """Hours in which contact was asked for. ``until`` of 24:00 is ``time.max``'s successor and is written None."""

    at: datetime
    days: tuple[Weekday, ...] = ALL_DAYS
    opens: time
    closes: time | None
    instrument: Instrument | None = None
    requested_by: str = "person"
    person: str
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inconvenient:
    """Not then (``opens``..``closes``), or not there (``place``)."""

    at: datetime
    days: tuple[Weekday, ...] = ALL_DAYS
    opens: time | None = None
    closes: time | None = None
    place: AddressKind | None = None
    person: str
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusSet:
    """A status began (or ``ended``). ``debts`` or ``address`` of None mean all of them."""

    at: datetime
    status: StatusKind
    kind: str | None = None
    ended: bool = False
    debts: tuple[str, ...] | None = None
    address: str | None = None
    person: str
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """The address stands on a do-not-contact register. A channel of None means every channel."""

    at: datetime
    register: str
    channel: Channel | None = None
    address: str | None = None
    since: date | None = None
    person: str
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAssociated:
    """That address turned out not to be the person's: what went there did not reach her."""

    at: datetime
    address: str
    person: str
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeGiven:
    """A written notice was sent, by letter unless another channel is named."""

    at: datetime
    notice: NoticeKind
    debts: tuple[str, ...] = ()
    channel: Channel = Channel.LETTER
    person: str
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelPreferred:
    """The person would rather be reached here, or (``ended``) no longer has such a wish. Her last word stands."""

    at: datetime
    channel: Channel
    address: str | None = None
    ended: bool = False
    person: str
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguagePreferred:
    """The language in which she wants to be written to (BCP 47)."""

    at: datetime
    locale: str
    person: str
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneStated:
    """Where her clock stands, said by herself: it replaces every zone that was supposed. ``ended`` takes it back."""

    at: datetime
    zones: tuple[str, ...] = ()
    ended: bool = False
    person: str
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRequested:
    """The person wants to be called, between ``begins`` and ``ends`` where she said when. ``ended``: no longer."""

    at: datetime
    begins: datetime | None = None
    ends: datetime | None = None
    address: str | None = None
    debts: tuple[str, ...] = ()
    ended: bool = False
    person: str
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Promised:
    """The person said that she will pay. ``amount`` is a decimal as text, in ``currency`` (ISO 4217). ``ended``: taken back."""

    at: datetime
    pays_on: date | None = None
    amount: str | None = None
    currency: str | None = None
    debts: tuple[str, ...] = ()
    ended: bool = False
    person: str
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Nobody may be sure that she did not say stop: no contact at all before ``until``. ``ended``: somebody looked."""

    at: datetime
    until: datetime | None = None
    reason: str | None = None
    ended: bool = False
    person: str
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterRead:
    """A do-not-contact register was read anew: what is asked of it is as old as the last of these."""

    at: datetime
    register: str
    person: str
    id: str | None = None


Event = (
    Contacted
    | Replied
    | InboundCall
    | Consented
    | HoursRequested
    | Inconvenient
    | StatusSet
    | Listed
    | NotAssociated
    | NoticeGiven
    | ChannelPreferred
    | LanguagePreferred
    | ZoneStated
    | CallRequested
    | Promised
    | Held
    | RegisterRead
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What proves a statement, beside her words: the way by which it came, and what she had before her when she said it.

    ``address`` is an endpoint. ``page``: the version of the page or notice shown. ``provider_id``: the carrier's own id.
    """

    channel: Channel | None = None
    address: str | None = None
    purpose: Purpose | None = None
    instrument: Instrument | None = None
    page: str | None = None
    provider_id: str | None = field(default=None, repr=False)


History = Sequence[Event]

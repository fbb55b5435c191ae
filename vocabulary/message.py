"""A message as the law sees it: who asks, whom, about what, in which words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from vocabulary.channel import AddressKind, AddressSource, Channel, Form, Purpose, Role, Sector, SenderRole
from vocabulary.event import History
from vocabulary.values import quickly_made


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who collects, for whom."""

    role: SenderRole = SenderRole.THIRD_PARTY
    creditor: str
    collector: str
    sector: Sector | None = None


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The words as the person will read or hear them, and what the sender states about them.

    ``opt_out_notice`` and the others are None when nothing is said: then the text speaks for itself. ``lawful`` stands for
    a text that is not shown and is taken for lawful (scenario files only).
    """

    text: str | None = field(default=None, repr=False)
    subject: str | None = field(default=None, repr=False)
    opt_out_notice: bool | None = None
    caller_id: str | None = None
    states: tuple[str, ...] | None = None
    registered_template: bool | None = None
    lawful: bool = False


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is to be sent, on one channel to one address."""

    channel: Channel
    form: Form = Form.TEXT
    purpose: Purpose = Purpose.COLLECTION
    debts: tuple[str, ...] = ()
    address: str | None = None
    address_kind: AddressKind = AddressKind.UNKNOWN
    address_source: AddressSource = AddressSource.UNKNOWN
    reply_to_inbound: bool = False
    content: Content = field(default_factory=Content)


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """The person to be reached. ``authorised`` None: every channel (scenario files); ``zones`` empty: not known."""

    person: str
    role: Role = Role.UNKNOWN
    zones: tuple[str, ...] = ()
    authorised: frozenset[Channel] | None = None


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class Debt:
    """Facts about a debt that laws ask for; ``due`` is the day after which it is past due."""

    contract_signed: date | None = None
    due: date | None = None
    kind: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Portfolio:
    """The business account of a way, whose platform counts the people it writes to first. ``room_from`` of None: room now."""

    name: str
    people_max: int
    room_from: datetime | None = None


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Everything a decision may look at, and nothing else. ``packs`` maps a pack's code to the fact that selected it."""

    message: Message
    sender: Sender
    person: Person
    debts: Mapping[str, Debt]
    history: History
    now: datetime
    packs: Mapping[str, str]
    readings: Mapping[str, str]
    portfolio: Portfolio | None = None

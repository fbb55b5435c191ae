"""The four endings of every external send, and what providers say afterwards."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import assert_never
from uuid import UUID

from vocabulary.channel import Channel
from vocabulary.event import ContactOutcome
from vocabulary.values import quickly_made


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """The provider took it. A 2xx that could not be read is Sent without an id."""

    provider_id: str | None
    provider_status: str | None = None
    segments: int | None = None


class About(StrEnum):
    """What a refusal is about. ``WAY``: the way did not work. ``MESSAGE``: only this message, put off. ``PACE``: we are too fast.

    ``ACCOUNT``: the provider refuses us: wrong credentials, no money, a number taken away. Only the operator can mend it.
    """

    WAY = "way"
    MESSAGE = "message"
    PACE = "pace"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotSent:
    """Provably nothing left us, or the provider said so (429): the reservation is given back and it may be tried again.

    ``retry_after_seconds``: when. About ``PACE`` and ``ACCOUNT`` the whole way rests so long, and the try is not counted
    against the message.
    """

    reason: str
    retry_after_seconds: float | None = None
    about: About = About.WAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """The provider's own word that it will not send this: final for this way. ``opted_out``: the person told the provider to stop."""

    code: str
    reason: str
    opted_out: bool = False
    address_invalid: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """The provider may have it. It counts as a contact and is never sent again by itself."""

    reason: str


Outcome = Sent | NotSent | Rejected | Unknown


def ending_name(outcome: Outcome) -> str:
    """What an ending is called where it is counted or shown."""
    match outcome:
        case Sent():
            return "sent"
        case NotSent():
            return "not_sent"
        case Rejected():
            return "rejected"
        case Unknown():
            return "unknown"
        case _:
            assert_never(outcome)


class ReceiptKind(StrEnum):
    """A provider's later word about an attempt, in our words, in rising order of what is known."""

    ACCEPTED = "accepted"
    SENT = "sent"
    FAILED = "failed"
    UNDELIVERED = "undelivered"
    DELIVERED = "delivered"
    READ = "read"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A voice note as it leaves: mono OGG/Opus. ``url`` is signed and expires, for providers that fetch; ``audio`` is the file itself."""

    url: str = field(repr=False)
    audio: bytes = field(repr=False)
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A template that a provider has approved: its own id there (a ContentSid, a name), its language, and what fills it, in order."""

    reference: str
    language: str
    values: tuple[str, ...] = field(default=(), repr=False)


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """What an adapter is handed: one reserved attempt. No parcel without a committed reservation.

    ``text`` is always the whole message in words: with a ``note`` what it says (empty when it was recorded), with a
    ``template`` what it renders to. An adapter that can carry neither answers ``Rejected``.
    """

    attempt: UUID
    channel: Channel
    to: str = field(repr=False)
    text: str = field(repr=False)
    subject: str | None = field(default=None, repr=False)
    html: str | None = field(default=None, repr=False)
    note: Note | None = field(default=None, repr=False)
    template: Registered | None = field(default=None, repr=False)
    validity_seconds: int
    status_url: str = field(repr=False)
    #: The reader's, for what a way says in its own words (the menu of a call).
    locale: str | None = None


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One word of a provider about one attempt. ``key`` is unique per provider: a repeat of it changes nothing.

    ``result`` is how a call ended, as far as this word tells; what counts is the most that any word told, in whatever order.
    """

    key: str
    kind: ReceiptKind
    provider_status: str
    attempt: UUID | None = None
    provider_id: str | None = None
    error_code: str | None = None
    opted_out: bool = False
    address_invalid: bool = False
    result: ContactOutcome | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Something a person wrote or said to one of our addresses. ``attempt``: by our own mark she answers that one, so it is she.

    ``afresh`` is False for what is no new word of hers (an edit, a block): it is heard for a stop only, and never as a contact.
    ``language`` is what her program is set to, where it says so. ``calls``: she called us and has not said anything yet.
    """

    key: str
    channel: Channel
    sender: str = field(repr=False)
    recipient: str = field(repr=False)
    text: str = field(repr=False)
    provider_id: str | None = None
    media: tuple[str, ...] = field(default=(), repr=False)
    carrier_opt_out: bool = False
    attempt: UUID | None = None
    afresh: bool = True
    language: str | None = None
    calls: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What a way expects a message to cost before it is sent; ``amount`` is a decimal text in ``currency``, None when unpriced."""

    segments: int
    encoding: str
    amount: str | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Bill:
    """What a provider bills for one send. ``currency``: ISO 4217."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The provider's list shows the attempt: it did leave."""

    provider_id: str
    provider_status: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """The provider answered, and its list does not show the attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CannotTell:
    """The provider did not answer, or has no list."""

    reason: str


Traced = Found | Absent | CannotTell


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """An attempt whose ending is not known, as an adapter needs it to look it up."""

    attempt: UUID
    to: str = field(repr=False)
    text: str = field(repr=False)
    not_before: datetime
    not_after: datetime
    taken: frozenset[str] = frozenset()

"""The rule language as ready objects: one predicate a clause, out of a small closed set, and what may lift it.

Nothing here acts. `throttling` judges hours, counts and distances, `consent` judges permissions and words, and
`gateway.deciding.decide` puts them together. Objects compare by identity, so that they can key caches at no cost.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from jurisdictions.calendars import Calendar
from jurisdictions.words import Words
from vocabulary.channel import AddressKind, AddressSource, Channel, Form, Purpose, Role, Sector, SenderRole
from vocabulary.event import ContactOutcome, Instrument, NoticeKind, StatusKind
from vocabulary.verdict import Force

SECONDS_A_DAY: Final = 86_400

#: A call by a person and a call by a machine are one channel, the telephone.
SAME_WAY: Final[Mapping[Channel, Channel]] = {channel: channel for channel in Channel} | {
    Channel.CALL_LIVE: Channel.VOICE
}
#: Every channel that reaches a person the same way as this one.
ALIKE: Final[Mapping[Channel, tuple[Channel, ...]]] = {
    channel: tuple(other for other in Channel if SAME_WAY[other] is SAME_WAY[channel]) for channel in Channel
}
#: Where a person speaks for herself, so that an outcome that is not known may have been a conversation.
SPOKEN: Final = (Channel.VOICE, Channel.CALL_LIVE, Channel.VISIT)


# ---- exemptions: what may lift a rule, each proved by an event ----------------------------------------------------------


class Lift(StrEnum):
    """The closed set of exemptions."""

    ANSWER = "answer"  # one answer to her own message, on its channel
    REQUESTED_INFO = "requested_info"  # once for each time she asked
    FRAUD_ALERT = "fraud_alert"
    OPTOUT_CONFIRMATION = "optout_confirmation"  # one, within minutes, in bare words
    EXTRA_CALLS = "extra_calls"  # calls she allowed beyond the limit
    CONSENT = "consent"  # she allowed this purpose on this channel
    USED_ADDRESS = "used_address"  # she wrote from that address herself
    REGISTERED_TEMPLATE = "registered_template"  # the words were approved by who carries them


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Exemption:
    """One exemption as a pack defines it. ``words_not``: with such words the message is not what it calls itself."""

    name: str
    lift: Lift
    words_not: tuple[Words, ...] = ()
    purpose: Purpose | None = None
    within: timedelta | None = None
    days_max: int | None = None
    given_to: str | None = None


# ---- predicates -------------------------------------------------------------------------------------------------------


class OnHoliday(StrEnum):
    """What an hours rule says of a holiday."""

    CLOSED = "closed"
    SILENT = "silent"
    IGNORED = "ignored"


class AskedMode(StrEnum):
    """Whether hours that she asked for come on top of the rule's own, or in their place."""

    ADD = "add"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Asked:
    """Which requests for other hours count."""

    mode: AskedMode
    instruments: tuple[Instrument, ...] | None = None
    after_contract: bool = False


#: Seconds after midnight, ``[opens, closes)``.
Window = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Hours:
    """Open hours by ISO weekday; a day of None is one on which the rule is silent. ``clock``: a fixed zone, else hers."""

    days: tuple[tuple[Window, ...] | None, ...]
    calendar: Calendar | None = None
    holidays: OnHoliday = OnHoliday.IGNORED
    closing_inside: bool = False
    clock: str | None = None
    asked: Asked | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HerHours:
    """Closed at the times which she called inconvenient."""


class Unit(StrEnum):
    """In what a period is measured."""

    DATES = "dates"
    ISO_WEEK = "iso_week"
    MONTH = "month"
    ELAPSED = "elapsed"
    CLEAR_DAYS = "clear_days"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Period:
    """How long something counts: local dates (today included), a calendar week or month, or elapsed time."""

    unit: Unit
    number: int = 1
    elapsed: timedelta = timedelta()
    longest: timedelta = timedelta.max
    """After this much time nothing of it is left, in any zone and across any change of clocks."""


class Threshold(StrEnum):
    """From which outcome on a contact counts. What is not known counts; what never left us counts nowhere."""

    LEFT = "left"
    CONNECTED = "connected"
    REACHED = "reached"
    MADE = "made"
    ANSWERED = "answered"
    CONVERSATION = "conversation"
    TWO_WAY = "two_way"


_O = ContactOutcome
_LEFT: Final = tuple(outcome for outcome in _O if outcome is not _O.FAILED)


def _without(outcomes: tuple[ContactOutcome, ...], *gone: ContactOutcome) -> tuple[ContactOutcome, ...]:
    return tuple(outcome for outcome in outcomes if outcome not in gone)


_CONNECTED: Final = _without(_LEFT, _O.NOT_CONNECTED)
_REACHED: Final = _without(_CONNECTED, _O.NO_ANSWER)
_MADE: Final = _without(_REACHED, _O.VOICEMAIL_REACHED)
OUTCOMES: Final[Mapping[Threshold, tuple[ContactOutcome, ...]]] = {
    Threshold.LEFT: _LEFT,
    Threshold.CONNECTED: _CONNECTED,
    Threshold.REACHED: _REACHED,
    Threshold.MADE: _MADE,
    Threshold.ANSWERED: _without(_MADE, _O.VOICEMAIL_LEFT),
    Threshold.CONVERSATION: (_O.CONVERSATION, _O.ATTEMPTED),
    Threshold.TWO_WAY: (_O.CONVERSATION, _O.ATTEMPTED),
}


class Key(StrEnum):
    """What a count is kept by, besides the person."""

    DEBT = "debt"
    CREDITOR = "creditor"
    CREDITOR_OR_COLLECTOR = "creditor_or_collector"
    COLLECTOR = "collector"
    CHANNEL = "channel"
    ADDRESS = "address"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Counted:
    """Which past contacts a rule looks at. None means every one."""

    channels: tuple[Channel, ...] | None
    threshold: Threshold
    keys: tuple[Key, ...]
    pool: tuple[Role, ...] | None = None
    purposes_except: tuple[Purpose, ...] = ()
    places: tuple[AddressKind, ...] | None = None
    answers: bool = True
    after_conversation: bool = False
    extra_calls: Exemption | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Count:
    """At most ``limit`` in ``period``."""

    what: Counted
    limit: int
    period: Period


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gap:
    """At least ``period`` after the last one."""

    what: Counted
    period: Period


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sticky:
    """Within ``period`` only the channel that was used."""

    what: Counted
    period: Period


class Happening(StrEnum):
    """What a waiting time may start with."""

    CONVERSATION = "conversation"
    STATUS = "status"
    NOTICE = "notice"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Since:
    """Nothing for ``days`` dates after an event, whose own date is day 1."""

    happening: Happening
    days: int
    what: Counted | None = None
    status: StatusKind | None = None
    kinds_except: tuple[str, ...] = ()
    of_anyone: bool = False
    notice: NoticeKind | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NeedsConsent:
    """She must have allowed it. ``profile``: what her profile says of the channel is enough."""

    profile: bool = False
    purpose: Purpose | None = None
    instruments: tuple[Instrument, ...] | None = None
    given_to: str | None = None
    asked_first: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NeedsNotice:
    """A written notice about every debt named must have gone out."""

    notice: NoticeKind
    channels: tuple[Channel, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NeedsInbound:
    """She must have written on this channel: ever, or within ``within``."""

    within: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Barred:
    """Never: what the clause applies to is what it forbids. ``because`` names which property is shown."""

    because: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InStatus:
    """Not while a status stands. ``of_anyone``: a status of any person on the same debt.

    ``notice`` and ``notice_days``: the status only counts if it came within so many days of the receipt of that notice,
    taken as ``receipt_days`` working days after sending; without a notice the time has not begun to run out.
    """

    status: StatusKind
    kinds: tuple[str, ...] | None = None
    of_anyone: bool = False
    notice: NoticeKind | None = None
    notice_days: int = 0
    receipt_days: int = 0
    calendar: Calendar | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OnRegister:
    """Not to an address on one of these do-not-contact registers, from so many days after it was entered.

    ``registers``: names in small letters; one that ends in ``*`` stands for all that begin so. ``age_days_max``: a register
    that was read longer ago is not known any more, and nobody may be contacted on its word. ``until_consent``: a yes with an
    instrument that is younger than the entry lifts it.
    """

    registers: tuple[str, ...]
    delay_days: int = 0
    delay_working_days: int = 0
    calendar: Calendar | None = None
    age_days_max: int | None = None
    until_consent: bool = False

    def names(self, register: str) -> bool:
        """Whether a register is one of those meant."""
        name = register.casefold()
        return name in self.registers or any(each[-1:] == "*" and name.startswith(each[:-1]) for each in self.registers)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeldBack:
    """Not while it is in doubt whether she said stop."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Withdrawn:
    """Not on a channel or address for which her last word was no. ``lifted_by_creditor``: a yes to the creditor counts."""

    lifted_by_creditor: bool = True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlaceRefused:
    """Not at a place which she called inconvenient."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stranger:
    """Not to an address that turned out to be somebody else's."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PortfolioFull:
    """Not while the portfolio of the way has written first to as many people as it may within ``people_in``.

    Who wrote within ``wrote_within`` is answered, and not written to first.
    """

    people_in: timedelta
    wrote_within: timedelta


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Says:
    """What the words must not contain, and what they must.

    ``first_by``: the duty binds only the first contact counted by these keys.
    """

    never: tuple[Words, ...] = ()
    always: tuple[Words, ...] = ()
    opt_out_notice: bool = False
    states: tuple[str, ...] = ()
    first_by: tuple[Key, ...] | None = None
    caller_visible: bool = False
    registered_template: bool = False


Predicate = (
    Hours
    | HerHours
    | Count
    | Gap
    | Sticky
    | Since
    | NeedsConsent
    | NeedsNotice
    | NeedsInbound
    | Barred
    | InStatus
    | OnRegister
    | HeldBack
    | Withdrawn
    | PlaceRefused
    | Stranger
    | PortfolioFull
    | Says
)


# ---- clauses ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Head:
    """What a rule is called and where it stands."""

    rule: str
    pack: str
    code: str
    force: Force
    citation: str
    says: Mapping[str, str]
    names_hour: bool = True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Applies:
    """To which messages a clause speaks; None means every one. What is not known of a sector is taken to be every sector."""

    channels: tuple[Channel, ...] | None = None
    forms: tuple[Form, ...] | None = None
    purposes: tuple[Purpose, ...] | None = None
    sender_roles: tuple[SenderRole, ...] | None = None
    sectors: tuple[Sector, ...] | None = None
    roles: tuple[Role, ...] | None = None
    address_kinds: tuple[AddressKind, ...] | None = None
    address_sources: tuple[AddressSource, ...] | None = None
    debt_kinds: tuple[str, ...] | None = None
    debt_kinds_except: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clause:
    """One predicate of one rule under one choice of readings."""

    head: Head
    applies: Applies
    predicate: Predicate
    unless: tuple[Exemption, ...] = ()
    reading: str | None = None
    begins: date | None = None
    ends: date | None = None
    past_due_days_max: int | None = None
    shadow: bool = False

"""A pack as its file is written: the closed list of keys. What is not listed here stops the loading."""

from datetime import date
from typing import Annotated, Literal

from msgspec import Meta, Struct

from jurisdictions.rule import AskedMode, Happening, Key, Lift, OnHoliday, Threshold
from vocabulary.channel import AddressKind, AddressSource, Form, Purpose, Role, Sector, SenderRole
from vocabulary.event import Instrument, NoticeKind, StatusKind
from vocabulary.verdict import Force

Sentence = Annotated[str, Meta(min_length=1, max_length=400)]
RuleId = Annotated[str, Meta(pattern=r"^[A-Z][A-Za-z0-9]*(-[A-Za-z0-9]+)*$", max_length=40)]
Number = Annotated[int, Meta(ge=1, le=1000)]
Days = Annotated[int, Meta(ge=0, le=1000)]


class _Strict(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Every table of a pack: a key that is not declared is an error."""


class Reading(_Strict, frozen=True, kw_only=True):
    """A choice that the text of the law leaves open. ``stricter``: values that protect the person more than the default."""

    values: list[str]
    default: str
    stricter: list[str] = []
    says: Sentence


class CalendarTable(_Strict, frozen=True, kw_only=True):
    """Holidays by country and part of it, with days of the pack's own (``{"2026-07-13" = "why"}``)."""

    country: str | None = None
    subdivision: str | None = None
    categories: tuple[str, ...] = ("public",)
    observed: bool = True
    added: dict[date, Sentence] = {}
    removed: list[date] = []


class ExemptionTable(_Strict, frozen=True, kw_only=True):
    """What a name under ``unless`` means in this pack."""

    lift: Lift
    words_not: list[str] = []
    purpose: Purpose | None = None
    within: str | None = None
    days_max: Number | None = None
    given_to: Literal["sender", "creditor"] | None = None


class AskedTable(_Strict, frozen=True, kw_only=True):
    """Whether hours that the person asked for are added or replace the rule's."""

    mode: AskedMode
    instruments: list[Instrument] | None = None
    after_contract: bool = False


class HoursTable(_Strict, frozen=True, kw_only=True):
    """``open`` by day (``Mon-Fri``, ``Sat``) as ``07:00-19:00``, several with a space between, ``all`` or ``closed``."""

    open: dict[str, str]
    unlisted: Literal["closed", "silent"] = "closed"
    calendar: str | None = None
    holidays: OnHoliday = OnHoliday.IGNORED
    closing: Literal["outside", "inside"] = "outside"
    clock: str | None = None
    asked: AskedTable | None = None


class CountTable(_Strict, frozen=True, kw_only=True):
    """At most ``limit`` in ``period``: ``1 date``, ``7 dates``, ``iso week``, ``calendar month`` or ``168 hours``."""

    limit: Days
    period: str
    counts: Threshold
    by: list[Key]
    of: list[str] | None = None
    pool: list[Role] | None = None
    purposes_except: list[Purpose] = []
    places: list[AddressKind] | None = None
    answers: bool = True
    after_conversation: bool = False
    excludes: str | None = None


class GapTable(_Strict, frozen=True, kw_only=True):
    """At least ``period`` since the last: ``48 hours``, ``30 minutes``, ``2 clear days``, or ``none``."""

    period: str
    counts: Threshold
    by: list[Key]
    of: list[str] | None = None
    purposes_except: list[Purpose] = []
    answers: bool = True


class StickyTable(_Strict, frozen=True, kw_only=True):
    """Within ``period`` only the channel of the contacts that were made."""

    period: str
    counts: Threshold
    by: list[Key]
    of: list[str] | None = None
    purposes_except: list[Purpose] = []


class SinceTable(_Strict, frozen=True, kw_only=True):
    """Nothing for ``days`` dates after the last ``event``, its own date being day 1."""

    event: Happening
    days: Number
    of: list[str] | None = None
    by: list[Key] = []
    status: StatusKind | None = None
    kinds_except: list[str] = []
    of_anyone: bool = False
    notice: NoticeKind | None = None
    excludes: str | None = None


class ConsentTable(_Strict, frozen=True, kw_only=True):
    """``profile``: what the CRM's profile says is enough. ``asked_first``: she must have turned to the sender before."""

    profile: bool = False
    purpose: Purpose | None = None
    instruments: list[Instrument] | None = None
    given_to: Literal["sender", "creditor"] | None = None
    asked_first: bool = False


class NoticeTable(_Strict, frozen=True, kw_only=True):
    """A notice about every debt named, by any channel unless some are listed."""

    notice: NoticeKind
    channels: list[str] | None = None


class InboundTable(_Strict, frozen=True, kw_only=True):
    """A message of hers on this channel, ``within`` so long or ever."""

    within: str | None = None


class RequiresTable(_Strict, frozen=True, kw_only=True):
    """Exactly one need."""

    consent: ConsentTable | None = None
    notice: NoticeTable | None = None
    inbound: InboundTable | None = None


class StatusTable(_Strict, frozen=True, kw_only=True):
    """A status that stops contact."""

    status: StatusKind
    kinds: list[str] | None = None
    of_anyone: bool = False
    notice: NoticeKind | None = None
    notice_days: Days = 0
    receipt_days: Days = 0
    calendar: str | None = None


class RegisterTable(_Strict, frozen=True, kw_only=True):
    """Do-not-contact registers by name, with the delay after which an entry binds and the age at which a list is stale."""

    names: list[str]
    delay_days: Days = 0
    delay_working_days: Days = 0
    calendar: str | None = None
    age_days_max: Days | None = None
    until_consent: bool = False


class PortfolioTable(_Strict, frozen=True, kw_only=True):
    """The people that a business portfolio may write to first ``people_in`` so long; who wrote ``wrote_within`` is none of them."""

    people_in: str
    wrote_within: str


class ForbidsTable(_Strict, frozen=True, kw_only=True):
    """Exactly one ban."""

    always: bool = False
    roles: list[Role] | None = None
    address_kinds: list[AddressKind] | None = None
    address_sources: list[AddressSource] | None = None
    status: StatusTable | None = None
    register: RegisterTable | None = None
    withdrawn: bool = False
    creditor_may_restore: bool = True
    inconvenient_place: bool = False
    inconvenient_time: bool = False
    stranger: bool = False
    held: bool = False
    portfolio: PortfolioTable | None = None


class ContentTable(_Strict, frozen=True, kw_only=True):
    """Word lists that must not strike or must, and parts that must be stated."""

    never: list[str] = []
    always: list[str] = []
    opt_out_notice: bool = False
    states: list[str] = []
    first_by: list[Key] | None = None
    caller_visible: bool = False
    registered_template: bool = False


class RuleTable(_Strict, frozen=True, kw_only=True):
    """One clause: what it is called, to what it applies, one predicate, and what may lift it."""

    id: RuleId
    force: Force
    cite: Sentence
    says: dict[str, Sentence]
    clause: str | None = None
    status: Literal["in_force", "shadow"] = "in_force"
    effective_from: date | None = None
    effective_to: date | None = None
    names_hour: bool = True
    only_if: dict[str, str] = {}

    channels: list[str] | None = None
    forms: list[Form] | None = None
    purposes: list[Purpose] | None = None
    purposes_except: list[Purpose] | None = None
    sender_roles: list[SenderRole] | None = None
    sectors: list[Sector] | None = None
    roles: list[Role] | None = None
    roles_except: list[Role] | None = None
    address_kinds: list[AddressKind] | None = None
    debt_kinds: list[str] | None = None
    debt_kinds_except: list[str] | None = None
    past_due_days_max: Days | None = None
    unless: list[str] = []

    hours: HoursTable | None = None
    count: CountTable | None = None
    gap: GapTable | None = None
    sticky: StickyTable | None = None
    since: SinceTable | None = None
    requires: RequiresTable | None = None
    forbids: ForbidsTable | None = None
    content: ContentTable | None = None


class DutyTable(_Strict, frozen=True, kw_only=True):
    """A duty that no rule makes blocking: it is told with the answer. ``until_notice``: no more once that notice was given."""

    id: RuleId
    cite: Sentence
    says: dict[str, Sentence]
    channels: list[str] | None = None
    purposes: list[Purpose] | None = None
    sender_roles: list[SenderRole] | None = None
    sectors: list[Sector] | None = None
    roles: list[Role] | None = None
    until_notice: NoticeKind | None = None


class RetentionTable(_Strict, frozen=True, kw_only=True):
    """How long the evidence of contacting a person must be kept after the last that happened."""

    days: Annotated[int, Meta(ge=1, le=36_500)]
    cite: Sentence


class PackTable(_Strict, frozen=True, kw_only=True):
    """A whole file."""

    title: Sentence
    kind: Literal["jurisdiction", "platform", "house"]
    status: Literal["in_force", "draft", "bill", "expired"]
    effective_from: date
    effective_to: date | None = None
    reviewed: date
    sources: list[Sentence]
    doubts: list[Sentence] = []
    opt_out_words: list[str] = []
    channels: dict[str, list[str]] = {}
    readings: dict[str, Reading] = {}
    calendars: dict[str, CalendarTable] = {}
    words: dict[str, list[str]] = {}
    exemptions: dict[str, ExemptionTable] = {}
    rules: list[RuleTable]
    duties: list[DutyTable] = []
    retention: RetentionTable | None = None

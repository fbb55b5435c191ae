"""Puts a message before the law: gathers the facts of one case, asks about each channel in order, and picks.

What the law says is decided elsewhere (``gateway.deciding.decide``); here a stored message becomes a question, and dispatch adds the two
house rules that only the moment of sending knows, HOUSE-EDGE and HOUSE-LAG.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Final, Protocol, Self
from zoneinfo import ZoneInfo

from consent.standing import stated_zones
from gateway.addresses import PHONE_CHANNELS, country_of
from gateway.asks import StoredAsk, content_for, registered_for
from gateway.deciding.decide import decide, open_around, taken_late
from jurisdictions.built_in import HOUSE
from jurisdictions.house import Policy
from jurisdictions.library import Library
from jurisdictions.resolution import packs_for, platforms_for, zones_for
from storage.people import AddressRow, ContactRow, DebtRow
from vocabulary.channel import AddressKind, AddressSource, Channel, Role, Sector, SenderRole
from vocabulary.event import Contacted, History
from vocabulary.message import Content, Debt, Message, Person, Portfolio, Question, Sender
from vocabulary.values import quickly_made
from vocabulary.verdict import Answer, Force, Reason, Verdict

#: From the decision to the first byte on the wire, at the most.
HOLD: Final = timedelta(seconds=5)
#: From the first byte to the provider's answer, at the most.
CALL: Final = timedelta(seconds=20)
#: How long a provider may keep a message before it reaches her.
VALID_MIN: Final = timedelta(seconds=60)
VALID_MAX: Final = timedelta(seconds=600)
#: How far two clocks may stand apart.
SKEW: Final = timedelta(seconds=2)
#: Closer than this to closing, a message might arrive after it.
EDGE: Final = HOLD + CALL + VALID_MIN + SKEW


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Everything that is known when a message is decided, as of one reading of the database."""

    contact: ContactRow
    ask: StoredAsk
    debts: Mapping[str, DebtRow]
    history: History
    policy: Policy
    #: She answered there since the message was accepted. ``tried``: something was sent already, and did not reach her.
    answered_on: Channel | None = None
    tried: bool = False
    #: What the portfolios of ways have room for; None: nobody looked.
    openings: "Rooms | None" = None


class Rooms(Protocol):
    """Asks what the portfolio of a way has room for."""

    def portfolio(self, way: str, address: str, now: datetime, /) -> Portfolio | None:
        """Of whoever has this address; None where the way has no portfolio."""
        ...


@dataclass(frozen=True, slots=True)
class WayOut:
    """A way as the law sees it: the operator's name for it and the kind of its provider (``twilio``)."""

    name: str
    kind: str


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the law says of one channel by some of its ways: those that differ in nothing that the law asks about."""

    channel: Channel
    address: AddressRow | None
    verdict: Verdict
    validity: timedelta = VALID_MAX
    ways: tuple[str, ...] = ()
    #: When hours opened, where that was so lately that by another clock it may not have been yet.
    opened: datetime | None = None
    zones: tuple[str, ...] = ()


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The channel that stands, its verdict, and the verdicts of all that were asked, in order of preference.

    ``by_ways``: what the law says of each way of the channel that stands, where it does not say the same of all.
    """

    channel: Channel
    address: AddressRow | None
    verdict: Verdict
    all: tuple[tuple[Channel, Verdict], ...]
    validity: timedelta = VALID_MAX
    by_ways: tuple[Asked, ...] = ()
    #: When hours opened, where that was less than ``SKEW`` ago: by another clock they may not have opened yet.
    opened: datetime | None = None
    #: How the order of the channels came about, where it was left to the gateway.
    auto: Mapping[str, Any] | None = None
    #: Every zone that she may be in, as the law was told.
    zones: tuple[str, ...] = ()

    def allows(self, way: str) -> bool:
        """Whether the law lets it leave by this way."""
        return self._of(way).answer is Answer.ALLOW

    def through(self, way: str) -> Self:
        """The same choice as the decision on leaving by this way."""
        for asked in self.by_ways:
            if way in asked.ways and asked.verdict is not self.verdict:
                decided = tuple((c, asked.verdict if c is self.channel else v) for c, v in self.all)
                return replace(self, verdict=asked.verdict, validity=asked.validity, all=decided, opened=asked.opened)
        return self

    @property
    def passed_over(self) -> tuple[tuple[str, Verdict], ...]:
        """The ways of this channel that the law forbids while it allows another, each with why."""
        if self.verdict.answer is not Answer.ALLOW:
            return ()
        return tuple(
            (way, asked.verdict)
            for asked in self.by_ways
            if asked.verdict.answer is not Answer.ALLOW
            for way in asked.ways
        )

    def _of(self, way: str) -> Verdict:
        return next((asked.verdict for asked in self.by_ways if way in asked.ways), self.verdict)

    @property
    def latest(self) -> datetime:
        """The last instant at which a message sent on this verdict may reach her."""
        return self.verdict.decided_at + HOLD + CALL + self.validity + SKEW


class Judge:
    """Asks the law. Pure but for what it was made of. ``ways``: the ways of each channel, in the operator's order."""

    def __init__(self, law: Library, ways: Mapping[Channel, Sequence[WayOut]] | None = None) -> None:
        self._law = law
        self._ways = ways or {}

    @property
    def law(self) -> Library:
        """The packs in this process."""
        return self._law

    def under(self, law: Library) -> Self:
        """The same judge under other packs."""
        return type(self)(law, self._ways)

    def advise(self, case: Case, now: datetime) -> Choice:
        """What the law says now, without the rules of dispatch."""
        return self._choose(case, now, dispatching=False)

    def accept(self, case: Case, now: datetime) -> Choice:
        """The decision at acceptance: of a message that is wanted later, what the law says of that instant."""
        wanted = case.ask.send_at
        if wanted is None or wanted <= now:
            return self.advise(case, now)
        choice = self.advise(case, wanted)
        verdict = replace(choice.verdict, decided_at=now)
        if verdict.answer is Answer.ALLOW:
            verdict = _house(verdict, "HOUSE-SENDAT", wanted, _SEND_AT)
        return replace(choice, verdict=verdict)

    def dispatch(self, case: Case, now: datetime) -> Choice:
        """What may be sent this second: the law, and the margins that sending needs."""
        return self._choose(case, now, dispatching=True)

    def _choose(self, case: Case, now: datetime, *, dispatching: bool) -> Choice:
        by_channel = [self._ask(case, _CHANNELS[name], now, dispatching=dispatching) for name in case.ask.channels]
        if len(by_channel) == 1 and len(by_channel[0]) == 1 and case.answered_on is None:
            (only,) = by_channel[0]  # nothing to choose between, as with nearly every message of a campaign
            return Choice(
                channel=only.channel,
                address=only.address,
                verdict=only.verdict,
                all=((only.channel, only.verdict),),
                validity=only.validity,
                opened=only.opened,
                zones=only.zones,
            )
        by_channel = _where_she_answered(case, by_channel)
        best = [min(asked, key=_preference) for asked in by_channel]
        stands = min(best, key=_preference)
        by_ways = by_channel[best.index(stands)]
        return Choice(
            channel=stands.channel,
            address=stands.address,
            verdict=stands.verdict,
            all=tuple((asked.channel, asked.verdict) for asked in best),
            validity=stands.validity,
            by_ways=by_ways if len(by_ways) > 1 else (),
            opened=stands.opened,
            zones=stands.zones,
        )

    def _ask(self, case: Case, channel: Channel, now: datetime, *, dispatching: bool) -> tuple[Asked, ...]:
        """What the law says of one channel: once for all of its ways that it does not tell apart."""
        address = address_for(case, channel)
        ways_out = self._ways.get(channel, ())
        together: Iterable[Sequence[WayOut | None]] = [ways_out or (None,)]
        if len(ways_out) > 1:  # one alone has nothing to be told apart from
            alike: dict[object, list[WayOut | None]] = {}
            for way in ways_out:
                alike.setdefault(self._told_apart(case, channel, address, way, now), []).append(way)
            together = alike.values()
        asked: list[Asked] = []
        for ways in together:
            question = self.question(case, channel, address, now, ways[0])
            verdict = decide(question, self._law, case.policy)
            validity, opened = VALID_MAX, None
            if dispatching and verdict.answer is Answer.ALLOW:
                verdict, validity, opened = self._with_margins(question, verdict, case.policy)
            if address is not None and address.invalid_at is not None:
                verdict = _forbidden(verdict, "HOUSE-ADDRESS", _NO_ADDRESS)
            asked.append(
                Asked(
                    channel=channel,
                    address=address,
                    verdict=verdict,
                    validity=validity,
                    ways=tuple([way.name for way in ways if way is not None]),
                    opened=opened,
                    zones=question.person.zones,
                )
            )
        return tuple(asked)

    def _told_apart(
        self, case: Case, channel: Channel, address: AddressRow | None, way: WayOut, now: datetime
    ) -> object:
        """What of a way the law asks about: its platform's rules, whether a template was approved there, and its portfolio."""
        packs = platforms_for(channel=channel, way=way.kind, countries=_countries(channel, address))
        approved = registered_for(case.ask, channel, way.name) is not None
        return tuple(sorted(packs)), approved, _portfolio(case, address, way, now)

    def question(
        self, case: Case, channel: Channel, address: AddressRow | None, now: datetime, way: WayOut | None = None
    ) -> Question:
        """The question that one channel of a case puts to the law, by a way; None: by its first."""
        if way is None:
            way = next(iter(self._ways.get(channel, ())), None)
        ask = case.ask
        contact = case.contact
        countries = _countries(channel, address)
        content = content_for(ask, channel)
        registered = registered_for(ask, channel, None if way is None else way.name) is not None
        text = content.text
        if text is None and content.audio is not None:
            text = content.audio.speech
        return Question(
            message=Message(
                channel=channel,
                form=ask.form,
                purpose=ask.purpose,
                debts=tuple(ask.debts),
                address=address.endpoint if address else None,
                address_kind=_KINDS[address.kind] if address else AddressKind.UNKNOWN,
                address_source=_SOURCES[address.source] if address else AddressSource.UNKNOWN,
                # An answer is one in the medium of what it answers.
                reply_to_inbound=ask.answers_channel == channel,
                content=Content(
                    text=text,
                    subject=content.subject,
                    opt_out_notice=content.opt_out_notice,
                    caller_id=content.caller_id,
                    states=None if content.states is None else tuple(content.states),
                    registered_template=True if registered else content.registered_template,
                ),
            ),
            sender=_sender(ask.role, ask.creditor, ask.collector, ask.sector),
            person=Person(
                person=contact.id,
                role=role_of(case),
                zones=zones_of(case, address),
                # Nobody is taken to have allowed anything: grants stand in the history, one by one.
                authorised=frozenset(),
            ),
            debts={
                debt.id: Debt(contract_signed=debt.contract_signed, due=debt.due, kind=debt.kind)
                for debt in case.debts.values()
            },
            history=case.history,
            now=now,
            packs=_packs(
                tuple(contact.jurisdictions),
                countries,
                contact.residence,
                ask.seat,
                channel,
                None if way is None else way.kind,
            ),
            readings={},
            portfolio=_portfolio(case, address, way, now),
        )

    def _with_margins(
        self, question: Question, verdict: Verdict, policy: Policy
    ) -> tuple[Verdict, timedelta, datetime | None]:
        now = question.now
        if any(isinstance(e, Contacted) and e.latest is not None and e.latest > e.at for e in question.history):
            later = decide(taken_late(question), self._law, policy)
            if later.answer is not Answer.ALLOW:
                return _house(verdict, "HOUSE-LAG", later.until, _LAG), VALID_MAX, None
        opened, closes = open_around(question, self._law, SKEW, EDGE + VALID_MAX, policy)
        if closes is None:
            return verdict, VALID_MAX, opened
        if closes - now < EDGE:
            reopening = decide(replace(question, now=closes), self._law, policy)
            return _house(verdict, "HOUSE-EDGE", reopening.until, _EDGE), VALID_MAX, None
        return verdict, min(VALID_MAX, max(VALID_MIN, closes - now - HOLD - CALL - SKEW)), opened


def address_for(case: Case, channel: Channel) -> AddressRow | None:
    """Where a message goes on a channel: the address asked for, or her first one there that is not known to be none."""
    wanted, first = case.ask.address, None
    for row in case.contact.addresses:
        if row.channel == channel and (wanted is None or wanted == row.address):
            if row.invalid_at is None:
                return row
            first = first or row
    return first


def _portfolio(case: Case, address: AddressRow | None, way: WayOut | None, now: datetime) -> Portfolio | None:
    if case.openings is None or address is None or way is None:
        return None
    return case.openings.portfolio(way.name, address.address, now)


def _countries(channel: Channel, address: AddressRow | None) -> tuple[str, ...]:
    country = country_of(channel, address.address) if address else None
    return (country,) if country else ()


@lru_cache(maxsize=4096)  # a campaign's people live under few laws, and nobody changes what is answered here
def _packs(
    given: tuple[str, ...],
    countries: tuple[str, ...],
    residence: str | None,
    seat: str | None,
    channel: Channel,
    kind: str | None,
) -> Mapping[str, str]:
    """Every pack that binds, of places and of platforms, each with the fact that selected it."""
    return {
        **packs_for(given=given, countries=countries, residence=residence, seat=seat),
        **platforms_for(channel=channel, way=kind, countries=countries),
    }


@lru_cache(maxsize=1024)
def _sender(role: SenderRole, creditor: str, collector: str, sector: Sector | None) -> Sender:
    return Sender(role=role, creditor=creditor, collector=collector, sector=sector)


def _where_she_answered(case: Case, by_channel: list[tuple[Asked, ...]]) -> list[tuple[Asked, ...]]:
    """A channel on which she answered wins, and no other is tried: once something was sent, not even if it may not be used."""
    there = case.answered_on
    if there is None:
        return by_channel
    usable = any(
        asked.channel is there and asked.verdict.answer is not Answer.DENY for each in by_channel for asked in each
    )
    if not usable and not case.tried:
        return by_channel
    return [
        tuple(
            asked
            if asked.channel is there
            else replace(asked, verdict=_forbidden(asked.verdict, "HOUSE-STICKY", _ANSWERED))
            for asked in each
        )
        for each in by_channel
    ]


def zones_of(case: Case, address: AddressRow | None) -> tuple[str, ...]:
    """Every zone she may be in: those given and those of the address used."""
    number = address.address if address and address.channel in PHONE_CHANNELS else None
    stated = stated_zones(case.history, case.contact.id)
    return zones_for(given=case.contact.zones, number=number, stated=stated)


def role_of(case: Case) -> Role:
    """What she is to the debts that the message names; her own role where they do not say."""
    for debt in case.debts.values():
        for contact, role in debt.contacts or ():
            if contact == case.contact.id:
                return _ROLES[role]
    return _ROLES[case.contact.role]


def next_midnight(now: datetime, zones: Sequence[str]) -> datetime:
    """The first local midnight after ``now`` in any of the zones: when a rule that names no hour is asked again."""
    return min(
        datetime.combine(now.astimezone(zone).date() + timedelta(days=1), time(), zone).astimezone(UTC)
        for zone in [ZoneInfo(name) for name in zones or ("UTC",)]
    )


_SEND_AT = ("before the instant at which the message is wanted", "send_at of the message")
_LAG = (
    "an earlier contact is not confirmed and may still arrive",
    "counted at the latest instant at which it can arrive",
)
_EDGE = (
    "too close to closing for a message to be sure to arrive before it",
    f"at least {int(EDGE.total_seconds())} s before closing",
)


_NO_ADDRESS = ("a provider says that the address is none", "addresses that may exist")
_ANSWERED = ("she answered on another channel", "where she answers, and nowhere else")


def _house(verdict: Verdict, rule: str, until: datetime | None, said: tuple[str, str]) -> Verdict:
    reason = _reason(rule, Answer.DEFER, until, "the gateway's own margin", said)
    return replace(verdict, answer=Answer.DEFER, until=until, reasons=(reason,))


def _forbidden(verdict: Verdict, rule: str, said: tuple[str, str]) -> Verdict:
    """Never, whatever the law said; its own reasons stay beside."""
    reason = _reason(rule, Answer.DENY, None, "the gateway's own rule", said)
    return replace(verdict, answer=Answer.DENY, until=None, reasons=(*verdict.reasons, reason))


def _reason(rule: str, effect: Answer, until: datetime | None, citation: str, said: tuple[str, str]) -> Reason:
    observed, limit = said
    return Reason(
        rule=rule,
        pack=HOUSE,
        force=Force.HOUSE,
        citation=citation,
        effect=effect,
        until=until,
        observed=observed,
        limit=limit,
    )


# Looked up in every decision, where calling the type costs several times as much.
_CHANNELS: Final[Mapping[str, Channel]] = {each.value: each for each in Channel}
_ROLES: Final[Mapping[str, Role]] = {each.value: each for each in Role}
_KINDS: Final[Mapping[str, AddressKind]] = {each.value: each for each in AddressKind}
_SOURCES: Final[Mapping[str, AddressSource]] = {each.value: each for each in AddressSource}

_RANK: Final = {Answer.ALLOW: 0, Answer.DEFER: 1, Answer.DENY: 2}
_NEVER: Final = datetime.max.replace(tzinfo=UTC)


def _preference(asked: Asked) -> tuple[int, datetime]:
    return _RANK[asked.verdict.answer], asked.verdict.until or _NEVER

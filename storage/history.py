"""What happened to people, as rows: contacts that count, replies, and everything a person said."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec

from storage import erasures, registers
from storage.database import Connection
from storage.people import Key
from storage.queries import queries
from vocabulary.channel import AddressKind, Channel, Form, Purpose, Role
from vocabulary.event import (
    CallRequested,
    ChannelPreferred,
    Consented,
    ConsentState,
    Contacted,
    ContactOutcome,
    Event,
    Evidence,
    Held,
    HoursRequested,
    InboundCall,
    Inconvenient,
    Instrument,
    LanguagePreferred,
    Listed,
    NotAssociated,
    NoticeGiven,
    NoticeKind,
    Promised,
    RegisterRead,
    Replied,
    StatusKind,
    StatusSet,
    Weekday,
    ZoneStated,
)
from vocabulary.values import quickly_made, reading

T = TypeVar("T")

_SQL = "history"

#: How far back single contacts are read: beyond the widest window of any pack (a year and its edges). Statements have no end.
LOOKBACK: Final = timedelta(days=400)


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """One thing that happened, as it is kept. ``event.address`` is an endpoint, ``event.person`` the contact's id."""

    id: UUID
    tenant: str
    contact: str
    event: Event
    words: str | None = field(default=None, repr=False)
    evidence: Evidence | None = None
    attempt: UUID | None = None
    external_id: str | None = None


async def add(connection: Connection, rows: Sequence[EventRow]) -> set[UUID]:
    """Append events; the ids of those that are new (an ``external_id`` that is known changes nothing).

    The caller holds the contacts' locks when they can change what may be sent.
    """
    if not rows:
        return set()
    columns = [_columns(row) for row in rows]
    added = await connection.fetch(queries(_SQL)["add"], *[list(column) for column in zip(*columns, strict=True)])
    return {row["id"] for row in added}


async def histories(
    connection: Connection,
    endpoints: Mapping[Key, Iterable[str]],
    now: datetime,
    *,
    known_until: datetime | None = None,
) -> dict[Key, tuple[Event, ...]]:
    """Per person: her own events, oldest first, what was said of an address she shares, and what her household and debts share.

    At the end stands what registers say of her addresses, and when they were read.

    ``known_until`` leaves out single contacts later than that: for a clock that may be set back, and questions about the past.
    Without it a contact in the future counts, which is what protects her when a server's clock steps back.
    """
    keys = sorted(endpoints)
    shared = [(key, endpoint) for key in keys for endpoint in sorted(set(endpoints[key]))]
    rows = await connection.fetch(
        queries(_SQL)["histories"],
        [k[0] for k in keys],
        [k[1] for k in keys],
        now - LOOKBACK,
        [k[0] for k, _ in shared],
        [k[1] for k, _ in shared],
        [e for _, e in shared],
        known_until or now + LOOKBACK,
    )
    found: dict[Key, list[Event]] = {key: [] for key in keys}
    for row in rows:
        found[(row["tenant"], row["asked"])].append(event_of(row, row["who"]))
    for key, listed in (await registers.facts(connection, keys, shared)).items():
        found[key].extend(listed)
    for key, erased in (await erasures.suppressed(connection, shared)).items():
        found[key].extend(erased)
    return {key: tuple(events) for key, events in found.items()}


async def known_external(connection: Connection, tenant: str, ids: Iterable[str]) -> dict[str, tuple[UUID, str]]:
    """Of the CRM's own event ids: ours, and whose they are."""
    rows = await connection.fetch(queries(_SQL)["known_external"], tenant, list(ids))
    return {row["external_id"]: (row["id"], row["contact"]) for row in rows}


async def supersede(connection: Connection, tenant: str, old: UUID, new: UUID) -> None:
    """A correction takes the place of an earlier event, which no longer counts."""
    await connection.execute(queries(_SQL)["supersede"], tenant, old, new)


async def settle(
    connection: Connection, attempts: Sequence[UUID], outcomes: Sequence[str], latest: Sequence[datetime | None]
) -> None:
    """What is now known of reserved contacts: ``failed`` gives the reservation back, anything else counts as it says."""
    if attempts:
        await connection.execute(queries(_SQL)["settle"], list(attempts), list(outcomes), list(latest))


#: How a call can have ended, by how much is known, rising: an answering machine is known later than that somebody answered.
CALL_RESULTS: Final = (
    ContactOutcome.ATTEMPTED,
    ContactOutcome.NOT_CONNECTED,
    ContactOutcome.NO_ANSWER,
    ContactOutcome.CONNECTED,
    ContactOutcome.VOICEMAIL_REACHED,
    ContactOutcome.VOICEMAIL_LEFT,
    ContactOutcome.CONVERSATION,
)


async def call_results(connection: Connection, results: Sequence[tuple[UUID, str, datetime | None]]) -> None:
    """How calls ended: an outcome that says less than the one that stands changes nothing."""
    if results:
        await connection.execute(
            queries(_SQL)["call_results"],
            [r[0] for r in results],
            [r[1] for r in results],
            [r[2] for r in results],
            list(CALL_RESULTS),
        )


async def reply_of(connection: Connection, tenant: str, contact: str, event: UUID) -> str | None:
    """The channel of a reply of this person's, or None when there is no such reply."""
    channel: str | None = await connection.fetchval(queries(_SQL)["reply_of"], tenant, contact, event)
    return channel


def _columns(row: EventRow) -> tuple[Any, ...]:
    event = row.event
    channel: str | None = getattr(event, "channel", None)
    address = getattr(event, "address", None)
    debts = getattr(event, "debts", None)
    form = outcome = purpose = kind = creditor = collector = role = None
    latest: datetime | None = None
    answers = False
    if isinstance(event, Contacted):
        form, outcome, purpose = event.form, event.outcome, event.purpose
        kind, creditor, collector, role = event.address_kind, event.creditor, event.collector, event.role
        latest, answers = event.latest, event.reply_to_inbound
    elif isinstance(event, InboundCall):
        outcome = event.outcome
    elif isinstance(event, Consented):
        purpose = event.purpose
    return (
        row.id,
        row.tenant,
        row.contact,
        event.at,
        _TYPES[type(event)],
        channel,
        form,
        outcome,
        purpose,
        None if debts is None else json.dumps(list(debts)),
        address,
        kind,
        creditor,
        collector,
        answers,
        role,
        latest,
        _detail(event),
        row.words,
        row.attempt,
        row.external_id,
        None if row.evidence is None else json.dumps(evidence_of(row.evidence)),
    )


_TYPES: Final[dict[type, str]] = {
    Contacted: "contact",
    Replied: "reply",
    InboundCall: "inbound_call",
    Consented: "consent",
    HoursRequested: "hours_requested",
    Inconvenient: "inconvenient",
    StatusSet: "status",
    Listed: "listed",
    NotAssociated: "not_associated",
    NoticeGiven: "notice",
    ChannelPreferred: "channel_preferred",
    LanguagePreferred: "language_preferred",
    ZoneStated: "zone_stated",
    CallRequested: "call_requested",
    Promised: "promise",
    Held: "held",
    RegisterRead: "register_read",
}


def type_of(event: Event) -> str:
    """The word of the scenario files for an event."""
    return _TYPES[type(event)]


def facts_of(event: Event) -> dict[str, Any]:
    """An event as flat facts: the words of the scenario files, the person left out."""
    facts: dict[str, Any] = {"type": type_of(event), "on": event.at.isoformat(), **_details(event)}
    for name in _SHARED:
        value = getattr(event, name, None)
        if value is not None and value is not False:
            facts[name] = list(value) if isinstance(value, tuple) else value
    return facts


_SHARED: Final = (
    "channel", "form", "outcome", "purpose", "debts", "address", "address_kind", "creditor", "collector", "role",
    "reply_to_inbound",
)  # fmt: skip


def evidence_of(evidence: Evidence) -> dict[str, Any]:
    """What proves a statement as flat facts; what was not said is left out."""
    names = ("channel", "address", "purpose", "instrument", "page", "provider_id")
    return {name: value for name in names if (value := getattr(evidence, name)) is not None}


def _detail(event: Event) -> str | None:
    detail = _details(event)
    return json.dumps(detail) if detail else None


def _details(event: Event) -> dict[str, Any]:
    detail: dict[str, Any]
    match event:
        case Contacted() | Replied() | InboundCall() | NotAssociated():
            return {}
        case Consented():
            detail = {
                "state": event.state,
                "all": event.all,
                "instrument": event.instrument,
                "given_to": event.given_to,
                "grants": event.grants,
                "for_days": event.for_days,
            }
        case HoursRequested():
            detail = {
                "days": list(event.days),
                "from": event.opens.isoformat(),
                "to": event.closes and event.closes.isoformat(),
                "instrument": event.instrument,
                "requested_by": event.requested_by,
            }
        case Inconvenient():
            detail = {
                "days": list(event.days),
                "from": event.opens and event.opens.isoformat(),
                "to": event.closes and event.closes.isoformat(),
                "place": event.place,
            }
        case StatusSet():
            detail = {"is": event.status, "kind": event.kind, "ended": event.ended}
        case Listed():
            detail = {"list": event.register, "since": event.since and event.since.isoformat()}
        case NoticeGiven():
            detail = {"is": event.notice}
        case ChannelPreferred():
            detail = {"ended": event.ended}
        case LanguagePreferred():
            detail = {"locale": event.locale}
        case ZoneStated():
            detail = {"zones": list(event.zones), "ended": event.ended}
        case CallRequested():
            detail = {"from": _iso(event.begins), "to": _iso(event.ends), "ended": event.ended}
        case Promised():
            detail = {
                "pays_on": event.pays_on and event.pays_on.isoformat(),
                "amount": event.amount,
                "currency": event.currency,
                "ended": event.ended,
            }
        case Held():
            detail = {"until": _iso(event.until), "reason": event.reason, "ended": event.ended}
        case RegisterRead():
            detail = {"list": event.register}
    return {key: value for key, value in detail.items() if value is not None}


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


# Looked up in histories, which are long, where calling the type costs several times as much.
_CHANNELS: Final = {each.value: each for each in Channel}
_OUTCOMES: Final = {each.value: each for each in ContactOutcome}
_FORMS: Final = {each.value: each for each in Form}
_PURPOSES: Final = {each.value: each for each in Purpose}
_KINDS: Final = {each.value: each for each in AddressKind}
_ROLES: Final = {each.value: each for each in Role}


def _words(known: Mapping[str, T], usual: T) -> Callable[[str | None], T]:
    """What a word of a column is; the usual where there is none."""
    by_word: dict[str | None, T] = {None: usual, "": usual}
    for word, meant in known.items():
        by_word[word] = meant
    return by_word.__getitem__


_contacted: Final = reading(
    Contacted,
    made={
        "channel": _CHANNELS.__getitem__,
        "outcome": _OUTCOMES.__getitem__,
        "form": _words(_FORMS, Form.TEXT),
        "purpose": _words(_PURPOSES, Purpose.COLLECTION),
        "address_kind": _words(_KINDS, AddressKind.UNKNOWN),
        "role": _words(_ROLES, Role.UNKNOWN),
        "debts": lambda debts: tuple(debts) if debts else (),
        "id": attrgetter("hex"),
    },
    under={"address": "endpoint"},
    beside=("person",),
)


class _Granted(msgspec.Struct, frozen=True, gc=False):
    """What only statements of consent have."""

    state: ConsentState
    all: bool = False
    instrument: Instrument | None = None
    given_to: str | None = None
    grants: str | None = None
    for_days: int | None = None


@lru_cache(maxsize=1024)  # most people allowed it in the same few ways
def _granted(detail: str) -> _Granted:
    return msgspec.json.decode(detail, type=_Granted)


def _consented(row: Any, person: str) -> Consented:
    said, channel, purpose, debts = _granted(row["detail"]), row["channel"], row["purpose"], row["debts"]
    return Consented(
        at=row["at"],
        state=said.state,
        channel=_CHANNELS[channel] if channel else None,
        address=row["endpoint"],
        all=said.all,
        purpose=_PURPOSES[purpose] if purpose else None,
        instrument=said.instrument,
        given_to=said.given_to,
        grants=said.grants,
        debts=None if debts is None else tuple(debts),
        for_days=said.for_days,
        person=person,
        id=row["id"].hex,
    )


def event_of(row: Any, person: str) -> Event:
    """The event behind a row, as something that happened to ``person``."""
    if row["type"] == "contact":  # what most rows are
        return _contacted(row, person)
    at: datetime = row["at"]
    identity = row["id"].hex
    debts = row["debts"]
    listed = None if debts is None else tuple(debts)
    if row["type"] == "consent":
        return _consented(row, person)
    detail: dict[str, Any] = json.loads(row["detail"]) if row["detail"] else {}
    channel = _CHANNELS[row["channel"]] if row["channel"] else None
    match row["type"]:
        case "reply":
            assert channel is not None
            return Replied(
                at=at, channel=channel, debts=listed or (), address=row["endpoint"], person=person, id=identity
            )
        case "inbound_call":
            return InboundCall(
                at=at, outcome=ContactOutcome(row["outcome"]), debts=listed or (), person=person, id=identity
            )
        case "hours_requested":
            return HoursRequested(
                at=at,
                days=tuple(Weekday(day) for day in detail["days"]),
                opens=time.fromisoformat(detail["from"]),
                closes=time.fromisoformat(detail["to"]) if "to" in detail else None,
                instrument=Instrument(detail["instrument"]) if "instrument" in detail else None,
                requested_by=detail.get("requested_by", "person"),
                person=person,
                id=identity,
            )
        case "inconvenient":
            return Inconvenient(
                at=at,
                days=tuple(Weekday(day) for day in detail["days"]),
                opens=time.fromisoformat(detail["from"]) if "from" in detail else None,
                closes=time.fromisoformat(detail["to"]) if "to" in detail else None,
                place=AddressKind(detail["place"]) if "place" in detail else None,
                person=person,
                id=identity,
            )
        case "status":
            return StatusSet(
                at=at,
                status=StatusKind(detail["is"]),
                kind=detail.get("kind"),
                ended=detail.get("ended", False),
                debts=listed,
                address=row["endpoint"],
                person=person,
                id=identity,
            )
        case "listed":
            return Listed(
                at=at,
                register=detail["list"],
                channel=channel,
                address=row["endpoint"],
                since=date.fromisoformat(detail["since"]) if "since" in detail else None,
                person=person,
                id=identity,
            )
        case "not_associated":
            return NotAssociated(at=at, address=row["endpoint"], person=person, id=identity)
        case "notice":
            return NoticeGiven(
                at=at,
                notice=NoticeKind(detail["is"]),
                debts=listed or (),
                channel=channel or Channel.LETTER,
                person=person,
                id=identity,
            )
        case "channel_preferred":
            assert channel is not None
            return ChannelPreferred(
                at=at,
                channel=channel,
                address=row["endpoint"],
                ended=detail.get("ended", False),
                person=person,
                id=identity,
            )
        case "language_preferred":
            return LanguagePreferred(at=at, locale=detail["locale"], person=person, id=identity)
        case "zone_stated":
            return ZoneStated(
                at=at,
                zones=tuple(detail["zones"]),
                ended=detail.get("ended", False),
                person=person,
                id=identity,
            )
        case "call_requested":
            return CallRequested(
                at=at,
                begins=_instant(detail.get("from")),
                ends=_instant(detail.get("to")),
                address=row["endpoint"],
                debts=listed or (),
                ended=detail.get("ended", False),
                person=person,
                id=identity,
            )
        case "promise":
            return Promised(
                at=at,
                pays_on=date.fromisoformat(detail["pays_on"]) if "pays_on" in detail else None,
                amount=detail.get("amount"),
                currency=detail.get("currency"),
                debts=listed or (),
                ended=detail.get("ended", False),
                person=person,
                id=identity,
            )
        case "held":
            return Held(
                at=at,
                until=_instant(detail.get("until")),
                reason=detail.get("reason"),
                ended=detail.get("ended", False),
                person=person,
                id=identity,
            )
        case "register_read":
            return RegisterRead(at=at, register=detail["list"], person=person, id=identity)
        case other:
            raise AssertionError(f"contact_event holds a row of type {other!r}")

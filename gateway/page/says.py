"""What she says on her page becomes statements: one transaction under her lock, and from its commit on nothing leaves against it.

The order of locks is the house's: messages, contacts, endpoints, the chain's head. A link is what anybody may hold who has the
message: it takes back and narrows, and never allows more than before.
"""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from hashlib import sha256
from typing import Any, Final, assert_never
from zoneinfo import ZoneInfo

import msgspec

from gateway.asks import StoredAsk
from gateway.entries import Scribe
from gateway.events import event
from gateway.page.links import Links, Opened
from gateway.page.shown import zones_of
from gateway.people.profiles import statement_entry
from gateway.rejudged import SHARERS_MAX, Rejudger
from gateway.settle import Round
from pages.debtor.forms import (
    Answers,
    CallMe,
    CannotNow,
    Disputes,
    NotAt,
    NotMe,
    NotThen,
    Prefers,
    Speaks,
    StopAll,
    StopHere,
    When,
    WillPay,
    Wish,
)
from storage import history, links, messages, people, ties
from storage.clock import LegalClock
from storage.database import Connection, Database
from storage.history import EventRow
from vocabulary.channel import AddressKind, Channel
from vocabulary.event import (
    CallRequested,
    ChannelPreferred,
    Consented,
    ConsentState,
    Event,
    Evidence,
    Inconvenient,
    Instrument,
    LanguagePreferred,
    NotAssociated,
    Promised,
    StatusKind,
    StatusSet,
    Weekday,
)
from vocabulary.ids import new_uuid
from vocabulary.status import WAITING

#: Parts of the day as the page calls them: from, to (None: the day's end).
_PARTS: Final[Mapping[NotThen, tuple[time, time | None]]] = {
    NotThen.MORNING: (time(0), time(12)),
    NotThen.MIDDAY: (time(12), time(18)),
    NotThen.EVENING: (time(18), None),
}
_CALLS: Final = {When.MORNING: (8, 12), When.AFTERNOON: (12, 18)}


class NotOffered(Exception):
    """She chose what the page did not offer."""


class Hearer:
    """Hears wishes."""

    def __init__(
        self, *, database: Database, clock: LegalClock, scribe: Scribe, links: Links, rejudger: Rejudger
    ) -> None:
        self._database = database
        self._clock = clock
        self._scribe = scribe
        self._links = links
        self._rejudger = rejudger

    async def hear(self, token: str, wish: Wish, *, nonce: str, version: str) -> bool:
        """Keep what she says behind a link; False when the link opens nothing any more.

        ``nonce`` is the page's own: the same wish sent twice from one page is one statement. ``version``: of the page that
        she had before her. Raises NotOffered or DatabaseAway.
        """

        async def job(connection: Connection) -> bool:
            return await self._hear(connection, token, wish, nonce, version)

        return await self._database.run(job)

    async def _hear(self, connection: Connection, token: str, wish: Wish, nonce: str, version: str) -> bool:
        _, real = await self._clock.now(connection)
        opened = await self._links.open(connection, token, real)
        if opened is None:
            return False
        key = (opened.contact.tenant, opened.contact.id)
        # A stop closes the address that the link went to, for whoever else uses it too.
        closed = [opened.endpoint] if isinstance(wish, StopHere | StopAll) else []
        keys = {key, *await people.sharing(connection, key[0], closed, SHARERS_MAX)}
        if isinstance(wish, Disputes | NotMe):
            # How she stands to a debt may bind whoever owes it with her.
            keys |= {other for _, other in await ties.owing_together(connection, [key], SHARERS_MAX)}
        rows = await messages.lock(connection, await messages.waiting_of(connection, keys))
        contacts = await people.contacts(connection, keys, lock=True)
        contact = contacts.get(key)
        if contact is None:
            return False
        held = {opened.endpoint, *(address.endpoint for each in contacts.values() for address in each.addresses)}
        await people.lock_endpoints(connection, [(contact.tenant, endpoint) for endpoint in held])
        # Alone with her now: whether the link still opens is asked again, and this instant is the one that counts.
        now, real = await self._clock.now(connection)
        opened = await self._links.open(connection, token, real)
        if opened is None:
            return False
        events = await self._events(connection, opened, wish, now)
        said = [self._row(opened, one, wish, nonce, version, n) for n, one in enumerate(events)]
        known = await history.known_external(connection, contact.tenant, [row.external_id or "" for row in said])
        if known:
            return True
        todo = Round.empty()
        todo.statements.extend(said)
        todo.entries[contact.tenant] = [statement_entry(self._scribe, contact, row, now) for row in said]
        todo.events.extend(
            event(kind, contact.tenant, contact.id, now, {"contact": contact.id, "by": "page", **data})
            for kind, data in _told(opened, wish)
        )
        if isinstance(wish, NotMe):
            await links.close(connection, contact.tenant, contact.id, opened.endpoint, real, "wrong_person")
        blocked = await self._rejudger.block(connection, todo, rows, contacts, now)
        # What else she said may change what waits for her: it is decided again now, and before what others wait for.
        todo.moves.extend(
            (i, row.status, None, min(row.due_at, now))
            for i, row in rows.items()
            if row.status in WAITING and i not in blocked
        )
        await todo.write(connection, now, real)
        return True

    def _row(self, opened: Opened, said: Event, wish: Wish, nonce: str, version: str, n: int) -> EventRow:
        words = _words(wish)
        digest = sha256(repr((type(wish).__name__, _facts(wish), words)).encode()).hexdigest()[:16]
        return EventRow(
            id=new_uuid(),
            tenant=opened.contact.tenant,
            contact=opened.contact.id,
            event=said,
            words=words,
            evidence=Evidence(
                channel=Channel(opened.attempt.channel),
                address=opened.endpoint,
                instrument=Instrument.LINK,
                page=version,
                provider_id=opened.attempt.id.hex,
            ),
            # A slash cannot stand in an id of the CRM's, so the two kinds of names never meet.
            external_id=f"page/{nonce}/{digest}/{n}",
        )

    async def _events(self, connection: Connection, opened: Opened, wish: Wish, now: datetime) -> list[Event]:
        """What a wish states, in the words that laws read."""
        person = opened.contact.id
        ask = msgspec.json.decode(opened.message.ask, type=StoredAsk)
        debts = tuple(ask.debts)
        match wish:
            case StopHere():
                return [
                    Consented(
                        at=now,
                        state=ConsentState.WITHDRAWN,
                        channel=Channel(opened.attempt.channel),
                        address=opened.endpoint,
                        instrument=Instrument.LINK,
                        person=person,
                    )
                ]
            case StopAll():
                # Everywhere for her, and for whoever shares the address that the words came by.
                here = await self._events(connection, opened, StopHere(), now)
                return [
                    Consented(
                        at=now, state=ConsentState.WITHDRAWN, all=True, instrument=Instrument.LINK, person=person
                    ),
                    *here,
                ]
            case NotMe():
                return [
                    StatusSet(at=now, status=StatusKind.WRONG_PARTY, address=opened.endpoint, person=person),
                    NotAssociated(at=now, address=opened.endpoint, person=person),
                ]
            case Disputes():
                return [StatusSet(at=now, status=StatusKind.DISPUTE, debts=debts or None, person=person)]
            case CannotNow():
                return [StatusSet(at=now, status=StatusKind.HARDSHIP, debts=debts or None, person=person)]
            case CallMe():
                begins, ends = await self._called_between(connection, opened, wish.when, now)
                return [CallRequested(at=now, begins=begins, ends=ends, debts=debts, person=person)]
            case WillPay():
                return [Promised(at=now, pays_on=wish.on, amount=wish.amount, debts=debts, person=person)]
            case Prefers():
                chosen = next((a for a in opened.contact.addresses if a.endpoint == wish.way), None)
                if chosen is None:
                    raise NotOffered
                return [
                    ChannelPreferred(at=now, channel=Channel(chosen.channel), address=chosen.endpoint, person=person)
                ]
            case NotAt():
                return [_inconvenient(one, now, person) for one in wish.times]
            case Speaks():
                return [LanguagePreferred(at=now, locale=wish.language, person=person)]
            case Answers():
                raise AssertionError("an answer is a reply and goes the way of replies")
            case _:
                assert_never(wish)

    async def _called_between(
        self, connection: Connection, opened: Opened, when: When, now: datetime
    ) -> tuple[datetime | None, datetime | None]:
        """The next such part of a day on her clock; None where any time will do."""
        hours = _CALLS.get(when)
        if hours is None:
            return None, None
        key = (opened.contact.tenant, opened.contact.id)
        hers = (await history.histories(connection, {key: [opened.endpoint]}, now))[key]
        zone = ZoneInfo((zones_of(opened, hers) or ("UTC",))[0])
        day: date = now.astimezone(zone).date()
        if now.astimezone(zone).hour >= hours[0]:
            day += timedelta(days=1)
        return datetime.combine(day, time(hours[0]), zone), datetime.combine(day, time(hours[1]), zone)


def _inconvenient(one: NotThen, now: datetime, person: str) -> Inconvenient:
    if one is NotThen.WORK:
        return Inconvenient(at=now, place=AddressKind.WORK, person=person)
    if one is NotThen.WEEKEND:
        return Inconvenient(at=now, days=(Weekday.SAT, Weekday.SUN), opens=time(0), closes=None, person=person)
    opens, closes = _PARTS[one]
    return Inconvenient(at=now, opens=opens, closes=closes, person=person)


def _words(wish: Wish) -> str | None:
    return wish.words if isinstance(wish, Disputes | CannotNow) else None


def _facts(wish: Wish) -> tuple[Any, ...]:
    """What tells one wish of a kind from another."""
    match wish:
        case CallMe():
            return (wish.when.value,)
        case WillPay():
            return (wish.on.isoformat(), wish.amount)
        case Prefers():
            return (wish.way,)
        case NotAt():
            return tuple(one.value for one in wish.times)
        case Speaks():
            return (wish.language,)
        case _:
            return ()


def _told(opened: Opened, wish: Wish) -> list[tuple[str, dict[str, Any]]]:
    """What the CRM is told."""
    channel = opened.attempt.channel
    match wish:
        case StopHere():
            return [("consent.changed", {"state": "withdrawn", "channel": channel})]
        case StopAll():
            return [("consent.changed", {"state": "withdrawn", "channel": None})]
        case NotMe():
            return [("contact.flagged", {"reason": "wrong_person", "channel": channel})]
        case Disputes():
            return [("contact.flagged", {"reason": "dispute", "channel": "web", "text": wish.words})]
        case CannotNow():
            return [("contact.flagged", {"reason": "hardship", "channel": "web", "text": wish.words})]
        case CallMe():
            return [("contact.flagged", {"reason": "call_me", "channel": "web", "when": wish.when.value})]
        case WillPay():
            data = {"pays_on": wish.on.isoformat(), "amount": wish.amount}
            return [("contact.flagged", {"reason": "promise_to_pay", "channel": "web", **data})]
        case Prefers() | NotAt() | Speaks():
            return [("contact.flagged", {"reason": "preference", "channel": "web"})]
        case Answers():
            return []
        case _:
            assert_never(wish)

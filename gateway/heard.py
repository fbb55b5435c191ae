"""What follows from what a reply means: statements that the law reads, and what the CRM is told, by one table of intents.

Nothing here loosens anything but a start that a rule heard. What only resembles a meaning (``Reading.ruled`` is False) may hold,
narrow and flag; it never allows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from consent import wishes
from consent.intents import Intent, Reading
from gateway.entries import Scribe
from gateway.events import event
from gateway.people.profiles import statement_entry
from gateway.settle import Round
from storage.history import EventRow
from storage.people import AddressRow, ContactRow
from vocabulary.channel import Channel
from vocabulary.event import (
    CallRequested,
    ChannelPreferred,
    Consented,
    ConsentState,
    Event,
    Evidence,
    Held,
    Inconvenient,
    Instrument,
    Promised,
    StatusKind,
    StatusSet,
)
from vocabulary.ids import new_uuid
from vocabulary.outcome import Reply

#: How long nobody writes to her while it is in doubt whether she said stop.
HELD_FOR: Final = timedelta(hours=24)
UNSURE: Final = "unsure"

STOPS: Final = frozenset({Intent.STOP_ALL, Intent.STOP_CHANNEL})

#: The currency of a sum, where every jurisdiction that is known for her has the same one.
_CURRENCIES: Final = {
    "AR": "ARS", "BR": "BRL", "CL": "CLP", "CO": "COP", "ES": "EUR", "MX": "MXN", "PE": "PEN", "UK": "GBP", "US": "USD",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One reply as one person's: what it means, where it came by, and what our last message to her was about."""

    contact: ContactRow
    used: AddressRow
    reply: Reply = field(repr=False)
    reading: Reading
    now: datetime
    zone: str | None = None
    debts: tuple[str, ...] = ()

    @property
    def stops(self) -> bool:
        """Whether it takes something back; a carrier that says so is believed whatever the words."""
        return self.reply.carrier_opt_out or self.reading.intent in STOPS

    @property
    def hers(self) -> bool:
        """Whether a person wrote it at all: what a machine answers opens no window and is no contact with her."""
        return self.stops or self.reading.intent is not Intent.AUTO_REPLY

    def today(self) -> date:
        """The date on her clock, or on the law's where hers is not known."""
        return self.now.astimezone(ZoneInfo(self.zone)).date() if self.zone else self.now.date()


@dataclass(frozen=True, slots=True)
class Follows:
    """Statements, and why a person should look, if one should."""

    statements: tuple[Event, ...] = ()
    flag: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


def withdrawn(said: Said) -> tuple[Consented, ...]:
    """What a stop takes back: everything, the channels it names, or the channel and address it came by."""
    intent, bare = said.reading.intent, said.reading.bare
    if intent is Intent.STOP_ALL and not bare:
        return (_no(said, everywhere=True),)
    if intent is Intent.STOP_CHANNEL:
        named = wishes.ways(said.reply.text)
        if named.refused:
            return tuple(_no(said, channel) for channel in sorted(named.refused))
        if Channel(said.used.channel) in named.left:
            return (_no(said, everywhere=True),)  # it refuses something, and not the way it came by: nobody knows what
    return (_no(said, Channel(said.used.channel), said.used.endpoint),)


def _no(
    said: Said, channel: Channel | None = None, address: str | None = None, *, everywhere: bool = False
) -> Consented:
    return Consented(
        at=said.now,
        state=ConsentState.WITHDRAWN,
        channel=channel,
        address=address,
        all=everywhere,
        instrument=Instrument.REPLY,
        person=said.contact.id,
    )


def granted(said: Said) -> tuple[Event, ...]:
    """What a start allows again, where it came by; and no doubt is left about what came before."""
    yes = Consented(
        at=said.now,
        state=ConsentState.GRANTED,
        channel=Channel(said.used.channel),
        address=said.used.endpoint,
        instrument=Instrument.REPLY,
        person=said.contact.id,
    )
    return yes, Held(at=said.now, ended=True, reason="start", person=said.contact.id)


def doubted(said: Said) -> Held:
    """Nobody writes to her until somebody has looked, or a day has passed."""
    return Held(at=said.now, until=said.now + HELD_FOR, reason=UNSURE, person=said.contact.id)


def _wrong_person(said: Said) -> Follows:
    # Whether the address is really not hers changes what counted as a contact: a person says that, not a resemblance.
    return Follows((_no(said, address=said.used.endpoint),), Intent.WRONG_PERSON)


def _status(kind: StatusKind) -> Callable[[Said], Follows]:
    def follows(said: Said) -> Follows:
        debts = said.debts or None
        return Follows((StatusSet(at=said.now, status=kind, debts=debts, person=said.contact.id),), said.reading.intent)

    return follows


def _promised(said: Said) -> Follows:
    countries = {code.partition("-")[0] for code in said.contact.jurisdictions}
    found = wishes.promise(said.reply.text, said.today(), month_first=countries == {"US"})
    currencies = {_CURRENCIES.get(country) for country in countries}
    currency = currencies.pop() if len(currencies) == 1 else None
    amount = f"{found.amount.normalize():f}" if found.amount is not None and currency is not None else None
    more = {
        "pays_on": None if found.pays_on is None else found.pays_on.isoformat(),
        "amount": amount,
        "currency": None if amount is None else currency,
    }
    if found.pays_on is None:
        return Follows((), Intent.PROMISE_TO_PAY, more)
    statement = Promised(
        at=said.now,
        pays_on=found.pays_on,
        amount=amount,
        currency=currency if amount is not None else None,
        debts=said.debts,
        person=said.contact.id,
    )
    return Follows((statement,), Intent.PROMISE_TO_PAY, more)


def _call(said: Said) -> Follows:
    return Follows((CallRequested(at=said.now, debts=said.debts, person=said.contact.id),), Intent.CALL_ME)


def _preferred(said: Said) -> Follows:
    person = said.contact.id
    statements: list[Event] = [
        Inconvenient(at=said.now, days=each.days, opens=each.opens, closes=each.closes, place=each.place, person=person)
        for each in wishes.unwelcome(said.reply.text)
    ]
    channel = wishes.preferred_channel(said.reply.text)
    if channel is not None and not statements:
        statements.append(ChannelPreferred(at=said.now, channel=channel, person=person))
    return Follows(tuple(statements), None if statements else Intent.PREFERENCE)


def _flagged(said: Said) -> Follows:
    return Follows((), said.reading.intent)


def _nothing(said: Said) -> Follows:
    return Follows()


#: What each meaning brings about, beside the reply itself; stops, starts and doubts stand above.
_EFFECTS: Final[Mapping[Intent, Callable[[Said], Follows]]] = {
    Intent.STOP_ALL: _nothing,
    Intent.STOP_CHANNEL: _nothing,
    Intent.START: _nothing,
    Intent.UNSURE: lambda _: Follows((), UNSURE),
    Intent.WRONG_PERSON: _wrong_person,
    Intent.DISPUTE: _status(StatusKind.DISPUTE),
    Intent.HARDSHIP: _status(StatusKind.HARDSHIP),
    Intent.ALREADY_PAID: _flagged,
    Intent.PROMISE_TO_PAY: _promised,
    Intent.CALL_ME: _call,
    Intent.HUMAN: _flagged,
    Intent.PREFERENCE: _preferred,
    Intent.ABUSE: _nothing,
    Intent.AUTO_REPLY: _nothing,
    Intent.OTHER: _nothing,
}


def follows(said: Said) -> Follows:
    """What else follows from the words of the one who was spoken to."""
    if said.stops:
        return Follows()
    return _EFFECTS[said.reading.intent](said)


def state(scribe: Scribe, todo: Round, said: Said, event_: Event) -> EventRow:
    """Put a statement and its trace into the round, with the way it came by as its evidence."""
    row = EventRow(
        id=new_uuid(),
        tenant=said.contact.tenant,
        contact=said.contact.id,
        event=event_,
        evidence=Evidence(
            channel=Channel(said.used.channel),
            address=said.used.endpoint,
            instrument=Instrument.REPLY,
            provider_id=said.reply.provider_id,
        ),
    )
    todo.statements.append(row)
    todo.entries.setdefault(row.tenant, []).append(statement_entry(scribe, said.contact, row, said.now))
    if isinstance(event_, Consented):
        told = {
            "contact": said.contact.id,
            "state": event_.state.value,
            "channel": None if event_.channel is None else event_.channel.value,
            "by": "reply",
        }
        todo.events.append(event("consent.changed", row.tenant, row.contact, said.now, told))
    return row

"""``channel: "auto"`` on simulated people whose likings are known: answers per contact against a fixed order and against who knows all.

Pure and seeded: real packs and the real judge, simulated people, no database. Each way of choosing lives through the same days with the
same people; whether she answers is drawn from the same numbers for all of them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

import msgspec

from gateway.asks import ContentAsk, StoredAsk
from gateway.auto import Auto
from gateway.costs.expected import Costs
from gateway.judge import Case, Choice, Judge
from jurisdictions.house import Auto as AutoSettings
from jurisdictions.house import Policy
from jurisdictions.library import Library
from sandbox.people import Simulated, people
from storage.people import AddressRow, ContactRow
from throttling import preference
from throttling.preference import Hours, Tally
from vocabulary.channel import Channel, Purpose, SenderRole
from vocabulary.event import (
    Consented,
    ConsentState,
    Contacted,
    ContactOutcome,
    Event,
    Instrument,
    Promised,
    Replied,
)
from vocabulary.verdict import Answer

TENANT: Final = "trial"
BEGINS: Final = datetime(2026, 3, 2, tzinfo=UTC)
#: Hours of her own day at which the creditor has something to say, one of them a day.
ASKED_AT: Final = (9, 11, 13, 15, 17)
#: What a message costs on each channel, in one currency.
PRICES: Final = {Channel.SMS: "0.0280", Channel.WHATSAPP: "0.0120", Channel.EMAIL: "0.0005", Channel.VOICE: "0.0450"}
FIXED: Final = (Channel.SMS, Channel.WHATSAPP, Channel.EMAIL, Channel.VOICE)
#: People are written to about one thing at a time, every so many days.
EVERY_DAYS: Final = 2
_IDS: Final = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
_PLACES: Final = ("CO", "MX", "PE", "AR", "ES")


class _Priced(Costs):
    def __init__(self) -> None:
        super().__init__({})

    def expected(self, channel: Channel, address: AddressRow | None, ask: StoredAsk) -> dict[str, Any] | None:
        """What the trial says it costs."""
        return {"amount": PRICES[channel], "currency": "USD"}


@dataclass(slots=True, kw_only=True)
class Tallied:
    """One way of choosing. ``violations``: contacts on a channel that the law, asked about it alone, did not allow."""

    name: str
    asked: int = 0
    contacts: int = 0
    answers: int = 0
    promises: int = 0
    cost: float = 0.0
    violations: int = 0
    explored: int = 0
    channels: dict[str, int] = field(default_factory=dict)

    @property
    def per_contact(self) -> float:
        """Answers that are no stop, a contact."""
        return self.answers / self.contacts if self.contacts else 0.0

    def shown(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "name": self.name,
            "asked": self.asked,
            "contacts": self.contacts,
            "answers": self.answers,
            "answers_per_contact": round(self.per_contact, 4),
            "promises": self.promises,
            "cost": round(self.cost, 2),
            "cost_per_answer": round(self.cost / self.answers, 4) if self.answers else None,
            "explored": self.explored,
            "violations": self.violations,
            "channels": dict(sorted(self.channels.items())),
        }


Chooser = Callable[[Case, Simulated, UUID, datetime], Choice]


class Trial:
    """The same people, lived through once for each way of choosing."""

    def __init__(
        self, law: Library, *, number: int, days: int, seed: int, settings: AutoSettings | None = None
    ) -> None:
        crowd = (each for each in people(seed, 4 * number) if each.place.code in _PLACES and len(each.channels) > 1)
        self._people = [replace(each, states=None) for each, _ in zip(crowd, range(number), strict=False)]
        self._days = days
        self._judge = Judge(law)
        self._settings = settings or AutoSettings()
        self._auto = Auto(self._judge, _Priced())

    def run(self) -> tuple[Tallied, ...]:
        """Fixed order, auto, and the oracle."""
        return (
            self._lived("fixed order", self._fixed),
            self._lived("auto", self._by_auto),
            self._lived("oracle", self._oracle),
        )

    def _fixed(self, case: Case, who: Simulated, message: UUID, now: datetime) -> Choice:
        order = [each.value for each in FIXED if each in who.channels]
        return self._judge.advise(_in_order(case, order), now)

    def _by_auto(self, case: Case, who: Simulated, message: UUID, now: datetime) -> Choice:
        return self._auto.accept(case, message, now)

    def _oracle(self, case: Case, who: Simulated, message: UUID, now: datetime) -> Choice:
        local = now.astimezone(ZoneInfo(who.place.zone))
        best = sorted(who.channels, key=lambda channel: -who.habits.answers(channel, local))
        return self._judge.advise(_in_order(case, [each.value for each in best]), now)

    def _lived(self, name: str, choose: Chooser) -> Tallied:
        tallied = Tallied(name=name)
        cases = [self._case(who) for who in self._people]
        segments: dict[str, dict[Channel, dict[Hours, Tally]]] = {}
        for day in range(0, self._days, EVERY_DAYS):
            self._auto.known(TENANT, segments)
            for place, who in enumerate(self._people):
                hour = ASKED_AT[int(who.chance(f"asked {day}") * len(ASKED_AT))]
                there = ZoneInfo(who.place.zone)
                local = (BEGINS + timedelta(days=day)).replace(tzinfo=there) + timedelta(hours=hour)
                now = local.astimezone(UTC)
                message = uuid5(_IDS, f"{who.seed} {day}")
                choice = choose(cases[place], who, message, now)
                tallied.asked += 1
                if choice.verdict.answer is not Answer.ALLOW:
                    continue
                alone = self._judge.advise(_in_order(cases[place], [choice.channel.value]), now)
                tallied.violations += alone.verdict.answer is not Answer.ALLOW
                tallied.explored += choice.auto is not None and choice.auto["because"] == "explored"
                events, gain = self._contacted(who, choice.channel, day, local, tallied)
                cases[place] = replace(cases[place], history=(*cases[place].history, *events))
                cells = segments.setdefault(who.place.code[:2], {}).setdefault(choice.channel, {})
                hours = preference.hours_of(now, there)
                cells[hours] = cells.get(hours, Tally()).plus(Tally(1.0, gain))
        return tallied

    def _contacted(
        self, who: Simulated, channel: Channel, day: int, local: datetime, tallied: Tallied
    ) -> tuple[list[Event], float]:
        """One contact: what it does to her, and what it was worth."""
        at = local.astimezone(UTC)
        tallied.contacts += 1
        tallied.cost += float(PRICES[channel])
        tallied.channels[channel.value] = tallied.channels.get(channel.value, 0) + 1
        events: list[Event] = [
            Contacted(
                at=at,
                channel=channel,
                outcome=ContactOutcome.DELIVERED,
                purpose=Purpose.COLLECTION,
                debts=("d1",),
                address=f"{who.id} {channel}",
                creditor="C1",
                collector="A1",
                person=who.id,
            )
        ]
        answer = who.answer(channel, local, f"{day}")
        if answer is None:
            return events, preference.DELIVERED
        kind, _, delay = answer
        then = at + delay
        events.append(Replied(at=then, channel=channel, debts=("d1",), address=f"{who.id} {channel}", person=who.id))
        if kind in ("stop", "stop_sentence"):
            events.append(
                Consented(at=then, state=ConsentState.WITHDRAWN, all=True, instrument=Instrument.REPLY, person=who.id)
            )
            return events, preference.NOTHING
        tallied.answers += 1
        if kind != "promise":
            return events, preference.ANSWERED
        tallied.promises += 1
        events.append(Promised(at=then, debts=("d1",), person=who.id))
        return events, preference.PROMISED

    def _case(self, who: Simulated) -> Case:
        """Her as a message finds her: nothing was said but that she allowed each channel."""
        addresses = tuple(
            AddressRow(
                channel=channel, address=who.address(channel), endpoint=f"{who.id} {channel}", kind="personal", source="supplied"
            )
            for channel in who.channels
        )  # fmt: skip
        granted: tuple[Event, ...] = tuple(
            Consented(
                at=BEGINS - timedelta(days=90),
                state=ConsentState.GRANTED,
                channel=channel,
                address=f"{who.id} {channel}",
                instrument=Instrument.SEPARATE,
                person=who.id,
            )
            for channel in who.channels
        )
        return Case(
            contact=ContactRow(
                tenant=TENANT,
                id=who.id,
                subject=uuid5(_IDS, who.id),
                key=b"",
                name=None,
                role="debtor",
                locale=who.place.locale,
                jurisdictions=(who.place.code,),
                zones=(who.place.zone,),
                household=None,
                addresses=addresses,
            ),
            ask=StoredAsk(
                channels=[channel.value for channel in who.channels],
                purpose=Purpose.COLLECTION,
                content=ContentAsk(
                    text="Su cuota con C1. Responda BAJA para no recibir más.", registered_template=True
                ),
                role=SenderRole.CREDITOR,
                creditor="C1",
                collector="A1",
                debts=["d1"],
                auto=True,
            ),
            debts={},
            history=granted,
            policy=Policy(auto=self._settings),
        )


def _in_order(case: Case, channels: list[str]) -> Case:
    return replace(case, ask=msgspec.structs.replace(case.ask, channels=channels, auto=False))

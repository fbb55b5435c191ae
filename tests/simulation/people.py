"""What CRMs send and what people do in a run, drawn world by world."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from gateway import asks
from gateway.refusals import NotThere, Refused, TooLate
from pages.debtor.forms import StopAll
from storage.database import DatabaseAway
from tests.simulation.truth import Debtor, Elsewhere, Law, Stop, World
from vocabulary.ids import parsed
from webhooks.port import InboxAwayError

if TYPE_CHECKING:
    from tests.simulation.town import Gateway, Town

#: How long a run goes on before it is let settle.
DAYS = 8

_NO_MORE = "Responda BAJA para no recibir más mensajes."
LAWS = (
    Law("CO", ("CO",), ("America/Bogota",), "BAJA", _NO_MORE, "America/Mexico_City", ((7, 19), (8, 15))),
    Law("CL", ("CL",), ("America/Santiago",), "BAJA", _NO_MORE, "Pacific/Easter", ((8, 20),), rolling=True),
    Law(
        "US-NYC",
        ("US", "US-NYC"),
        ("America/New_York",),
        "STOP",
        "Reply STOP to stop messages.",
        "America/Los_Angeles",
        ((8, 21),),
        ("sms-a",),
        asks_leave=True,
    ),
    # No limit of contacts and no consent: what others would hold back too is left to hours, stops and the house itself.
    Law("PE", ("PE",), ("America/Lima",), "BAJA", _NO_MORE, "America/Manaus", ((7, 20),)),
)

CHANNELS = (("sms",), ("sms",), ("sms", "email"), ("email", "sms"), ("email",))
#: When CRMs send, in seconds of her wall clock: within hours, at night on either side of midnight.
BY_DAY = (10 * 3600, 11.5 * 3600, 13 * 3600, 14.6 * 3600)
BY_NIGHT = (20.4 * 3600, 20.9 * 3600, 86_360, 20, 3 * 3600)
#: One person is written to on each of the first days, and what has to wait goes at the first instant at which it may.
STEADY = 3
STEADY_SHARE = 0.6
#: And as long after an opening, and before a closing.
OPENINGS = (-72.0, -0.5, 0.0, 0.5)
CLOSINGS = (-180.0, -95.0, -80.0, -60.0, -30.0, -1.0)


def slots(law: Law, r: Random) -> tuple[float, ...]:
    """The few times of day at which the CRMs under one law send in one run."""
    opens, closes = r.choice(law.edges)
    return (
        *r.sample(BY_DAY, 2),
        r.choice(BY_NIGHT),
        opens * 3600 + r.choice(OPENINGS),
        *(closes * 3600 + each for each in r.sample(CLOSINGS, 2)),
    )


@dataclass(frozen=True, slots=True)
class Planned:
    """A message that a CRM means to send. ``at``: seconds into the run."""

    at: float
    debtor: Debtor
    channels: tuple[str, ...]


class People:
    """CRMs and people, who insist until they are answered."""

    def __init__(self, town: "Town") -> None:
        self._town = town

    async def submit(self, world: World, key: str, ask: asks.MessageAsk) -> None:
        """A CRM sends and asks again until it is told 202, or told no."""
        for turn in range(8):
            try:
                accepted = await self._town.call(
                    lambda g: g.api.acceptor.submit(world.tenant, key, key.encode().ljust(32), ask)
                )
            except (TimeoutError, DatabaseAway):
                await asyncio.sleep(20 * (turn + 1))
                continue
            except Refused as error:
                raise AssertionError(f"refused: {error.flaws}") from error
            if world.acknowledged.setdefault(key, accepted.document["id"]) != accepted.document["id"]:
                world.doubled.append(key)
            return

    def plan(self, world: World) -> list[Planned]:
        """What a CRM will send, in order: at a few times of day, and some of it two at a time to one person."""
        r = Random(world.seed + 7_000_009)
        planned: list[Planned] = []
        favourite = r.choice(world.debtors)
        steady = STEADY if world.law.rolling and r.random() < STEADY_SHARE else 0
        for n in range(r.randint(5, 8)):
            at = self._on(world, r.randrange(DAYS), r.choice(self._town.slots[world.law.name]))
            debtor = favourite if r.random() < 0.4 else r.choice(world.debtors)
            if n < steady:
                at, debtor = self._on(world, n, self._town.slots[world.law.name][0]), favourite
            for _ in range(2 if r.random() < 0.25 else 1):
                planned.append(Planned(at, debtor, r.choice(CHANNELS)))
                at += r.choice((0.0, 0.3, 1.0, 2.0))
        return sorted(planned, key=lambda each: each.at)

    def _on(self, world: World, day: int, seconds: float) -> float:
        """Seconds into the run at a time of the wall clock under a law, on its so-many-eth day."""
        there = ZoneInfo(world.law.zones[0])
        wall = datetime.combine(self._town.begin.date() + timedelta(days=day), time(), there)
        return max(2.0, self._town.at((wall + timedelta(seconds=seconds)).astimezone(UTC)))

    async def campaign(self, world: World) -> None:
        r = Random(world.seed + 7_000_001)
        await asyncio.sleep(1.0)
        if world.law.asks_leave:
            for debtor in world.debtors:
                await self._allowed(world, debtor)
        for n, planned in enumerate(self.plan(world)):
            debtor, channels = planned.debtor, list(planned.channels)
            ask = msgspec.convert(
                {
                    "contact": self._contact(world, debtor),
                    "channels": channels,
                    "purpose": "collection",
                    "debts": [{"id": f"d-{debtor.id}"}],
                    "content": {
                        "text": f"Cuota {n} de {debtor.id}: {{{{link}}}} {world.law.offer}",
                        **({"subject": "Aviso"} if channels == ["email"] else {}),
                    },
                    **(
                        {"expires_at": (self._town.begin + timedelta(days=DAYS + 2)).isoformat()}
                        if r.random() < 0.8
                        else {}
                    ),
                },
                asks.MessageAsk,
            )
            await self._town.sleep_until(planned.at + r.choice((0.0, 0.0, r.random())))
            key = f"{world.tenant}-{n}"
            self._town.start(self.submit(world, key, ask))
            if r.random() < 0.15:
                self._town.start(self.submit(world, key, ask))
            if r.random() < 0.08:
                self._town.start(self._cancel(world, key, r.choice((1.0, 600.0, 6 * 3600.0))))

    def _contact(self, world: World, debtor: Debtor) -> dict[str, Any]:
        allowed = {"at": (self._town.begin - timedelta(days=90)).isoformat(), "instrument": "separate"}
        return {
            "id": debtor.id,
            "role": "debtor",
            "jurisdictions": list(world.law.packs),
            "zones": list(debtor.zones),
            "addresses": [
                {
                    "channel": "sms",
                    "address": debtor.phone,
                    "kind": "personal",
                    "source": "supplied",
                    "authorised": allowed,
                },
                {
                    "channel": "email",
                    "address": debtor.mail,
                    "kind": "personal",
                    "source": "supplied",
                    "authorised": allowed,
                },
            ],
        }

    async def _allowed(self, world: World, debtor: Debtor) -> None:
        """The CRM tells of a person, and that she allowed messages."""
        contact = msgspec.convert(self._contact(world, debtor), asks.ContactAsk)
        given = {
            "type": "consent",
            "at": (self._town.begin - timedelta(days=60)).isoformat(),
            "state": "granted",
            "instrument": "separate",
            "given_to": "sender",
        }
        events = [
            msgspec.convert(
                {**given, "id": f"{channel}-{debtor.id}", "channel": channel, "address": address}, asks.EventAsk
            )
            for channel, address in (("sms", debtor.phone), ("email", debtor.mail))
        ]
        for turn in range(8):
            try:
                await self._town.call(lambda g: g.api.registrar.put_contact(world.tenant, contact))
                await self._town.call(lambda g: g.api.registrar.add_events(world.tenant, debtor.id, events))
            except (TimeoutError, DatabaseAway):
                await asyncio.sleep(5 * (turn + 1))
                continue
            return

    async def _cancel(self, world: World, key: str, after: float) -> None:
        await asyncio.sleep(after)
        shown = parsed("msg", world.acknowledged.get(key, ""))
        if shown is None:
            return
        with contextlib.suppress(TimeoutError, DatabaseAway, TooLate, NotThere):
            await self._town.call(lambda g: g.canceller.cancel(world.tenant, shown))
            world.cancelled[shown.hex] = self._town.now()

    # ---- what people do --------------------------------------------------------------------------------------------

    async def life(self, world: World) -> None:
        """Some stop, by one of four ways, often at the very second at which something to them is decided."""
        r = Random(world.seed + 7_000_003)
        for debtor in world.debtors:
            hers = [each.at for each in self.plan(world) if each.debtor is debtor]
            if hers and r.random() < 0.5:
                at = r.choice(hers)
                if r.random() < 0.4:
                    # What had to wait is decided at an opening.
                    opens, _ = r.choice(world.law.edges)
                    at = self._on(world, int(at // 86400) + r.randrange(2), opens * 3600.0)
                at += r.choice((0.02, r.random(), 3 * r.random(), 3 * r.random(), 3600 * r.random()))
                self._town.start(
                    self._stops(world, debtor, at, r.choice(("hook", "hook", "crm", "page")), Random(r.random()))
                )
            if r.random() < 0.25:
                self._town.start(
                    self._elsewhere(world, debtor, r.randrange(DAYS) * 86400 + r.uniform(12, 20) * 3600, r)
                )

    async def _stops(self, world: World, debtor: Debtor, at: float, by: str, r: Random) -> None:
        await self._town.sleep_until(at)
        stop = Stop(debtor.id, "sms", debtor.phone, self._town.now(), by)
        if by == "crm":
            stop.said = self._town.now()
            body = {
                "type": "consent",
                "at": self._town.now().isoformat(),
                "state": "withdrawn",
                "all": True,
                "id": f"stop-{debtor.id}",
            }
            if r.random() < 0.5:
                body = {**body, "all": False, "channel": "sms", "address": debtor.phone}
                stop.debtor = None
            else:
                stop.channel = stop.address = None
            event = msgspec.convert(body, asks.EventAsk)
            await self._tell(stop, world, lambda g: g.api.registrar.add_events(world.tenant, debtor.id, [event]))
        elif by == "page":
            links = [
                t
                for t in world.taken
                if t.to == debtor.phone and t.reached is not None and t.reached <= self._town.now()
            ]
            if not links:
                return
            link = links[-1]
            stop.debtor = None
            await self._tell(
                stop,
                world,
                lambda g: g.hearer.hear(
                    g.links.token(UUID(link.attempt)), StopAll(), nonce=f"{world.tenant}-{debtor.id}", version="1"
                ),
            )
        else:
            stop.debtor = None
            await self._town.carriers["sms-a"].said(stop, world, debtor, world.law.stop_word, r)
            while r.random() < 0.6:
                await asyncio.sleep(r.choice((30.0, 3 * 3600.0, 24 * 3600.0, 47 * 3600.0)))
                again = Stop(None, "sms", debtor.phone, self._town.now(), "hook")
                await self._town.carriers["sms-a"].said(again, world, debtor, world.law.stop_word, r)

    async def _tell(self, stop: Stop, world: World, how: "Callable[[Gateway], Coroutine[Any, Any, Any]]") -> None:
        """Somebody insists until the house has acknowledged it."""
        for turn in range(12):
            try:
                done = await self._town.call(how)
            except (TimeoutError, DatabaseAway, InboxAwayError):
                await asyncio.sleep(5 * (turn + 1))
                continue
            except (NotThere, Refused):
                return  # nobody knows her yet
            if done is not False:
                stop.kept = self._town.now()
                world.stops.append(stop)
            return

    async def _elsewhere(self, world: World, debtor: Debtor, at: float, r: Random) -> None:
        """An agent calls her, and the CRM says so; sometimes it takes that back."""
        await self._town.sleep_until(at)
        happened = self._town.now()
        name = f"call-{debtor.id}"
        body = {
            "type": "contact",
            "at": happened.isoformat(),
            "channel": "call_live",
            "outcome": "attempted",
            "id": name,
            "debts": [f"d-{debtor.id}"],
        }
        event = msgspec.convert(body, asks.EventAsk)
        with contextlib.suppress(TimeoutError, DatabaseAway, NotThere, Refused):
            await self._town.call(lambda g: g.api.registrar.add_events(world.tenant, debtor.id, [event]))
            told = Elsewhere(debtor.id, "call_live", happened, self._town.now())
            world.elsewhere.append(told)
            if r.random() < 0.3:
                body = {**body, "id": f"{name}-corrected", "corrects": name, "outcome": "failed"}
                taken_back = msgspec.convert(body, asks.EventAsk)
                told.corrected = self._town.now()
                await self._town.call(lambda g: g.api.registrar.add_events(world.tenant, debtor.id, [taken_back]))

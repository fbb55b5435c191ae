"""What CRMs send and what people do in a run, drawn world by world."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import UUID

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

LAWS = (
    Law("CO", ("CO",), ("America/Bogota",), "BAJA", "Responda BAJA para no recibir más mensajes."),
    Law("CL", ("CL",), ("America/Santiago",), "BAJA", "Responda BAJA para no recibir más mensajes."),
    Law("US-NYC", ("US", "US-NYC"), ("America/New_York",), "STOP", "Reply STOP to stop messages."),
)

#: When CRMs send, in hours of UTC: before, at, within and at the end of hours, and at night.
SLOTS = (11.98, 12.5, 15.0, 18.0, 23.97, 24.9, 3.0)


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

    async def campaign(self, world: World) -> None:
        r = Random(world.seed + 7_000_001)
        times = sorted((r.randrange(DAYS) * 24 + r.choice(SLOTS)) * 3600 for _ in range(r.randint(5, 9)))
        for n, at in enumerate(times):
            debtor = r.choice(world.debtors)
            channels = r.choice((["sms"], ["sms"], ["sms", "email"], ["email", "sms"], ["email"]))
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
            await self._town.sleep_until(at + r.choice((0.0, 0.0, r.random())))
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
        """Some stop, by one of four ways, often at the very second at which something leaves."""
        r = Random(world.seed + 7_000_003)
        for debtor in world.debtors:
            if r.random() < 0.5:
                day, slot = r.randrange(1, DAYS), r.choice((12.0, 13.0, 11.0, *SLOTS))
                at = (day * 24 + slot) * 3600 + r.choice((0.0, 0.02, r.random(), 3 * r.random(), 3600 * r.random()))
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
            if r.random() < 0.4:
                await asyncio.sleep(r.choice((30.0, 3 * 3600.0)))
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

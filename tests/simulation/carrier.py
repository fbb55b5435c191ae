"""A simulated carrier that keeps its own truth: what it took, when that lay before her, and what it told us of it."""

import asyncio
import math
import re
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING
from uuid import UUID

from adapters.kit.port import Hook
from storage.database import DatabaseAway
from tests.simulation.clockwork import PROCESS
from tests.simulation.people import DAYS
from tests.simulation.truth import Debtor, Stop, Taken, World
from vocabulary.channel import Channel
from vocabulary.outcome import (
    About,
    Absent,
    CannotTell,
    Found,
    Lost,
    NotSent,
    Outcome,
    Parcel,
    Quote,
    Receipt,
    ReceiptKind,
    Rejected,
    Reply,
    Sent,
    Traced,
    Unknown,
)
from webhooks.port import InboxAwayError

if TYPE_CHECKING:
    from tests.simulation.town import Town

CALL_SECONDS = 20.0
#: How long after it was taken a send may stand in the carrier's own list: a sick list shows some of them a day later.
LISTED_AFTER_SECONDS = (0.0, 0.0, 120.0, 600.0, 86_400.0)
#: Whom the words of a CRM name.
NAMED = re.compile(r" de (p\d):")


class Carrier:
    """A way out, on some days a bad one. Meets ``adapters.kit.port.Adapter``."""

    def __init__(self, town: "Town", name: str, channel: Channel, random: Random) -> None:
        self._town = town
        self._random = random
        #: Of each day, the share of calls that end in no good way, and of words about them that are lost.
        self._hard = [random.choice((0.0, 0.05, 0.25)) for _ in range(DAYS + 1)]
        self._deaf = [random.choice((0.03, 0.06, 0.4)) for _ in range(DAYS + 1)]
        self.name = name
        self.channel = channel
        #: What it took, its words, and from when on its list shows it.
        self._took: list[tuple[Taken, str, datetime]] = []
        self._said: list[tuple[datetime, Reply]] = []
        self._n = 0

    def quote(self, to: str, text: str, /) -> Quote | None:
        return None

    def read(self, hook: Hook, /) -> tuple[Receipt | Reply, ...]:
        raise NotImplementedError

    async def close(self) -> None:
        return None

    async def send(self, parcel: Parcel, /) -> Outcome:
        """Take it, or not, and answer, or not."""
        town, r = self._town, self._random
        process = PROCESS.get()
        assert process is not None
        await asyncio.sleep(r.uniform(0.01, 0.4))
        await process.alive()
        if not town.quiet and r.random() < self._hard[self._day()]:
            kind = r.choice(("refused", "paced", "taken unsaid", "taken unsaid", "lost unsaid", "rejected", "broken"))
            self._fire(f"carrier: {kind}")
            match kind:
                case "refused":
                    return NotSent(reason="no connection")
                case "paced":
                    return NotSent(reason="too fast", retry_after_seconds=5.0, about=About.PACE)
                case "rejected":
                    return Rejected(code="21610", reason="no")
                case "taken unsaid":
                    await asyncio.sleep(r.uniform(0, CALL_SECONDS - 1))
                    await process.alive()
                    self._take(parcel)
                    await asyncio.sleep(1)
                    town.uneasy()
                    await process.alive()
                    return Unknown(reason="no answer")
                case "broken":
                    if r.random() < 0.5:
                        self._take(parcel)
                    town.uneasy()
                    raise RuntimeError("an adapter that raises")
                case _:
                    await asyncio.sleep(CALL_SECONDS)
                    town.uneasy()
                    await process.alive()
                    return Unknown(reason="no answer")
        taken = self._take(parcel)
        await process.may_die("crash after the carrier took it", process.swarm.crash_at)
        await asyncio.sleep(r.uniform(0.01, 0.2))
        await process.alive()
        return Sent(provider_id=taken.provider_id, provider_status="queued", segments=1)

    def _take(self, parcel: Parcel) -> Taken:
        town, r = self._town, self._random
        self._n += 1
        at = town.now()
        taken = Taken(
            attempt=parcel.attempt.hex,
            way=self.name,
            channel=self.channel.value,
            to=parcel.to,
            at=at,
            until=at + timedelta(seconds=parcel.validity_seconds),
            provider_id=f"{self.name}-{self._n}",
            named=named.group(1) if (named := NAMED.search(parcel.text)) else None,
        )
        self._took.append((taken, parcel.text, at + timedelta(seconds=r.choice(LISTED_AFTER_SECONDS))))
        town.by_address[self.channel.value, parcel.to].taken.append(taken)
        span = r.choice((1.0, 5.0, 30.0, parcel.validity_seconds * r.random()))
        if r.random() < 0.82:
            taken.reached = min(at + timedelta(seconds=span), taken.until)
            last = (taken.reached, ReceiptKind.DELIVERED)
        else:
            taken.failed_at = at + timedelta(seconds=span)
            last = (taken.failed_at, ReceiptKind.UNDELIVERED)
        marked = r.random() < 0.8
        told = [(at, ReceiptKind.ACCEPTED), (at + timedelta(seconds=0.5), ReceiptKind.SENT), last]
        for when, kind in told:
            if kind is not last[1] and r.random() < 0.7:
                continue
            fate = r.random()
            if fate < self._deaf[self._day()]:
                self._fire("hook lost")
                continue
            late = 0.0
            if fate > 0.9:
                self._fire("hook late")
                late = r.choice((60.0, 3600.0, 30 * 3600.0))
            for _ in range(2 if r.random() < 0.1 else 1):
                town.start(self._tell(taken, when, kind, late, marked, Random(r.random())))
        return taken

    async def _tell(
        self, taken: Taken, when: datetime, kind: ReceiptKind, late: float, marked: bool, r: Random
    ) -> None:
        town = self._town
        # Carriers tell in bundles; and the order in which they tell says nothing.
        due = (
            math.ceil((town.at(when) + late + r.choice((0.0, 0.0, 20.0))) / 10) * 10.0
            if r.random() < 0.8
            else town.at(when)
        )
        await town.sleep_until(due)
        receipt = Receipt(
            key=f"{taken.provider_id}/{kind}",
            kind=kind,
            provider_status=kind.value,
            attempt=UUID(taken.attempt) if marked else None,
            provider_id=taken.provider_id,
        )
        if not await self._hook(receipt, r) or kind not in (ReceiptKind.DELIVERED, ReceiptKind.UNDELIVERED):
            return
        taken.confirmed = taken.confirmed or town.now()
        # Without our mark a word that is faster than the answer to the call has nobody to belong to.
        if kind is ReceiptKind.DELIVERED and marked:
            taken.told = taken.told or town.now()

    async def _hook(self, item: Receipt | Reply, r: Random) -> bool:
        """Call until it is answered 200, for a while."""
        for turn in range(6):
            try:
                await self._town.call(lambda g: g.receiver.put(self.name, (item,), b"{}"), 15.0)
            except (TimeoutError, InboxAwayError, DatabaseAway):
                await asyncio.sleep(10.0 * 3**turn)
                continue
            return True
        return False

    async def said(self, stop: Stop, world: World, debtor: Debtor, words: str, r: Random) -> None:
        """She writes to us; the hook may be lost, and then only our list has it."""
        self._n += 1
        reply = Reply(
            key=f"in-{self.name}-{self._n}",
            channel=self.channel,
            sender=debtor.phone,
            recipient="+15005550006",
            text=words,
            provider_id=f"in-{self._n}",
        )
        self._said.append((self._town.now(), reply))
        world.stops.append(stop)
        if r.random() < 0.3:
            self._fire("stop's hook lost")
            self._town.unheard()
            return
        for _ in range(2 if r.random() < 0.2 else 1):
            if await self._hook(reply, r):
                stop.kept = stop.kept or self._town.now()
            else:
                self._town.unheard()

    async def pulled(self, since: datetime, until: datetime, /) -> tuple[Reply, ...] | CannotTell:
        if not self._town.quiet and self._random.random() < 0.1:
            self._town.unheard()
            return CannotTell(reason="drawn")
        slack = timedelta(seconds=3)
        return tuple(reply for at, reply in self._said if since - slack <= at <= until + slack)

    async def find(self, lost: Lost, /) -> Traced:
        if not self._town.quiet and self._random.random() < 0.2:
            return CannotTell(reason="drawn")
        for taken, text, listed in self._took:
            if (
                listed <= self._town.now()
                and (taken.to, text) == (lost.to, lost.text)
                and lost.not_before <= taken.at <= lost.not_after
                and taken.provider_id not in lost.taken
            ):
                return Found(provider_id=taken.provider_id)
        return Absent()

    def _day(self) -> int:
        return min(DAYS, int(self._town.loop.time() // 86400))

    def _fire(self, name: str) -> None:
        self._town.fired[name] = self._town.fired.get(name, 0) + 1

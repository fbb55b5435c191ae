"""``channel: "auto"``: which of the channels that the law allows now is asked first, and whether a later hour today is worth waiting for.

The order is all that is decided here. The judge asks the law about every channel all the same, and the first in order whose
answer is allow is taken: what is learned can neither open a channel nor an hour.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from consent.said import said_at
from gateway.costs.expected import Costs
from gateway.judge import Case, Choice, Judge, address_for, zones_of
from jurisdictions.built_in import HOUSE
from storage import auto as kept
from storage.clock import LegalClock
from storage.database import Connection, Database
from throttling import preference
from throttling.preference import Belief, Hours, Ranking, Tallies, Tally
from vocabulary.channel import Channel
from vocabulary.verdict import Answer, Force, Reason

#: How long what was learned of people alike is believed by one process before it is read again, real seconds.
BELIEVED_SECONDS: Final = 120.0
#: How often it is added up anew, real seconds, and how far back by real time: answers come for two days.
LEARN_SECONDS: Final = 600
LEARN_BACK: Final = timedelta(days=4)
BEST_HOUR: Final = "HOUSE-BEST-HOUR"

#: What people alike did, by country.
Segments = Mapping[str, Tallies]

WORTH: Final = kept.Worth(
    delivered=preference.DELIVERED,
    read=preference.READ,
    answered=preference.ANSWERED,
    promised=preference.PROMISED,
    answer_within=preference.ANSWER_WITHIN,
    bucket_hours=preference.BUCKET_HOURS,
)


class Auto:
    """Puts channels in order before the judge is asked. What was learned of people alike is kept for minutes in this process."""

    def __init__(self, judge: Judge, costs: Costs) -> None:
        self._judge = judge
        self._costs = costs
        self._segments: dict[str, tuple[float, Segments]] = {}

    async def learn_of(self, connection: Connection, cases: Iterable[tuple[str, bool]], now: datetime) -> None:
        """See that what was learned for these tenants is there, where a message of theirs (True) is to be put in order."""
        monotonic = time.monotonic()
        stale = {
            tenant
            for tenant, wanted in cases
            if wanted and self._segments.get(tenant, (0.0, {}))[0] + BELIEVED_SECONDS <= monotonic
        }
        if not stale:
            return
        since = now.date() - timedelta(days=preference.SEGMENT_DAYS)
        found: dict[str, dict[str, dict[Channel, dict[Hours, Tally]]]] = {tenant: {} for tenant in stale}
        for row in await kept.evidence(connection, sorted(stale), since):
            cells = found[row.tenant].setdefault(row.country, {}).setdefault(Channel(row.channel), {})
            cells[Hours(row.bucket, row.weekend)] = Tally(row.tries, row.gain)
        self._segments |= {tenant: (monotonic, segments) for tenant, segments in found.items()}

    def known(self, tenant: str, segments: Segments) -> None:
        """Believe this of people alike from now on, as if it had just been read."""
        self._segments[tenant] = (time.monotonic(), segments)

    def advise(self, case: Case, now: datetime) -> Choice:
        """What the law says at an instant, its channels in order. The seed is the person and the instant: no message is meant."""
        ordered, told = self._ordered(case, _seed(case.contact.subject.hex, now.isoformat()), now)
        return _told(case, self._judge.advise(ordered, now), told)

    def asked(self, case: Case, now: datetime) -> Choice:
        """The decision at acceptance, of a message that nobody has handed over."""
        return self._accept(case, _seed(case.contact.subject.hex, now.isoformat()), now)

    def accept(self, case: Case, message: UUID, now: datetime) -> Choice:
        """The decision at acceptance."""
        # Where nothing is left to the gateway, nothing is drawn.
        seed = _seed(message.hex) if case.ask.auto or case.ask.best_hour else ""
        return self._accept(case, seed, now)

    def dispatch(self, case: Case, message: UUID, now: datetime, expires: datetime) -> Choice:
        """What may be sent this second, or what is worth waiting for."""
        seed = _seed(message.hex)
        ordered, told = self._ordered(case, seed, now)
        choice = _told(case, self._judge.dispatch(ordered, now), told)
        return self._later(ordered, choice, seed, now, expires)

    def _accept(self, case: Case, seed: str, now: datetime) -> Choice:
        wanted = case.ask.send_at
        at = now if wanted is None or wanted <= now else wanted
        ordered, told = self._ordered(case, seed, at)
        choice = _told(case, self._judge.accept(ordered, now), told)
        return self._later(ordered, choice, seed, now, None)

    def _ordered(self, case: Case, seed: str, now: datetime) -> tuple[Case, "_Weighed | None"]:
        """The case with its channels in the order in which they are worth asking; as it is where nobody asked for that."""
        ask = case.ask
        if not ask.auto:
            return case, None
        channels = [Channel(name) for name in ask.channels]
        prefers = said_at(case.history, case.contact.id, now).prefers
        preferred = prefers.channel if prefers is not None and prefers.channel in channels else None
        settings = case.policy.auto
        if not settings.on or len(channels) < 2:
            order = sorted(channels, key=lambda channel: channel is not preferred)
            weighed = _Weighed(ranking=None, preferred=preferred, on=settings.on, settings=settings)
        else:
            ranking = preference.rank(
                seed,
                self._beliefs(case, channels, now),
                self._prices(case, channels),
                cost_weight=settings.cost_weight,
                exploration=settings.exploration,
                preferred=preferred,
            )
            order = list(ranking.order)
            weighed = _Weighed(ranking=ranking, preferred=preferred, on=True, settings=settings)
        return replace(case, ask=msgspec.structs.replace(ask, channels=[each.value for each in order])), weighed

    def _beliefs(self, case: Case, channels: Iterable[Channel], now: datetime) -> dict[Channel, Belief]:
        there = _clock_of(case)
        own = preference.tallies_of(case.history, case.contact.id, there, now)
        segment = self._segment(case)
        hours = preference.hours_of(now, there)
        return {channel: preference.belief(channel, hours, own, segment) for channel in channels}

    def _segment(self, case: Case) -> Tallies:
        contact = case.contact
        _, segments = self._segments.get(contact.tenant, (0.0, {}))
        country = contact.jurisdictions[0] if contact.jurisdictions else contact.residence or ""
        return segments.get(country[:2], {})

    def _prices(self, case: Case, channels: Iterable[Channel]) -> dict[Channel, float | None]:
        """What each channel is expected to cost, as a share of the dearest; an unknown price is taken for the mean of the others."""
        quotes = {channel: self._costs.expected(channel, address_for(case, channel), case.ask) for channel in channels}
        known = {channel: quote for channel, quote in quotes.items() if quote is not None}
        if not known or len({quote["currency"] for quote in known.values()}) > 1:
            return dict.fromkeys(quotes)
        amounts = {channel: float(Decimal(quote["amount"])) for channel, quote in known.items()}
        most = max(amounts.values())
        shares = {channel: amount / most if most else 0.0 for channel, amount in amounts.items()}
        mean = sum(shares.values()) / len(shares)
        return {channel: round(shares.get(channel, mean), 4) for channel in quotes}

    def _later(self, case: Case, choice: Choice, seed: str, now: datetime, expires: datetime | None) -> Choice:
        """A later hour of the same day, where the CRM allows waiting, it is known to be better, and the law allows it too."""
        if not case.ask.best_hour or not case.policy.auto.on or choice.verdict.answer is not Answer.ALLOW:
            return choice
        there = _clock_of(case)
        if there is None:
            return choice
        here = preference.hours_of(now, there)
        later = [Hours(bucket, here.weekend) for bucket in range(here.bucket + 1, preference.BUCKETS)]
        own = preference.tallies_of(case.history, case.contact.id, there, now)
        segment = self._segment(case)
        beliefs = {hours: preference.belief(choice.channel, hours, own, segment) for hours in (here, *later)}
        chance = case.policy.auto.exploration
        found = preference.better_hours(seed, beliefs, here, later, exploration=chance)
        if found is None:
            return choice
        begins = now.astimezone(there).replace(
            hour=found.bucket * preference.BUCKET_HOURS, minute=0, second=0, microsecond=0
        )
        # Not all of them at the stroke of the hour.
        until = (begins + timedelta(hours=1) * preference.share(seed, "within the hour")).replace(microsecond=0)
        until = until.astimezone(now.tzinfo)
        alone = replace(case, ask=msgspec.structs.replace(case.ask, channels=[choice.channel.value]))
        lawful = self._judge.dispatch(alone, until).verdict.answer is Answer.ALLOW
        if not lawful or until <= now or (expires is not None and until >= expires):
            return choice
        reason = Reason(
            rule=BEST_HOUR,
            pack=HOUSE,
            force=Force.HOUSE,
            citation="best_hour of the message",
            effect=Answer.DEFER,
            until=until,
            observed=f"expected worth {beliefs[here].mean:.2f} of 1 at this hour",
            limit=f"{beliefs[found].mean:.2f} of 1 later today",
        )
        verdict = replace(choice.verdict, answer=Answer.DEFER, until=until, reasons=(reason,))
        asked = tuple((c, verdict if c is choice.channel else v) for c, v in choice.all)
        told = None if choice.auto is None else {**choice.auto, "because": "waits_for_a_better_hour"}
        return replace(choice, verdict=verdict, all=asked, auto=told)


class Learner:
    """Adds up again and again what contacts came to."""

    def __init__(self, *, database: Database, clock: LegalClock) -> None:
        self._database = database
        self._clock = clock

    async def learn(self) -> None:
        """The last days, of every tenant. Raises DatabaseAway."""

        async def job(connection: Connection) -> None:
            legal, real = await self._clock.now(connection)
            await kept.learn(connection, real - LEARN_BACK, WORTH)
            await kept.forget(connection, legal.date() - timedelta(days=2 * preference.SEGMENT_DAYS))

        await self._database.run(job)


class _Weighed(msgspec.Struct, frozen=True, kw_only=True):
    """How an order came about. ``settings``: the tenant's."""

    ranking: Ranking | None
    preferred: Channel | None
    on: bool
    settings: Any


def _seed(*parts: str) -> str:
    return sha256(" ".join(parts).encode()).hexdigest()[:32]


def _clock_of(case: Case) -> ZoneInfo | None:
    zones = zones_of(case, address_for(case, Channel(case.ask.channels[0])))
    return ZoneInfo(zones[0]) if zones else None


def _told(case: Case, choice: Choice, weighed: _Weighed | None) -> Choice:
    """The choice with how it came about, as the answer and the trace say it: numbers as text, which every reader reads alike."""
    if weighed is None:
        return choice
    told: dict[str, Any] = {"chosen": choice.channel.value, "because": _because(case, choice, weighed)}
    if weighed.preferred is not None:
        told["preferred"] = weighed.preferred.value
    ranking = weighed.ranking
    if ranking is not None:
        told |= {
            "seed": ranking.seed,
            "cost_weight": f"{weighed.settings.cost_weight:g}",
            "exploration": f"{weighed.settings.exploration:g}",
            "scores": [
                {
                    "channel": arm.channel.value,
                    "alpha": f"{arm.alpha:.4f}",
                    "beta": f"{arm.beta:.4f}",
                    "draw": f"{arm.draw:.6f}",
                    "cost": None if arm.cost is None else f"{arm.cost:.4f}",
                    "score": f"{arm.score:.6f}",
                }
                for arm in sorted(ranking.arms, key=lambda arm: ranking.order.index(arm.channel))
            ],
        }
    return replace(choice, auto=told)


def _because(case: Case, choice: Choice, weighed: _Weighed) -> str:
    match choice.verdict.answer:
        case Answer.DEFER:
            return "opens_first"
        case Answer.DENY:
            return "none_allowed"
        case Answer.ALLOW:
            pass
    if case.answered_on is choice.channel:
        return "answered_there"
    if len(case.ask.channels) == 1:
        return "only_channel"
    if weighed.preferred is choice.channel:
        return "preferred"
    if weighed.ranking is None:
        return "off"
    return "explored" if weighed.ranking.explored else "learned"


def again(told: Mapping[str, Any]) -> tuple[str, ...]:
    """The order of channels, drawn anew from what an answer or an entry of the trace says: equal to that of its scores."""
    scores = told["scores"]
    return tuple(
        channel.value
        for channel in preference.rank(
            told["seed"],
            {Channel(s["channel"]): Belief(float(s["alpha"]), float(s["beta"]), 0.0) for s in scores},
            {Channel(s["channel"]): None if s["cost"] is None else float(s["cost"]) for s in scores},
            cost_weight=float(told["cost_weight"]),
            exploration=float(told["exploration"]),
            preferred=Channel(told["preferred"]) if "preferred" in told else None,
        ).order
    )

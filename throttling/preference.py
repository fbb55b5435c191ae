"""By which channel and at what hour a person is likely to answer: Beta posteriors and one draw from each (Thompson sampling).

What counts for one person is hers first, shrunk to what people like her answered (same tenant, country, channel, hours, kind of
day). Everything here orders what others allow: it opens nothing. A draw comes from the message's own id, so that anybody who has
the entry of the trace finds the same order again.

Sources: Chapelle, Li: An Empirical Evaluation of Thompson Sampling, NIPS 2011; Agrawal, Goyal: Analysis of Thompson Sampling for
the Multi-armed Bandit Problem, COLT 2012 (§2: gains between 0 and 1 beside plain successes).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from hashlib import sha256
from random import Random
from typing import Final

from vocabulary.channel import Channel
from vocabulary.event import Consented, ConsentState, Contacted, ContactOutcome, Event, Promised, Replied

#: What a contact was worth, between nothing and all that was hoped for.
PROMISED: Final = 1.0
ANSWERED: Final = 0.7
READ: Final = 0.2
DELIVERED: Final = 0.05
NOTHING: Final = 0.0
#: An answer later than this is to something else.
ANSWER_WITHIN: Final = timedelta(hours=48)
#: A contact without an answer says nothing yet while it is younger than this.
TOO_EARLY: Final = timedelta(hours=6)
#: After so long what she did then counts half.
HALF_LIFE: Final = timedelta(days=60)
#: How far back what people like her did is counted, by days of the law's clock.
SEGMENT_DAYS: Final = 90

BUCKET_HOURS: Final = 3
BUCKETS: Final = 24 // BUCKET_HOURS
#: The bucket of those whose clock nobody knows: their evidence counts for the channel, and for no hour.
ANY_HOUR: Final = -1

#: What is believed before anything was seen: so many tries, worth so much each.
_PRIOR_TRIES: Final = 2.0
_PRIOR_MEAN: Final = 0.15
#: Tries at an hour from which it is believed as much as its whole channel is.
_HOUR_TRIES: Final = 20.0
#: How many of her own tries weigh as much as everybody else's.
_SHRINK_TRIES: Final = 2.0
#: What she did on the channel at other hours, against what she did at these.
_OTHER_HOURS: Final = 0.9
#: What the dearest channel costs is 1; this keeps a free one from being worth any number of answers.
_COST_FLOOR: Final = 0.1
#: How much better another hour must be, and on how many tries each must rest, before anything waits for it.
HOUR_BETTER: Final = 1.25
HOUR_TRIES_MIN: Final = 15.0

_ENDINGS: Final = {
    ContactOutcome.DELIVERED: DELIVERED,
    ContactOutcome.VOICEMAIL_REACHED: DELIVERED,
    ContactOutcome.VOICEMAIL_LEFT: DELIVERED,
    ContactOutcome.READ: READ,
    ContactOutcome.CONNECTED: READ,
    ContactOutcome.CONVERSATION: ANSWERED,
}


@dataclass(frozen=True, slots=True)
class Hours:
    """One of eight parts of the day (``ANY_HOUR`` where her clock is not known), and whether it is a Saturday or Sunday."""

    bucket: int
    weekend: bool


@dataclass(frozen=True, slots=True)
class Tally:
    """Contacts, and what they were worth together."""

    tries: float = 0.0
    gain: float = 0.0

    def plus(self, other: "Tally", weight: float = 1.0) -> "Tally":
        """Both together, the other by its weight."""
        return Tally(self.tries + weight * other.tries, self.gain + weight * other.gain)


Tallies = Mapping[Channel, Mapping[Hours, Tally]]


@dataclass(frozen=True, slots=True)
class Belief:
    """A Beta distribution over what a contact is worth; ``tries`` is how many of the hour's own contacts it rests on."""

    alpha: float
    beta: float
    tries: float

    @property
    def mean(self) -> float:
        """What is expected."""
        return self.alpha / (self.alpha + self.beta)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One channel as it was weighed. ``cost``: as a share of the dearest, None where prices cannot be compared."""

    channel: Channel
    alpha: float
    beta: float
    cost: float | None
    draw: float
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """Channels in the order in which they are to be asked, and how it came about."""

    order: tuple[Channel, ...]
    arms: tuple[Arm, ...]
    seed: str
    explored: bool
    preferred: Channel | None


def hours_of(at: datetime, there: tzinfo | None) -> Hours:
    """Where an instant lies on a person's clock; None: nobody knows her clock."""
    local = at if there is None else at.astimezone(there)
    return Hours(ANY_HOUR if there is None else local.hour // BUCKET_HOURS, local.weekday() >= 5)


def tallies_of(
    events: Iterable[Event], person: str, there: tzinfo | None, now: datetime
) -> dict[Channel, dict[Hours, Tally]]:
    """What one person did with what reached her, from her own events: the nearer, the more it counts."""
    hers = sorted((event for event in events if event.person == person and event.at <= now), key=lambda event: event.at)
    found: dict[Channel, dict[Hours, Tally]] = {}
    contacts = [e for e in hers if isinstance(e, Contacted) and e.outcome is not ContactOutcome.FAILED]
    answers = [event for event in hers if isinstance(event, Replied | Promised | Consented)]
    until: dict[Channel, datetime] = {}
    for contact in reversed(contacts):
        ends = min(contact.at + ANSWER_WITHIN, until.get(contact.channel, contact.at + ANSWER_WITHIN))
        until[contact.channel] = contact.at
        gain = _gain(contact, [event for event in answers if contact.at < event.at < ends])
        if gain < ANSWERED and now - contact.at < TOO_EARLY:
            continue
        hours = hours_of(contact.at, there)
        weight = 0.5 ** ((now - contact.at) / HALF_LIFE)
        cells = found.setdefault(contact.channel, {})
        cells[hours] = cells.get(hours, Tally()).plus(Tally(1.0, gain), weight)
    return found


def _gain(contact: Contacted, after: Sequence[Event]) -> float:
    """What one contact was worth; a stop for an answer is worth nothing."""
    answered = contact.outcome is ContactOutcome.CONVERSATION or any(
        isinstance(event, Replied) and event.channel is contact.channel for event in after
    )
    if not answered:
        return _ENDINGS.get(contact.outcome, NOTHING)
    if any(isinstance(event, Consented) and event.state is ConsentState.WITHDRAWN for event in after):
        return NOTHING
    return PROMISED if any(isinstance(event, Promised) and not event.ended for event in after) else ANSWERED


def belief(channel: Channel, hours: Hours, own: Tallies, segment: Tallies) -> Belief:
    """What is believed of a channel at these hours: hers, shrunk to her segment's, and that to its channel's."""
    cells = segment.get(channel, {})
    whole = Tally()
    for tally in cells.values():
        whole = whole.plus(tally)
    mean = (_PRIOR_TRIES * _PRIOR_MEAN + whole.gain) / (_PRIOR_TRIES + whole.tries)
    there = cells.get(hours, Tally())
    mean = (_HOUR_TRIES * mean + there.gain) / (_HOUR_TRIES + there.tries)
    # Of what nobody has tried little is believed, so that it is drawn from widely.
    strength = min(_SHRINK_TRIES, _PRIOR_TRIES + whole.tries / 10)
    hers = Tally()
    for at, tally in own.get(channel, {}).items():
        hers = hers.plus(tally, 1.0 if at == hours else _OTHER_HOURS)
    return Belief(
        alpha=_kept(strength * mean + hers.gain),
        beta=_kept(strength * (1 - mean) + hers.tries - hers.gain),
        tries=there.tries + own.get(channel, {}).get(hours, Tally()).tries,
    )


def _kept(value: float) -> float:
    """To four decimals, as it is written down, before anything is drawn from it."""
    return max(0.01, round(value, 4))


def rank(
    seed: str,
    beliefs: Mapping[Channel, Belief],
    costs: Mapping[Channel, float | None],
    *,
    cost_weight: float,
    exploration: float,
    preferred: Channel | None = None,
) -> Ranking:
    """The order in which channels are asked: the one she prefers, then by draw and cost; at times by chance alone.

    ``costs`` are shares of the dearest, None where prices cannot be compared; ``exploration`` is how often chance decides.
    """
    arms = tuple(
        Arm(
            channel=channel,
            alpha=each.alpha,
            beta=each.beta,
            cost=costs.get(channel),
            draw=(drawn := draw(seed, channel, each.alpha, each.beta)),
            score=score(drawn, costs.get(channel), cost_weight),
        )
        for channel, each in beliefs.items()
    )
    explored = _chance(seed, "explores") < exploration
    if explored:
        ordered = sorted(arms, key=lambda arm: _chance(seed, f"order {arm.channel.value}"))
    else:
        ordered = sorted(arms, key=lambda arm: -arm.score)
    order = [arm.channel for arm in ordered]
    if preferred in order:
        order.remove(preferred)
        order.insert(0, preferred)
    return Ranking(
        order=tuple(order),
        arms=arms,
        seed=seed,
        explored=explored,
        preferred=preferred if preferred in beliefs else None,
    )


def draw(seed: str, channel: Channel, alpha: float, beta: float) -> float:
    """One draw from Beta(alpha, beta), to six decimals: always the same for the same seed and channel."""
    return round(Random(_number(seed, f"draw {channel.value}")).betavariate(alpha, beta), 6)  # noqa: S311 - to be found again


def score(drawn: float, cost: float | None, cost_weight: float) -> float:
    """What a draw is worth at its price: ``draw / (0.1 + cost)^weight``, to six decimals."""
    return round(drawn if cost is None else drawn / (_COST_FLOOR + cost) ** cost_weight, 6)


def better_hours(
    seed: str, beliefs: Mapping[Hours, Belief], now: Hours, later: Sequence[Hours], *, exploration: float
) -> Hours | None:
    """The hours later today that are worth waiting for, None when these are as good or nobody knows enough yet."""
    if not later:
        return None
    if _chance(seed, "explores hours") < exploration:
        return later[int(_chance(seed, "which hours") * len(later))]
    here = beliefs[now]
    best = max(later, key=lambda hours: beliefs[hours].mean)
    known = min(here.tries, beliefs[best].tries) >= HOUR_TRIES_MIN
    return best if known and beliefs[best].mean >= HOUR_BETTER * here.mean else None


def share(seed: str, what: str) -> float:
    """A number in [0, 1) that is this message's own."""
    return _chance(seed, what)


def _chance(seed: str, what: str) -> float:
    return _number(seed, what) / (1 << 64)


def _number(seed: str, what: str) -> int:
    return int.from_bytes(sha256(f"{seed} {what}".encode()).digest()[:8])

"""``auto`` before the judge: whatever was learned, wanted or drawn, what is chosen is what the law allows; and it learns."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.auto import Auto, again
from gateway.cli.auto_trial import BEGINS, TENANT, Trial, _Priced
from gateway.judge import Case, Judge
from jurisdictions.house import Auto as AutoSettings
from jurisdictions.library import load
from tests.sizes import AUTO_CASES
from throttling.preference import Hours, Tally
from vocabulary.channel import Channel
from vocabulary.event import (
    ChannelPreferred,
    Consented,
    ConsentState,
    Contacted,
    ContactOutcome,
    Event,
    Held,
    HoursRequested,
    Replied,
)
from vocabulary.verdict import Answer

LAW = load()
TRIAL = Trial(LAW, number=24, days=2, seed=3)
CASES = [TRIAL._case(who) for who in TRIAL._people]
OWNED = (Channel.SMS, Channel.WHATSAPP, Channel.EMAIL, Channel.VOICE)
HISTORY_DAYS = 20

instants = st.integers(0, HISTORY_DAYS * 24 * 60).map(lambda minutes: BEGINS + timedelta(minutes=minutes))
channels = st.sampled_from(OWNED)


@st.composite
def happened(draw: st.DrawFn, person: str) -> Event:
    """Something in her past that laws or likings ask about."""
    at, channel = draw(instants), draw(channels)
    kind = draw(st.integers(0, 6))
    address = f"{person} {channel}"
    return (
        Contacted(
            at=at,
            channel=channel,
            outcome=draw(st.sampled_from(list(ContactOutcome))),
            debts=("d1",),
            address=address,
            creditor="C1",
            collector="A1",
            person=person,
            latest=draw(st.none() | st.just(at + timedelta(minutes=10))),
        ),
        Replied(at=at, channel=channel, debts=("d1",), address=address, person=person),
        Consented(at=at, state=draw(st.sampled_from(list(ConsentState))), channel=channel, person=person),
        Consented(at=at, state=ConsentState.WITHDRAWN, all=True, person=person),
        ChannelPreferred(at=at, channel=channel, person=person, ended=draw(st.booleans())),
        Held(at=at, until=at + timedelta(hours=24), person=person),
        HoursRequested(
            at=at, opens=datetime(2026, 1, 1, 9).time(), closes=datetime(2026, 1, 1, 12).time(), person=person
        ),
    )[kind]


@st.composite
def situations(draw: st.DrawFn) -> tuple[Case, datetime, Auto]:
    """A person with a past, an instant, and whatever may have been learned."""
    case = draw(st.sampled_from(CASES))
    events = sorted(draw(st.lists(happened(case.contact.id), max_size=6)), key=lambda event: event.at)
    policy = replace(
        case.policy,
        auto=AutoSettings(
            on=draw(st.sampled_from((True, True, True, False))),
            cost_weight=draw(st.floats(0, 2)),
            exploration=draw(st.floats(0.01, 0.5)),
        ),
    )
    ask = msgspec.structs.replace(case.ask, best_hour=draw(st.booleans()))
    auto = Auto(Judge(LAW), _Priced())
    cells = st.dictionaries(
        st.builds(Hours, st.integers(-1, 7), st.booleans()),
        st.integers(0, 900).map(lambda tries: Tally(float(tries), tries * 0.7)),
        max_size=6,
    )
    country = case.contact.jurisdictions[0]
    auto.known(TENANT, {country: draw(st.dictionaries(channels, cells))})
    now = BEGINS + timedelta(days=HISTORY_DAYS, minutes=draw(st.integers(0, 7 * 24 * 60)))
    return replace(case, history=(*case.history, *events), policy=policy, ask=ask), now, auto


@settings(max_examples=AUTO_CASES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(situations(), st.uuids(), st.booleans())
def test_what_is_chosen_is_what_the_law_allows(
    situation: tuple[Case, datetime, Auto], message: UUID, dispatching: bool
) -> None:
    case, now, auto = situation
    judge = Judge(LAW)

    def alone(channel: str) -> Answer:
        one = replace(case, ask=msgspec.structs.replace(case.ask, channels=[channel], auto=False))
        return (judge.dispatch(one, now) if dispatching else judge.advise(one, now)).verdict.answer

    allowed = {channel for channel in case.ask.channels if alone(channel) is Answer.ALLOW}

    def chosen() -> object:
        expires = now + timedelta(days=30)
        return auto.dispatch(case, message, now, expires) if dispatching else auto.accept(case, message, now)

    choice = (
        auto.dispatch(case, message, now, now + timedelta(days=30)) if dispatching else auto.accept(case, message, now)
    )
    assert choice == chosen(), "the same again under the same id"
    assert choice.auto is not None
    waits = choice.auto["because"] == "waits_for_a_better_hour"
    if choice.verdict.answer is Answer.ALLOW:
        assert choice.channel in allowed
    elif waits:
        assert choice.channel in allowed
        assert choice.verdict.until is not None
        assert now < choice.verdict.until < now + timedelta(days=1)
        one = replace(case, ask=msgspec.structs.replace(case.ask, channels=[choice.channel.value], auto=False))
        assert judge.dispatch(one, choice.verdict.until).verdict.answer is Answer.ALLOW
        assert case.ask.best_hour
    else:
        assert not allowed
    assert {channel for channel, _ in choice.all} == set(case.ask.channels)
    preferred = choice.auto.get("preferred")
    if preferred in allowed:
        assert choice.channel == preferred
    if "scores" in choice.auto:
        assert again(choice.auto) == tuple(score["channel"] for score in choice.auto["scores"])


def test_it_learns_and_costs_less_and_never_leaves_the_law() -> None:
    fixed, auto, oracle = Trial(LAW, number=32, days=50, seed=2).run()
    assert [each.violations for each in (fixed, auto, oracle)] == [0, 0, 0]
    assert min(each.contacts for each in (fixed, auto, oracle)) > 300
    assert auto.per_contact > 1.3 * fixed.per_contact
    assert auto.per_contact < oracle.per_contact
    assert auto.cost / auto.answers < fixed.cost / fixed.answers
    assert auto.explored > 0


def test_the_same_seed_lives_the_same_lives() -> None:
    first, second = (Trial(LAW, number=8, days=20, seed=4).run() for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("at", "better", "waits"),
    [
        ("2026-03-24T10:00:00-05:00", Hours(5, False), True),
        ("2026-03-21T10:00:00-05:00", Hours(5, True), False),
        ("2026-03-24T10:00:00-05:00", Hours(7, False), False),
        ("2026-03-24T16:00:00-05:00", Hours(3, False), False),
    ],
    ids=[
        "in the afternoon",
        "on a Saturday afternoon, when the law has closed",
        "at night",
        "this morning, which is over",
    ],
)
def test_a_better_hour_is_waited_for_inside_the_law_only(at: str, better: Hours, waits: bool) -> None:
    case = next(case for case in CASES if case.contact.jurisdictions == ("CO",))
    case = replace(case, ask=msgspec.structs.replace(case.ask, best_hour=True))
    now = datetime.fromisoformat(at).astimezone(UTC)
    cells = {Hours(bucket, better.weekend): Tally(500.0, 10.0) for bucket in range(8)} | {better: Tally(500.0, 400.0)}
    auto = Auto(Judge(LAW), _Priced())
    auto.known(TENANT, {"CO": {Channel(name): cells for name in case.ask.channels}})
    until = [auto.accept(case, UUID(int=number), now).verdict.until for number in range(20)]
    # Chance alone may wait for another hour.
    waited = {each.astimezone(ZoneInfo("America/Bogota")).hour // 3 for each in until if each is not None}
    assert (better.bucket in waited) is waits, waited
    unasked = replace(case, ask=msgspec.structs.replace(case.ask, best_hour=False))
    assert all(auto.accept(unasked, UUID(int=n), now).verdict.answer is Answer.ALLOW for n in range(20))

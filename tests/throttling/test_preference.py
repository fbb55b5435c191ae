"""What is believed of a channel and an hour, and the order that follows: bounded, seeded, her own evidence first."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from throttling import preference
from throttling.preference import Belief, Hours, Tally
from vocabulary.channel import Channel
from vocabulary.event import Consented, ConsentState, Contacted, ContactOutcome, Event, Promised, Replied

NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)
BOGOTA = ZoneInfo("America/Bogota")
MORNING = Hours(3, False)
CHANNELS = (Channel.SMS, Channel.EMAIL, Channel.WHATSAPP, Channel.VOICE)

seeds = st.text("0123456789abcdef", min_size=32, max_size=32)
beliefs = st.dictionaries(
    st.sampled_from(CHANNELS),
    st.builds(Belief, st.floats(0.01, 1e6), st.floats(0.01, 1e6), st.floats(0, 1e6)),
    min_size=1,
)


def contact(hours_ago: float, outcome: ContactOutcome = ContactOutcome.DELIVERED, person: str = "ana") -> Contacted:
    return Contacted(at=NOW - timedelta(hours=hours_ago), channel=Channel.SMS, outcome=outcome, person=person)


def reply(hours_ago: float, channel: Channel = Channel.SMS) -> Replied:
    return Replied(at=NOW - timedelta(hours=hours_ago), channel=channel, person="ana")


def stop(hours_ago: float) -> Consented:
    return Consented(at=NOW - timedelta(hours=hours_ago), state=ConsentState.WITHDRAWN, person="ana")


@given(seeds, beliefs, st.floats(0, 2), st.floats(0.01, 0.5), st.none() | st.sampled_from(CHANNELS), st.data())
def test_an_order_has_each_channel_once_and_hers_first_and_is_the_same_again(
    seed: str,
    found: dict[Channel, Belief],
    weight: float,
    chance: float,
    preferred: Channel | None,
    data: st.DataObject,
) -> None:
    costs = {channel: data.draw(st.none() | st.floats(0, 1)) for channel in found}
    first, second = (
        preference.rank(seed, found, costs, cost_weight=weight, exploration=chance, preferred=preferred)
        for _ in range(2)
    )
    assert first == second
    assert sorted(first.order) == sorted(found)
    assert preferred not in found or first.order[0] is preferred
    assert all(0 <= arm.draw <= 1 for arm in first.arms)


def test_chance_decides_as_often_as_it_was_told_to_and_then_each_channel_is_as_likely() -> None:
    found = {channel: Belief(1.0, 9.0, 10.0) for channel in CHANNELS} | {Channel.EMAIL: Belief(9_000.0, 1.0, 9_001.0)}
    ranked = [preference.rank(f"{number:032x}", found, {}, cost_weight=0, exploration=0.2) for number in range(4_000)]
    explored = [each for each in ranked if each.explored]
    assert 0.17 < len(explored) / len(ranked) < 0.23
    assert all(0.2 < sum(e.order[0] is c for e in explored) / len(explored) < 0.3 for c in CHANNELS)
    assert {each.order[0] for each in ranked if not each.explored} == {Channel.EMAIL}


def test_of_two_alike_the_cheaper_is_asked_first_and_a_weight_of_none_forgets_the_price() -> None:
    found = dict.fromkeys((Channel.SMS, Channel.EMAIL), Belief(500.0, 500.0, 1_000.0))
    costs: dict[Channel, float | None] = {Channel.SMS: 1.0, Channel.EMAIL: 0.05}
    for weight, share in ((1.0, 1.0), (0.0, 0.5)):
        orders = [
            preference.rank(f"{n:032x}", found, costs, cost_weight=weight, exploration=0.0).order[0] for n in range(400)
        ]
        assert orders.count(Channel.EMAIL) / 400 == pytest.approx(share, abs=0.08)


@pytest.mark.parametrize(
    ("events", "worth"),
    [
        ([contact(30)], preference.DELIVERED),
        ([contact(30, ContactOutcome.READ)], preference.READ),
        ([contact(30, ContactOutcome.ATTEMPTED)], preference.NOTHING),
        ([contact(30), reply(29)], preference.ANSWERED),
        ([contact(30), reply(29), Promised(at=NOW - timedelta(hours=29), person="ana")], preference.PROMISED),
        ([contact(30), reply(29), stop(29)], preference.NOTHING),
        ([contact(30), reply(29, Channel.EMAIL)], preference.DELIVERED),
        ([contact(90), reply(29)], preference.DELIVERED),
        ([contact(30, ContactOutcome.CONVERSATION)], preference.ANSWERED),
        ([contact(30, ContactOutcome.FAILED)], None),
        ([contact(2)], None),
        ([contact(2), reply(1)], preference.ANSWERED),
        ([contact(30, person="luis")], None),
    ],
    ids=[
        "it came", "she read it", "nobody knows", "she answered", "she promised", "her answer was a stop",
        "she answered elsewhere", "she answered too late to mean it", "they spoke", "it never left", "too early to say",
        "an answer is never too early", "it was somebody else",
    ],
)  # fmt: skip
def test_what_a_contact_was_worth(events: list[Event], worth: float | None) -> None:
    found = preference.tallies_of(events, "ana", BOGOTA, NOW)
    if worth is None:
        assert found == {}
        return
    (cell,) = found[Channel.SMS].values()
    assert cell.gain / cell.tries == pytest.approx(worth)


def test_an_answer_belongs_to_the_last_contact_before_it() -> None:
    found = preference.tallies_of([contact(40), contact(30), reply(29)], "ana", None, NOW)
    gains = [cell.gain for cell in found[Channel.SMS].values()]
    assert sum(gains) == pytest.approx(preference.DELIVERED + preference.ANSWERED, abs=0.02)


def test_what_is_long_ago_counts_less() -> None:
    near, far = (preference.tallies_of([contact(24.0 * days)], "ana", None, NOW)[Channel.SMS] for days in (1, 61))
    assert next(iter(far.values())).tries == pytest.approx(next(iter(near.values())).tries / 2, rel=0.02)


def test_her_own_evidence_outweighs_everybody_elses_and_hers_at_these_hours_most() -> None:
    everybody = {Channel.SMS: {MORNING: Tally(10_000.0, 9_000.0)}}
    own = {Channel.SMS: {MORNING: Tally(12.0, 0.0)}}
    elsewhen = {Channel.SMS: {Hours(6, False): Tally(12.0, 0.0)}}
    nothing = preference.belief(Channel.SMS, MORNING, {}, everybody)
    here = preference.belief(Channel.SMS, MORNING, own, everybody)
    there = preference.belief(Channel.SMS, MORNING, elsewhen, everybody)
    assert here.mean < there.mean < 0.3 < 0.85 < nothing.mean


@pytest.mark.parametrize(
    ("here", "later", "waits"),
    [
        (Belief(10, 90, 100), Belief(60, 40, 100), True),
        (Belief(60, 40, 100), Belief(10, 90, 100), False),
        (Belief(50, 50, 100), Belief(55, 45, 100), False),
        (Belief(10, 90, 100), Belief(60, 40, 3), False),
        (Belief(10, 90, 3), Belief(60, 40, 100), False),
    ],
    ids=["much better later", "better now", "hardly better", "later is hardly known", "now is hardly known"],
)
def test_an_hour_is_waited_for_when_it_is_known_to_be_much_better(here: Belief, later: Belief, waits: bool) -> None:
    evening = Hours(6, False)
    found = preference.better_hours("0" * 32, {MORNING: here, evening: later}, MORNING, [evening], exploration=0.0)
    assert (found is evening) is waits
    assert preference.better_hours("0" * 32, {MORNING: here}, MORNING, [], exploration=0.5) is None

"""Counts and distances as the instant at which they let go."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from jurisdictions.facts import facts_of
from jurisdictions.hold import Hold
from jurisdictions.localtime import NEVER
from jurisdictions.rule import Count, Counted, Gap, Happening, Key, Period, Since, Sticky, Threshold, Unit
from throttling.frequency import count, counted, gap, lets_go, since, sticky
from vocabulary.channel import AddressKind, Channel, Purpose, Role
from vocabulary.event import (
    Contacted,
    ContactOutcome,
    Event,
    InboundCall,
    NotAssociated,
    NoticeGiven,
    NoticeKind,
    Replied,
    StatusKind,
    StatusSet,
)
from vocabulary.message import Message, Person, Question, Sender

ZONE = "America/Bogota"
DAY = Period(unit=Unit.DATES, number=1, longest=timedelta(days=4))
WEEK = Period(unit=Unit.ISO_WEEK, longest=timedelta(days=9))
SEVEN = Period(unit=Unit.DATES, number=7, longest=timedelta(days=10))
MONTH = Period(unit=Unit.MONTH, longest=timedelta(days=33))
HOURS = Period(unit=Unit.ELAPSED, elapsed=timedelta(hours=168), longest=timedelta(hours=169))
CLEAR = Period(unit=Unit.CLEAR_DAYS, number=2, longest=timedelta(days=5))


def at(text: str, zone: str = ZONE) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def question(
    now: str,
    *history: Event,
    channel: Channel = Channel.SMS,
    debts: tuple[str, ...] = ("D1",),
    role: Role = Role.DEBTOR,
    zones: tuple[str, ...] = (ZONE,),
) -> Question:
    return Question(
        message=Message(channel=channel, debts=debts, address="N1"),
        sender=Sender(creditor="C1", collector="A1"),
        person=Person(person="P1", role=role, zones=zones),
        debts={},
        history=history,
        now=at(now),
        packs={},
        readings={},
    )


def contact(when: str, **changes: object) -> Contacted:
    given = {
        "channel": Channel.SMS,
        "outcome": ContactOutcome.DELIVERED,
        "debts": ("D1",),
        "address": "N1",
        "creditor": "C1",
        "collector": "A1",
        "person": "P1",
        "role": Role.DEBTOR,
        "address_kind": AddressKind.PERSONAL,
    }
    return Contacted(at=at(when), **{**given, **changes})  # type: ignore[arg-type]


def what(threshold: Threshold = Threshold.LEFT, *keys: Key, **changes: object) -> Counted:
    return Counted(channels=None, threshold=threshold, keys=keys, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("period", "zones", "free"),
    [
        (DAY, (ZONE,), "2026-03-11T00:00:00"),
        (SEVEN, (ZONE,), "2026-03-17T00:00:00"),
        (WEEK, (ZONE,), "2026-03-16T00:00:00"),
        (MONTH, (ZONE,), "2026-04-01T00:00:00"),
        (HOURS, (ZONE,), "2026-03-17T09:00:00"),
        (CLEAR, (ZONE,), "2026-03-13T00:00:00"),
        # Los Angeles is still on the day before when Bogotá begins it.
        (DAY, (ZONE, "America/Los_Angeles"), "2026-03-11T02:00:00"),
    ],
)
def test_when_a_contact_lets_go(period: Period, zones: tuple[str, ...], free: str):
    assert lets_go(at("2026-03-10T09:00:00"), period, zones) == at(free)


def test_december_ends_in_january():
    assert lets_go(at("2026-12-31T23:59:59"), MONTH, (ZONE,)) == at("2027-01-01T00:00:00")


def test_elapsed_time_is_rounded_up_to_the_second():
    odd = at("2026-03-10T09:00:00") + timedelta(microseconds=1)
    assert lets_go(odd, HOURS, (ZONE,)) == at("2026-03-17T09:00:01")


def test_without_a_zone_no_date_ends():
    assert lets_go(at("2026-03-10T09:00:00"), DAY, ()) == NEVER


def held(holds: list[Hold]) -> datetime | None:
    return max((hold.ends for hold in holds), default=None)


def test_a_full_count_waits_for_the_oldest_that_fills_it():
    facts = facts_of(
        question("2026-03-12T10:00:00", *(contact(f"2026-03-{day}T09:00:00") for day in ("08", "09", "10", "11"))),
        frozenset(),
    )
    assert held(count(Count(what=what(), limit=3, period=SEVEN), facts)) == at("2026-03-16T00:00:00")
    assert held(count(Count(what=what(), limit=4, period=SEVEN), facts)) == at("2026-03-15T00:00:00")
    assert count(Count(what=what(), limit=5, period=SEVEN), facts) == []


def test_a_limit_of_nothing_is_never():
    assert held(
        count(Count(what=what(), limit=0, period=SEVEN), facts_of(question("2026-03-12T10:00:00"), frozenset()))
    ) == (NEVER)


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({}, True),
        ({"outcome": ContactOutcome.ATTEMPTED}, True),
        ({"outcome": ContactOutcome.FAILED}, False),
        ({"person": "P2"}, False),
        ({"creditor": "C2"}, False),
        ({"creditor": None}, True),
        ({"purpose": Purpose.REQUESTED_INFO}, False),
        ({"debts": ("D2",)}, False),
        ({"debts": ()}, True),
        ({"debts": ("D1", "D2")}, True),
        ({"reply_to_inbound": True}, False),
        ({"address_kind": AddressKind.WORK}, False),
    ],
)
def test_which_contacts_count(changes: dict[str, object], counts: bool):
    seen = what(
        Threshold.LEFT,
        Key.DEBT,
        Key.CREDITOR,
        purposes_except=(Purpose.REQUESTED_INFO,),
        answers=False,
        places=(AddressKind.PERSONAL, AddressKind.UNKNOWN),
    )
    facts = facts_of(question("2026-03-10T10:00:00", contact("2026-03-10T09:00:00", **changes)), frozenset())
    assert bool(counted(seen, facts, "D1")) is counts


@pytest.mark.parametrize(
    ("threshold", "counting"),
    [
        (Threshold.LEFT, set(ContactOutcome) - {"failed"}),
        (Threshold.CONNECTED, set(ContactOutcome) - {"failed", "not_connected"}),
        (Threshold.REACHED, set(ContactOutcome) - {"failed", "not_connected", "no_answer"}),
        (Threshold.MADE, set(ContactOutcome) - {"failed", "not_connected", "no_answer", "voicemail_reached"}),
        (Threshold.CONVERSATION, {"conversation", "attempted"}),
    ],
)
def test_thresholds_on_a_call(threshold: Threshold, counting: set[str]):
    for outcome in ContactOutcome:
        call = contact("2026-03-10T09:00:00", channel=Channel.VOICE, outcome=outcome)
        facts = facts_of(question("2026-03-10T10:00:00", call), frozenset())
        assert bool(counted(what(threshold), facts)) is (outcome in counting), outcome


def test_two_way_is_a_message_answered_before_the_next_on_its_channel():
    seen = what(Threshold.TWO_WAY)
    first, second = contact("2026-03-10T09:00:00"), contact("2026-03-11T09:00:00")
    reply = Replied(at=at("2026-03-11T10:00:00"), channel=Channel.SMS, person="P1")
    other = Replied(at=at("2026-03-10T10:00:00"), channel=Channel.EMAIL, person="P1")
    facts = facts_of(question("2026-03-12T10:00:00", first, other, second, reply), frozenset())
    assert [contact.at for _, contact in counted(seen, facts)] == [second.at]


def test_calls_to_a_number_that_was_not_hers_are_taken_out():
    wrong = contact("2026-03-10T09:00:00", address="N9")
    facts = facts_of(
        question("2026-03-10T10:00:00", wrong, NotAssociated(at=at("2026-03-10T09:30:00"), address="N9", person="P1")),
        frozenset(),
    )
    assert counted(what(), facts) == []


def test_a_pool_counts_for_each_other():
    seen = what(Threshold.LEFT, pool=(Role.DEBTOR, Role.SPOUSE))
    hers = contact("2026-03-10T09:00:00", person="P2", role=Role.DEBTOR)
    assert counted(seen, facts_of(question("2026-03-10T10:00:00", hers, role=Role.SPOUSE), frozenset()))
    assert not counted(seen, facts_of(question("2026-03-10T10:00:00", hers, role=Role.GUARANTOR), frozenset()))


def test_a_message_about_two_debts_waits_for_both():
    rule = Count(what=what(Threshold.LEFT, Key.DEBT), limit=1, period=SEVEN)
    facts = facts_of(
        question(
            "2026-03-12T10:00:00",
            contact("2026-03-10T09:00:00", debts=("D1",)),
            contact("2026-03-11T09:00:00", debts=("D2",)),
            debts=("D1", "D2"),
        ),
        frozenset(),
    )
    assert held(count(rule, facts)) == at("2026-03-18T00:00:00")


def test_counting_begins_with_the_first_conversation():
    rule = Count(what=what(Threshold.MADE, after_conversation=True), limit=1, period=SEVEN)
    history = [contact("2026-03-10T09:00:00"), contact("2026-03-11T09:00:00")]
    assert count(rule, facts_of(question("2026-03-12T10:00:00", *history), frozenset())) == []
    called = InboundCall(at=at("2026-03-10T12:00:00"), person="P1")
    facts = facts_of(question("2026-03-12T10:00:00", *history, called), frozenset())
    assert held(count(rule, facts)) == at("2026-03-18T00:00:00")


def test_allowed_calls_need_no_room():
    rule = Count(what=what(Threshold.LEFT, Key.DEBT), limit=1, period=SEVEN)
    facts = facts_of(
        question("2026-03-12T10:00:00", contact("2026-03-10T09:00:00"), contact("2026-03-11T09:00:00")), frozenset()
    )
    allowed = {"D1": (at("2026-03-11T00:00:00"), at("2026-03-13T00:00:00"))}
    (hold,) = count(rule, facts, allowed)
    # While they are allowed nothing holds; afterwards the call of the 10th still does.
    assert hold == Hold(at("2026-03-17T00:00:00"), hold.observed, at("2026-03-13T00:00:00"))


def test_gap():
    rule = Gap(what=what(), period=CLEAR)
    facts = facts_of(question("2026-03-12T10:00:00", contact("2026-03-10T09:00:00")), frozenset())
    assert held(gap(rule, facts)) == at("2026-03-13T00:00:00")


@pytest.mark.parametrize(
    ("used", "asked", "blocks"),
    [
        (Channel.WHATSAPP, Channel.SMS, True),
        (Channel.SMS, Channel.SMS, False),
        (Channel.CALL_LIVE, Channel.VOICE, False),
        (Channel.VOICE, Channel.SMS, True),
    ],
)
def test_sticky(used: Channel, asked: Channel, blocks: bool):
    facts = facts_of(
        question("2026-03-12T10:00:00", contact("2026-03-10T09:00:00", channel=used), channel=asked), frozenset()
    )
    assert held(sticky(Sticky(what=what(), period=WEEK), facts)) == (at("2026-03-16T00:00:00") if blocks else None)


def test_an_earlier_contact_on_the_same_channel_opens_nothing():
    history = [contact("2026-03-09T09:00:00"), contact("2026-03-10T09:00:00", channel=Channel.WHATSAPP)]
    facts = facts_of(question("2026-03-12T10:00:00", *history), frozenset())
    assert held(sticky(Sticky(what=what(), period=WEEK), facts)) == at("2026-03-16T00:00:00")


def test_the_last_contact_on_another_channel_holds_longest():
    history = [
        contact("2026-03-09T09:00:00", channel=Channel.WHATSAPP),
        contact("2026-03-11T09:00:00", channel=Channel.EMAIL),
        contact("2026-03-12T09:00:00"),
    ]
    facts = facts_of(question("2026-03-12T10:00:00", *history), frozenset())
    assert held(sticky(Sticky(what=what(), period=HOURS), facts)) == at("2026-03-18T09:00:00")


def test_since_a_conversation_day_one_is_its_own_date():
    rule = Since(happening=Happening.CONVERSATION, days=7, what=what(Threshold.CONVERSATION, Key.DEBT))
    talk = contact("2026-04-06T14:00:00", channel=Channel.VOICE, outcome=ContactOutcome.CONVERSATION)
    assert held(since(rule, facts_of(question("2026-04-12T10:00:00", talk), frozenset()))) == at("2026-04-13T00:00:00")
    older = contact("2026-04-02T14:00:00", channel=Channel.VOICE, outcome=ContactOutcome.CONVERSATION)
    facts = facts_of(question("2026-04-12T10:00:00", older, talk), frozenset())
    assert held(since(rule, facts)) == at("2026-04-13T00:00:00"), "the last one holds"
    unknown = contact("2026-04-06T14:00:00", channel=Channel.VOICE, outcome=ContactOutcome.ATTEMPTED)
    assert since(rule, facts_of(question("2026-04-12T10:00:00", unknown), frozenset())) == []


def test_since_a_status_until_it_ends():
    rule = Since(happening=Happening.STATUS, days=60, status=StatusKind.MORATORIUM)
    began = StatusSet(at=at("2026-02-03T00:00:00"), status=StatusKind.MORATORIUM, person="P1")
    ended = StatusSet(at=at("2026-02-10T00:00:00"), status=StatusKind.MORATORIUM, ended=True, person="P1")
    assert held(since(rule, facts_of(question("2026-03-10T10:00:00", began), frozenset()))) == at("2026-04-04T00:00:00")
    assert since(rule, facts_of(question("2026-03-10T10:00:00", began, ended), frozenset())) == []


def test_since_a_notice():
    rule = Since(happening=Happening.NOTICE, days=6, notice=NoticeKind.WRITTEN)
    sent = NoticeGiven(at=at("2026-06-25T10:00:00"), notice=NoticeKind.WRITTEN, debts=("D1",), person="P1")
    assert held(since(rule, facts_of(question("2026-06-30T10:00:00", sent), frozenset()))) == at("2026-07-01T00:00:00")
    assert since(rule, facts_of(question("2026-06-30T10:00:00"), frozenset())) == []

"""The decision as a whole: what is missing, what is named, what is joined, and what dispatch asks beside it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.deciding.decide import decide, open_around, open_until, shadow, taken_late
from jurisdictions.house import Policy, policy_of
from jurisdictions.library import Library, load, read
from vocabulary.channel import AddressKind, Channel, Purpose, Role
from vocabulary.event import Contacted, ContactOutcome, Event, Inconvenient, Replied, Weekday
from vocabulary.message import Content, Message, Person, Question, Sender
from vocabulary.verdict import Answer, Force

LAW = load()
BOGOTA = "America/Bogota"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def ask(
    now: str,
    *history: Event,
    packs: tuple[str, ...] = ("CO",),
    zones: tuple[str, ...] = (BOGOTA,),
    channel: Channel = Channel.SMS,
    **changes: object,
) -> Question:
    question = Question(
        message=Message(channel=channel, debts=("D1",), address="N1", content=Content(lawful=True)),
        sender=Sender(creditor="C1", collector="A1"),
        person=Person(person="P1", role=Role.DEBTOR, zones=zones),
        debts={},
        history=history,
        now=at(now),
        packs=dict.fromkeys(packs, "jurisdictions given"),
        readings={},
    )
    return replace(question, **changes)  # type: ignore[arg-type]


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
    }
    return Contacted(at=at(when), **{**given, **changes})  # type: ignore[arg-type]


def rules(question: Question, policy: Policy | None = None) -> list[str]:
    return [reason.rule for reason in decide(question, LAW, policy).reasons]


def test_an_allow_names_the_packs_and_why_they_bind():
    verdict = decide(ask("2026-03-10T10:00:00-05:00"), LAW)
    assert verdict.answer is Answer.ALLOW
    assert verdict.until is None
    assert verdict.reasons == ()
    (used,) = verdict.packs
    assert used.pack == LAW.packs["CO"].label
    assert used.because == "jurisdictions given"


def test_the_reason_of_a_sunday_reads_as_the_contract_shows_it():
    verdict = decide(ask("2026-11-22T15:04:00-05:00"), LAW)
    (reason,) = verdict.reasons
    assert verdict.until is not None
    assert verdict.until.isoformat() == "2026-11-23T07:00:00-05:00"
    assert reason.rule == "CO-HRS-3c"
    assert reason.force is Force.BINDING
    assert reason.effect is Answer.DEFER
    assert reason.until == verdict.until
    assert reason.observed == "Sunday 15:04 America/Bogota"
    assert reason.limit == "closed on Sundays and holidays"
    assert reason.citation.startswith("Ley 2300 de 2023, art. 3")


def test_no_zone_is_refused_and_the_rest_is_still_said():
    verdict = decide(ask("2026-03-10T10:00:00-05:00", zones=(), person=Person(person="P1", role=Role.FAMILY)), LAW)
    assert verdict.answer is Answer.DENY
    assert {"HOUSE-NOZONE", "CO-3P-4a"} <= {reason.rule for reason in verdict.reasons}


def test_a_zone_that_does_not_exist_is_refused():
    verdict = decide(ask("2026-03-10T10:00:00-05:00", zones=("America/Macondo",)), LAW)
    assert verdict.answer is Answer.DENY
    assert [reason.rule for reason in verdict.reasons] == ["HOUSE-NOZONE"]


@pytest.mark.parametrize("packs", [(), ("XX",), ("CO", "XX")])
def test_law_that_is_not_known_is_refused(packs: tuple[str, ...]):
    verdict = decide(ask("2026-03-10T10:00:00-05:00", packs=packs), LAW)
    assert verdict.answer is Answer.DENY
    assert "HOUSE-NOPACK" in [reason.rule for reason in verdict.reasons]


def test_before_the_pack_was_in_force_no_law_is_known():
    assert rules(ask("2023-10-09T12:00:00-05:00")) == ["HOUSE-NOPACK"]
    assert rules(ask("2023-10-10T12:00:00-05:00")) == []


def test_every_blocking_rule_is_named():
    question = ask(
        "2026-03-15T15:00:00-05:00",
        contact("2026-03-15T09:00:00-05:00", channel=Channel.WHATSAPP),
        person=Person(person="P1", role=Role.FAMILY, zones=(BOGOTA,), authorised=frozenset({Channel.EMAIL})),
        message=Message(
            channel=Channel.SMS, debts=("D1",), content=Content(text="¿Cuál es el motivo de su incumplimiento?")
        ),
    )
    assert set(rules(question)) == {
        "CO-CHAN-2",
        "CO-HRS-3c",
        "CO-FREQ-3d",
        "CO-FREQ-3e",
        "CO-3P-4a",
        "CO-CONT-7",
    }
    assert decide(question, LAW).answer is Answer.DENY


def test_what_strikes_is_told_in_the_lists_own_words():
    text = "Ana, ¿por qué querida Ana no ha pagado?"
    question = ask(
        "2026-03-10T10:00:00-05:00", message=Message(channel=Channel.SMS, debts=("D1",), content=Content(text=text))
    )
    (reason,) = decide(question, LAW).reasons
    assert "por que" in reason.observed
    assert "Ana" not in reason.observed


def test_nothing_personal_is_in_any_reason():
    question = ask(
        "2026-03-15T23:00:00-04:00",
        contact("2026-03-15T09:00:00-05:00", address="+573001234567"),
        Replied(
            at=at("2026-03-15T09:01:00-05:00"), channel=Channel.SMS, text="STOP", address="+573001234567", person="P1"
        ),
        packs=("CO", "US"),
        message=Message(
            channel=Channel.SMS,
            debts=("D1",),
            address="+573001234567",
            content=Content(text="Señora Macondo, ¿por qué no ha pagado?"),
        ),
    )
    verdict = decide(question, LAW)
    assert len(verdict.reasons) > 5
    for reason in verdict.reasons:
        assert "300123" not in f"{reason.observed}{reason.limit}"
        assert "Macondo" not in f"{reason.observed}{reason.limit}"


def test_until_is_the_least_instant_of_all_rules_together():
    """The ISO week ends on Monday at midnight; Monday is a holiday; Tuesday opens at eight where two laws bind."""
    question = ask(
        "2026-05-12T09:00:00-05:00",
        contact("2026-05-11T09:00:00-05:00", channel=Channel.WHATSAPP),
        packs=("CO", "US"),
        zones=("America/New_York",),
    )
    verdict = decide(question, LAW)
    assert verdict.until == at("2026-05-19T08:00:00-04:00")
    assert {reason.rule: reason.until for reason in verdict.reasons} == {"CO-FREQ-3e": at("2026-05-18T00:00:00-04:00")}


def test_hours_of_two_laws_that_never_meet_are_a_denial():
    """Each alone would open; no zone, no instant satisfies both."""
    source = (
        b'title="x"\nkind="jurisdiction"\nstatus="in_force"\neffective_from=2020-01-01\nreviewed=2026-01-01\n'
        b'sources=["x"]\n[[rules]]\nid="XX-NIGHT"\nforce="binding"\ncite="x"\nsays.en="nights only"\n'
        b'hours={open={Mon-Sun="20:00-23:00"}}\n'
    )
    law = Library([LAW.packs["CO"], read("XX", source)])
    verdict = decide(ask("2026-03-10T10:00:00-05:00", packs=("CO", "XX")), law)
    assert verdict.answer is Answer.DENY
    assert verdict.until is None
    assert "XX-NIGHT" in [reason.rule for reason in verdict.reasons]


def test_a_rule_that_names_no_hour_leaves_the_instant_open():
    source = (
        b'title="x"\nkind="jurisdiction"\nstatus="in_force"\neffective_from=2020-01-01\nreviewed=2026-01-01\n'
        b'sources=["x"]\n[[rules]]\nid="XX-DAY"\nforce="binding"\ncite="x"\nsays.en="once a day"\nnames_hour=false\n'
        b'count={limit=1,period="1 date",counts="left",by=[]}\n'
    )
    law = Library([read("XX", source)])
    question = ask("2026-03-10T10:00:00-05:00", contact("2026-03-10T09:00:00-05:00"), packs=("XX",))
    verdict = decide(question, law)
    assert verdict.answer is Answer.DEFER
    assert verdict.until is None
    assert verdict.reasons[0].until is None
    assert decide(replace(question, now=at("2026-03-11T00:00:00-05:00")), law).answer is Answer.ALLOW


DRAFT = (
    b'title="x"\nkind="jurisdiction"\nstatus="bill"\neffective_from=2020-01-01\nreviewed=2026-01-01\nsources=["x"]\n'
    b'[[rules]]\nid="XX-NEVER"\nforce="binding"\ncite="x"\nsays.en="never"\nforbids.always=true\n'
)


def test_a_bill_is_reported_and_never_blocks():
    law = Library([LAW.packs["CO"], read("XX", DRAFT)])
    question = ask("2026-03-10T10:00:00-05:00", packs=("CO", "XX"))
    assert decide(question, law).answer is Answer.ALLOW
    assert [reason.rule for reason in shadow(question, law)] == ["XX-NEVER"]


def test_where_there_is_only_a_bill_no_law_is_known():
    law = Library([read("XX", DRAFT)])
    assert [reason.rule for reason in decide(ask("2026-03-10T10:00:00-05:00", packs=("XX",)), law).reasons] == [
        "HOUSE-NOPACK"
    ]


def test_an_unknown_reading_is_refused_by_name():
    with pytest.raises(ValueError, match=r"co\.weak"):
        decide(ask("2026-03-10T10:00:00-05:00", readings={"co.weak": "iso"}), LAW)


def test_duties_that_block_nothing_come_with_the_answer():
    question = ask("2026-05-12T12:00:00-04:00", packs=("US",), zones=("America/New_York",), channel=Channel.VOICE)
    assert [duty.rule for duty in decide(question, LAW).obligations] == ["USF-ID", "USF-VALID"]


# ---- for dispatch -----------------------------------------------------------------------------------------------------


def test_open_until_is_the_end_of_the_hours():
    question = ask("2026-03-10T10:00:00-05:00")
    assert open_until(question, LAW, timedelta(days=1)) == at("2026-03-10T19:00:00-05:00")
    assert open_until(question, LAW, timedelta(hours=8)) is None
    assert open_until(ask("2026-03-10T20:00:00-05:00"), LAW, timedelta(hours=1)) == at("2026-03-10T20:00:00-05:00")


def test_open_around_says_how_lately_the_hours_opened():
    """Of all her zones: a clock that is ahead of the true one would open them too early."""
    there = ("America/Bogota", "America/Mexico_City")
    spans = timedelta(seconds=2), timedelta(hours=1)
    lately = ask("2026-03-10T08:00:01-05:00", zones=there)
    assert open_around(lately, LAW, *spans) == (at("2026-03-10T08:00:00-05:00"), None)
    assert open_around(replace(lately, now=at("2026-03-10T08:00:02-05:00")), LAW, *spans) == (None, None)
    assert open_around(replace(lately, now=at("2026-03-10T17:30:00-05:00")), LAW, *spans) == (None, None)


@pytest.mark.parametrize(
    ("packs", "zones", "history"),
    [
        (("CO",), (BOGOTA,), ()),
        (("CO",), (BOGOTA, "America/Mexico_City"), ()),
        (("US",), ("America/New_York",), ()),
        (("CO", "US"), (BOGOTA, "America/New_York"), ()),
        (
            ("US",),
            ("America/New_York",),
            (Inconvenient(at=at("2026-03-01T10:00:00-05:00"), days=(Weekday.TUE,), person="P1"),),
        ),
    ],
)
def test_hours_that_are_known_to_be_open_throughout_need_not_be_asked(
    packs: tuple[str, ...], zones: tuple[str, ...], history: tuple[Event, ...], monkeypatch: pytest.MonkeyPatch
):
    """Through a week with a change of clocks and a holiday nearby, by odd steps: the same as asking each of them."""
    question = ask("2026-03-06T00:00:00-05:00", *history, packs=packs, zones=zones)
    instants = [question.now + timedelta(seconds=397 * step) for step in range(1_600)]
    instants += [question.now + timedelta(hours=hour, seconds=1) for hour in range(176)]
    spans = timedelta(seconds=2), timedelta(seconds=687)

    def told() -> list[tuple[datetime | None, datetime | None]]:
        found = []
        for now in instants:
            decide(replace(question, now=now), LAW)
            found.append(open_around(replace(question, now=now), LAW, *spans))
        return found

    shortly = told()
    assert any(each == (None, None) for each in shortly)
    assert any(opened is not None for opened, _ in shortly)
    assert any(closes is not None for _, closes in shortly)
    monkeypatch.setattr("gateway.deciding.decide.open_throughout", lambda *_: False)
    assert told() == shortly


def test_open_until_where_the_closing_instant_is_inside():
    question = ask("2026-05-06T12:00:00-04:00", packs=("US",), zones=("America/New_York",))
    closing = open_until(question, LAW, timedelta(days=1))
    assert closing is not None
    assert closing > at("2026-05-06T21:00:00-04:00")
    assert decide(replace(question, now=at("2026-05-06T21:00:00-04:00")), LAW).answer is Answer.ALLOW
    assert decide(replace(question, now=closing), LAW).answer is Answer.DEFER


def test_open_until_sees_the_hours_that_she_refused():
    refused = Inconvenient(
        at=at("2026-05-01T12:00:00-04:00"),
        days=(Weekday.WED,),
        opens=datetime(2026, 1, 1, 15).time(),
        closes=datetime(2026, 1, 1, 17).time(),
        person="P1",
    )
    question = ask("2026-05-06T12:00:00-04:00", refused, packs=("US",), zones=("America/New_York",))
    assert open_until(question, LAW, timedelta(days=1)) == at("2026-05-06T15:00:00-04:00")


def test_open_until_of_a_message_that_keeps_no_hours():
    question = ask(
        "2026-03-10T10:00:00-05:00", message=Message(channel=Channel.SMS, purpose=Purpose.FRAUD_ALERT, debts=("D1",))
    )
    assert open_until(question, LAW, timedelta(days=30)) is None


def test_a_contact_that_may_still_arrive_is_taken_at_its_latest():
    sent = contact(
        "2026-03-10T18:59:00-05:00", outcome=ContactOutcome.ATTEMPTED, latest=at("2026-03-11T07:01:00-05:00")
    )
    question = ask("2026-03-11T07:00:00-05:00", sent)
    assert decide(question, LAW).answer is Answer.ALLOW
    late = decide(taken_late(question), LAW)
    assert late.answer is Answer.DEFER
    assert late.until == at("2026-03-12T07:00:00-05:00")


def test_nothing_to_take_late_is_the_same_question():
    question = ask("2026-03-11T07:00:00-05:00", contact("2026-03-10T18:59:00-05:00"))
    assert taken_late(question) is question


# ---- policies ---------------------------------------------------------------------------------------------------------


def policy(**document: object) -> Policy:
    found = policy_of(document, LAW)
    assert isinstance(found, Policy), found
    return found


def test_a_house_rule_blocks_and_is_named():
    own = policy(house_rules=[{"id": "HOUSE-NOVOICE", "channels": ["voice"], "forbids": {"always": True}}])
    question = ask("2026-03-10T10:00:00-05:00", channel=Channel.VOICE)
    assert rules(question, own) == ["HOUSE-NOVOICE"]
    assert rules(ask("2026-03-10T10:00:00-05:00"), own) == []
    (reason,) = decide(question, LAW, own).reasons
    assert reason.force is Force.HOUSE
    assert reason.pack == "HOUSE"


def test_house_hours_move_the_instant():
    own = policy(house_rules=[{"id": "HOUSE-HOURS", "hours": {"open": {"Mon-Fri": "09:00-18:00"}}}])
    assert decide(ask("2026-03-10T19:00:00-05:00"), LAW, own).until == at("2026-03-11T09:00:00-05:00")


def test_a_policys_readings_are_used():
    question = ask("2026-03-16T10:00:00-05:00", contact("2026-03-13T12:00:00-05:00", channel=Channel.WHATSAPP))
    assert rules(question) == []
    assert rules(question, policy(readings={"co.week": "rolling"})) == ["CO-FREQ-3e"]


def test_an_override_sets_a_presumption_aside_until_it_ends():
    calls = [contact(f"2026-05-{day:02}T12:00:00-04:00", channel=Channel.VOICE) for day in range(6, 13)]
    question = ask(
        "2026-05-12T15:00:00-04:00", *calls, packs=("US",), zones=("America/New_York",), channel=Channel.VOICE
    )
    assert rules(question) == ["USF-7IN7"]
    said = {"rule": "USF-7IN7", "authority": "head of compliance", "reason": "she asked in writing"}
    assert rules(question, policy(overrides=[said])) == []
    assert rules(question, policy(overrides=[{**said, "until": "2026-05-12T14:00:00-04:00"}])) == ["USF-7IN7"]
    assert rules(question, policy(overrides=[{**said, "until": "2026-05-12T16:00:00-04:00"}])) == []


def test_work_numbers_count_in_the_place_where_they_are():
    question = ask("2026-05-12T15:00:00-04:00", packs=("US",), zones=("America/New_York",), channel=Channel.EMAIL)
    work = replace(question, message=replace(question.message, address_kind=AddressKind.WORK))
    assert rules(work) == ["USF-WORKMAIL"]
    assert decide(question, LAW).decided_at == datetime(2026, 5, 12, 19, tzinfo=UTC)

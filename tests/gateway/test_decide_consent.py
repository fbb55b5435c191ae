"""Standing, exemptions and permissions: what a person's last word is, and what proves an exemption."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from consent.content import says
from consent.exemption import lifted_until
from consent.permission import held_back, needs_consent, needs_inbound, needs_notice, register, status
from consent.standing import Word, extra_calls, in_status, last_word
from gateway.deciding.decide import decide
from jurisdictions.built_in import ERASED
from jurisdictions.facts import Facts, facts_of
from jurisdictions.house import Policy, policy_of
from jurisdictions.library import load, speaks_to
from jurisdictions.localtime import NEVER, PAST
from jurisdictions.rule import (
    Applies,
    Exemption,
    InStatus,
    Key,
    Lift,
    NeedsConsent,
    NeedsInbound,
    NeedsNotice,
    OnRegister,
    Says,
)
from jurisdictions.words import words
from vocabulary.channel import Channel, Purpose, Role, Sector
from vocabulary.event import (
    Consented,
    ConsentState,
    Contacted,
    ContactOutcome,
    Event,
    Held,
    InboundCall,
    Instrument,
    Listed,
    NoticeGiven,
    NoticeKind,
    RegisterRead,
    Replied,
    StatusKind,
    StatusSet,
)
from vocabulary.message import Content, Message, Person, Question, Sender
from vocabulary.verdict import Answer

NOW = datetime(2026, 5, 13, 17, tzinfo=UTC)
YES, NO = ConsentState.GRANTED, ConsentState.WITHDRAWN


def ago(**time: float) -> datetime:
    return NOW - timedelta(**time)


def facts(*history: Event, authorised: frozenset[Channel] | None = frozenset(), **message: object) -> Facts:
    given = {"channel": Channel.SMS, "debts": ("D1",), "address": "N1", "content": Content(lawful=True)}
    question = Question(
        message=Message(**{**given, **message}),  # type: ignore[arg-type]
        sender=Sender(creditor="C1", collector="A1"),
        person=Person(person="P1", role=Role.DEBTOR, zones=("America/Bogota",), authorised=authorised),
        debts={},
        history=history,
        now=NOW,
        packs={},
        readings={},
    )
    return facts_of(question, frozenset({"stop"}))


def said(state: ConsentState, days: float = 1, **fields: object) -> Consented:
    return Consented(at=ago(days=days), state=state, **{"person": "P1", **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("history", "word"),
    [
        ([], Word.SILENT),
        ([said(YES, channel=Channel.SMS)], Word.YES),
        ([said(YES)], Word.YES),
        ([said(YES, all=True)], Word.YES),
        ([said(YES, channel=Channel.EMAIL)], Word.SILENT),
        ([said(YES, address="N1")], Word.YES),
        ([said(YES, address="N2")], Word.SILENT),
        ([said(YES, debts=("D2",))], Word.SILENT),
        ([said(YES, person="P2")], Word.SILENT),
        ([said(YES, purpose=Purpose.MARKETING)], Word.SILENT),
        ([said(YES, purpose=Purpose.COLLECTION)], Word.YES),
        ([said(YES, 3), said(NO, 2)], Word.NO),
        ([said(NO, 3), said(YES, 2)], Word.NO),
        ([said(NO, 3), said(YES, 2, instrument=Instrument.REPLY)], Word.YES),
        ([said(NO, 3), said(YES, 2, instrument=Instrument.SEPARATE)], Word.YES),
        ([said(NO, 3), said(YES, 2, instrument=Instrument.LINK)], Word.NO),
        ([said(YES, 2, instrument=Instrument.LINK)], Word.SILENT),
        ([said(YES, 3), said(NO, 2, instrument=Instrument.LINK)], Word.NO),
        ([said(YES, 2), said(NO, 2)], Word.NO),
        ([said(NO, 2), said(YES, 2, instrument=Instrument.REPLY)], Word.NO),
        ([said(YES, 3), said(NO, 2, channel=Channel.EMAIL)], Word.YES),
        ([said(YES, 3), said(NO, 2, address="N2")], Word.YES),
        ([said(YES, 3), said(NO, 2, purpose=Purpose.MARKETING)], Word.YES),
        ([said(YES, 3), said(NO, 2, grants="extra_calls")], Word.YES),
        ([said(YES, grants="extra_calls")], Word.SILENT),
        ([said(YES, 3), Replied(at=ago(days=2), channel=Channel.SMS, text="Stop!", person="P1")], Word.NO),
        ([said(YES, 3), Replied(at=ago(days=2), channel=Channel.EMAIL, text="Stop!", person="P1")], Word.YES),
        ([said(YES, 3), Replied(at=ago(days=2), channel=Channel.SMS, text="do not stop", person="P1")], Word.YES),
        (
            [said(YES, 3), Replied(at=ago(days=2), channel=Channel.SMS, text="STOP", address="N2", person="P1")],
            Word.YES,
        ),
    ],
)
def test_her_last_word(history: list[Event], word: Word):
    assert last_word(facts(*history)).word is word


def test_the_profile_is_older_than_any_statement():
    assert last_word(facts(authorised=None)).word is Word.YES
    assert last_word(facts(authorised=frozenset({Channel.SMS}))).word is Word.YES
    assert last_word(facts(authorised=frozenset({Channel.EMAIL}))).word is Word.SILENT
    assert last_word(facts(said(NO, 3000), authorised=None)).word is Word.NO
    assert last_word(facts(authorised=None), profile=False).word is Word.SILENT


def test_the_telephone_is_one_channel():
    assert last_word(facts(authorised=frozenset({Channel.CALL_LIVE}), channel=Channel.VOICE)).word is Word.YES


def test_which_yes_is_good_enough():
    spoken = facts(said(YES, instrument=Instrument.REPLY, given_to="creditor"))
    assert last_word(spoken, instruments=(Instrument.SEPARATE,)).word is Word.SILENT
    assert last_word(spoken, given_to="sender").word is Word.SILENT
    assert last_word(spoken, from_creditor=False).word is Word.SILENT
    assert last_word(spoken).word is Word.YES
    assert last_word(spoken, purpose=Purpose.MARKETING).word is Word.SILENT


def exemption(lift: Lift, **fields: object) -> Exemption:
    return Exemption(name="x", lift=lift, **fields)  # type: ignore[arg-type]


def reply(hours: float, text: str = "hello", channel: Channel = Channel.SMS) -> Replied:
    return Replied(at=ago(hours=hours), channel=channel, text=text, address="N1", person="P1")


def sent(hours: float, **fields: object) -> Contacted:
    given = {"channel": Channel.SMS, "outcome": ContactOutcome.DELIVERED, "person": "P1", "address": "N1"}
    return Contacted(at=ago(hours=hours), **{**given, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("history", "lifted"),
    [
        ([], False),
        ([reply(2)], True),
        ([reply(2, "STOP")], False),
        ([reply(2, channel=Channel.EMAIL)], False),
        ([reply(2), sent(1, reply_to_inbound=True)], False),
        ([reply(2), sent(1, reply_to_inbound=True, outcome=ContactOutcome.FAILED)], True),
        ([reply(2), sent(1)], True),
        ([reply(3), sent(2, reply_to_inbound=True), reply(1)], True),
    ],
)
def test_one_answer_to_what_she_wrote(history: list[Event], lifted: bool):
    answer = exemption(Lift.ANSWER)
    assert (lifted_until(answer, facts(*history, reply_to_inbound=True)) == NEVER) is lifted
    assert lifted_until(answer, facts(*history)) == PAST


@pytest.mark.parametrize(
    ("history", "lifted"),
    [
        ([], False),
        ([reply(2)], True),
        ([InboundCall(at=ago(hours=2), person="P1")], True),
        ([reply(2), sent(1, purpose=Purpose.REQUESTED_INFO)], False),
        ([sent(3, purpose=Purpose.REQUESTED_INFO), reply(2)], True),
    ],
)
def test_information_once_for_each_time_she_asked(history: list[Event], lifted: bool):
    asked = exemption(Lift.REQUESTED_INFO)
    assert (lifted_until(asked, facts(*history, purpose=Purpose.REQUESTED_INFO)) == NEVER) is lifted


def test_words_unmask_a_message():
    asked = exemption(Lift.REQUESTED_INFO, words_not=(words("demand", ("pay now",)),))
    assert lifted_until(asked, facts(reply(1), purpose=Purpose.REQUESTED_INFO)) == NEVER
    masked = facts(reply(1), purpose=Purpose.REQUESTED_INFO, content=Content(text="Pay now."))
    assert lifted_until(asked, masked) == PAST


def test_one_confirmation_within_minutes():
    confirms = exemption(Lift.OPTOUT_CONFIRMATION, within=timedelta(minutes=5))
    confirmation = {"purpose": Purpose.OPTOUT_CONFIRMATION}
    assert lifted_until(confirms, facts(reply(0.05, "stop"), **confirmation)) == ago(hours=0.05) + timedelta(minutes=5)
    assert lifted_until(confirms, facts(**confirmation)) == PAST
    again = [reply(0.05, "stop"), sent(0.04, purpose=Purpose.OPTOUT_CONFIRMATION)]
    assert lifted_until(confirms, facts(*again, **confirmation)) == PAST


def test_more_calls_end_with_their_days_a_conversation_or_her_word():
    calls = exemption(Lift.EXTRA_CALLS, days_max=7, given_to="sender")
    yes = said(YES, 2, grants="extra_calls", given_to="sender")

    def span(*history: Event) -> tuple[datetime, datetime] | None:
        return extra_calls(calls, facts(*history, channel=Channel.VOICE)).get("D1")

    assert span(yes) == (yes.at, datetime(2026, 5, 18, 5, tzinfo=UTC))
    assert span(said(YES, 2, grants="extra_calls", given_to="creditor")) is None
    assert span(said(YES, 2, grants="extra_calls", given_to="sender", debts=("D2",))) is None
    short = said(YES, 2, grants="extra_calls", given_to="sender", for_days=1)
    assert span(short) == (short.at, datetime(2026, 5, 12, 5, tzinfo=UTC))
    talk = sent(24, channel=Channel.VOICE, outcome=ContactOutcome.CONVERSATION, debts=("D1",))
    assert span(yes, talk) == (yes.at, talk.at)
    taken_back = said(NO, 1, grants="extra_calls")
    assert span(yes, taken_back) == (yes.at, taken_back.at)


@pytest.mark.parametrize(
    ("history", "stands"),
    [
        ([], False),
        ([StatusSet(at=ago(days=2), status=StatusKind.DISPUTE, person="P1")], True),
        ([StatusSet(at=ago(days=2), status=StatusKind.DISPUTE, debts=("D1",), person="P1")], True),
        ([StatusSet(at=ago(days=2), status=StatusKind.DISPUTE, debts=("D2",), person="P1")], False),
        ([StatusSet(at=ago(days=2), status=StatusKind.DISPUTE, address="N2", person="P1")], False),
        ([StatusSet(at=ago(days=2), status=StatusKind.DISPUTE, person="P2")], False),
        (
            [
                StatusSet(at=ago(days=2), status=StatusKind.DISPUTE, person="P1"),
                StatusSet(at=ago(days=1), status=StatusKind.DISPUTE, ended=True, person="P1"),
            ],
            False,
        ),
        (
            [
                StatusSet(at=ago(days=2), status=StatusKind.DISPUTE, person="P1"),
                StatusSet(at=ago(days=1), status=StatusKind.DISPUTE, ended=True, debts=("D2",), person="P1"),
            ],
            True,
        ),
    ],
)
def test_statuses(history: list[Event], stands: bool):
    assert (in_status(facts(*history), StatusKind.DISPUTE) is not None) is stands
    assert bool(status(InStatus(status=StatusKind.DISPUTE), facts(*history))) is stands


def test_a_status_of_anyone_on_the_debt():
    hers = StatusSet(at=ago(days=2), status=StatusKind.MORATORIUM, debts=("D1",), person="P2")
    assert status(InStatus(status=StatusKind.MORATORIUM, of_anyone=True), facts(hers))
    assert not status(InStatus(status=StatusKind.MORATORIUM), facts(hers))


def test_needs():
    marketing = NeedsConsent(purpose=Purpose.MARKETING, asked_first=True)
    yes = said(YES, 1, purpose=Purpose.MARKETING)
    assert needs_consent(marketing, facts(purpose=Purpose.MARKETING))
    assert needs_consent(marketing, facts(yes, purpose=Purpose.MARKETING)), "she did not turn to us first"
    called = InboundCall(at=ago(days=2), person="P1")
    assert not needs_consent(marketing, facts(called, yes, purpose=Purpose.MARKETING))
    notice = NoticeGiven(at=ago(days=9), notice=NoticeKind.WRITTEN, debts=("D1",), person="P1")
    needs = NeedsNotice(notice=NoticeKind.WRITTEN)
    assert needs_notice(needs, facts())
    assert not needs_notice(needs, facts(notice))
    assert needs_notice(needs, facts(notice, debts=("D1", "D2")))
    assert needs_notice(NeedsNotice(notice=NoticeKind.WRITTEN, channels=(Channel.EMAIL,)), facts(notice))


def test_she_wrote_within_a_day():
    day = NeedsInbound(within=timedelta(hours=24))
    (hold,) = needs_inbound(day, facts(reply(1)))
    assert hold.begins == ago(hours=1) + timedelta(hours=24)
    assert hold.ends == NEVER
    assert needs_inbound(day, facts())[0].begins == PAST
    assert needs_inbound(NeedsInbound(), facts(reply(5000))) == []
    assert needs_inbound(NeedsInbound(), facts(reply(1, channel=Channel.EMAIL)))


def test_an_address_of_somebody_else_carries_no_yes():
    wrong = StatusSet(at=ago(days=2), status=StatusKind.WRONG_PARTY, address="N1", person="P1")
    right = StatusSet(at=ago(days=1), status=StatusKind.WRONG_PARTY, address="N1", ended=True, person="P1")
    assert last_word(facts(said(YES), wrong)).word is Word.SILENT
    assert last_word(facts(said(YES), wrong, right)).word is Word.YES
    assert len(facts(sent(72, address="N1"), wrong).contacts) == 0
    assert len(facts(sent(72, address="N1"), wrong, right).contacts) == 1


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (Content(lawful=True), None),
        (Content(lawful=True, opt_out_notice=False), "no opt-out notice"),
        (Content(text="Pay. Reply stop to end."), None),
        (Content(text="Pay."), "no opt-out notice"),
        (Content(text="Pay.", opt_out_notice=True), None),
        (Content(text="Reply stop to end.", opt_out_notice=False), None),
    ],
)
def test_how_a_notice_is_known(content: Content, fault: str | None):
    rule = Says(opt_out_notice=True, always=(words("notice", ("reply stop",)),))
    assert [hold.observed for hold in says(rule, facts(content=content))] == ([fault] if fault else [])


def test_words_that_must_be_there():
    rule = Says(always=(words("who collects", ("agency",)),))
    assert says(rule, facts(content=Content(text="The agency writes."))) == []
    assert says(rule, facts(content=Content(lawful=True))) == []
    (hold,) = says(rule, facts(content=Content(text="Hello.")))
    assert hold.observed == "lacks: who collects"


def test_what_a_first_contact_states():
    rule = Says(states=("creditor", "amount"), first_by=(Key.DEBT, Key.COLLECTOR))
    lacking = Content(text="Hello.", states=("creditor",))
    (hold,) = says(rule, facts(content=lacking))
    assert hold.observed == "does not state: amount"
    assert says(rule, facts(content=Content(text="Hello."))), "a text alone proves nothing"
    earlier = sent(72, debts=("D1",), collector="A1", creditor="C1")
    assert says(rule, facts(earlier, content=lacking)) == []
    assert says(rule, facts(sent(72, debts=("D2",), collector="A1"), content=lacking))
    assert says(rule, facts(sent(72, debts=("D1",), collector="A2"), content=lacking))


def test_a_sector_that_is_not_known_is_every_sector():
    applies = Applies(sectors=(Sector.BANK,))
    question = facts().question
    assert speaks_to(applies, question)
    assert speaks_to(applies, replace(question, sender=replace(question.sender, sector=Sector.BANK)))
    assert not speaks_to(applies, replace(question, sender=replace(question.sender, sector=Sector.RETAIL)))


def test_an_entry_in_a_register():
    rule = OnRegister(registers=("rne",), delay_days=30)

    def entry(**fields: object) -> Listed:
        return Listed(at=ago(days=1), **{"register": "RNE", "person": "P1", **fields})  # type: ignore[arg-type]

    (hold,) = register(rule, facts(entry(since=datetime(2026, 5, 1).date())))
    assert hold.begins == datetime(2026, 5, 31, 5, tzinfo=UTC)
    assert hold.ends == NEVER
    assert register(rule, facts(entry(register="No-Llame"))) == []
    assert register(rule, facts(entry(channel=Channel.EMAIL))) == []
    assert register(rule, facts(entry(address="N2"))) == []
    assert register(rule, facts(entry(person="P2"))) == []


@pytest.mark.parametrize(
    ("history", "begins"),
    [
        ([], None),
        ([RegisterRead(at=ago(days=40), register="Otra", person="P1")], None),
        ([RegisterRead(at=ago(days=40), register="RNE", person="P1")], ago(days=10)),
        ([RegisterRead(at=ago(days=d), register="rne", person="P1") for d in (40, 3)], ago(days=-27)),
    ],
)
def test_a_register_that_was_read_too_long_ago(history: list[Event], begins: datetime | None):
    rule = OnRegister(registers=("rne",), age_days_max=30)
    assert [hold.begins for hold in register(rule, facts(*history))] == ([begins] if begins else [])
    assert register(OnRegister(registers=("rne",)), facts(*history)) == []


@pytest.mark.parametrize(
    ("names", "listed", "struck"),
    [
        (("house:*",), "House:VIP", True),
        (("house:*",), "hous", False),
        (("house:*",), "RNE", False),
        (("rne",), "house:rne", False),
    ],
)
def test_a_name_with_a_star_stands_for_all_that_begin_so(names: tuple[str, ...], listed: str, struck: bool):
    entry = Listed(at=ago(days=1), register=listed, person="P1")
    assert bool(register(OnRegister(registers=names), facts(entry))) is struck


@pytest.mark.parametrize(
    ("consent", "struck"),
    [
        (None, True),
        (said(YES, 3, instrument=Instrument.SEPARATE), True),
        (said(YES, 1, instrument=Instrument.SEPARATE), False),
        (said(YES, 1), True),
        (said(YES, 1, instrument=Instrument.LINK), True),
        (said(YES, 1, instrument=Instrument.SEPARATE, channel=Channel.EMAIL), True),
    ],
)
def test_who_was_erased_is_not_written_to_without_a_new_consent(consent: Consented | None, struck: bool):
    rule = OnRegister(registers=(ERASED,), until_consent=True)
    entry = Listed(at=ago(days=2), register=ERASED, address="N1", person="P1")
    history = [entry] if consent is None else sorted([entry, consent], key=lambda event: event.at)
    assert bool(register(rule, facts(*history))) is struck


def doubt(days: float, until: float, **fields: object) -> Held:
    return Held(at=ago(days=days), until=ago(days=until), **{"person": "P1", **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("history", "until"),
    [
        ([], None),
        ([doubt(0.5, -0.5)], ago(days=-0.5)),
        ([doubt(2, 1)], None),
        ([doubt(2, -1), doubt(1, -0.5)], ago(days=-1)),
        ([doubt(2, -1), Held(at=ago(days=1), ended=True, person="P1")], None),
        ([doubt(2, -1), Held(at=ago(days=1), ended=True, person="P1"), doubt(0.5, -2)], ago(days=-2)),
        ([doubt(2, -1, person="P2")], None),
    ],
)
def test_a_doubt_holds_everything_back_until_it_has_passed(history: list[Event], until: datetime | None):
    at = NOW
    for hold in sorted(held_back(facts(*history)), key=lambda hold: hold.begins):
        at = hold.after(at)
    assert at == (until or NOW)


def test_every_house_holds_back_who_may_have_said_stop():
    """HOUSE-HELD stands beside the law on every channel, waits for the opening after it, and no policy sets it aside."""
    law = load()
    policy = policy_of({}, law)
    assert isinstance(policy, Policy)
    held = doubt(0.5, -0.5)  # until 05:00 UTC, midnight in Bogota
    for channel in (Channel.SMS, Channel.EMAIL, Channel.WHATSAPP, Channel.VOICE, Channel.TELEGRAM, Channel.WEB):
        question = replace(
            facts(held, said(YES, 9, instrument=Instrument.SEPARATE), channel=channel).question, packs={"CO": "given"}
        )
        verdict = decide(question, law, policy)
        assert (verdict.answer, [reason.rule for reason in verdict.reasons]) == (Answer.DEFER, ["HOUSE-HELD"])
        assert verdict.until == datetime(2026, 5, 14, 12, tzinfo=UTC)  # 07:00 in Bogota
    assert isinstance(policy_of({"overrides": [{"rule": "HOUSE-HELD", "authority": "a", "reason": "b"}]}, law), list)

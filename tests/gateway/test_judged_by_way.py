"""Each way is judged by itself: what one platform forbids, another way of the same channel may carry, and the decision says so."""

from dataclasses import replace
from datetime import datetime
from uuid import uuid4

import msgspec
import pytest

from gateway import judge as judged
from gateway.asks import ContentAsk, Rendering, StoredAsk
from gateway.judge import Case, Judge, WayOut
from jurisdictions.house import Policy
from jurisdictions.library import load
from storage.people import AddressRow, ContactRow
from vocabulary.channel import Channel, Purpose, SenderRole
from vocabulary.outcome import Registered
from vocabulary.verdict import Answer

NOW = datetime.fromisoformat("2026-11-24T10:00:00-05:00")
LAW = load()
TWILIO, OTHER, SECOND = WayOut("main", "twilio"), WayOut("carrier", "sms_http"), WayOut("other", "sms_http")


def case(number: str = "+14165550123", jurisdictions: tuple[str, ...] = ("EC",)) -> Case:
    """A collector's SMS to a Canadian number of somebody who lives where no law stands in its way."""
    contact = ContactRow(
        tenant="t",
        id="c",
        subject=uuid4(),
        name=None,
        role="debtor",
        locale=None,
        jurisdictions=jurisdictions,
        zones=("America/Guayaquil",),
        household=None,
        addresses=(AddressRow(channel="sms", address=number, endpoint="e", kind="personal", source="supplied"),),
    )
    ask = StoredAsk(
        channels=["sms"],
        purpose=Purpose.COLLECTION,
        content=ContentAsk(text="Hola"),
        role=SenderRole.THIRD_PARTY,
        creditor="C1",
        collector="A1",
    )
    return Case(contact=contact, ask=ask, debts={}, history=(), policy=Policy())


def judge(*ways: WayOut) -> Judge:
    return Judge(LAW, {Channel.SMS: ways})


def rules(choice: judged.Choice) -> set[str]:
    return {reason.rule for reason in choice.verdict.reasons}


def test_a_way_that_its_platform_forbids_is_passed_over_and_the_decision_says_so() -> None:
    alone = judge(TWILIO).dispatch(case(), NOW)
    banned = {used.pack.split("@")[0] for used in alone.verdict.packs}
    assert "TWILIO" in banned
    assert alone.verdict.answer is Answer.DENY
    choice = judge(TWILIO, OTHER).dispatch(case(), NOW)
    without = judge(OTHER).dispatch(case(), NOW)
    assert choice.verdict == without.verdict
    assert not choice.allows("main")
    assert choice.verdict.answer is Answer.ALLOW
    assert choice.allows("carrier")
    assert [way for way, _ in choice.passed_over] == ["main"]
    assert {reason.rule for reason in choice.passed_over[0][1].reasons} == rules(alone) == {"PT-DEBT"}


def test_the_order_of_ways_does_not_change_which_are_lawful() -> None:
    one, two = judge(TWILIO, OTHER).dispatch(case(), NOW), judge(OTHER, TWILIO).dispatch(case(), NOW)
    assert {way: one.allows(way) for way in ("main", "carrier")} == {
        way: two.allows(way) for way in ("main", "carrier")
    }


def test_a_way_s_own_verdict_is_the_decision_that_is_kept() -> None:
    choice = judge(TWILIO, OTHER).dispatch(case("+593991234567"), NOW)
    assert choice.through("main") is choice, "nothing tells them apart"
    assert choice.passed_over == ()


def test_the_law_is_asked_once_for_ways_that_it_does_not_tell_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0
    decide = judged.decide  # type: ignore[attr-defined]

    def counted(*arguments: object) -> object:
        nonlocal asked
        asked += 1
        return decide(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(judged, "decide", counted)
    judge(OTHER, SECOND).advise(case(), NOW)
    assert asked == 1
    judge(TWILIO, OTHER, SECOND).advise(case(), NOW)
    assert asked == 3


def test_a_template_approved_by_one_way_only_is_asked_about_by_that_way() -> None:
    rendering = Rendering(
        content=ContentAsk(text="Hola"), registered_by={"main": Registered(reference="HX1", language="es")}
    )
    found = case("+593991234567")
    found = replace(found, ask=msgspec.structs.replace(found.ask, renderings={"sms": rendering}))
    made = judge(TWILIO, OTHER)
    address = found.contact.addresses[0]
    flags = {
        way.name: made.question(found, Channel.SMS, address, NOW, way).message.content.registered_template
        for way in (TWILIO, OTHER)
    }
    assert flags == {"main": True, "carrier": None}

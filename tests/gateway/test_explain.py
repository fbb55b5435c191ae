"""An explanation can be filed: whole sentences in three languages, every rule asked, and nothing that names a person."""

import re
import string
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from gateway.deciding.decide import decide, shadow
from gateway.deciding.explain import Stand, explain, sentences
from gateway.deciding.scenario import Case
from gateway.deciding.scenario import load as load_cases
from gateway.deciding.wording import FRAMES, LANGUAGES, NAMES, PARTS, PHRASES, turned
from jurisdictions.house import Policy, policy_of
from jurisdictions.library import load
from jurisdictions.rule import Lift
from vocabulary.channel import AddressKind, AddressSource, Channel, Purpose, Role
from vocabulary.event import Contacted, ContactOutcome, NoticeKind, StatusKind
from vocabulary.message import Content, Message, Person, Question, Sender
from vocabulary.verdict import Answer, Force, Reason

LAW = load()
TESTS = Path(__file__).parents[1]
BOGOTA = "America/Bogota"


def cases() -> Iterator[Case]:
    for folder in (TESTS / "conformance" / "cases", TESTS / "jurisdictions" / "cases"):
        for path in sorted(folder.glob("*.yaml")):
            yield from load_cases(path)


CASES = list(cases())


def ask(
    now: str, *history: Contacted, zones: tuple[str, ...] = (BOGOTA,), packs: tuple[str, ...] = ("CO",)
) -> Question:
    content = Content(text="Hola Ana, su cuota está lista.", lawful=False)
    return Question(
        message=Message(channel=Channel.SMS, debts=("D1",), address="secret-address", content=content),
        sender=Sender(creditor="C1", collector="A1"),
        person=Person(person="Ana-Perez", role=Role.DEBTOR, zones=zones),
        debts={},
        history=history,
        now=datetime.fromisoformat(now),
        packs=dict.fromkeys(packs, "jurisdictions given"),
        readings={},
    )


def contact(at: str, channel: Channel = Channel.SMS) -> Contacted:
    return Contacted(
        at=datetime.fromisoformat(at),
        channel=channel,
        outcome=ContactOutcome.DELIVERED,
        debts=("D1",),
        address="secret-address",
        creditor="C1",
        collector="A1",
        person="Ana-Perez",
        role=Role.DEBTOR,
    )


def told(question: Question, language: str = "en", policy: Policy | None = None) -> list[str]:
    return list(sentences(explain(question, LAW, policy, language)))


# ---- the table --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "three"), [*FRAMES.items(), *PARTS.items()])
def test_every_frame_names_the_same_things_in_every_language(key: str, three: tuple[str, str, str]) -> None:
    named = [{field for _, field, _, _ in string.Formatter().parse(text) if field} for text in three]
    assert named[0] == named[1] == named[2]


@pytest.mark.parametrize(("pattern", "es", "pt"), PHRASES)
def test_every_phrase_uses_only_what_its_pattern_finds(pattern: str, es: str, pt: str) -> None:
    groups = set(re.compile(pattern).groupindex)
    for text in (es, pt):
        assert {field for _, field, _, _ in string.Formatter().parse(text) if field} == groups


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("channel", Channel),
        ("outcome", ContactOutcome),
        ("purpose", Purpose),
        ("role", Role),
        ("status", StatusKind),
        ("notice", NoticeKind),
        ("place", AddressKind),
        ("source", AddressSource),
        ("force", Force),
        ("lift", Lift),
    ],
)
def test_every_word_has_its_names(kind: str, words: list[str]) -> None:
    assert set(NAMES[kind]) == {str(word) for word in words}


def test_whatever_the_engine_sees_in_any_case_can_be_said_in_every_language() -> None:
    unknown: set[str] = set()
    for case in CASES:
        verdict = decide(case.question, LAW)
        reasons: tuple[Reason, ...] = (*verdict.reasons, *shadow(case.question, LAW))
        phrases = [used.because for used in verdict.packs]
        # Hours are told by the clock itself, whatever the holiday is called.
        phrases += [reason.observed for reason in reasons if not re.match(r"[A-Z][a-z]+day \d\d:\d\d", reason.observed)]
        for phrase in phrases:
            for each in [phrase] if turned(phrase, "es") else phrase.split("; "):
                unknown |= {each} if turned(each, "es") is None or turned(each, "pt") is None else set()
    assert not unknown, f"gateway/deciding/wording.py has no Spanish and Portuguese for {sorted(unknown)}"


# ---- every case -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_case_is_told_in_whole_sentences_and_names_every_rule(language: str) -> None:
    for case in CASES:
        explanation = explain(case.question, LAW, language=language)
        text = list(sentences(explanation))
        assert explanation.verdict == decide(case.question, LAW)
        for sentence in text:
            assert sentence.endswith((".", ".”")), (case.id, sentence)
            assert sentence[0].isupper() or not sentence[0].isalpha(), (case.id, sentence)
            assert not re.search(r"[{}]|\bNone\b|\.\.$", sentence), (case.id, sentence)
        for reason in explanation.verdict.reasons:
            assert any(sentence.startswith(f"{reason.rule} (") for sentence in text), (case.id, reason.rule)
        plan = LAW.plan(case.question)
        told_of = {(line.pack, line.rule) for line in explanation.lines}
        assert {(clause.head.pack, clause.head.rule) for clause in plan.clauses} == told_of


def test_what_blocks_in_the_answer_blocks_in_the_sentences_and_nothing_else() -> None:
    for case in CASES:
        explanation = explain(case.question, LAW)
        blocking = {(line.pack, line.rule) for line in explanation.lines if line.blocks}
        reasons = {(reason.pack, reason.rule) for reason in explanation.verdict.reasons}
        assert blocking <= reasons, case.id
        if explanation.verdict.answer is Answer.ALLOW:
            assert not blocking, case.id


# ---- what one explanation says ----------------------------------------------------------------------------------------


def test_a_count_is_told_with_its_events_its_limit_and_the_edges_of_its_week() -> None:
    question = ask("2026-03-11T10:00:00-05:00", contact("2026-03-10T09:00:30-05:00", Channel.WHATSAPP))
    text = "\n".join(told(question, "es"))
    for part in (
        "CO-FREQ-3e (Ley 2300 de 2023, art. 3 inc. 1; vinculante; CO@",
        "CO-FREQ-3e cuenta WhatsApp 2026-03-10 09:00:30 America/Bogota (martes), entregado.",
        "El límite de CO-FREQ-3e es un solo canal en una semana de lunes a domingo.",
        "de 2026-03-09 00:00 America/Bogota (lunes) a 2026-03-16 00:00 America/Bogota (lunes).",
        "CO-FREQ-3e se leyó según co.contact_counts=attempt, co.scope=creditor, co.week=iso.",
        "el próximo instante en que puede salir es 2026-03-16T07:00:00-05:00 (lunes).",
        "CO-FREQ-3d no cuenta ningún contacto en su ventana.",
    ):
        assert part in text
    for secret in ("secret-address", "Ana", "Hola", "cuota"):
        assert secret not in text


def test_a_sunday_is_told_by_the_clock_of_the_place() -> None:
    text = "\n".join(told(ask("2026-11-22T15:04:00-05:00"), "pt"))
    assert "CO-HRS-3c viu: domingo 15:04 America/Bogota." in text
    assert "O horário de CO-HRS-3c: domingo 2026-11-22 America/Bogota fechado." in text
    assert "2026-11-23T07:00:00-05:00 (segunda-feira)" in text


def test_a_zone_that_is_none_is_told_and_breaks_nothing() -> None:
    text = "\n".join(told(ask("2026-03-11T10:00:00-05:00", zones=("Mars/Olympus",)), "es"))
    assert "HOUSE-NOZONE" in text
    assert "zona horaria desconocida: Mars/Olympus" in text
    text = "\n".join(told(ask("2026-03-11T10:00:00-05:00", packs=("XX",)), "es"))
    assert "no hay paquete para XX" in text


def test_an_override_names_who_ordered_it_and_is_part_of_the_answer() -> None:
    said = {"rule": "USF-7IN7", "authority": "Head of compliance", "reason": "Arbitration of 3 May"}
    policy = policy_of({"overrides": [said]}, LAW)
    assert isinstance(policy, Policy)
    case = next(case for case in CASES if case.id == "US01")
    assert decide(case.question, LAW).answer is Answer.DEFER
    verdict = decide(case.question, LAW, policy)
    assert [(each.rule, each.authority) for each in verdict.set_aside] == [("USF-7IN7", "Head of compliance")]
    assert "USF-7IN7" not in {reason.rule for reason in verdict.reasons}
    explanation = explain(case.question, LAW, policy)
    assert [line.stand for line in explanation.lines if line.rule == "USF-7IN7"] == [Stand.SET_ASIDE]
    assert any(
        "ordered by Head of compliance for this reason: Arbitration of 3 May." in s for s in sentences(explanation)
    )
    # Nothing is said to be set aside where the rule would have let the message pass.
    assert decide(replace(case.question, history=()), LAW, policy).set_aside == ()


def test_a_rule_that_is_not_in_force_yet_says_from_when() -> None:
    case = next(case for case in CASES if "US-NYC" in case.question.packs)
    at = datetime.fromisoformat("2026-06-10T12:00:00-04:00")
    explanation = explain(replace(case.question, now=at, history=()), LAW, language="es")
    stands = {line.stand for line in explanation.lines if "US-NYC" in line.pack}
    assert Stand.NOT_IN_FORCE in stands
    assert any("no está en vigor en este instante (a partir del 2026-09-01" in s for s in sentences(explanation))

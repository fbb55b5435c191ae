"""Scenario files are read strictly: what cannot be read is refused by case and key."""

from pathlib import Path

import pytest

from gateway.deciding.scenario import ScenarioError, case_of, load
from vocabulary.channel import Channel
from vocabulary.event import Contacted
from vocabulary.verdict import Answer

CASE = {
    "id": "X-1",
    "title": "a case",
    "packs": ["CO"],
    "contact": {"role": "debtor", "zones": ["America/Bogota"]},
    "history": [{"at": "2026-03-10T09:00:00-05:00", "type": "contact", "channel": "sms"}],
    "now": "2026-03-10T10:00:00-05:00",
    "message": {"channel": "sms"},
    "expect": {"outcome": "allow"},
    "cite": "a law",
}


def with_(path: str, value: object) -> dict:
    """The case with one key set, by a dotted path."""
    import copy

    case = copy.deepcopy(CASE)
    *steps, last = path.split(".")
    place: object = case
    for step in steps:
        place = place[int(step)] if isinstance(place, list) else place.setdefault(step, {})
    place[last] = value
    return case


def test_the_defaults_of_scenario_files():
    question = case_of(CASE, "here").question
    assert question.message.debts == ("D1",)
    assert question.message.address == "N1"
    assert question.person.person == "P1"
    assert question.person.authorised is None
    assert question.sender.creditor == "C1"
    assert question.message.content.lawful
    (contact,) = question.history
    assert isinstance(contact, Contacted)
    assert (contact.debts, contact.address, contact.creditor, contact.collector) == (("D1",), "N1", "C1", "A1")


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("tilte", "a misspelt key", "X-1: unknown key “tilte”"),
        ("sender.rolle", "creditor", "X-1.sender: unknown key “rolle”"),
        ("contact.zone", ["America/Bogota"], "unknown key “zone”"),
        ("contact.role", "debitor", "“debitor” is not one of: debtor"),
        ("message.channel", "fax", "message.channel: “fax”"),
        ("message.content.opt_out", True, "unknown key “opt_out”"),
        ("message.reply_to_inbound", "yes", "must be true or false"),
        ("history.0.type", "call", "history[0].type: “call”"),
        ("history.0.outcom", "read", "history[0]: unknown key “outcom”"),
        ("history.0.at", "2026-03-10T09:00:00", "no instant with an offset"),
        ("now", "tomorrow", "X-1.now"),
        ("debts", {"D1": {"duee": "2026-01-01"}}, "debts.D1: unknown key “duee”"),
        ("debts", {"D1": {"due": "2026-13-01"}}, "debts.D1.due"),
        ("expect.until", "2026-03-11T07:00:00-05:00", "only a defer names an instant"),
        ("expect.outcome", "denied", "expect.outcome: “denied”"),
        ("packs", "CO", "must be a list"),
    ],
)
def test_a_mistake_is_named(path: str, value: object, named: str):
    with pytest.raises(ScenarioError) as caught:
        case_of(with_(path, value), "here")
    assert named in str(caught.value)


@pytest.mark.parametrize("key", ["id", "title", "packs", "now", "cite"])
def test_what_must_be_there_is_missed(key: str):
    case = {k: v for k, v in CASE.items() if k != key}
    with pytest.raises(ScenarioError, match=f"“{key}” is missing"):
        case_of(case, "here")


def test_a_doubled_key_is_refused(tmp_path: Path):
    path = tmp_path / "x.yaml"
    path.write_text("- {id: A, id: B}")
    with pytest.raises(ScenarioError, match="“id” is there twice"):
        load(path)


def test_a_doubled_case_is_refused(tmp_path: Path):
    import json

    path = tmp_path / "x.yaml"
    path.write_text(json.dumps([CASE, CASE]))
    with pytest.raises(ScenarioError, match="X-1 is there twice"):
        load(path)


@pytest.mark.parametrize("text", ["a: [", "just words", "{}"])
def test_what_is_no_list_of_cases_is_refused(tmp_path: Path, text: str):
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(ScenarioError):
        load(path)


def test_an_expectation_is_not_met_by_another_answer():
    case = case_of(with_("expect", {"outcome": "defer", "rules": ["CO-HRS-3a"]}), "here")
    assert case.expects.answer is Answer.DEFER
    from gateway.deciding.decide import decide
    from jurisdictions.library import load as load_packs

    verdict = decide(case.question, load_packs())
    assert not case.expects.met_by(verdict), "ten in the morning is open: another rule blocks"
    assert case.question.message.channel is Channel.SMS

"""A tenant's policy: what it may say, and every mistake by JSON Pointer."""

from datetime import UTC, datetime

import pytest

from jurisdictions.house import Policy, Problem, policy_of
from jurisdictions.library import load
from jurisdictions.localtime import NEVER

LAW = load()
RULE = {"id": "HOUSE-DAY", "count": {"limit": 1, "period": "1 date", "counts": "left", "by": []}}
SAID = {"rule": "USF-7IN7", "authority": "head of compliance", "reason": "in writing"}


def test_nothing_said_is_every_default():
    found = policy_of({}, LAW)
    assert isinstance(found, Policy)
    assert (found.readings, found.rules, found.overridden, found.sender) == ({}, (), {}, {})


def test_a_whole_policy():
    found = policy_of(
        {
            "sender": {"role": "creditor", "creditor": "C1"},
            "readings": {
                "co.week": "rolling",
                "co.contact_counts": {"value": "two_way", "authority": "counsel", "reason": "opinion of the SFC"},
            },
            "house_rules": [RULE, {**RULE, "id": "HOUSE-TWO", "says": "once"}],
            "overrides": [{**SAID, "until": "2026-12-31T00:00:00-05:00"}],
        },
        LAW,
    )
    assert isinstance(found, Policy), found
    assert found.readings == {"co.week": "rolling", "co.contact_counts": "two_way"}
    assert [rule.id for rule in found.rules] == ["HOUSE-DAY", "HOUSE-TWO"]
    assert found.overridden == {"USF-7IN7": datetime(2026, 12, 31, 5, tzinfo=UTC)}
    assert found.sender == {"role": "creditor", "creditor": "C1"}


def test_an_override_without_an_end_has_none():
    found = policy_of({"overrides": [SAID]}, LAW)
    assert isinstance(found, Policy)
    assert found.overridden == {"USF-7IN7": NEVER}


@pytest.mark.parametrize(
    ("document", "pointer", "why"),
    [
        ({"reading": {}}, "", "reading"),
        ({"readings": []}, "/readings", "object"),
        ({"sender": {"role": "collector"}}, "/sender/role", "collector"),
        ({"readings": {"co.weak": "iso"}}, "/readings/co.weak", "co.weak"),
        ({"readings": {"co.week": "lunar"}}, "/readings/co.week", "lunar"),
        ({"readings": {"co.contact_counts": "two_way"}}, "/readings/co.contact_counts", "authority"),
        (
            {"readings": {"co.contact_counts": {"value": "two_way", "authority": "me", "reason": " "}}},
            "/readings/co.contact_counts",
            "authority",
        ),
        ({"house_rules": [{**RULE, "id": "CO-HRS-3a"}]}, "/house_rules/0", "HOUSE-"),
        ({"house_rules": [{**RULE, "id": "HOUSE-EDGE"}]}, "/house_rules/0", "gateway's own"),
        ({"house_rules": [RULE, RULE]}, "/house_rules/1", "twice"),
        ({"house_rules": [{**RULE, "unless": ["answer"]}]}, "/house_rules/0", "only tighten"),
        ({"house_rules": [{**RULE, "only_if": {"co.week": "iso"}}]}, "/house_rules/0", "only tighten"),
        ({"house_rules": [{**RULE, "force": "binding"}]}, "/house_rules/0", "house"),
        ({"house_rules": [{**RULE, "status": "shadow"}]}, "/house_rules/0", "in force"),
        ({"house_rules": [{**RULE, "chanels": ["sms"]}]}, "/house_rules/0", "chanels"),
        ({"house_rules": [{**RULE, "channels": ["fax"]}]}, "/house_rules/0", "fax"),
        ({"house_rules": [{**RULE, "count": {**RULE["count"], "excludes": "x"}}]}, "/house_rules/0", "only tighten"),
        ({"house_rules": [{**RULE, "count": {**RULE["count"], "limit": -1}}]}, "/house_rules/0/count/limit", "0"),
        ({"house_rules": [{**RULE, "count": {**RULE["count"], "limt": 1}}]}, "/house_rules/0/count", "limt"),
        ({"house_rules": [{"id": "HOUSE-X"}]}, "/house_rules/0", "exactly one of"),
        (
            {"house_rules": [{"id": "HOUSE-X", "hours": {"open": {"Mon": "all"}, "asked": {"mode": "add"}}}]},
            "/house_rules/0",
            "only tighten",
        ),
        ({"house_rules": [{"id": "HOUSE-X", "hours": {"open": {"Mon": "9-5"}}}]}, "/house_rules/0", "9-5"),
        (
            {"house_rules": [{"id": "HOUSE-X", "hours": {"open": {}, "calendar": "ZZ"}}]},
            "/house_rules/0",
            "calendar “ZZ”",
        ),
        ({"overrides": [{**SAID, "rule": "CO-HRS-3a"}]}, "/overrides/0/rule", "“CO-HRS-3a” is binding law"),
        ({"overrides": [{**SAID, "rule": "CO-XYZ"}]}, "/overrides/0/rule", "no rule “CO-XYZ”"),
        ({"overrides": [{**SAID, "authority": ""}]}, "/overrides/0/authority", "said"),
        ({"overrides": [{**SAID, "reason": " "}]}, "/overrides/0/reason", "said"),
        ({"overrides": [{"rule": "USF-7IN7", "reason": "x"}]}, "/overrides/0", "authority"),
        ({"overrides": [{**SAID, "until": "2026-12-31T00:00:00"}]}, "/overrides/0/until", "offset"),
        ({"overrides": [{**SAID, "untill": None}]}, "/overrides/0", "untill"),
    ],
)
def test_a_mistake_has_a_pointer(document: dict, pointer: str, why: str):
    found = policy_of(document, LAW)
    assert isinstance(found, list)
    (problem,) = found
    assert isinstance(problem, Problem)
    assert problem.pointer == pointer
    assert why in problem.why


def test_every_mistake_is_told_at_once():
    found = policy_of(
        {"readings": {"co.weak": "iso"}, "house_rules": [{"id": "X"}], "overrides": [{**SAID, "rule": "NO"}]}, LAW
    )
    assert isinstance(found, list)
    assert [problem.pointer for problem in found] == ["/readings/co.weak", "/house_rules/0", "/overrides/0/rule"]


def test_house_rules_may_use_any_packs_calendar_and_their_own_phrases():
    found = policy_of(
        {
            "house_rules": [
                {"id": "HOUSE-H", "hours": {"open": {"Mon-Fri": "all"}, "calendar": "CO", "holidays": "closed"}},
                {"id": "HOUSE-W", "content": {"never": ["last warning"]}},
            ]
        },
        LAW,
    )
    assert isinstance(found, Policy), found

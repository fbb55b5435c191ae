"""``tregua policy set``: a file checked, versioned, traced and in force; an override stands in every decision it changes."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.policy_command import tregua
from tests.gateway.town import Town, message

SENDER = {"role": "creditor", "creditor": "C1", "collector": "A1"}
OVERRIDE = {"rule": "AU-HOURS", "authority": "Head of compliance", "reason": "Night shift workers, agreed in writing"}

YAML = """
sender: {role: creditor, creditor: C1, collector: A1}
readings:
  co.week: rolling
overrides:
  - {rule: AU-HOURS, authority: Head of compliance, reason: Night shift, until: 2030-01-01T00:00:00+00:00}
"""
TOML = """
[sender]
role = "creditor"
creditor = "C1"
collector = "A1"
[readings]
"co.week" = "rolling"
[[overrides]]
rule = "AU-HOURS"
authority = "Head of compliance"
reason = "Night shift"
until = 2030-01-01T00:00:00Z
"""


async def facts(town: Town, kind: str) -> list[dict[str, Any]]:
    rows = await town.rows("SELECT header FROM trace WHERE kind = $1 ORDER BY idx", kind)
    return [json.loads(row["header"])["facts"] for row in rows]


@pytest.mark.parametrize(("name", "text"), [("policy.yaml", YAML), ("policy.toml", TOML)])
async def test_a_file_becomes_the_next_version_and_is_traced(quiet: Town, tmp_path: Path, name: str, text: str) -> None:
    file = tmp_path / name
    file.write_text(text)
    result = await tregua(quiet, "set", file)
    assert result.code == 0, result.err
    assert result.out == "t1: policy version 2 is in force\n"
    _, shown, _ = await quiet.call("GET", "/v1/policy")
    assert (shown["version"], shown["readings"], shown["sender"]) == (2, {"co.week": "rolling"}, SENDER)
    assert shown["overrides"][0]["until"] == "2030-01-01T00:00:00+00:00"
    (entry,) = await facts(quiet, "policy")
    assert entry["version"] == 2
    again = tmp_path / "again.json"
    again.write_text(json.dumps({"sender": SENDER}))
    result = await tregua(quiet, "set", again, "--tenant", "t1", "--json")
    assert (result.code, json.loads(result.out)["version"]) == (0, 3)


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        (
            {"readings": {"co.week": "never"}, "overrides": [{**OVERRIDE, "rule": "CO-HRS-3a"}]},
            ["/readings/co.week", "/overrides/0/rule"],
        ),
        ({"sender": {"role": "nobody"}, "surprise": 1}, ["/sender/role", "/surprise"]),
        ({"overrides": [{"rule": "AU-HOURS"}]}, ["/overrides/0/authority", "/overrides/0/reason"]),
        ({"house_rules": [{"id": "HOUSE-X", "unless": ["answer"]}]}, ["/house_rules/0"]),
    ],
)
async def test_each_flaw_is_named_by_its_pointer_and_nothing_is_stored(
    quiet: Town, tmp_path: Path, body: dict[str, Any], pointers: list[str]
) -> None:
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(body))
    result = await tregua(quiet, "set", file)
    assert result.code == 1
    named = [line.split(": ")[1] for line in result.err.splitlines()]
    assert named == pointers
    _, shown, _ = await quiet.call("GET", "/v1/policy")
    assert shown["version"] == 1
    assert await facts(quiet, "policy") == []


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.json", '{"sender": {}, "sender": {}}'), ("b.yaml", "a: [\n"), ("c.toml", "a ="), ("d.json", "[]")],
)
async def test_what_cannot_be_read_is_wrong_use(quiet: Town, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    result = await tregua(quiet, "set", tmp_path / name)
    assert result.code == 2
    assert name in result.err
    result = await tregua(quiet, "set", tmp_path / "absent.json")
    assert result.code == 2
    (tmp_path / "good.json").write_text("{}")
    result = await tregua(quiet, "set", tmp_path / "good.json", "--tenant", "t9")
    assert (result.code, "no tenant t9" in result.err) == (1, True)


async def test_an_override_is_applied_and_named_in_the_trace_of_what_it_allowed(busy: Town) -> None:
    # Ten in the morning in Bogotá is two at night in Sydney.
    bruce = {
        "id": "bruce",
        "role": "debtor",
        "jurisdictions": ["AU"],
        "zones": ["Australia/Sydney"],
        "addresses": [{"channel": "sms", "address": "+61412345678", "kind": "personal", "source": "supplied"}],
    }
    body = message(bruce, content={"text": "Please call us about your account. Reply STOP to opt out."})
    held = await busy.send(body)
    assert held["status"] == "deferred"
    assert {reason["rule"] for reason in held["decision"]["reasons"]} == {"AU-HOURS"}
    status, answered, _ = await busy.call("PUT", "/v1/policy", {"sender": SENDER, "overrides": [OVERRIDE]})
    assert status == 200, answered
    sent = await busy.send(body)
    await busy.until(sent["id"], "sent", "delivered")
    decided, reserved = await facts(busy, "decided"), await facts(busy, "reserved")
    assert "overridden" not in decided[0]
    for entry in (decided[-1], reserved[-1]):
        (overridden,) = entry["overridden"]
        assert overridden["rule"] == "AU-HOURS"
        assert overridden["pack"].startswith("AU@")
        assert overridden["authority"] == "Head of compliance"
    told = await tregua(busy, "explain", sent["id"])
    assert "AU-HOURS (" in told.out
    assert "is set aside by an override" in told.out
    assert "ordered by Head of compliance for this reason: Night shift workers, agreed in writing." in told.out

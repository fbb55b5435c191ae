"""The tenant's policy over HTTP: put, shown, versioned, traced, and another tenant's left alone."""

from typing import Any

import pytest

from gateway.tenants.policies import EMPTY
from tests.api.conftest import Surface

SENDER = {"role": "creditor", "creditor": "C2", "collector": "A2"}
HOUSE = {
    "sender": SENDER,
    "readings": {},
    "house_rules": [],
    "overrides": [],
}


@pytest.fixture
async def version(surface: Surface) -> int:
    """The version in force at the other tenant, before the test changes it."""
    shown = (await surface.ask("GET", "/v1/policy", key="other")).document
    number: int = shown["version"]
    return number


async def test_a_policy_is_kept_versioned_and_traced(surface: Surface, version: int) -> None:
    answered = await surface.ask("PUT", "/v1/policy", HOUSE, key="other")
    assert (answered.status, answered.document) == (200, {"version": version + 1, **EMPTY, **HOUSE})
    assert (await surface.ask("GET", "/v1/policy", key="other")).document == answered.document
    (entry,) = (await surface.ask("GET", "/v1/trace?kind=policy", key="other")).document["items"][-1:]
    assert entry["facts"]["version"] == version + 1


@pytest.mark.parametrize("body", [{}, {"sender": None}], ids=["nothing", "null"])
async def test_what_is_left_out_is_the_default(surface: Surface, version: int, body: dict[str, Any]) -> None:
    answered = await surface.ask("PUT", "/v1/policy", body, key="other")
    empty = {"version": version + 1, **EMPTY}
    assert answered.document == empty
    assert (await surface.ask("GET", "/v1/policy", key="other")).document == empty
    await surface.ask("PUT", "/v1/policy", {"sender": SENDER}, key="other")


async def test_one_tenants_policy_is_not_anothers(surface: Surface, version: int) -> None:
    mine = (await surface.ask("GET", "/v1/policy")).document
    await surface.ask("PUT", "/v1/policy", {"sender": {**SENDER, "collector": "A3"}}, key="other")
    assert (await surface.ask("GET", "/v1/policy")).document == mine


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a rule that is none": (
        {"overrides": [{"rule": "CO-NO-SUCH", "authority": "court", "reason": "order"}]},
        "/overrides/0/rule",
    ),
    "an end without an offset": (
        {"overrides": [{"rule": "x", "authority": "a", "reason": "b", "until": "2027-01-01T00:00:00"}]},
        "/overrides/0/until",
    ),
    "a reason left out": ({"overrides": [{"rule": "x", "authority": "a"}]}, "/overrides/0/reason"),
    "a reading that is none": ({"readings": {"co.nothing": "x"}}, "/readings/co.nothing"),
    "a sender's role that is none": ({"sender": {"role": "friend"}}, "/sender/role"),
    "too much of it": ({"house_rules": [{"note": "x" * 30_000}]}, ""),
}


@pytest.mark.parametrize(("body", "pointer"), WRONG.values(), ids=WRONG.keys())
async def test_what_is_wrong_changes_nothing(
    surface: Surface, version: int, body: dict[str, Any], pointer: str
) -> None:
    before = await surface.stored()
    answered = await surface.ask("PUT", "/v1/policy", body, key="other")
    assert (answered.status, answered.slug, answered.pointers) == (422, "invalid", [pointer])
    assert await surface.stored() == before
    assert (await surface.ask("GET", "/v1/policy", key="other")).document["version"] == version

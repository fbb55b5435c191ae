"""Caps of a house's own: never spent over, however many spend at once; given back by what did not leave; told in the reasons."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from gateway.compose import dispatcher
from tests.campaigns.tally import counted
from tests.gateway.town import TENANT, Town, message, number, person
from tests.sizes import CAPS_RACED

#: What the two segments of an SMS to Colombia cost by the town's settings.
PRICE = Decimal("0.0560")
#: As many as eight workers with eight tasks each.
TASKS = 64


async def cap(town: Town, *caps: dict[str, Any]) -> None:
    """Put these caps into the policy, beside the sender that stands in it."""
    _, standing, _ = await town.call("GET", "/v1/policy")
    status, answered, _ = await town.call("PUT", "/v1/policy", {"sender": standing["sender"], "caps": list(caps)})
    assert status == 200, answered


def usd(amount: str, **more: str) -> dict[str, str]:
    return {"amount": amount, "currency": "USD", **more}


async def spent(town: Town) -> list[Decimal]:
    return [row["spent"] for row in await town.rows("SELECT spent FROM budget ORDER BY tenant, id")]


async def accept(town: Town, trial: int, **more: Any) -> str:
    answered = await town.send(message(person(f"p{trial}", number(trial, 310)), **more), key=uuid4().hex)
    return str(answered["id"])


async def send_all(town: Town, ids: list[str]) -> list[dict[str, Any]]:
    sender = dispatcher(town.house)
    for _ in range(20):
        if not await sender.round():
            break
    await sender.drain()
    return [await town.get(identity) for identity in ids]


@pytest.mark.campaign
async def test_sixty_four_at_once_never_spend_more_than_the_cap(quiet: Town) -> None:
    await cap(quiet, usd(str(PRICE * 10), period="day"))
    with counted("C22", "64 tasks spend of one cap that pays for ten") as tally:
        ids = [await accept(quiet, trial) for trial in range(CAPS_RACED)]
        senders = [dispatcher(quiet.house) for _ in range(8)]

        async def one(task: int) -> None:
            for _ in range(4):
                await senders[task % 8].round(limit=1 + task % 3)

        await asyncio.gather(*(one(task) for task in range(TASKS)))
        for sender in senders:
            await sender.drain()
        found = await send_all(quiet, ids)
        left = [each for each in found if each["attempts"]]
        held = [each for each in found if not each["attempts"]]
        assert len(left) == 10
        assert len(held) == CAPS_RACED - 10
        assert await spent(quiet) == [PRICE * 10]
        assert len(await quiet.arrived()) == 10
        for each in held:
            assert each["status"] == "deferred"
            [reason] = each["decision"]["reasons"]
            assert (reason["rule"], reason["force"], reason["effect"]) == ("HOUSE-CAP", "house", "defer")
        tally.trials = CAPS_RACED


async def test_a_day_s_cap_defers_to_the_next_day_of_its_zone_as_far_as_the_law_opens_then(quiet: Town) -> None:
    await cap(quiet, usd(str(PRICE), period="day", zone="America/Bogota"))
    first, second = await accept(quiet, 0), await accept(quiet, 1)
    sent, held = await send_all(quiet, [first, second])
    if held["attempts"]:
        sent, held = held, sent
    assert held["status"] == "deferred"
    # The next day begins at midnight, and Colombia's hours at seven.
    assert held["decision"]["until"] == "2026-11-25T07:00:00-05:00"
    assert held["decision"]["reasons"][0]["until"] == "2026-11-25T00:00:00-05:00"
    assert held["decision"]["reasons"][0]["limit"] == "at most 0.0560 USD a day"
    entries = await quiet.rows("SELECT header FROM trace WHERE kind = 'decided'")
    assert any(b"HOUSE-CAP" in bytes(row["header"]) for row in entries)
    await quiet.set_clock("2026-11-25T07:00:30-05:00")
    [after] = await send_all(quiet, [held["id"]])
    assert after["attempts"], after


BLOCKED = {
    "for good": (usd("0.0560"), {}),
    "a day, to be blocked": (usd("0.0560", period="day", over="block"), {}),
    "a campaign": (usd("0.0560", per="campaign"), {"metadata": {"campaign": "jul-26"}}),
    "one campaign by name": (usd("0.0560", per="campaign", of="jul-26"), {"metadata": {"campaign": "jul-26"}}),
    "a debt": (usd("0.0560", per="debt"), {"debts": [{"id": "shared"}]}),
}


@pytest.mark.parametrize(("asked", "more"), BLOCKED.values(), ids=BLOCKED.keys())
async def test_where_no_period_brings_more_it_is_blocked(
    quiet: Town, asked: dict[str, str], more: dict[str, Any]
) -> None:
    await cap(quiet, asked)
    found = await send_all(quiet, [await accept(quiet, trial, **more) for trial in range(2)])
    assert sorted(each["status"] == "blocked" for each in found) == [False, True]
    [blocked] = [each for each in found if each["status"] == "blocked"]
    assert [reason["rule"] for reason in blocked["decision"]["reasons"]] == ["HOUSE-CAP"]
    assert (blocked["decision"]["outcome"], blocked["decision"]["until"]) == ("deny", None)


UNTOUCHED = {
    "another currency": (usd("0.0560") | {"currency": "COP"}, {}),
    "another campaign": (usd("0.0560", per="campaign", of="aug-26"), {"metadata": {"campaign": "jul-26"}}),
    "no campaign": (usd("0.0560", per="campaign"), {}),
    "each person her own": (usd("0.0560", per="contact"), {}),
    "enough": (usd("0.1120"), {}),
}


@pytest.mark.parametrize(("asked", "more"), UNTOUCHED.values(), ids=UNTOUCHED.keys())
async def test_what_a_cap_is_not_about_goes_out(quiet: Town, asked: dict[str, str], more: dict[str, Any]) -> None:
    await cap(quiet, asked)
    found = await send_all(quiet, [await accept(quiet, trial, **more) for trial in range(2)])
    assert all(each["attempts"] for each in found)


async def test_what_did_not_leave_gives_its_share_back(quiet: Town) -> None:
    await cap(quiet, usd(str(PRICE), period="day"))
    answered = await quiet.send(message(person("no", "+573001230003")))
    rejected = (await send_all(quiet, [answered["id"]]))[0]
    assert rejected["status"] == "failed"
    assert rejected["cost"]["actual"] == "0.0000"
    assert await spent(quiet) == [0]
    [other] = await send_all(quiet, [await accept(quiet, 1)])
    assert other["attempts"]
    assert await spent(quiet) == [PRICE]


async def test_what_may_have_left_keeps_its_share(quiet: Town) -> None:
    await cap(quiet, usd(str(PRICE), period="day"))
    await quiet.fault("hang_up", count=1)
    [lost] = await send_all(quiet, [await accept(quiet, 0)])
    assert lost["status"] == "unknown"
    [other] = await send_all(quiet, [await accept(quiet, 1)])
    assert other["status"] == "deferred"


async def test_without_caps_no_budget_is_touched_and_costs_are_known_all_the_same(quiet: Town) -> None:
    [sent] = await send_all(quiet, [await accept(quiet, 0)])
    assert (await spent(quiet)) == []
    assert sent["cost"]["amount"] == "0.0560"
    [row] = await quiet.rows("SELECT expected, currency, booked FROM attempt")
    assert (row["expected"], row["currency"], row["booked"]) == (PRICE, "USD", [])


FLAWS = {
    "no number": (usd("ten"), "/caps/0/amount"),
    "a negative number": (usd("-1"), "/caps/0/amount"),
    "digits that are none": (usd("١"), "/caps/0/amount"),
    "too many places": (usd("0.0000001"), "/caps/0/amount"),
    "no currency": ({"amount": "1", "currency": "pesos"}, "/caps/0/currency"),
    "no zone": (usd("1", zone="Bogota/Colombia"), "/caps/0/zone"),
    "a zone that climbs": (usd("1", zone="../../etc/passwd"), "/caps/0/zone"),
    "a debt by name": (usd("1", per="debt", of="d1"), "/caps/0/of"),
    "an unknown field": (usd("1", window="day"), "/caps/0/window"),
}


@pytest.mark.parametrize(("asked", "pointer"), FLAWS.values(), ids=FLAWS.keys())
async def test_a_cap_that_is_wrong_is_named(quiet: Town, asked: dict[str, str], pointer: str) -> None:
    status, answered, _ = await quiet.call("PUT", "/v1/policy", {"caps": [asked]})
    assert status == 422
    assert [error["pointer"] for error in answered["errors"]] == [pointer]


async def test_a_policy_of_another_release_stops_its_tenant_only_and_says_so(quiet: Town) -> None:
    waiting = await accept(quiet, 0)
    await quiet.rows(
        "WITH next AS (UPDATE tenant SET policy_version = policy_version + 1 WHERE id = $1 RETURNING policy_version) "
        'INSERT INTO policy (tenant, version, body, at) SELECT $1, policy_version, \'{"readings": {"gone": "x"}}\', now() FROM next',
        TENANT,
    )
    [held] = await send_all(quiet, [waiting])
    assert held["status"] == "queued"
    assert held["attempts"] == []
    assert set(await quiet.house.policies.unreadable()) == {TENANT}
    status, answered, _ = await quiet.call(
        "POST", "/v1/messages", message(person("new", number(9, 310))), **{"Idempotency-Key": "k"}
    )
    assert (status, "not understood" in answered["detail"]) == (422, True)
    await quiet.reply("BAJA", number(0, 310))
    said = await quiet.rows("SELECT 1 FROM contact_event WHERE contact = 'p0' AND type = 'consent'")
    assert said, "her word is heard all the same"
    await cap(quiet)
    await quiet.advance(timedelta(minutes=2))
    [after] = await send_all(quiet, [waiting])
    assert after["status"] in ("blocked", "deferred", "sent", "delivered")

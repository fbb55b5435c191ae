"""The console's figures are those of the trace: each entry counted once, each person's limits as the deciding functions reckon them."""

from datetime import timedelta
from typing import Any

import pytest

from gateway.compose import tally
from tests.gateway.town import Town, message, number, person

UNSEEN = "0004"


async def measures(town: Town) -> dict[str, int]:
    rows = await town.rows("SELECT measure, sum(n)::bigint AS n FROM console_hour GROUP BY 1")
    return {row["measure"]: row["n"] for row in rows if row["n"]}


async def margins(town: Town, rule: str) -> dict[str, tuple[int, int, int]]:
    rows = await town.rows("SELECT contact, counted, limit_, left_ FROM console_margin WHERE rule = $1", rule)
    return {row["contact"]: (row["counted"], row["limit_"], row["left_"]) for row in rows}


async def spread(town: Town) -> list[Any]:
    kept = await town.rows(
        "SELECT rule, limit_, counted, people FROM console_spread WHERE people <> 0 ORDER BY 1, 2, 3"
    )
    anew = await town.rows(
        "SELECT rule, limit_, counted, count(*) AS people FROM console_margin GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    )
    assert [tuple(row) for row in kept] == [tuple(row) for row in anew]
    return [tuple(row) for row in kept]


async def test_what_happened_is_counted_once_at_the_hour_of_her_own_day(busy: Town) -> None:
    figures = tally(busy.house)
    sent = await busy.send(message(person("ana", number(1))))
    await busy.until(sent["id"], "delivered")
    await busy.reply("hola, mañana pago", sender=number(1))
    again = await busy.send(message("ana", debts=["d1"]))
    assert again["status"] == "deferred"
    stopped = await busy.send(message(person("bea", number(2))))
    await busy.until(stopped["id"], "delivered")
    await busy.reply("BAJA", sender=number(2))
    blocked = await busy.send(message("bea", debts=["d1"]))
    assert blocked["status"] == "blocked"
    await busy.stop_workers()
    await figures.catch_up()
    found = await measures(busy)
    assert found.pop("cost:USD") >= 2 * 28_000
    sent_count = found["sent"]
    rows = await busy.rows("SELECT count(*) FROM attempt WHERE state IN ('sent', 'delivered', 'read')")
    assert sent_count == rows[0][0]
    assert {name: found[name] for name in ("deferred", "blocked", "replies", "answered", "opt_outs")} == {
        "deferred": 1,
        "blocked": 1,
        "replies": 2,
        "answered": 2,
        "opt_outs": 1,
    }
    (place,) = await busy.rows(
        "SELECT DISTINCT day::text AS day, hour, jurisdiction, channel FROM console_hour WHERE measure = 'sent'"
    )
    assert tuple(place) == ("2026-11-24", 10, "CO", "sms"), "ten in Bogotá, not fifteen in UTC"
    held = await busy.rows("SELECT rule, effect, n FROM console_rule WHERE rule LIKE 'CO-FREQ%'")
    assert ("CO-FREQ-3d", "defer", 2) in [tuple(row) for row in held], (
        "hers whom it deferred, and hers who said stop besides"
    )
    # Asked again, nothing is counted twice.
    await figures.catch_up()
    assert (await measures(busy))["sent"] == sent_count
    (cursor,) = await busy.rows("SELECT k.idx, c.size FROM console_cursor k JOIN chain c USING (tenant)")
    assert cursor["idx"] == cursor["size"]


async def test_limits_are_those_of_the_audit_and_free_with_time(busy: Town) -> None:
    figures = tally(busy.house)
    await busy.call("PUT", "/v1/contacts/bea", person("bea", number(2)))
    sent = await busy.send(message(person("ana", number(1))))
    await busy.until(sent["id"], "delivered")
    await figures.catch_up()
    assert await margins(busy, "CO-FREQ-3d") == {"ana": (1, 1, 0), "bea": (0, 1, 1)}
    _, answered, _ = await busy.call("GET", "/v1/audit/frequency")
    for item in answered["items"]:
        exact = {each["rule"]: each["margin"] for each in item["limits"]}
        kept = await busy.rows("SELECT rule, left_ FROM console_margin WHERE contact = $1", item["contact"])
        assert {row["rule"]: row["left_"] for row in kept} == exact
    await spread(busy)
    await busy.advance(timedelta(days=1))
    await figures.catch_up()
    assert (await margins(busy, "CO-FREQ-3d"))["ana"] == (0, 1, 1)
    await spread(busy)


async def test_a_message_that_only_waits_asks_the_law_about_nobody_again(busy: Town) -> None:
    figures = tally(busy.house)
    sent = await busy.send(message(person("ana", number(1))))
    await busy.until(sent["id"], "delivered")
    await figures.catch_up()
    (before,) = await busy.rows("SELECT max(reckoned_at) FROM console_margin")
    waits = await busy.send(message("ana", debts=["d1"]))
    assert waits["status"] == "deferred"
    await figures.catch_up()
    (after,) = await busy.rows("SELECT max(reckoned_at) FROM console_margin")
    assert before[0] is not None
    assert after[0] == before[0]
    await busy.send(message(person("eva", number(5))))
    await figures.catch_up()
    assert "eva" in await margins(busy, "CO-FREQ-3d"), "who is new is reckoned whatever becomes of her message"


async def test_looking_back_does_not_hold_up_what_waits_to_be_sent(busy: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.console.tally.PEOPLE_MAX", 1)
    figures = tally(busy.house)
    await busy.stop_workers()
    for n, name in enumerate(("bea", "eva", "isa"), 2):
        await busy.call("PUT", f"/v1/contacts/{name}", person(name, number(n)))
    waits = await busy.send(message(person("ana", number(1))))
    assert waits["status"] == "queued"
    await figures.round()
    assert len(await margins(busy, "CO-FREQ-3d")) == 1
    await busy.call("POST", f"/v1/messages/{waits['id']}/cancel")
    await figures.round()
    assert set(await margins(busy, "CO-FREQ-3d")) == {"ana", "bea", "eva", "isa"}


async def test_by_what_she_is_found_is_written_where_it_changed_and_left_alone_where_it_did_not(busy: Town) -> None:
    figures = tally(busy.house)
    ties = "SELECT kind, value, contact, xmin::text AS written FROM console_tie ORDER BY 1, 2, 3"
    mail = {**person()["addresses"][0], "channel": "email", "address": "bea@example.com"}
    both = {**person("bea", number(2)), "addresses": [*person("bea", number(2))["addresses"], mail]}
    await busy.call("PUT", "/v1/contacts/bea", both)
    sent = await busy.send(message(person("ana", number(1))))
    await busy.until(sent["id"], "delivered")
    await figures.catch_up()
    before = {tuple(row)[:3]: row["written"] for row in await busy.rows(ties)}
    assert {
        ("channel", "email", "bea"),
        ("channel", "sms", "bea"),
        ("channel", "sms", "ana"),
        ("debt", "d1", "ana"),
    } <= set(before)
    status, answered, _ = await busy.call("PUT", "/v1/contacts/bea", person("bea", number(2)))
    assert status == 200, answered
    await busy.reply("hola", sender=number(1))
    (reckoned,) = await busy.rows("SELECT max(reckoned_at) FROM console_margin")
    await figures.catch_up()
    (anew,) = await busy.rows("SELECT min(reckoned_at) FROM console_margin")
    assert anew[0] > reckoned[0], "both were reckoned again"
    after = {tuple(row)[:3]: row["written"] for row in await busy.rows(ties)}
    assert set(before) - set(after) == {("channel", "email", "bea")}
    assert after == {tie: written for tie, written in before.items() if tie in after}


async def test_another_policy_is_reckoned_for_everybody(busy: Town) -> None:
    figures = tally(busy.house)
    await busy.call("PUT", "/v1/contacts/bea", person("bea", number(2)))
    await figures.catch_up()
    before = await busy.rows("SELECT max(reckoned_at) FROM console_margin")
    _, policy, _ = await busy.call("GET", "/v1/policy")
    policy.pop("version")
    status, answered, _ = await busy.call("PUT", "/v1/policy", policy)
    assert status == 200, answered
    await figures.catch_up()
    assert (await busy.rows("SELECT max(reckoned_at) FROM console_margin"))[0][0] > before[0][0]


async def test_who_is_erased_is_gone_from_every_figure_of_people(busy: Town) -> None:
    figures = tally(busy.house)
    await busy.call("PUT", "/v1/contacts/bea", person("bea", number(2)))
    await figures.catch_up()
    assert await margins(busy, "CO-FREQ-3d")
    status, answered, _ = await busy.call("DELETE", "/v1/contacts/bea")
    assert status in (200, 202, 204), answered
    await figures.catch_up()
    assert await margins(busy, "CO-FREQ-3d") == {}
    assert await spread(busy) == []
    assert await busy.rows("SELECT FROM console_due") == []


async def test_what_nobody_saw_leave_is_unknown_until_it_is_seen(busy: Town) -> None:
    figures = tally(busy.house)
    await busy.fault("hang_up", count=1)
    sent = await busy.send(message(person("ana", number(1))))
    await busy.until(sent["id"], "unknown", "sent", "delivered", seconds=15)
    await busy.until(sent["id"], "delivered", "unknown", seconds=15)
    await busy.stop_workers()
    await figures.catch_up()
    (row,) = await busy.rows("SELECT state FROM attempt")
    found = await measures(busy)
    gone = row["state"] in ("sent", "delivered", "read")
    assert (found.get("sent", 0), found.get("unknown", 0)) == ((1, 0) if gone else (0, 1))


async def test_a_campaign_that_is_handed_over_is_reckoned_behind_it(
    busy: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.console.tally.PEOPLE_MAX", 1)
    monkeypatch.setattr("gateway.console.tally.ENTRIES_MAX", 4)
    figures = tally(busy.house)
    await busy.stop_workers()
    await busy.set_clock("2026-11-22T15:04:00-05:00")
    for n, name in enumerate(("ana", "bea", "eva"), 1):
        waits = await busy.send(message(person(name, number(n))))
        assert waits["status"] == "deferred"
    await figures.round()
    assert len(await margins(busy, "CO-FREQ-3d")) == 1, "each message is two entries: more came than one transaction"
    assert (await measures(busy))["accepted"] == 3, "what happened is counted all the same"
    await figures.round()
    assert set(await margins(busy, "CO-FREQ-3d")) == {"ana", "bea", "eva"}

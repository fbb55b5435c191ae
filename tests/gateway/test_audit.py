"""The audit of contact frequency says per person what counts, what is left and when it frees."""

import csv
import io
import json
from typing import Any

import pytest

from storage import audit
from storage.database import Connection
from tests.gateway.policy_command import tregua
from tests.gateway.town import Town, message, number, person


async def audited(town: Town, query: str = "") -> list[dict[str, Any]]:
    status, answered, _ = await town.call("GET", f"/v1/audit/frequency{query}")
    assert status == 200, answered
    return list(answered["items"])


def limit(item: dict[str, Any], rule: str) -> dict[str, Any]:
    (found,) = [each for each in item["limits"] if each["rule"] == rule]
    return dict(found)


async def test_what_counts_and_what_is_left_are_those_of_the_decision(busy: Town) -> None:
    await busy.call("PUT", "/v1/contacts/bea", person("bea", number(2)))
    sent = await busy.send(message(person("ana", number(1))))
    await busy.until(sent["id"], "delivered")
    again = await busy.send(message("ana", debts=["d1"]))
    assert again["status"] == "deferred"
    ana, bea = await audited(busy)
    assert (ana["contact"], ana["margin"], bea["contact"], bea["margin"]) == ("ana", 0, "bea", 1)
    day = limit(ana, "CO-FREQ-3d")
    assert (day["counted"], day["limit"], day["margin"], len(day["events"])) == (1, 1, 0, 1)
    # The very instant that the decision gave.
    reason = next(each for each in again["decision"]["reasons"] if each["rule"] == "CO-FREQ-3d")
    assert day["frees_at"] == "2026-11-25T05:00:00.000000Z"
    assert reason["until"].startswith("2026-11-25T00:00:00")
    assert day["window"] == {"from": "2026-11-24T05:00:00.000000Z", "to": "2026-11-25T05:00:00.000000Z"}
    assert ana["held"] == [{"rule": "CO-FREQ-3d", "effect": "defer", "messages": 1}]
    assert limit(bea, "CO-FREQ-3d")["frees_at"] is None


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?contact=bea", ["bea"]),
        ("?margin_max=0", ["ana"]),
        ("?jurisdiction=PE", []),
        ("?debt=d1", ["ana"]),
        ("?limit=1", ["ana"]),
    ],
)
async def test_filters(busy: Town, query: str, found: list[str]) -> None:
    await busy.call("PUT", "/v1/contacts/bea", person("bea", number(2)))
    sent = await busy.send(message(person("ana", number(1))))
    await busy.until(sent["id"], "delivered")
    assert [item["contact"] for item in await audited(busy, query)] == found


async def test_pages_are_walked_to_the_end(quiet: Town) -> None:
    for n in range(5):
        await quiet.call("PUT", f"/v1/contacts/p{n}", person(f"p{n}", number(n)))
    seen: list[str] = []
    query = "?limit=2"
    while True:
        _, page, _ = await quiet.call("GET", f"/v1/audit/frequency{query}")
        seen += [item["contact"] for item in page["items"]]
        if page["next"] is None:
            break
        query = f"?limit=2&cursor={page['next']}"
    assert seen == [f"p{n}" for n in range(5)]


async def test_what_is_kept_of_the_whole_book_says_the_same_as_asking_about_each(busy: Town) -> None:
    await busy.call("PUT", "/v1/contacts/@bea", person("@bea", number(2)))
    sent = await busy.send(message(person("ana", number(1))))
    await busy.until(sent["id"], "delivered")
    told = await tregua(busy, "frequency", "--kept", group="audit")
    assert told.code == 0, told.err
    names = ("rule", "pack", "asks", "channels", "debt", "counted", "limit", "margin")
    kept = sorted((each["contact"], *(each[name] for name in names)) for each in map(json.loads, told.out.splitlines()))
    asked = [
        (item["contact"], *(each[name] for name in names)) for item in await audited(busy) for each in item["limits"]
    ]
    assert kept == sorted(asked)
    assert {each[0] for each in kept} == {"ana", "@bea"}
    full = await tregua(busy, "frequency", "--kept", "--margin-max", "0", "--jurisdiction", "CO", group="audit")
    assert {json.loads(line)["contact"] for line in full.out.splitlines()} == {"ana"}
    assert (await tregua(busy, "frequency", "--kept", "--jurisdiction", "PE", group="audit")).out == ""
    table = await tregua(busy, "frequency", "--kept", "--csv", group="audit")
    rows = list(csv.DictReader(io.StringIO(table.out)))
    assert len(rows) == len(kept)
    assert {
        tuple(row[name] for name in ("contact", "rule", "channels", "debt", "counted", "limit", "margin"))
        for row in rows
    } == {
        (who.replace("@", "'@"), rule, " ".join(channels), debt or "", *map(str, figures))  # no cell is a formula
        for who, rule, _, _, channels, debt, *figures in kept
    }
    one = await tregua(busy, "frequency", "--kept", "--csv", "--rule", "CO-FREQ-3d", "--margin-max", "0", group="audit")
    assert [(row["contact"], row["rule"]) for row in csv.DictReader(io.StringIO(one.out))] == [("ana", "CO-FREQ-3d")]
    assert (await tregua(busy, "frequency", "--csv", group="audit")).code == 2
    assert (await tregua(busy, "frequency", "--kept", "--contact", "ana", group="audit")).code == 2


async def test_the_whole_book_is_read_in_a_transaction_or_not_at_all(quiet: Town) -> None:
    """Outside of one the settings under which a whole table may be read would be gone before it is."""

    async def job(connection: Connection) -> int:
        return await audit.kept(connection, "t1", io.BytesIO(), jurisdiction=None, margin_max=None)

    assert await quiet.house.database.run(job) == 0
    with pytest.raises(RuntimeError):
        await quiet.house.database.read(job)


@pytest.mark.parametrize("columns", [True, False], ids=["columns", "documents"])
async def test_only_what_is_dear_to_make_is_shared_by_several_processes(quiet: Town, columns: bool) -> None:
    """To carry a row from one process to another costs more than to put its columns into words."""

    async def job(connection: Connection) -> list[str]:
        await audit.kept(connection, "t1", io.BytesIO(), jurisdiction=None, margin_max=None, columns=columns)
        named = ("max_parallel_workers_per_gather", "parallel_setup_cost", "parallel_tuple_cost")
        return [str(await connection.fetchval(f"SHOW {name}")) for name in named]

    workers, *costs = await quiet.house.database.run(job)
    assert (workers == "0", costs == ["0", "0"]) == (columns, not columns)


async def test_the_command_says_the_same(busy: Town) -> None:
    sent = await busy.send(message(person("ana", number(1))))
    await busy.until(sent["id"], "delivered")
    told = await tregua(busy, "frequency", "--contact", "ana", group="audit")
    assert told.code == 0, told.err
    assert "CO-FREQ-3d" in told.out
    assert "1 of 1, frees 2026-11-25T05:00:00" in told.out
    asked = await tregua(busy, "recheck", "--json", group="audit")
    assert (asked.code, '"contacts": 1, "breaches": []' in asked.out) == (0, True)

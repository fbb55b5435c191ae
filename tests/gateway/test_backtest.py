"""The past asked again: a small real past, another reading and another pack, and every difference by its rule."""

import json
from pathlib import Path
from typing import Any

import pytest

from jurisdictions.library import PACKS
from tests.gateway.policy_command import tregua
from tests.gateway.town import SUNDAY, TUESDAY, Town, message, number, person

SINCE = "2026-11-20"
UNTIL = "2026-12-31"


@pytest.fixture
async def past(busy: Town) -> dict[str, str]:
    """Ana: called on Friday, written to on Tuesday, and once more in vain. Bea: asked about on a Sunday. Carla: written to."""
    await busy.call("PUT", "/v1/contacts/ana", person())
    called = {"type": "contact", "at": "2026-11-20T11:00:00-05:00", "channel": "call_live", "outcome": "conversation"}
    status, answered, _ = await busy.call("POST", "/v1/contacts/ana/events", {**called, "debts": ["d1"]})
    assert status == 200, answered
    ana = await busy.send(message())
    await busy.until(ana["id"], "delivered")
    again = await busy.send(message())
    assert again["status"] == "deferred"
    carla = await busy.send(message(person("carla", number(3)), debts=[{"id": "d3"}]))
    await busy.until(carla["id"], "delivered")
    await busy.stop_workers()
    await busy.set_clock(SUNDAY)
    bea = await busy.send(message(person("bea", number(2)), debts=[{"id": "d2"}]))
    assert bea["status"] == "deferred"
    await busy.set_clock(TUESDAY)
    return {"ana": ana["id"], "again": again["id"], "bea": bea["id"], "carla": carla["id"]}


async def backtest(town: Town, *arguments: object) -> dict[str, Any]:
    result = await tregua(town, "backtest", "--since", SINCE, "--until", UNTIL, "--json", *arguments)
    assert result.code == 0, result.err
    found = json.loads(result.out)
    assert isinstance(found, dict)
    return found


async def test_another_reading_of_the_week_would_have_held_ana_back(busy: Town, past: dict[str, str]) -> None:
    found = await backtest(busy, "--reading", "co.week=rolling")
    assert found["unlike_trace"]["count"] == 0, "what was decided then comes out the same from the same facts"
    assert found["decisions"] == 4
    assert found["outcomes"] == {"allow → defer": {"count": 1, "examples": [past["ana"]]}}
    assert set(found["rules"]) == {"CO-FREQ-3e"}
    would = found["rules"]["CO-FREQ-3e"]
    assert would["would_block"] == {"count": 2, "examples": [past["ana"], past["again"]]}
    assert would["would_let_pass"]["count"] == 0
    assert found["moved"] == {"count": 1, "examples": [past["again"]]}
    assert found["differ"] == 2


async def test_another_pack_would_have_let_bea_be_written_to(busy: Town, past: dict[str, str], tmp_path: Path) -> None:
    text = (PACKS / "CO.toml").read_text()
    (tmp_path / "sundays.toml").write_text(
        text.replace('open = { Sun = "closed" }', 'open = { Sun = "08:00-18:00" }', 1)
    )
    found = await backtest(busy, "--pack", f"CO={tmp_path / 'sundays.toml'}")
    assert found["outcomes"] == {"defer → allow": {"count": 1, "examples": [past["bea"]]}}
    assert found["rules"] == {
        "CO-HRS-3c": {
            "would_block": {"count": 0, "examples": []},
            "would_let_pass": {"count": 1, "examples": [past["bea"]]},
        }
    }
    assert found["differ"] == 1


async def test_the_same_pack_differs_in_nothing_and_the_report_can_be_read(busy: Town, past: dict[str, str]) -> None:
    found = await backtest(busy, "--pack", PACKS / "CO.toml")
    assert (found["decisions"], found["differ"], found["rules"]) == (4, 0, {})
    result = await tregua(busy, "backtest", "--since", SINCE, "--reading", "co.week=rolling")
    assert result.code == 0, result.err
    assert "4 decisions asked again, 2 would differ" in result.out
    assert f"CO-FREQ-3e would block: 2 (such as {past['ana']}, {past['again']})" in result.out
    late = await tregua(busy, "backtest", "--since", "2026-12-01", "--reading", "co.week=rolling")
    assert "0 decisions asked again" in late.out


async def test_the_policy_of_then_decides_and_nothing_is_written(busy: Town, past: dict[str, str]) -> None:
    before = await busy.rows("SELECT count(*) AS n FROM trace")
    policy = {"sender": {"role": "creditor", "creditor": "C1", "collector": "A1"}, "readings": {"co.week": "rolling"}}
    await busy.set_clock("2026-11-25T10:00:00-05:00")
    status, answered, _ = await busy.call("PUT", "/v1/policy", policy)
    assert status == 200, answered
    found = await backtest(busy, "--reading", "co.week=iso")
    assert (found["differ"], found["unlike_trace"]["count"]) == (0, 0), (
        "the policy came after what it would have changed"
    )
    (after,) = await busy.rows("SELECT count(*) AS n FROM trace")
    assert after["n"] == before[0]["n"] + 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("--since", "2026-11-01"),
        ("--since", "yesterday", "--reading", "co.week=iso"),
        ("--since", "2026-11-01T10:00:00", "--reading", "co.week=iso"),
        ("--since", "2026-11-01", "--reading", "co.week=never"),
        ("--since", "2026-11-01", "--reading", "co.week"),
        ("--since", "2026-11-01", "--reading", "xx.yy=1"),
        ("--since", "2026-11-01", "--pack", "absent.toml"),
    ],
)
async def test_wrong_use_is_exit_2(quiet: Town, arguments: tuple[str, ...]) -> None:
    result = await tregua(quiet, "backtest", *arguments)
    assert result.code == 2, result.out
    assert result.err.strip()

"""A portfolio writes first to no more people than it may: counted exactly, however many send at once, and told as the platform's rule."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.kit import transport
from gateway.compose import dispatcher
from gateway.costs.budgets import BudgetBook
from gateway.ways.portfolio_settings import Tier
from gateway.ways.portfolios import LEAVES_WITHIN, _Ledger
from tests.gateway import town as towns
from tests.gateway.test_past import again
from tests.gateway.test_whatsapp import PACE, TEMPLATE
from tests.gateway.town import AUTHORISED, CHAT_PROVIDER, Town, message, person

PEOPLE_MAX = 5
RACED = 24
TASKS = 32
DAY = timedelta(hours=24)
SAID = {"template": "cuota", "variables": {"name": "Ana", "amount": "$ 100.000"}}


@pytest.fixture
async def full(
    own_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Town]:
    """A town whose number on WhatsApp belongs to a portfolio of five people a day; its worker is the test itself."""
    tier = Tier(portfolio="acme", people_max=PEOPLE_MAX)
    plain = towns.with_whatsapp
    monkeypatch.setattr(towns, "with_whatsapp", lambda *a: replace(plain(*a), portfolios={CHAT_PROVIDER: tier}))
    monkeypatch.setattr(transport, "CALL_SECONDS", 1.0)
    folder = tmp_path_factory.mktemp("full")
    async with towns.town(own_url, redis_url, folder, pace=PACE, whatsapp=True) as found:
        status, answered, _ = await found.call("PUT", "/v1/templates/cuota", TEMPLATE)
        assert status in (200, 201), answered
        yield found


def reachable(number: int, last: str = "77") -> dict[str, Any]:
    """A person with a number on WhatsApp, the number-th of them."""
    addresses = [
        {
            "channel": "whatsapp",
            "address": f"+573001{number:02d}00{last}",
            "kind": "personal",
            "source": "supplied",
            "authorised": AUTHORISED,
        }
    ]
    return person(f"p{number}", addresses=addresses)


async def accept(found: Town, number: int, last: str = "77") -> str:
    asked = message(reachable(number, last), channel="whatsapp", content=SAID, debts=[{"id": f"d{number}"}])
    identity = (await found.send(asked))["id"]
    assert isinstance(identity, str)
    return identity


async def go(found: Town, rounds: int = 3) -> None:
    """Some rounds of a worker, and all that it sent has its ending."""
    sender = dispatcher(found.house)
    for _ in range(rounds):
        await sender.round()
        await sender.drain()


async def openings(found: Town) -> list[datetime]:
    return [row["at"] for row in await found.rows("SELECT at FROM portfolio_opening ORDER BY at")]


async def test_however_many_send_at_once_no_more_people_are_written_to_first(full: Town) -> None:
    ids = [await accept(full, number) for number in range(RACED)]
    senders = [dispatcher(full.house) for _ in range(8)]

    async def one(task: int) -> None:
        for _ in range(3):
            await senders[task % 8].round(limit=1 + task % 3)

    await asyncio.gather(*(one(task) for task in range(TASKS)))
    for sender in senders:
        await sender.drain()
    await go(full)
    found = [await full.get(identity) for identity in ids]
    held = [each for each in found if not each["attempts"]]
    assert len(found) - len(held) == PEOPLE_MAX
    assert len(await full.arrived()) == PEOPLE_MAX
    first, *_ = opened = await openings(full)
    assert len(opened) == PEOPLE_MAX
    for each in held:
        (reason,) = each["decision"]["reasons"]
        assert (each["status"], reason["rule"], reason["force"], reason["effect"]) == (
            "deferred", "PW-LIMIT", "code", "defer",
        )  # fmt: skip
        assert reason["pack"].startswith("WHATSAPP@")
        assert reason["observed"] == "portfolio acme wrote to 5 people first"
        until = datetime.fromisoformat(each["decision"]["until"])
        assert timedelta() <= until - (first + DAY) < timedelta(seconds=1), "the first that no longer counts makes room"
    report = await again(full)
    assert (report.decisions, report.unlike_trace.count) == (RACED, 0), "the past is asked again as it was told"
    # Who only asks is told the same; and at the instant that was told one more may be written to, and one only.
    status, asked, _ = await full.call(
        "POST", "/v1/decisions", message(reachable(90), channel="whatsapp", content=SAID)
    )
    assert (status, asked["outcome"], asked["until"]) == (200, "defer", held[0]["decision"]["until"])
    await full.set_clock(held[0]["decision"]["until"])
    await go(full)
    left = [each for each in [await full.get(identity) for identity in ids] if each["attempts"]]
    opened = await openings(full)
    assert max(sum(end - DAY < at <= end for at in opened) for end in opened) == PEOPLE_MAX, (
        "in any day that ends anywhere"
    )
    assert len(left) > PEOPLE_MAX


async def test_what_did_not_leave_gives_its_room_back_and_what_may_have_left_does_not(full: Town) -> None:
    await full.fault("reject", provider=CHAT_PROVIDER)
    refused = await accept(full, 0)
    await go(full)
    assert (await full.get(refused))["status"] == "failed"
    assert await openings(full) == []
    unknown = await accept(full, 1, "04")
    await go(full, 1)
    await full.until(unknown, "unknown")
    assert len(await openings(full)) == 1
    book = BudgetBook(database=full.house.database, clock=full.house.clock)
    await full.advance(DAY)
    await book.forget()
    assert len(await openings(full)) == 1, "not yet"
    await full.advance(DAY + timedelta(minutes=5))
    await book.forget()
    assert await openings(full) == []


async def test_an_answer_takes_no_room_and_needs_none(full: Town) -> None:
    for number in range(PEOPLE_MAX):
        await accept(full, number)
    await go(full)
    assert len(await openings(full)) == PEOPLE_MAX
    status, answered, _ = await full.call("PUT", "/v1/contacts/p50", reachable(50))
    assert status == 200, answered
    await full.reply("hola", reachable(50)["addresses"][0]["address"], "whatsapp")
    await full.advance(timedelta(minutes=5))
    answer, first = await accept(full, 50), await accept(full, 51)
    await go(full)
    assert len((await full.get(answer))["attempts"]) == 1
    assert [reason["rule"] for reason in (await full.get(first))["decision"]["reasons"]] == ["PW-LIMIT"]
    assert len(await openings(full)) == PEOPLE_MAX


NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)
AGES = st.lists(st.integers(min_value=1, max_value=24 * 60 - 1), max_size=12)


@given(others=AGES, known=AGES, limit=st.integers(1, 8))
def test_room_is_found_where_counting_everybody_finds_it(
    others: Sequence[int], known: Sequence[int], limit: int
) -> None:
    """The ledger reads of the others only those that can matter: its answer is that of reading all."""
    mine = {f"k{place}": NOW - timedelta(minutes=age) for place, age in enumerate(known)}
    theirs = sorted((NOW - timedelta(minutes=age) for age in others), reverse=True)
    persons = len(mine) + 1
    skipped = max(0, limit - 1 - persons)
    ledger = _Ledger(
        tier=Tier(portfolio="acme", people_max=limit),
        period=DAY,
        skipped=skipped,
        others=theirs[skipped : skipped + persons + 1],
        known=mine,
    )
    ends = sorted(at + DAY for at in [*theirs, *mine.values()])
    free = next(at for at in (NOW, *ends) if sum(end > at for end in ends) < limit)
    assert ledger.room_from("new", NOW) == (None if free == NOW else free)
    assert all(ledger.room_from(name, NOW) is None for name in mine)


def test_what_is_reserved_counts_until_it_cannot_have_left_within_the_period() -> None:
    assert timedelta(seconds=25) <= LEAVES_WITHIN <= timedelta(minutes=1)

"""What providers bill afterwards: asked for when it may be there, stored once, told to sums and budgets."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from gateway.compose import dispatcher
from gateway.costs.bills import Biller
from sandbox.twilio_words import SEGMENT_PRICE
from sandbox.voice_words import MINUTE_PRICE
from tests.gateway.test_caps import cap, spent, usd
from tests.gateway.town import PROVIDER, Town, message, number, person, town
from vocabulary.outcome import Bill, CannotTell

#: Two segments to Colombia by the town's settings, and by the simulated account.
EXPECTED, BILLED = Decimal("0.0560"), SEGMENT_PRICE * 2


def biller(town: Town, *ages: timedelta, way: Any = None) -> Biller:
    adapters = town.house.adapters if way is None else {PROVIDER: way}
    return Biller(database=town.house.database, clock=town.house.clock, adapters=adapters, ages=ages)


async def delivered(town: Town, people: range) -> list[dict[str, Any]]:
    """Messages that reached each of these people."""
    ids = []
    for trial in people:
        body = message(person(f"p{trial}", number(trial, 310)), metadata={"campaign": "jul-26"})
        ids.append((await town.send(body, key=uuid4().hex))["id"])
    sender = dispatcher(town.house)
    while await sender.round():
        pass
    await sender.drain()
    return [await town.until(identity, "delivered", seconds=120) for identity in ids]


async def settled(town: Town, asking: Biller, count: int, seconds: float = 120.0) -> None:
    """Ask until so many attempts are settled: Twilio names a price some time after it has sent."""
    deadline, found = asyncio.get_running_loop().time() + seconds, 0
    while (found := found + await asking.ask()) < count:
        assert asyncio.get_running_loop().time() < deadline
        await town.house.database.run(lambda connection: connection.execute("DELETE FROM bill"))
        await asyncio.sleep(0.1)
    assert found == count


async def test_what_twilio_bills_takes_the_place_of_what_was_expected(quiet: Town) -> None:
    await cap(quiet, usd("10", period="day"))
    # Five are asked about one by one; with twenty more of the same day its list is read.
    for people, all_of_them in ((range(5), 5), (range(5, 30), 30)):
        before = await delivered(quiet, people)
        # What is taken for its price until then is what was expected, once its sending is settled.
        assert {Decimal(each["cost"].get("actual") or EXPECTED) for each in before} == {EXPECTED}
        await settled(quiet, biller(quiet, timedelta(0)), len(people))
        for each in before:
            found = await quiet.get(each["id"])
            assert Decimal(found["cost"]["amount"]) == EXPECTED
            assert Decimal(found["cost"]["actual"]) == BILLED
        assert await spent(quiet) == [BILLED * all_of_them]
    _, sums, _ = await quiet.call("GET", "/v1/costs?group_by=campaign")
    [one] = sums["items"]
    assert (one["key"], one["attempts"]) == ("jul-26", 30)
    assert [Decimal(one[name]) for name in ("expected", "actual", "spent")] == [EXPECTED * 30, BILLED * 30, BILLED * 30]
    # Asked again it is told again, and nothing is stored twice.
    await quiet.house.database.run(lambda connection: connection.execute("DELETE FROM bill"))
    assert await asyncio.gather(*(biller(quiet, timedelta(0)).ask() for _ in range(4))) == [0] * 4
    assert await spent(quiet) == [BILLED * 30]


class Teller:
    """A provider that answers as it is told to, question by question; the last answer stays."""

    def __init__(self, *answers: Mapping[str, Bill] | CannotTell | None) -> None:
        self.answers = list(answers)
        self.asked: list[set[str]] = []

    async def billed(self, asked: Mapping[str, datetime], /) -> Mapping[str, Bill] | CannotTell:
        """None stands for a price of everything that is asked about."""
        self.asked.append(set(asked))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return {sid: Bill(BILLED, "USD") for sid in asked} if answer is None else answer


async def test_two_that_store_the_same_bill_store_it_once(quiet: Town) -> None:
    await cap(quiet, usd("10", period="day"))
    await delivered(quiet, range(3))
    asking = [biller(quiet, timedelta(0), way=Teller(None)) for _ in range(8)]
    assert sum(await asyncio.gather(*(each.ask() for each in asking))) == 3
    assert await spent(quiet) == [BILLED * 3]


async def test_what_has_no_price_yet_is_asked_for_again_at_the_next_age_and_a_provider_that_is_away_is_waited_for(
    quiet: Town,
) -> None:
    await delivered(quiet, range(2))
    young = Teller(None)
    assert await biller(quiet, timedelta(minutes=15), way=young).ask() == 0
    assert young.asked == [], "what is younger than the first age is not asked about"
    away = Teller(CannotTell(reason="away"))
    assert await biller(quiet, timedelta(0), way=away).ask() == 0
    # The first round finds no price, and the second, whose age has come too, asks about the same again.
    teller = Teller({}, None)
    both = biller(quiet, timedelta(0), timedelta(0), way=teller)
    assert await both.ask() == 2
    assert teller.asked == [away.asked[0], away.asked[0]]
    assert len(away.asked[0]) == 2
    # What was asked about in both rounds is left alone.
    assert await both.ask() == 0
    assert len(teller.asked) == 2


async def test_another_currency_than_was_expected_is_told_and_stands_in_no_sum(quiet: Town) -> None:
    await cap(quiet, usd("10", period="day"))
    [sent] = await delivered(quiet, range(1))
    [row] = await quiet.rows("SELECT provider_id FROM attempt")
    teller = Teller({row["provider_id"]: Bill(Decimal("240"), "COP")})
    assert await biller(quiet, timedelta(0), timedelta(0), way=teller).ask() == 1
    assert len(teller.asked) == 1
    assert (await quiet.get(sent["id"]))["cost"]["currency"] == "USD"
    assert await spent(quiet) == [EXPECTED]


@pytest.fixture
async def calling(own_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Town]:
    async with town(own_url, redis_url, tmp_path, voice=True) as found:
        yield found


async def test_calls_are_billed_too(calling: Town) -> None:
    called = person("ana", addresses=[{**person()["addresses"][0], "channel": "voice", "address": number(1, 311)}])
    sent = await calling.send(message(called, channel="voice"))
    sender = dispatcher(calling.house)
    await sender.round()
    await sender.drain()
    await calling.until(sent["id"], "delivered", "read", seconds=120)
    await settled(calling, biller(calling, timedelta(0)), 1)
    assert Decimal((await calling.get(sent["id"]))["cost"]["actual"]) == MINUTE_PRICE

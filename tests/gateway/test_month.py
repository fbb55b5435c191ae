"""A small simulated month through a whole gateway: no limit broken, every ending there, and the trace holds."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.addresses import canonical
from gateway.cli.month import Month, Report, is_empty
from gateway.cli.month_plan import Call, Send
from sandbox.people import CHANNELS, people
from tests.conftest import NewDatabase
from tests.gateway.town import TENANT, Town, town
from tracelog.export import Holds, verify
from vocabulary.channel import Channel

PEOPLE = 40
DAYS = 3
#: A Friday: a weekend lies within.
BEGINS = datetime.fromisoformat("2026-11-27T10:00:00+00:00")


@pytest.fixture
async def city(new_database: NewDatabase, template_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Town]:
    """A town with SMS, mail and WhatsApp, and a worker."""
    url = await new_database(like=template_url)
    async with town(url, redis_url, tmp_path, mail=True, whatsapp=True) as found:
        found.start_worker()
        yield found


async def simulated(found: Town, seed: int = 5) -> Report:
    """The month, as the command drives it."""
    month = Month(
        found.session,
        found.house.database,
        url=found.url,
        sandbox_url=found.carrier_url,
        key=found.key,
        tenant=TENANT,
        number=PEOPLE,
        days=DAYS,
        seed=seed,
        begins=BEGINS,
        step=timedelta(minutes=60),
        set_clock=found.set_clock,
    )
    shares: list[float] = []
    report = await month.run(lambda share, _: shares.append(share))
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    await month.recheck()
    return report


@pytest.mark.timeout(240)
async def test_a_small_month_breaks_no_limit_and_leaves_every_ending_behind(city: Town) -> None:
    assert await is_empty(city.session, city.url, city.key)
    report = await asyncio.wait_for(simulated(city), 200)
    assert report.breaches == []
    assert report.rechecked is not None
    assert report.rechecked >= report.arrived > PEOPLE / 2
    ended = {"delivered", "read", "undelivered", "failed", "unknown", "blocked", "deferred", "expired", "cancelled"}
    assert ended <= set(report.statuses), report
    assert report.refused == 0
    own = sum(report.statuses.values()) - report.accepted
    assert 0 <= own <= report.replies.get("stop", 0) + report.replies.get("stop_sentence", 0), "confirmations of stops"
    assert {"contact", "consent", "reply", "channel_preferred"} <= set(report.events)
    assert report.calls > 0
    assert len(report.replies) >= 3

    headers = {"Authorization": f"Bearer {city.key}"}
    async with city.session.get(f"{city.url}/v1/trace/export", headers=headers) as answer:
        lines = (await answer.read()).splitlines(keepends=True)
    holds = verify(lines)
    assert isinstance(holds, Holds), holds
    assert holds.size > 2 * report.accepted
    assert not await is_empty(city.session, city.url, city.key), "a second month here is refused"


async def test_who_was_refused_is_not_spoken_of_to_the_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose first message is not taken is nobody there: she comes along whole with her next one, and nobody calls her before."""
    month = Month(
        None,
        None,
        url="",
        sandbox_url="",
        key="",
        tenant=TENANT,
        number=2,
        days=DAYS,
        seed=5,
        begins=BEGINS,
        step=timedelta(hours=1),
    )  # type: ignore[arg-type] # nothing is asked of either
    asked: list[tuple[str, Any]] = []
    answers = iter(
        [
            [
                {"status": 422, "problem": {"errors": []}},
                {"status": 202, "message": {"id": "msg_1", "status": "queued"}},
            ],
            [{"status": 202, "message": {"id": "msg_2", "status": "queued"}}],
        ]
    )

    async def api(_self: Month, _method: str, path: str, body: Any = None) -> Any:
        asked.append((path, body))
        return next(answers) if path.endswith("batch") else {}

    monkeypatch.setattr(Month, "_api", api)
    await month._sent([Send(BEGINS, place, 0) for place in (0, 1)], BEGINS)
    for place in (0, 1):
        await month._called(Call(BEGINS, place, "no_answer"), BEGINS)
    assert [path for path, _ in asked if path.endswith("events")] == ["/v1/contacts/p000001/events"]
    await month._sent([Send(BEGINS, 0, 1)], BEGINS)
    assert isinstance(asked[-1][1][0]["contact"], dict)


def test_people_are_the_same_for_the_same_seed_and_their_numbers_exist_and_are_their_own() -> None:
    first, again, others = people(1, 6_000), people(1, 2_000), people(2, 2_000)
    assert list(first)[:2_000] == again != others
    assert len({who.number for who in first}) == len({who.mail for who in first}) == len(first)
    for who in first:
        assert canonical(Channel.SMS, who.number) == who.number
    assert {channel for who in first for channel in who.channels} == set(CHANNELS)
    assert {who.place.language for who in first} == {"es", "en", "pt"}
    assert json.dumps([who.contact(BEGINS) for who in first[:5]])

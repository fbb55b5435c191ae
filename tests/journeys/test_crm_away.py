"""A CRM that is away for a day, and one that never comes back: everything arrives, in order per person, none twice, nothing lost."""

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from standardwebhooks.webhooks import Webhook

from gateway.notify import GIVE_UP, Notifier
from storage import outbox
from storage.database import Connection
from storage.outbox import EventOut
from tests.campaigns.tally import Tally, counted
from tests.gateway.town import TENANT, Town
from tests.journeys.conftest import Crm
from tests.sizes import CRM_CONTACTS, CRM_EVENTS, seed
from vocabulary.ids import new_uuid

SEED = seed(20261122)


class Days:
    """A clock whose real time is set on at will: a day away must not last one."""

    may_go_back = False

    def __init__(self) -> None:
        self.real = datetime.now(UTC)

    async def now(self, _: Connection) -> tuple[datetime, datetime]:
        """The law's instant and the real one."""
        return self.real, self.real


def _adding(event: EventOut, real: datetime) -> Callable[[Connection], Awaitable[None]]:
    return lambda connection: outbox.add(connection, [event], real)


async def _write(town: Town, clock: Days, chance: random.Random) -> dict[str, list[UUID]]:
    """Events of many people, mixed; per person in order."""
    written: dict[str, list[UUID]] = {}
    for number in range(CRM_EVENTS):
        contact = f"p{chance.randrange(CRM_CONTACTS)}"
        event = EventOut(
            id=new_uuid(),
            tenant=TENANT,
            contact=contact,
            type="message.sent",
            body=f'{{"contact": "{contact}", "n": {number}}}',
            occurred_at=clock.real,
        )
        await town.house.database.run(_adding(event, clock.real))
        written.setdefault(contact, []).append(event.id)
    return written


async def _let_run(notifier: Notifier, clock: Days, span: timedelta, step: timedelta, crm: Crm | None = None) -> None:
    end = clock.real + span
    while clock.real < end:
        while await notifier.round():
            pass
        clock.real += step


async def _endpoint(town: Town, crm: Crm) -> str:
    status, made, _ = await town.call("POST", "/v1/webhooks", {"url": crm.url})
    assert status == 201, made
    return str(made["secret"])


@pytest.mark.campaign
async def test_down_for_a_day_it_gets_everything_in_order_and_nothing_twice(quiet: Town, crm: Crm) -> None:
    with counted("C21", "a CRM away for a day gets everything, in order per person, once", seed=SEED) as tally:
        await _down_for_a_day(quiet, crm, tally)


async def _down_for_a_day(quiet: Town, crm: Crm, tally: Tally) -> None:
    chance = random.Random(SEED)
    clock = Days()
    secret = await _endpoint(quiet, crm)
    notifier = Notifier(database=quiet.house.database, clock=clock, allow_networks=quiet.house.settings.allow_networks)
    try:
        crm.down = True
        written = await _write(quiet, clock, chance)
        await _let_run(notifier, clock, timedelta(days=1), timedelta(minutes=20))
        assert crm.got == []
        assert crm.refused >= CRM_CONTACTS, "the head of every line was tried"
        # Whoever waits in line is not knocked with: of each person one event at a time.
        assert crm.refused < CRM_CONTACTS * 40
        crm.down = False
        await _let_run(notifier, clock, timedelta(hours=12), timedelta(minutes=20))
    finally:
        await notifier.close()
    came = [event["id"] for event in crm.events()]
    assert len(came) == CRM_EVENTS
    assert Counter(came).most_common(1)[0][1] == 1
    order: dict[str, list[int]] = {}
    for event in crm.events():
        order.setdefault(event["data"]["contact"], []).append(event["data"]["n"])
    assert set(order) == set(written)
    for numbers in order.values():
        assert numbers == sorted(numbers)
    for headers, _body in crm.got:
        assert headers["webhook-id"].startswith("evt_")
    _verifies(secret, crm, clock)
    assert await quiet.rows("SELECT FROM crm_delivery WHERE state <> 'delivered'") == []
    tally.trials = CRM_EVENTS
    tally.faults["answered 503"] = crm.refused


def _verifies(secret: str, crm: Crm, clock: Days) -> None:
    """The signature is over the instant of each try; the package's own bound on its age is about its own clock."""
    headers, body = crm.got[0]
    signed_at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    assert timedelta(0) < clock.real - signed_at < timedelta(days=1)
    given = Webhook(secret).sign(headers["webhook-id"], signed_at, body.decode())
    assert given in headers["webhook-signature"].split(" ")


@pytest.mark.campaign
async def test_one_that_never_comes_back_is_parked_after_three_days_and_served_by_hand(quiet: Town, crm: Crm) -> None:
    with counted("C21", "a CRM that never comes back: parked after three days, served by hand", seed=7) as tally:
        await _never_back(quiet, crm, tally)


async def _never_back(quiet: Town, crm: Crm, tally: Tally) -> None:
    clock = Days()
    await _endpoint(quiet, crm)
    crm.down = True
    notifier = Notifier(database=quiet.house.database, clock=clock, allow_networks=quiet.house.settings.allow_networks)
    try:
        await _write(quiet, clock, random.Random(7))
        begun = clock.real
        await _let_run(notifier, clock, GIVE_UP - timedelta(hours=1), timedelta(minutes=30))
        assert await quiet.rows("SELECT FROM crm_delivery WHERE state = 'parked'") == []
        await _let_run(notifier, clock, timedelta(hours=14), timedelta(minutes=30))
        states = await quiet.rows("SELECT state, count(*) AS n, min(tries) AS tries FROM crm_delivery GROUP BY state")
        assert [(row["state"], row["n"]) for row in states] == [("parked", CRM_EVENTS)]
        assert states[0]["tries"] >= 1
        crm.down = False
        assert await notifier.round() == 0
        # One by hand, and then all since the beginning.
        _, listed, _ = await quiet.call("GET", "/v1/webhooks")
        endpoint = listed["items"][0]["id"]
        _, log, _ = await quiet.call("GET", f"/v1/webhooks/{endpoint}/deliveries?limit=1")
        parked = log["items"][0]
        assert (parked["state"], parked["last_status"]) == ("parked", 503)
        status, queued, _ = await quiet.call("POST", f"/v1/webhooks/{endpoint}/deliveries/{parked['id']}/retry")
        assert (status, queued) == (202, {"queued": 1})
        await notifier.round()
        assert [event["id"] for event in crm.events()] == [parked["id"]]
        since = (begun - timedelta(minutes=1)).isoformat()
        status, queued, _ = await quiet.call("POST", f"/v1/webhooks/{endpoint}/replay", {"since": since})
        assert (status, queued["queued"]) == (202, CRM_EVENTS)
        crm.got.clear()
        while await notifier.round():
            pass
        assert len({event["id"] for event in crm.events()}) == CRM_EVENTS == len(crm.got)
    finally:
        await notifier.close()
    tally.trials = CRM_EVENTS
    tally.faults["answered 503"] = crm.refused


@pytest.mark.parametrize("tries", range(1, 30))
def test_gaps_grow_with_full_jitter_and_end_after_three_days(tries: int) -> None:
    real = datetime(2026, 11, 22, tzinfo=UTC)
    given: Any = type(
        "Given", (), {"tries": tries, "first_at": real - timedelta(hours=1), "endpoint": None, "event": None}
    )
    notifier: Any = object.__new__(Notifier)
    gaps = [(notifier._result(given, 503, None, real)[3] - real).total_seconds() for _ in range(400)]
    most = min(36_000.0, 5.0 * 2 ** (tries - 1))
    assert max(gaps) <= max(most, 1.0)
    assert min(gaps) >= 1.0
    if tries > 3:
        assert max(gaps) > most * 0.9
        assert min(gaps) < max(most * 0.1, 1.1)

"""The past asked again knows what was tried by then, where she answered and what she asked for: as dispatch did, by the same code."""

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest

from gateway.audit.backtest import Backtest, Report
from gateway.audit.past import Moment, Policies, choose, explanations, facts_of, moment_of
from gateway.deciding.explain import Explanation, Stand
from storage import messages, past
from storage.database import Connection
from tests.gateway.test_hops import NEXT_WEEK, QUICK, REJECTED, UNDELIVERED, go, in_order, undelivered_by_sms
from tests.gateway.town import TENANT, Town, message, person, town
from vocabulary.ids import parsed


@pytest.fixture
async def post(own_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Town]:
    """A town with SMS and mail, whose worker is the test itself."""
    async with town(own_url, redis_url, tmp_path, pace=QUICK, mail=True) as found:
        yield found


async def again(found: Town) -> Report:
    """Everything that was decided, asked again under the packs of today on both sides."""
    house = found.house
    asked = Backtest(database=house.database, judge=house.judge, law=house.law, readings={})
    report = await asked.run(
        TENANT, datetime.fromisoformat("2026-11-20T00:00:00Z"), datetime.fromisoformat("2027-01-01T00:00:00Z")
    )
    assert report.differ == 0, "both sides are the same packs"
    return report


async def test_a_channel_that_did_not_reach_her_is_asked_no_more(post: Town) -> None:
    identity = await undelivered_by_sms(post)
    await go(post)
    await post.set_clock(NEXT_WEEK)
    await go(post)
    await post.until(identity, "delivered", "read")
    report = await again(post)
    assert (report.decisions, report.unlike_trace.count) == (3, 0)
    _, first, last = await explained(post, identity)
    assert [told.channel for told in first] == ["sms", "email"]
    assert [told.channel for told in last] == ["email"], "SMS was spent by then"


async def test_a_channel_that_was_refused_is_asked_no_more(post: Town) -> None:
    answered = await post.send(in_order(REJECTED))
    await go(post)
    await go(post)
    await post.until(answered["id"], "delivered", "read")
    assert (await again(post)).unlike_trace.count == 0
    *_, last = await explained(post, answered["id"])
    assert [told.channel for told in last] == ["email"]


async def test_where_she_answered_no_other_channel_was_lawful(post: Town) -> None:
    identity = await undelivered_by_sms(post)
    await post.reply("gracias, ya lo vi", UNDELIVERED)
    await post.set_clock(NEXT_WEEK)
    await go(post)
    found = await post.get(identity)
    assert found["decision"]["outcome"] == "deny"
    report = await again(post)
    assert report.unlike_trace.count == 0
    now, *_ = await explained(post, identity)
    assert "HOUSE-STICKY" in [own.rule for told in now for own in told.own], "as it stands now, she answered elsewhere"


async def test_a_stop_that_no_law_knows_is_asked_again_and_told_with_what_it_rests_on(post: Town) -> None:
    contact = {**person("ana", "+5491123456789"), "jurisdictions": ["AR"], "zones": ["America/Argentina/Buenos_Aires"]}
    sent = await post.send(message(contact))
    await go(post)
    await post.until(sent["id"], "delivered")
    await post.set_clock(NEXT_WEEK)
    status, answered, _ = await post.call("POST", "/v1/contacts/ana/events", STOP)
    assert status == 200, answered
    blocked = await post.send(message("ana", debts=["d1"]))
    assert [reason["rule"] for reason in blocked["decision"]["reasons"]] == ["HOUSE-STOP"]
    report = await again(post)
    assert (report.decisions, report.unlike_trace.count) == (2, 0)
    ((now,),) = await explained(post, blocked["id"])
    assert now.own == ()
    (line,) = [line for line in now.lines if line.rule == "HOUSE-STOP"]
    assert line.stand is Stand.BLOCKS
    assert "2026-11-24 13:00" in str(line.observed), "when she said so, by her own clock"
    ((before,),) = await explained(post, blocked["id"], "2026-11-24T10:30:00-05:00")
    assert "HOUSE-STOP" not in [line.rule for line in before.lines], "she had not said it then"


async def test_an_address_that_was_found_to_be_none_later_was_one_then(post: Town) -> None:
    sent = await post.send(message(person("ana")))
    await go(post)
    await post.until(sent["id"], "delivered")
    at = datetime.fromisoformat(NEXT_WEEK)
    await post.rows(
        "INSERT INTO invalid_address (tenant, endpoint, channel, at, provider, code) "
        "SELECT tenant, endpoint, channel, $1, 'x', 'x' FROM address",
        at,
    )
    assert (await again(post)).unlike_trace.count == 0
    ((now,), (then,)) = await explained(post, sent["id"], NEXT_WEEK)
    assert ["HOUSE-ADDRESS" in [own.rule for own in told.own] for told in (now, then)] == [True, False]


STOP = {"type": "consent", "at": "2026-11-24T11:00:00-05:00", "state": "withdrawn", "all": True}


async def explained(found: Town, identity: str, as_of: str | None = None) -> list[list[Explanation]]:
    """What is told of a message by each channel: as it stands now (or stood then), and as each of its attempts was decided."""
    house = found.house
    message = parsed("msg", identity)
    assert message is not None

    async def job(connection: Connection) -> list[list[Explanation]]:
        now, _ = await house.clock.now(connection)
        row = (await messages.get(connection, [message]))[message]
        kept = await past.decisions_of(connection, message)
        at = now if as_of is None else datetime.fromisoformat(as_of)
        moments = [Moment(message=message, at=at, accepting=True)]
        moments += [moment_of(each, row) for each in kept if each.kind == "reserved"]
        policies = Policies(await past.policies(connection, TENANT), house.law)
        told = []
        for facts in await facts_of(connection, TENANT, moments):
            assert facts is not None
            told.append(list(explanations(house.judge, facts, policies, choose(house.judge, facts, policies), "es")))
        return told

    return await house.database.read(job)

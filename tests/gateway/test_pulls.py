"""A stop whose hook was lost is heard by the provider's own list, once; and what every way is doing is shown."""

from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from adapters.kit.port import Hook, Unreadable
from adapters.sms_twilio import TwilioSms
from gateway.compose import dispatcher, receiving
from gateway.pulls import Puller
from storage import hooks
from tests.gateway.town import ANA, PROVIDER, Town, message, number, person
from vocabulary.outcome import CannotTell, Receipt, Reply


def puller(town: Town) -> Puller:
    house = town.house
    return Puller(database=house.database, clock=house.clock, inbox=receiving(house)[0], adapters=house.adapters)


async def withdrawn(town: Town) -> int:
    rows = await town.rows(
        "SELECT count(*) AS n FROM contact_event WHERE type = 'consent' AND detail::text LIKE '%withdrawn%'"
    )
    count = rows[0]["n"]
    assert isinstance(count, int)
    return count


async def replies(town: Town) -> int:
    rows = await town.rows("SELECT count(*) AS n FROM contact_event WHERE type = 'reply'")
    count = rows[0]["n"]
    assert isinstance(count, int)
    return count


async def test_a_stop_whose_hook_was_lost_is_heard_within_the_next_pull(
    quiet: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = await quiet.send(message())

    def lost(_way: TwilioSms, _hook: Hook, /) -> tuple[Receipt | Reply, ...]:
        raise Unreadable("lost")

    with monkeypatch.context() as patched:
        patched.setattr(TwilioSms, "read", lost)
        await quiet.reply("BAJA")
    assert await replies(quiet) == 0
    assert await puller(quiet).pull() == 1
    assert await replies(quiet) == 1
    await dispatcher(quiet.house).round()
    assert (await quiet.get(answered["id"]))["status"] == "blocked"
    assert await quiet.arrived(ANA) == []
    # The spans overlap, and what is known changes nothing.
    assert await puller(quiet).pull() == 1
    assert await replies(quiet) == 1


async def test_what_a_hook_has_told_is_not_told_again(quiet: Town) -> None:
    await quiet.send(message())
    await quiet.reply("mañana pago")
    assert await replies(quiet) == 1
    assert await puller(quiet).pull() == 1
    assert await replies(quiet) == 1


async def test_after_a_long_pause_it_goes_on_from_where_it_stopped(
    quiet: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[datetime, datetime]] = []

    async def pulled(_way: TwilioSms, since: datetime, until: datetime, /) -> tuple[Reply, ...] | CannotTell:
        asked.append((since, until))
        return () if len(asked) != 2 else CannotTell(reason="away")

    monkeypatch.setattr(TwilioSms, "pulled", pulled)
    long_ago = datetime.now(UTC) - timedelta(hours=9)
    await quiet.house.database.run(lambda connection: hooks.pulled(connection, PROVIDER, long_ago))
    await puller(quiet).pull()
    assert asked[0][0] == long_ago - timedelta(minutes=5)
    await puller(quiet).pull()
    await puller(quiet).pull()
    assert asked[2][0] == asked[1][0] == asked[0][1] - timedelta(minutes=5), "what could not be read is read again"


async def test_every_way_is_shown_with_its_last_endings_and_no_person(quiet: Town) -> None:
    await quiet.house.redis.flushall()
    await quiet.fault("throttle", count=1)
    await quiet.send(message(person("p1", number(1))))
    sender = dispatcher(quiet.house)
    await sender.round()
    await sender.drain()
    await sender.round()  # tells what happened
    status, told, _ = await quiet.call("GET", "/v1/ways")
    assert status == 200, told
    (way,) = told["items"]
    assert (way["provider"], way["channel"], way["kind"], way["weight"]) == (PROVIDER, "sms", "twilio", None)
    assert way["state"] in ("resting", "closed")
    assert [(one["ending"], one["reason"]) for one in way["recent"]] == [("not_sent", "throttled")]
    assert number(1) not in str(told)
    async with quiet.session.get(f"{quiet.url}/metrics") as answer:
        assert f'tregua_way_state{{provider="{PROVIDER}"}}' in await answer.text()


async def test_a_provider_that_refuses_our_account_fails_no_message(
    quiet: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    await quiet.house.redis.flushall()
    way = quiet.house.adapters[PROVIDER]
    asked = way._client.http_client  # type: ignore[attr-defined]
    genuine = asked._headers
    asked._headers = {
        **genuine,
        "Authorization": aiohttp.encode_basic_auth("AC" + "0" * 32, "a token that was changed"),
    }
    ids = [(await quiet.send(message(person(f"p{n}", number(n)))))["id"] for n in range(12)]
    sender = dispatcher(quiet.house)
    for _ in range(3):
        await sender.round()
        await sender.drain()
    assert {(await quiet.get(identity))["status"] for identity in ids} == {"queued"}
    _, told, _ = await quiet.call("GET", "/v1/ways")
    assert (told["items"][0]["state"], told["items"][0]["wait_seconds"] > 30) == ("open", True)
    assert told["items"][0]["recent"][0]["reason"] == "our account is refused: 401"
    assert sender.resting() == ["sms"]
    # The operator mends it: all of them go, and none had a try counted against it.
    asked._headers = genuine
    await quiet.house.redis.flushall()
    quiet.start_worker()
    await quiet.advance(timedelta(seconds=5))
    for identity in ids:
        await quiet.until(identity, "delivered")

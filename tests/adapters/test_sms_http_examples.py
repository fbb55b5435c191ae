"""Both tables of docs/channels/sms-http.md, as they stand there, against aggregators that really listen and really call."""

import asyncio
import re
import tomllib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import ClientSession, web

from adapters.kit import transport
from adapters.kit.signing import status_url
from adapters.sms_http import SPEC
from sandbox.app import DOOR, make_app
from sandbox.settings import AggregatorAccount, Settings, TwilioAccount
from vocabulary.channel import Channel
from vocabulary.outcome import (
    Absent,
    CannotTell,
    Found,
    Lost,
    NotSent,
    Outcome,
    Parcel,
    Receipt,
    ReceiptKind,
    Rejected,
    Reply,
    Sent,
    Unknown,
)
from webhooks.intake import routes
from webhooks.port import Ending

PAGE = Path(__file__).resolve().parents[2] / "docs" / "channels" / "sms-http.md"
SECRET = b"marks attempts"
TO = "+573001230000"
NAMES = ["faro", "vereda"]
READ = ["sent", "delivered", "read"]


def described(name: str) -> dict[str, Any]:
    (block,) = [
        block for block in re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.S) if f"[providers.{name}]" in block
    ]
    table = tomllib.loads(block)
    assert set(table) == {"providers"}
    assert set(table["providers"]) == {name}
    return dict(table["providers"][name])


async def until(what: Callable[[], object], seconds: float = 5.0) -> None:
    for _ in range(int(seconds / 0.01)):
        if what():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to be")


@dataclass
class Gateway:
    """An inbox behind the intake."""

    received: list[Receipt | Reply] = field(default_factory=list)
    endings: list[Ending] = field(default_factory=list)

    async def put(self, provider: str, received: Sequence[Receipt | Reply], raw: bytes, /) -> None:
        self.received.extend(received)

    async def keep_unreadable(self, provider: str, kind: str, raw: bytes, /) -> None:
        raise AssertionError(f"unreadable: {raw!r}")

    def count(self, provider: str, ending: Ending, /) -> None:
        self.endings.append(ending)

    def receipts(self) -> list[Receipt]:
        return [one for one in self.received if isinstance(one, Receipt)]

    def words(self) -> list[str]:
        return [one.kind.value for one in self.receipts()]


@dataclass
class World:
    """One described way, the aggregator that it describes, and the telephone."""

    name: str
    table: dict[str, Any]
    public: str
    settings: Settings
    gateway: Gateway = field(default_factory=Gateway)
    adapter: Any = None
    phone: str = ""
    runner: Any = None
    client: Any = None

    async def start(self) -> None:
        app = make_app(self.settings)
        self.runner = web.AppRunner(app, access_log=None)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.phone = f"http://127.0.0.1:{self.runner.addresses[0][1]}/sandbox"
        self.settings = replace(self.settings, carrier_port=app[DOOR].port)

    def parcel(self, to: str = TO, text: str = 'Hola "canary" ñandú €\n{{to}}&a=b') -> Parcel:
        attempt = uuid4()
        url = status_url(self.public, self.name, SECRET, attempt)
        return Parcel(attempt=attempt, channel=Channel.SMS, to=to, text=text, validity_seconds=60, status_url=url)

    async def send(self, to: str = TO) -> Outcome:
        return await self.adapter.send(self.parcel(to))  # type: ignore[no-any-return]

    async def fault(self, fault: str) -> None:
        async with self.client.post(f"{self.phone}/faults", json={"provider": self.name, "fault": fault}) as answer:
            assert answer.status == 200

    async def arrived(self) -> list[dict[str, Any]]:
        async with self.client.get(f"{self.phone}/messages") as answer:
            return await answer.json()  # type: ignore[no-any-return]


@pytest.fixture(params=NAMES)
async def world(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    name = request.param
    monkeypatch.setattr(transport, "CALL_SECONDS", 1.0)
    table = described(name)
    house = web.Application()
    behind: dict[str, Any] = {}
    gateway = Gateway()
    # The routes want the public address, which holds the port: so the port is taken first.
    runner = web.AppRunner(house, access_log=None)
    late: list[web.RouteDef] = []

    async def hooks(asked: web.Request) -> web.StreamResponse:
        kind = asked.match_info.get("kind", "")
        (route,) = [
            route
            for route in late
            if route.method == "POST" and route.path == "/hooks/{provider}" + (f"/{kind}" if kind else "")
        ]
        return await route.handler(asked)  # type: ignore[no-any-return, misc, arg-type, call-arg]

    house.router.add_post("/hooks/{provider}", hooks)
    house.router.add_post("/hooks/{provider}/{kind}", hooks)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    public = f"http://127.0.0.1:{runner.addresses[0][1]}"
    secrets = table["secrets"]
    account = AggregatorAccount(
        provider=name,
        dialect=name,
        secret=secrets["token"] if name == "faro" else secrets["password"],
        user=secrets.get("user", ""),
        hook_key=secrets["hooks"],
        hook_url=f"{public}/hooks/{name}" + ("/inbound" if name == "faro" else ""),
        sender=table["from"],
    )
    twilio = TwilioAccount(provider="t", account_sid="AC1", auth_token="x", number="+15005550006", inbound_url=public)
    settings = Settings(
        directory=tmp_path / "sandbox",
        twilio=twilio,
        aggregators=(account,),
        late_seconds=0.4,
        retry_seconds=(0.05, 0.1, 0.2),
    )
    async with ClientSession() as client:
        world = World(name, table, public, settings, gateway, client=client)
        await world.start()
        # All of which a page can know nothing: where on this machine the aggregator is, and whence it calls.
        table["base_url"] = f"http://127.0.0.1:{world.settings.carrier_port}/{name}"
        if "networks" in table["hooks"]:
            table["hooks"]["networks"] = ["127.0.0.1/32"]
        world.adapter = behind[name] = SPEC.build(name, table, SECRET)
        late.extend(routes(behind, gateway, public, gateway, {name: SPEC.hooks}))
        yield world
        await world.adapter.close()
        await world.runner.cleanup()
    await runner.cleanup()


@pytest.mark.parametrize("name", NAMES)
def test_a_table_of_the_page_starts_as_it_stands(name: str):
    assert SPEC.build(name, described(name), SECRET).name == name


async def test_what_is_sent_arrives_as_it_was_written_and_its_receipts_come_back(world: World):
    parcel = world.parcel("+573001230001")
    ending = await world.adapter.send(parcel)
    assert isinstance(ending, Sent)
    assert ending.provider_id
    assert ending.segments == 1
    (arrived,) = await world.arrived()
    assert (arrived["to"], arrived["from"], arrived["text"]) == (parcel.to, "85432", parcel.text)
    assert (arrived["provider"], arrived["channel"]) == (world.name, "sms")
    await until(lambda: world.gateway.words() == READ)
    assert {(one.attempt, one.provider_id) for one in world.gateway.receipts()} == {
        (parcel.attempt, ending.provider_id)
    }
    assert set(world.gateway.endings) == {Ending.KEPT}


async def test_a_receipt_that_says_no(world: World):
    await world.send("+573001230002")
    await until(lambda: world.gateway.words() == ["sent", "undelivered"])
    assert [one.error_code for one in world.gateway.receipts()] == [None, "27"]


async def test_the_magic_numbers(world: World):
    invalid, opted_out = await world.send("+573001230003"), await world.send("+573001230005")
    assert isinstance(invalid, Rejected)
    assert isinstance(opted_out, Rejected)
    assert (invalid.address_invalid, invalid.opted_out) == (True, False)
    assert (opted_out.address_invalid, opted_out.opted_out) == (False, True)
    assert await world.arrived() == []
    assert isinstance(await world.send("+573001230004"), Unknown)
    assert len(await world.arrived()) == 1


@pytest.mark.parametrize(
    ("fault", "ending", "arrives"),
    [
        ("server_error", Unknown, 0),
        ("throttle", NotSent, 0),
        ("reject", Rejected, 0),
        ("timeout", Unknown, 1),
        ("hang_up", Unknown, 1),
        ("refuse_connection", NotSent, 0),
    ],
)
async def test_a_fault_has_its_ending_and_is_over(world: World, fault: str, ending: type, arrives: int):
    """What arrived at the aggregator is counted there: a GET that broke off has arrived once, not twice."""
    await world.fault(fault)
    assert isinstance(await world.send(), ending)
    assert len(await world.arrived()) == arrives
    async with world.client.delete(f"{world.phone}/faults") as answer:
        assert answer.status == 200
    assert isinstance(await world.send(), Sent)
    assert len(await world.arrived()) == arrives + 1


async def test_a_lost_answer_is_told_by_receipts_or_found(world: World):
    await world.fault("hang_up")
    parcel = world.parcel()
    assert isinstance(await world.adapter.send(parcel), Unknown)
    now = datetime.now(UTC)
    lost = Lost(
        attempt=parcel.attempt,
        to=TO,
        text=parcel.text,
        not_before=now - timedelta(minutes=1),
        not_after=now + timedelta(minutes=1),
    )
    traced = await world.adapter.find(lost)
    if world.name == "faro":
        assert isinstance(traced, Found)
        assert traced.provider_status in {"QUEUED", "SENT", "DELIVERED"}
        assert await world.adapter.find(replace(lost, attempt=uuid4())) == Absent()
    else:
        assert isinstance(traced, CannotTell)
    await until(lambda: world.gateway.words() == ["sent", "delivered"])
    assert {one.attempt for one in world.gateway.receipts()} == {parcel.attempt}


async def test_receipts_before_the_answer_know_their_attempt(world: World):
    await world.fault("early_receipt")
    parcel = world.parcel()
    assert isinstance(await world.adapter.send(parcel), Sent)
    assert world.gateway.words() == ["sent", "delivered"]
    assert {one.attempt for one in world.gateway.receipts()} == {parcel.attempt}


async def test_a_doubled_receipt_has_the_same_key(world: World):
    await world.fault("duplicate_receipt")
    await world.send()
    await until(lambda: len(world.gateway.received) == 4)
    assert len({one.key for one in world.gateway.received}) == 2


async def test_receipts_in_the_wrong_order_and_dropped_ones(world: World):
    await world.fault("reorder_receipts")
    await world.send("+573001230001")
    await until(lambda: len(world.gateway.received) == 3)
    assert world.gateway.words() == READ[::-1]
    await world.fault("drop_receipt")
    await world.send()
    await asyncio.sleep(0.2)
    assert len(world.gateway.received) == 3


async def test_a_forged_receipt_is_refused_and_not_kept(world: World):
    await world.fault("forged_receipt")
    await world.send()
    await until(lambda: len(world.gateway.endings) == 3)
    assert world.gateway.endings.count(Ending.FORGED) == 1
    assert ReceiptKind.READ not in {one.kind for one in world.gateway.receipts()}


@pytest.mark.parametrize("text", ["BAJA", "no más, ya pagué 😀", "a=b&c={{text}}\n\"'", "STOP\u200b"])
async def test_the_person_answers_the_way_she_was_written_to(world: World, text: str):
    await world.send()
    async with world.client.post(f"{world.phone}/reply", json={"channel": "sms", "from": TO, "text": text}) as answer:
        told = await answer.json()
        assert (answer.status, told["hook"]) == (200, {"status": 200, "taken": True})
    (reply,) = [one for one in world.gateway.received if isinstance(one, Reply)]
    assert (reply.sender, reply.text, reply.recipient, reply.key) == (TO, text, "85432", told["id"])


async def test_who_was_never_written_to_answers_the_carrier_of_the_channel(world: World):
    async with world.client.post(f"{world.phone}/reply", json={"channel": "sms", "from": TO, "text": "x"}) as answer:
        assert (await answer.json())["id"].startswith("SM")


async def test_wrong_credentials_are_refused(world: World):
    table = {**world.table, "secrets": {name: f"{value}x" for name, value in world.table["secrets"].items()}}
    stranger = SPEC.build(world.name, table, SECRET)
    assert isinstance(await stranger.send(world.parcel()), Rejected)
    await stranger.close()
    assert await world.arrived() == []


async def test_it_remembers_over_a_restart_and_tells_what_was_left_untold(world: World):
    await world.fault("late_receipt")
    await world.send()
    await world.runner.cleanup()
    assert world.gateway.received == []
    await world.start()
    await until(lambda: len(world.gateway.received) == 2)
    assert len(await world.arrived()) == 1


async def test_a_message_that_waits_longer_than_it_may_is_never_sent(world: World):
    await world.runner.cleanup()
    world.settings = replace(world.settings, queue_seconds=1.1)
    await world.start()
    await world.adapter.send(replace(world.parcel(), validity_seconds=1))
    await until(lambda: world.gateway.words() == ["failed"])

"""The simulated calls, by the real adapter and the real intake: endings, detection, keys, faults, and a memory that lasts."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import ClientSession, web

from adapters.kit.signing import inbound_url, status_url
from adapters.kit.testing import loopback_only
from adapters.voice_twilio import TwilioVoice, settings
from sandbox.app import DOOR, make_app
from sandbox.settings import Settings, TwilioAccount, VoiceAccount
from sandbox.truth import FILE_NAME
from sandbox.voice_words import read_document
from tests.sandbox.conftest import ACCOUNT, NUMBER, SECRET, TOKEN, Checked, Gateway, until
from vocabulary.channel import Channel
from vocabulary.event import ContactOutcome
from vocabulary.outcome import (
    Absent,
    Found,
    Lost,
    Note,
    NotSent,
    Outcome,
    Parcel,
    Receipt,
    Rejected,
    Reply,
    Sent,
    Unknown,
)
from webhooks.intake import routes
from webhooks.port import Ending

PERSON = "+573001230000"
SOUND = b"OggS" + bytes(2000)


class Line:
    """A sandbox that calls, in front of the real adapter behind the real intake."""

    def __init__(self, client: ClientSession, folder: Path) -> None:
        self.client = client
        self.gateway = Gateway()
        self.transport = Checked(call_seconds=1.5)
        self.folder = folder
        self.fetched = 0
        self.public = ""
        self.sandbox = ""
        self.settings: Settings
        self.adapter: TwilioVoice
        self.runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = make_app(self.settings, clock=self.gateway, set_clock=self.gateway.set_clock)
        self.runner = web.AppRunner(app, access_log=None)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.sandbox = f"http://127.0.0.1:{self.runner.addresses[0][1]}"
        # A restart comes back to the same door.
        self.settings = replace(self.settings, carrier_port=app[DOOR].port)

    async def stop(self) -> None:
        assert self.runner is not None
        await self.runner.cleanup()

    async def call(self, to: str = PERSON, **more: Any) -> Outcome:
        attempt = uuid4()
        whole = Parcel(
            attempt=attempt,
            channel=Channel.VOICE,
            to=to,
            text="Hola ñandú",
            note=Note(url=f"{self.public}/media/a-note", audio=SOUND, seconds=3.0),
            validity_seconds=60,
            status_url=status_url(self.public, "way-one", SECRET, attempt),
        )
        return await self.adapter.send(replace(whole, **more))

    async def post(self, path: str, told: object) -> tuple[int, Any]:
        async with self.client.post(self.sandbox + path, json=told) as answer:
            return answer.status, await answer.json(content_type=None)

    async def expect(self, ending: str) -> None:
        assert (await self.post("/sandbox/calls", {"to": PERSON, "ending": ending}))[0] == 200

    async def press(self, text: str) -> dict[str, Any]:
        status, told = await self.post("/sandbox/reply", {"channel": "voice", "from": PERSON, "text": text})
        assert status == 200, told
        assert isinstance(told, dict)
        return told

    def results(self) -> list[ContactOutcome | None]:
        return [one.result for one in self.gateway.received if isinstance(one, Receipt)]

    def truth(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / FILE_NAME).read_text().splitlines()]


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    async with loopback_only(), ClientSession() as client:
        found = Line(client, tmp_path / "sandbox")
        ways: dict[str, Any] = {}
        late: list[Any] = []

        async def hooks(request: web.Request) -> web.StreamResponse:
            return await late[request.path.endswith("inbound")](request)  # type: ignore[no-any-return]

        async def sound(_request: web.Request) -> web.StreamResponse:
            found.fetched += 1
            return web.Response(body=SOUND, content_type="audio/ogg")

        house = web.Application()
        house.router.add_post("/hooks/{provider}/{kind}", hooks)
        house.router.add_get("/media/a-note", sound)
        runner = web.AppRunner(house, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        found.public = f"http://127.0.0.1:{runner.addresses[0][1]}"
        hook = inbound_url(found.public, "way-one")
        account = VoiceAccount(
            provider="way-one", account_sid=ACCOUNT, auth_token=TOKEN, number=NUMBER, inbound_url=hook
        )
        found.settings = Settings(
            directory=found.folder,
            twilio=TwilioAccount(
                provider="sms-one", account_sid=ACCOUNT, auth_token=TOKEN, number=NUMBER, inbound_url=hook
            ),
            voice=account,
            late_seconds=0.3,
            retry_seconds=(0.05, 0.1, 0.2),
        )
        await found.start()
        table = {"account_sid": ACCOUNT, "auth_token": TOKEN, "from": NUMBER, "caller": "C1"}
        table["base_url"] = f"http://127.0.0.1:{found.settings.carrier_port}"
        found.adapter = ways["way-one"] = TwilioVoice("way-one", settings("way-one", table), SECRET, found.transport)
        late.extend(route.handler for route in routes(ways, found.gateway, found.public, found.gateway))
        yield found
        await found.adapter.close()
        await found.stop()
        await runner.cleanup()


async def test_a_call_rings_is_answered_played_and_told(line: Line) -> None:
    ending = await line.call()
    assert isinstance(ending, Sent)
    await until(lambda: line.gateway.words() == ["initiated", "ringing", "in-progress", "completed"])
    assert line.results()[-1] is ContactOutcome.CONNECTED
    assert line.fetched == 1
    async with line.client.get(f"{line.sandbox}/sandbox/messages?channel=voice") as answer:
        (shown,) = await answer.json()
    assert shown["audio_url"] == f"{line.public}/media/a-note"
    assert shown["text"].startswith("Llamada de C1.")
    # Every exchange was held against Twilio's own description, the look-up of one call too.
    assert line.transport.checked == 1
    assert isinstance(ending.provider_id, str)
    url = f"http://127.0.0.1:{line.settings.carrier_port}/2010-04-01/Accounts/{ACCOUNT}/Calls/{ending.provider_id}.json"
    basic = {"Authorization": aiohttp.encode_basic_auth(ACCOUNT, TOKEN)}
    await line.transport.exchange("GET", url, headers=basic)
    assert line.transport.checked == 2


ENDINGS = [
    ("busy", ["initiated", "busy"], ContactOutcome.NOT_CONNECTED),
    ("no-answer", ["initiated", "ringing", "no-answer"], ContactOutcome.NO_ANSWER),
    ("failed", ["initiated", "failed"], ContactOutcome.NOT_CONNECTED),
    ("voicemail", ["initiated", "ringing", "in-progress", "completed"], ContactOutcome.VOICEMAIL_LEFT),
    ("voicemail-full", ["initiated", "ringing", "in-progress", "completed"], ContactOutcome.VOICEMAIL_REACHED),
]


@pytest.mark.parametrize(("ending", "words", "result"), ENDINGS, ids=[ending for ending, *_ in ENDINGS])
async def test_a_call_may_go_otherwise(line: Line, ending: str, words: list[str], result: ContactOutcome) -> None:
    await line.expect(ending)
    await line.call()
    await until(lambda: line.gateway.words() == words)
    assert line.results()[-1] is result
    assert line.fetched == (ending == "voicemail")
    # The next one is answered again.
    await line.call()
    await until(lambda: line.gateway.words()[len(words) :] == ["initiated", "ringing", "in-progress", "completed"])


@pytest.mark.parametrize(
    ("digits", "kind"), [("0003", Rejected), ("0004", Unknown), ("0005", Rejected)], ids=["0003", "0004", "0005"]
)
async def test_magic_digits(line: Line, digits: str, kind: type) -> None:
    ending = await line.call(f"+57300123{digits}")
    assert isinstance(ending, kind)
    if isinstance(ending, Rejected):
        assert (ending.opted_out, ending.address_invalid) == (digits == "0005", digits == "0003")
    assert line.gateway.received == []


async def test_a_call_that_was_swallowed_is_in_no_list_and_one_that_hung_up_is(line: Line) -> None:
    began = datetime.now(UTC) - timedelta(seconds=1)

    def lost(to: str) -> Lost:
        return Lost(attempt=uuid4(), to=to, text="", not_before=began, not_after=began + timedelta(seconds=60))

    assert isinstance(await line.call("+573001230004"), Unknown)
    assert isinstance(await line.adapter.find(lost("+573001230004")), Absent)
    assert (await line.post("/sandbox/faults", {"provider": "way-one", "fault": "hang_up"}))[0] == 200
    assert isinstance(await line.call(), Unknown)
    assert isinstance(await line.adapter.find(lost(PERSON)), Found)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("server_error", Unknown), ("throttle", NotSent), ("reject", Rejected), ("timeout", Unknown)],
)
async def test_faults_of_the_call(line: Line, fault: str, kind: type) -> None:
    await line.post("/sandbox/faults", {"provider": "twilio_voice", "fault": fault})
    assert isinstance(await line.call(), kind)
    assert isinstance(await line.call(), Sent)


async def test_faults_of_what_is_told(line: Line) -> None:
    for fault in ("duplicate_receipt", "reorder_receipts", "forged_receipt"):
        await line.post("/sandbox/faults", {"provider": "way-one", "fault": fault})
    await line.call()
    words = ["completed", "completed", "in-progress", "in-progress", "ringing", "ringing", "initiated", "initiated"]
    await until(lambda: line.gateway.words() == words)
    assert line.gateway.endings.count(Ending.FORGED) == 1


async def test_keys_and_words_go_where_the_call_waits_and_else_in_a_call_back(line: Line) -> None:
    await line.call()
    await until(lambda: "completed" in line.gateway.words())
    assert (await line.press("1"))["hook"] == {"status": 200, "taken": True}
    assert line.fetched == 2
    assert line.gateway.replies() == []
    await line.press("2")
    assert [reply.text for reply in line.gateway.replies()] == ["Llámenme"]
    await line.press("no me llamen más")
    hers = line.gateway.replies()[1:]
    assert [(reply.calls, reply.text, reply.sender) for reply in hers] == [
        (True, "", PERSON),
        (False, "no me llamen más", PERSON),
    ]


async def test_who_was_never_called_calls_and_presses(line: Line) -> None:
    await line.press("9")
    assert [(reply.calls, reply.text) for reply in line.gateway.replies()] == [(True, ""), (False, "BAJA")]


async def test_0001_listens_and_presses_a_key(line: Line) -> None:
    await line.call("+573001230001")
    await until(lambda: ContactOutcome.CONVERSATION in line.results())


async def test_what_reached_it_survives_a_restart(line: Line) -> None:
    await line.call()
    await until(lambda: "completed" in line.gateway.words())
    await line.stop()
    await line.start()
    assert (await line.press("9"))["hook"]["taken"]
    assert isinstance(line.gateway.received[-1], Reply)
    assert line.truth()[-1]["type"] == "reply"


@pytest.mark.parametrize(
    "document",
    [
        "",
        "<Response>",
        "<Other/>",
        "<Response><Dial>+57300</Dial></Response>",
        '<!DOCTYPE x [<!ENTITY a "aaaa">]><Response/>',
    ],
)
def test_a_document_that_is_not_understood_is_refused(document: str) -> None:
    with pytest.raises(ValueError, match=r"XML|Response|verb|declaration"):
        read_document(document)


@pytest.mark.parametrize(
    "told",
    [{"to": "5550006", "ending": "busy"}, {"to": PERSON, "ending": "hungry"}, {"to": PERSON}, {"to": PERSON, "ending": "busy", "count": 0}],
)  # fmt: skip
async def test_an_ending_that_cannot_be_is_named(line: Line, told: dict[str, Any]) -> None:
    assert (await line.post("/sandbox/calls", told))[0] == 422

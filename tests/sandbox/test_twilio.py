"""The simulated Twilio, by the real adapter and the real intake: endings, statuses, faults, list, and a memory that lasts."""

import asyncio
import base64
import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from aiohttp.test_utils import make_mocked_request

from sandbox.truth import FILE_NAME, Truth
from sandbox.twilio_account import page
from sandbox.twilio_words import TwilioError
from tests.sandbox.conftest import ACCOUNT, NUMBER, TOKEN, Sandboxed, until
from vocabulary.outcome import About, Absent, Found, Lost, NotSent, Receipt, Rejected, Sent, Unknown
from webhooks.port import Ending

BASE = f"/2010-04-01/Accounts/{ACCOUNT}/Messages"


async def arrived(sandboxed: Sandboxed, to: str = "+573001230000") -> list[dict[str, Any]]:
    found = await sandboxed.get(f"/sandbox/messages?to=%2B{to[1:]}&channel=sms")
    assert isinstance(found, list)
    return found


def truth(sandboxed: Sandboxed) -> list[dict[str, Any]]:
    path = sandboxed.settings.directory / FILE_NAME
    return [json.loads(line) for line in path.read_text().splitlines()]


# Endings by the last digits


async def test_an_ordinary_number_is_delivered(sandboxed: Sandboxed):
    ending = await sandboxed.send()
    assert isinstance(ending, Sent)
    assert (ending.provider_status, ending.segments) == ("queued", 1)
    await until(lambda: sandboxed.gateway.words() == ["sent", "delivered"])
    receipts = [one for one in sandboxed.gateway.received if isinstance(one, Receipt)]
    assert {one.provider_id for one in receipts} == {ending.provider_id}
    assert {one.error_code for one in receipts} == {None}
    (message,) = await arrived(sandboxed)
    assert datetime.fromisoformat(message.pop("at")).utcoffset() is not None
    assert message == {
        "channel": "sms",
        "provider": "twilio-main",
        "to": "+573001230000",
        "from": NUMBER,
        "text": "Hola ñandú €",
        "audio_url": None,
    }


async def test_0001_is_delivered_and_read(sandboxed: Sandboxed):
    assert isinstance(await sandboxed.send("+573001230001"), Sent)
    await until(lambda: sandboxed.gateway.words() == ["sent", "delivered", "read"])


async def test_0002_is_undelivered_for_a_reason_that_is_not_the_number(sandboxed: Sandboxed):
    assert isinstance(await sandboxed.send("+573001230002"), Sent)
    await until(lambda: sandboxed.gateway.words() == ["sent", "undelivered"])
    last = sandboxed.gateway.received[-1]
    assert isinstance(last, Receipt)
    assert (last.error_code, last.address_invalid) == ("30003", False)


async def test_0003_is_rejected_and_never_arrives(sandboxed: Sandboxed):
    ending = await sandboxed.send("+573001230003")
    assert isinstance(ending, Rejected)
    assert (ending.code, ending.address_invalid) == ("21612", False)
    assert await arrived(sandboxed, "+573001230003") == []
    assert [(line["type"], line["code"]) for line in truth(sandboxed)] == [("refused", 21612)]


async def test_0004_never_answers_tells_nothing_and_is_in_no_list(sandboxed: Sandboxed):
    began = datetime.now(UTC)
    assert isinstance(await sandboxed.send("+573001230004"), Unknown)
    await asyncio.sleep(0.3)
    assert sandboxed.gateway.received == []
    assert len(await arrived(sandboxed, "+573001230004")) == 1
    parcel = sandboxed.parcel("+573001230004")
    lost = Lost(attempt=parcel.attempt, to=parcel.to, text=parcel.text, not_before=began, not_after=datetime.now(UTC))
    assert await sandboxed.adapter.find(lost) == Absent()


async def test_0005_has_told_the_carrier_to_stop(sandboxed: Sandboxed):
    ending = await sandboxed.send("+573001230005")
    assert isinstance(ending, Rejected)
    assert (ending.code, ending.opted_out) == ("21610", True)


async def test_a_message_that_waits_longer_than_its_validity_fails_and_never_leaves(sandboxed: Sandboxed):
    await sandboxed.stop()
    await sandboxed.start(queue_seconds=1.1)
    assert isinstance(await sandboxed.send(validity_seconds=1), Sent)
    await until(lambda: sandboxed.gateway.words() == ["failed"])
    last = sandboxed.gateway.received[-1]
    assert isinstance(last, Receipt)
    assert last.error_code == "30036"


# What Twilio answers to what it does not like


def form(**told: str) -> dict[str, str]:
    return {"To": "+573001230000", "From": NUMBER, "Body": "x"} | told


REFUSALS = [
    (form(To=""), 400, 21604),
    (form(From=""), 400, 21603),
    (form(Body=""), 400, 21602),
    (form(Body="x" * 1601), 400, 21617),
    (form(To="573001230000"), 400, 21211),
    (form(To="+57300123000a"), 400, 21211),
    (form(To=NUMBER), 400, 21266),
    (form(From="+15005550009"), 400, 21606),
    (form(MessagingServiceSid="MG1"), 400, 21701),
    (form(ValidityPeriod="0"), 400, 90007),
    (form(ValidityPeriod="36001"), 400, 90007),
    (form(ValidityPeriod="x"), 400, 90007),
    (form(StatusCallback="nowhere"), 400, 21609),
    (form(StatusCallback="ftp://x.example"), 400, 21609),
]


async def ask(sandboxed: Sandboxed, method: str, path: str, user: str = ACCOUNT, word: str = TOKEN, **more: Any) -> Any:
    basic = base64.b64encode(f"{user}:{word}".encode()).decode()
    async with sandboxed.client.request(
        method,
        f"http://127.0.0.1:{sandboxed.carrier_port}{path}",
        headers={"Authorization": f"Basic {basic}"},
        **more,
    ) as answer:
        return answer.status, await answer.json()


@pytest.mark.parametrize(("told", "status", "code"), REFUSALS)
async def test_refusals(sandboxed: Sandboxed, told: dict[str, str], status: int, code: int):
    answered, problem = await ask(sandboxed, "POST", f"{BASE}.json", data=told)
    assert (answered, problem["code"], problem["status"]) == (status, code, status)
    assert problem["more_info"] == f"https://www.twilio.com/docs/errors/{code}"
    assert await arrived(sandboxed) == []


@pytest.mark.parametrize(("user", "word"), [(ACCOUNT, "other"), ("ACx", TOKEN), ("", ""), (ACCOUNT, "é")])
async def test_strangers_are_not_let_in(sandboxed: Sandboxed, user: str, word: str):
    for method, path in (("POST", f"{BASE}.json"), ("GET", f"{BASE}.json"), ("GET", f"{BASE}/SM{'0' * 32}.json")):
        status, problem = await ask(sandboxed, method, path, user, word, data=form() if method == "POST" else None)
        assert (status, problem["code"]) == (401, 20003)
    other = BASE.replace(ACCOUNT, "AC" + "f" * 32)
    assert (await ask(sandboxed, "GET", f"{other}.json"))[0] == 401


async def test_a_message_is_fetched_as_it_stands(sandboxed: Sandboxed):
    ending = await sandboxed.send()
    assert isinstance(ending, Sent)
    await until(lambda: sandboxed.gateway.words() == ["sent", "delivered"])
    status, message = await ask(sandboxed, "GET", f"{BASE}/{ending.provider_id}.json")
    assert (status, message["status"], message["direction"]) == (200, "delivered", "outbound-api")
    assert message["date_sent"] is not None
    assert (await ask(sandboxed, "GET", f"{BASE}/SM{'0' * 32}.json"))[1]["code"] == 20404


async def test_the_list_is_filtered_paged_and_newest_first(sandboxed: Sandboxed):
    for index in range(7):
        assert isinstance(await sandboxed.send(f"+57300123{index % 2}100", text=f"n {index}"), Sent)
    await until(lambda: len(sandboxed.gateway.words()) == 14)
    read, path = [], f"{BASE}.json?To=%2B573001230100&PageSize=3"
    while path:
        status, page = await ask(sandboxed, "GET", path)
        assert status == 200
        assert len(page["messages"]) <= 3
        read += [message["body"] for message in page["messages"]]
        path = page["next_page_uri"]
        # What arrives meanwhile does not shift the pages.
        await sandboxed.send("+573001230100", text="later")
    assert read == ["n 6", "n 4", "n 2", "n 0"]
    today = datetime.now(UTC).date()
    for name, day, expected in [
        ("DateSent%3E", today, True),
        ("DateSent%3C", today, True),
        ("DateSent", today, True),
        ("DateSent%3E", today + timedelta(days=1), False),
        ("DateSent%3C", today - timedelta(days=1), False),
        ("DateSent", today - timedelta(days=1), False),
    ]:
        _, page = await ask(sandboxed, "GET", f"{BASE}.json?To=%2B573001231100&{name}={day}")
        assert bool(page["messages"]) is expected
    assert (await ask(sandboxed, "GET", f"{BASE}.json?DateSent=yesterday"))[1]["code"] == 20001
    assert (await ask(sandboxed, "GET", f"{BASE}.json?From=%2B15005550006&PageSize=1000"))[1]["messages"]
    assert (await ask(sandboxed, "GET", f"{BASE}.json?From=%2B1&PageSize=1000"))[1]["messages"] == []


def test_no_more_of_a_list_is_looked_at_than_its_page_shows():
    kept = {f"SM{n:032x}": {"sid": f"SM{n:032x}", "n": n} for n in range(1_000)}
    looked: list[int] = []

    def even(resource: Mapping[str, Any]) -> bool:
        looked.append(resource["n"])
        return bool(resource["n"] % 2 == 0)

    def asked(**query: str) -> Any:
        looked.clear()
        request = make_mocked_request("GET", "/list.json?" + urlencode(query))
        read = json.loads(page(request, "messages", kept, even, lambda resource: {"told": resource["n"]}).body)
        return read, parse_qs(urlsplit(read["next_page_uri"] or "").query)

    first, following = asked(PageSize="3")
    assert first["messages"] == [{"told": 998}, {"told": 996}, {"told": 994}]
    assert looked == [999, 998, 997, 996, 995, 994, 993, 992], "as far as tells whether there is another page"
    second, _ = asked(**{name: value for name, (value,) in following.items()})
    assert (second["start"], second["end"]) == (3, 5)
    assert second["messages"] == [{"told": 992}, {"told": 990}, {"told": 988}]
    assert looked[0] == 993, "what was shown before is passed over unseen"
    last, following = asked(PageSize="1000")
    assert (len(last["messages"]), last["next_page_uri"], following) == (500, None, {})
    with pytest.raises(TwilioError):
        asked(PageSize="3", PageToken="PASM" + "f" * 32)


# Faults


async def test_a_lost_answer_is_unknown_and_its_receipts_tell_later(sandboxed: Sandboxed):
    for fault in ("timeout", "hang_up"):
        sandboxed.gateway.received.clear()
        await sandboxed.fault(fault)
        assert isinstance(await sandboxed.send(), Unknown)
        assert sandboxed.gateway.received == []
        await until(lambda: sandboxed.gateway.words() == ["sent", "delivered"])
    assert len(await arrived(sandboxed)) == 2
    assert isinstance(await sandboxed.send(), Sent)


async def test_what_was_lost_with_its_receipts_is_found_in_the_list(sandboxed: Sandboxed):
    await sandboxed.fault("hang_up")
    await sandboxed.fault("drop_receipt")
    began = datetime.now(UTC)
    parcel = sandboxed.parcel(text="lost and found")
    assert isinstance(await sandboxed.adapter.send(parcel), Unknown)
    await asyncio.sleep(0.5)
    assert sandboxed.gateway.received == []
    lost = Lost(attempt=parcel.attempt, to=parcel.to, text=parcel.text, not_before=began, not_after=datetime.now(UTC))
    found = await sandboxed.adapter.find(lost)
    assert isinstance(found, Found)
    assert found.provider_status == "delivered"
    assert await sandboxed.adapter.find(replace(lost, taken=frozenset({found.provider_id}))) == Absent()


async def test_a_shut_door_refuses_and_opens_again(sandboxed: Sandboxed):
    assert isinstance(await sandboxed.send(), Sent)
    await sandboxed.fault("refuse_connection", seconds=0.4)
    assert isinstance(await sandboxed.send(), NotSent)
    assert isinstance(await sandboxed.send(), NotSent)
    await asyncio.sleep(0.5)
    assert isinstance(await sandboxed.send(), Sent)
    assert len(await arrived(sandboxed)) == 2


async def test_a_shut_door_opens_when_every_fault_is_taken_back(sandboxed: Sandboxed):
    await sandboxed.fault("refuse_connection", seconds=600)
    assert isinstance(await sandboxed.send(), NotSent)
    async with sandboxed.client.delete(f"http://127.0.0.1:{sandboxed.port}/sandbox/faults") as answer:
        assert answer.status == 200
    assert isinstance(await sandboxed.send(), Sent)


async def test_a_shut_door_lets_calls_under_way_end(sandboxed: Sandboxed):
    await sandboxed.stop()
    await sandboxed.start(answer_seconds=0.2)
    sending = asyncio.create_task(sandboxed.send())
    await asyncio.sleep(0.1)
    await sandboxed.fault("refuse_connection", seconds=1)
    assert isinstance(await sending, Sent)


@pytest.mark.parametrize(("fault", "ending"), [("server_error", Unknown), ("throttle", NotSent), ("reject", Rejected)])
async def test_a_fault_in_the_answer_strikes_as_often_as_asked(sandboxed: Sandboxed, fault: str, ending: type):
    await sandboxed.fault(fault, count=2)
    endings = [await sandboxed.send() for _ in range(3)]
    assert [type(one) for one in endings] == [ending, ending, Sent]
    assert len(await arrived(sandboxed)) == 1
    if fault == "throttle":
        assert endings[0] == NotSent(reason="throttled", retry_after_seconds=1.0, about=About.PACE)
    if fault == "reject":
        assert isinstance(endings[0], Rejected)
        assert (endings[0].opted_out, endings[0].address_invalid) == (False, False)


async def test_a_fault_may_last_for_seconds(sandboxed: Sandboxed):
    await sandboxed.fault("throttle", seconds=0.3)
    assert isinstance(await sandboxed.send(), NotSent)
    await asyncio.sleep(0.35)
    assert isinstance(await sandboxed.send(), Sent)


async def test_a_duplicate_receipt_has_the_same_key(sandboxed: Sandboxed):
    await sandboxed.fault("duplicate_receipt")
    await sandboxed.send()
    await until(lambda: sandboxed.gateway.words() == ["sent", "sent", "delivered", "delivered"])
    assert len({one.key for one in sandboxed.gateway.received}) == 2


async def test_receipts_come_in_the_wrong_order(sandboxed: Sandboxed):
    await sandboxed.fault("reorder_receipts")
    await sandboxed.send("+573001230001")
    await until(lambda: sandboxed.gateway.words() == ["read", "delivered", "sent"])


async def test_receipts_come_late_but_the_list_knows(sandboxed: Sandboxed):
    await sandboxed.fault("late_receipt")
    ending = await sandboxed.send()
    assert isinstance(ending, Sent)
    await asyncio.sleep(0.15)
    assert sandboxed.gateway.received == []
    assert (await ask(sandboxed, "GET", f"{BASE}/{ending.provider_id}.json"))[1]["status"] == "delivered"
    await until(lambda: sandboxed.gateway.words() == ["sent", "delivered"])


async def test_receipts_come_before_the_answer(sandboxed: Sandboxed):
    await sandboxed.fault("early_receipt")
    assert isinstance(await sandboxed.send(), Sent)
    assert sandboxed.gateway.words() == ["sent", "delivered"]


async def test_a_forged_receipt_says_more_than_is_true_and_is_refused(sandboxed: Sandboxed):
    await sandboxed.fault("forged_receipt")
    await sandboxed.send()
    await until(lambda: sandboxed.gateway.words() == ["sent", "delivered"])
    assert sandboxed.gateway.endings == [Ending.FORGED, Ending.KEPT, Ending.KEPT]
    assert [line["answered"] for line in truth(sandboxed) if line["type"] == "hook" and line["forged"]] == [403]


async def test_dropped_receipts_never_come(sandboxed: Sandboxed):
    await sandboxed.fault("drop_receipt")
    await sandboxed.send()
    await sandboxed.send()
    await until(lambda: sandboxed.gateway.words() == ["sent", "delivered"])
    await asyncio.sleep(0.2)
    assert len(sandboxed.gateway.received) == 2


async def test_a_receipt_that_is_not_taken_is_told_again(sandboxed: Sandboxed):
    sandboxed.gateway.away = True
    await sandboxed.send()
    await until(lambda: len(sandboxed.gateway.endings) >= 3)
    sandboxed.gateway.away = False
    await until(lambda: sorted(sandboxed.gateway.words()) == ["delivered", "sent"])


async def test_receipts_are_not_told_for_ever(sandboxed: Sandboxed):
    sandboxed.gateway.away = True
    await sandboxed.send()
    # Two receipts, each told once and then four times more.
    await until(lambda: len(sandboxed.gateway.endings) == 10)
    await asyncio.sleep(0.6)
    assert len(sandboxed.gateway.endings) == 10


# The person answers


async def test_a_reply_is_told_signed_and_remembered(sandboxed: Sandboxed):
    await sandboxed.send()
    status, told = await sandboxed.post("/sandbox/reply", {"channel": "sms", "from": "+573001230000", "text": "BAJA ñ"})
    assert (status, told["hook"]) == (200, {"status": 200, "taken": True})
    (reply,) = sandboxed.gateway.replies()
    assert (reply.sender, reply.recipient, reply.text, reply.key) == ("+573001230000", NUMBER, "BAJA ñ", told["id"])
    _, message = await ask(sandboxed, "GET", f"{BASE}/{told['id']}.json")
    assert (message["direction"], message["status"], message["from"]) == ("inbound", "received", "+573001230000")
    assert len(await arrived(sandboxed)) == 1


async def test_a_reply_that_is_not_taken_is_told_again(sandboxed: Sandboxed):
    sandboxed.gateway.away = True
    _, told = await sandboxed.post("/sandbox/reply", {"channel": "sms", "from": "+573001230000", "text": "STOP"})
    assert told["hook"] == {"status": 503, "taken": False}
    sandboxed.gateway.away = False
    await until(lambda: [reply.text for reply in sandboxed.gateway.replies()] == ["STOP"])


# Its memory


async def test_it_remembers_over_a_restart(sandboxed: Sandboxed):
    ending = await sandboxed.send("+573001230002")
    assert isinstance(ending, Sent)
    await sandboxed.post("/sandbox/reply", {"channel": "sms", "from": "+573001230000", "text": "hola"})
    await until(lambda: len(sandboxed.gateway.words()) == 2)
    before = await arrived(sandboxed, "+573001230002")
    _, listed = await ask(sandboxed, "GET", f"{BASE}.json")
    await sandboxed.stop()
    await sandboxed.start()
    assert await arrived(sandboxed, "+573001230002") == before
    assert (await ask(sandboxed, "GET", f"{BASE}.json"))[1]["messages"] == listed["messages"]
    await asyncio.sleep(0.1)
    assert len(sandboxed.gateway.words()) == 2


async def test_receipts_that_a_restart_cut_off_are_told_after_it(sandboxed: Sandboxed):
    await sandboxed.fault("late_receipt")
    assert isinstance(await sandboxed.send(), Sent)
    await asyncio.sleep(0.05)
    await sandboxed.stop()
    assert sandboxed.gateway.received == []
    await sandboxed.start()
    await until(lambda: sandboxed.gateway.words() == ["sent", "delivered"])


async def test_a_line_cut_in_the_middle_spoils_only_itself(sandboxed: Sandboxed):
    await sandboxed.send()
    await until(lambda: len(sandboxed.gateway.words()) == 2)
    await sandboxed.stop()
    path = sandboxed.settings.directory / FILE_NAME
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"type":"arrived","to":"+57')
    await sandboxed.start()
    assert isinstance(await sandboxed.send(), Sent)
    assert len(await arrived(sandboxed)) == 2
    await sandboxed.stop()
    await sandboxed.start()
    assert len(await arrived(sandboxed)) == 2
    assert path.read_bytes().startswith(whole)
    assert path.stat().st_mode & 0o077 == 0


WRITER = """
import sys
from pathlib import Path
from sandbox.truth import Truth
truth = Truth(Path(sys.argv[1]))
for number in range(10**9):
    truth.append({"type": "refused", "number": number, "real": "", "padding": "x" * 500})
    print(number, flush=True)
"""


async def test_a_killed_carrier_forgets_nothing_that_it_answered_for(tmp_path: Path):
    for _ in range(3):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            WRITER,
            str(tmp_path),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": "."},
        )
        assert process.stdout is not None
        said = [int(await process.stdout.readline()) for _ in range(200)]
        process.send_signal(signal.SIGKILL)
        rest, _ = await process.communicate()
        said += [int(number) for number in rest.split(b"\n")[:-1]]
        again = Truth(tmp_path)
        numbers = [line["number"] for line in again]
        again.close()
        assert set(said) <= set(numbers)


async def test_the_adapter_was_held_against_twilios_description(sandboxed: Sandboxed):
    """Guards the guard: the fixture checks each exchange, so there must be some."""
    await sandboxed.send()
    assert sandboxed.transport.checked == 1

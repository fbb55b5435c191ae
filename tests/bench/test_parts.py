"""What measures is right: the workload's words, the carrier's signature, the reading of processor time."""

import asyncio
import base64
import subprocess
import sys
import time
from urllib.parse import parse_qsl, urlencode

import pytest
from twilio.request_validator import RequestValidator

from adapters.kit.segments import segmented
from bench.measure import cpu_seconds, percentile, pss_bytes
from bench.outside import ACCOUNT, NUMBER, PATH, TOKEN, Carrier, Sabotage
from bench.sizes import CONNECTIONS, FULL, TEXT_CHARS, TUESDAY
from bench.wire import Calling, Serving, Unspoken, fields
from bench.workload import Dialect, message_of, number, people, requests, text
from gateway.addresses import canonical
from vocabulary.channel import Channel


def test_the_words_are_one_segment_of_160_characters() -> None:
    for message in (0, 7, 12_345_678):
        words = text(message)
        assert words.startswith(f"id={message:08} ")
        assert len(words) == TEXT_CHARS
        counted = segmented(words)
        assert (counted.encoding, counted.segments) == ("GSM-7", 1)
        assert message_of(words) == message
        assert message_of(words[:-1] + "x") is None


def test_nobody_is_written_to_twice_and_the_first_are_always_the_same() -> None:
    drawn = people(FULL.contacts, FULL.messages + FULL.warm)
    assert len(set(drawn)) == len(drawn)
    assert drawn[:10] == people(FULL.contacts, 10)
    assert drawn != sorted(drawn)


def test_numbers_are_canonical_colombian_ones() -> None:
    for person in (0, 4_711, FULL.contacts - 1):
        assert canonical(Channel.SMS, number(person)) == number(person)


def test_the_clock_is_a_tuesday_at_ten() -> None:
    assert (TUESDAY.isoweekday(), TUESDAY.isoformat()[10:]) == (2, "T10:00:00-05:00")


def test_a_request_is_whole() -> None:
    (request,) = requests(Dialect.GATEWAY, 8080, "k", people(10, 10), 3, 1)
    head, _, body = request.partition(b"\r\n\r\n")
    assert fields(head)["idempotency-key"] == "w1-00000003"
    assert int(fields(head)["content-length"]) == len(body)
    assert CONNECTIONS == 32


async def test_the_receipt_is_signed_as_twilio_signs() -> None:
    """The official package's own validator takes it, over the very address and words that were posted."""
    posted: list[tuple[bytes, bytes]] = []
    loop = asyncio.get_running_loop()

    def take(connection: Serving, head: bytes, body: bytes) -> None:
        posted.append((head, body))
        connection.say(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    hook = await loop.create_server(lambda: Serving(take), "127.0.0.1", 0)
    carrier = Carrier(Sabotage.NONE)
    server = await loop.create_server(lambda: Serving(carrier.take), "127.0.0.1", 0)
    callback = f"http://127.0.0.1:{hook.sockets[0].getsockname()[1]}/hooks/x/status?a=1&k=2"
    try:
        answered = await create(server.sockets[0].getsockname()[1], text(5), callback)
        assert answered == 201
        deadline = time.monotonic() + 5
        while not carrier.acknowledged:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.005)
    finally:
        carrier.close()
        hook.close()
        server.close()
        await asyncio.sleep(0.05)  # the other ends hear of it
    ((head, body),) = posted
    form = dict(parse_qsl(body.decode()))
    assert form["MessageStatus"] == "delivered"
    assert RequestValidator(TOKEN).validate(callback, form, fields(head)["x-twilio-signature"])
    assert list(carrier.arrived) == [5]


async def test_the_carrier_takes_no_other_words() -> None:
    carrier = Carrier(Sabotage.NONE)
    server = await asyncio.get_running_loop().create_server(lambda: Serving(carrier.take), "127.0.0.1", 0)
    try:
        assert await create(server.sockets[0].getsockname()[1], "id=00000001 something else", "http://x/") == 400
    finally:
        server.close()
        await asyncio.sleep(0.05)
    assert (carrier.strange, carrier.arrived) == (1, {})


async def create(port: int, words: str, callback: str) -> int:
    body = urlencode({"To": number(1), "From": NUMBER, "Body": words, "StatusCallback": callback}).encode()
    login = base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
    told: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    transport, connection = await asyncio.get_running_loop().create_connection(
        lambda: Calling(lambda _, status, __: told.set_result(status)), "127.0.0.1", port
    )
    connection.call(
        (
            f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {login}\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode()
        + body
    )
    try:
        return await asyncio.wait_for(told, 5)
    finally:
        transport.close()


def test_requests_are_cut_wherever_the_stream_was() -> None:
    whole = b"POST / HTTP/1.1\r\ncontent-LENGTH: 3\r\n\r\nabcPOST /2 HTTP/1.1\r\n\r\n"
    for cut in range(len(whole)):
        taken: list[tuple[bytes, bytes]] = []
        serving = Serving(lambda _, head, body, taken=taken: taken.append((head, body)))
        serving.data_received(whole[:cut])
        serving.data_received(whole[cut:])
        assert [body for _, body in taken] == [b"abc", b""]
    with pytest.raises(Unspoken):
        Serving(lambda *_: None).data_received(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")


def test_processor_time_is_read_of_the_whole_tree() -> None:
    """A child that has ended and been waited for counts; a stranger does not."""
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}]); print(1, flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        seconds = cpu_seconds({"it": process.pid})["it"]
        assert 0.25 < seconds < 5
        assert pss_bytes([process.pid]) > 1024 * 1024
        process.communicate()
    assert cpu_seconds({"gone": process.pid}) == {"gone": 0.0}


def test_percentiles_are_nearest_ranks() -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], 0.5) == 2.0
    assert percentile([float(n) for n in range(1, 101)], 0.99) == 99.0
    assert percentile([7.0], 0.99) == 7.0

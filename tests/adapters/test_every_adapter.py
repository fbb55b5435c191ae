"""What every way out must do, found by discovery: an adapter without a table of demands fails here."""

import asyncio
import importlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from adapters.kit import discovery, transport
from adapters.kit.discovery import Spec
from adapters.kit.port import Adapter, Forged, Hook
from adapters.kit.settings import SettingsError
from adapters.kit.signing import inbound_url, status_url
from adapters.kit.testing import Babbles, Bench, Demands, HangsUp, NeverAnswers, Resets, Says, Step, refusing
from tests.adapters.test_every_mail_adapter import demands_of
from vocabulary.channel import Channel
from vocabulary.outcome import (
    Absent,
    CannotTell,
    Found,
    Lost,
    NotSent,
    Parcel,
    Receipt,
    ReceiptKind,
    Rejected,
    Reply,
    Sent,
    Unknown,
)

MARK_SECRET = b"canary-secret-that-marks-attempts"
PUBLIC_URL = "https://tregua.example/in"
ATTEMPT = UUID("0192f0c1-2222-7333-8444-555566667777")
TEXT = "Hola canary, su cuota ñandú €"

ADAPTERS = [
    (name, spec)
    for name in discovery.modules()
    if isinstance(spec := getattr(importlib.import_module(name), "SPEC", None), Spec)
    # Those that speak SMTP are tried in test_every_mail_adapter.py.
    and demands_of(name) is None
    # Nobody is called to put a message on her page: test_web_inbox.py.
    and spec.channel is not Channel.WEB
]


@dataclass
class Tried:
    adapter: Adapter
    bench: Bench
    demands: Demands
    spec: Spec
    parcel: Parcel
    lost: Lost


@pytest.fixture(params=ADAPTERS, ids=[name for name, _ in ADAPTERS])
async def tried(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Tried]:
    name, spec = request.param
    demands = importlib.import_module(f"tests.{name}_demands").DEMANDS
    # The limit of a call is twenty seconds; a test need not wait for it, but a busy machine may take a while to answer.
    monkeypatch.setattr(transport, "CALL_SECONDS", 1.5)
    async with Bench() as bench:
        adapter = spec.build("way-one", demands.table(bench.base_url), MARK_SECRET)
        parcel = Parcel(
            attempt=ATTEMPT,
            channel=spec.channel,
            to=demands.to,
            text=TEXT,
            validity_seconds=60,
            status_url=status_url(PUBLIC_URL, "way-one", MARK_SECRET, ATTEMPT),
        )
        now = datetime.now(UTC).replace(microsecond=0)
        lost = Lost(attempt=ATTEMPT, to=demands.to, text=TEXT, not_before=now, not_after=now + timedelta(seconds=60))
        yield Tried(adapter, bench, demands, spec, parcel, lost)
        await adapter.close()


def test_there_are_adapters():
    assert {"twilio"} <= set(discovery.specs())


def test_its_name_and_channel_are_told(tried: Tried):
    assert (tried.adapter.name, tried.adapter.channel) == ("way-one", tried.spec.channel)


# Sending


async def test_sent(tried: Tried):
    tried.bench.script(tried.demands.sent)
    ending = await tried.adapter.send(tried.parcel)
    assert isinstance(ending, Sent)
    assert ending.provider_id == tried.demands.sent_id
    assert tried.bench.posts == 1


def unreadable(said: Says) -> dict[str, Says]:
    return {
        "that is no JSON": replace(said, body=b"<html>thank you</html>"),
        "that says nothing": replace(said, body=b""),
        "that is not an object": replace(said, body=b"[]"),
        "without an id": replace(said, body=b"{}"),
        "that breaks off": replace(said, promised_bytes=len(said.body) + 10),
        "that nests without end": replace(said, body=b"[" * 100_000),
        "that is too long": replace(said, body=b" " * (transport.ANSWER_BYTES_MAX + 1)),
        "in a compression nobody asked for": replace(said, headers={**said.headers, "Content-Encoding": "gzip"}),
        "in no encoding": replace(said, body=b'{"sid": "\xff"}'),
    }


@pytest.mark.parametrize("flaw", list(unreadable(Says(status=201))))
async def test_a_success_that_cannot_be_read_is_sent_without_an_id(tried: Tried, flaw: str):
    tried.bench.script(unreadable(tried.demands.sent)[flaw])
    ending = await tried.adapter.send(tried.parcel)
    assert isinstance(ending, Sent)
    assert ending.provider_id is None
    assert tried.bench.posts == 1


async def test_rejected(tried: Tried):
    tried.bench.script(tried.demands.rejected)
    ending = await tried.adapter.send(tried.parcel)
    assert isinstance(ending, Rejected)
    assert (ending.opted_out, ending.address_invalid) == (False, False)
    assert ending.code
    assert tried.bench.posts == 1


async def test_the_person_told_the_provider_to_stop(tried: Tried):
    tried.bench.script(tried.demands.opted_out)
    ending = await tried.adapter.send(tried.parcel)
    assert isinstance(ending, Rejected)
    assert (ending.opted_out, ending.address_invalid) == (True, False)


async def test_an_address_that_is_none(tried: Tried):
    if tried.demands.address_invalid is None:
        return
    tried.bench.script(tried.demands.address_invalid)
    ending = await tried.adapter.send(tried.parcel)
    assert isinstance(ending, Rejected)
    assert (ending.opted_out, ending.address_invalid) == (False, True)


async def test_throttled_is_not_sent_and_says_how_long_to_wait(tried: Tried):
    tried.bench.script(tried.demands.throttled)
    ending = await tried.adapter.send(tried.parcel)
    assert isinstance(ending, NotSent)
    assert ending.retry_after_seconds == tried.demands.throttled_seconds
    assert tried.bench.posts == 1


@pytest.mark.parametrize("flaw", list(unreadable(Says(status=400))))
async def test_a_refusal_that_cannot_be_read_is_no_refusal(tried: Tried, flaw: str):
    tried.bench.script(unreadable(tried.demands.rejected)[flaw])
    assert isinstance(await tried.adapter.send(tried.parcel), Unknown)
    assert tried.bench.posts == 1


SILENCES: dict[str, Step] = {
    "never answers": NeverAnswers(),
    "hangs up after the request": HangsUp(),
    "breaks the connection after the request": Resets(),
    "babbles": Babbles(),
    "answers in the middle of a head": Says(status=102),
    "sends elsewhere": Says(status=307, headers={"Location": "/elsewhere"}),
    "is a gateway that timed out": Says(status=504, body=b"upstream"),
}


@pytest.mark.parametrize("silence", list(SILENCES))
async def test_unknown_when_the_provider(tried: Tried, silence: str):
    tried.bench.script(SILENCES[silence])
    assert isinstance(await tried.adapter.send(tried.parcel), Unknown)
    await asyncio.sleep(0.05)
    assert tried.bench.posts == len(tried.bench.seen) == 1


async def test_a_kept_connection_that_dies_under_a_request_is_unknown_and_not_tried_again(tried: Tried):
    tried.bench.script(tried.demands.sent, HangsUp())
    assert isinstance(await tried.adapter.send(tried.parcel), Sent)
    assert isinstance(await tried.adapter.send(tried.parcel), Unknown)
    await asyncio.sleep(0.05)
    assert tried.bench.posts == 2


async def test_a_server_fault_is_unknown_and_not_tried_again(tried: Tried):
    tried.bench.script(tried.demands.server_fault)
    assert isinstance(await tried.adapter.send(tried.parcel), Unknown)
    await asyncio.sleep(0.05)
    assert tried.bench.posts == 1


async def test_a_refused_connection_is_not_sent(tried: Tried):
    with refusing() as nobody:
        adapter = tried.spec.build("way-two", tried.demands.table(nobody), MARK_SECRET)
        assert isinstance(await adapter.send(tried.parcel), NotSent)
        await adapter.close()


async def test_a_closed_way_sends_nothing(tried: Tried):
    await tried.adapter.close()
    assert isinstance(await tried.adapter.send(tried.parcel), NotSent)
    assert tried.bench.seen == []


async def test_a_cancelled_send_is_cancelled_and_made_once(tried: Tried):
    tried.bench.script(NeverAnswers())
    sending = asyncio.create_task(tried.adapter.send(tried.parcel))
    while not tried.bench.seen:
        await asyncio.sleep(0.01)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert tried.bench.posts == 1


async def test_many_at_once_keep_their_own_endings(tried: Tried, monkeypatch: pytest.MonkeyPatch):
    """Two hundred sends over one pool, half of them refused: nobody gets another's answer, and each is made once."""
    monkeypatch.setattr(transport, "CALL_SECONDS", 30.0)
    monkeypatch.setattr(transport, "CONNECT_SECONDS", 30.0)
    adapter = tried.spec.build("way-many", tried.demands.table(tried.bench.base_url), MARK_SECRET)
    tried.bench.script(*[tried.demands.sent, tried.demands.rejected] * 100)
    endings = await asyncio.gather(*(adapter.send(tried.parcel) for _ in range(200)))
    await adapter.close()
    assert sum(isinstance(ending, Sent) for ending in endings) == 100
    assert sum(isinstance(ending, Rejected) for ending in endings) == 100
    assert tried.bench.posts == 200


async def test_no_ending_and_no_repr_shows_a_secret_or_a_person(tried: Tried):
    demands = tried.demands
    steps = (
        demands.sent,
        demands.rejected,
        demands.opted_out,
        demands.address_invalid or demands.rejected,
        demands.server_fault,
        HangsUp(),
    )
    tried.bench.script(*steps)
    shown = [repr(await tried.adapter.send(tried.parcel)) for _ in steps]
    settings = importlib.import_module(type(tried.adapter).__module__).settings
    shown += [repr(tried.adapter), repr(tried.parcel), repr(settings("way-one", demands.table(tried.bench.base_url)))]
    shown += [repr(demands.inbound_hook(PUBLIC_URL, TEXT))]
    if demands.reports:
        shown += [repr(demands.status_hook(PUBLIC_URL, "sent").headers.keys())]
    for text in shown:
        for hidden in (*demands.secrets, "300123", "300 123", "canary"):
            assert hidden not in text


def test_a_setting_that_is_not_known_is_refused_by_name_and_not_by_value(tried: Tried):
    with pytest.raises(SettingsError, match="canary_setting") as refusal:
        tried.spec.build("way-one", {**tried.demands.table("http://127.0.0.1:1"), "canary_setting": "secret"}, b"x")
    assert "secret'" not in str(refusal.value)


@pytest.mark.parametrize("missing", [None, "", " ", 7, ["x"]])
def test_a_setting_that_is_missing_or_of_another_kind_is_refused(tried: Tried, missing: object):
    whole = dict(tried.demands.table("http://127.0.0.1:1"))
    for name in set(whole) - {"kind", "base_url"}:
        with pytest.raises(SettingsError, match=name):
            tried.spec.build("way-one", {**whole, name: missing}, b"x")


@pytest.mark.parametrize(
    "base_url",
    [
        "http://api.example",
        "ftp://127.0.0.1",
        "https://",
        "https://u:p@api.example",
        "https://a.example/?x=1",
        "api.example",
    ],
)
def test_credentials_travel_by_https_or_stay_on_loopback(tried: Tried, base_url: str):
    with pytest.raises(SettingsError, match="base_url"):
        tried.spec.build("way-one", tried.demands.table(base_url), b"x")


# Looking up what was lost


async def test_without_a_list_nobody_can_tell_and_nobody_is_asked(tried: Tried):
    if not tried.demands.lists:
        assert isinstance(await tried.adapter.find(tried.lost), CannotTell)
        assert tried.bench.seen == []


async def test_found_in_the_providers_list(tried: Tried):
    if not tried.demands.lists:
        return
    tried.bench.script(*tried.demands.found(tried.lost, tried.demands.sent_id))
    assert await tried.adapter.find(tried.lost) == Found(
        provider_id=tried.demands.sent_id, provider_status=tried.demands.listed_status
    )
    assert tried.bench.posts == 0


async def test_absent_from_the_providers_list(tried: Tried):
    if not tried.demands.lists:
        return
    tried.bench.script(*tried.demands.absent)
    assert await tried.adapter.find(tried.lost) == Absent()


async def test_taken_by_another_attempt_is_not_found(tried: Tried):
    if not tried.demands.lists:
        return
    taken = replace(tried.lost, taken=frozenset({tried.demands.sent_id}))
    listed = tried.demands.found(tried.lost, tried.demands.sent_id)
    tried.bench.script(*listed, *listed)
    assert await tried.adapter.find(taken) == Absent()


@pytest.mark.parametrize("silence", [*SILENCES, "is faulty", "throttles", "rejects", "says nothing", "lists nothing"])
async def test_whoever_does_not_get_the_list_cannot_tell(tried: Tried, silence: str):
    demands = tried.demands
    if not demands.lists:
        return
    more: dict[str, Step] = {
        "is faulty": demands.server_fault,
        "throttles": demands.throttled,
        "rejects": demands.rejected,
        "says nothing": Says(status=200),
        "lists nothing": Says(status=200, body=b"{}"),
    }
    tried.bench.script((SILENCES | more)[silence])
    assert isinstance(await tried.adapter.find(tried.lost), CannotTell)


# Hooks


def marked_url(tried: Tried) -> str:
    return status_url(PUBLIC_URL, tried.adapter.name, MARK_SECRET, ATTEMPT)


def test_every_status_word_has_its_kind(tried: Tried):
    for word, kind in tried.demands.statuses.items():
        (receipt,) = tried.adapter.read(tried.demands.status_hook(marked_url(tried), word))
        assert isinstance(receipt, Receipt)
        assert (receipt.kind, receipt.provider_status, receipt.attempt) == (kind, word, ATTEMPT)
        assert receipt.provider_id == tried.demands.sent_id


def test_who_reports_has_words_for_it(tried: Tried):
    assert bool(tried.demands.statuses) == tried.demands.reports


def test_a_status_word_that_does_not_exist_is_kept_and_never_guessed(tried: Tried):
    if not tried.demands.reports:
        return
    word = tried.demands.unknown_status
    (receipt,) = tried.adapter.read(tried.demands.status_hook(marked_url(tried), word))
    assert isinstance(receipt, Receipt)
    assert (receipt.kind, receipt.provider_status) == (ReceiptKind.UNREADABLE, word)


def test_a_repeat_has_the_same_key_and_another_word_has_another(tried: Tried):
    hooks = genuine_hooks(tried)
    assert [tried.adapter.read(hook) for hook in hooks] == [tried.adapter.read(hook) for hook in hooks]
    if not tried.demands.reports:
        return
    words = [*tried.demands.statuses, tried.demands.unknown_status]
    keys = [tried.adapter.read(tried.demands.status_hook(marked_url(tried), word))[0].key for word in words * 2]
    assert keys[: len(words)] == keys[len(words) :]
    assert len(set(keys)) == len(words)


@pytest.mark.parametrize("text", ["BAJA", "", "ñandú €\n😀", " S T O P\u200b", "a=b&c=d%", "\x00STOP", "+ +"])
def test_what_a_person_wrote_arrives_as_she_wrote_it(tried: Tried, text: str):
    (reply,) = tried.adapter.read(tried.demands.inbound_hook(inbound_url(PUBLIC_URL, "way-one"), text))
    assert isinstance(reply, Reply)
    assert (reply.text, reply.sender, reply.channel) == (
        text.replace("\x00", ""),
        tried.demands.to,
        tried.adapter.channel,
    )


def flipped(raw: bytes) -> list[bytes]:
    return [
        raw[:index] + bytes([raw[index] ^ (1 << bit)]) + raw[index + 1 :]
        for index in range(len(raw))
        for bit in range(8)
    ]


def genuine_hooks(tried: Tried) -> list[Hook]:
    inbound = tried.demands.inbound_hook(inbound_url(PUBLIC_URL, "way-one"), "no más, ya pagué")
    if not tried.demands.reports:
        return [inbound]
    return [tried.demands.status_hook(marked_url(tried), next(iter(tried.demands.statuses))), inbound]


def refused_or_same(tried: Tried, genuine: Hook, other: Hook) -> bool:
    """Whether the other hook is refused. One that is not must say the very same (``%2B`` and ``%2b`` do)."""
    try:
        told = tried.adapter.read(other)
    except Forged:
        return True
    assert told == tried.adapter.read(genuine)
    return False


def test_a_hook_with_one_bit_of_its_body_flipped_is_forged(tried: Tried):
    for genuine in genuine_hooks(tried) if "body" in tried.demands.signs else ():
        others = flipped(genuine.body)
        refused = sum(refused_or_same(tried, genuine, replace(genuine, body=other)) for other in others)
        assert refused > 0.98 * len(others)


def test_a_hook_with_one_bit_of_its_path_or_query_flipped_is_forged(tried: Tried):
    """What stands before the path is the operator's own setting; a caller has no say in it."""
    for genuine in genuine_hooks(tried) if "url" in tried.demands.signs else ():
        for other in flipped(genuine.url.removeprefix(PUBLIC_URL).encode()):
            assert refused_or_same(tried, genuine, replace(genuine, url=PUBLIC_URL + other.decode("latin-1")))


def test_a_hook_with_one_bit_of_its_signature_flipped_is_forged(tried: Tried):
    name = tried.demands.signature_header
    for genuine in genuine_hooks(tried):
        for other in flipped(genuine.headers[name].encode()):
            headers = {**genuine.headers, name: other.decode("latin-1")}
            assert refused_or_same(tried, genuine, replace(genuine, headers=headers))


def test_a_hook_without_its_signature_or_with_half_of_it_is_forged(tried: Tried):
    name = tried.demands.signature_header
    for genuine in genuine_hooks(tried):
        signature = genuine.headers[name]
        for other in ("", " ", signature[:-1], signature[:8], signature + "=", signature * 2):
            assert refused_or_same(tried, genuine, replace(genuine, headers={**genuine.headers, name: other}))
        bare = {key: value for key, value in genuine.headers.items() if key != name}
        assert refused_or_same(tried, genuine, replace(genuine, headers=bare))


def test_a_hook_with_a_field_more_or_less_is_forged(tried: Tried):
    for genuine in genuine_hooks(tried) if "body" in tried.demands.signs else ():
        for body in (genuine.body + b"&Extra=1", genuine.body + b"&Extra=", genuine.body.partition(b"&")[2], b""):
            assert refused_or_same(tried, genuine, replace(genuine, body=body))


def test_a_hook_of_one_kind_cannot_be_told_as_another(tried: Tried):
    if "url" not in tried.demands.signs or not tried.demands.reports:
        return
    status, inbound = genuine_hooks(tried)
    assert refused_or_same(tried, status, replace(status, url=inbound.url, kind=inbound.kind))
    assert refused_or_same(tried, inbound, replace(inbound, url=status.url, kind=status.kind))


def test_header_names_are_read_in_any_case(tried: Tried):
    for genuine in genuine_hooks(tried):
        lower = {name.lower(): value for name, value in genuine.headers.items()}
        assert tried.adapter.read(replace(genuine, headers=lower)) == tried.adapter.read(genuine)


def test_a_signed_hook_with_the_mark_of_another_attempt_is_forged(tried: Tried):
    """Whoever holds the provider's token still cannot report on an attempt of ours that she was not told of."""
    if not tried.demands.reports:
        return
    other = UUID(int=ATTEMPT.int ^ 1)
    for url in (
        marked_url(tried).replace(ATTEMPT.hex, other.hex),
        marked_url(tried)[:-1],
        marked_url(tried).partition("&k=")[0],
        status_url(PUBLIC_URL, "way-one", b"another secret", ATTEMPT),
    ):
        with pytest.raises(Forged):
            tried.adapter.read(tried.demands.status_hook(url, "delivered"))


def test_a_signed_hook_without_a_mark_names_no_attempt(tried: Tried):
    if not tried.demands.reports:
        return
    (receipt,) = tried.adapter.read(tried.demands.status_hook(f"{PUBLIC_URL}/hooks/way-one/status", "sent"))
    assert isinstance(receipt, Receipt)
    assert receipt.attempt is None

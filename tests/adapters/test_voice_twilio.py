"""Calls by Twilio in detail: what is asked of it and said in a call, how calls end, which key means what."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit
from uuid import UUID
from xml.etree import ElementTree

import pytest

from adapters.kit.port import Forged, Unreadable
from adapters.kit.settings import SettingsError
from adapters.kit.signing import inbound_url, status_url
from adapters.kit.testing import Bench
from adapters.kit.transport import Transport
from adapters.kit.twilio_calls import WORDS
from adapters.voice_twilio import RESULTS, STATUSES, TwilioVoice, settings
from consent.intents import Context, read
from tests.adapters import twilio_oai
from tests.adapters.sms_twilio_demands import NUMBER, hook, says
from tests.adapters.voice_twilio_demands import call, page, said_form, status_form, table
from vocabulary.channel import Channel
from vocabulary.event import ContactOutcome
from vocabulary.outcome import Absent, Bill, Lost, Note, Parcel, Receipt, ReceiptKind, Rejected, Reply, Sent

SECRET = b"canary-secret-that-marks-attempts"
PUBLIC = "https://tregua.example/in"
ATTEMPT = UUID("0192f0c1-2222-7333-8444-555566667777")
TO = "+573001230000"
TOKEN = "AaIAWphSeg2fpN9mEwxrFABrA3T6YwH7Erqs4sitd24-I3Ww0A"
NOTE = Note(url=f"{PUBLIC}/media/{TOKEN}", audio=b"OggS", seconds=6.0)


def voice(base_url: str = "http://127.0.0.1:9", **more: Any) -> TwilioVoice:
    return TwilioVoice("way-one", settings("way-one", {**table(base_url), **more}), SECRET, Transport())


def parcel(**more: Any) -> Parcel:
    whole = Parcel(
        attempt=ATTEMPT,
        channel=Channel.VOICE,
        to=TO,
        text="Hola canary & <ñandú>",
        validity_seconds=60,
        status_url=status_url(PUBLIC, "way-one", SECRET, ATTEMPT),
    )
    return replace(whole, **more)


async def asked(adapter_settings: dict[str, Any] | None = None, **more: Any) -> dict[str, list[str]]:
    """The form of one create, held against Twilio's own description."""
    async with Bench() as bench:
        adapter = voice(bench.base_url, **(adapter_settings or {}))
        bench.script(says(201, call()))
        assert isinstance(await adapter.send(parcel(**more)), Sent)
        (seen,) = bench.seen
        twilio_oai.check_request(seen.method, seen.target, seen.headers["content-type"], seen.body)
        await adapter.close()
        return parse_qs(seen.body.decode())


def verbs(document: str | bytes) -> list[tuple[str, str]]:
    root = ElementTree.fromstring(document)
    return [(verb.tag, (verb.text or "").strip()) for verb in root.iter() if verb is not root]


def gather(document: str | bytes) -> dict[str, str]:
    found = ElementTree.fromstring(document).find("Gather")
    assert found is not None
    return dict(found.attrib)


async def test_what_twilio_is_asked() -> None:
    form = await asked({"caller": "Cobranza & Cía"}, note=NOTE, locale="es-CO")
    assert (form["To"], form["From"]) == ([TO], [NUMBER])
    assert form["StatusCallback"] == [parcel().status_url]
    assert form["StatusCallbackEvent"] == ["initiated", "ringing", "answered", "completed"]
    assert form["MachineDetection"] == ["DetectMessageEnd"]
    said = verbs(form["Twiml"][0])
    assert [verb for verb, _ in said] == ["Gather", "Say", "Play", "Say", "Say"]
    assert said[1] == ("Say", "Llamada de Cobranza & Cía.")
    assert said[2] == ("Play", NOTE.url)
    assert "marque 1" in said[3][1]
    waits = gather(form["Twiml"][0])
    assert (waits["input"], waits["numDigits"], waits["language"]) == ("dtmf speech", "1", "es-MX")
    action = urlsplit(waits["action"])
    assert action.path == "/in/hooks/way-one/inbound"
    assert dict(parse_qsl(action.query)) | {"a": "", "k": ""} == {"a": "", "k": "", "l": "es", "p": "1", "n": TOKEN}


async def test_without_a_note_the_words_are_spoken_and_cannot_be_repeated() -> None:
    form = await asked(locale="pt-BR")
    said = verbs(form["Twiml"][0])
    assert said[1] == ("Say", "Hola canary & <ñandú>")
    assert "tecle 9" in said[2][1]
    assert "tecle 1" not in said[2][1]
    # No word of hers stands in an address.
    assert "canary" not in gather(form["Twiml"][0])["action"]


async def test_detection_and_listening_can_be_switched_off() -> None:
    form = await asked({"machine_detection": "off", "answers": "keys", "ring_seconds": "40"}, note=NOTE)
    assert "MachineDetection" not in form
    assert form["Timeout"] == ["40"]
    assert gather(form["Twiml"][0])["input"] == "dtmf"


@pytest.mark.parametrize(
    ("claim", "more", "code"),
    [
        ("a text that TwiML cannot hold", {"text": "a" * 4000}, "too_long"),
        ("half a surrogate pair", {"text": "\ud83d"}, "unencodable"),
        ("nothing to say", {"text": ""}, "silent"),
    ],
)
async def test_what_cannot_be_called_is_rejected_before_anybody_is_asked(
    claim: str, more: dict[str, Any], code: str
) -> None:
    async with Bench() as bench:
        adapter = voice(bench.base_url)
        ending = await adapter.send(parcel(**more))
        assert isinstance(ending, Rejected), claim
        assert (ending.code, bench.seen) == (code, [])
        await adapter.close()


async def test_the_look_up_is_as_twilio_describes_it() -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    lost = Lost(attempt=ATTEMPT, to=TO, text="", not_before=now, not_after=now + timedelta(seconds=30))
    strangers = [
        call(to=TO, date_created="Mon, 23 Nov 2020 12:00:00 +0000"),
        call(to=TO, direction="inbound", date_created=now.strftime("%a, %d %b %Y %H:%M:%S +0000")),
        call(to=TO, **{"from": "+15005550007"}, date_created=now.strftime("%a, %d %b %Y %H:%M:%S +0000")),
    ]
    async with Bench() as bench:
        adapter = voice(bench.base_url)
        bench.script(page(*strangers), page(*strangers))
        assert isinstance(await adapter.find(lost), Absent)
        for seen in bench.seen:
            twilio_oai.check_request(seen.method, seen.target, None, b"")
        assert "StartTime%3E=" in bench.seen[0].target
        await adapter.close()


async def test_what_calls_cost_is_asked_for_as_twilio_describes_it() -> None:
    """One by one, or by the list of the day where many are asked for."""
    made = datetime(2026, 11, 23, 23, 59, tzinfo=UTC)
    sids = [f"CA{n:032x}" for n in range(21)]
    async with Bench() as bench:
        adapter = voice(bench.base_url)
        bench.script(says(200, call(sid=sids[0], price="-0.01300", status="completed")), says(200, call(sid=sids[1])))
        assert await adapter.billed(dict.fromkeys(sids[:2], made)) == {sids[0]: Bill(Decimal("0.01300"), "USD")}
        bench.script(
            page(*(call(sid=sid, price="-0.05") for sid in sids[:20])), says(200, call(sid=sids[20], price="-0.1"))
        )
        found = await adapter.billed(dict.fromkeys(sids, made))
        assert found == {sid: Bill(Decimal("0.05"), "USD") for sid in sids[:20]} | {
            sids[20]: Bill(Decimal("0.1"), "USD")
        }
        for seen in bench.seen:
            twilio_oai.check_request(seen.method, seen.target, None, b"")
        listed = parse_qs(urlsplit(bench.seen[2].target).query)
        assert (listed["StartTime>"], listed["StartTime<"]) == (["2026-11-23T00:00:00Z"], ["2026-11-24T00:00:00Z"])
        await adapter.close()


def test_every_status_of_twilios_has_a_kind_and_a_result_where_a_call_was_tried() -> None:
    known = set(twilio_oai.SPEC["components"]["schemas"]["call_enum_status"]["enum"])
    assert set(STATUSES) == known | {"initiated"}
    assert set(RESULTS) == known - {"queued", "ringing"}


ENDINGS = [
    ("completed", "", ReceiptKind.DELIVERED, ContactOutcome.CONNECTED),
    ("completed", "human", ReceiptKind.DELIVERED, ContactOutcome.CONNECTED),
    ("completed", "unknown", ReceiptKind.DELIVERED, ContactOutcome.CONNECTED),
    ("completed", "machine_end_beep", ReceiptKind.DELIVERED, ContactOutcome.VOICEMAIL_LEFT),
    ("completed", "machine_end_silence", ReceiptKind.DELIVERED, ContactOutcome.VOICEMAIL_LEFT),
    ("completed", "machine_end_other", ReceiptKind.DELIVERED, ContactOutcome.VOICEMAIL_LEFT),
    ("completed", "machine_start", ReceiptKind.UNDELIVERED, ContactOutcome.VOICEMAIL_REACHED),
    ("completed", "fax", ReceiptKind.UNDELIVERED, ContactOutcome.NOT_CONNECTED),
    ("completed", "a word of tomorrow", ReceiptKind.DELIVERED, ContactOutcome.CONNECTED),
    ("in-progress", "machine_end_beep", ReceiptKind.SENT, ContactOutcome.VOICEMAIL_LEFT),
    ("busy", "human", ReceiptKind.UNDELIVERED, ContactOutcome.NOT_CONNECTED),
    ("no-answer", "", ReceiptKind.UNDELIVERED, ContactOutcome.NO_ANSWER),
    ("ringing", "", ReceiptKind.SENT, None),
]


@pytest.mark.parametrize(("word", "by", "kind", "result"), ENDINGS, ids=[f"{w} {b}" for w, b, *_ in ENDINGS])
def test_how_a_call_ended(word: str, by: str, kind: ReceiptKind, result: ContactOutcome | None) -> None:
    form = status_form(word, AnsweredBy=by) if by else status_form(word)
    (receipt,) = voice().read(hook("status", parcel().status_url, form))
    assert isinstance(receipt, Receipt)
    assert (receipt.kind, receipt.result, receipt.attempt) == (kind, result, ATTEMPT)


def test_who_answered_told_later_is_another_word() -> None:
    url = parcel().status_url
    keys = [voice().read(hook("status", url, form))[0].key for form in (
        status_form("completed"), status_form("completed", AnsweredBy="machine_end_beep"), status_form("completed", AnsweredBy="human"),
    )]  # fmt: skip
    assert keys[0] == keys[2] != keys[1]


def pressed(digits: str, url: str, **more: str) -> tuple[tuple[Receipt | Reply, ...], bytes]:
    form = status_form("in-progress", Digits=digits, **more)
    adapter, told = voice(), hook("inbound", url, form)
    answer = adapter.answer(told)
    assert answer is not None
    return adapter.read(told), answer


def key_address(language: str = "es", presses: int = 1, note: str = TOKEN) -> str:
    marks = urlsplit(parcel().status_url).query
    return f"{PUBLIC}/hooks/way-one/inbound?{marks}&l={language}&p={presses}" + (f"&n={note}" if note else "")


@pytest.mark.parametrize("language", list(WORDS))
@pytest.mark.parametrize(
    ("key", "intent", "result"),
    [
        ("2", "call_me", ContactOutcome.CONVERSATION),
        ("3", "wrong_person", ContactOutcome.CONNECTED),
        ("9", "stop_all", ContactOutcome.CONVERSATION),
    ],
)
def test_a_key_is_a_word_of_hers_that_the_house_understands(
    language: str, key: str, intent: str, result: ContactOutcome
) -> None:
    (receipt, reply), answer = pressed(key, key_address(language))
    assert isinstance(receipt, Receipt)
    assert isinstance(reply, Reply)
    said = read(reply.text, context=Context.NONE, locale=language)
    assert said.intent.value == intent
    assert key != "9" or said.bare
    assert (receipt.result, reply.sender, reply.recipient, reply.attempt) == (result, TO, NUMBER, ATTEMPT)
    assert [verb for verb, _ in verbs(answer)] == ["Say", "Hangup"]


def test_one_plays_the_note_again_and_says_nothing_for_her() -> None:
    told, answer = pressed("1", key_address())
    (receipt,) = told
    assert isinstance(receipt, Receipt)
    assert (receipt.kind, receipt.result) == (ReceiptKind.READ, ContactOutcome.CONVERSATION)
    assert ("Play", NOTE.url) in verbs(answer)
    assert "p=2" in gather(answer)["action"]


def test_nobody_is_played_to_for_ever() -> None:
    _, answer = pressed("1", key_address(presses=6))
    assert [verb for verb, _ in verbs(answer)] == ["Say", "Hangup"]


@pytest.mark.parametrize("note", ["", "../../v1/trace", "a" * 65, "x y", '"><Play>'])
def test_only_a_note_of_ours_is_played(note: str) -> None:
    url = key_address(note="") + (f"&{urlencode({'n': note})}" if note else "")
    _, answer = pressed("1", url)
    assert "Play" not in [verb for verb, _ in verbs(answer)]


@pytest.mark.parametrize("digits", ["5", "0", "#", "*", "19", "", "nine"])
def test_another_key_is_no_word_and_the_menu_is_said_again(digits: str) -> None:
    told, answer = pressed(digits, key_address())
    assert [type(one) for one in told] == [Receipt]
    assert gather(answer)["action"].endswith(f"n={TOKEN}")


def test_each_press_is_told_once_and_apart() -> None:
    first, _ = pressed("9", key_address(presses=1))
    again, _ = pressed("9", key_address(presses=1))
    later, _ = pressed("9", key_address(presses=2))
    assert [one.key for one in first] == [one.key for one in again]
    assert {one.key for one in first}.isdisjoint({one.key for one in later})
    assert len({one.key for one in first}) == 2


def test_a_call_of_hers_counts_and_is_answered_by_the_menu() -> None:
    form = status_form("ringing", Direction="inbound", From=TO, To=NUMBER)
    told = hook("inbound", inbound_url(PUBLIC, "way-one"), form)
    (reply,) = voice(language="pt", caller="C1").read(told)
    assert isinstance(reply, Reply)
    assert (reply.calls, reply.sender, reply.recipient, reply.text) == (True, TO, NUMBER, "")
    answer = voice(language="pt", caller="C1").answer(told)
    assert answer is not None
    assert "Obrigado por ligar para C1" in verbs(answer)[1][1]
    assert "l=pt" in gather(answer)["action"]


def test_words_are_a_reply_whoever_called() -> None:
    ours, hers = said_form("ya pagué"), said_form("ya pagué", Direction="inbound", From=TO, To=NUMBER)
    for form in (ours, hers):
        (reply,) = voice().read(hook("inbound", inbound_url(PUBLIC, "way-one"), form))
        assert isinstance(reply, Reply)
        assert (reply.text, reply.sender, reply.calls) == ("ya pagué", TO, False)


def test_a_key_with_the_mark_of_another_attempt_is_forged() -> None:
    url = key_address().replace(ATTEMPT.hex, UUID(int=ATTEMPT.int ^ 1).hex)
    with pytest.raises(Forged):
        voice().read(hook("inbound", url, said_form("BAJA")))


@pytest.mark.parametrize("lacks", ["CallSid", "From", "To"])
def test_a_call_without_its_parties_is_unreadable(lacks: str) -> None:
    form = said_form("hola")
    del form[lacks]
    with pytest.raises(Unreadable):
        voice().read(hook("inbound", inbound_url(PUBLIC, "way-one"), form))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("from", "5550006"),
        ("language", "fr"),
        ("machine_detection", "yes"),
        ("ring_seconds", "4"),
        ("ring_seconds", "soon"),
        ("answers", "words"),
        ("caller", "x" * 81),
    ],
)
def test_a_setting_that_cannot_be_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        voice(**{name: value})


def test_a_call_is_quoted_by_begun_minutes() -> None:
    adapter = voice(prices={"currency": "USD", "default": "0.05"})
    assert [adapter.quote(TO, "a" * length).amount for length in (1, 14 * 45, 14 * 46, 14 * 106)] == [
        "0.0500", "0.0500", "0.1000", "0.1500",
    ]  # fmt: skip

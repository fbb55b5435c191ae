"""Calls and voice notes through the whole house: spoken or recorded, called, played, answered by keys, counted by their result."""

import array
import asyncio
import io
import json
import math
import wave
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import av
import pytest

from gateway.compose import Pace
from gateway.speech import sound
from tests.gateway.town import ANA, AUTHORISED, NUMBER, VOICE_PROVIDER, Town, message, person, town

PACE = Pace(lookups=tuple(timedelta(seconds=s) for s in (0.3, 0.3)), absent_apart=timedelta(seconds=1), sweep_seconds=1)
WORDS = "Hola Ana, le recordamos que su cuota de julio está lista para pagar."
#: EBU R 128 allows a tolerance of one unit in a programme; a limiter may take another half.
LOUDNESS_TOLERANCE = 1.5


@pytest.fixture
async def line(own_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Town]:
    """A town with a telephone line and a worker."""
    async with town(own_url, redis_url, tmp_path, pace=PACE, voice=True) as found:
        found.start_worker()
        yield found


def call(
    content: dict[str, Any] | None = None, number: str = ANA, identity: str = "ana", **more: Any
) -> dict[str, Any]:
    """A collection call."""
    contact = person(identity, number, **more.pop("person", {}))
    contact["addresses"] = [
        {"channel": "voice", "address": number, "kind": "personal", "source": "supplied", "authorised": AUTHORISED}
    ]
    return message(contact, channel="voice", content=content or {"text": WORDS}, **more)


def recording(seconds: float = 2.0, loud: float = 0.5, rate: int = 8000, channels: int = 2) -> bytes:
    """A tone that comes and goes, as a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(rate)
        samples = array.array("h")
        for index in range(int(seconds * rate)):
            swell = 0.3 + 0.7 * abs(math.sin(index / rate * 5))
            value = int(loud * swell * 32000 * math.sin(2 * math.pi * 300 * index / rate))
            samples.extend([value] * channels)
        out.writeframes(samples.tobytes())
    return file.getvalue()


async def bring(found: Town, audio: bytes, kind: str = "audio/wav") -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {found.key}", "Content-Type": kind}
    async with found.session.post(found.url + "/v1/media", data=io.BytesIO(audio), headers=headers) as answer:
        return answer.status, await answer.json(content_type=None)


async def fetch(found: Town, url: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    async with found.session.get(url, headers=headers) as answer:
        return answer.status, dict(answer.headers), await answer.read()


async def timeline(found: Town, contact: str = "ana") -> list[dict[str, Any]]:
    status, told, _ = await found.call("GET", f"/v1/contacts/{contact}/timeline")
    assert status == 200, told
    items: list[dict[str, Any]] = told["items"]
    return items


async def outcome(found: Town, contact: str = "ana") -> str:
    """How the contact that was reserved counts."""
    (row,) = await found.rows("SELECT outcome FROM contact_event WHERE contact = $1 AND type = 'contact'", contact)
    return str(row["outcome"])


async def until_outcome(found: Town, wanted: str, contact: str = "ana") -> None:
    for _ in range(200):
        if await outcome(found, contact) == wanted:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"counts as {await outcome(found, contact)}, not {wanted}")


def heard(audio: bytes) -> tuple[float, float, str, int, int]:
    """What a real decoder of Opus hears: seconds, LUFS, codec, rate and channels."""
    with av.open(io.BytesIO(audio), "r", format="ogg") as container:
        stream = container.streams.audio[0]
        codec, channels = stream.codec_context.name, stream.codec_context.channels
        samples = sum(frame.samples for frame in container.decode(stream))
    pcm = sound.decoded(audio, "audio/ogg", 600)
    loudness = sound.measured(pcm)
    assert loudness is not None
    # Opus always plays at 48 kHz; what was put in stands in its head (RFC 7845 section 5.1).
    rate = int.from_bytes(audio[audio.index(b"OpusHead") + 12 :][:4], "little")
    return samples / 48_000, loudness, codec, rate, channels


async def test_a_text_is_spoken_called_played_and_delivered(line: Town) -> None:
    sent = await line.send(call())
    assert sent["cost"] == {"segments": 1, "encoding": "minutes", "amount": "0.0450", "currency": "USD"}
    done = await line.until(sent["id"], "delivered")
    assert done["attempts"][0]["provider_id"].startswith("CA")
    (arrived,) = await line.arrived(ANA)
    assert (arrived["channel"], arrived["provider"], arrived["from"]) == ("voice", VOICE_PROVIDER, NUMBER)
    assert arrived["text"].startswith("Llamada de Cobranza C1.")
    assert "marque 9" in arrived["text"]
    status, headers, audio = await fetch(line, arrived["audio_url"])
    assert (status, headers["Content-Type"], headers["X-Content-Type-Options"]) == (200, "audio/ogg", "nosniff")
    seconds, loudness, codec, rate, channels = heard(audio)
    assert "opus" in codec
    assert (rate, channels) == (16_000, 1)
    assert 3 < seconds < 8
    assert abs(loudness - sound.LOUDNESS) < LOUDNESS_TOLERANCE
    assert await outcome(line) == "connected"


async def test_a_link_names_nobody_serves_ranges_and_is_worth_nothing_when_it_is_changed(line: Town) -> None:
    await line.until((await line.send(call()))["id"], "delivered")
    url = (await line.arrived(ANA))[0]["audio_url"]
    assert ANA.strip("+") not in url
    assert "ana" not in url.rpartition("/")[0]
    _, _, whole = await fetch(line, url)
    status, headers, part = await fetch(line, url, Range="bytes=10-19")
    assert (status, part, headers["Content-Range"]) == (206, whole[10:20], f"bytes 10-19/{len(whole)}")
    status, headers, part = await fetch(line, url, Range="bytes=-5")
    assert (status, part) == (206, whole[-5:])
    status, headers, _ = await fetch(line, url, Range=f"bytes={len(whole)}-")
    assert (status, headers["Content-Range"]) == (416, f"bytes */{len(whole)}")
    assert "sandbox" in headers["Content-Security-Policy"]
    base, _, token = url.rpartition("/")
    for other in (
        token[:-1],
        token + "A",
        token[:5] + ("A" if token[5] != "A" else "B") + token[6:],
        "",
        "ñ",
        "A" * 300,
    ):
        assert (await fetch(line, f"{base}/{other}"))[0] == 404, other


async def test_a_link_ends_in_real_time(line: Town) -> None:
    await line.until((await line.send(call()))["id"], "delivered")
    (row,) = await line.rows("SELECT id, clock_timestamp() AS real FROM media WHERE kind = 'spoken'")
    links = line.house.media_links
    assert (await fetch(line, links.url(row["id"], row["real"] - timedelta(hours=23, minutes=59))))[0] == 200
    assert (await fetch(line, links.url(row["id"], row["real"] - timedelta(hours=24, seconds=1))))[0] == 404
    await line.advance(timedelta(days=400))
    assert (await fetch(line, links.url(row["id"], row["real"])))[0] == 200


async def test_the_same_words_are_spoken_once(line: Town) -> None:
    await line.until((await line.send(call()))["id"], "delivered")
    await line.until((await line.send(call(number="+573001234577", identity="bea")))["id"], "delivered")
    # Said to two, it belongs to neither; what was said to her alone goes when she is erased.
    assert [row["contact"] for row in await line.rows("SELECT contact FROM media")] == [None]
    in_english = call(number="+573001234578", identity="cy", person={"locale": "en-US"})
    await line.until((await line.send(in_english))["id"], "delivered")
    owners = await line.rows("SELECT contact FROM media ORDER BY contact NULLS FIRST")
    assert [row["contact"] for row in owners] == [None, "cy"]
    assert "press 9" in (await line.arrived("+573001234578"))[0]["text"]
    # Erased with her, it is spoken anew for the next who hears the same.
    await line.rows("DELETE FROM media WHERE contact = 'cy'")
    after = call(number="+573001234579", identity="dee", person={"locale": "en-US"})
    await line.until((await line.send(after))["id"], "delivered")
    assert (await fetch(line, (await line.arrived("+573001234579"))[0]["audio_url"]))[0] == 200


async def test_speech_and_a_recording_are_played(line: Town) -> None:
    await line.until((await line.send(call({"audio": {"speech": WORDS}})))["id"], "delivered")
    status, told = await bring(line, recording())
    assert (status, told["type"]) == (201, "audio/ogg")
    assert told["seconds"] == pytest.approx(2.0, abs=0.05)
    assert await bring(line, recording()) == (200, told)
    sent = await line.send(call({"audio": {"media": told["id"]}}, number="+573001234577", identity="bea"))
    await line.until(sent["id"], "delivered")
    (arrived,) = await line.arrived("+573001234577")
    _, _, audio = await fetch(line, arrived["audio_url"])
    seconds, loudness, *_ = heard(audio)
    assert seconds == pytest.approx(2.0, abs=0.1)
    assert abs(loudness - sound.LOUDNESS) < LOUDNESS_TOLERANCE
    headers = {"Authorization": f"Bearer {line.key}"}
    status, given, kept = await fetch(line, f"{line.url}/v1/media/{told['id']}", **headers)
    assert (status, kept) == (200, audio)
    assert given["Content-Disposition"].startswith("attachment")


async def test_whispers_and_shouts_become_as_loud_as_each_other(line: Town) -> None:
    for loud in (0.01, 0.2, 0.99):
        assert (await bring(line, recording(loud=loud)))[0] == 201
    rows = await line.rows("SELECT body FROM media")
    assert len(rows) == 3
    for row in rows:
        assert abs(heard(bytes(row["body"]))[1] - sound.LOUDNESS) < LOUDNESS_TOLERANCE


def cut(audio: bytes, share: float = 0.5) -> bytes:
    return audio[: int(len(audio) * share)]


async def test_what_is_no_recording_is_refused_by_what_is_wrong_with_it(line: Town) -> None:
    good = recording(1.0)
    note = sound.note(sound.decoded(recording(3.0), "audio/wav", 10))[0]
    quiet = recording(1.0, loud=0.0)
    wrong: list[tuple[str, bytes, str, int, str]] = [
        ("text", b"hello, this is no sound" * 50, "audio/wav", 422, "is not audio"),
        ("nothing", b"", "audio/ogg", 422, "is not audio"),
        ("a picture that says it is sound", b"\x89PNG\r\n\x1a\n" + bytes(500), "audio/mpeg", 422, "is not audio"),
        ("a head without sound", b"OggS" + bytes(5000), "audio/ogg", 422, "is not audio"),
        ("half a WAV", cut(good), "audio/wav", 422, "is cut off"),
        ("half an OGG", cut(note), "audio/ogg", 422, "is cut off"),
        ("silence", quiet, "audio/wav", 422, "nothing but silence"),
        ("a click", recording(0.05), "audio/wav", 422, "is too short"),
        ("four minutes", recording(240, rate=4000, channels=1), "audio/wav", 422, "is too long"),
        ("a picture", b"\x89PNG", "image/png", 415, ""),
        ("a video", good, "video/mp4", 415, ""),
        ("17 MB", bytes(17 * 1024 * 1024), "audio/wav", 413, ""),
    ]  # fmt: skip
    for name, audio, kind, status, said in wrong:
        answered, told = await bring(line, audio, kind)
        assert answered == status, (name, told)
        if said:
            assert said in told["errors"][0]["detail"], name
    # What a file is called does not matter; what it is does.
    assert (await bring(line, note, "audio/mpeg"))[0] == 201
    assert (await line.rows("SELECT count(*) AS n FROM media"))[0]["n"] == 1


async def test_a_small_file_that_unfolds_to_hours_is_given_up_early(line: Town) -> None:
    """Silence in Opus takes three bytes a packet: 0.2 MB hold more than an hour."""
    file = io.BytesIO()
    with av.open(file, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=8000)
        stream.layout = "mono"
        stream.bit_rate = 500
        stream.options = {"frame_duration": "60", "vbr": "on"}
        frame = av.AudioFrame(format="s16", layout="mono", samples=8000)
        frame.sample_rate = 8000
        frame.planes[0].update(bytes(16000))
        for second in range(1200):
            frame.pts = second * 8000
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert len(file.getvalue()) < 200_000
    status, told = await bring(line, file.getvalue(), "audio/ogg")
    assert status == 422
    assert "is too long" in told["errors"][0]["detail"]


async def test_a_message_to_be_heard_is_looked_at_when_it_is_accepted(line: Town) -> None:
    wrong = [
        ({"audio": {"media": "med_" + "0" * 32}}, "/content/audio/media"),
        ({"audio": {"media": "nothing-of-ours"}}, "/content/audio/media"),
        ({"audio": {"speech": "hola " * 1000}}, "/content/audio/speech"),
        ({"audio": {"speech": " ... "}}, "/content/audio/speech"),
        ({"audio": {}}, "/content/audio"),
        ({"text": "hola " * 1000}, "/content/text"),
    ]
    for content, pointer in wrong:
        status, told, _ = await line.call(
            "POST", "/v1/messages", call(content), **{"Idempotency-Key": pointer + str(content)[:50]}
        )
        assert (status, told["errors"][0]["pointer"]) == (422, pointer), (content, told)


async def test_without_the_extra_speech_is_refused_when_it_is_accepted(
    line: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.media.asks.available", lambda: False)
    monkeypatch.setattr("gateway.media.notes.available", lambda: False)
    monkeypatch.setattr("gateway.media.recordings.available", lambda: False)
    status, told, _ = await line.call(
        "POST", "/v1/messages", call({"audio": {"speech": WORDS}}), **{"Idempotency-Key": "a"}
    )
    assert (status, told["errors"][0]["pointer"]) == (422, "/content/audio/speech")
    assert "extra `voice`" in told["errors"][0]["detail"]
    status, told = await bring(line, recording())
    assert (status, "extra `voice`" in told["errors"][0]["detail"]) == (422, True)
    # A text can still be called: Twilio speaks it.
    await line.until((await line.send(call()))["id"], "delivered")
    (arrived,) = await line.arrived(ANA)
    assert arrived["audio_url"] is None
    assert WORDS in arrived["text"]


KEYS = [
    ("9", "stop_all", "withdrawn", None),
    ("2", "call_me", None, "call_me"),
    ("3", "wrong_person", "withdrawn", "wrong_person"),
]


@pytest.mark.parametrize(("key", "intent", "consent", "flag"), KEYS, ids=[key for key, *_ in KEYS])
async def test_a_key_is_her_word(line: Town, key: str, intent: str, consent: str | None, flag: str | None) -> None:
    await line.until((await line.send(call()))["id"], "delivered")
    await line.reply(key, channel="voice")
    (replied,) = await line.rows("SELECT body FROM crm_event WHERE type = 'reply.received'")
    assert f'"intent":"{intent}"' in replied["body"].replace(" ", "")
    items = await timeline(line)
    taken_back = [i["data"] for i in items if i["type"] == "statement" and i["data"].get("instrument") == "reply"]
    assert [data.get("state") for data in taken_back if data.get("state")] == ([consent] if consent else [])
    flags = await line.rows("SELECT body FROM crm_event WHERE type = 'contact.flagged'")
    assert len(flags) == (flag is not None)
    await until_outcome(line, "connected" if key == "3" else "conversation")
    if consent:
        blocked = await line.send(call())
        assert (blocked["status"], blocked["channel"]) == ("blocked", "voice")


async def test_one_plays_the_note_again_and_is_no_reply(line: Town, tmp_path: Path) -> None:
    sent = await line.send(call())
    await line.until(sent["id"], "delivered")
    await line.reply("1", channel="voice")
    await line.until(sent["id"], "read")
    await until_outcome(line, "conversation")
    told = [json.loads(text) for text in (tmp_path / "carrier.ndjson").read_text().splitlines()]
    played = [(one["status"], one["kind"], one["bytes"] > 1000) for one in told if one["type"] == "played"]
    assert played == [(200, "audio/ogg", True)] * 2
    assert await line.rows("SELECT 1 FROM crm_event WHERE type = 'reply.received'") == []
    await line.reply("9", channel="voice")
    assert len(await line.rows("SELECT 1 FROM crm_event WHERE type = 'reply.received'")) == 1


async def test_what_she_says_is_heard_in_the_call_or_in_a_call_back(line: Town) -> None:
    await line.until((await line.send(call()))["id"], "delivered")
    await line.reply("ya pagué la semana pasada", channel="voice")
    await line.reply("no me llamen más", channel="voice")
    replies = await line.rows("SELECT body FROM crm_event WHERE type = 'reply.received' ORDER BY seq")
    assert len(replies) == 2
    assert "ya pagué" in replies[0]["body"]
    # After her first words the call was over: the second came in a call of her own, which counts.
    calls = await line.rows("SELECT outcome FROM contact_event WHERE type = 'inbound_call'")
    assert [row["outcome"] for row in calls] == ["connected"]
    assert (await line.send(call()))["status"] == "blocked"


RESULTS = [
    ("busy", "undelivered", "not_connected"),
    ("no-answer", "undelivered", "no_answer"),
    ("failed", "undelivered", "not_connected"),
    ("voicemail", "delivered", "voicemail_left"),
    ("voicemail-full", "undelivered", "voicemail_reached"),
    ("fax", "undelivered", "not_connected"),
    ("answered", "delivered", "connected"),
]


async def test_a_call_counts_by_its_result(line: Town) -> None:
    for index, (ending, status, counts) in enumerate(RESULTS):
        who, number = f"p{index}", f"+5730012340{index}7"
        async with line.session.post(
            f"{line.carrier_url}/sandbox/calls", json={"to": number, "ending": ending}
        ) as answer:
            assert answer.status == 200, await answer.text()
        await line.until((await line.send(call(number=number, identity=who)))["id"], status)
        await until_outcome(line, counts, who)


MAGIC = [("0001", "read"), ("0002", "undelivered"), ("0003", "failed"), ("0004", "unknown"), ("0005", "failed")]


async def test_magic_digits_end_calls(line: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter: Any = line.house.adapters[VOICE_PROVIDER]
    monkeypatch.setattr("adapters.kit.transport.CALL_SECONDS", 1.0)
    adapter._transport._timeout = type(adapter._transport)(call_seconds=1.0)._timeout
    sent = {digits: await line.send(call(number=f"+57300123{digits}", identity=f"p{digits}")) for digits, _ in MAGIC}
    for digits, status in MAGIC:
        await line.until(sent[digits]["id"], status, seconds=20)
    # She pressed a key before the call was told to be over: what came later told less, and changes nothing.
    await asyncio.sleep(0.2)
    assert await outcome(line, "p0001") == "conversation"
    (said,) = [
        i for i in await timeline(line, "p0005") if i["type"] == "statement" and i["data"].get("state") == "withdrawn"
    ]
    assert said["channel"] == "voice"


async def test_a_late_word_of_a_machine_counts_the_call_anew(line: Town) -> None:
    """Receipts in the wrong order, and the same again: what counts is the most that any of them told."""
    async with line.session.post(
        f"{line.carrier_url}/sandbox/calls", json={"to": ANA, "ending": "voicemail"}
    ) as answer:
        assert answer.status == 200
    for fault in ("reorder_receipts", "duplicate_receipt"):
        await line.fault(fault, provider=VOICE_PROVIDER)
    await line.until((await line.send(call()))["id"], "delivered")
    await asyncio.sleep(0.2)
    await until_outcome(line, "voicemail_left")


async def test_what_will_be_due_soon_is_spoken_ahead(line: Town) -> None:
    await line.stop_workers()
    sent = await line.send(call(send_at="2026-11-24T10:05:00-05:00"))
    assert sent["status"] in ("queued", "deferred")
    assert await line.rows("SELECT 1 FROM media") == []
    await line.house.notes.ahead()
    assert len(await line.rows("SELECT 1 FROM media")) == 1


async def test_who_gives_up_waiting_finds_the_note_made_the_next_time(
    line: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four texts at once and one slow voice: whoever has to give its reservation back, none is spoken twice and all go out."""
    spoken: list[str] = []
    booth = line.house.booth
    speak = booth.speak

    async def slowly(text: str, voice: str, seconds_max: float = 180.0) -> Any:
        spoken.append(text)
        await asyncio.sleep(1.0)
        return await speak(text, voice, seconds_max)

    monkeypatch.setattr(booth, "speak", slowly)
    monkeypatch.setattr("gateway.dispatch.HOLD", timedelta(seconds=0.6))
    sent = [await line.send(call({"text": f"{WORDS} {n}"}, f"+5730012340{n}7", f"p{n}")) for n in range(4)]
    for one in sent:
        done = await line.until(one["id"], "delivered", seconds=20)
        outcomes = [attempt["outcome"] for attempt in done["attempts"]]
        assert (outcomes[0], outcomes[-1]) == ("not_sent", "delivered")
    assert sorted(spoken) == sorted(set(spoken))


async def test_what_nobody_uses_is_forgotten(line: Town) -> None:
    await line.until((await line.send(call()))["id"], "delivered")
    await bring(line, recording())
    for days, left in ((6, ["spoken", "uploaded"]), (2, ["uploaded"]), (390, ["uploaded"]), (3, [])):
        await line.rows(f"UPDATE media SET used_at = used_at - interval '{days} days'")
        await line.house.notes.forget()
        assert [row["kind"] for row in await line.rows("SELECT kind FROM media ORDER BY kind")] == left

"""WhatsApp by Meta: each shape as Meta describes it, each error code with its meaning, each thing that its webhook tells."""

import contextlib
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from adapters.kit.port import Forged, Unreadable
from adapters.kit.settings import SettingsError
from adapters.kit.signing import status_url
from adapters.kit.testing import Bench, HangsUp, NeverAnswers, Says
from adapters.whatsapp_meta import BUTTONS_TEXT_CHARACTERS_MAX, SPEC, TEXT_CHARACTERS_MAX, MetaWhatsApp
from adapters.whatsapp_meta_errors import CODES, Meaning
from tests.adapters import meta_described
from tests.adapters.whatsapp_meta_demands import (
    APP_SECRET,
    DEMANDS,
    HER_WAMID,
    NUMBER,
    NUMBER_ID,
    PERSON,
    WAMID,
    change,
    error,
    hook,
    inbound,
    said,
    says,
    sent,
    status,
    whole,
)
from vocabulary.channel import Channel
from vocabulary.outcome import (
    About,
    CannotTell,
    Lost,
    Note,
    NotSent,
    Parcel,
    Receipt,
    ReceiptKind,
    Registered,
    Rejected,
    Reply,
    Sent,
    Unknown,
)

SECRET = b"secret that marks attempts"
ATTEMPT = UUID("0192f0c1-2222-7333-8444-555566667777")
STATUS_URL = status_url("https://tregua.example/in", "way", SECRET, ATTEMPT)
MARK = urlsplit(STATUS_URL).query
NOTE = Note(url="https://tregua.example/notes/x.ogg", audio=b"OggS\x00\xff", seconds=3.0)
MEDIA_ID = "4490709327384033"


def parcel(**told: Any) -> Parcel:
    usual = Parcel(
        attempt=ATTEMPT,
        channel=Channel.WHATSAPP,
        to=PERSON,
        text="Hola ñandú € “1”",
        validity_seconds=60,
        status_url=STATUS_URL,
    )
    return replace(usual, **told)


def built(base_url: str, **more: object) -> MetaWhatsApp:
    adapter = SPEC.build("way", {**DEMANDS.table(base_url), **more}, SECRET)
    assert isinstance(adapter, MetaWhatsApp)
    return adapter


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with Bench() as bench:
        yield bench


@pytest.fixture
async def adapter(bench: Bench) -> AsyncIterator[MetaWhatsApp]:
    adapter = built(bench.base_url)
    yield adapter
    await adapter.close()


@pytest.fixture
async def with_buttons(bench: Bench) -> AsyncIterator[MetaWhatsApp]:
    adapter = built(bench.base_url, buttons=["Ya pagué", "BAJA"])
    yield adapter
    await adapter.close()


def template(*values: str, reference: str = "cuota_lista", language: str = "es-CO") -> Registered:
    return Registered(reference=reference, language=language, values=values)


# What is asked of Meta

_ES_CO = {"policy": "deterministic", "code": "es_CO"}
_VALUES = [{"type": "text", "text": "Ana"}, {"type": "text", "text": "$ 1.200"}]
SHAPES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a free text": (
        {"text": "Hola ñandú €"},
        {"type": "text", "text": {"preview_url": False, "body": "Hola ñandú €"}},
    ),
    "a template without values": (
        {"template": template(language="en")},
        {
            "type": "template",
            "template": {"name": "cuota_lista", "language": {"policy": "deterministic", "code": "en"}},
        },
    ),
    "a template with values, in their order": (
        {"template": template("Ana", "$ 1.200"), "text": "Hola Ana: $ 1.200"},
        {
            "type": "template",
            "template": {
                "name": "cuota_lista",
                "language": _ES_CO,
                "components": [{"type": "body", "parameters": _VALUES}],
            },
        },
    ),
}


@pytest.mark.parametrize("shape", list(SHAPES))
async def test_each_shape_is_asked_for_with_one_post_as_meta_describes_it(
    bench: Bench, adapter: MetaWhatsApp, shape: str
):
    told, content = SHAPES[shape]
    bench.script(sent())
    assert await adapter.send(parcel(**told)) == Sent(provider_id=WAMID)
    (seen,) = bench.seen
    assert meta_described.check_request(seen.method, seen.target, seen.headers, seen.body) == "messages"
    assert seen.target == f"/v23.0/{NUMBER_ID}/messages"
    addressed = {"messaging_product": "whatsapp", "recipient_type": "individual", "to": PERSON}
    assert json.loads(seen.body) == addressed | {"biz_opaque_callback_data": MARK} | content


async def test_what_meta_says_of_a_template_is_kept(bench: Bench, adapter: MetaWhatsApp):
    bench.script(sent(message_status="held_for_quality_assessment"))
    ending = await adapter.send(parcel(template=template()))
    assert ending == Sent(provider_id=WAMID, provider_status="held_for_quality_assessment")


async def test_buttons_stand_below_a_text_that_is_short_enough(bench: Bench, with_buttons: MetaWhatsApp):
    bench.script(sent(), sent(), sent())
    for told in ({"text": "x" * BUTTONS_TEXT_CHARACTERS_MAX}, {"text": "x" * 1025}, {"template": template()}):
        await with_buttons.send(parcel(**told))
    kinds = []
    for seen in bench.seen:
        meta_described.check_request(seen.method, seen.target, seen.headers, seen.body)
        kinds.append(json.loads(seen.body)["type"])
    assert kinds == ["interactive", "text", "template"]
    shown = json.loads(bench.seen[0].body)["interactive"]["action"]["buttons"]
    assert [button["reply"]["title"] for button in shown] == ["Ya pagué", "BAJA"]


async def test_a_voice_note_is_uploaded_once_and_sent_as_a_voice_note_each_time(bench: Bench, adapter: MetaWhatsApp):
    bench.script(says(200, {"id": MEDIA_ID}), sent(), sent())
    assert await adapter.send(parcel(note=NOTE, text="")) == Sent(provider_id=WAMID)
    assert await adapter.send(parcel(note=NOTE, text="Hola")) == Sent(provider_id=WAMID)
    kinds = [meta_described.check_request(s.method, s.target, s.headers, s.body) for s in bench.seen]
    assert kinds == ["media", "messages", "messages"]
    assert NOTE.audio in bench.seen[0].body
    assert b"audio/ogg; codecs=opus" in bench.seen[0].body
    asked = json.loads(bench.seen[1].body)
    assert (asked["type"], asked["audio"]) == ("audio", {"id": MEDIA_ID, "voice": True})


UPLOADS: dict[str, tuple[Any, type]] = {
    "nobody answers": (NeverAnswers(), NotSent),
    "it hangs up": (HangsUp(), NotSent),
    "it is faulty": (error(500, 131000), NotSent),
    "it answers without an id": (says(200, {}), NotSent),
    "it is throttled": (error(400, 130429), NotSent),
    "it does not take it": (error(400, 131053, "Media upload error"), Rejected),
}


@pytest.mark.parametrize("case", list(UPLOADS))
async def test_a_note_that_was_not_uploaded_has_not_reached_her(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, case: str
):
    """Uploading sends nothing: even a call that may have left may be made again."""
    monkeypatch.setattr("adapters.kit.transport.CALL_SECONDS", 0.5)
    adapter = built(bench.base_url)
    step, ending = UPLOADS[case]
    bench.script(step)
    assert isinstance(await adapter.send(parcel(note=NOTE)), ending)
    assert [seen.target for seen in bench.seen] == [f"/v23.0/{NUMBER_ID}/media"]
    await adapter.close()


REFUSED_HERE: dict[str, dict[str, Any]] = {
    "nothing to say": {"text": ""},
    "half of a surrogate pair": {"text": "\ud83d"},
    "longer than WhatsApp takes": {"text": "x" * (TEXT_CHARACTERS_MAX + 1)},
    "a template that is none here": {"template": template(reference="HX" + "0a" * 16)},
    "a template in no language": {"template": template(language="")},
    "a template with an empty value": {"template": template("Ana", "")},
    "a value with a line break": {"template": template("Ana\nB")},
    "a value with five spaces": {"template": template("Ana     B")},
    "a value that is no Unicode": {"template": template("\ud83d")},
    "an empty voice note": {"note": replace(NOTE, audio=b"")},
}


@pytest.mark.parametrize("flaw", list(REFUSED_HERE))
async def test_what_cannot_be_sent_is_refused_before_anything_leaves(bench: Bench, adapter: MetaWhatsApp, flaw: str):
    assert isinstance(await adapter.send(parcel(**REFUSED_HERE[flaw])), Rejected)
    assert bench.seen == []


# What its codes mean

#: By code: the ending of a send that is refused with it, whether she opted out, and the seconds of rest.
ENDINGS: dict[int, tuple[type, bool, float | None]] = {
    4: (NotSent, False, 60.0),
    80007: (NotSent, False, 60.0),
    130429: (NotSent, False, 1.0),
    131048: (NotSent, False, 3600.0),
    131056: (NotSent, False, 6.0),
    131057: (NotSent, False, 60.0),
    190: (NotSent, False, 60.0),
    200: (NotSent, False, 60.0),
    299: (NotSent, False, 60.0),
    368: (NotSent, False, 3600.0),
    131031: (NotSent, False, 3600.0),
    131042: (NotSent, False, 3600.0),
    133010: (NotSent, False, 3600.0),
    131026: (Rejected, False, None),
    131050: (Rejected, True, None),
    131047: (Rejected, False, None),
    131049: (Rejected, False, None),
    131051: (Rejected, False, None),
    132000: (Rejected, False, None),
    132001: (Rejected, False, None),
    132015: (Rejected, False, None),
    100: (Rejected, False, None),
    999_999: (Rejected, False, None),
    1: (Unknown, False, None),
    2: (Unknown, False, None),
    131000: (Unknown, False, None),
    131016: (Unknown, False, None),
}


@pytest.mark.parametrize("number", list(ENDINGS))
async def test_each_code_ends_a_send_as_it_should(bench: Bench, adapter: MetaWhatsApp, number: int):
    kind, opted_out, rest = ENDINGS[number]
    bench.script(error(400, number, "sent to 573001230000"))
    ending = await adapter.send(parcel())
    assert isinstance(ending, kind)
    if isinstance(ending, Rejected):
        assert (ending.code, ending.opted_out, ending.address_invalid) == (str(number), opted_out, False)
        assert "573001230000" not in ending.reason
    if isinstance(ending, NotSent):
        assert ending.retry_after_seconds == rest
        # One person in six seconds is put off alone; too fast rests the way; what only the operator can mend opens it.
        later = CODES.get(number, CODES[10]).meaning is Meaning.LATER
        assert ending.about is {131056: About.MESSAGE}.get(number, About.PACE if later else About.ACCOUNT)
    assert bench.posts == 1


@pytest.mark.parametrize("number", sorted(CODES))
def test_each_code_of_a_failed_status_says_whether_it_speaks_of_her(adapter: MetaWhatsApp, number: int):
    errors = [{"code": number, "title": "t", "message": "t", "error_data": {"details": "d"}}]
    told = whole(change(statuses=[status("failed", MARK, errors=errors)]))
    meta_described.check_hook(json.dumps(told).encode())
    (receipt,) = adapter.read(hook(told))
    assert isinstance(receipt, Receipt)
    assert (receipt.kind, receipt.error_code, receipt.attempt) == (ReceiptKind.FAILED, str(number), ATTEMPT)
    assert receipt.opted_out == (number == 131050)
    # No code of Meta's says that a number is none: one without WhatsApp may still be called.
    assert not receipt.address_invalid


def test_only_refusals_of_this_message_speak_of_the_person():
    for code in CODES.values():
        assert not code.opted_out or code.meaning is Meaning.MESSAGE
        assert (code.rest_seconds > 0) == (code.meaning in (Meaning.LATER, Meaning.PAIR, Meaning.OURS))


USE = '{"419561257915477": [{"type": "whatsapp", "estimated_time_to_regain_access": %s}]}'
RESTS: dict[str, tuple[Says, float | None]] = {
    "its minutes, where they are longer": (error(400, 80007, X_Business_Use_Case_Usage=USE % 19), 1140.0),
    "ours, where its minutes are over": (error(400, 80007, X_Business_Use_Case_Usage=USE % 0), 60.0),
    "never more than an hour": (error(400, 80007, X_Business_Use_Case_Usage=USE % 999), 3600.0),
    "ours, where it says nothing readable": (error(400, 80007, X_Business_Use_Case_Usage="[1, 2"), 60.0),
    "its seconds": (error(400, 130429, Retry_After="30"), 30.0),
    "nothing, where nobody knows": (Says(status=429), None),
    "its seconds without a word": (Says(status=429, headers={"Retry-After": "9"}), 9.0),
}


@pytest.mark.parametrize("case", list(RESTS))
async def test_it_rests_as_long_as_meta_wants(bench: Bench, adapter: MetaWhatsApp, case: str):
    said_by_meta, seconds = RESTS[case]
    bench.script(said_by_meta)
    ending = await adapter.send(parcel())
    assert isinstance(ending, NotSent)
    assert ending.retry_after_seconds == seconds


@pytest.mark.parametrize("http", [408, 409, 500, 503])
async def test_a_refusal_in_an_answer_that_may_hide_a_message_is_unknown(
    bench: Bench, adapter: MetaWhatsApp, http: int
):
    bench.script(error(http, 131047))
    assert isinstance(await adapter.send(parcel()), Unknown)


async def test_what_is_lost_cannot_be_looked_up(bench: Bench, adapter: MetaWhatsApp):
    now = datetime(2026, 11, 23, tzinfo=UTC)
    lost = Lost(attempt=ATTEMPT, to=PERSON, text="x", not_before=now, not_after=now)
    assert isinstance(await adapter.find(lost), CannotTell)
    assert bench.seen == []


# What its webhook tells


def replies(adapter: MetaWhatsApp, *messages: dict[str, Any]) -> list[Reply]:
    received = adapter.read(hook(whole(inbound(*messages))))
    assert all(isinstance(one, Reply) for one in received)
    return [one for one in received if isinstance(one, Reply)]


_ID = {"mime_type": "audio/ogg; codecs=opus", "sha256": "SfInY0gG", "id": "1003383421387256"}
_UNSUPPORTED = [{"code": 131051, "title": "Message type unknown", "message": "Message type unknown"}]
#: Each kind that a person's message may be of: what she says by it, and whether something came with it.
KINDS: dict[str, tuple[dict[str, Any], str, bool]] = {
    "a text": (said(text={"body": "Does it come in another color?"}), "Does it come in another color?", False),
    "a button of a template": (
        said("button", button={"payload": "unsub", "text": "Unsubscribe"}),
        "Unsubscribe",
        False,
    ),
    "a button that has only its meaning": (said("button", button={"payload": "STOP"}), "STOP", False),
    "a reply button": (
        said("interactive", interactive={"type": "button_reply", "button_reply": {"id": "b2", "title": "BAJA"}}),
        "BAJA",
        False,
    ),
    "a row of a list": (
        said("interactive", interactive={"type": "list_reply", "list_reply": {"id": "p", "title": "Mañana"}}),
        "Mañana",
        False,
    ),
    "a reaction": (said("reaction", reaction={"message_id": WAMID, "emoji": "👍"}), "👍", False),
    "a voice note": (said("audio", audio={**_ID, "voice": True}), "", True),
    "a sticker": (said("sticker", sticker={**_ID, "animated": False}), "", True),
    "a picture with words": (said("image", image={**_ID, "caption": "el recibo"}), "el recibo", True),
    "a document": (said("document", document={**_ID, "filename": "r.pdf"}), "", True),
    "a place": (said("location", location={"latitude": 4.6, "longitude": -74.0}), "", False),
    "a contact": (said("contacts", contacts=[{"name": {"formatted_name": "B"}}]), "", False),
    "something that Meta does not carry": (said("unsupported", errors=_UNSUPPORTED), "", False),
    "something of tomorrow": (said("hologram", hologram={"x": 1}), "", False),
}


@pytest.mark.parametrize("kind", list(KINDS))
def test_each_kind_of_message_is_what_she_says(adapter: MetaWhatsApp, kind: str):
    message, words, media = KINDS[kind]
    (reply,) = replies(adapter, message)
    assert (reply.text, reply.sender, reply.recipient) == (words, PERSON, NUMBER)
    assert (reply.channel, reply.key, reply.afresh) == (Channel.WHATSAPP, HER_WAMID, True)
    base = adapter._graph
    assert reply.media == ((f"{base}/1003383421387256",) if media else ())


def test_a_word_that_was_changed_and_a_reaction_taken_back_are_no_new_words(adapter: MetaWhatsApp):
    edited = said("edit", edit={"original_message_id": WAMID, "message": {"type": "text", "text": {"body": "BAJA"}}})
    gone = said("reaction", id=WAMID, reaction={"message_id": WAMID})
    assert [(reply.text, reply.afresh) for reply in replies(adapter, edited, gone)] == [("BAJA", False), ("", False)]


def test_what_is_no_word_of_hers_is_not_told_as_one(adapter: MetaWhatsApp):
    changed = said("system", system={"body": "changed", "wa_id": "12195555358", "type": "user_changed_number"})
    group = said(text={"body": "hola"}, group_id="Y2FwaV9ncm91cDox")
    assert replies(adapter, changed, group, said("revoke", revoke={"original_message_id": WAMID})) == []


@pytest.mark.parametrize("text", ["\ud83d mitad", "\x00BAJA", "“ñ” \U0001f600"])
def test_her_words_can_be_kept(adapter: MetaWhatsApp, text: str):
    (reply,) = replies(adapter, said(text={"body": text}))
    assert reply.text.encode()
    assert "\x00" not in reply.text


def test_who_hides_her_number_is_known_by_another_id_and_is_nobody_of_ours(adapter: MetaWhatsApp):
    message = said(text={"body": "hola"}, from_user_id="CO.13491208655302741918")
    del message["from"]
    (reply,) = replies(adapter, message)
    assert reply.sender == "CO.13491208655302741918"


def test_stopping_what_we_send_is_an_objection_and_no_contact(adapter: MetaWhatsApp):
    """…/webhooks/reference/user_preferences."""
    preference = {
        "wa_id": PERSON[1:],
        "detail": "User requested to stop marketing messages",
        "category": "marketing_messages",
        "value": "stop",
        "timestamp": 1731705721,
    }
    (reply,) = adapter.read(hook(whole(change("user_preferences", user_preferences=[preference]))))
    assert isinstance(reply, Reply)
    assert (reply.sender, reply.text, reply.carrier_opt_out, reply.afresh) == (PERSON, "", True, False)
    back = {**preference, "value": "resume", "timestamp": 1731705999}
    assert adapter.read(hook(whole(change("user_preferences", user_preferences=[back])))) == ()


def test_one_call_may_bring_a_batch(adapter: MetaWhatsApp):
    batch = whole(
        change(statuses=[status("sent", MARK), status("delivered", MARK)]),
        inbound(said(text={"body": "uno"}), said(id=WAMID + "x", text={"body": "dos"})),
    )
    batch["entry"].append({"id": "1", "changes": [change(statuses=[status("read")])]})
    received = adapter.read(hook(batch))
    assert [one.provider_status if isinstance(one, Receipt) else one.text for one in received] == [
        "sent",
        "delivered",
        "uno",
        "dos",
        "read",
    ]
    assert [one.attempt for one in received] == [ATTEMPT, ATTEMPT, None, None, None]


def test_what_cannot_be_read_takes_nothing_else_with_it_and_is_seen(adapter: MetaWhatsApp):
    other = change("message_template_status_update", event="PAUSED", message_template_name="cuota_lista")
    received = adapter.read(hook(whole(other, inbound(said(text={"body": "BAJA"}), {"id": "??"}))))
    reply, strange = received
    assert isinstance(reply, Reply)
    assert reply.text == "BAJA"
    assert isinstance(strange, Receipt)
    assert (strange.kind, strange.attempt, strange.provider_id) == (ReceiptKind.UNREADABLE, None, None)


def test_a_stop_beside_a_false_mark_is_heard(adapter: MetaWhatsApp):
    false = MARK[:-1] + ("0" if MARK[-1] != "0" else "1")
    received = adapter.read(hook(whole(change(statuses=[status("read", false)]), inbound(said(text={"body": "BAJA"})))))
    assert [one.text for one in received if isinstance(one, Reply)] == ["BAJA"]
    assert [one.kind for one in received if isinstance(one, Receipt)] == [ReceiptKind.UNREADABLE]


@pytest.mark.parametrize("mark", ["", "campaign-7", '{"a": 1}', "b=" + MARK])
def test_the_mark_of_another_program_on_the_number_is_none_of_ours(adapter: MetaWhatsApp, mark: str):
    (receipt,) = adapter.read(hook(whole(change(statuses=[status("sent", mark)]))))
    assert isinstance(receipt, Receipt)
    assert (receipt.attempt, receipt.provider_id) == (None, WAMID)


NOTHING_OF_OURS: dict[str, bytes | dict[str, Any]] = {
    "no JSON": b"object=whatsapp",
    "another product": {"object": "page", "entry": []},
    "no object": b"[]",
    "nested without end": b"[" * 100_000,
    "news about a template": whole(change("message_template_status_update", event="APPROVED")),
    "a status without an id": whole(change(statuses=[{"status": "sent"}])),
    "a message from nobody": whole(inbound({"id": HER_WAMID, "type": "text", "text": {"body": "x"}})),
}


@pytest.mark.parametrize("case", list(NOTHING_OF_OURS))
def test_a_genuine_call_that_says_nothing_of_ours_is_kept_for_the_operator(adapter: MetaWhatsApp, case: str):
    with pytest.raises(Unreadable):
        adapter.read(hook(NOTHING_OF_OURS[case]))


@pytest.mark.parametrize("value", [None, 7, "x", [], {}, [7], [{"statuses": 7, "messages": {"a": 1}}]])
def test_whatever_stands_in_a_genuine_call_never_breaks_the_reading(adapter: MetaWhatsApp, value: Any):
    for told in (value, {"entry": value}, {"object": "whatsapp_business_account", "entry": value}):
        with contextlib.suppress(Unreadable):
            adapter.read(hook(json.dumps(told).encode()))
    for part in ("text", "button", "interactive", "reaction", "audio", "edit"):
        (reply,) = replies(adapter, said(part, **{part: value}))
        assert reply.text == ""


def test_the_secret_may_be_changed_without_a_gap(bench: Bench):
    adapter = built(bench.base_url, app_secret="new-secret", app_secret_secondary=APP_SECRET)
    told = whole(inbound(said(text={"body": "hola"})))
    assert adapter.read(hook(told)) == adapter.read(hook(told, secret="new-secret"))
    with pytest.raises(Forged):
        adapter.read(hook(told, secret="another"))


def test_what_meta_escapes_is_signed_as_it_is_escaped(adapter: MetaWhatsApp):
    genuine = hook(whole(inbound(said(text={"body": "ñ"}))))
    meta_described.check_hook(genuine.body)
    unescaped = json.dumps(json.loads(genuine.body), ensure_ascii=False).encode()
    with pytest.raises(Forged):
        adapter.read(replace(genuine, body=unescaped))


# Settings


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("phone_number_id", "+15550783881"),
        ("version", "23"),
        ("access_token", "tokeñ"),
        ("buttons", "BAJA"),
        ("buttons", ["x" * 21]),
        ("buttons", ["a", "a"]),
        ("buttons", ["a", "b", "c", "d"]),
        ("buttons", [7]),
    ],
)
def test_a_setting_that_meta_would_not_take_is_refused_by_name(setting: str, value: object):
    with pytest.raises(SettingsError, match=setting):
        built("http://127.0.0.1:1", **{setting: value})


def test_what_the_fakes_say_is_what_meta_describes():
    meta_described.check_answer("/v23.0/1/messages", 200, json.loads(sent(message_status="accepted").body))
    meta_described.check_answer("/v23.0/1/messages", 400, json.loads(error(400, 131047).body))
    meta_described.check_answer("/v23.0/1/media", 200, {"id": MEDIA_ID})
    for kind in ("a text", "a button of a template", "a reply button", "a reaction", "a voice note"):
        meta_described.check_hook(hook(whole(inbound(KINDS[kind][0]))).body)


def test_every_code_stands_in_the_page_under_its_ending():
    page = (Path(__file__).parents[2] / "docs/channels/whatsapp.md").read_text("utf-8")
    rows = [line.split("|")[1:3] for line in page.splitlines() if re.match(r"\| [0-9]", line)]
    ending = {
        int(number): said for codes, said in rows for number in re.findall(r"[0-9]+", re.sub(r"\(.*?\)", "", codes))
    }
    words = {
        Meaning.LATER: "tried again",
        Meaning.PAIR: "tried again",
        Meaning.OURS: "our account",
        Meaning.MESSAGE: "rejected",
        Meaning.UNCERTAIN: "unknown",
    }
    for number, code in CODES.items():
        assert words[code.meaning] in ending[number], number
        assert ("withdrawal" in ending[number]) == code.opted_out, number

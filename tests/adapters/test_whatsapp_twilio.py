"""WhatsApp by Twilio: what is asked for in each shape, what each number of its errors means, and what people send back."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs

import pytest

from adapters.kit.port import Unreadable
from adapters.kit.settings import SettingsError
from adapters.kit.testing import Bench
from adapters.whatsapp_twilio import SPEC, TEXT_CHARACTERS_MAX, TwilioWhatsApp
from tests.adapters import twilio_oai
from tests.adapters.sms_twilio_demands import error, page, says
from tests.adapters.test_sms_twilio import LOST, OTHER_SID, SECRET, STATUS_URL
from tests.adapters.test_sms_twilio import parcel as sms_parcel
from tests.adapters.whatsapp_twilio_demands import DEMANDS, SENDER, SID, hook, inbound_form, message, of, status_form
from vocabulary.channel import Channel
from vocabulary.outcome import (
    About,
    Absent,
    CannotTell,
    Found,
    Note,
    NotSent,
    Parcel,
    Receipt,
    ReceiptKind,
    Registered,
    Rejected,
    Reply,
    Sent,
)

INBOUND = "https://tregua.example/in/hooks/way/inbound"
CONTENT = "HX" + "0a" * 16
NOTE = Note(url="https://tregua.example/notes/x.ogg?e=1&s=2", audio=b"OggS", seconds=3.0)


def parcel(**told: object) -> Parcel:
    return replace(sms_parcel(), channel=Channel.WHATSAPP, **told)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with Bench() as bench:
        yield bench


@pytest.fixture
async def adapter(bench: Bench) -> AsyncIterator[TwilioWhatsApp]:
    adapter = SPEC.build("way", DEMANDS.table(bench.base_url), SECRET)
    assert isinstance(adapter, TwilioWhatsApp)
    yield adapter
    await adapter.close()


def template(*values: str, reference: str = CONTENT) -> Registered:
    return Registered(reference=reference, language="es", values=values)


SHAPES: dict[str, tuple[dict[str, object], dict[str, str]]] = {
    "a free text": ({"text": "Hola ñandú €"}, {"Body": "Hola ñandú €"}),
    "a template without values": ({"template": template()}, {"ContentSid": CONTENT}),
    "a template with values": (
        {"template": template("Ana", "$ 1.200 “hoy”")},
        {"ContentSid": CONTENT, "ContentVariables": '{"1":"Ana","2":"$ 1.200 “hoy”"}'},
    ),
    "a template wins over the words it renders to": (
        {"template": template("Ana"), "text": "Hola Ana"},
        {"ContentSid": CONTENT, "ContentVariables": '{"1":"Ana"}'},
    ),
    "a voice note": ({"note": NOTE, "text": ""}, {"MediaUrl": NOTE.url}),
    "a spoken voice note, without its words": ({"note": NOTE, "text": "Hola"}, {"MediaUrl": NOTE.url}),
}


@pytest.mark.parametrize("shape", list(SHAPES))
async def test_each_shape_is_asked_for_with_one_post_as_twilio_describes_it(
    bench: Bench, adapter: TwilioWhatsApp, shape: str
):
    told, content = SHAPES[shape]
    bench.script(DEMANDS.sent)
    assert await adapter.send(parcel(**told)) == Sent(provider_id=SID, provider_status="queued", segments=1)
    (seen,) = bench.seen
    twilio_oai.check_request(seen.method, seen.target, seen.headers["content-type"], seen.body)
    form = {name: values[0] for name, values in parse_qs(seen.body.decode()).items()}
    addressed = {"To": "whatsapp:+573001230000", "From": f"whatsapp:{SENDER}"}
    assert form == addressed | {"StatusCallback": STATUS_URL, "ValidityPeriod": "60"} | content


REFUSED_HERE: dict[str, dict[str, object]] = {
    "nothing to say": {"text": ""},
    "half of a surrogate pair": {"text": "\ud83d"},
    "longer than WhatsApp takes": {"text": "x" * (TEXT_CHARACTERS_MAX + 1)},
    "a template that this provider does not know": {"template": template(reference="cuota_lista")},
    "a template with an empty value": {"template": template("Ana", " ")},
    "a value that is no Unicode": {"template": template("\ud83d")},
}


@pytest.mark.parametrize("flaw", list(REFUSED_HERE))
async def test_what_cannot_be_sent_is_refused_before_anything_leaves(bench: Bench, adapter: TwilioWhatsApp, flaw: str):
    assert isinstance(await adapter.send(parcel(**REFUSED_HERE[flaw])), Rejected)
    assert bench.seen == []


#: https://www.twilio.com/docs/api/errors/<number>: what each means for us: opted out, address invalid, seconds of rest.
ERRORS: dict[int, tuple[bool, bool, float | None]] = {
    21211: (False, True, None),
    21610: (True, False, None),
    63003: (False, False, None),
    63005: (False, False, None),
    63007: (False, False, None),
    63013: (False, False, None),
    63016: (False, False, None),
    63018: (False, False, 60.0),
    63024: (False, False, None),
    63032: (False, False, None),
    63033: (True, False, None),
    63049: (False, False, None),
    63051: (False, False, None),
}


@pytest.mark.parametrize("code", list(ERRORS))
async def test_each_error_of_a_create_has_its_meaning(bench: Bench, adapter: TwilioWhatsApp, code: int):
    opted_out, invalid, rest = ERRORS[code]
    bench.script(error(400, code))
    ending = await adapter.send(parcel())
    if rest is not None:
        assert isinstance(ending, NotSent)
        assert ending.retry_after_seconds == rest
    else:
        assert isinstance(ending, Rejected)
        assert (ending.code, ending.opted_out, ending.address_invalid) == (str(code), opted_out, invalid)


@pytest.mark.parametrize("code", list(ERRORS))
def test_each_error_of_a_status_has_its_meaning(adapter: TwilioWhatsApp, code: int):
    """WhatsApp refuses mostly afterwards: 201 first, then a status with the number."""
    opted_out, invalid, _ = ERRORS[code]
    (receipt,) = adapter.read(hook("status", STATUS_URL, status_form("undelivered", ErrorCode=str(code))))
    assert isinstance(receipt, Receipt)
    assert (receipt.kind, receipt.error_code) == (ReceiptKind.UNDELIVERED, str(code))
    assert (receipt.opted_out, receipt.address_invalid) == (opted_out, invalid)


async def test_a_wait_that_twilio_asks_for_is_longer_than_ours(bench: Bench, adapter: TwilioWhatsApp):
    bench.script(error(400, 63018, Retry_After="600"))
    assert await adapter.send(parcel()) == NotSent(
        reason="not taken now: 63018", retry_after_seconds=600.0, about=About.PACE
    )


def test_she_read_it(adapter: TwilioWhatsApp):
    form = status_form("read", EventType="READ")
    (whole,) = adapter.read(hook("status", STATUS_URL, form))
    bare = {name: value for name, value in form.items() if name not in ("MessageStatus", "SmsStatus")}
    (event,) = adapter.read(hook("status", STATUS_URL, bare))
    assert whole == event
    assert isinstance(whole, Receipt)
    assert whole.kind is ReceiptKind.READ


BUTTONS: dict[str, tuple[dict[str, str], str]] = {
    "its words stand in the body": (
        {"Body": "Ya pagué", "ButtonText": "Ya pagué", "ButtonPayload": "paid"},
        "Ya pagué",
    ),
    "only the button": ({"Body": "", "ButtonText": "BAJA", "ButtonPayload": "stop"}, "BAJA"),
    "only what it stands for": ({"Body": "", "ButtonPayload": "STOP"}, "STOP"),
}


@pytest.mark.parametrize("case", list(BUTTONS))
def test_a_quick_reply_is_what_she_says(adapter: TwilioWhatsApp, case: str):
    told, words = BUTTONS[case]
    more = {"MessageType": "button", "OriginalRepliedMessageSid": OTHER_SID}
    (reply,) = adapter.read(hook("inbound", INBOUND, inbound_form("", **more | told)))
    assert isinstance(reply, Reply)
    assert (reply.text, reply.channel) == (words, Channel.WHATSAPP)
    assert (reply.sender, reply.recipient) == ("+573001230000", SENDER)


def test_her_voice_note_comes_as_media(adapter: TwilioWhatsApp):
    url = "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages/MM1/Media/ME1"
    more = {"NumMedia": "1", "MediaUrl0": url, "MediaContentType0": "audio/ogg", "MessageType": "audio"}
    (reply,) = adapter.read(hook("inbound", INBOUND, inbound_form("", **more)))
    assert isinstance(reply, Reply)
    assert (reply.text, reply.media) == ("", (url,))


@pytest.mark.parametrize("sender", ["+573001230000", "whatsapp:", "whatsapp:CO.13491208655302741918", "whatsapp:+57x"])
def test_who_has_no_number_is_kept_for_the_operator(adapter: TwilioWhatsApp, sender: str):
    with pytest.raises(Unreadable):
        adapter.read(hook("inbound", INBOUND, inbound_form("hola", From=sender)))


async def test_a_lost_template_whose_words_twilio_tells_otherwise_is_left_open(bench: Bench, adapter: TwilioWhatsApp):
    """To call it absent would give the contact back although she has the message."""
    bench.script(page(of(LOST, body="Hola canary  (con plantilla)")))
    assert await adapter.find(LOST) == CannotTell(reason="a message to that number in that span says something else")
    assert len(bench.seen) == 1


async def test_a_lost_text_is_found_by_its_words_and_hers_are_not_ours(bench: Bench, adapter: TwilioWhatsApp):
    inbound = of(LOST, sid=OTHER_SID, direction="inbound")
    early = of(LOST, sid=OTHER_SID, body="otra cosa", date_created="Mon, 23 Nov 2026 23:00:00 +0000")
    bench.script(page(inbound, early, of(LOST, sid=SID, status="sent")))
    assert await adapter.find(LOST) == Found(provider_id=SID, provider_status="sent")
    twilio_oai.check_request("GET", bench.seen[0].target, None, b"")
    assert "To=whatsapp%3A%2B573001230000" in bench.seen[0].target


async def test_a_lost_voice_note_is_found_by_having_no_words(bench: Bench, adapter: TwilioWhatsApp):
    lost = replace(LOST, text="", not_after=LOST.not_after + timedelta(seconds=1))
    bench.script(page(of(lost, sid=SID, body="", num_media="1")))
    assert isinstance(await adapter.find(lost), Found)
    bench.script(page(), page())
    assert await adapter.find(lost) == Absent()


@pytest.mark.parametrize("sender", ["whatsapp:+15005550006", "15005550006", "ACME"])
def test_the_sender_is_a_number_without_prefix(sender: str):
    with pytest.raises(SettingsError, match="from"):
        SPEC.build("way", {**DEMANDS.table("http://127.0.0.1:1"), "from": sender}, SECRET)


def test_it_has_no_segments_to_quote(adapter: TwilioWhatsApp):
    assert adapter.quote("+573001230000", "Hola") is None


def test_what_the_fakes_say_is_what_twilio_describes():
    twilio_oai.check_answer("POST", "/2010-04-01/Accounts/AC1/Messages.json", 201, message())
    assert json.loads(says(201, message()).body) == message()

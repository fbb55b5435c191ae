"""What only Twilio does: its fields, codes, list, two tokens and its own description of itself."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from urllib.parse import parse_qs, quote_plus, urlencode, urlsplit
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import MultiDict
from twilio.request_validator import RequestValidator

from adapters.kit.port import Forged, Hook, Unreadable
from adapters.kit.settings import SettingsError
from adapters.kit.signing import attempt_mac, attempt_marked, inbound_url, status_url
from adapters.kit.testing import Bench, Says
from adapters.kit.transport import ANSWER_BYTES_MAX
from adapters.kit.twilio_client import BILLS_PAGE, FIND_MESSAGES_MAX, in_form
from adapters.kit.twilio_hooks import STATUSES
from adapters.sms_twilio import SPEC, TwilioSms, settings
from tests.adapters import twilio_oai
from tests.adapters.sms_twilio_demands import (
    ACCOUNT,
    DEMANDS,
    NUMBER,
    SID,
    TOKEN,
    error,
    hook,
    inbound_form,
    message,
    of,
    page,
    says,
    status_form,
    table,
)
from vocabulary.channel import Channel
from vocabulary.outcome import (
    About,
    Absent,
    Bill,
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

SECRET = b"canary secret"
PUBLIC = "https://tregua.example:8443"
ATTEMPT = UUID(int=7)
STATUS_URL = status_url(PUBLIC, "twilio-main", SECRET, ATTEMPT)
INBOUND_URL = inbound_url(PUBLIC, "twilio-main")
NOW = datetime(2026, 11, 23, 23, 59, 58, 900_000, tzinfo=UTC)
LOST = Lost(
    attempt=ATTEMPT,
    to="+573001230000",
    text="Hola canary",
    not_before=NOW,
    not_after=NOW + timedelta(seconds=30),
)
OTHER_SID = "SM" + "1e" * 16


def parcel(**told: object) -> Parcel:
    whole = Parcel(
        attempt=ATTEMPT,
        channel=Channel.SMS,
        to="+573001230000",
        text="Hola canary: 1+1=2 & ñandú 100% €",
        validity_seconds=60,
        status_url=STATUS_URL,
    )
    return replace(whole, **told)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with Bench() as bench:
        yield bench


def built(base_url: str = "http://127.0.0.1:1", **more: object) -> TwilioSms:
    adapter = SPEC.build("twilio-main", {**table(base_url), **more}, SECRET)
    assert isinstance(adapter, TwilioSms)
    return adapter


@pytest.fixture
async def adapter(bench: Bench) -> AsyncIterator[TwilioSms]:
    adapter = built(bench.base_url)
    yield adapter
    await adapter.close()


# What is asked of Twilio


async def test_a_message_is_asked_for_as_twilio_describes_it(bench: Bench, adapter: TwilioSms):
    bench.script(DEMANDS.sent)
    await adapter.send(parcel())
    (seen,) = bench.seen
    twilio_oai.check_request(seen.method, seen.target, seen.headers["content-type"], seen.body)
    assert parse_qs(seen.body.decode()) == {
        "To": ["+573001230000"],
        "From": [NUMBER],
        "Body": ["Hola canary: 1+1=2 & ñandú 100% €"],
        "StatusCallback": [STATUS_URL],
        "ValidityPeriod": ["60"],
    }


@pytest.mark.parametrize(("asked", "told"), [(-5, "1"), (0, "1"), (1, "1"), (36_000, "36000"), (99_999, "36000")])
async def test_the_validity_stays_within_what_twilio_takes(bench: Bench, adapter: TwilioSms, asked: int, told: str):
    bench.script(DEMANDS.sent)
    await adapter.send(parcel(validity_seconds=asked))
    assert parse_qs(bench.seen[0].body.decode())["ValidityPeriod"] == [told]


async def test_rest_is_asked_with_the_api_key_where_there_is_one(bench: Bench):
    adapter = built(bench.base_url, api_key="SKcanary", api_secret="canary-key")
    bench.script(DEMANDS.sent)
    await adapter.send(parcel())
    # Basic SKcanary:canary-key
    assert bench.seen[0].headers["authorization"] == "Basic U0tjYW5hcnk6Y2FuYXJ5LWtleQ=="
    assert bench.seen[0].target == f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    await adapter.close()


async def test_a_messaging_service_may_choose_the_sender(bench: Bench):
    service = "MG" + "ab" * 16
    told = {**table(bench.base_url), "messaging_service_sid": service}
    del told["from"]
    adapter = SPEC.build("twilio-main", told, SECRET)
    bench.script(says(201, message(num_segments="0", status="accepted", **{"from": None})))
    assert await adapter.send(parcel()) == Sent(provider_id=SID, provider_status="accepted", segments=None)
    form = parse_qs(bench.seen[0].body.decode())
    assert (form.get("MessagingServiceSid"), form.get("From")) == ([service], None)
    twilio_oai.check_request("POST", bench.seen[0].target, bench.seen[0].headers["content-type"], bench.seen[0].body)
    await adapter.close()


async def test_a_base_address_may_have_a_path(bench: Bench):
    adapter = built(bench.base_url + "/twilio/")
    bench.script(DEMANDS.sent)
    await adapter.send(parcel())
    assert bench.seen[0].target == f"/twilio/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    await adapter.close()


async def test_the_environment_sends_it_nowhere_else(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    for name, value in {"TWILIO_EDGE": "dublin", "TWILIO_REGION": "ie1", "TWILIO_AUTH_TOKEN": "other"}.items():
        monkeypatch.setenv(name, value)
    adapter = built(bench.base_url)
    bench.script(DEMANDS.sent)
    assert isinstance(await adapter.send(parcel()), Sent)
    await adapter.close()


async def test_half_a_surrogate_pair_is_rejected_before_anything_leaves(bench: Bench, adapter: TwilioSms):
    assert isinstance(await adapter.send(parcel(text="canary \ud83d")), Rejected)
    assert bench.seen == []


# What Twilio answers


ENDINGS = [
    # status, code, ending, opted out, address invalid
    (400, 21610, Rejected, True, False),
    (400, 21211, Rejected, False, True),
    (400, 21614, Rejected, False, True),
    (400, 21635, Rejected, False, True),
    (400, 21217, Rejected, False, True),
    (400, 21612, Rejected, False, False),
    (400, 21408, Rejected, False, False),
    (400, 21617, Rejected, False, False),
    (401, 20003, NotSent, False, False),
    (403, 20005, NotSent, False, False),
    (404, 20404, Rejected, False, False),
    (422, 21000, Rejected, False, False),
    (429, 20429, NotSent, False, False),
    (400, 20429, NotSent, False, False),
    (429, 14107, NotSent, False, False),
    (408, 20408, Unknown, False, False),
    (409, 20409, Unknown, False, False),
    (500, 20500, Unknown, False, False),
    (503, 20503, Unknown, False, False),
    (503, 20429, Unknown, False, False),
    (302, 21610, Unknown, False, False),
]


@pytest.mark.parametrize(("status", "code", "ending", "opted_out", "address_invalid"), ENDINGS)
async def test_endings(
    bench: Bench, adapter: TwilioSms, status: int, code: int, ending: type, opted_out: bool, address_invalid: bool
):
    bench.script(error(status, code))
    ended = await adapter.send(parcel())
    assert type(ended) is ending
    if isinstance(ended, Rejected):
        assert (ended.code, ended.opted_out, ended.address_invalid) == (str(code), opted_out, address_invalid)


@pytest.mark.parametrize(
    ("told", "date", "seconds"),
    [
        ("5", None, 5.0),
        ("0", None, 0.0),
        ("999999999999", None, 3600.0),
        ("-1", None, None),
        ("soon", None, None),
        ("", None, None),
        ("Mon, 23 Nov 2026 12:00:30 GMT", "Mon, 23 Nov 2026 12:00:00 GMT", 30.0),
        ("Mon, 23 Nov 2026 11:00:00 GMT", "Mon, 23 Nov 2026 12:00:00 GMT", 0.0),
        ("Mon, 23 Nov 2026 12:00:30 GMT", None, None),
    ],
)
async def test_how_long_to_wait(bench: Bench, adapter: TwilioSms, told: str, date: str | None, seconds: float | None):
    bench.script(Says(status=429, headers={"Retry-After": told} | ({"Date": date} if date else {})))
    assert await adapter.send(parcel()) == NotSent(reason="throttled", retry_after_seconds=seconds, about=About.PACE)


@pytest.mark.parametrize(
    "told", [{"code": "21610", "message": "x"}, {"code": True, "message": "x"}, {"code": 21610}, {}]
)
async def test_a_refusal_in_other_shapes_than_twilios_is_unknown(bench: Bench, adapter: TwilioSms, told: dict):
    bench.script(says(400, told))
    assert isinstance(await adapter.send(parcel()), Unknown)


async def test_a_reason_names_no_number_and_no_control_character(bench: Bench, adapter: TwilioSms):
    said = "To +57 (300) 123-0000 or +573001230000\n\x1b[31m is not valid" + "." * 500
    bench.script(error(400, 21211, said))
    ended = await adapter.send(parcel())
    assert isinstance(ended, Rejected)
    assert "300" not in ended.reason
    assert ended.reason.isprintable()
    assert len(ended.reason) <= 200


@pytest.mark.parametrize(
    "bent", [{"date_created": 5}, {"num_segments": {}}, {"status": ["x"]}, {"sid": "SM1"}, {"sid": 5}]
)
async def test_a_success_with_a_bent_field_is_never_taken_for_not_sent(bench: Bench, adapter: TwilioSms, bent: dict):
    bench.script(says(201, message(**bent)))
    assert isinstance(await adapter.send(parcel()), Sent | Unknown)


# Its list


async def test_the_list_is_asked_for_as_twilio_describes_it(bench: Bench, adapter: TwilioSms):
    bench.script(page(), page())
    assert await adapter.find(LOST) == Absent()
    for seen in bench.seen:
        twilio_oai.check_request(seen.method, seen.target, None, b"")
    by_day, by_number = (parse_qs(urlsplit(seen.target).query) for seen in bench.seen)
    assert by_day == {"To": ["+573001230000"], "DateSent>": ["2026-11-23"], "PageSize": ["100"]}
    assert by_number == {"To": ["+573001230000"], "PageSize": ["100"]}


async def test_a_message_that_still_waits_has_no_day_of_sending_and_is_found_all_the_same(
    bench: Bench, adapter: TwilioSms
):
    bench.script(page(), page(of(LOST)))
    assert await adapter.find(LOST) == Found(provider_id=SID, provider_status="queued")


async def test_the_list_is_read_to_its_last_page_and_only_at_the_configured_host(bench: Bench, adapter: TwilioSms):
    stranger = of(LOST, sid=OTHER_SID, body="another text")
    bench.script(
        page(stranger, following=f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json?PageToken=PA1&Page=1"),
        page(of(LOST)),
    )
    assert await adapter.find(LOST) == Found(provider_id=SID, provider_status="queued")
    assert bench.seen[1].target == f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json?PageToken=PA1&Page=1"


MATCHES = [
    ("the same", {}, True),
    (
        "with the words of a trial account before it",
        {"body": "Sent from your Twilio trial account - Hola canary"},
        True,
    ),
    ("in the second in which it was reserved", {"date_created": "Mon, 23 Nov 2026 23:59:58 +0000"}, True),
    ("in the last second", {"date_created": "Tue, 24 Nov 2026 00:00:28 +0000"}, True),
    ("a second before", {"date_created": "Mon, 23 Nov 2026 23:59:57 +0000"}, False),
    ("a second after", {"date_created": "Tue, 24 Nov 2026 00:00:29 +0000"}, False),
    ("with no date", {"date_created": None}, False),
    ("to another number", {"to": "+573001230001"}, False),
    ("with another text", {"body": "Hola canary "}, False),
    ("that a person sent to us", {"direction": "inbound"}, False),
]


@pytest.mark.parametrize(("told", "found"), [row[1:] for row in MATCHES], ids=[row[0] for row in MATCHES])
async def test_a_message(bench: Bench, adapter: TwilioSms, told: dict, found: bool):
    listed = page(of(LOST, **told))
    bench.script(*[listed] * (1 if found else 2))
    assert isinstance(await adapter.find(LOST), Found if found else Absent)


async def test_of_two_that_fit_the_first_is_taken_unless_it_is_anothers(bench: Bench, adapter: TwilioSms):
    late = of(LOST, sid=OTHER_SID, date_created=format_datetime(NOW + timedelta(seconds=9)))
    bench.script(page(late, of(LOST)), page(late, of(LOST)))
    assert await adapter.find(LOST) == Found(provider_id=SID, provider_status="queued")
    taken = replace(LOST, taken=frozenset({SID}))
    assert await adapter.find(taken) == Found(provider_id=OTHER_SID, provider_status="queued")


async def test_a_list_longer_than_what_is_read_of_it_cannot_tell(bench: Bench, adapter: TwilioSms):
    bench.script(page(*[of(LOST, body="x", sid=f"SM{index:032x}") for index in range(FIND_MESSAGES_MAX)]))
    assert await adapter.find(LOST) == CannotTell(reason="the list is longer than what is read of it")


# Its hooks


def test_duplicate_and_unknown_fields_are_part_of_what_is_signed():
    form = MultiDict([*status_form("sent").items(), ("Again", "b"), ("Again", "a")])
    signature = RequestValidator(TOKEN).compute_signature(STATUS_URL, form)
    headers = {"content-type": "application/x-www-form-urlencoded", "x-twilio-signature": signature}
    genuine = Hook(
        method="POST", url=STATUS_URL, kind="status", headers=headers, body=urlencode(list(form.items())).encode()
    )
    assert built().read(genuine)[0].key == f"{SID}:sent"
    with pytest.raises(Forged):
        built().read(replace(genuine, body=genuine.body.replace(b"&Again=b", b"")))


@pytest.mark.parametrize("url", ["https://tregua.example/hooks/t/status", "https://tregua.example:443/hooks/t/status"])
def test_the_standard_port_may_be_signed_or_not(url: str):
    signed = hook("status", url, status_form("sent"))
    for seen in ("https://tregua.example/hooks/t/status", "https://tregua.example:443/hooks/t/status"):
        assert built().read(replace(signed, url=seen))


def test_another_accounts_token_is_forged_and_the_secondary_is_not():
    signed = hook("status", STATUS_URL, status_form("sent"), token="canary-secondary")
    with pytest.raises(Forged):
        built().read(signed)
    assert built(auth_token_secondary="canary-secondary").read(signed)
    assert built(auth_token_secondary="canary-secondary").read(hook("status", STATUS_URL, status_form("sent")))


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "", "multipart/form-data; boundary=x"])
def test_only_forms_are_read(content_type: str):
    signed = hook("status", STATUS_URL, status_form("sent"))
    with pytest.raises(Forged):
        built().read(replace(signed, headers={**signed.headers, "Content-Type": content_type}))


@pytest.mark.parametrize("body", [b"\xff\xfe", b"Body=%ff", b"&".join([b"a=1"] * 1000)])
def test_what_is_no_form_is_forged(body: bytes):
    signed = hook("status", STATUS_URL, {})
    with pytest.raises(Forged):
        built().read(replace(signed, body=body))


RECEIPTS = [
    ({"ErrorCode": "21610"}, {"error_code": "21610", "opted_out": True}),
    ({"ErrorCode": "30005"}, {"error_code": "30005", "address_invalid": True}),
    ({"ErrorCode": "30006"}, {"error_code": "30006", "address_invalid": True}),
    ({"ErrorCode": "30003"}, {"error_code": "30003"}),
    ({"ErrorCode": "0"}, {}),
    ({"ErrorCode": ""}, {}),
    ({"ErrorCode": "<script>"}, {}),
]


@pytest.mark.parametrize(("told", "read"), RECEIPTS)
def test_the_code_of_a_receipt(told: dict, read: dict):
    (receipt,) = built().read(hook("status", STATUS_URL, status_form("undelivered", **told)))
    plain = Receipt(
        key=f"{SID}:undelivered",
        kind=ReceiptKind.UNDELIVERED,
        provider_status="undelivered",
        attempt=ATTEMPT,
        provider_id=SID,
    )
    assert receipt == replace(plain, **read)


def test_a_person_who_told_twilio_to_stop():
    for word, stopped in {"STOP": True, "stop": True, "START": False, "HELP": False, "": False}.items():
        (reply,) = built().read(hook("inbound", INBOUND_URL, inbound_form("BAJA", OptOutType=word)))
        assert isinstance(reply, Reply)
        assert reply.carrier_opt_out is stopped


def test_media_come_along():
    form = inbound_form("", NumMedia="2", MediaUrl0="https://m.example/0", MediaUrl1="https://m.example/1")
    (reply,) = built().read(hook("inbound", INBOUND_URL, form))
    assert isinstance(reply, Reply)
    assert reply.media == ("https://m.example/0", "https://m.example/1")
    assert (reply.key, reply.provider_id, reply.recipient) == (SID, SID, NUMBER)


UNREADABLE = [
    ("status", {"MessageSid": "SM1"}),
    ("status", {"MessageSid": "../../etc"}),
    ("status", {"MessageStatus": ""}),
    ("status", {"MessageStatus": "x" * 40}),
    ("status", {"MessageStatus": "sent\n"}),
    ("inbound", {"MessageSid": ""}),
    ("inbound", {"From": ""}),
    ("inbound", {"From": "+57\x00300"}),
    ("inbound", {"To": "x" * 65}),
    ("voice", {}),
]


@pytest.mark.parametrize(("kind", "told"), UNREADABLE)
def test_genuine_but_not_readable(kind: str, told: dict):
    form = (status_form("sent") if kind != "inbound" else inbound_form("x")) | told
    with pytest.raises(Unreadable):
        built().read(hook(kind, f"{PUBLIC}/hooks/twilio-main/{kind}", form))


# Its settings, its words


@pytest.mark.parametrize(
    ("told", "named"),
    [
        ({"account_sid": "SK123"}, "account_sid"),
        ({"api_key": "SK1"}, "api_key"),
        ({"api_secret": "x"}, "api_key"),
        ({"from": None}, "from"),
        ({"prices": {"+57": "0.01"}}, "prices"),
        ({"prices": {"currency": "usd"}}, "prices"),
        ({"prices": {"currency": "USD", "+57": 0.01}}, "prices"),
        ({"prices": {"currency": "USD", "Colombia": "1"}}, "prices"),
        ({"prices": {"currency": "USD", "+57": "-1"}}, "prices"),
        ({"prices": {"currency": "USD", "+57": "NaN"}}, "prices"),
        ({"prices": "free"}, "prices"),
        ({"max_retries": 3}, "max_retries"),
    ],
)
def test_wrong_settings_are_named(told: dict, named: str):
    with pytest.raises(SettingsError, match=named):
        built(**told)


def test_settings_show_no_secret():
    told = {
        **table("https://api.twilio.com"),
        "auth_token_secondary": "canary-2",
        "api_key": "canary-k",
        "api_secret": "canary-s",
    }
    assert "canary" not in repr(settings("t", told))


@pytest.mark.parametrize(
    ("to", "text", "amount"),
    [
        ("+573001230000", "x", "0.0280"),
        ("+573001230000", "x" * 161, "0.0560"),
        ("+14155550100", "x", "0.0079"),
        ("+34600000000", "x", "0.0500"),
    ],
)
def test_the_longest_prefix_has_the_price(to: str, text: str, amount: str):
    prices = {"currency": "USD", "default": "0.05", "+57": "0.0280", "+5": "9", "1": "0.0079"}
    quote = built(prices=prices).quote(to, text)
    assert (quote.amount, quote.currency) == (amount, "USD")


def test_without_prices_a_quote_still_counts_segments():
    quote = built().quote("+573001230000", "á" * 71)
    assert (quote.segments, quote.encoding, quote.amount, quote.currency) == (2, "UCS-2", None, None)


def test_twilios_own_list_of_words_has_no_word_that_we_forgot():
    known = set(twilio_oai.SPEC["components"]["schemas"]["message_enum_status"]["enum"])
    assert known - set(STATUSES) == {"receiving", "received", "partially_delivered"}
    assert set(STATUSES) <= known


def test_the_table_of_demands_speaks_as_twilio_describes_it():
    path = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    twilio_oai.check_answer("POST", path, 201, message())
    listed = json.loads(page(of(LOST)).body)
    twilio_oai.check_answer("GET", path, 200, {**listed, "uri": path})


# What it bills

SIDS = [f"SM{n:032x}" for n in range(30)]
MADE = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)


async def test_a_few_prices_are_asked_for_one_by_one_as_twilio_describes_it(bench: Bench, adapter: TwilioSms):
    bench.script(
        says(200, message(sid=SIDS[0], price="-0.00750", price_unit="USD")),
        says(200, message(sid=SIDS[1], price=None)),
        error(404, 20404, "was not found"),
    )
    found = await adapter.billed(dict.fromkeys(SIDS[:3], MADE))
    assert found == {SIDS[0]: Bill(Decimal("0.00750"), "USD")}
    for seen in bench.seen:
        twilio_oai.check_request(seen.method, seen.target, None, b"")
        twilio_oai.check_answer(seen.method, seen.target, 200, message(price="-0.00750"))
    assert {urlsplit(seen.target).path.rpartition("/")[2] for seen in bench.seen} == {f"{sid}.json" for sid in SIDS[:3]}


async def test_many_prices_of_a_day_are_read_from_its_list_and_what_it_does_not_show_one_by_one(
    bench: Bench, adapter: TwilioSms
):
    listed = [message(sid=sid, price="-0.0279", price_unit="USD") for sid in SIDS[:29]]
    stranger = message(sid="SM" + "f" * 32, price="-9.0")
    bench.script(page(stranger, *listed), says(200, message(sid=SIDS[29], price="-0.05", price_unit="usd")))
    found = await adapter.billed(dict.fromkeys(SIDS, MADE))
    assert found == {sid: Bill(Decimal("0.0279"), "USD") for sid in SIDS[:29]} | {
        SIDS[29]: Bill(Decimal("0.05"), "USD")
    }
    for seen in bench.seen:
        twilio_oai.check_request(seen.method, seen.target, None, b"")
    assert parse_qs(urlsplit(bench.seen[0].target).query) == {"DateSent": ["2026-11-23"], "PageSize": ["200"]}
    assert len(bench.seen) == 2


async def test_a_page_that_is_too_long_to_be_read_is_no_reason_to_ask_for_ever(bench: Bench, adapter: TwilioSms):
    whole = "x" * 1_600
    long = [message(sid=sid, body=whole, from_=whole[:500], price="-0.0279") for sid in SIDS for _ in range(40)]
    assert len(page(*long).body) > ANSWER_BYTES_MAX
    bench.script(page(*long), *(says(200, message(sid=sid, price="-0.05")) for sid in SIDS))
    assert await adapter.billed(dict.fromkeys(SIDS, MADE)) == {sid: Bill(Decimal("0.05"), "USD") for sid in SIDS}


async def test_a_list_is_read_no_further_than_it_may_spare_calls(bench: Bench, adapter: TwilioSms):
    """It begins with the newest: of thirty that lie deeper than seven pages each is asked for by name after those."""
    newer = [message(sid=f"SM{'f' * 28}{n:04x}", price="-9.0") for n in range(BILLS_PAGE)]
    following = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json?PageToken=PA1&Page=1"
    bench.script(
        *[page(*newer, following=following)] * 7, *(says(200, message(sid=sid, price="-0.05")) for sid in SIDS)
    )
    assert await adapter.billed(dict.fromkeys(SIDS, MADE)) == {sid: Bill(Decimal("0.05"), "USD") for sid in SIDS}
    assert len(bench.seen) == 7 + len(SIDS)


@pytest.mark.parametrize("bent", ["", "free", "-1e9", "NaN", "-0.1 USD", [], {"a": 1}])
async def test_a_price_that_is_none_is_not_believed(bench: Bench, adapter: TwilioSms, bent: object):
    bench.script(says(200, message(sid=SIDS[0], price=bent)))
    assert await adapter.billed({SIDS[0]: MADE}) in ({}, CannotTell(reason="a price could not be read: TypeError"))


@pytest.mark.parametrize("status", [401, 429, 500])
async def test_a_price_that_is_refused_is_asked_for_later(bench: Bench, adapter: TwilioSms, status: int):
    bench.script(error(status, 20003, "no"))
    assert isinstance(await adapter.billed({SIDS[0]: MADE}), CannotTell)


# Marks


def test_a_mark_fits_its_attempt_and_its_secret_only():
    mac = attempt_mac(SECRET, ATTEMPT)
    assert len(mac) == 32
    assert attempt_marked(SECRET, ATTEMPT.hex, mac) == ATTEMPT
    for attempt_hex, marked in (
        (UUID(int=8).hex, mac),
        (ATTEMPT.hex, attempt_mac(b"other", ATTEMPT)),
        (ATTEMPT.hex, mac[:-1]),
        (ATTEMPT.hex, mac.upper() if mac.upper() != mac else ""),
        (ATTEMPT.hex, ""),
        (ATTEMPT.hex, "é" * 32),
        (str(ATTEMPT), mac),
        ("z" * 32, mac),
        ("", ""),
    ):
        assert attempt_marked(SECRET, attempt_hex, marked) is None


def test_addresses_for_hooks():
    assert status_url("https://x.example/a/", "way one", SECRET, ATTEMPT).startswith(
        f"https://x.example/a/hooks/way%20one/status?a={ATTEMPT.hex}&k="
    )
    assert inbound_url("https://x.example", "t") == "https://x.example/hooks/t/inbound"


@given(st.text(st.characters(exclude_categories=["Cs"])))
@example("".join(map(chr, range(256))))
@example("¿Pagó? 50% + 1 = ñ€\U0001f600")
def test_a_text_stands_in_the_form_as_urllib_writes_it(text: str):
    assert in_form(text) == quote_plus(text)

"""What is read, what is refused before any field is looked at, and where each flaw is said to be."""

import json
import time
from typing import Annotated, Any

import msgspec
import pytest

from gateway.api.flaws import FLAWS_MAX
from gateway.api.people import Events
from gateway.api.problems import Problem
from gateway.api.reading import BODY_BYTES_MAX, DEPTH_MAX, convert, digest_of, parse
from gateway.asks import ContactAsk, MessageAsk
from gateway.refusals import Refused

GOOD = {"contact": "c", "channel": "sms", "content": {"text": "x"}}

UNREADABLE = {
    "nothing at all": (b"", "unreadable-json"),
    "blanks only": (b" \n ", "unreadable-json"),
    "half a value": (b'{"contact": ', "unreadable-json"),
    "more after the value": (b"{} {}", "unreadable-json"),
    "single quotes": (b"{'contact': 1}", "unreadable-json"),
    "a comma too many": (b'{"contact": 1,}', "unreadable-json"),
    "a comment": (b"{} // no", "unreadable-json"),
    "a bare line feed in a string": (b'{"contact": "a\nb"}', "unreadable-json"),
    "a byte order mark": (b"\xef\xbb\xbf{}", "unreadable-json"),
    "Latin-1": ('{"contact": "ñ"}'.encode("latin-1"), "unreadable-json"),
    "UTF-16": ('{"contact": "c"}'.encode("utf-16"), "unreadable-json"),
    "an overlong encoding": (b'{"contact": "\xc0\xaf"}', "unreadable-json"),
    "a surrogate in UTF-8": (b'{"contact": "\xed\xa0\x80"}', "unreadable-json"),
    "an escape that is none": (b'{"contact": "\\x41"}', "unreadable-json"),
    "a name twice": (b'{"contact": "a", "contact": "b"}', "duplicate-name"),
    "a name twice, far inside": (b'{"content": [{"text": "a", "text": "b"}]}', "duplicate-name"),
    "a name twice, once escaped": (b'{"contact": "a", "\\u0063ontact": "b"}', "duplicate-name"),
    "NaN": (b'{"contact": NaN}', "number-out-of-range"),
    "Infinity": (b'{"contact": Infinity}', "number-out-of-range"),
    "minus Infinity": (b'{"contact": -Infinity}', "number-out-of-range"),
    "more than a double": (b'{"contact": 1e400}', "number-out-of-range"),
    "65 bits": (b'{"contact": 18446744073709551616}', "number-out-of-range"),
    "more than 64 bits below": (b'{"contact": -9223372036854775809}', "number-out-of-range"),
    "a million digits": (b'{"contact": ' + b"9" * 1_000_000 + b"}", "number-out-of-range"),
    "one array too deep": (b"[" * (DEPTH_MAX + 1) + b"]" * (DEPTH_MAX + 1), "too-deep"),
    "one object too deep": (b'{"a":' * (DEPTH_MAX + 1) + b"1" + b"}" * (DEPTH_MAX + 1), "too-deep"),
    "half a million arrays": (b"[" * 500_000, "too-deep"),
}


@pytest.mark.parametrize(("body", "slug"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_two_readers_could_read_differently_is_not_read(body: bytes, slug: str) -> None:
    with pytest.raises(Problem) as caught:
        parse(body)
    assert caught.value.slug == slug


READABLE = {
    "as deep as may be": b"[" * DEPTH_MAX + b"]" * DEPTH_MAX,
    "brackets in a string": b'{"a": "' + b"[{" * 40 + b'"}',
    "brackets behind an escaped quote": b'{"a": "\\"' + b"[" * 40 + b'"}',
    "brackets after an escaped backslash": b'{"a": "\\\\", "b": [' + b"{}," * 40 + b"{}]}",
    "many arrays side by side": b"[" + b"[]," * 1000 + b"[]]",
    "the largest integer": b"9223372036854775807",
    "a pair of surrogates by escapes": b'"\\ud83d\\ude00"',
    "blanks around": b" \t\r\n{} \n",
}


@pytest.mark.parametrize("body", READABLE.values(), ids=READABLE.keys())
def test_what_is_json_within_the_limits_is_read_as_the_standard_library_reads_it(body: bytes) -> None:
    value, _ = parse(body)
    assert value == json.loads(body)


FLAWED: dict[str, tuple[Any, Any, list[str]]] = {
    "a field that is none": ({**GOOD, "chanel": "sms"}, MessageAsk, ["/chanel"]),
    "a field that is none, inside": ({**GOOD, "content": {"text": "x", "txt": "y"}}, MessageAsk, ["/content/txt"]),
    "names with slash and tilde": ({**GOOD, "a/b~c": 1}, MessageAsk, ["/a~1b~0c"]),
    "two required fields left out": ({}, MessageAsk, ["/contact", "/content"]),
    "not an object": ([], MessageAsk, [""]),
    "null": (None, MessageAsk, [""]),
    "a number for text": ({**GOOD, "content": {"text": 5}}, MessageAsk, ["/content/text"]),
    "text too long": ({**GOOD, "content": {"text": "x" * 10_001}}, MessageAsk, ["/content/text"]),
    "a channel that is none": ({**GOOD, "channel": "fax"}, MessageAsk, ["/channel"]),
    "an instant without offset": ({**GOOD, "send_at": "2026-01-05T10:00:00"}, MessageAsk, ["/send_at"]),
    "a day for an instant": ({**GOOD, "send_at": "2026-01-05"}, MessageAsk, ["/send_at"]),
    "a number for an instant": ({**GOOD, "send_at": 1767600000}, MessageAsk, ["/send_at"]),
    "the 30th of February": ({**GOOD, "send_at": "2026-02-30T10:00:00Z"}, MessageAsk, ["/send_at"]),
    "the year one": ({**GOOD, "send_at": "0001-01-01T00:00:00+14:00"}, MessageAsk, ["/send_at"]),
    "the year 9999": ({**GOOD, "expires_at": "9999-12-31T23:59:59-12:00"}, MessageAsk, ["/expires_at"]),
    "a far day, two levels down": (
        {**GOOD, "debts": ["a", {"id": "b", "due": "9999-01-01"}]},
        MessageAsk,
        ["/debts/1/due"],
    ),
    "an id with a line feed at its end": ({**GOOD, "contact": "c\n"}, MessageAsk, ["/contact"]),
    "an empty id": ({**GOOD, "contact": ""}, MessageAsk, ["/contact"]),
    "a contact inside with two flaws": (
        {**GOOD, "contact": {"id": "c", "role": "boss", "addresses": [{"channel": "sms"}]}},
        MessageAsk,
        ["/contact/role", "/contact/addresses/0/address"],
    ),
    "the key of a map": ({**GOOD, "metadata": {"k" * 65: "v"}}, MessageAsk, ["/metadata/" + "k" * 65]),
    "the value of a map": ({**GOOD, "metadata": {"fine": "v", "bad": 1}}, MessageAsk, ["/metadata/bad"]),
    "too large a map": ({**GOOD, "metadata": {str(n): "v" for n in range(51)}}, MessageAsk, ["/metadata"]),
    "too long a list": ({"id": "c", "zones": ["Z"] * 21}, ContactAsk, ["/zones"]),
    "a NUL": ({**GOOD, "content": {"text": "a\0b"}}, MessageAsk, ["/content/text"]),
    "a NUL in a name": ({**GOOD, "metadata": {"a\0": "b"}}, MessageAsk, ["/metadata"]),
    "half a surrogate pair": ({**GOOD, "content": {"text": "a\ud83d"}}, MessageAsk, ["/content/text"]),
    "an event without type": ({"at": "2026-01-05T10:00:00Z"}, Events, ["/type"]),
    "an event of no type": ({"type": "call", "at": "2026-01-05T10:00:00Z"}, Events, ["/type"]),
    "one bad event of two": (
        [
            {"type": "inbound_call", "at": "2026-01-05T10:00:00Z"},
            {"type": "status", "at": "2026-01-05T10:00:00Z", "is": "sad", "note": "x"},
        ],
        Events,
        ["/1/is", "/1/note"],
    ),
    "no events": ([], Events, [""]),
    "an hour that is none": (
        {"type": "hours_requested", "at": "2026-01-05T10:00:00Z", "from": "7:00", "to": "24:01"},
        Events,
        ["/from", "/to"],
    ),
}


@pytest.mark.parametrize(("value", "kind", "pointers"), FLAWED.values(), ids=FLAWED.keys())
def test_every_flaw_is_named_where_it_stands(value: Any, kind: Any, pointers: list[str]) -> None:
    body = json.dumps(value).encode()
    parsed, closely = parse(body)
    with pytest.raises(Refused) as caught:
        convert(parsed, kind, closely)
    assert sorted(flaw.pointer for flaw in caught.value.flaws) == sorted(pointers)
    assert all(flaw.detail for flaw in caught.value.flaws)


@pytest.mark.parametrize("escaped", ["\\u0030001", "000\\u0031", "\\u00300\\u00301", "9999\\u002d12"])
def test_a_far_year_cannot_hide_behind_escapes(escaped: str) -> None:
    tail = "-31T00:00:00Z" if "002d" in escaped else "-01-01T00:00:00+14:00"
    body = b'{"contact":"c","content":{"text":"x"},"send_at":"' + (escaped + tail).encode() + b'"}'
    value, closely = parse(body)
    with pytest.raises(Refused) as caught:
        convert(value, MessageAsk, closely)
    assert [flaw.pointer for flaw in caught.value.flaws] == ["/send_at"]


@pytest.mark.parametrize("escape", ["\\u0000", "\\uD83D", "\\udE00", "\\ud83d\\ud83d"])
def test_what_is_no_text_is_found_in_every_spelling(escape: str) -> None:
    value, closely = parse(b'{"contact":"c","content":{"text":"' + escape.encode() + b'"}}')
    with pytest.raises(Refused):
        convert(value, MessageAsk, closely)


def test_good_text_of_every_kind_passes() -> None:
    for text in ("año", "😀", "\\u0000 spelt out", "9999-12-31", "0001-01-01T00:00:00+14:00", "مرحبا"):
        for ascii_only in (True, False):
            value, closely = parse(json.dumps({**GOOD, "content": {"text": text}}, ensure_ascii=ascii_only).encode())
            assert convert(value, MessageAsk, closely).content.text == text


def test_flaws_are_as_many_as_can_be_read() -> None:
    with pytest.raises(Refused) as caught:
        convert({**GOOD, **{f"f{n}": 1 for n in range(1000)}}, MessageAsk)
    assert len(caught.value.flaws) == FLAWS_MAX


def test_the_same_body_has_the_same_digest_however_it_is_written() -> None:
    one, _ = parse(b'{"contact":"c","content":{"text":"a\\u00f1o"}}')
    other, _ = parse('{ "content" : {"text": "año"},\n "contact": "c" }'.encode())
    another, _ = parse(b'{"contact":"c","content":{"text":"ano"}}')
    assert digest_of(one) == digest_of(other) != digest_of(another)


HOSTILE = {
    "quotes that never close": b'["' + b'\\"' * 500_000,
    "deep and quotes that never close": b"[" * 40 + b'"' + b'\\"' * 500_000,
    "backslashes": b'["' + b"\\" * 1_000_000,
    "brackets in a string, never closed": b'"' + b"[" * 1_000_000,
    "small objects": b"[" + b"{}," * 340_000 + b"{}]",
    "small numbers": b"[" + b"1," * 500_000 + b"1]",
    "names": b"{" + b",".join(b'"%d":1' % n for n in range(90_000)) + b"}",
    "a list of wrong things": b'{"contact":{"id":"c","zones":[' + b"1," * 480_000 + b'1]},"content":{}}',
    "far years": b"[" + b'"9999-",' * 120_000 + b'""]',
    "escapes": b'["' + b"\\u00e9" * 170_000 + b'"]',
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_body_costs_little(body: bytes) -> None:
    """A backtracking pattern over these takes minutes; what is allowed here is what a slow machine needs."""
    assert len(body) <= BODY_BYTES_MAX
    started = time.perf_counter()
    with pytest.raises((Problem, Refused)):
        convert(*_swapped(*parse(body)))
    assert time.perf_counter() - started < 3.0


def _swapped(value: Any, closely: bool) -> tuple[Any, Any, bool]:
    return value, MessageAsk, closely


def test_types_with_bounds_of_their_own_are_told_apart_from_their_parts() -> None:
    class Inner(msgspec.Struct, forbid_unknown_fields=True):
        few: Annotated[list[int], msgspec.Meta(max_length=2)] | None = None

    with pytest.raises(Refused) as caught:
        convert({"few": [1, "x"]}, Inner)
    assert [flaw.pointer for flaw in caught.value.flaws] == ["/few/1"]
    with pytest.raises(Refused) as caught:
        convert({"few": [1, "x", 3]}, Inner)
    assert [flaw.pointer for flaw in caught.value.flaws] == ["/few"]

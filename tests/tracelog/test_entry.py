"""What an entry's bytes are, and what they refuse to be."""

import json
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tracelog.entry import (
    FACTS_DEPTH_MAX,
    HEADER_BYTES_MAX,
    INTEGER_MAX,
    UnwritableError,
    agrees,
    instant,
    leaf_hash,
    read_header,
    written,
)
from tracelog.sealed import Sealed

AT = datetime(2026, 11, 23, 7, 0, 0, 123456, tzinfo=timezone(timedelta(hours=-5)))
ENTRY = UUID("0192f00d-0000-7000-8000-000000000001")
SUBJECT = UUID("0192f00d-0000-7000-8000-000000000002")
MESSAGE = UUID("0192f00d-0000-7000-8000-000000000003")


class Colour(StrEnum):
    RED = "red"


def header(facts: dict[str, Any]) -> bytes:
    return written(tenant="acme", entry=ENTRY, kind="k", at=AT, facts=facts).header


def test_the_bytes_of_an_entry_are_these() -> None:
    """A change of any of them is a new version of the format, and breaks every verifier out there."""
    entry = written(
        tenant="acme",
        entry=ENTRY,
        kind="message.decided",
        at=AT,
        facts={"until": None, "counts": {"week": 1, "day": 0}, "rules": ["CO-HRS-3c"], "lawful": True, "why": "sí\n"},
        subject=SUBJECT,
        message=MESSAGE,
        sealed=Sealed(b"n" * 12, b"c" * 20),
    )
    assert (
        entry.header
        == (
            '{"at":"2026-11-23T12:00:00.123456Z","entry":"0192f00d000070008000000000000001",'
            '"facts":{"counts":{"day":0,"week":1},"lawful":true,"rules":["CO-HRS-3c"],"until":null,"why":"sí\\n"},'
            '"kind":"message.decided","message":"0192f00d000070008000000000000003",'
            '"subject":"0192f00d000070008000000000000002","tenant":"acme","v":1}'
        ).encode()
    )
    assert entry.payload_digest == sha256(b"n" * 12 + b"c" * 20).digest()
    length = len(entry.header).to_bytes(4, "big")
    assert entry.leaf == sha256(b"\x00" + length + entry.header + entry.payload_digest).digest()


def test_a_payload_is_part_of_the_leaf_and_cannot_be_taken_for_the_end_of_a_header() -> None:
    digest = b"d" * 32
    assert leaf_hash(b"header" + digest, None) != leaf_hash(b"header", digest)
    assert leaf_hash(b"header", None) != leaf_hash(b"header", digest)


NAMES = st.text(st.sampled_from([chr(code) for code in range(128)]), max_size=6)
PLAIN = st.none() | st.booleans() | st.integers(-INTEGER_MAX, INTEGER_MAX) | st.text(max_size=20)


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3)


@given(st.dictionaries(NAMES, st.recursive(PLAIN, nested, max_leaves=12), max_size=5))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no failure
def test_headers_are_what_the_standard_library_writes_sorted_and_read_back_the_same(facts: dict[str, Any]) -> None:
    try:
        wrote = header(facts)
    except UnwritableError:
        assert any(_depth(value) > FACTS_DEPTH_MAX - 1 for value in facts.values())
        return
    expected = {
        "at": instant(AT),
        "entry": ENTRY.hex,
        "facts": facts,
        "kind": "k",
        "message": None,
        "subject": None,
        "tenant": "acme",
        "v": 1,
    }
    assert json.loads(wrote) == expected
    assert read_header(wrote).facts == facts
    standard = json.dumps(expected, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert wrote == standard.encode()


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max((_depth(v) for v in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((_depth(v) for v in value), default=0)
    return 0


@pytest.mark.parametrize(
    "facts",
    [
        {"ratio": 0.5},
        {"deep": [{"ratio": 1.0}]},
        {"nan": float("nan")},
        {"large": INTEGER_MAX + 1},
        {"small": [-INTEGER_MAX - 1]},
        {"bytes": b"x"},
        {"when": AT},
        {"id": ENTRY},
        {"set": {"a"}},
        {"surrogate": "\ud800"},
        {"\ud800": 1},
        {"ñ": 1},
        {"deep": [({"ñ": 1},)]},
        {1: "a"},
        {"deep": {None: 1}},
        {"long": "x" * HEADER_BYTES_MAX},
        {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {}}}}}}}}},
    ],
    ids=lambda facts: ascii(facts)[:40],
)
def test_facts_that_readers_could_read_differently_are_refused(facts: dict[str, Any]) -> None:
    with pytest.raises(UnwritableError):
        header(facts)


def test_the_edges_of_what_is_allowed_are_allowed() -> None:
    facts: dict[str, Any] = {
        "large": INTEGER_MAX,
        "small": -INTEGER_MAX,
        "colour": Colour.RED,
        "tuple": ("a", "ñ"),
        "b": {"c": {"d": {"e": {"f": {"g": {"h": 1}}}}}},
    }
    assert read_header(header(facts)).facts["colour"] == "red"


def test_an_instant_is_in_utc_with_microseconds_always() -> None:
    assert instant(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == "2026-01-02T03:04:05.000000Z"
    assert instant(AT) == "2026-11-23T12:00:00.123456Z"
    with pytest.raises(ValueError, match="offset"):
        instant(datetime(2026, 1, 2))


@pytest.mark.parametrize(
    "change",
    [
        (b'"v":1', b'"v":2'),
        (b'"v":1', b'"v":1.0'),
        (b'"n":7', b'"n":7.0'),
        (b'"n":7', b'"n":7,"n":7'),
        (b'"n":7', b'"n": 7'),
        (b'"n":7', b'"n":7e0'),
        (b'"n":7', b'"n":"\\u0041"'),
        (b'"n":7', b'"n":"\\/"'),
        (b'{"at"', b'{"aa":1,"at"'),
        (b'"kind":"k"', b'"kind":"k","kind":"k"'),
        (b'"kind":"k",', b""),
        (b'"kind":"k"', b'"kind":null'),
        (b'"kind":"k"', b'"kind":"\xff"'),
        (b'"n":7', b'"n":' + b"[" * 100_000),
    ],
    ids=lambda change: ascii(change[1])[:30],
)
def test_a_header_in_any_other_spelling_is_refused(change: tuple[bytes, bytes]) -> None:
    good = header({"n": 7})
    read_header(good)
    old, new = change
    assert old in good
    with pytest.raises(ValueError, match="header"):
        read_header(good.replace(old, new, 1))


COLUMNS: dict[str, Any] = {"tenant": "acme", "kind": "k", "at": AT, "subject": SUBJECT, "message": None}


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"tenant": "other"},
        {"kind": "q"},
        {"kind": 'x","kind":"k'},
        {"at": AT + timedelta(microseconds=1)},
        {"subject": None},
        {"subject": ENTRY},
        {"message": MESSAGE},
    ],
    ids=str,
)
def test_columns_agree_with_their_header_only_when_all_say_the_same(other: dict[str, Any]) -> None:
    entry = written(entry=ENTRY, facts={"kind": "q"}, **COLUMNS)
    assert agrees(entry.header, **(COLUMNS | other)) == (not other)

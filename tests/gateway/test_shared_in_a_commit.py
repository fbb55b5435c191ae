"""What messages of one commit share is found, worded and handed over once, and says of each what it would have said of it alone."""

import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import RFC_4122, UUID, SafeUUID

import msgspec
import phonenumbers
import pytest

from adapters.kit.settings import Prices
from bench.engine import cases
from gateway.asks import ContentAsk, Pinned, StoredAsk
from gateway.deciding.decide import decide
from gateway.entries import Scribe
from jurisdictions.library import load
from jurisdictions.resolution import country_code_of, number_of
from storage.queries import shared
from tests.gateway.town import Town, message, number, person
from tracelog.entry import canonical, instant
from vocabulary.channel import Purpose, SenderRole
from vocabulary.ids import new_uuid
from vocabulary.verdict import Answer

NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)


@pytest.mark.parametrize("secret", [b"short", b"x" * 64, b"longer than a block of the digest " * 4])
def test_a_token_is_the_hmac_of_its_reference(secret: bytes) -> None:
    for reference in ("C1", "obl-ñ", ""):
        exact = hmac.digest(secret, f"bench\n{reference}".encode(), "sha256").hex()[:16]
        assert Scribe(secret).token("bench", reference) == exact


@pytest.mark.parametrize("template", [None, Pinned(name="cuota", version=3)])
@pytest.mark.parametrize("send_at", [None, NOW])
def test_an_accepted_entry_has_the_canonical_form(template: Pinned | None, send_at: datetime | None) -> None:
    scribe = Scribe(b"secret")
    ask = StoredAsk(
        channels=["sms", "email"],
        purpose=Purpose.COLLECTION,
        content=ContentAsk(text="hola"),
        role=SenderRole.CREDITOR,
        creditor='C ñ "1"',
        collector="A1",
        debts=["d2", "d1"],
        send_at=send_at,
        template=template,
    )
    facts: dict[str, Any] = {
        "version": 3,
        "template": "cuota",
        "channels": ["sms", "email"],
        "purpose": "collection",
        "form": "text",
        "sender": "creditor",
        "creditor": scribe.token("t", ask.creditor),
        "collector": scribe.token("t", "A1"),
        "debts": [scribe.token("t", "d2"), scribe.token("t", "d1")],
        "expires_at": instant(NOW + timedelta(days=30)),
        "send_at": None if send_at is None else instant(send_at),
    }
    if template is None:
        del facts["template"], facts["version"]
    assert bytes(scribe.accepted("t", ask, NOW + timedelta(days=30)).json) == bytes(canonical(facts).json)


def test_a_stored_ask_leaves_out_what_is_not_said_and_is_read_as_it_was() -> None:
    ask = StoredAsk(
        channels=["sms"],
        purpose=Purpose.COLLECTION,
        content=ContentAsk(text="hola"),
        role=SenderRole.CREDITOR,
        creditor="C1",
        collector="A1",
    )
    kept = msgspec.json.encode(ask)
    # Its debts are there even where there are none, for SQL goes through them.
    assert json.loads(kept) == {
        "channels": ["sms"],
        "purpose": "collection",
        "content": {"text": "hola"},
        "role": "creditor",
        "creditor": "C1",
        "collector": "A1",
        "debts": [],
    }
    assert msgspec.json.decode(kept, type=StoredAsk) == ask


def test_an_id_is_a_uuid_like_any_other() -> None:
    made = new_uuid()
    other = UUID(made.hex)
    assert (made, hash(made), made.version, made.variant) == (other, hash(other), 7, RFC_4122)
    assert made.is_safe is SafeUUID.unknown
    assert len({new_uuid() for _ in range(1_000)}) == 1_000


def test_a_number_has_the_country_code_that_its_reader_finds() -> None:
    for each in ("+573001234567", "+12025550143", "+5491123456789", "+390612345678", "+441624675663", "+80012345678"):
        assert country_code_of(each) == number_of(each).country_code == phonenumbers.parse(each).country_code
    with pytest.raises(phonenumbers.NumberParseException):
        country_code_of("+999123456789")


def test_a_price_in_words_is_the_amount() -> None:
    prices = Prices(currency="USD", per_segment={"": Decimal("0.05"), "57": Decimal("0.0280"), "5730": Decimal("0.01")})
    for to in ("+573001234567", "+576011234567", "+12025550143", "+5", ""):
        for segments in (1, 3):
            amount = prices.amount(to, segments)
            assert amount is not None
            assert prices.shown(to, segments) == f"{amount:.4f}"
    assert Prices(currency="USD", per_segment={"57": Decimal(1)}).shown("+1", 1) is None


def test_hours_that_were_shut_a_moment_ago_are_asked_again_when_they_open() -> None:
    law = load()
    opened_and_shut = 0
    for question in cases(5):
        # A week by the hour, forth and back: what a plan remembers of one instant is what the next one meets.
        week = [question.now + timedelta(hours=n, seconds=n % 3 - 1) for n in range(7 * 24)]
        there = [decide(replace(question, now=at), law) for at in week]
        back = [decide(replace(question, now=at), law) for at in reversed(week)]
        assert there == back[::-1]
        opened_and_shut += {Answer.ALLOW, Answer.DEFER} <= {verdict.answer for verdict in there}
        for at, verdict in list(zip(week, there, strict=True))[::29]:
            law._plans.clear()
            assert decide(replace(question, now=at), law) == verdict
    assert opened_and_shut >= 2


@pytest.mark.parametrize(
    ("column", "handed"), [([], []), (["a"], ["a"]), (["a", "a", "a"], ["a"]), (["a", "b", "a"], ["a", "b", "a"])]
)
def test_a_column_goes_once_where_all_have_the_same(column: list[str], handed: list[str]) -> None:
    assert shared(column) == handed


async def test_what_differs_in_one_commit_is_kept_apart(busy: Town) -> None:
    await busy.set_clock("2026-11-22T15:04:00-05:00")
    await busy.call("PUT", "/v1/contacts/ana", person("ana", number(1)))
    await busy.call("PUT", "/v1/contacts/bea", person("bea", number(2)))
    await busy.call("PUT", "/v1/debts/d1", {})
    stops = {"type": "consent", "at": "2026-11-01T10:00:00-05:00", "state": "withdrawn", "all": True}
    status, _, _ = await busy.call("POST", "/v1/contacts/bea/events", stops)
    assert status == 200
    items: list[dict[str, Any]] = []
    for n in range(6):
        ends = f"2026-12-{10 + n}T10:00:00-05:00" if n % 2 else None
        item = message("bea" if n % 3 else "ana", debts=["d1"], expires_at=ends)
        items.append({**item, "idempotency_key": f"k{n}", "metadata": {"n": str(n)}})
    status, results, _ = await busy.call("POST", "/v1/messages/batch", items)
    assert status == 200
    for n, result in enumerate(results):
        told = result["message"]
        (row,) = await busy.rows("SELECT * FROM message WHERE id = $1", UUID(told["id"].removeprefix("msg_")))
        assert (row["contact"], row["status"]) == (items[n]["contact"], told["status"])
        assert json.loads(row["ask"])["metadata"] == {"n": str(n)}
        assert json.loads(row["decision"]) == told["decision"]
        ends = items[n]["expires_at"]
        assert row["expires_at"] == (
            row["created_at"] + timedelta(days=30) if ends is None else datetime.fromisoformat(ends)
        )
        (event,) = await busy.rows(
            "SELECT type, contact, body FROM crm_event WHERE body ->> 'message' = $1 ORDER BY seq LIMIT 1", told["id"]
        )
        assert (event["type"], event["contact"]) == (f"message.{told['status']}", items[n]["contact"])
        assert json.loads(event["body"])["decision"] == told["decision"]
    assert {result["message"]["status"] for result in results} == {"deferred", "blocked"}

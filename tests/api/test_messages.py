"""Messages over HTTP: accepted once, answered again, listed, cancelled, and asked about."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from tests.api.conftest import Surface
from tests.gateway.town import SUNDAY, TUESDAY, message, person

MONDAY_7 = "2026-11-23T07:00:00-05:00"


def about(identity: str, **more: Any) -> dict[str, Any]:
    """A message to a person of this name, with a number that nobody else here has."""
    number = f"+57300{int(uuid4().int % 10_000_000):07d}"
    return message(person(identity, number), **more)


async def test_a_message_is_answered_with_its_first_decision(surface: Surface) -> None:
    answered = await surface.send(about("m-first", metadata={"campaign": "jul-26"}), key="send")
    assert answered.status == 202
    shown = answered.document
    assert shown["status"] == "queued"
    assert shown["decision"]["outcome"] == "allow"
    assert shown["metadata"] == {"campaign": "jul-26"}
    assert "Idempotent-Replay" not in answered.headers
    read = await surface.ask("GET", f"/v1/messages/{shown['id']}", key="read")
    assert read.document == shown


async def test_a_refusal_by_law_is_no_error(surface: Surface) -> None:
    await surface.town.set_clock(SUNDAY)
    try:
        answered = await surface.send(about("m-sunday"))
    finally:
        await surface.town.set_clock(TUESDAY)
    assert answered.status == 202
    shown = answered.document
    assert shown["status"] == "deferred"
    assert shown["decision"]["until"] == MONDAY_7
    assert {reason["force"] for reason in shown["decision"]["reasons"]} == {"binding"}


async def test_the_same_key_and_body_give_the_first_answer_again(surface: Surface) -> None:
    body = about("m-again")
    key = uuid4().hex
    first = await surface.send(body, idempotency=key)
    before = await surface.stored()
    for sent in (body, dict(reversed(body.items()))):
        again = await surface.send(sent, idempotency=key)
        assert (again.status, again.document) == (202, first.document)
        assert again.headers["Idempotent-Replay"] == "true"
    assert await surface.stored() == before


async def test_the_same_key_and_another_body_are_refused(surface: Surface) -> None:
    key = uuid4().hex
    body = about("m-other")
    await surface.send(body, idempotency=key)
    before = await surface.stored()
    for other in ({**body, "metadata": {"n": "2"}}, {**body, "purpose": "service"}):
        again = await surface.send(other, idempotency=key)
        assert (again.status, again.slug) == (422, "idempotency-key-reused")
    assert await surface.stored() == before


async def test_a_key_of_another_tenant_is_another_key(surface: Surface) -> None:
    key = uuid4().hex
    mine = await surface.send(about("m-tenants"), idempotency=key)
    others = await surface.send(about("m-tenants"), idempotency=key, key="other")
    assert (mine.status, others.status) == (202, 202)
    assert mine.document["id"] != others.document["id"]


async def test_many_at_once_under_one_key_are_one_message(surface: Surface) -> None:
    body, key = about("m-race"), uuid4().hex
    answers = await asyncio.gather(*(surface.send(body, idempotency=key) for _ in range(20)))
    assert {answered.status for answered in answers} == {202}
    assert len({answered.document["id"] for answered in answers}) == 1
    assert sum("Idempotent-Replay" not in answered.headers for answered in answers) == 1


async def test_a_refused_message_leaves_its_key_free(surface: Surface) -> None:
    key = uuid4().hex
    assert (await surface.send(message("m-nobody"), idempotency=key)).status == 422
    assert (await surface.send(about("m-somebody"), idempotency=key)).status == 202


async def test_a_replay_after_erasure_is_gone(surface: Surface) -> None:
    body, key = about("m-erased"), uuid4().hex
    sent = (await surface.send(body, idempotency=key)).document
    await surface.town.rows("DELETE FROM message WHERE id = $1", sent["id"].removeprefix("msg_"))
    answered = await surface.send(body, idempotency=key)
    assert (answered.status, answered.slug) == (410, "gone")


@pytest.mark.parametrize("key", ["k", "k" * 255, "with blanks and ~!@#$%^&*()", '"quoted"'])
async def test_keys_may_be_any_printable_text(surface: Surface, key: str) -> None:
    assert (await surface.send(about("m-keys"), idempotency=key + uuid4().hex[: 255 - len(key)])).status == 202


async def test_a_list_is_paged_newest_first_without_gap_or_double(surface: Surface) -> None:
    sent = [(await surface.send(about("m-paged"))).document["id"] for _ in range(7)]
    pages = await surface.pages("/v1/messages?contact=m-paged&limit=3", key="read")
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [item["id"] for page in pages for item in page] == list(reversed(sent))


async def test_a_page_that_ends_the_list_says_so(surface: Surface) -> None:
    for _ in range(2):
        await surface.send(about("m-exact"))
    page = (await surface.ask("GET", "/v1/messages?contact=m-exact&limit=2")).document
    assert (len(page["items"]), page["next"]) == (2, None)


async def test_a_list_is_filtered(surface: Surface) -> None:
    one = (await surface.send(about("m-filter"))).document
    await surface.ask("POST", f"/v1/messages/{one['id']}/cancel", key="send")
    two = (await surface.send(about("m-filter"))).document

    async def found(query: str) -> list[str]:
        answered = await surface.ask("GET", f"/v1/messages?contact=m-filter&{query}", key="read")
        return [item["id"] for item in answered.document["items"]]

    assert await found("") == [two["id"], one["id"]]
    assert await found("status=cancelled") == [one["id"]]
    assert await found("status=queued") == [two["id"]]
    at = two["created_at"]
    assert await found(f"since={at}") == [two["id"]]
    assert await found(f"until={at}") == [one["id"]]
    assert await found("until=2026-11-01T00:00:00-05:00") == []
    # A plus sign that nobody escaped arrives as a blank.
    assert await found("since=2026-11-01T00:00:00+05:00") == [two["id"], one["id"]]


async def test_cancelling_stops_once_and_says_the_same_again(surface: Surface) -> None:
    sent = (await surface.send(about("m-cancel"))).document
    first = await surface.ask("POST", f"/v1/messages/{sent['id']}/cancel", key="send")
    assert (first.status, first.document["status"]) == (200, "cancelled")
    before = await surface.stored()
    again = await surface.ask("POST", f"/v1/messages/{sent['id']}/cancel", key="send")
    assert (again.status, again.document) == (200, first.document)
    assert await surface.stored() == before


@pytest.mark.parametrize("status", ["dispatching", "sent", "unknown", "blocked", "expired", "delivered"])
async def test_what_has_left_or_ended_cannot_be_cancelled(surface: Surface, status: str) -> None:
    sent = (await surface.send(about("m-late"))).document
    await surface.town.rows("UPDATE message SET status = $1 WHERE id = $2", status, sent["id"].removeprefix("msg_"))
    before = await surface.stored()
    answered = await surface.ask("POST", f"/v1/messages/{sent['id']}/cancel", key="send")
    assert (answered.status, answered.slug) == (409, "too-late")
    assert answered.document["message_status"] == status
    assert await surface.stored() == before


async def test_a_question_stores_nothing_but_its_trace_if_wanted(surface: Surface) -> None:
    body = about("m-asked")
    await surface.ask("PUT", "/v1/contacts/m-asked", body["contact"])
    before = await surface.stored()
    asked = {**body, "contact": "m-asked", "at": SUNDAY}
    answered = await surface.ask("POST", "/v1/decisions", asked, key="read")
    assert answered.status == 200
    assert (answered.document["outcome"], answered.document["until"]) == ("defer", MONDAY_7)
    assert await surface.stored() == before
    recorded = await surface.ask("POST", "/v1/decisions", {**asked, "record": True}, key="read")
    assert recorded.document == answered.document
    after = await surface.stored()
    assert {name for name in after if after[name] != before[name]} <= {"tregua.trace", "tregua.trace_payload"}
    assert after["tregua.trace"] == before["tregua.trace"] + 1


async def test_another_tenants_message_is_not_there(surface: Surface) -> None:
    mine = (await surface.send(about("m-mine"))).document["id"]
    assert (await surface.ask("GET", f"/v1/messages/{mine}", key="other")).slug == "not-found"
    assert (await surface.ask("POST", f"/v1/messages/{mine}/cancel", key="other")).slug == "not-found"
    listed = (await surface.ask("GET", "/v1/messages?contact=m-mine", key="other")).document
    assert listed["items"] == []
    assert (await surface.ask("GET", f"/v1/messages/{mine}")).document["status"] == "queued"

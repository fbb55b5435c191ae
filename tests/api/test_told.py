"""What a hasty integrator is told: the field, and what would have fitted there."""

import json
from typing import Any

import pytest

from tests.api.conftest import Surface
from tests.gateway.town import message, person

#: What was done; the part of the message that differs; where the flaw points; what it says.
SENT: dict[str, tuple[dict[str, Any], str, tuple[str, ...]]] = {
    "a channel in capitals": ({"channel": "SMS"}, "/channel", ("sms, email, whatsapp", "auto")),
    "a role of her own": ({"contact": person(role="client")}, "/contact/role", ("debtor", "guarantor")),
    "a country by its name": ({"contact": person(jurisdictions=["Colombia"])}, "/contact/jurisdictions/0", ("such as CO",)),
    "a zone by its town": ({"contact": person(zones=["Bogota"])}, "/contact/zones/0", ("not an IANA time zone",)),
    "a national number": ({"contact": person(address="3001234567")}, "/contact/addresses/0/address", ("+573001234567",)),
    "an instant without a zone": ({"send_at": "2026-11-24T10:00:00"}, "/send_at", ("an offset, such as 2026-11-24T10:00:00-05:00",)),
    "a day for an instant": ({"send_at": "2026-11-24"}, "/send_at", ("an offset, such as 2026-11-24T10:00:00-05:00",)),
    "a number for an instant": ({"send_at": 1_795_000_000}, "/send_at", ("RFC 3339 instant", "got integer")),
    "a day with strokes": ({"debts": [{"id": "d", "due": "24/11/2026"}]}, "/debts/0/due", ("a day as YYYY-MM-DD, such as",)),
}  # fmt: skip


@pytest.mark.parametrize(("changed", "pointer", "words"), SENT.values(), ids=SENT.keys())
async def test_a_flaw_says_where_it_is_and_what_would_have_fitted(
    surface: Surface, changed: dict[str, Any], pointer: str, words: tuple[str, ...]
) -> None:
    refused = await surface.send(message() | changed)
    assert (refused.status, refused.pointers) == (422, [pointer])
    for word in words:
        assert word in refused.document["detail"], refused.document


async def test_a_kind_of_event_that_is_none_is_told_all_that_are(surface: Surface) -> None:
    await surface.ask("PUT", "/v1/contacts/told-1", person("told-1"))
    body = {"type": "call", "at": "2026-11-20T10:00:00Z"}
    refused = await surface.ask("POST", "/v1/contacts/told-1/events", body)
    assert refused.pointers == ["/type"]
    assert {"contact", "reply", "inbound_call", "consent"} <= set(
        refused.document["detail"].rpartition(": ")[2].rstrip(".").split(", ")
    )
    refused = await surface.ask("GET", "/v1/messages?status=SENT")
    assert "queued, " in refused.document["detail"]
    assert "SENT" not in refused.document["detail"], "what was given is never said again"


async def test_a_path_a_method_and_a_body_that_are_none_are_told_apart(surface: Surface) -> None:
    for path in ("/v1/message", "/v1/messages/"):
        assert "/openapi.json" in (await surface.ask("GET", path)).document["detail"]
    # A thing that is not there is not told as a path that is not there.
    assert "/openapi.json" not in (await surface.ask("GET", "/v1/debts/none")).document["detail"]
    assert (await surface.ask("PUT", "/v1/messages", {})).document["detail"] == "This path takes GET, HEAD, POST."
    marked = b"\xef\xbb\xbf" + json.dumps(message()).encode()
    headers = {"Idempotency-Key": "told-bom"}
    refused = await surface.ask("POST", "/v1/messages", raw=marked, headers=headers)
    assert (refused.status, "byte order mark" in refused.document["detail"]) == (400, True)
    refused = await surface.ask("POST", "/v1/messages", raw="ñ".encode("latin-1"), headers=headers)
    assert (refused.status, "encode it as UTF-8" in refused.document["detail"]) == (400, True)
    refused = await surface.ask("POST", "/v1/messages", raw=b"{}", headers=headers | {"Content-Type": "text/json"})
    assert (refused.status, "Content-Type: application/json" in refused.document["detail"]) == (415, True)

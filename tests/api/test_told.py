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
    "a zone by its town": ({"contact": person(zones=["Bogota"])}, "/contact/zones/0", ("not an IANA time zone, such as America/Bogota",)),
    "a national number": ({"contact": person(address="3001234567")}, "/contact/addresses/0/address", ("+573001234567",)),
    "an instant without a zone": ({"send_at": "2026-11-24T10:00:00"}, "/send_at", ("an offset, such as 2026-11-24T10:00:00-05:00",)),
    "a day for an instant": ({"send_at": "2026-11-24"}, "/send_at", ("an offset, such as 2026-11-24T10:00:00-05:00",)),
    "a number for an instant": ({"send_at": 1_795_000_000}, "/send_at", ("RFC 3339 instant", "got integer")),
    "a day with strokes": ({"debts": [{"id": "d", "due": "24/11/2026"}]}, "/debts/0/due", ("a day as YYYY-MM-DD, such as",)),
    "an id with a blank": ({"contact": "cli 1"}, "/contact", ("letters, digits and . _ : @ + ~ -",)),
    "a number for a person": ({"contact": 17}, "/contact", ("got integer", "The CRM's own id")),
    "a yes for an authorisation": (
        {"contact": person(addresses=[{"channel": "sms", "address": "+573001234567", "authorised": True}])},
        "/contact/addresses/0/authorised", ("got boolean: an object of at, instrument",),
    ),
    "a language by its name": ({"contact": person(locale="spanish")}, "/contact/locale", ("BCP 47", "es-CO")),
    "a field by another name": (
        {"contact": person(addresses=[{"channel": "sms", "address": "+573001234567", "phone": "+573001234567"}])},
        "/contact/addresses/0/phone", ("No such field; there are address, authorised, channel, kind, source.",),
    ),
    "a field in camel case": ({"sendAt": "2026-11-24T10:00:00-05:00"}, "/sendAt", ("No such field (is send_at meant?); there are",)),
    "the words outside of the content": ({"text": "Hola"}, "/text", ("No such field here: it stands in content.",)),
    "the creditor outside of the sender": ({"creditor": "C1"}, "/creditor", ("it stands in sender.",)),
}  # fmt: skip

AT = "2026-11-20T10:00:00-05:00"
TEMPLATE = {"default": "es", "variables": {"name": {"type": "name"}}}


def worded(text: str) -> dict[str, Any]:
    """A template of one text."""
    return TEMPLATE | {"locales": {"es": {"any": {"text": text}}}}


#: What was asked; where the flaw points; what it says.
ASKED: dict[str, tuple[str, str, Any, str, tuple[str, ...]]] = {
    "a filter by another name": ("GET", "/v1/messages?contact_id=ana", None, "/contact_id", ("is contact meant?",)),
    "a span that ends before it begins": (
        "GET", "/v1/messages?since=2026-11-24T10:00:00Z&until=2026-11-23T10:00:00Z", None, "/until", ("is not after since",),
    ),
    "a currency by its name": (
        "POST", "/v1/contacts/told-2/events", {"type": "promise", "at": AT, "amount": "100", "currency": "pesos"},
        "/currency", ("A currency of ISO 4217, as COP.",),
    ),
    "a currency that nobody has": (
        "POST", "/v1/contacts/told-2/events", {"type": "promise", "at": AT, "amount": "100", "currency": "XQZ"},
        "/currency", ("is not a currency of ISO 4217",),
    ),
    "a sum as a number": (
        "POST", "/v1/contacts/told-2/events", {"type": "promise", "at": AT, "amount": 100, "currency": "COP"},
        "/amount", ("got integer: A decimal as text",),
    ),
    "a sum with its thousands parted": (
        "POST", "/v1/contacts/told-2/events", {"type": "promise", "at": AT, "amount": "1.000,50", "currency": "COP"},
        "/amount", ("without separators of thousands: 150000.00.",),
    ),
    "a template with statements": (
        "PUT", "/v1/templates/told", worded("Hola {% if x %}{{name}}"), "/locales/es/any/text", ("character 6: write {{name}}",),
    ),
    "a variable in one pair of braces": (
        "PUT", "/v1/templates/told", worded("{{name}}, hola {name}"), "/locales/es/any/text", ("character 16: write {{name}}",),
    ),
    "events of a webhook by another name": (
        "POST", "/v1/webhooks", {"url": "https://crm.example/hook", "events": ["message.sent"]}, "/events", ("types",),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "pointer", "words"), ASKED.values(), ids=ASKED.keys())
async def test_whatever_is_asked_a_flaw_says_what_would_have_fitted(
    surface: Surface, method: str, path: str, body: Any, pointer: str, words: tuple[str, ...]
) -> None:
    await surface.ask("PUT", "/v1/contacts/told-2", person("told-2"))
    refused = await surface.ask(method, path, body)
    assert (refused.status, refused.pointers) == (422, [pointer]), refused.document
    for word in words:
        assert word in refused.document["detail"], refused.document


async def test_braces_that_are_no_variable_are_words(surface: Surface) -> None:
    kept = await surface.ask("PUT", "/v1/templates/told-braces", worded("Hola {{name}}: {a} {} {{name|first}}"))
    assert kept.status == 200, kept.document


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
    refused = await surface.ask("POST", "/v1/messages", raw=b" ", headers=headers)
    assert (refused.status, "The body is empty" in refused.document["detail"]) == (400, True)
    refused = await surface.ask("POST", "/v1/messages", raw=b"{}", headers=headers | {"Content-Type": "text/json"})
    assert (refused.status, "Content-Type: application/json" in refused.document["detail"]) == (415, True)

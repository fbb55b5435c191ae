"""Templates over HTTP: saved in versions, judged by the law, previewed, and pinned on the messages that are made with them."""

import json
from typing import Any
from uuid import uuid4

import pytest

from tests.api.conftest import Surface
from tests.gateway.town import TUESDAY, message, person

NOTICE = "Responda BAJA para no recibir más mensajes."


def body(text: str = "Hola {{name|first}}, su cuota de {{amount}} vence el {{due}}. " + NOTICE, **more: Any) -> Any:
    return {
        "default": "es",
        "jurisdictions": ["CO"],
        "variables": {
            "name": {"type": "name"},
            "amount": {"type": "money", "currency": "COP"},
            "due": {"type": "date"},
        },
        "locales": {"es": {"any": {"text": text}}},
        **more,
    }


VALUES = {"name": "ANA PÉREZ", "amount": "120000", "due": "2026-12-05"}


def name() -> str:
    return f"t-{uuid4().hex[:12]}"


async def saved(surface: Surface, named: str, given: Any) -> dict[str, Any]:
    answered = await surface.ask("PUT", f"/v1/templates/{named}", given, key="send")
    assert answered.status == 200, answered.raw
    shown = answered.document
    assert isinstance(shown, dict)
    return shown


def about(identity: str, named: str, *, home: str | None = "es-CO", **content: Any) -> dict[str, Any]:
    number = f"+57300{int(uuid4().int % 10_000_000):07d}"
    content = {"template": named, "variables": VALUES, **content}
    return message(person(identity, number, locale=home), content=content)


async def test_a_body_is_a_version_and_the_same_body_the_same_version(surface: Surface) -> None:
    named = name()
    first, other = body(), body("Hola {{name}}, {{amount}}, {{due}}. " + NOTICE)
    assert await saved(surface, named, first) == {
        "name": named, "version": 1, "new": True, "warnings": [], "unused": [],
    }  # fmt: skip
    before = await surface.stored()
    again = await saved(surface, named, dict(reversed(first.items())))
    assert (again["version"], again["new"]) == (1, False)
    assert await surface.stored() == before, "nothing changed, nothing to trace"
    assert (await saved(surface, named, other))["version"] == 2
    # What was said before may be said again: it is the version that it was.
    back = await saved(surface, named, first)
    assert (back["version"], back["new"]) == (1, False)
    shown = (await surface.ask("GET", f"/v1/templates/{named}", key="read")).document
    assert (shown["version"], shown["in_force"], shown["locales"]["es"]["any"]["text"]) == (
        1, True, first["locales"]["es"]["any"]["text"],
    )  # fmt: skip
    old = (await surface.ask("GET", f"/v1/templates/{named}?version=2", key="read")).document
    assert (old["version"], old["in_force"]) == (2, False)
    listed = (await surface.ask("GET", f"/v1/templates/{named}/versions", key="read")).document["items"]
    assert [(item["version"], item["in_force"]) for item in listed] == [(2, False), (1, True)]


async def test_a_version_cannot_be_changed_or_removed_even_by_hand(surface: Surface) -> None:
    named = name()
    await saved(surface, named, body())
    for statement in (
        "UPDATE template_version SET body = '{}'",
        "DELETE FROM template_version",
        "TRUNCATE template_version",
    ):
        with pytest.raises(Exception, match="append-only"):
            await surface.town.rows(statement)


async def test_lists_are_paged_by_name(surface: Surface) -> None:
    names = sorted(f"list-{number}" for number in range(5))
    for named in names:
        await saved(surface, named, body())
    pages = await surface.pages("/v1/templates?limit=2", key="read")
    listed = [item["name"] for page in pages for item in page]
    assert listed == sorted(listed)
    assert set(names) <= set(listed)
    for number in range(3):
        await saved(surface, "list-0", body(f"{number} {{{{name}}}} {{{{amount}}}} {{{{due}}}} {NOTICE}"))
    pages = await surface.pages("/v1/templates/list-0/versions?limit=1", key="read")
    assert [item["version"] for page in pages for item in page] == [4, 3, 2, 1]


async def test_templates_are_the_tenants_own(surface: Surface) -> None:
    named = name()
    await saved(surface, named, body())
    for path in ("", "/versions"):
        assert (await surface.ask("GET", f"/v1/templates/{named}{path}", key="other")).slug == "not-found"
    preview = await surface.ask("POST", f"/v1/templates/{named}/preview", {"variables": VALUES}, key="other")
    assert preview.slug == "not-found"
    refused = await surface.send(about("tpl-others", named), key="other")
    assert (refused.status, refused.pointers) == (422, ["/content/template"])


WRONG: dict[str, tuple[Any, list[str]]] = {
    "no language": (body(locales={}), ["/locales"]),
    "a default that is not there": (body(default="en"), ["/default"]),
    "a language that nobody writes": (body(locales={"es": {"any": {"text": "x"}}, "xx": {"any": {"text": "x"}}}), ["/locales/xx"]),
    "a language twice": (body(locales={"es": {"any": {"text": "x"}}, "ES": {"any": {"text": "x"}}}), ["/locales/ES"]),
    "a language without words": (body(locales={"es": {}}), ["/locales/es"]),
    "a channel that is none": (body(locales={"es": {"fax": {"text": "x"}}}), ["/locales/es/fax"]),
    "no text": (body(locales={"es": {"sms": {}}}), ["/locales/es/sms/text"]),
    "a blank text": (body(locales={"es": {"sms": {"text": " \n"}}}), ["/locales/es/sms/text"]),
    "a subject on SMS": (body(locales={"es": {"sms": {"text": "x", "subject": "y"}}}), ["/locales/es/sms/subject"]),
    "mail without a subject": (body(locales={"es": {"email": {"text": "x"}}}), ["/locales/es/email/subject"]),
    "speech by SMS": (body(locales={"es": {"sms": {"text": "x", "speech": "y"}}}), ["/locales/es/sms/speech"]),
    "a registered SMS": (
        body(locales={"es": {"sms": {"text": "x", "registered": {"a": {"reference": "HX1", "language": "es"}}}}}),
        ["/locales/es/sms/registered"],
    ),
    "a registered link": (
        body(locales={"es": {"whatsapp": {"text": "{{link}}", "registered": {"a": {"reference": "H", "language": "es"}}}}}),
        ["/locales/es/whatsapp/registered/a/values"],
    ),
    "a slot that is none": (
        body(
            locales={
                "es": {"whatsapp": {"text": "x", "registered": {"a": {"reference": "H", "language": "es", "values": ["zip"]}}}}
            }
        ),
        ["/locales/es/whatsapp/registered/a/values/0"],
    ),
    "an unknown variable": (body("Hola {{nombre}}. " + NOTICE), ["/locales/es/any/text"]),
    "a format that is none": (body("Hola {{name|upper}}. " + NOTICE), ["/locales/es/any/text"]),
    "a variable inside a tag": (
        body(locales={"es": {"email": {"subject": "s", "text": NOTICE, "html": '<a href="{{name}}">x</a>'}}}),
        ["/locales/es/email/html"],
    ),
    "a variable called link": (body(variables={"link": {"type": "text"}}, locales={"es": {"any": {"text": NOTICE}}}), ["/variables/link"]),
    "a currency that is none": (
        body(variables={"a": {"type": "money", "currency": "QQQ"}}, locales={"es": {"any": {"text": NOTICE}}}),
        ["/variables/a/currency"],
    ),
    "an example of another kind": (
        body(variables={"a": {"type": "date", "example": "mañana"}}, locales={"es": {"any": {"text": NOTICE}}}),
        ["/variables/a/example"],
    ),
    "a name in capitals": (body(variables={"Name": {"type": "text"}}, locales={"es": {"any": {"text": NOTICE}}}), ["/variables/Name"]),
    "a law that is none": (body(jurisdictions=["QQ"]), ["/jurisdictions/0"]),
    "an unknown field": (body(langs={}), ["/langs"]),
}  # fmt: skip


@pytest.mark.parametrize(("given", "pointers"), WRONG.values(), ids=WRONG.keys())
async def test_what_cannot_be_a_template_is_refused_at_its_place(
    surface: Surface, given: Any, pointers: list[str]
) -> None:
    named = name()
    before = await surface.stored()
    answered = await surface.ask("PUT", f"/v1/templates/{named}", given, key="send")
    assert (answered.status, answered.slug) == (422, "invalid"), answered.raw
    assert answered.pointers == pointers
    assert await surface.stored() == before


async def test_words_that_no_law_lets_out_are_refused_with_their_article(surface: Surface) -> None:
    """Colombia wants no threats: Ley 2300 and what stands behind it."""
    given = body(
        "Pague o irá a la cárcel, {{name}} {{amount}} {{due}}. " + NOTICE, jurisdictions=["CO", "MX", "AR", "BR"]
    )
    answered = await surface.ask("PUT", f"/v1/templates/{name()}", given)
    assert (answered.status, answered.slug) == (422, "invalid")
    assert set(answered.pointers) == {"/locales/es/any/text"}
    assert all("words: " in error["detail"] and "(" in error["detail"] for error in answered.document["errors"])


async def test_words_that_only_warn_are_saved_with_the_warning(surface: Surface) -> None:
    variant: dict[str, Any] = {"text": "Hola {{name}} " + NOTICE}
    shown = await saved(surface, name(), body(locales={"es": {"whatsapp": variant}}))
    found = [(finding["rule"], finding["channel"], finding["pointer"]) for finding in shown["warnings"]]
    assert found == [("PW-24H", "whatsapp", "/locales/es/whatsapp/text")]
    assert all(finding["citation"] and finding["limit"] for finding in shown["warnings"])
    assert shown["unused"] == ["amount", "due"]
    variant["registered"] = {"wa": {"reference": "HX0123", "language": "es"}}
    shown = await saved(surface, name(), body(locales={"es": {"whatsapp": variant}}))
    assert shown["warnings"] == []


async def test_a_preview_shows_words_segments_and_cost(surface: Surface) -> None:
    named = name()
    given = body(
        locales={
            "es": {
                "any": {"text": "Hola {{name|first}}: {{amount}}, {{due|date:short}}. " + NOTICE},
                "email": {
                    "subject": "Cuota de {{amount}}",
                    "text": "{{name}} {{due}} {{link}}",
                    "html": "<p>{{name}}</p>",
                },
            }
        }
    )
    await saved(surface, named, given)
    await surface.ask("PUT", "/v1/contacts/tpl-preview", person("tpl-preview", "+573009990011", locale="es-CO"))
    asked = {"variables": {**VALUES, "name": "<b>ANA</b>"}, "contact": "tpl-preview"}
    before = await surface.stored()
    shown = (await surface.ask("POST", f"/v1/templates/{named}/preview", asked, key="read")).document
    assert await surface.stored() == before
    assert (shown["name"], shown["version"]) == (named, 1)
    by_channel = {channel["channel"]: channel for channel in shown["channels"]}
    sms = by_channel["sms"]
    assert sms["text"] == f"Hola <b>ANA</b>: $120.000, 5/12/26. {NOTICE}"
    assert sms["cost"] == {"segments": 2, "encoding": "UCS-2", "amount": "0.0560", "currency": "USD"}
    assert sms["characters"] == len(sms["text"])
    mail = by_channel["email"]
    assert (mail["subject"], mail["html"]) == ("Cuota de $120.000", "<p>&lt;b&gt;ANA&lt;/b&gt;</p>")
    assert mail["text"].endswith("{{link}}")


async def test_a_preview_names_what_is_missing_and_what_cannot_be_said(surface: Surface) -> None:
    named = name()
    await saved(surface, named, body(locales={"es": {"sms": {"text": "{{name}} {{due}} " + NOTICE}}}))
    path = f"/v1/templates/{named}/preview"
    answered = await surface.ask("POST", path, {"variables": {"due": "x", "zip": 1}})
    assert (answered.status, answered.pointers) == (422, ["/variables/name", "/variables/due", "/variables/zip"])
    answered = await surface.ask("POST", path, {"variables": VALUES, "channels": ["sms", "email"]})
    assert (answered.status, answered.pointers) == (422, ["/channels/1"])
    answered = await surface.ask("POST", path, {"variables": VALUES, "contact": "tpl-nobody"})
    assert (answered.status, answered.pointers) == (422, ["/contact"])
    assert (await surface.ask("POST", path, {"variables": VALUES, "version": 9})).slug == "not-found"


async def test_a_message_keeps_the_version_that_it_was_accepted_with(surface: Surface) -> None:
    named = name()
    await saved(surface, named, body())
    sent = about("tpl-pinned", named)
    key = uuid4().hex
    first = (await surface.send(sent, idempotency=key, key="send")).document
    assert first["template"] == {"name": named, "version": 1}
    await saved(surface, named, body("Otra cosa, {{name}} {{amount}} {{due}}. " + NOTICE))
    again = await surface.send(sent, idempotency=key)
    assert again.document == first
    stored = await surface.town.rows("SELECT ask::text FROM message WHERE id = $1", first["id"].removeprefix("msg_"))
    ask = json.loads(stored[0]["ask"])
    words = ask["renderings"]["sms"]["content"]["text"]
    assert words == f"Hola Ana, su cuota de $120.000 vence el 5 de diciembre de 2026. {NOTICE}"
    # An older version may be asked for by its number.
    old = (await surface.send({**sent, "content": {**sent["content"], "template_version": 1}})).document
    assert old["template"]["version"] == 1
    new = (await surface.send(sent)).document
    assert new["template"]["version"] == 2
    trace = (await surface.ask("GET", f"/v1/trace?message={new['id']}", key="audit")).document["items"]
    accepted = next(entry for entry in trace if entry["kind"] == "accepted")
    assert (accepted["facts"]["template"], accepted["facts"]["version"]) == (named, 2)


@pytest.mark.parametrize(
    ("locale", "asked", "text"),
    [
        ("es-CO", None, "ES $120.000"),
        ("en-US", None, "EN COP 120,000"),
        ("fr", None, "ES 120.000 COP"),
        (None, None, "ES 120.000 COP"),
        ("pt-BR", None, "PT COP 120.000"),
        ("es-CO", "pt-BR", "PT COP 120.000"),
    ],
)
async def test_her_language_is_found_and_figures_follow_it(
    surface: Surface, locale: str | None, asked: str | None, text: str
) -> None:
    named = name()
    words = {"es": "ES", "en": "EN", "pt-BR": "PT"}
    given = body(
        jurisdictions=[],
        locales={tag: {"any": {"text": f"{word} {{{{amount}}}}"}} for tag, word in words.items()},
    )
    await saved(surface, named, given)
    content = {"variables": {"amount": "120000"}} | ({"locale": asked} if asked else {})
    sent = (await surface.send(about(f"tpl-{uuid4().hex[:8]}", named, home=locale, **content))).document
    stored = await surface.town.rows("SELECT ask::text FROM message WHERE id = $1", sent["id"].removeprefix("msg_"))
    assert json.loads(stored[0]["ask"])["renderings"]["sms"]["content"]["text"] == text


BAD_SENDS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "no such template": ({"template": "tpl-none"}, ["/content/template"]),
    "no such version": ({"template_version": 99}, ["/content/template_version"]),
    "a missing variable": ({"variables": {"name": "A", "due": "2026-12-05"}}, ["/content/variables/amount"]),
    "no variables": ({"variables": None}, [f"/content/variables/{v}" for v in ("amount", "due", "name")]),
    "a variable of another kind": ({"variables": {**VALUES, "amount": "much"}}, ["/content/variables/amount"]),
    "a variable that is not there": ({"variables": {**VALUES, "zip": "1"}}, ["/content/variables/zip"]),
    "a placeholder in a variable": ({"variables": {**VALUES, "name": "{{link}}"}}, ["/content/variables/name"]),
    "words beside the template": ({"subject": "x"}, ["/content/subject"]),
    "text and template": ({"text": "x"}, ["/content"]),
}


@pytest.mark.parametrize(("content", "pointers"), BAD_SENDS.values(), ids=BAD_SENDS.keys())
async def test_a_message_that_its_template_does_not_fit_is_refused(
    surface: Surface, content: dict[str, Any], pointers: list[str]
) -> None:
    await saved(surface, "bad-sends", body())
    before = await surface.stored()
    answered = await surface.send(about("tpl-bad", "bad-sends", **content))
    assert (answered.status, answered.pointers) == (422, pointers), answered.raw
    assert await surface.stored() == before


async def test_variables_without_a_template_are_a_flaw(surface: Surface) -> None:
    answered = await surface.send(message(content={"text": "x", "variables": {"a": 1}, "locale": "es"}))
    assert answered.pointers == ["/content/variables", "/content/locale"]


async def test_the_law_reads_the_words_that_she_will_read(surface: Surface) -> None:
    """A value may bring what the template's own words did not hold; each message is judged by what it says."""
    named = name()
    given = body("{{note}} " + NOTICE, variables={"note": {"type": "text"}})
    await saved(surface, named, given)
    good = await surface.send(about("tpl-law", named, variables={"note": "Su cuota está lista."}))
    assert good.document["status"] == "queued"
    strict = about("tpl-law-2", named, variables={"note": "Pague o irá a la cárcel."})
    strict["contact"]["jurisdictions"] = ["CO", "MX"]
    bad = await surface.send(strict)
    assert bad.document["status"] == "blocked"
    asked = await surface.ask(
        "POST",
        "/v1/decisions",
        {**about("tpl-law", named, variables={"note": "Su cuota está lista."}), "contact": "tpl-law", "at": TUESDAY},
        key="read",
    )
    assert asked.document["outcome"] == "allow"

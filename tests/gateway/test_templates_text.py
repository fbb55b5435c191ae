"""Texts of templates: read strictly in linear time, filled by kind and language, never evaluated."""

import time
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.kit.segments import Encoding, segmented
from gateway.refusals import Flaw
from gateway.templates.asks import VariableAsk
from gateway.templates.text import (
    PLACEHOLDERS_MAX,
    Unfit,
    fallback,
    filled,
    formatted,
    read,
    value_of,
    values_of,
    written_in,
)

VARIABLES = {
    "name": VariableAsk(type="name"),
    "ref": VariableAsk(type="text", chars_max=20),
    "amount": VariableAsk(type="money", currency="COP"),
    "any_amount": VariableAsk(type="money"),
    "due": VariableAsk(type="date"),
    "n": VariableAsk(type="number"),
}


def flaws_of(text: str, *, html: bool = False) -> list[str]:
    flaws: list[Flaw] = []
    read(text, VARIABLES, "/p", flaws, html=html)
    assert {flaw.pointer for flaw in flaws} <= {"/p"}
    return [flaw.detail for flaw in flaws]


@pytest.mark.parametrize(
    ("claim", "text", "begins"),
    [
        ("an unknown variable", "Hola {{nombre}}", ["character 6: there is no variable “nombre”"]),
        ("a format of another kind", "{{amount|date}}", ["character 1: “amount” is of type money"]),
        ("a format that is none", "{{due|date:iso}}", ["character 1: “due” is of type date"]),
        ("never closed", "ab {{name", ["character 4: {{ is not closed"]),
        ("closed too far away", "{{name" + " " * 80 + "}}", ["character 1: {{ is not closed"]),
        ("closed without an opening", "a }} b", ["character 3: }} without {{"]),
        ("closed without an opening, before one", "}} {{name}}", ["character 1: }} without {{"]),
        ("an expression", "{{1+1}}", ["character 1: a variable's name"]),
        ("an attribute", "{{name.__class__}}", ["character 1: a variable's name"]),
        ("a call", "{{name()}}", ["character 1: a variable's name"]),
        ("a section of another language", "{{#name}}x{{/name}}", ["character 1: a", "character 11: a"]),
        ("three braces", "{{{name}}}", ["character 1: a variable's name"]),
        ("a statement", "{% for x in y %}", []),
        ("one brace is a brace", "{name} } {", []),
        ("a link takes no format", "{{link|short}}", ["character 1: {{link}} takes no format"]),
        ("nothing", "{{}}", ["character 1: a variable's name"]),
        ("too many", "{{n}}" * (PLACEHOLDERS_MAX + 1), [f"character {PLACEHOLDERS_MAX * 5 + 1}: more than"]),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place(claim: str, text: str, begins: list[str]) -> None:
    found = flaws_of(text)
    assert len(found) == len(begins), claim
    for said, begin in zip(found, begins, strict=True):
        assert said.startswith(begin), claim


@pytest.mark.parametrize(
    ("text", "sound"),
    [
        ("<p>{{name}}</p>", True),
        ('<a href="{{link}}">{{ref}}</a>', True),
        ('<a href="{{ref}}">x</a>', False),
        ("<{{name}}>", False),
        ("<p {{name}}>", False),
        ("<p title='{{link}}' class={{name}}>", False),
        ("a < b {{name}} > c", False),
        ("<b>{{name}}</b> <i>{{n}}</i>", True),
    ],
)
def test_in_html_a_variable_stands_in_the_text(text: str, sound: bool) -> None:
    assert (flaws_of(text, html=True) == []) is sound


HOSTILE = ["{{" * 5_000, "}}" * 5_000, "{" * 10_000, "{{a" * 3_333, "{{ " + "a|" * 40 + "}}" * 4_000, "<" * 10_000]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_are_read_in_linear_time(text: str) -> None:
    def cost(times: int) -> float:
        began = time.process_time()
        flaws_of(text * times, html=True)
        return time.process_time() - began

    flaws_of(text, html=True)
    assert cost(20) < 40 * max(cost(1), 0.002)


def said(name: str, value: Any, locale: str = "es-CO", form: str = "") -> str:
    flaws: list[Flaw] = []
    source = read("{{" + name + (f"|{form}" if form else "") + "}}", VARIABLES, "", flaws)
    values = values_of({name: value}, VARIABLES, [name], "", flaws)
    assert flaws == []
    return filled(source, values, locale)


@pytest.mark.parametrize(
    ("name", "value", "locale", "form", "text"),
    [
        ("amount", 120000, "es-CO", "", "$120.000"),
        ("amount", "120000.50", "es-CO", "", "$120.000,50"),
        ("amount", "120000", "es", "", "120.000 COP"),
        ("amount", "120000", "en-US", "", "COP 120,000"),
        ("any_amount", "25 USD", "es-CO", "", "US$25"),
        ("any_amount", "25.00 USD", "es-CO", "", "US$25,00"),
        ("any_amount", "1234 BRL", "pt-BR", "", "R$ 1.234"),
        ("any_amount", "150000CLP", "es-CL", "money", "$150.000"),
        ("any_amount", "-5 USD", "en-US", "", "-$5"),
        ("due", "2026-12-05", "es-CO", "", "5 de diciembre de 2026"),
        ("due", "2026-12-05", "en-US", "date:long", "December 5, 2026"),
        ("due", "2026-12-05", "pt-BR", "date:short", "05/12/2026"),
        ("due", "2026-12-05", "es-MX", "date:full", "sábado, 5 de diciembre de 2026"),
        ("n", "1234.5", "es-CO", "", "1.234,5"),
        ("n", 1234, "en-US", "number", "1,234"),
        ("name", "  ANA   MARÍA DE LA CRUZ ", "es", "", "Ana María de la Cruz"),
        ("name", "josé luis", "es", "first", "José"),
        ("name", "McDonald de Souza", "pt", "", "McDonald de Souza"),
        ("name", "ANA-LUCÍA PÉREZ", "es", "", "Ana-Lucía Pérez"),
        ("ref", "A  1", "es", "", "A  1"),
    ],
)
def test_values_are_written_as_her_language_writes_them(
    name: str, value: Any, locale: str, form: str, text: str
) -> None:
    assert said(name, value, locale, form) == text


@pytest.mark.parametrize("locale", ["es-CO", "pt-BR", "fr-FR", "es", "de-CH"])
def test_no_format_brings_a_space_that_doubles_the_price_of_an_sms(locale: str) -> None:
    """CLDR parts figures by spaces that are in no alphabet of SMS: one of them turns 160 characters into 70."""
    text = said("any_amount", "1234567.50 USD", locale)
    assert not {"\u00a0", "\u202f"} & set(text)
    assert segmented(text.replace("’", "")).encoding is Encoding.GSM_7


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("amount", "1e5", "is not an amount"),
        ("amount", "1,000.00", "is not an amount"),
        ("amount", "NaN", "is not an amount"),
        ("amount", "Infinity", "is not an amount"),
        ("amount", "1 XXQ", "XXQ is not a currency"),
        ("amount", "1.005", "has more decimals than COP"),
        ("any_amount", "10", "names no currency"),
        ("any_amount", "10.5 CLP", "has more decimals than CLP"),
        ("amount", "9" * 16, "is not an amount"),
        ("due", "2026-02-30", "there is no such day"),
        ("due", "30/02/2026", "is not a day"),
        ("due", 20260230, "is not a day"),
        ("due", "0001-01-01", "lies between"),
        ("n", "١٢", "is not a number"),
        ("n", "", "is not a number"),
        ("ref", "x" * 21, "is longer than 20"),
        ("ref", "{{link}}", "holds the braces"),
        ("ref", "a }} b", "holds the braces"),
        ("name", "a\x00b", "holds control"),
        ("name", "a\u202eb", "holds control"),
        ("name", "   ", "is blank"),
    ],
)
def test_a_value_of_another_kind_is_refused_and_never_quoted(name: str, value: Any, why: str) -> None:
    found = value_of(value, VARIABLES[name])
    assert isinstance(found, Unfit)
    assert found.why.startswith(why)
    flaws: list[Flaw] = []
    values_of({name: value}, VARIABLES, [], "/content/variables", flaws)
    assert [flaw.pointer for flaw in flaws] == [f"/content/variables/{name}"]


def test_what_is_missing_and_what_is_too_much_are_named() -> None:
    flaws: list[Flaw] = []
    values_of({"extra/x": "1", "n": 1}, VARIABLES, ["name", "n", "amount"], "/content/variables", flaws)
    assert [flaw.pointer for flaw in flaws] == [
        "/content/variables/amount",
        "/content/variables/name",
        "/content/variables/extra~1x",
    ]


def test_in_html_values_are_text() -> None:
    flaws: list[Flaw] = []
    source = read("<p>{{name}} {{link}}</p>", VARIABLES, "", flaws, html=True)
    assert filled(source, {"name": "<script>\"&'"}, "es", html=True) == (
        "<p>&lt;script&gt;&quot;&amp;&#x27; {{link}}</p>"
    )


def test_a_line_feed_in_a_value_does_not_break_a_subject() -> None:
    flaws: list[Flaw] = []
    source = read("Cuota {{ref}}", VARIABLES, "", flaws)
    assert filled(source, {"ref": "1\nBcc: x@y.z"}, "es", one_line=True) == "Cuota 1 Bcc: x@y.z"


WORDS = st.text(st.characters(exclude_characters="{}", exclude_categories=("Cs",)), max_size=30)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(WORDS, st.sampled_from(["{{name}}", "{{ n }}", "{{link}}"])), max_size=12))
def test_every_word_of_a_text_stays_as_it_is(parts: list[str]) -> None:
    flaws: list[Flaw] = []
    source = read("".join(parts), VARIABLES, "", flaws)
    assert flaws == []
    expected = "".join({"{{name}}": "Ana", "{{ n }}": "7"}.get(part, part) for part in parts)
    assert filled(source, {"name": "Ana", "n": Decimal(7)}, "es") == expected


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_read_without_harm(text: str) -> None:
    flaws: list[Flaw] = []
    source = read(text, VARIABLES, "/p", flaws)
    if not flaws:
        values = {"name": "A", "ref": "r", "amount": (Decimal(1), "COP"), "any_amount": (Decimal(1), "USD")}
        filled(source, {**values, "due": date(2026, 1, 1), "n": Decimal(1)}, "es")


@pytest.mark.parametrize(
    ("wanted", "default", "found"),
    [
        ("es-CO", "en", ["es-co", "es", "en"]),
        ("es-Latn-CO", "es", ["es-latn-co", "es-latn", "es"]),
        ("zh-Hant-x-abc", "en", ["zh-hant-x-abc", "zh-hant", "zh", "en"]),
        (None, "pt-BR", ["pt-br"]),
        ("PT-br", "pt-BR", ["pt-br", "pt"]),
    ],
)
def test_languages_fall_back_as_rfc_4647_looks_up(wanted: str | None, default: str, found: list[str]) -> None:
    assert list(fallback(wanted, default)) == found


@pytest.mark.parametrize(
    ("wanted", "found", "written"),
    [("es-CO", "es", "es-CO"), ("pt-BR", "es", "es"), (None, "es", "es"), ("es-QQ-nonsense1", "es", "es")],
)
def test_figures_are_written_as_where_she_is_if_the_words_are_in_her_language(
    wanted: str | None, found: str, written: str
) -> None:
    assert written_in(wanted, found) == written
    assert formatted(Decimal("1234.5"), "number", written)

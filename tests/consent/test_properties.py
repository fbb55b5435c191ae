"""Whatever is done to the dress of a reply, it means the same; and whoever says stop beside anything else has said stop."""

from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent.intents import Context, Intent, classify, prepared, read
from consent.normal import MARKS
from tests.consent import report

ROWS: Final = [row for row in report.table(report.HELD_OUT) if "\n" not in row["text"]]
#: A clear stop of each language, said as a sentence of its own.
STOPS: Final = (
    "No me escriban más.",
    "Please stop texting me.",
    "Não me mandem mais mensagens.",
    "STOP.",
    "Unsubscribe me.",
)
UNSEEN: Final = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u202a\u202c"
ALIKE: Final = str.maketrans("aeocpxABEKMHOPCTX", "аеосрхАВЕКМНОРСТХ")


def _read(row: dict[str, str], text: str) -> Intent:
    return classify(text, context=Context(row["context"]), locale=f"{row['lang']}-{row['country']}")


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(ROWS), st.data())
def test_characters_that_nobody_sees_never_change_the_meaning(row: dict[str, str], data: st.DataObject) -> None:
    unseen = st.text(st.sampled_from(UNSEEN), max_size=2)
    dressed = "".join(letter + data.draw(unseen) for letter in row["text"])
    assert _read(row, dressed) is _read(row, row["text"])


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(ROWS), st.data())
def test_letters_that_look_alike_never_change_the_meaning(row: dict[str, str], data: st.DataObject) -> None:
    dressed = "".join(c.translate(ALIKE) if data.draw(st.booleans()) else c for c in row["text"])
    assert _read(row, dressed) is _read(row, row["text"])


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(ROWS), st.integers(1, 4), st.sampled_from(["", " ", "  ", "\t"]))
def test_spaces_and_capitals_never_change_the_meaning(row: dict[str, str], wide: int, edge: str) -> None:
    dressed = edge + row["text"].replace(" ", " " * wide) + edge
    assert _read(row, dressed) is _read(row, row["text"])
    if row["text"].isascii():
        assert _read(row, row["text"].upper()) is _read(row, row["text"])


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(ROWS), st.sampled_from(STOPS), st.booleans())
def test_a_clear_stop_beside_anything_is_a_stop(row: dict[str, str], stop: str, first: bool) -> None:
    """Except in what a machine answers, whatever its text says; and beside a start, where it is held and asked."""
    said = read(row["text"], context=Context(row["context"]))
    text = f"{stop} {row['text']}" if first else f"{row['text']}. {stop}"
    got = _read(row, text)
    if said.intent in (Intent.AUTO_REPLY, Intent.START) or row["intent"] in ("auto_reply", "start"):
        assert got in (Intent.AUTO_REPLY, Intent.START, Intent.UNSURE, *report.STOPS)
    else:
        assert got in report.STOPS, text


@pytest.mark.parametrize("word", ["baja", "stop", "sair", "salir", "unsubscribe"])
@pytest.mark.parametrize("between", [" ", ".", "-", "_", " . ", "\u200b", "*"])
def test_a_keyword_spelt_out_is_the_keyword(word: str, between: str) -> None:
    assert classify(between.join(word)) is Intent.STOP_ALL


@given(st.text(max_size=80))
def test_any_text_has_an_intent_and_the_same_each_time(text: str) -> None:
    assert read(text) == read(text)
    assert all(word in MARKS or word for word in prepared(text))

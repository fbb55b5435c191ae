"""Every word of the page in its three languages, and rights that stand on rules which are there."""

import re
import tomllib
from datetime import date
from pathlib import Path

import pytest

from jurisdictions.library import load
from jurisdictions.resolution import PLACES
from pages.debtor import render
from pages.debtor.render import plain, words_in
from pages.debtor.rights import lines, places_covered, rights
from pages.debtor.view import LANGUAGES, Done

LAW = load()
DAY = date(2026, 11, 24)
FOLDER = Path(render.__file__).parent
WORDS = tomllib.loads((FOLDER / "words.toml").read_text("utf-8"))


def test_every_word_has_its_three_languages_and_the_same_gaps() -> None:
    for key, said in WORDS.items():
        assert set(said) == set(LANGUAGES), key
        assert all(text.strip() for text in said.values()), key
        gaps = {language: sorted(re.findall(r"{(\w+)}", text)) for language, text in said.items()}
        assert len({tuple(each) for each in gaps.values()}) == 1, (key, gaps)


def test_every_word_that_a_template_asks_for_is_there() -> None:
    for template in (FOLDER / "templates").iterdir():
        for key in re.findall(r'\bw\("(\w+)"[,)]', template.read_text("utf-8")):
            assert key in WORDS, (template.name, key)
    for done in Done:
        assert f"done_{done}" in WORDS


def test_no_template_leaves_a_value_unescaped() -> None:
    for template in (FOLDER / "templates").iterdir():
        text = template.read_text("utf-8")
        assert "safe" not in re.findall(r"\|\s*(\w+)", text), template.name
        assert "autoescape" not in text


@pytest.mark.parametrize("place", sorted(PLACES))
def test_every_place_with_a_law_tells_her_rights(place: str) -> None:
    assert place in places_covered()
    for language in LANGUAGES:
        found = rights(LAW, [place], language, DAY)
        # Each line stands on a rule of the pack that is in force: none has fallen away.
        assert len(found) == len(lines(place)) > 0
        for right in found:
            assert "{" not in right.says
            assert right.citation


def test_a_right_is_not_told_before_its_law_is_in_force_nor_of_a_bill() -> None:
    assert rights(LAW, ["CO"], "es", date(2023, 1, 1)) == ()
    assert rights(LAW, ["CR", "PA", "nowhere"], "es", DAY) == ()
    # New York's rule of 2026 begins on a day.
    assert rights(LAW, ["US-NYC"], "en", date(2026, 8, 31)) == ()
    assert len(rights(LAW, ["US-NYC"], "en", date(2026, 9, 1))) == 2


def test_hours_are_those_of_the_pack() -> None:
    said = " ".join(right.says for right in rights(LAW, ["CO"], "en", DAY))
    assert "Monday to Friday 07:00–19:00, Saturday 08:00–15:00, never on Sundays or public holidays" in said


def test_other_peoples_words_cannot_turn_the_page_around() -> None:
    assert plain("a\u202eb\u2066c\u200fd\x07e\r\nf\ud800") == "abcd�e\nf�"


def test_a_word_is_never_itself_a_format() -> None:
    assert words_in("en")("message_from", sender="{help} %s {0}") == "A message from {help} %s {0}"


def test_the_version_names_what_she_saw() -> None:
    assert re.fullmatch(r"[0-9a-f]{16}", render.version())

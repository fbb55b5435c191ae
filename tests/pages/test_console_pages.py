"""What the console is made of, without a gateway: words in three languages, pictures without script, intervals, hidden characters."""

import re
import tomllib
from importlib import resources
from xml.etree import ElementTree

import pytest

from pages.console.charts import Series, bars, lying_bars
from pages.console.figures import shade, wilson
from pages.console.render import FILES, LANGUAGES, file, named, whose_words, words_in

PLACE = resources.files("pages.console")
WORDS = tomllib.loads((PLACE / "words.toml").read_text("utf-8"))
TEMPLATES = {
    each.name: each.read_text("utf-8") for each in (PLACE / "templates").iterdir() if each.name.endswith(".html")
}


def test_every_word_is_there_in_every_language_with_the_same_places() -> None:
    for key, texts in WORDS.items():
        assert set(texts) == set(LANGUAGES), key
        assert len({tuple(sorted(re.findall(r"{(\w+)}", text))) for text in texts.values()}) == 1, key


def test_every_word_that_a_template_says_is_known() -> None:
    said = {key for text in TEMPLATES.values() for key in re.findall(r'\bw\("([^"]+)"[,)]', text)}
    assert len(said) > 100
    assert {key for key in said if key not in WORDS} == set()


def test_nothing_stands_inline_in_a_template() -> None:
    for name, text in TEMPLATES.items():
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?! src=)|\|\s*safe", text), name


def test_the_files_are_served_by_name_alone() -> None:
    for name, kind in FILES.items():
        found = file(name)
        assert found is not None
        assert found[1] == kind
    assert file("words.toml") is None
    assert file("../words.toml") is None


#: Wilson's interval at 95 %, as R's prop.test(correct = FALSE) gives it.
INTERVALS = [
    (0, 10, 0.0, 0.2775),
    (3, 8, 0.1368, 0.6943),
    (50, 100, 0.4038, 0.5962),
    (10, 10, 0.7225, 1.0),
    (0, 0, 0.0, 1.0),
]


@pytest.mark.parametrize(("part", "whole", "low", "high"), INTERVALS)
def test_intervals_are_wilson_s(part: int, whole: int, low: float, high: float) -> None:
    assert wilson(part, whole) == pytest.approx((low, high), abs=0.0001)


def test_something_is_never_as_light_as_nothing() -> None:
    assert [shade(n, 600) for n in (0, 1, 100, 101, 600)] == [0, 1, 1, 2, 6]


def test_pictures_carry_no_script_and_escape_their_names() -> None:
    series = [
        Series(name="<script>x</script>", values=[1, None], spans=[(0, 2), None]),
        Series(name="b", values=[2, 3]),
    ]
    for drawn in (
        bars("</script><script>", ["<b>", "c"], series),
        lying_bars(None, ["<b>", "c"], series),
        bars(None, [], []),
    ):
        tree = ElementTree.fromstring(drawn)
        assert [each.tag for each in tree.iter() if each.tag.endswith(("script", "foreignObject", "image"))] == []
        assert [value for each in tree.iter() for value in each.attrib.values() if "://" in value] == []


@pytest.mark.parametrize(
    ("character", "name"),
    [("\u202e", "RLO"), ("\x1b", "U+001B"), ("\u200b", "ZWSP"), ("\U000e0041", "U+E0041"), ("\ue000", "U+E000"), ("\ufeff", "BOM"),
     ("\n", None), ("\t", None), ("ñ", None), ("م", None), ("😀", None), ("\x7f", "U+007F"), ("\ud800", "U+D800")],
)  # fmt: skip
def test_what_would_not_be_seen_is_named(character: str, name: str | None) -> None:
    assert named(character) == name


def test_other_people_s_words_are_escaped_and_cut() -> None:
    assert whose_words("<b>\u202e") == '&lt;b&gt;<span class="control">RLO</span>'
    assert len(whose_words("a" * 10_000)) < 4_100


def test_a_word_of_somebody_s_program_stands_for_itself() -> None:
    assert words_in("es")("event.something_new") == "something new"

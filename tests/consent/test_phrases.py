"""How phrases of the word lists are read and found."""

import pytest

from consent.lexicon import LANGUAGES, LexiconError, compiled, lexicon
from consent.normal import tokens
from consent.phrases import Found, PhraseError, Phrases

CLASSES = {"act": ["texting", "call*"], "me": ["me", "us"]}


def found(phrase: str, text: str) -> list[tuple[int, int]]:
    phrases = Phrases()
    phrases.add("m", [phrase], CLASSES)
    return [(one.start, one.end) for one in phrases.find(tokens(text))]


@pytest.mark.parametrize(
    ("phrase", "text", "expected"),
    [
        ("stop <act>", "please stop texting", [(1, 3)]),
        ("stop <act>", "stop calling", [(0, 2)]),
        ("stop <act>", "stop. calling", []),
        ("stop <act>", "stop\ncalling", [(0, 3)]),
        ("stop <act>", "stop now calling", []),
        ("stop now? <act>", "stop now calling", [(0, 3)]),
        ("stop now? <act>", "stop calling", [(0, 2)]),
        ("stop now? <act>", "stop now now calling", []),
        ("stop now~ <act>", "stop now now now now calling", [(0, 6)]),
        ("stop now~ <act>", "stop now now now now now calling", []),
        ("stop now|then~ <act>", "stop then now calling", [(0, 4)]),
        ("stop ... <act>", "stop with all the calling", [(0, 5)]),
        ("stop ... <act>", "stop with all of the calling", []),
        ("stop ... <act>", "stop with, the calling", []),
        ("^ stop", "stop", [(0, 1)]),
        ("^ stop", "...stop it", [(3, 4)]),
        ("^ stop", "please stop", []),
        ("stop $", "please stop.", [(1, 2)]),
        ("stop $", "stop it", []),
        ("stop $", "stop?", []),
        ("stop it|$", "stop", [(0, 1)]),
        ("stop it|$", "stop it", [(0, 2)]),
        ("stop it?", "stop it", [(0, 2)]),
        ("stop|end|cal* <me>", "calling us", [(0, 2)]),
        ("one two", "one two one two", [(0, 2), (2, 4)]),
    ],
)
def test_a_phrase_stands_where_it_should(phrase: str, text: str, expected: list[tuple[int, int]]) -> None:
    assert found(phrase, text) == expected


def test_meanings_are_kept_apart() -> None:
    phrases = Phrases()
    phrases.add("one", ["a b", "a b c"], {})
    phrases.add("two", ["a"], {})
    assert set(phrases.find(["a", "b", "c"])) == {Found("one", 0, 3), Found("two", 0, 1)}


@pytest.mark.parametrize(
    "phrase", ["", "^", "$", "a  b", "... a", "a?", "a~", "<what> a", "Stop", "no más", "don't", "a|", "stop-it", "a ^"]
)
def test_what_is_no_phrase_stops_the_reading(phrase: str) -> None:
    with pytest.raises(PhraseError, match=r"in|phrase|required"):
        found(phrase, "a")


@pytest.mark.parametrize(
    "given", [{"stop": {"sentence": []}}, {"stopp": {}}, {"filler": {"alone": []}}], ids=["key", "section", "misplaced"]
)
def test_a_word_list_with_an_unknown_part_is_refused(given: dict[str, dict[str, list[str]]]) -> None:
    with pytest.raises(LexiconError):
        compiled({"en": {"stop": {"alone": ["stop"]}, **given}})


def test_every_language_is_shipped_with_every_part() -> None:
    assert LANGUAGES == ("en", "es", "pt")
    for word in ("stop", "baja", "sair", "start", "alta", "voltar", "help", "ayuda", "ajuda"):
        assert word in lexicon().alone


def test_clause_words_are_stop_words_or_stop_sentences_when_they_stand_alone() -> None:
    """What stops amid other words cannot mean something else alone."""
    from consent.intents import Intent, classify
    from consent.lexicon import _file

    for language in LANGUAGES:
        for text in _file(language)["stop"]["clause"]:
            assert classify(text) is Intent.STOP_ALL, text

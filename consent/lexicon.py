"""The word lists of all languages, read once from ``consent/words`` and put in the form in which replies are matched."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any, Final

from consent.normal import MARKS, tokens
from consent.phrases import Phrases

LANGUAGES: Final = ("en", "es", "pt")
#: Shorter words of the phrases have too many neighbours that are words themselves.
MENDABLE_LETTERS_MIN: Final = 6

#: What the sections of a word list may hold; anything else stops the process.
_SECTIONS: Final[Mapping[str, frozenset[str]]] = {
    "stop": frozenset({"alone", "clause", "after_prompt", "near", "sentences"}),
    "not_stop": frozenset({"sentences"}),
    "stop_channel": frozenset({"sentences"}),
    "stop_only": frozenset({"sentences"}),
    "stop_one": frozenset({"sentences"}),
    "start": frozenset({"alone", "sentences"}),
    "question": frozenset({"sentences"}),
    "unsure": frozenset({"alone", "after_prompt", "sentences"}),
    "auto_reply": frozenset({"sentences"}),
    "machine": frozenset({"sentences"}),
    "help": frozenset({"alone"}),
    "wrong_person": frozenset({"alone"}),
    "nothing": frozenset({"alone"}),
    "filler": frozenset({"words"}),
}

#: Sections whose names are the lists' own.
_OPEN_SECTIONS: Final = frozenset({"classes", "spelling"})


class Meaning(StrEnum):
    """What a word or a phrase of the lists says."""

    STOP = "stop"
    STOP_IF_PROMPTED = "stop_if_prompted"
    STOP_CHANNEL = "stop_channel"
    STOP_ONLY = "stop_only"
    STOP_ONE = "stop_one"
    NOT_STOP = "not_stop"
    START = "start"
    QUESTION = "question"
    HELP = "help"
    WRONG_PERSON = "wrong_person"
    NOTHING = "nothing"
    UNSURE = "unsure"
    UNSURE_IF_PROMPTED = "unsure_if_prompted"
    AUTO_REPLY = "auto_reply"
    MACHINE = "machine"


#: Where a whole reply of one word, or of one turn of phrase, is looked for, the first that has it; and the section of its list.
_ALONE: Final = (
    (Meaning.STOP, "stop", "alone"),
    (Meaning.STOP_IF_PROMPTED, "stop", "after_prompt"),
    (Meaning.START, "start", "alone"),
    (Meaning.HELP, "help", "alone"),
    (Meaning.WRONG_PERSON, "wrong_person", "alone"),
    (Meaning.NOTHING, "nothing", "alone"),
    (Meaning.UNSURE, "unsure", "alone"),
    (Meaning.UNSURE_IF_PROMPTED, "unsure", "after_prompt"),
)


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Every language at once: ``alone`` by the words without spaces, phrases by what they begin with."""

    alone: Mapping[str, Meaning]
    clause: frozenset[str]
    near: tuple[str, ...]
    spelling: Mapping[str, str]
    filler: frozenset[str]
    phrases: Phrases
    known: "_Known"
    mendable: Mapping[str, tuple[str, ...]]
    classes: Mapping[str, tuple[str, ...]]
    languages: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Known:
    """Words that are right as they stand."""

    whole: frozenset[str]
    beginnings: tuple[str, ...]

    def __contains__(self, word: str) -> bool:
        return word in self.whole or word.startswith(self.beginnings)


class LexiconError(ValueError):
    """A word list does not have the form of a word list."""


@cache
def lexicon() -> Lexicon:
    """The lists as shipped; read at the first reply, not at import."""
    return compiled({language: _file(language) for language in LANGUAGES})


def _file(language: str) -> dict[str, Any]:
    return tomllib.loads((files("consent") / "words" / f"{language}.toml").read_text(encoding="utf-8"))


def compiled(lists: Mapping[str, Mapping[str, Any]]) -> Lexicon:
    """Word lists by language, put together. A LexiconError or PhraseError says what cannot be read."""
    for language, given in lists.items():
        for section, keys in given.items():
            if section not in _OPEN_SECTIONS and (section not in _SECTIONS or not _SECTIONS[section].issuperset(keys)):
                raise LexiconError(f"{language}.toml: [{section}] has what no word list has")
    alone: dict[str, Meaning] = {}
    for meaning, section, key in _ALONE:
        for given in lists.values():
            for text in given.get(section, {}).get(key, ()):
                alone.setdefault(squeezed(tokens(text)), meaning)
    parts = [(given, given.get("classes", {})) for given in lists.values()]
    phrases = _phrases(parts)
    filler = frozenset(word for given, _ in parts for word in given.get("filler", {}).get("words", ()))
    return Lexicon(
        alone=alone,
        clause=frozenset(squeezed(tokens(text)) for given, _ in parts for text in given["stop"].get("clause", ())),
        near=tuple(word for given, _ in parts for word in given["stop"].get("near", ())),
        spelling={wrong: right for given, _ in parts for wrong, right in given.get("spelling", {}).items()},
        filler=filler,
        phrases=phrases,
        known=_Known(frozenset({*phrases.words, *filler, *_common()}), tuple(sorted(phrases.beginnings))),
        mendable=_by_letter(phrases.words),
        classes=_classes(lists),
        languages=_languages(lists),
    )


def _common() -> list[str]:
    """Words that people write and that no phrase has, so that none is taken for the misspelling of another."""
    return (files("consent") / "words" / "common.txt").read_text(encoding="utf-8").split()


def _classes(lists: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """The classes that each word is in, by language."""
    found: dict[str, list[str]] = {}
    for language in sorted(lists):
        for name, words in lists[language].get("classes", {}).items():
            for word in words:
                if not word.endswith("*"):
                    found.setdefault(word, []).append(f"{language}.{name}")
    return {word: tuple(names) for word, names in found.items()}


def _languages(lists: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Whole replies of one keyword by the only language that has it."""
    found: dict[str, set[str]] = {}
    for language, given in lists.items():
        for _, section, key in _ALONE:
            for text in given.get(section, {}).get(key, ()):
                found.setdefault(squeezed(tokens(text)), set()).add(language)
    return {words: next(iter(of)) for words, of in found.items() if len(of) == 1}


def _by_letter(words: Iterable[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for word in sorted(words):
        if len(word) >= MENDABLE_LETTERS_MIN:
            found.setdefault(word[0], []).append(word)
    return {letter: tuple(them) for letter, them in found.items()}


def _phrases(parts: Iterable[tuple[Mapping[str, Any], Mapping[str, Iterable[str]]]]) -> Phrases:
    """The phrases of every meaning in every language, each language's with its own classes."""
    phrases = Phrases()
    for given, classes in parts:
        for meaning in Meaning:
            phrases.add(meaning, given.get(meaning, {}).get("sentences", ()), classes)
    return phrases


def squeezed(words: Iterable[str]) -> str:
    """Words without spaces and pauses: ``opt-out`` and ``optout`` are one."""
    return "".join(word for word in words if word not in MARKS)

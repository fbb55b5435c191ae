"""Phrases of the word lists, written as sequences of words, and how they are found in a reply.

A phrase is words with single spaces. ``a|b`` is either word; ``word*`` any word that begins so; ``<name>`` the words of a
class; ``word?`` may be missing; ``...`` up to three other words. ``^`` is the beginning of the reply; ``$``, alone or as the
last of several words, a pause or the end. Words are written without accents and apostrophes, as ``consent.normal`` leaves
them. A phrase never crosses a pause.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Final

from consent.normal import BREAK, MARKS, NEWLINE, QUESTION, tokens

GAP_WORDS_MAX: Final = 3
_START: Final = "^"
_END: Final = "$"
_GAP: Final = "..."


class PhraseError(ValueError):
    """A phrase in a word list is not written as phrases are."""


@dataclass(frozen=True, slots=True)
class _Word:
    """One place in a phrase: these words, and words that begin like these."""

    whole: frozenset[str]
    beginnings: tuple[str, ...]

    def takes(self, token: str) -> bool:
        return token in self.whole or (bool(self.beginnings) and token.startswith(self.beginnings))


_Gap = None
_Element = _Word | None


@dataclass(frozen=True, slots=True)
class _Phrase:
    meaning: str
    elements: tuple[_Element, ...]
    at_start: bool
    at_end: bool


@dataclass(frozen=True, slots=True)
class Found:
    """Where a phrase stands: tokens ``start`` up to but not ``end``, and what it means."""

    meaning: str
    start: int
    end: int


class Phrases:
    """Phrases by meaning, found in one pass over a reply's words."""

    def __init__(self) -> None:
        """No phrase yet."""
        self._by_word: dict[str, list[_Phrase]] = {}
        self._by_beginning: dict[str, list[_Phrase]] = {}
        self._lengths: list[int] = []

    def add(self, meaning: str, texts: Iterable[str], classes: Mapping[str, Iterable[str]]) -> None:
        """File phrases under what they mean; a PhraseError names the one that cannot be read."""
        for text in texts:
            for phrase in _read(meaning, text, classes):
                self._file(phrase)
        self._lengths = sorted({len(beginning) for beginning in self._by_beginning})

    def _file(self, phrase: _Phrase) -> None:
        first = phrase.elements[0]
        assert first is not _Gap
        for word in first.whole:
            self._by_word.setdefault(word, []).append(phrase)
        for beginning in first.beginnings:
            self._by_beginning.setdefault(beginning, []).append(phrase)

    def find(self, words: list[str]) -> list[Found]:
        """Every phrase in these words, at most one for each place where one can begin and each meaning."""
        found: list[Found] = []
        for start, word in enumerate(words):
            seen: set[str] = set()
            for phrase in self._beginning_with(word):
                if phrase.meaning in seen or (phrase.at_start and not _is_start(words, start)):
                    continue
                end = _end_of(phrase.elements, words, start)
                if end is not None and not (phrase.at_end and not _is_end(words, end)):
                    found.append(Found(phrase.meaning, start, end))
                    seen.add(phrase.meaning)
        return found

    def _beginning_with(self, word: str) -> tuple[_Phrase, ...]:
        phrases = [*self._by_word.get(word, ())]
        for length in self._lengths:
            if length > len(word):
                break
            phrases += self._by_beginning.get(word[:length], ())
        return tuple(phrases)


def _is_start(words: list[str], start: int) -> bool:
    return all(word in MARKS for word in words[:start])


def _is_end(words: list[str], end: int) -> bool:
    return end == len(words) or words[end] in (BREAK, NEWLINE)


def _end_of(elements: tuple[_Element, ...], words: list[str], start: int) -> int | None:
    """Where the phrase ends that begins at ``start``, the shortest of several; None when it does not stand there."""
    at = start
    for place, element in enumerate(elements):
        if element is _Gap:
            for skipped in range(at, min(at + GAP_WORDS_MAX, len(words)) + 1):
                end = _end_of(elements[place + 1 :], words, skipped)
                if end is not None:
                    return end
                if skipped < len(words) and words[skipped] in (BREAK, QUESTION):
                    return None
            return None
        while at < len(words) and words[at] == NEWLINE:
            at += 1
        if at == len(words) or not element.takes(words[at]):
            return None
        at += 1
    return at


def _read(meaning: str, text: str, classes: Mapping[str, Iterable[str]]) -> list[_Phrase]:
    parts = text.split(" ")
    at_start = parts[0] == _START
    parts = parts[at_start:]
    if not parts or "" in parts:
        raise PhraseError(f"not a phrase: {text!r}")
    *inner, last = parts
    choices = [((), (part[:-1],)) if part.endswith("?") else ((part,),) for part in inner]
    ends = [part for part in last.removesuffix("?").split("|") if part != _END]
    lasts = ([("|".join(ends),)] if ends else []) + ([(_END,)] if _END in last else []) + [()] * last.endswith("?")
    phrases = []
    for variant in product(*choices, lasts):
        chosen = [part for choice in variant for part in choice]
        at_end = chosen[-1:] == [_END]
        chosen = chosen[: len(chosen) - at_end]
        if not chosen or _GAP in (chosen[0], chosen[-1]):
            raise PhraseError(f"nothing in it is required, or a gap stands at its edge: {text!r}")
        elements = tuple(_Gap if part == _GAP else _word(part, text, classes) for part in chosen)
        phrases.append(_Phrase(meaning, elements, at_start, at_end))
    return phrases


def _word(part: str, text: str, classes: Mapping[str, Iterable[str]]) -> _Word:
    whole: set[str] = set()
    beginnings: set[str] = set()
    for alternative in part.split("|"):
        if alternative.startswith("<") and alternative.endswith(">"):
            if alternative[1:-1] not in classes:
                raise PhraseError(f"no class {alternative} in {text!r}")
            members = classes[alternative[1:-1]]
        else:
            members = (alternative,)
        for member in members:
            stem = member.removesuffix("*")
            if tokens(stem) != [stem] or stem in MARKS:
                raise PhraseError(f"{member!r} is not a word as replies have them, in {text!r}")
            (beginnings if member.endswith("*") else whole).add(stem)
    return _Word(frozenset(whole), tuple(sorted(beginnings)))

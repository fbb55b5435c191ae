"""Phrases of the word lists, written as sequences of words, and how they are found in a reply.

A phrase is words with single spaces. ``a|b`` is either word; ``word*`` any word that begins so; ``<name>`` the words of a
class; ``word?`` may be missing; ``word~`` may stand up to four times or be missing; ``...`` is up to three words of any
kind. ``^`` is the beginning of the reply; ``$``, alone or as the last of several words, a pause or the end. Words are
written without accents and apostrophes, as ``consent.normal`` leaves them. A phrase never crosses a pause.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Final

from consent.normal import BREAK, MARKS, NEWLINE, QUESTION, tokens

GAP_WORDS_MAX: Final = 3
REPEATED_WORDS_MAX: Final = 4
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


@dataclass(frozen=True, slots=True)
class _Skip:
    """A place that up to so many words may fill, or none; ``words`` of None are any."""

    words: _Word | None
    most: int


@dataclass(frozen=True, slots=True)
class _End:
    """The place after the last word: a pause or the end of the reply."""


_Element = _Word | _Skip | _End


@dataclass(frozen=True, slots=True)
class Found:
    """Where a phrase stands: tokens ``start`` up to but not ``end``, and what it means."""

    meaning: str
    start: int
    end: int


class _Node:
    """Where phrases with the same beginning part: the nodes that the next word leads to, and what is meant if none comes."""

    __slots__ = ("beginnings", "children", "ending", "meanings", "skips", "whole")

    def __init__(self) -> None:
        self.children: dict[_Element, _Node] = {}
        self.whole: dict[str, list[_Node]] = {}
        self.beginnings: list[tuple[tuple[str, ...], _Node]] = []
        self.skips: list[tuple[_Skip, _Node]] = []
        self.ending: _Node | None = None
        self.meanings: set[str] = set()

    def child(self, element: _Element) -> "_Node":
        """The node behind an element, made when it is new."""
        node = self.children.get(element)
        if node is None:
            node = self.children[element] = _Node()
            match element:
                case _Word():
                    for word in element.whole:
                        self.whole.setdefault(word, []).append(node)
                    if element.beginnings:
                        self.beginnings.append((element.beginnings, node))
                case _Skip():
                    self.skips.append((element, node))
                case _End():
                    self.ending = node
        return node


class Phrases:
    """Phrases by meaning, found in one pass over a reply's words."""

    __slots__ = ("_anywhere", "_at_start", "beginnings", "words")

    def __init__(self) -> None:
        """No phrase yet."""
        self.words: set[str] = set()
        self.beginnings: set[str] = set()
        self._anywhere = _Node()
        self._at_start = _Node()

    def add(self, meaning: str, texts: Iterable[str], classes: Mapping[str, Iterable[str]]) -> None:
        """File phrases under what they mean; a PhraseError names the one that cannot be read."""
        for text in texts:
            at_start, variants = _read(text, classes)
            for elements in variants:
                node = self._at_start if at_start else self._anywhere
                for element in elements:
                    node = node.child(element)
                    word = element.words if isinstance(element, _Skip) else element
                    if isinstance(word, _Word):
                        self.words |= word.whole
                        self.beginnings.update(word.beginnings)
                node.meanings.add(meaning)

    def find(self, words: list[str]) -> list[Found]:
        """Every phrase in these words, the longest for each place where one begins and each meaning."""
        found: list[Found] = []
        anywhere = self._anywhere
        ends: dict[str, int] = {}
        for start, word in enumerate(words):
            if word not in anywhere.whole and not anywhere.beginnings:
                continue
            _walk(anywhere, words, start, ends)
            if ends:
                found += [Found(meaning, start, end) for meaning, end in ends.items()]
                ends = {}
        start = 0
        while start < len(words) and words[start] in MARKS:
            start += 1
        _walk(self._at_start, words, start, ends)
        return found + [Found(meaning, start, end) for meaning, end in ends.items()]


def _walk(node: _Node, words: list[str], at: int, ends: dict[str, int]) -> None:
    """Note in ``ends`` what is meant by phrases that go on from ``node`` with the word at ``at``, and where they end."""
    for meaning in node.meanings:
        if ends.get(meaning, 0) < at:
            ends[meaning] = at
    at = _word_from(words, at)
    over = at == len(words) or words[at] == BREAK
    if node.ending is not None and over:
        _walk(node.ending, words, at, ends)
    if not over:
        word = words[at]
        for child in node.whole.get(word, ()):
            _walk(child, words, at + 1, ends)
        for beginnings, child in node.beginnings:
            if word.startswith(beginnings):
                _walk(child, words, at + 1, ends)
    for skip, child in node.skips:
        _skip(skip, child, words, at, ends)


def _skip(skip: _Skip, child: _Node, words: list[str], at: int, ends: dict[str, int]) -> None:
    _walk(child, words, at, ends)
    for _ in range(skip.most):
        if at == len(words) or words[at] == BREAK or words[at] == QUESTION:
            return
        if skip.words is not None and not skip.words.takes(words[at]):
            return
        at = _word_from(words, at + 1)
        _walk(child, words, at, ends)


def _word_from(words: list[str], at: int) -> int:
    while at < len(words) and words[at] == NEWLINE:
        at += 1
    return at


def _read(text: str, classes: Mapping[str, Iterable[str]]) -> tuple[bool, list[list[_Element]]]:
    """Whether the phrase begins the reply, and its elements, once for each choice of what may be missing."""
    parts = text.split(" ")
    at_start = parts[0] == _START
    parts = parts[at_start:]
    if not parts or "" in parts:
        raise PhraseError(f"not a phrase: {text!r}")
    *inner, last = parts
    choices = [((), (part[:-1],)) if part.endswith("?") else ((part,),) for part in inner]
    others = "|".join(part for part in last.removesuffix("?").split("|") if part != _END)
    lasts = [(others,)] * bool(others) + [(_END,)] * (_END in last) + [()] * last.endswith("?")
    read = {part: _element(part, text, classes) for choice in (*choices, lasts) for some in choice for part in some}
    variants = []
    for variant in product(*choices, lasts):
        elements = [read[part] for choice in variant for part in choice]
        while elements and isinstance(elements[-1], _Skip):
            elements.pop()
        if not elements or not isinstance(elements[0], _Word):
            raise PhraseError(f"nothing in it is required, or it begins with a gap: {text!r}")
        variants.append(elements)
    return at_start, variants


def _element(part: str, text: str, classes: Mapping[str, Iterable[str]]) -> _Element:
    if part == _GAP:
        return _Skip(None, GAP_WORDS_MAX)
    if part == _END:
        return _End()
    if part.endswith("~"):
        return _Skip(_word(part[:-1], text, classes), REPEATED_WORDS_MAX)
    return _word(part, text, classes)


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

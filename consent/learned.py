"""What a reply resembles: a small linear model over its words and letters, fitted beforehand and summed in whole numbers.

The weights come from ``tools/fit_intents.py``. Nothing here is drawn at random or worked out in floating point, so the same
words score the same on every machine. Rules decide (``consent.intents``); this says what they have no phrase for.
"""

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import isqrt
from typing import Final

from consent.normal import MARKS, QUESTION

#: A long reply is judged by its beginning and its end; what stands between is left to the rules.
WORDS_MAX: Final = 60
#: Letters beyond this in one word say nothing more.
WORD_LETTERS_MAX: Final = 24
#: Groups of so many letters are looked at, within a word and its edges.
LETTERS: Final = (3, 4, 5)
#: And across words, so that "no memanden" and "dejen demandar" are what they sound like.
LETTERS_ACROSS: Final = (4, 6)
LETTERS_ACROSS_MAX: Final = 300
#: Words whose traits are remembered.
WORDS_KEPT_MAX: Final = 8_192
#: A score is this many times a weight's unit.
SCORE_UNIT: Final = 256
#: The classes of the word lists that a word is in: what it shares with words that nobody wrote yet.
Classes = Mapping[str, tuple[str, ...]]

_BIAS: Final = 128
_LANE_BYTES: Final = 4
_LONE: Final = 2
_LENGTHS: Final = (1, 2, 3, 5, 8, 13, 21)


class ModelError(ValueError):
    """The weights do not have the form of weights."""


@dataclass(frozen=True, slots=True)
class Resemblance:
    """How much a reply resembles a stop (of any scope), and each meaning; higher is more, 0 is as likely as not."""

    stop: int
    intents: Mapping[str, int]

    def likeliest(self, among: Sequence[str]) -> str:
        """The meaning with the highest score; of equals the first named."""
        return max(among, key=self.intents.__getitem__)


class Learned:
    """The weights as shipped: one row of small whole numbers for each bucket that a trait falls into."""

    __slots__ = ("_intercepts", "_kept", "_outputs", "_weights", "_words", "buckets", "limits")

    def __init__(self, raw: bytes) -> None:
        """Read what ``tools/fit_intents.py`` wrote. A ModelError says what is wrong with it."""
        head, _, body = raw.partition(b"\n")
        try:
            told = json.loads(head)
            self.buckets = int(told["buckets"])
            self.limits: Mapping[str, int] = told["limits"]
            self._outputs: tuple[str, ...] = tuple(told["outputs"])
            self._intercepts: tuple[int, ...] = tuple(told["intercepts"])
            self._weights = zlib.decompress(body)
        except (ValueError, KeyError, TypeError, zlib.error) as error:
            raise ModelError(f"not weights: {error}") from None
        if len(self._weights) != self.buckets * len(self._outputs) or len(self._intercepts) != len(self._outputs):
            raise ModelError("the weights are not as many as their head says")
        self._kept: dict[int, int] = {}
        self._words: dict[str, tuple[int, ...]] = {}

    def resemblance(self, words: Sequence[str], context: str | None, classes: Classes) -> Resemblance:
        """What a reply's tokens (``consent.normal``) resemble, after a message of ours of that kind."""
        plain = _plain(words)
        buckets = {zlib.crc32(trait.encode()) % self.buckets for trait in _of_the_whole(words, plain, context, classes)}
        for word in _ends(plain):
            buckets.update(self._buckets_of(word))
        kept = self._kept
        total = 0
        for bucket in buckets:
            lanes = kept.get(bucket)
            if lanes is None:
                lanes = kept[bucket] = self._lanes(bucket)
            total += lanes
        count = len(buckets)
        sums = total.to_bytes(len(self._outputs) * _LANE_BYTES + _LANE_BYTES, "little")
        norm = isqrt(max(count, 1) * SCORE_UNIT * SCORE_UNIT)
        scores = {
            name: (int.from_bytes(sums[at : at + _LANE_BYTES], "little") - _BIAS * count)
            * SCORE_UNIT
            * SCORE_UNIT
            // norm
            + intercept
            for at, name, intercept in zip(
                range(0, len(sums), _LANE_BYTES), self._outputs, self._intercepts, strict=False
            )
        }
        return Resemblance(scores.pop("stop"), scores)

    def _buckets_of(self, word: str) -> tuple[int, ...]:
        """Where a word's own traits fall; people use few words, so most are looked up."""
        buckets = self._words.get(word)
        if buckets is None:
            buckets = tuple({zlib.crc32(trait.encode()) % self.buckets for trait in _of_a_word(word)})
            if len(self._words) < WORDS_KEPT_MAX:
                self._words[word] = buckets
        return buckets

    def _lanes(self, bucket: int) -> int:
        """One bucket's weights side by side in one number, so that adding two numbers adds them all."""
        size = len(self._outputs)
        spread = bytearray(size * _LANE_BYTES)
        spread[::_LANE_BYTES] = self._weights[bucket * size : (bucket + 1) * size]
        return int.from_bytes(spread, "little")


@cache
def learned() -> Learned:
    """The weights as shipped; read at the first reply, not at import."""
    return Learned((files("consent") / "words" / "model.bin").read_bytes())


def traits(words: Sequence[str], context: str | None, classes: Classes) -> Iterator[str]:
    """What is looked at in a reply: its words, neighbours, groups of letters, length, question, and what it answers."""
    plain = _plain(words)
    yield from _of_the_whole(words, plain, context, classes)
    for word in _ends(plain):
        yield from _of_a_word(word)


def _plain(words: Sequence[str]) -> list[str]:
    return [word[:WORD_LETTERS_MAX] for word in words if word not in MARKS]


def _parts(plain: list[str]) -> list[list[str]]:
    return [plain] if len(plain) <= 2 * WORDS_MAX else [plain[:WORDS_MAX], plain[-WORDS_MAX:]]


def _ends(plain: list[str]) -> set[str]:
    """The different words that are looked at."""
    return set(plain) if len(plain) <= 2 * WORDS_MAX else {*plain[:WORDS_MAX], *plain[-WORDS_MAX:]}


def _of_the_whole(words: Sequence[str], plain: list[str], context: str | None, classes: Classes) -> Iterator[str]:
    """What is seen of a reply as it stands, and not of each of its words."""
    yield f"x {context}"
    yield f"n {sum(len(plain) > length for length in _LENGTHS)}"
    if QUESTION in words:
        yield "q"
    if len(plain) <= _LONE:
        yield f"x {context} {' '.join(plain)}"
    for part in _parts(plain):
        yield from _of_classes(part, classes)
        before, last = "^", "^"
        for word in (*part, "$"):
            yield f"b {last} {word}"
            yield f"t {before} {last} {word}"
            yield f"s {before} {word}"
            before, last = last, word
        line = f"_{'_'.join(part)}_"[:LETTERS_ACROSS_MAX]
        for size in LETTERS_ACROSS:
            for start in range(len(line) - size + 1):
                group = line[start : start + size]
                if "_" in group[1:-1]:
                    yield f"c{group}"


def _of_a_word(word: str) -> Iterator[str]:
    """A word and the groups of letters in it."""
    yield f"w {word}"
    edged = f"_{word}_"
    for size in LETTERS:
        for start in range(len(edged) - size + 1):
            yield edged[start : start + size]


def _of_classes(words: Sequence[str], classes: Classes) -> Iterator[str]:
    """Which classes stand in the reply, and beside which words and classes."""
    last = "^"
    before: tuple[str, ...] = ()
    for word in (*words, "$"):
        here = classes.get(word, ())
        for name in here:
            yield f"k {name}"
            yield f"kb {last} {name}"
            for earlier in before:
                yield f"kk {earlier} {name}"
        for earlier in before:
            yield f"bk {earlier} {word}"
        last, before = word, here

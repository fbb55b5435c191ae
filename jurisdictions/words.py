"""Word lists: phrases that a lawyer can read, found in a text whatever its case, marks and punctuation.

A phrase is words in order. ``pag*`` is every word that begins so, ``(uno|dos)`` either of them, ``..`` up to four words
in between. Phrases match whole words of the folded text (NFKD, lower case, no marks, everything else a space).
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

#: How many words ``..`` may stand for.
GAP_WORDS_MAX: Final = 4

#: UTF-8 of a decomposed text: letters in lower case and digits stay, a combining mark vanishes, all else is a space.
_PLAIN: Final = bytes(ord(chr(b).lower()) if b < 0x80 and chr(b).isalnum() else ord(" ") for b in range(256))
_MARKS: Final = b"\xcc\xcd" + bytes(range(0x80, 0xC0))
#: Characters that are not seen part no word.
_UNSEEN: Final = re.compile("[\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff]+")
_PIECE: Final = re.compile(r"\.\.|\([^()]+\)|[^\s()]+")
_WORD: Final = re.compile(r"[0-9a-z]+\*?")
_GAP: Final = rf"(?:[0-9a-z]+ ){{0,{GAP_WORDS_MAX}}}"


class Folded:
    """A text as phrases see it: its words between single spaces, with a space at either end, and the set of them."""

    __slots__ = ("_pieces", "_text", "words")

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces
        self._text: str | None = None
        self.words = frozenset(pieces)

    @property
    def text(self) -> str:
        """Put together once, and only when asked: most texts hold no word that a pattern would have to look at."""
        if self._text is None:
            self._text = f" {b' '.join(self._pieces).decode('ascii')} "
        return self._text


def folded(text: str) -> Folded:
    """The text without case, marks and punctuation. Every text of every message passes here, so it works on bytes."""
    try:
        # Spanish and Portuguese fit into one byte a character, which need not be taken apart.
        short = text.encode("latin-1")
    except UnicodeEncodeError:
        return Folded(_pieces(text))
    if short.isascii():
        return Folded(short.translate(_PLAIN).split())
    if b"\xbc" in short or b"\xbd" in short or b"\xbe" in short:
        return Folded(_pieces(text))
    return Folded(short.translate(_LATIN, _SOFT_HYPHEN).split())


def _pieces(text: str) -> list[bytes]:
    if _UNSEEN.search(text):
        text = _UNSEEN.sub("", text)
    return unicodedata.normalize("NFKD", text).encode("utf-8", "replace").translate(_PLAIN, _MARKS).split()


_SOFT_HYPHEN: Final = b"\xad"
#: What each character of Latin-1 folds to: one letter or digit, or a space. The only ones that fold to several are ¼ (to 1 and
#: 4), ½ and ¾, which are looked for before.
_LATIN: Final = bytes(
    pieces[0][0] if len(pieces := _pieces(chr(code))) == 1 and len(pieces[0]) == 1 else ord(" ") for code in range(256)
)


@lru_cache(maxsize=8192)
def bare(text: str) -> str:
    """A word without case, marks, punctuation, spacing and invisible characters: how opt-out words are compared."""
    pieces = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    return "".join(c for c in pieces if unicodedata.category(c)[0] in "LN")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Phrase:
    """One phrase as written, its pattern, and words of which one must be in the text (None: only parts of words are fixed).

    ``others``: further sets of words, of each of which one must be in the text too.
    """

    written: str
    pattern: re.Pattern[str]
    heads: frozenset[bytes] | None
    others: tuple[frozenset[bytes], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Words:
    """A named list of phrases. ``heads``: without one of these words in a text no phrase strikes (None: it may)."""

    name: str
    phrases: tuple[Phrase, ...]
    heads: frozenset[bytes] | None

    def struck(self, folded: Folded) -> str | None:
        """The first phrase, as written in the list, that stands in a text; never the text's own words."""
        # Comparing words is some fifty times cheaper than a pattern, and nearly always says no.
        there = folded.words
        if self.heads is not None and self.heads.isdisjoint(there):
            return None
        for phrase in self.phrases:
            if phrase.heads is not None and phrase.heads.isdisjoint(there):
                continue
            for needed in phrase.others:
                if needed.isdisjoint(there):
                    break
            else:
                if phrase.pattern.search(folded.text):
                    return phrase.written
        return None


def words(name: str, written: tuple[str, ...]) -> Words:
    """A list ready for use. Raises ValueError naming a phrase that cannot be read."""
    phrases = tuple(_phrase(each) for each in written)
    heads = [phrase.heads for phrase in phrases if phrase.heads is not None]
    return Words(
        name=name,
        phrases=phrases,
        heads=frozenset().union(*heads) if len(heads) == len(phrases) else None,
    )


def _phrase(written: str) -> Phrase:
    pieces = _PIECE.findall(written)
    if not pieces or pieces[0] == ".." or pieces[-1] == "..":
        raise ValueError(f"phrase “{written}” must begin and end with a word")
    pattern = " "
    needed: list[frozenset[bytes]] = []
    for piece in pieces:
        if piece == "..":
            pattern += _GAP
            continue
        options = [_option(each, written) for each in (piece[1:-1].split("|") if piece[0] == "(" else [piece])]
        pattern += f"(?:{'|'.join(way for _, way in options)}) "
        if all(head for head, _ in options):
            needed.append(frozenset(head for head, _ in options))
    # The rarer the word, the more often it says no: the longest of the shortest first.
    needed.sort(key=lambda heads: -min(map(len, heads)))
    return Phrase(
        written=written, pattern=re.compile(pattern), heads=needed[0] if needed else None, others=tuple(needed[1:])
    )


def _option(option: str, written: str) -> tuple[bytes, str]:
    """The longest whole word of one alternative (empty: it has none), and its pattern."""
    words_ = [folded(part.rstrip("*")).text.strip() + ("*" if part.endswith("*") else "") for part in option.split()]
    if not words_ or not all(_WORD.fullmatch(each) for each in words_):
        raise ValueError(f"phrase “{written}”: “{option}” is not a word")
    whole = [each for each in words_ if not each.endswith("*")]
    return (
        max(whole, key=len, default="").encode(),
        " ".join(each.rstrip("*") + ("[0-9a-z]*" if each.endswith("*") else "") for each in words_),
    )

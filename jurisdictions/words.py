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

_NOT_A_WORD: Final = re.compile(r"[^0-9a-z]+")
#: Combining marks and characters that are not seen: they part no word.
_UNSEEN: Final = re.compile("[\u00ad\u0300-\u036f\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff]+")
_PIECE: Final = re.compile(r"\.\.|\([^()]+\)|[^\s()]+")
_WORD: Final = re.compile(r"[0-9a-z]+\*?")
_GAP: Final = rf"(?:[0-9a-z]+ ){{0,{GAP_WORDS_MAX}}}"


def folded(text: str) -> str:
    """The text as phrases see it: words between single spaces, with a space at either end."""
    plain = text if text.isascii() else _UNSEEN.sub("", unicodedata.normalize("NFKD", text))
    return f" {_NOT_A_WORD.sub(' ', plain.lower()).strip()} "


@lru_cache(maxsize=8192)
def bare(text: str) -> str:
    """A word without case, marks, punctuation, spacing and invisible characters: how opt-out words are compared."""
    pieces = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    return "".join(c for c in pieces if unicodedata.category(c)[0] in "LN")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Phrase:
    """One phrase: as written, a fixed part that must be there at all, and its pattern."""

    written: str
    stem: str
    pattern: re.Pattern[str]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Words:
    """A named list of phrases."""

    name: str
    phrases: tuple[Phrase, ...]

    def struck(self, text: str) -> str | None:
        """The first phrase, as written in the list, that stands in a folded text; never the text's own words."""
        for phrase in self.phrases:
            # A search for a fixed part is some fifty times cheaper than a pattern, and nearly always says no.
            if phrase.stem in text and phrase.pattern.search(text):
                return phrase.written
        return None


def words(name: str, written: tuple[str, ...]) -> Words:
    """A list ready for use. Raises ValueError naming a phrase that cannot be read."""
    return Words(name=name, phrases=tuple(_phrase(each) for each in written))


def _phrase(written: str) -> Phrase:
    pieces = _PIECE.findall(written)
    if not pieces or pieces[0] == ".." or pieces[-1] == "..":
        raise ValueError(f"phrase “{written}” must begin and end with a word")
    pattern, stems = " ", [""]
    for piece in pieces:
        if piece == "..":
            pattern += _GAP
            continue
        options = piece[1:-1].split("|") if piece[0] == "(" else [piece]
        ways = []
        for option in options:
            plain = [folded(part.rstrip("*")).strip() + ("*" if part.endswith("*") else "") for part in option.split()]
            if not plain or not all(_WORD.fullmatch(each) for each in plain):
                raise ValueError(f"phrase “{written}”: “{option}” is not a word")
            ways.append(" ".join(each.rstrip("*") + ("[0-9a-z]*" if each.endswith("*") else "") for each in plain))
            if len(options) == 1:
                stems.extend(f" {each.rstrip('*')}" + ("" if each.endswith("*") else " ") for each in plain)
        pattern += f"(?:{'|'.join(ways)}) "
    return Phrase(written=written, stem=max(stems, key=len), pattern=re.compile(pattern))

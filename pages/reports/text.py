"""Text of others made harmless for a file: no program runs in a sheet, nothing is hidden by what cannot be seen."""

import unicodedata
from typing import Final

#: What makes a spreadsheet take a cell for a formula, its full-width twins too (OWASP, "CSV Injection").
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # fmt: skip
#: Characters that have no shape of their own: controls, directions, surrogates, what nobody assigned, separators of lines.
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def visible(text: str) -> str:
    """Whatever cannot be seen, or turns what follows around, as ``\\u{…}``; everything else as it stands."""
    if text.isprintable():  # which knows all of these and other spaces, and nearly all texts are
        return text
    return "".join(f"\\u{{{ord(c):x}}}" if unicodedata.category(c) in _UNSEEN else c for c in text)


def cell(text: str) -> str:
    """The text as a cell that no spreadsheet computes: what would begin a formula gets an apostrophe before it."""
    shown = visible(text)
    return f"'{shown}" if text.startswith(FORMULA) or shown.startswith(FORMULA) else shown


def printable(text: str) -> str:
    """The text in the letters that a PDF's own fonts have (Windows-1252); any other as ``\\u{…}``."""
    return "".join(c if _has(c) else f"\\u{{{ord(c):x}}}" for c in visible(text))


def _has(character: str) -> bool:
    try:
        character.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True

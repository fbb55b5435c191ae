"""A reply brought down to plain words, so that ``ＳＴＯＰ``, ``ЅТОР``, ``s.t.o.p`` and ``St\u200bop!`` are one word."""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

#: A reply is read as far as this; nobody says stop for the first time after twenty thousand characters.
TEXT_CHARACTERS_MAX: Final = 20_000
#: So many single letters in a row are a word that was spaced out, not words of one letter.
SPELT_LETTERS_MIN: Final = 3

#: Tokens that are no words. A phrase never crosses a BREAK; a NEWLINE it does, because mail wraps lines.
BREAK: Final = "|"
QUESTION: Final = "?"
NEWLINE: Final = "\n"
MARKS: Final = frozenset({BREAK, QUESTION, NEWLINE})

#: Signs that say something by themselves and are kept as words; every other sign is dropped.
SIGNS: Final = frozenset("🛑⛔🚫📵✋👎👍")

_APOSTROPHES: Final = frozenset("'’‘ʼ`´＇")
_BREAKS: Final = frozenset('.,;:!¡…()[]{}"«»“”„–—|/\\¿')

#: Letters of other scripts that look like a Latin one (Unicode TS 39's confusables, as far as people use them to write a
#: Latin word), upper and lower case apart because they look alike by shape: Cyrillic, Greek, small capitals, strokes.
_LOOKALIKES: Final = str.maketrans(
    "АВЕКМНОРСТУХЅІЈԌԚԜҮЗавекмнорстухѕіјһԁԛԝүгᴦиӏΑΒΕΖΗΙΚΜΝΟΡΤΥΧϹαβεζηικμνορτυχϲϳᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢıɡɑøłđŧ",
    "ABEKMHOPCTYXSIJGQWY3abekmhopctyxsijhdqwyrrulABEZHIKMNOPTYXCabezhikmvoptuxcjabcdefghijklmnoprstuvwyzigaoldt",
)

_QUOTE_BEGINS: Final = re.compile(
    r"-{2,}\s*(?:original message|mensaje original|mensagem original|forwarded message)"
    r"|(?:on|el|em)\s.{5,200}\b(?:wrote|escribi[oó]|escreveu):?\s*$"
    r"|(?:from|de):\s.*@",
    re.IGNORECASE,
)


class _Folding(dict[int, str]):
    """What ``str.translate`` puts for each character, worked out when it is first met."""

    KEPT_MAX: Final = 4_096

    def __missing__(self, code: int) -> str:
        folded = _folded(chr(code))
        if len(self) < self.KEPT_MAX:
            self[code] = folded
        return folded


def _folded(character: str) -> str:
    if character in _APOSTROPHES:
        return ""
    if character in "\n\r\u2028\u2029":
        return f" {NEWLINE} "
    if character in SIGNS:
        return f" {character} "
    if "\U0001f1e6" <= character <= "\U0001f1ff":  # regional indicators: flags, or a word spelt with them
        return f" {chr(ord('a') + ord(character) - 0x1F1E6)} "
    if "\U0001f150" <= character <= "\U0001f169" or "\U0001f170" <= character <= "\U0001f189":  # white on black letters
        return f" {chr(ord('a') + (ord(character) - 0x1F150) % 32)} "
    plain = unicodedata.normalize("NFKC", character.translate(_LOOKALIKES)).translate(_LOOKALIKES).casefold()
    pieces = unicodedata.normalize("NFKD", plain).translate(_LOOKALIKES)
    return "".join(_piece(piece) for piece in pieces)


def _piece(piece: str) -> str:
    category = unicodedata.category(piece)
    if category in {"Cf", "Mn", "Me", "Cs", "Co", "Cn"}:
        return ""
    if piece == "?":
        return f" {QUESTION} "
    if piece in _BREAKS:
        return f" {BREAK} "
    return piece if category[0] == "L" or category[0] == "N" else " "


_FOLDING: Final = _Folding()


def tokens(text: str) -> list[str]:
    """The words of a reply in order, without quoted mail, with BREAK, QUESTION and NEWLINE where it pauses."""
    text = text[:TEXT_CHARACTERS_MAX]
    if "\n" in text:
        text = "\n".join(_unquoted(text))
    return _joined(text.translate(_FOLDING).split(" "))


def _unquoted(text: str) -> Iterator[str]:
    """The person's own lines of a mail: none that is quoted, and none below the line that introduces the original."""
    for line in text.splitlines():
        bare = line.strip()
        if bare.startswith(">"):
            continue
        if _QUOTE_BEGINS.match(bare):
            return
        yield line


def _joined(pieces: list[str]) -> list[str]:
    """The pieces without the empty ones, and with spelt-out words (``s t o p``, ``s.t.o.p``) put together."""
    found: list[str] = []
    run: list[str] = []  # single letters, and pauses between them
    for piece in pieces:
        if not piece:
            continue
        if (len(piece) == 1 and piece.isalpha()) or (run and piece in MARKS):
            run.append(piece)
            continue
        if run:
            found.extend(_spelt(run))
            run = []
        found.append(piece)
    found.extend(_spelt(run))
    return found


def _spelt(run: list[str]) -> list[str]:
    letters = [piece for piece in run if piece not in MARKS]
    if len(letters) < SPELT_LETTERS_MIN:
        return run
    end = len(run)
    while run[end - 1] in MARKS:
        end -= 1
    return ["".join(letters), *run[end:]]

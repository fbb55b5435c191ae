"""How many SMS segments a text takes, and in which alphabet: 3GPP TS 23.038 (GSM 7-bit), TS 23.040 (joining)."""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from adapters.kit.settings import Prices
from vocabulary.outcome import Quote


class Encoding(StrEnum):
    """The alphabet a carrier uses for the text, in the contract's words."""

    GSM_7 = "GSM-7"
    UCS_2 = "UCS-2"


#: Septets (GSM-7) or UTF-16 units (UCS-2) that one lone segment holds, and one of several: the rest is the header.
SEPTETS_ALONE: Final = 160
SEPTETS_JOINED: Final = 153
UNITS_ALONE: Final = 70
UNITS_JOINED: Final = 67

# TS 23.038 section 6.2.1, in code order; 0x1B is the escape and stands for no character.
_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ"
    " !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
# TS 23.038 section 6.2.1.1: each costs two septets, the escape and the character, which are never parted.
_EXTENSION: Final = frozenset("\f^{}\\[~]|€")
#: Nearly every text of an SMS: one septet a character.
_PLAIN: Final = re.compile(f"[{re.escape(''.join(sorted(_BASIC)))}]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Segments:
    """``units`` are septets in GSM-7 and UTF-16 code units in UCS-2; an empty text still costs one segment."""

    encoding: Encoding
    units: int
    segments: int


def segmented(text: str) -> Segments:
    """Count a text as carriers do: one character outside the GSM alphabet turns the whole text into UCS-2."""
    if _PLAIN.fullmatch(text):
        return _plain(len(text))
    if all(character in _BASIC or character in _EXTENSION for character in text):
        costs = [2 if character in _EXTENSION else 1 for character in text]
        return _filled(Encoding.GSM_7, costs, SEPTETS_ALONE, SEPTETS_JOINED)
    costs = [2 if ord(character) > 0xFFFF else 1 for character in text]
    return _filled(Encoding.UCS_2, costs, UNITS_ALONE, UNITS_JOINED)


@lru_cache(maxsize=1024)
def _plain(units: int) -> Segments:
    segments = 1 if units <= SEPTETS_ALONE else -(-units // SEPTETS_JOINED)
    return Segments(encoding=Encoding.GSM_7, units=units, segments=segments)


def quoted(to: str, text: str, prices: Prices | None) -> Quote:
    """What a text to an E.164 number is expected to cost, by its segments and the operator's prices."""
    counted = segmented(text)
    amount = prices.shown(to, counted.segments) if prices else None
    return Quote(
        segments=counted.segments,
        encoding=counted.encoding,
        amount=amount,
        currency=prices.currency if prices and amount is not None else None,
    )


def _filled(encoding: Encoding, costs: list[int], alone: int, joined: int) -> Segments:
    units = sum(costs)
    if units <= alone:
        return Segments(encoding=encoding, units=units, segments=1)
    segments, room = 1, joined
    for cost in costs:
        if cost > room:
            # A pair that does not fit moves whole into the next segment and leaves a unit empty.
            segments, room = segments + 1, joined
        room -= cost
    return Segments(encoding=encoding, units=units, segments=segments)

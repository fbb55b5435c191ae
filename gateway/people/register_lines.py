"""Reads a do-not-contact register line by line: CSV as authorities hand it out, each line an address or a reason why not.

Columns are known by their heading (``number``, ``telefono``, ``email``, ``channel``, ``since`` …), in any order and separated by
comma, semicolon or tab. A file without a heading holds numbers alone, or area code and number as the FTC's download has them.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from gateway.addresses import Unusable, canonical
from vocabulary.channel import SENDABLE, Channel

#: The longest line that is looked at, in characters.
LINE_CHARS_MAX: Final = 2_000

_ADDRESS: Final = frozenset(
    {
        "address", "number", "phone", "numero", "telefono", "celular", "movil", "telefone", "direccion", "endereco",
        "linea", "msisdn", "email", "mail", "correo", "correo electronico", "e-mail", "phone number", "numero telefonico",
    }
)  # fmt: skip
_CHANNEL: Final = frozenset({"channel", "canal", "medio", "meio", "channels", "canales", "canais"})
_SINCE: Final = frozenset({"since", "desde", "fecha", "data", "date", "fecha de inscripcion", "data de inscricao"})

#: Where the numbers of the registers that packs know are written as people there dial them.
COUNTRIES: Final = {
    "rne": "57",
    "repep": "52",
    "reus": "52",
    "procon-sp": "55",
    "no-llame": "54",
    "no llame": "54",
    "dnc": "1",
}
_CHANNEL_WORDS: Final = {
    "llamada": Channel.VOICE,
    "llamadas": Channel.VOICE,
    "call": Channel.VOICE,
    "calls": Channel.VOICE,
    "telefono": Channel.VOICE,
    "ligacao": Channel.VOICE,
    "mensaje": Channel.SMS,
    "mensajes": Channel.SMS,
    "correo": Channel.EMAIL,
    "mail": Channel.EMAIL,
} | {channel.value: channel for channel in SENDABLE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line: the address in its one spelling, of which channels it speaks (none: every one), since when."""

    number: int
    channel: Channel
    address: str = field(repr=False)
    channels: tuple[Channel, ...] = ()
    since: date | None = None


@dataclass(frozen=True, slots=True)
class Bad:
    """A line that holds no address: which one and why, without what it holds."""

    number: int
    why: str


@dataclass(frozen=True, slots=True)
class _Columns:
    """Which column is what; ``area``: the second column goes on with the number of the first."""

    addresses: tuple[int, ...]
    channel: int | None = None
    since: int | None = None
    area: bool = False


class LineReader:
    """Reads a register piece by piece: what a heading said holds for every piece after it.

    ``calling_code``: of the country in which numbers without a plus sign are dialled (``57``); without one they are bad.
    """

    def __init__(self, calling_code: str | None = None) -> None:
        self._calling_code = calling_code
        self._columns: _Columns | None = None
        self._delimiter: str | None = None
        self._number = 0

    def read(self, lines: Iterable[str]) -> list[Line | Bad]:
        """The next lines of the file, in order; a heading and empty lines are passed over."""
        return [found for line in lines for found in self._read(line)]

    def _read(self, raw: str) -> Iterator[Line | Bad]:
        self._number += 1
        number = self._number
        text = (raw.removeprefix("\ufeff") if number == 1 else raw).strip("\r\n")
        if not text.strip():
            return
        if len(text) > LINE_CHARS_MAX:
            yield Bad(number, "the line is too long")
            return
        if self._delimiter is None:
            self._delimiter = max(",;\t|", key=text.count)
        try:
            (cells,) = csv.reader([text], delimiter=self._delimiter, strict=True)
        except (csv.Error, ValueError):
            yield Bad(number, "the line is no CSV")
            return
        if self._columns is None:
            found = _heading(cells)
            self._columns = found or _without_heading(cells)
            if found is not None:
                return
        yield from _line(number, cells, self._columns, self._calling_code)


def _heading(cells: list[str]) -> _Columns | None:
    names = [_folded(cell) for cell in cells]
    addresses = tuple(index for index, name in enumerate(names) if name in _ADDRESS)
    if not addresses:
        return None
    return _Columns(
        addresses=addresses,
        channel=next((index for index, name in enumerate(names) if name in _CHANNEL), None),
        since=next((index for index, name in enumerate(names) if name in _SINCE), None),
    )


def _without_heading(cells: list[str]) -> _Columns:
    plain = [cell.strip() for cell in cells]
    if len(plain) >= 2 and plain[0].isdecimal() and len(plain[0]) == 3 and plain[1].isdecimal() and len(plain[1]) == 7:
        return _Columns(addresses=(0,), area=True)
    return _Columns(addresses=(0,))


def _line(number: int, cells: list[str], columns: _Columns, calling_code: str | None) -> Iterator[Line | Bad]:
    def cell(index: int | None) -> str:
        return cells[index].strip() if index is not None and index < len(cells) else ""

    try:
        channels = _channels(cell(columns.channel))
        since = _since(cell(columns.since))
    except ValueError as error:
        yield Bad(number, str(error))
        return
    given = [cell(0) + cell(1)] if columns.area else [cell(index) for index in columns.addresses]
    given = [each for each in given if each]
    if not given:
        yield Bad(number, "there is no address")
    for each in given:
        try:
            channel, address = _address(each, calling_code)
        except Unusable as error:
            yield Bad(number, str(error))
            continue
        yield Line(number=number, channel=channel, address=address, channels=channels, since=since)


def _address(text: str, calling_code: str | None) -> tuple[Channel, str]:
    if "@" in text:
        return Channel.EMAIL, canonical(Channel.EMAIL, text)
    if not text.startswith("+") and calling_code is not None:
        digits = text.removeprefix("00")
        digits = "".join(character for character in digits if character.isdecimal()) if _dialled(digits) else digits
        whole = digits if text.startswith("00") or _is_whole(digits, calling_code) else calling_code + digits
        return Channel.SMS, canonical(Channel.SMS, f"+{whole}")
    return Channel.SMS, canonical(Channel.SMS, text)


def _dialled(text: str) -> bool:
    return all(character.isdecimal() or character in " -.()/" for character in text)


def _is_whole(digits: str, calling_code: str) -> bool:
    """Whether the country's code stands before the number already: only where it is too long to be dialled without."""
    return digits.startswith(calling_code) and len(digits) >= 10 + len(calling_code)


def _channels(text: str) -> tuple[Channel, ...]:
    found: list[Channel] = []
    for word in _folded(text).replace("|", " ").replace("/", " ").replace("+", " ").split():
        if word in {"all", "todos", "todas", "todo", "*"}:
            return ()
        channel = _CHANNEL_WORDS.get(word)
        if channel is None:
            raise ValueError("there is no such channel")
        found.append(channel)
    return tuple(dict.fromkeys(found))


def _since(text: str) -> date | None:
    if not text:
        return None
    day = text.split("T")[0].split(" ")[0]
    if "/" in day:
        parts = day.split("/")
        # As every country of these registers writes it but one, which writes none: day, month, year.
        day = "-".join(reversed(parts)) if len(parts) == 3 and len(parts[2]) == 4 else day
    try:
        year, month, of_month = (int(part) for part in day.split("-"))
        return date(year, month, of_month)
    except ValueError:
        raise ValueError("the day is neither YYYY-MM-DD nor DD/MM/YYYY") from None


_ACCENTS: Final = str.maketrans("áàâãéêíóôõúüçñ", "aaaaeeiooouucn")


def _folded(text: str) -> str:
    return " ".join(text.strip().casefold().translate(_ACCENTS).replace("_", " ").split())

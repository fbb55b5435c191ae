"""A campaign file, read: each row of a CSV becomes one message, or a line number, a column and what is wrong there.

Pure but for the file: nothing is sent here. A person's values never stand in what is reported, only where they stood.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.addresses import Unusable, canonical
from gateway.api.flaws import flaws_of
from gateway.asks import MessageAsk, is_idempotency_key
from gateway.campaigns.columns import ADDRESSES, METADATA, PERSON, VARIABLE, Unreadable, read_columns
from gateway.elsewhere import known_zone
from gateway.people.cells import addresses_of, listed
from gateway.templates.asks import VariableAsk
from gateway.templates.text import Unfit, value_of
from vocabulary.channel import Channel

FILE_BYTES_MAX: Final = 2 * 1024**3
ROWS_MAX: Final = 2_000_000
CELL_CHARS_MAX: Final = 10_000
DELIMITERS: Final = ",;\t|"
SNIFF_BYTES: Final = 64 * 1024
KEY_DIGITS: Final = 24
_LISTS: Final = ("jurisdictions", "zones")
#: Stands for a person whom a row does not name, so that the rest of it is looked at all the same.
_NOBODY: Final = "nobody"


@dataclass(frozen=True, slots=True)
class Bad:
    """What is wrong in a row: the line it begins at, the column (empty: the row), and why, without the value."""

    line: int
    column: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """What every row has in common. ``name`` tells two sendings of one file apart."""

    template: str
    variables: Mapping[str, VariableAsk]
    channels: tuple[str, ...]
    purpose: str = "collection"
    jurisdictions: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    name: str = ""
    template_version: int | None = None
    spread_seconds: int = 0
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Row:
    """A row that can be sent."""

    line: int
    key: str
    body: dict[str, Any] = field(repr=False)


class CampaignFile:
    """A CSV on disk: its digest, its columns and what they mean."""

    def __init__(self, path: Path, campaign: Campaign, mapping: Mapping[str, str]) -> None:
        """Raises Unreadable. ``mapping``: columns by what they stand for, ``-`` to pass over."""
        self._path = path
        self._campaign = campaign
        try:
            if path.stat().st_size > FILE_BYTES_MAX:
                raise Unreadable(f"the file is larger than {FILE_BYTES_MAX} bytes")
            self.digest = _digest(path)
            with path.open("rb") as raw:
                beginning = raw.read(SNIFF_BYTES)
        except OSError as error:
            raise Unreadable(f"the file cannot be read: {error.strerror}") from None
        self._delimiter = _delimiter(beginning)
        self.columns = read_columns(self._header(), campaign.variables, mapping)
        named = f"{self.digest}\n{campaign.template}\n{campaign.name}"
        self._key = sha256(named.encode()).hexdigest()[:KEY_DIGITS]

    def rows(self) -> Iterator[Row | list[Bad]]:
        """Every row as a message, or what is wrong with it. A key that stands twice is wrong the second time."""
        seen: dict[str, int] = {}
        for number, (line, cells) in enumerate(self._cells(), 1):
            if number > ROWS_MAX:
                raise Unreadable(f"line {line}: more than {ROWS_MAX} rows")
            bad: list[Bad] = []
            key, body = self._row(number, line, cells, bad)
            first = seen.setdefault(key, line)
            if first != line:
                bad.append(Bad(line, "idempotency_key", f"the same as in line {first}"))
            yield bad or Row(line, key, {"idempotency_key": key, **body})

    def where(self, row: Row, pointer: str) -> str:
        """The column that a pointer into the message of a row speaks of; without one the option, else the pointer."""
        return self.columns.where(pointer, row.body)

    def _open(self) -> io.TextIOWrapper:
        return io.TextIOWrapper(self._path.open("rb"), encoding="utf-8-sig", newline="")

    def _reader(self, text: io.TextIOWrapper) -> Any:
        return csv.reader(text, delimiter=self._delimiter, strict=True)

    def _header(self) -> list[str]:
        with self._open() as text:
            try:
                header = next(self._reader(text), None)
            except (UnicodeDecodeError, csv.Error) as error:
                raise Unreadable(f"line 1 is not CSV in UTF-8: {_why(error)}") from None
        return header or []

    def _cells(self) -> Iterator[tuple[int, list[str]]]:
        with self._open() as text:
            reader = self._reader(text)
            try:
                next(reader)
                line = reader.line_num + 1
                for cells in reader:
                    if any(cell.strip() for cell in cells):
                        yield line, cells
                    line = reader.line_num + 1
            except (UnicodeDecodeError, csv.Error) as error:
                raise Unreadable(f"line {reader.line_num + 1} is not CSV in UTF-8: {_why(error)}") from None

    def _row(self, number: int, line: int, cells: Sequence[str], bad: list[Bad]) -> tuple[str, dict[str, Any]]:
        """A row's key and its message; all that is wrong with it is added to ``bad``."""
        columns = self.columns
        key = f"csv-{self._key}-{number}"
        if len(cells) != len(columns.names):
            bad.append(Bad(line, "", f"has {len(cells)} cells where there are {len(columns.names)} columns"))
            return key, {}
        given: dict[str, str] = {}
        for column, meanings, cell in zip(columns.names, columns.meanings, cells, strict=True):
            value = cell.strip()
            if len(value) > CELL_CHARS_MAX:
                bad.append(Bad(line, column, f"is longer than {CELL_CHARS_MAX} characters"))
            elif value:
                given |= dict.fromkeys(meanings, value)
        if "idempotency_key" in given:
            key = given["idempotency_key"]
            if not is_idempotency_key(key):
                bad.append(Bad(line, columns.of["idempotency_key"], "is 1 to 255 printable ASCII characters"))
        return key, self._body(given, line, bad)

    def _body(self, given: Mapping[str, str], line: int, bad: list[Bad]) -> dict[str, Any]:
        campaign, column_of = self._campaign, self.columns.of
        if "contact" not in given:
            bad.append(Bad(line, column_of["contact"], "is empty"))
        variables: dict[str, str | int] = {}
        for name, declared in campaign.variables.items():
            value = given.get(VARIABLE + name)
            if value is None:
                continue
            found = value_of(value, declared)
            if isinstance(found, Unfit):
                bad.append(Bad(line, column_of[VARIABLE + name], found.why))
            variables[name] = value
        content: dict[str, Any] = {"template": campaign.template, "variables": variables}
        if campaign.template_version is not None:
            content["template_version"] = campaign.template_version
        body: dict[str, Any] = {
            "contact": self._contact(given, line, bad),
            **(
                {"channel": campaign.channels[0]}
                if len(campaign.channels) == 1
                else {"channels": list(campaign.channels)}
            ),
            "purpose": campaign.purpose,
            "content": content,
            "metadata": {
                **campaign.metadata,
                **{name.removeprefix(METADATA): value for name, value in given.items() if name.startswith(METADATA)},
            },
        }
        if "debt" in given:
            debt = {"id": given["debt"]}
            debt |= {name: given[name] for name in ("creditor", "contract_signed", "due") if name in given}
            debt |= {"kind": given["debt_kind"]} if "debt_kind" in given else {}
            body["debts"] = [debt] if len(debt) > 1 else [given["debt"]]
        body |= {name: given[name] for name in ("send_at", "expires_at") if name in given}
        if campaign.spread_seconds:
            body["spread_seconds"] = campaign.spread_seconds
        self._typed(body, line, bad)
        return body

    def _contact(self, given: Mapping[str, str], line: int, bad: list[Bad]) -> Any:
        """The person whole where the file describes her, else her id alone."""
        column_of = self.columns.of
        identity = given.get("contact", _NOBODY)
        described = [name for name in (*PERSON, *ADDRESSES) if name in column_of]
        if not described:
            return identity
        person: dict[str, Any] = {"id": identity}
        for name in PERSON:
            if name in given:
                person[name] = listed(given[name]) if name in _LISTS else given[name]
        for name, default in (("jurisdictions", self._campaign.jurisdictions), ("zones", self._campaign.zones)):
            if name not in person and default:
                person[name] = list(default)
        if not all(map(known_zone, person.get("zones", ()))):
            bad.append(Bad(line, column_of.get("zones", "--zone"), "is not an IANA time zone, such as America/Bogota"))
        addresses = [(name, given[name]) for name in ADDRESSES if name in given]
        for channel, address in addresses:
            try:
                canonical(Channel(channel), address)
            except Unusable as error:
                bad.append(Bad(line, column_of[channel], str(error)))
        if any(name in column_of for name in ADDRESSES):
            if not addresses:
                bad.append(Bad(line, "", "holds no address"))
            person["addresses"] = addresses_of(
                addresses,
                kind=given.get("address_kind"),
                source=given.get("address_source"),
                authorised_at=given.get("authorised_at"),
                instrument=given.get("authorised_instrument"),
            )
        return person

    def _typed(self, body: dict[str, Any], line: int, bad: list[Bad]) -> None:
        """What the API would refuse by its shape, but for columns of which something is said already."""
        try:
            msgspec.convert(body, MessageAsk)
        except msgspec.ValidationError as error:
            said = {one.column for one in bad if one.column}
            for flaw in flaws_of(body, MessageAsk, error):
                column = self.columns.where(flaw.pointer, body)
                if column not in said:
                    bad.append(Bad(line, column, flaw.detail[0].lower() + flaw.detail[1:].removesuffix(".")))
                said.add(column)


def _digest(path: Path) -> str:
    found = sha256()
    with path.open("rb") as raw:
        while part := raw.read(1 << 20):
            found.update(part)
    return found.hexdigest()


def _delimiter(beginning: bytes) -> str:
    """The delimiter that the first line holds most often outside of quotes; a file of one column has none."""
    first = beginning.decode("utf-8-sig", "replace").splitlines()[:1]
    outside = "".join(first[0].split('"')[::2]) if first else ""
    best = max(DELIMITERS, key=outside.count)
    return best if outside.count(best) else ","


def _why(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is no UTF-8; save the file as CSV UTF-8"
    return str(error)


def batches(rows: Iterator[Row], size: int) -> Iterator[list[Row]]:
    """So many rows at a time."""
    while batch := list(islice(rows, size)):
        yield batch

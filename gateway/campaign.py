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
from gateway.asks import MessageAsk
from gateway.templates.asks import VariableAsk
from gateway.templates.text import Unfit, value_of
from vocabulary.channel import Channel

FILE_BYTES_MAX: Final = 2 * 1024**3
ROWS_MAX: Final = 2_000_000
COLUMNS_MAX: Final = 200
CELL_CHARS_MAX: Final = 10_000
DELIMITERS: Final = ",;\t|"
SNIFF_BYTES: Final = 64 * 1024
KEY_DIGITS: Final = 24
PASS_OVER: Final = "-"  # noqa: S105 - what a column is mapped to, no secret

ADDRESSES: Final = ("sms", "whatsapp", "voice", "email", "telegram")
PERSON: Final = ("name", "role", "locale", "jurisdictions", "zones", "household")
EACH_ADDRESS: Final = ("address_kind", "address_source", "authorised_at", "authorised_instrument")
DEBT: Final = ("debt", "creditor", "contract_signed", "due", "debt_kind")
MESSAGE: Final = ("send_at", "expires_at", "idempotency_key")
FIELDS: Final = ("contact", *PERSON, *ADDRESSES, *EACH_ADDRESS, *DEBT, *MESSAGE)
#: Other names under which files bring the same; in small letters.
SAME_AS: Final[Mapping[str, str]] = {
    "contact_id": "contact", "id": "contact", "phone": "sms", "mobile": "sms", "mail": "email", "e-mail": "email",
    "jurisdiction": "jurisdictions", "zone": "zones", "timezone": "zones", "language": "locale", "debt_id": "debt",
    "key": "idempotency_key",
}  # fmt: skip
VARIABLE: Final = "var."
METADATA: Final = "meta."
_LISTS: Final = ("jurisdictions", "zones")


class Unreadable(Exception):
    """The file cannot be a campaign at all; the text says why and where."""


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
        self.columns = self._header()
        self.meaning = self._meanings(mapping)
        named = f"{self.digest}\n{campaign.template}\n{campaign.name}"
        self._key = sha256(named.encode()).hexdigest()[:KEY_DIGITS]

    def rows(self) -> Iterator[Row | list[Bad]]:
        """Every row as a message, or what is wrong with it. A key that stands twice is wrong the second time."""
        seen: dict[str, int] = {}
        for number, (line, cells) in enumerate(self._cells(), 1):
            if number > ROWS_MAX:
                raise Unreadable(f"line {line}: more than {ROWS_MAX} rows")
            found = self._row(number, line, cells)
            if isinstance(found, Row):
                first = seen.setdefault(found.key, line)
                if first != line:
                    found = [Bad(line, "idempotency_key", f"the same as in line {first}")]
            yield found

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
        if not header or not any(cell.strip() for cell in header):
            raise Unreadable("the first line names the columns, and is empty")
        names = [cell.strip() for cell in header]
        if len(names) > COLUMNS_MAX:
            raise Unreadable(f"more than {COLUMNS_MAX} columns")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise Unreadable(f"columns stand twice: {', '.join(twice)}")
        return names

    def _meanings(self, mapping: Mapping[str, str]) -> list[tuple[str, ...]]:
        unknown = [column for column in mapping if column not in self.columns]
        if unknown:
            raise Unreadable(f"there is no column {', '.join(unknown)}; columns are: {', '.join(self.columns)}")
        found: list[tuple[str, ...]] = []
        strange: list[str] = []
        for column in self.columns:
            means = mapping.get(column)
            meant = self._meant(means if means is not None else column, strict=means is not None)
            if meant is None:
                strange.append(column)
            found.append(meant or ())
        if strange:
            raise Unreadable(
                f"columns that mean nothing here: {', '.join(strange)}. Name their meaning (--map COLUMN=FIELD) or pass over "
                f"them (--map COLUMN=-); fields are {', '.join(FIELDS)}, {VARIABLE}NAME and {METADATA}NAME"
            )
        meanings = [one for each in found for one in each]
        twice = sorted({one for one in meanings if meanings.count(one) > 1})
        if twice:
            raise Unreadable(f"more than one column stands for {', '.join(twice)}")
        if "contact" not in meanings:
            raise Unreadable("no column stands for contact: the CRM's own id of the person")
        return found

    def _meant(self, name: str, *, strict: bool) -> tuple[str, ...] | None:
        """What a column stands for; one that is a field and a variable of the template at once stands for both."""
        if strict and name == PASS_OVER:
            return ()
        small = name.lower().replace(" ", "_")
        meant: list[str] = []
        if small.startswith(VARIABLE):
            variable = small.removeprefix(VARIABLE)
            return (small,) if variable in self._campaign.variables else None
        if small.startswith(METADATA):
            return (METADATA + name[len(METADATA) :],)
        if small in FIELDS or small in SAME_AS:
            meant.append(SAME_AS.get(small, small))
        if small in self._campaign.variables:
            meant.append(VARIABLE + small)
        return tuple(meant) or None

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

    def _row(self, number: int, line: int, cells: Sequence[str]) -> Row | list[Bad]:
        if len(cells) != len(self.columns):
            return [Bad(line, "", f"has {len(cells)} cells where there are {len(self.columns)} columns")]
        given: dict[str, str] = {}
        column_of: dict[str, str] = {}
        bad: list[Bad] = []
        for column, meanings, cell in zip(self.columns, self.meaning, cells, strict=True):
            value = cell.strip()
            if len(value) > CELL_CHARS_MAX:
                bad.append(Bad(line, column, f"is longer than {CELL_CHARS_MAX} characters"))
                continue
            for meaning in meanings:
                column_of[meaning] = column
                if value:
                    given[meaning] = value
        body = self._body(given, column_of, line, bad)
        key = given.get("idempotency_key") or f"csv-{self._key}-{number}"
        if bad:
            return bad
        return Row(line, key, {"idempotency_key": key, **body})

    def _body(
        self, given: Mapping[str, str], column_of: Mapping[str, str], line: int, bad: list[Bad]
    ) -> dict[str, Any]:
        campaign = self._campaign
        if "contact" not in given:
            bad.append(Bad(line, column_of["contact"], "is empty"))
            return {}
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
            "contact": self._contact(given, column_of, line, bad),
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
        if not bad:
            _typed(body, column_of, line, bad)
        return body

    def _contact(self, given: Mapping[str, str], column_of: Mapping[str, str], line: int, bad: list[Bad]) -> Any:
        """The person whole where the file describes her, else her id alone."""
        described = [name for name in (*PERSON, *ADDRESSES) if name in column_of]
        if not described:
            return given["contact"]
        person: dict[str, Any] = {"id": given["contact"]}
        for name in PERSON:
            if name in given:
                person[name] = _listed(given[name]) if name in _LISTS else given[name]
        for name, default in (("jurisdictions", self._campaign.jurisdictions), ("zones", self._campaign.zones)):
            if name not in person and default:
                person[name] = list(default)
        shared = {"kind": given.get("address_kind"), "source": given.get("address_source")}
        authorised = given.get("authorised_at")
        addresses = []
        for name in ADDRESSES:
            if name not in given:
                continue
            try:
                canonical(Channel(name), given[name])
            except Unusable as error:
                bad.append(Bad(line, column_of[name], str(error)))
            address: dict[str, Any] = {"channel": name, "address": given[name]}
            address |= {field_: value for field_, value in shared.items() if value is not None}
            if authorised is not None:
                instrument = given.get("authorised_instrument", "separate")
                address["authorised"] = {"at": authorised, "instrument": instrument}
            addresses.append(address)
        if any(name in column_of for name in ADDRESSES):
            if not addresses:
                bad.append(Bad(line, "", "holds no address"))
            person["addresses"] = addresses
        return person


def _typed(body: dict[str, Any], column_of: Mapping[str, str], line: int, bad: list[Bad]) -> None:
    """What the API would refuse by its shape."""
    try:
        msgspec.convert(body, MessageAsk)
    except msgspec.ValidationError as error:
        why, _, path = str(error).partition(" - at ")
        words = path.replace("[...]", "").strip("`$.").split(".")
        names = {"debts": "debt", "kind": "address_kind", "source": "address_source", "at": "authorised_at"}
        # The innermost part of the path that a column stands for: of $.debts[0].id that is the debt.
        steps = [word.partition("[")[0] for word in reversed(words)]
        known = [name for step in steps for name in (step, names.get(step, "")) if name in column_of]
        column = column_of[known[0]] if known else ""
        bad.append(Bad(line, column, why[0].lower() + why[1:]))


def _listed(cell: str) -> list[str]:
    return [part for part in cell.replace(";", " ").replace("|", " ").replace(",", " ").split() if part]


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


def safe_cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula (OWASP, CSV injection)."""
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text

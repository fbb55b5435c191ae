"""The report as a sheet (CSV, safe to open) and as lines of JSON that close with their own digest."""

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from pages.reports.frequency import Close, Head, Line, instant, plain
from pages.reports.text import cell

COLUMNS: Final = (
    "contact", "rule", "pack", "citation", "asks", "channels", "debt", "contacts", "peak", "peak_at", "limit", "margin",
    "counted_at_end", "held",
)  # fmt: skip


class Sheet:
    """CSV (RFC 4180) in UTF-8 with a byte order mark, which spreadsheets need to read it as such."""

    def begin(self, _head: Head) -> bytes:
        """The names of the columns."""
        return b"\xef\xbb\xbf" + _rows([COLUMNS])

    def lines(self, found: Iterable[Line]) -> bytes:
        """A row for each."""
        return _rows([_cell(told[name]) for name in COLUMNS] for told in map(plain, found))

    def end(self, _close: Close) -> bytes:
        """Nothing more: a sheet holds rows of one kind."""
        return b""


class Lines:
    """NDJSON: the head, a line for each person and rule, and last the totals with the SHA-256 of every byte before them."""

    def __init__(self) -> None:
        self._digest = sha256()

    def begin(self, head: Head) -> bytes:
        """The head."""
        return self._take(_line({"type": "head", **written(asdict(head))}))

    def lines(self, found: Iterable[Line]) -> bytes:
        """One line each."""
        return self._take(b"".join(_line({"type": "line", **plain(line)}) for line in found))

    def end(self, close: Close) -> bytes:
        """The totals, the law's texts, and the digest."""
        return _line({"type": "close", **written(asdict(close)), "sha256": self._digest.hexdigest()})

    def _take(self, piece: bytes) -> bytes:
        self._digest.update(piece)
        return piece


def _rows(rows: Iterable[Iterable[str]]) -> bytes:
    stream = io.StringIO()
    csv.writer(stream).writerows(rows)
    return stream.getvalue().encode()


def _cell(value: Any) -> str:
    """Numbers of ours stay numbers; whatever is text is kept from being computed."""
    if value is None:
        return ""
    if isinstance(value, int):
        return str(value)
    return cell(" ".join(value) if isinstance(value, list) else str(value))


def _line(document: dict[str, Any]) -> bytes:
    # ASCII: what cannot be seen stands escaped, by JSON's own rule.
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"


def written(document: dict[str, Any]) -> dict[str, Any]:
    """A document with its instants in RFC 3339, however deep."""
    return {name: instant(value) if isinstance(value, datetime) else _deep(value) for name, value in document.items()}


def _deep(value: Any) -> Any:
    if isinstance(value, dict):
        return written(value)
    if isinstance(value, (list, tuple)):
        return [instant(each) if isinstance(each, datetime) else _deep(each) for each in value]
    return value

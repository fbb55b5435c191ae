"""The report as columns (Parquet), for whoever computes with it: written by DuckDB, which comes with the extra ``parquet`` alone."""

import csv
import json
from collections.abc import Iterable
from dataclasses import asdict
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any, Final
from weakref import finalize

from pages.reports.frequency import Close, Head, Line, plain
from pages.reports.sheets import COLUMNS, written

EXTRA: Final = "pip install 'tregua[parquet]'"
#: What DuckDB may take while it turns rows into columns; beyond it, it uses its folder.
MEMORY: Final = "256MB"
#: The type of each column in the rows that are laid aside, and how it is written: an instant as such, channels as a list.
_TYPES: Final = {
    **dict.fromkeys(COLUMNS, "VARCHAR"),
    **dict.fromkeys(("contacts", "peak", "limit", "margin", "counted_at_end", "held"), "BIGINT"),
    "peak_at": "TIMESTAMPTZ",
}
_LIST: Final = "channels"
#: Nothing is fetched and nothing is loaded: what reads and writes these two forms is part of the package.
_CONFIG: Final[dict[str, str | bool | int | float | list[str]]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


def available() -> bool:
    """Whether the extra is installed."""
    return find_spec("duckdb") is not None


class Columns:
    """Lays rows aside on disk while people go by, and writes them at the end; head, totals and law stand in the file's own metadata."""

    def __init__(self) -> None:
        self._head: Head | None = None
        self._folder = Path(mkdtemp(prefix="tregua-report-"))
        # Also where the report is never finished.
        self._removed = finalize(self, rmtree, self._folder, ignore_errors=True)
        self._rows = self._folder / "rows.csv"

    def begin(self, head: Head) -> bytes:
        """Nothing is written before the end."""
        self._head = head
        return b""

    def lines(self, found: Iterable[Line]) -> bytes:
        """Lay them aside."""
        text = StringIO(newline="")
        # Whatever is text is quoted, so that an empty name is one and nothing at all is NULL.
        rows = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        for line in found:
            said = plain(line)
            said[_LIST] = " ".join(said[_LIST])
            rows.writerow([_Absent() if said[name] is None else said[name] for name in COLUMNS])
        with self._rows.open("ab") as out:
            out.write(text.getvalue().encode())
        return b""

    def end(self, close: Close) -> bytes:
        """The whole file: as small as columns are."""
        import duckdb

        assert self._head is not None
        self._rows.touch()
        about = {
            "tregua.head": _json(written(asdict(self._head))),
            "tregua.close": _json(written(asdict(close))),
        }
        to = self._folder / "report.parquet"
        named = ", ".join(f"{_quoted(name)}: {_quoted(kind)}" for name, kind in _TYPES.items())
        # A name may hold anything, a line's end too; an unquoted nothing is NULL, a quoted one is an empty text.
        rows = (
            f"read_csv({_quoted(str(self._rows))}, columns = {{{named}}}, auto_detect = false, header = false, delim = ',', "
            "quote = '\"', escape = '\"', new_line = '\\n', nullstr = '', allow_quoted_nulls = false, parallel = false)"
        )
        listed = f"* REPLACE (CASE WHEN {_LIST} = '' THEN [] ELSE string_split({_LIST}, ' ') END AS {_LIST})"
        metadata = ", ".join(f"{_quoted(name)}: {_quoted(text)}" for name, text in about.items())
        with duckdb.connect(config=_CONFIG) as connection:
            for setting, value in (("memory_limit", MEMORY), ("temp_directory", str(self._folder)), ("threads", "1")):
                connection.execute(f"SET {setting} = {_quoted(value)}")
            form = f"FORMAT parquet, COMPRESSION zstd, KV_METADATA {{{metadata}}}"
            query = f"SELECT {listed} FROM {rows}"  # noqa: S608 - every word is this file's own, every text is quoted
            connection.execute(f"COPY ({query}) TO {_quoted(str(to))} ({form})")
        file = to.read_bytes()
        self._removed()
        return file


class _Absent(int):
    """Nothing: written without quotes, as numbers are."""

    def __repr__(self) -> str:
        return ""

    __str__ = __repr__


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, separators=(",", ":"))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"

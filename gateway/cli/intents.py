"""``tregua intents``: what replies mean, for a whole table of them, without a database, settings or a network."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, BinaryIO, Final

import typer

from consent.intents import Context, classify

app = typer.Typer(no_args_is_help=True, help="What replies mean.")

LINE_BYTES_MAX: Final = 1024 * 1024
_REQUIRED: Final = ("id", "text")


@app.callback()
def intents() -> None:
    """What replies mean."""


@app.command("classify")
def classify_command(
    tsv: Annotated[str, typer.Option("--tsv", metavar="FILE", help="The table, or - for standard input.")],
) -> None:
    """Print ``id<TAB>intent`` for each row of a table of replies.

    The table is UTF-8 with a header; it has at least the columns id and text, and where known lang, country, channel and
    context (reminder, stop_prompt, payment_offer or none). Rows end at LF, nothing is quoted; \\n in a text is a line break.

    Exit 0: every row was read. Exit 2: the table cannot be read.

    Example: tregua intents classify --tsv replies.tsv
    """
    try:
        if tsv == "-":
            _print_all(sys.stdin.buffer)
        else:
            with Path(tsv).open("rb") as table:
                _print_all(table)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise typer.BadParameter(f"{tsv}: {reason}", param_hint="--tsv") from None


def _print_all(table: BinaryIO) -> None:
    rows = _rows(table)
    _, header = next(rows, (0, []))
    for name in _REQUIRED:
        if name not in header:
            raise ValueError(f"the header has no column {name!r}")
    if len(set(header)) != len(header):
        raise ValueError("the header names a column twice")
    for number, cells in rows:
        if len(cells) != len(header):
            raise ValueError(f"line {number} has {len(cells)} columns, the header {len(header)}")
        row = dict(zip(header, cells, strict=True))
        intent = classify(
            row["text"].replace("\\n", "\n"), context=_context(row.get("context", ""), number), locale=_locale(row)
        )
        sys.stdout.write(f"{row['id']}\t{intent}\n")


def _rows(table: BinaryIO) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(iter(lambda: table.readline(LINE_BYTES_MAX), b""), 1):
        if len(line) == LINE_BYTES_MAX and not line.endswith(b"\n"):
            raise ValueError(f"line {number} is longer than {LINE_BYTES_MAX} bytes")
        try:
            text = line.removesuffix(b"\n").decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise ValueError(f"line {number} is not UTF-8") from None
        yield number, text.split("\t")


def _context(word: str, number: int) -> Context | None:
    if not word:
        return None
    try:
        return Context(word)
    except ValueError:
        raise ValueError(f"line {number}: its context is none of {', '.join(Context)}") from None


def _locale(row: dict[str, str]) -> str | None:
    """``pt-BR`` from the columns lang and country, as far as they are there."""
    lang, country = row.get("lang", ""), row.get("country", "")
    if not lang:
        lang = "pt" if country.upper() in {"BR", "PT", "AO", "MZ"} else ""
    return "-".join(part for part in (lang, country) if part) or None

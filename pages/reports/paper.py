"""The report on paper: a PDF with headings on every page of a table, page numbers, the law's texts, and the signed head as a code."""

import heapq
import io
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources
from typing import Final

import segno
from fpdf import FPDF
from fpdf.enums import XPos, YPos
from fpdf.fonts import FontFace

from pages.reports.frequency import Close, Head, Line, Reading, instant
from pages.reports.text import printable

#: Lines of people on paper, those nearest to a limit; the other formats hold everybody.
LINES_MAX: Final = 1_000
#: Figures that differ, or breaches, that are written out.
NAMED_MAX: Final = 50
_GREY: Final = (238, 238, 238)
_CODE_MM: Final = 62


class Paper:
    """Keeps the lines nearest to a limit until the end, and then sets everything."""

    def __init__(self) -> None:
        self._head: Head | None = None
        self._worst: list[tuple[tuple[int, int], int, Line]] = []
        self._seen = 0

    def begin(self, head: Head) -> bytes:
        """Nothing is written before the end."""
        self._head = head
        return b""

    def lines(self, found: Iterable[Line]) -> bytes:
        """Keep those that matter most."""
        for line in found:
            self._seen += 1
            # The one that goes first out of the heap is the one furthest from its limit, and of those the last.
            entry = ((-line.margin, line.contacts), -self._seen, line)
            if len(self._worst) < LINES_MAX:
                heapq.heappush(self._worst, entry)
            else:
                heapq.heappushpop(self._worst, entry)
        return b""

    def end(self, close: Close) -> bytes:
        """The whole file."""
        assert self._head is not None
        lines = [line for _, _, line in sorted(self._worst, key=lambda entry: entry[:2], reverse=True)]
        return _set(self._head, lines, self._seen, close)


def words(language: str) -> dict[str, str]:
    """What the report says in a language."""
    text = resources.files("pages.reports").joinpath("words.toml").read_text("utf-8")
    found: dict[str, str] = tomllib.loads(text)[language]
    return found


class _Sheets(FPDF):
    """A page's foot."""

    def __init__(self, said: dict[str, str], mark: str) -> None:
        super().__init__(format="A4")
        self.core_fonts_encoding = "cp1252"
        self._said, self._mark = said, mark
        self.set_auto_page_break(True, margin=18)
        self.alias_nb_pages()
        self.add_page()

    def footer(self) -> None:
        """The report's id and the page's number."""
        self.set_y(-12)
        self.set_font("Helvetica", size=7)
        self.cell(0, 5, self._mark)
        self.set_x(self.l_margin)
        self.cell(0, 5, self._said["page"].format(page=self.page_no()), align="R")

    def heading(self, text: str) -> None:
        """A heading, and its place in the outline."""
        self.ln(3)
        self.set_font("Helvetica", "B", 12)
        self.start_section(text)
        self.cell(0, 8, text, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.set_font("Helvetica", size=8)

    def says(self, text: str, size: float = 8) -> None:
        """A paragraph."""
        self.set_font("Helvetica", size=size)
        self.multi_cell(0, size * 0.5, printable(text), new_x=XPos.LMARGIN, new_y=YPos.NEXT, align="L")
        self.ln(1)

    def rows(self, names: Sequence[str], widths: Sequence[int], rows: Iterable[Sequence[str]], numbers: int) -> None:
        """A table whose headings stand on each of its pages; the last ``numbers`` columns are figures."""
        self.set_font("Helvetica", size=7)
        align = ["LEFT"] * (len(names) - numbers) + ["RIGHT"] * numbers
        style = FontFace(emphasis="BOLD", fill_color=_GREY)
        with self.table(
            col_widths=tuple(widths),
            text_align=tuple(align),
            headings_style=style,
            line_height=3.6,
            width=int(self.epw),
        ) as table:
            for each in (names, *rows):
                row = table.row()
                for text in each:
                    row.cell(printable(text))


def _set(head: Head, lines: Sequence[Line], total: int, close: Close) -> bytes:
    said = words(head.language)
    sheets = _Sheets(said, f"{printable(head.tenant)} {head.report}")
    sheets.set_title(said["title"])
    sheets.set_lang(head.language)
    sheets.set_creation_date(head.made_at)
    sheets.set_font("Helvetica", "B", 18)
    sheets.cell(0, 12, said["title"], new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    for name, text in _about(head, close, said):
        sheets.set_font("Helvetica", "B", 9)
        sheets.cell(28, 5, name)
        sheets.set_font("Helvetica", size=9)
        sheets.multi_cell(0, 5, printable(text), new_x=XPos.LMARGIN, new_y=YPos.NEXT, align="L")
    _figures(sheets, lines, total, close, said)
    _recount(sheets, close, said)
    _law(sheets, close, said)
    _proof(sheets, head, said)
    return bytes(sheets.output())


def _about(head: Head, close: Close, said: dict[str, str]) -> Iterator[tuple[str, str]]:
    yield said["tenant"], head.tenant
    yield said["period"], f"{instant(head.since)} – {instant(head.until)}"
    yield said["made"], f"{instant(head.made_at)}"
    about = said["everybody"]
    if head.contact is not None:
        about = said["person"].format(contact=head.contact)
    elif head.jurisdiction is not None:
        about = said["law"].format(jurisdiction=head.jurisdiction)
    yield said["about"], f"{about}: {close.people}"
    yield said["packs"], "\n".join(f"{label}  {title}" for label, title in close.packs) or "-"


def _figures(sheets: _Sheets, lines: Sequence[Line], total: int, close: Close, said: dict[str, str]) -> None:
    sheets.heading(said["summary"])
    if not close.totals:
        sheets.says(said["none"])
        return
    names = ("rule", "people", "contacts", "peak", "limit", "at_limit", "beyond", "held")
    sheets.rows(
        [said[f"column_{name}"] for name in names],
        (46, 18, 20, 18, 16, 22, 20, 22),
        (
            [
                each.rule,
                *map(str, (each.people, each.contacts, each.peak, each.limit, each.at_limit, each.beyond, each.held)),
            ]
            for each in close.totals
        ),
        7,
    )
    sheets.ln(1)
    sheets.says(said["note"], 7)
    sheets.heading(said["people"])
    if total > len(lines):
        sheets.says(said["people_cut"].format(shown=len(lines), total=total))
    names = ("contact", "rule", "debt", "contacts", "peak", "limit", "end", "held")
    sheets.rows(
        [said[f"column_{name}"] for name in names],
        (46, 40, 30, 18, 16, 14, 16, 20),
        (
            [
                line.contact,
                line.rule,
                line.debt or "",
                *map(str, (line.contacts, line.peak, line.limit, line.counted, line.held)),
            ]
            for line in lines
        ),
        5,
    )


def _recount(sheets: _Sheets, close: Close, said: dict[str, str]) -> None:
    found = close.recount
    sheets.heading(said["recount"])
    if found.differing:
        sheets.says(said["recount_differs"].format(compared=found.compared, differing=len(found.differing)))
        for each in found.differing[:NAMED_MAX]:
            sheets.says(each, 7)
    else:
        sheets.says(said["recount_same"].format(compared=found.compared))
    if found.not_compared:
        sheets.says(said["recount_not"].format(count=found.not_compared))
    if found.breaches:
        sheets.says(said["breaches_some"])
        for each in found.breaches[:NAMED_MAX]:
            sheets.says(each, 7)
    else:
        sheets.says(said["breaches_none"].format(contacts=found.contacts))


def _law(sheets: _Sheets, close: Close, said: dict[str, str]) -> None:
    if close.rules:
        sheets.heading(said["rules"])
        sheets.rows(
            [said["column_rule"], said["column_cite"], said["column_says"]],
            (36, 60, 94),
            ([each.rule, f"{each.citation}", each.says] for each in close.rules),
            0,
        )
    if close.readings:
        sheets.heading(said["readings"])
        sheets.rows(
            [said["column_reading"], said["column_value"], said["column_says"]],
            (46, 46, 98),
            ([each.name, f"{each.value} ({_chosen(each, said)})", each.says] for each in close.readings),
            0,
        )


def _chosen(reading: Reading, said: dict[str, str]) -> str:
    if reading.default:
        return said["reading_default"]
    return said["reading_chosen"].format(since=instant(reading.since))


def _proof(sheets: _Sheets, head: Head, said: dict[str, str]) -> None:
    if sheets.will_page_break(_CODE_MM + 60):
        sheets.add_page()
    sheets.heading(said["proof"])
    sheets.says(said["proof_says"])
    sheets.set_font("Courier", size=7)
    sheets.multi_cell(0, 3.6, _note(head.checkpoint.note), new_x=XPos.LMARGIN, new_y=YPos.NEXT, align="L")
    sheets.ln(1)
    sheets.says(f"{said['verifier']}: {head.checkpoint.verifier_key}", 7)
    sheets.says(head.checkpoint.url, 7)
    picture = io.BytesIO()
    segno.make(head.checkpoint.note, error="m", micro=False).save(picture, kind="png", scale=6)
    picture.seek(0)
    sheets.image(picture, w=_CODE_MM, h=_CODE_MM, alt_text=said["proof"])


def _note(note: str) -> str:
    # Line by line: an end of a line is a control that may stand.
    return "\n".join(printable(line) for line in note.split("\n"))

"""Every fenced block of the pages that users read: where it stands, of which kind it is, and what it says."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^(?P<indent> *)```(?P<kind>[a-z]*)(?P<more>[^\n]*)\n(?P<text>.*?)^(?P=indent)```$", re.M | re.S)


@dataclass(frozen=True)
class Snippet:
    """One block. ``name`` is its page and its number on it."""

    page: str
    number: int
    kind: str
    title: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.page}#{self.number}"


def pages() -> list[Path]:
    found = [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
    return [path for path in found if path.is_file()]


def snippets(path: Path) -> Iterator[Snippet]:
    text = path.read_text("utf-8")
    for number, match in enumerate(_FENCE.finditer(text), 1):
        indent = match["indent"]
        lines = [line.removeprefix(indent) for line in match["text"].splitlines()]
        yield Snippet(
            page=path.relative_to(CHECKOUT).as_posix(),
            number=number,
            kind=match["kind"],
            title=match["more"].strip(),
            text="\n".join(lines) + "\n",
        )


def every() -> list[Snippet]:
    return [snippet for path in pages() for snippet in snippets(path)]

"""What a person wrote in a mail, without what her mail program quoted below or around it, without signature and without markup."""

import re
from html.parser import HTMLParser
from typing import Final

TEXT_CHARACTERS_MAX: Final = 10_000
#: Read of a text before it is cut: our own mail is quoted in it, and others before that.
READ_CHARACTERS_MAX: Final = 128 * 1024
ATTRIBUTION_LINES_MAX: Final = 4
ATTRIBUTION_CHARACTERS_MAX: Final = 500

_LINES: Final = re.compile(r"\r\n|\r|\n")
#: What may stand in no text that is kept: controls but for tab and line end (PostgreSQL has no NUL).
_CONTROLS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")

#: The line that mail programs put above a quotation, in the languages of the people written to (Gmail, Apple Mail, Thunderbird).
_ATTRIBUTION: Final = re.compile(
    r"(?:on|el|em|no dia|le|a[ls]? )\b.{3,}\b(?:wrote|escribió|escribio|escreveu|a écrit)\s*:", re.IGNORECASE
)
#: Without quotation marks below it, an attribution must name an address or an hour, as mail programs do: "El banco me escribió:"
#: is what a person says.
_SURELY: Final = re.compile(r"\S@\S|\d{1,2}[:.]\d{2}")
_SEPARATOR: Final = re.compile(
    r"-{2,}\s*(?:original message|forwarded message|mensaje original|mensaje reenviado|mensagem original|mensagem encaminhada)"
    r"\s*-{2,}",
    re.IGNORECASE,
)
#: Outlook's block of headers: one line that names a sender, then at least two more of these.
_FROM_LINE: Final = re.compile(r"\*?(?:from|de|von)\s*:\*?\s+\S", re.IGNORECASE)
_HEADER_LINE: Final = re.compile(
    r"\*?(?:sent|date|to|cc|subject|enviado(?: el)?|fecha|para|asunto|enviada(?: em)?|data|assunto)\s*:\*?\s",
    re.IGNORECASE,
)
_RULE: Final = re.compile(r"_{8,}|-{20,}")
_ON_THE_MOVE: Final = re.compile(
    r"(?:enviado desde mi|enviado do meu|sent from my|obtener outlook|obter o outlook|get outlook|enviado desde outlook)\b.{0,80}",
    re.IGNORECASE,
)

#: Elements whose content is no text of hers: what she quotes, and what nobody reads.
_PASSED_OVER: Final = frozenset({"blockquote", "style", "script", "head", "title", "template", "select", "svg"})
_QUOTED_CLASSES: Final = frozenset(
    {"gmail_quote", "gmail_attr", "gmail_extra", "yahoo_quoted", "moz-cite-prefix", "protonmail_quote"}
)
#: Outlook marks only where the quotation begins.
_FROM_HERE_ON: Final = frozenset(
    {"appendonsend", "divrplyfwdmsg", "mail-editor-reference-message-container", "replysplit"}
)
_BLOCKS: Final = frozenset({"p", "div", "br", "tr", "li", "h1", "h2", "h3", "h4", "table", "ul", "ol", "hr", "section"})
_VOID: Final = frozenset(
    {"br", "hr", "img", "meta", "link", "input", "area", "base", "col", "embed", "source", "track", "wbr"}
)


def her_words(text: str) -> str:
    """The part of a plain text that was written now; empty when nothing was."""
    lines = _LINES.split(text[:READ_CHARACTERS_MAX])
    kept: list[str] = []
    at = 0
    while at < len(lines):
        line = lines[at].strip()
        if _SEPARATOR.match(line) or _headers_begin(lines, at):
            break
        if (below := _attribution_ends(lines, at)) is not None:
            quoted = next((other.lstrip() for other in lines[below:] if other.strip()), "")
            if not quoted.startswith(">"):
                break
            at = below
            continue
        if line == "--":
            # RFC 3676 section 4.3: the signature, and above a quotation all that follows it.
            break
        if not line.startswith(">") and not _ON_THE_MOVE.fullmatch(line):
            kept.append(lines[at].rstrip())
        at += 1
    return clean("\n".join(kept))


def of_html(markup: str) -> str:
    """The text of a page without what is quoted in it, one line for each block."""
    reader = _Text()
    reader.feed(markup[:READ_CHARACTERS_MAX])
    reader.close()
    lines = [" ".join(line.split()) for line in "".join(reader.parts).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def clean(text: str) -> str:
    """Fit to be kept: no controls, no blank ends, no longer than ``TEXT_CHARACTERS_MAX``."""
    return _CONTROLS.sub("", text).strip()[:TEXT_CHARACTERS_MAX]


def _attribution_ends(lines: list[str], at: int) -> int | None:
    """The line after an attribution that begins at ``at``; mail programs break it at column 76."""
    if not lines[at].strip():
        return None
    for below in range(at + 1, min(at + ATTRIBUTION_LINES_MAX, len(lines)) + 1):
        joined = " ".join(" ".join(lines[at:below]).split())[:ATTRIBUTION_CHARACTERS_MAX]
        if _ATTRIBUTION.fullmatch(joined):
            follows = next((other.lstrip() for other in lines[below:] if other.strip()), "")
            return below if follows.startswith(">") or _SURELY.search(joined) else None
    return None


def _headers_begin(lines: list[str], at: int) -> bool:
    if _RULE.fullmatch(lines[at].strip()) and at + 1 < len(lines):
        at += 1
    if not _FROM_LINE.match(lines[at].strip()):
        return False
    return sum(bool(_HEADER_LINE.match(f"{line.strip()} ")) for line in lines[at + 1 : at + 6]) >= 2


class _Text(HTMLParser):
    """Gathers text outside of quotations."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._over = False
        #: The open elements below the first one that is passed over; empty: we read.
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        told = {name: (value or "").lower() for name, value in attrs}
        self._over = self._over or told.get("id", "").removeprefix("x_") in _FROM_HERE_ON
        quoted = tag in _PASSED_OVER or not _QUOTED_CLASSES.isdisjoint(told.get("class", "").split())
        if tag not in _VOID and (self._inside or quoted):
            self._inside.append(tag)
        if tag in _BLOCKS:
            self._add("\n")

    def handle_endtag(self, tag: str) -> None:
        """An element ends, and with it what was left open in it."""
        if tag in self._inside:
            while self._inside.pop() != tag:
                pass
        if tag in _BLOCKS:
            self._add("\n")

    def handle_data(self, data: str) -> None:
        """Words."""
        self._add(data.replace("\n", " "))

    def _add(self, text: str) -> None:
        if not self._inside and not self._over:
            self.parts.append(text)

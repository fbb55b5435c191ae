"""What a person wrote in a mail, without what her mail program quoted below or around it, without signature and without markup."""

import html
import re
from typing import Final

TEXT_CHARACTERS_MAX: Final = 10_000
#: Read of a text before it is cut: our own mail is quoted in it, and others before that.
READ_CHARACTERS_MAX: Final = 128 * 1024
TAG_CHARACTERS_MAX: Final = 2_000
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
_TAG: Final = re.compile(r"(/?)([A-Za-z][A-Za-z0-9:-]{0,40})")
_ATTRIBUTE: Final = re.compile(r"""\b(id|class)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_RAW_ENDS: Final = re.compile(r"</(?:script|style)", re.IGNORECASE)
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
    """The text of a page without what is quoted in it, one line for each block.

    Read in one pass by hand: the library's parser takes time by the square of what never ends, such as a comment.
    """
    page = _Page()
    markup = markup[:READ_CHARACTERS_MAX]
    at = 0
    while at < len(markup) and not page.over:
        begins = markup.find("<", at)
        if begins < 0:
            begins = len(markup)
        page.text(markup[at:begins])
        ending = "-->" if markup.startswith("<!--", begins) else ">"
        ends = markup.find(ending, begins)
        if ends < 0:
            # What never ends is no markup and no words of hers.
            break
        page.tag(markup[begins + 1 : ends][:TAG_CHARACTERS_MAX])
        at = ends + len(ending)
        if page.raw:
            # No tag but its own end is one in there (``if (a < b)``).
            end = _RAW_ENDS.search(markup, at)
            at = len(markup) if end is None else end.start()
    lines = [" ".join(line.split()) for line in "".join(page.parts).split("\n")]
    return re.sub(r"\n{2,}", "\n", "\n".join(lines)).strip()


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


class _Page:
    """Gathers text outside of quotations."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.over = False
        #: The element that is passed over, and how many of its kind are open in it.
        self._passed: str | None = None
        self._depth = 0

    @property
    def raw(self) -> bool:
        """Whether what follows is no markup."""
        return self._passed in ("script", "style")

    def text(self, words: str) -> None:
        """Words between two tags."""
        if self._passed is None:
            self.parts.append(html.unescape(words).replace("\n", " "))

    def tag(self, inside: str) -> None:
        """What stands between ``<`` and ``>``; anything but a tag says nothing."""
        match = _TAG.match(inside)
        if match is None:
            return
        closing, name = match[1] == "/", match[2].lower()
        if self._passed is not None:
            if name == self._passed and not inside.endswith("/"):
                self._depth += -1 if closing else 1
                self._passed = self._passed if self._depth else None
            return
        if name in _BLOCKS:
            self.parts.append("\n")
        if closing or name in _VOID:
            return
        told = {word[1].lower(): (word[2] or word[3] or word[4] or "").lower() for word in _ATTRIBUTE.finditer(inside)}
        if told.get("id", "").removeprefix("x_") in _FROM_HERE_ON:
            self.over = True
        elif name in _PASSED_OVER or not _QUOTED_CLASSES.isdisjoint(told.get("class", "").split()):
            self._passed, self._depth = name, 1

"""Draws the console: templates of ours, every value escaped, nothing inline, and other people's words shown for what they are."""

import tomllib
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, tzinfo
from functools import cache
from importlib import resources
from typing import Any, Final

from babel.dates import format_date, format_datetime
from babel.numbers import format_decimal
from jinja2 import DictLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup, escape

#: Languages the console speaks; the first is taken where nothing else is known.
LANGUAGES: Final = ("es", "en", "pt")

#: Only our own files, nothing inline, nothing from elsewhere, framed by nobody.
CONTENT_SECURITY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": CONTENT_SECURITY,
    # The id of a page goes to nobody else; within the console the browser may say where a form was.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
}
#: A picture carries its own style sheet and may do nothing else, even when somebody opens it by itself.
PICTURE_SECURITY: Final = "default-src 'none'; style-src 'unsafe-inline'; sandbox"

FILES: Final[Mapping[str, str]] = {
    "console.css": "text/css",
    "console.js": "text/javascript",
    "console.svg": "image/svg+xml",
}

_LOCALES: Final = {"es": "es_419", "en": "en", "pt": "pt_BR"}
#: Characters that are seen only by what they do to others: each is shown by its own name instead.
_TURNS: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")
_SHOWN_AS: Final = {
    "\u202a": "LRE", "\u202b": "RLE", "\u202c": "PDF", "\u202d": "LRO", "\u202e": "RLO", "\u2066": "LRI", "\u2067": "RLI",
    "\u2068": "FSI", "\u2069": "PDI", "\u200e": "LRM", "\u200f": "RLM", "\u061c": "ALM", "\u200b": "ZWSP", "\u200c": "ZWNJ",
    "\u200d": "ZWJ", "\u2060": "WJ", "\ufeff": "BOM", "\u00ad": "SHY", "\u2028": "LS", "\u2029": "PS",
}  # fmt: skip
WORDS_CHARS_MAX: Final = 4_000

Words = Callable[..., str]


class Press:
    """Draws pages. Holds the templates; draws the same page for the same values. ``root``: the path of the public address."""

    def __init__(self, *, root: str = "") -> None:
        self.root = root
        self._environment = ImmutableSandboxedEnvironment(
            loader=DictLoader({name: _text("templates", name) for name in _templates()}),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def draw(self, template: str, language: str, *, zone: tzinfo = UTC, **values: Any) -> str:
        """A page. Instants are told in ``zone``."""
        w = words_in(language)
        return self._environment.get_template(f"{template}.html").render(
            language=language,
            languages=LANGUAGES,
            root=f"{self.root}/console",
            files=f"{self.root}/console/-/",
            w=w,
            whose=whose_words,
            number=lambda n: number(n, language),
            amount=lambda n: number(n, language, places=2),
            share=lambda part, whole: "–" if not whole else f"{number(100 * part / whole, language, places=1)} %",
            percent=lambda p: f"{number(100 * p, language, places=1)} %",
            when=lambda at: when(at, zone, language),
            day=lambda on: format_date(on, "d MMM y", locale=_LOCALES[language]),
            weekday=lambda n: format_date(date(2024, 1, 1 + n), "EEE", locale=_LOCALES[language]),
            iso=lambda at: at.astimezone(zone).isoformat(timespec="seconds"),
            zone_name=str(zone),
            **values,
        )


def words_in(language: str) -> Words:
    """Our words in a language; braces in them are filled with what is given, which is never itself a format."""
    table = _words()

    def word(key: str, /, **values: object) -> str:
        entry = table.get(key)
        if entry is None:
            # What programs call something (an intent, a status of a provider) may have no word of ours: it stands for itself.
            return key.rpartition(".")[2].replace("_", " ")
        text = entry[language]
        return text.format(**values) if values else text

    return word


def whose_words(text: str) -> Markup:
    """Somebody else's text: escaped, cut at a length, and every control or turning character shown by its name."""
    parts: list[Markup | str] = []
    plain: list[str] = []

    def flush() -> None:
        if plain:
            parts.append(escape("".join(plain)))
            plain.clear()

    for character in text.replace("\r\n", "\n")[:WORDS_CHARS_MAX]:
        name = named(character)
        if name is None:
            plain.append(character)
        else:
            flush()
            parts.append(Markup('<span class="control">{}</span>').format(name))
    flush()
    if len(text) > WORDS_CHARS_MAX:
        parts.append("…")
    return Markup("").join(parts)


def named(character: str) -> str | None:
    """What a character is called that would otherwise not be seen, or change how its neighbours are; None for the others."""
    if character in ("\n", "\t"):
        return None
    if character in _SHOWN_AS:
        return _SHOWN_AS[character]
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn"):
        return f"U+{ord(character):04X}"
    return None


def number(n: float, language: str, *, places: int = 0) -> str:
    """A number as people there write it."""
    return str(
        format_decimal(
            round(n, places), format=f"#,##0.{'0' * places}" if places else "#,##0", locale=_LOCALES[language]
        )
    )


def when(at: datetime, zone: tzinfo, language: str) -> str:
    """An instant as people there write it, by the clock of a zone."""
    return str(format_datetime(at.astimezone(UTC), "EEE d MMM y, HH:mm:ss", tzinfo=zone, locale=_LOCALES[language]))


def file(name: str) -> tuple[bytes, str] | None:
    """One of the console's files and its type."""
    kind = FILES.get(name)
    return None if kind is None else (_text("files", name).encode(), kind)


def _templates() -> list[str]:
    return [
        each.name for each in (resources.files("pages.console") / "templates").iterdir() if each.name.endswith(".html")
    ]


def _text(folder: str, name: str) -> str:
    place = resources.files("pages.console")
    return (place / folder / name if folder else place / name).read_text("utf-8")


@cache
def _words() -> dict[str, dict[str, str]]:
    return tomllib.loads(_text("", "words.toml"))

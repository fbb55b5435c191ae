"""Draws her page: templates of ours, every value escaped, no script in the page, and a version that says exactly what she saw."""

import tomllib
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from functools import cache
from hashlib import sha256
from importlib import resources
from typing import Any, Final

from babel.dates import format_date, format_datetime
from jinja2 import DictLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pages.debtor.forms import NotThen
from pages.debtor.view import LANGUAGES, Page, Said

#: Only our own files, nothing inline, nothing from elsewhere, framed by nobody.
CONTENT_SECURITY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": CONTENT_SECURITY,
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
}

#: What the page is made of beside the templates, by the type it is served as.
FILES: Final[Mapping[str, str]] = {
    "page.css": "text/css",
    "page.js": "text/javascript",
    "page.svg": "image/svg+xml",
}

#: Where these files stand below the public address.
FILES_PATH: Final = "/p/-/"

_LOCALES: Final = {"es": "es_419", "en": "en", "pt": "pt_BR"}
_WHY: Final = frozenset({"collection", "reminder", "requested_info", "legal_notice"})
#: Fields of the forms by their ids on the page: what a flaw can link to.
_FIELDS: Final = frozenset({"on", "amount", "hardship_words", "dispute_words", "text"})
#: What the button was called, for the page that asks again.
_CALLED: Final = {
    "stop_all": "stop_all",
    "not_me": "not_me",
    "dispute": "dispute",
    "hardship": "hardship",
    "call": "call",
    "promise": "promise_go",
    "channel": "channel_go",
    "hours": "hours_go",
    "language": "language_go",
    "answer": "answer_go",
}

Words = Callable[..., str]


class Press:
    """Draws pages. Holds the templates; draws the same page for the same values."""

    def __init__(self, *, root: str = "", help_text: str | None = None) -> None:
        """``root``: the path of the public address, under which everything stands. ``help_text``: where people find help."""
        self._root = root
        self._help = help_text
        self._environment = ImmutableSandboxedEnvironment(
            loader=DictLoader({name: _text("templates", name) for name in _TEMPLATES}),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def page(self, page: Page, *, flaws: Mapping[str, str] | None = None) -> str:
        """Her page. ``flaws``: what is wrong with the form that she sent, by field."""
        words = words_in(page.language)
        return self._drawn(
            "page.html",
            page.language,
            page=page,
            base=f"{self._root}/p/{page.token}",
            flaws=dict(flaws or {}),
            fields=_FIELDS,
            lines=_standing(page.said, words, page.zone, page.language),
            not_then=[str(one) for one in NotThen],
            unread=any(not note.read for note in page.inbox),
            why=f"why_{page.purpose}" if page.purpose in _WHY else "why_other",
            iso=lambda at: at.astimezone(page.zone).isoformat(timespec="minutes"),
            when=lambda at: _when(at, page.zone, page.language),
        )

    def sure(self, language: str, token: str, fields: Mapping[str, str], *, channel: str, hint: str) -> str:
        """The page that asks again; ``fields`` are those of the form, which it sends on."""
        words = words_in(language)
        do = fields.get("do", "")
        called = None
        if do == "stop_here":
            here = {"channel": words(channel), "hint": plain(hint)}
            called = words("stop_here_web") if channel == "web" else words("stop_here", **here)
        return self._drawn(
            "sure.html",
            language,
            base=f"{self._root}/p/{token}",
            fields=dict(fields),
            what=called or words(_CALLED.get(do, "answer_go")),
            warning="sure_not_me" if do == "not_me" else None,
        )

    def plain(self, kind: str, language: str) -> str:
        """A page that says one thing: ``gone``, ``thanks``, ``slow`` or ``away``."""
        return self._drawn("plain.html", language, kind=kind)

    def _drawn(self, template: str, language: str, **values: Any) -> str:
        return self._environment.get_template(template).render(
            language=language,
            languages=LANGUAGES,
            files=self._root + FILES_PATH,
            help=self._help,
            version=version(),
            w=words_in(language),
            plain=plain,
            **values,
        )


def words_in(language: str) -> Words:
    """Our words in a language; braces in them are filled with what is given, which is never itself a format."""
    table = _words()

    def word(key: str, **values: str) -> str:
        text = table[key][language]
        return text.format(**values) if values else text

    return word


def plain(text: str) -> str:
    """A text of somebody else's without what would change how the page around it looks: controls, and marks that turn the writing."""
    return "".join(
        "�" if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t" else c
        for c in text.replace("\r\n", "\n")
        if c not in _TURNS
    )


#: Marks that change the direction of what follows them (Unicode TR 9, explicit formatting).
_TURNS: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")


@cache
def version() -> str:
    """What exactly she had before her: the digest of every template, word, right and file of this page."""
    digest = sha256()
    for folder, names in (("templates", _TEMPLATES), ("", ("words.toml", "rights.toml")), ("files", tuple(FILES))):
        for name in sorted(names):
            digest.update(f"{folder}/{name}\n".encode() + _text(folder, name).encode())
    return digest.hexdigest()[:16]


def file(name: str) -> tuple[bytes, str] | None:
    """One of the page's files and its type."""
    kind = FILES.get(name)
    return None if kind is None else (_text("files", name).encode(), kind)


_TEMPLATES: Final = ("frame.html", "page.html", "sure.html", "plain.html")


def _text(folder: str, name: str) -> str:
    place = resources.files("pages.debtor")
    return (place / folder / name if folder else place / name).read_text("utf-8")


@cache
def _words() -> dict[str, dict[str, str]]:
    return tomllib.loads(_text("", "words.toml"))


def _when(at: datetime, zone: tzinfo, language: str) -> str:
    return str(format_datetime(at.astimezone(UTC), "d MMM y, HH:mm", tzinfo=zone, locale=_LOCALES[language]))


def _standing(said: Said, words: Words, zone: tzinfo, language: str) -> list[str]:
    """What she said already, a sentence each."""
    dated = {
        "said_stop_all": said.stopped_all,
        "said_stop_here": None if said.stopped_all else said.stopped_here,
        "said_dispute": said.disputed,
        "said_hardship": said.hardship,
        "said_call": said.call,
    }
    lines = [words(key, at=_when(at, zone, language)) for key, at in dated.items() if at is not None]
    if said.promised is not None:
        day = format_date(datetime.fromisoformat(said.promised).date(), "d MMMM y", locale=_LOCALES[language])
        lines.append(words("said_promise", what=str(day)))
    if said.preferred is not None:
        lines.append(words("said_preferred", what=words(said.preferred)))
    return lines

"""Texts without logic: ``{{name|format}}`` and nothing else, read once in linear time and filled, never evaluated.

A value is data wherever it stands: it is formatted by its kind, escaped in HTML, and can hold no placeholder itself.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from html import escape
from typing import Final

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.numbers import format_currency, format_decimal, get_currency_precision, list_currencies

from gateway.asks import VALUE_CHARS_MAX
from gateway.refusals import Flaw
from gateway.templates.asks import NAME_PATTERN, VariableAsk

OPEN: Final = "{{"
CLOSE: Final = "}}"
#: Reserved: the person's own signed link, put in where the message leaves.
LINK: Final = "link"
#: From the opening braces to the closing ones.
PLACEHOLDER_CHARS_MAX: Final = 80
PLACEHOLDERS_MAX: Final = 100

_NAME: Final = re.compile(NAME_PATTERN)
#: What other templates are written in: a statement, or one pair of braces around a name.
_FOREIGN: Final = re.compile(r"\{%|(?<!\{)\{ *([A-Za-z][A-Za-z0-9_]*) *\}(?!\})")
_NUMBER: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,6})?")
_MONEY: Final = re.compile(r"(-?[0-9]{1,15}(?:\.[0-9]{1,6})?)(?: ?([A-Z]{3}))?")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_UNFIT: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
#: Spaces that formats put between figures and symbols: none of them is in the alphabet of SMS.
_HARD_SPACES: Final = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2007": " ", "\u200e": None, "\u200f": None})

Money = tuple[Decimal, str]
Value = str | Decimal | Money | date

#: Per kind of variable: its formats, the one for a bare ``{{name}}`` first.
FORMATS: Final[Mapping[str, tuple[str, ...]]] = {
    "text": ("text",),
    "name": ("name", "first"),
    "money": ("money",),
    "number": ("number",),
    "date": ("date", "date:short", "date:medium", "date:long", "date:full"),
}


@dataclass(frozen=True, slots=True)
class Placeholder:
    """Where a variable stands, and how it is written there."""

    name: str
    format: str

    @property
    def is_link(self) -> bool:
        """Whether it is the reserved one."""
        return self.name == LINK


@dataclass(frozen=True, slots=True)
class Source:
    """A text that was read: its words and its placeholders in order."""

    parts: tuple[str | Placeholder, ...]

    @property
    def placeholders(self) -> tuple[Placeholder, ...]:
        """In order, repeats too."""
        return tuple(part for part in self.parts if isinstance(part, Placeholder))

    def names(self) -> set[str]:
        """The variables that it needs."""
        return {part.name for part in self.placeholders if not part.is_link}


# ---- reading ----------------------------------------------------------------------------------------------------------


def read(
    text: str, variables: Mapping[str, VariableAsk], pointer: str, flaws: list[Flaw], *, html: bool = False
) -> Source:
    """Read a text; what is wrong with it is added to ``flaws``, each with the character at which it begins (from 1)."""
    parts: list[str | Placeholder] = []
    end = 0
    opened: int | None = None  # the bracket of a tag that is not closed yet (HTML only)
    count = 0
    while (start := text.find(OPEN, end)) >= 0:
        words = text[end:start]
        stray = words.find(CLOSE)
        if stray >= 0:
            flaws.append(Flaw(pointer, f"character {end + stray + 1}: }}}} without {{{{ before it"))
        if words:
            parts.append(words)
        if html:
            opened = _tag(words, opened is not None)
        close = text.find(CLOSE, start, start + PLACEHOLDER_CHARS_MAX)
        if close < 0:
            flaws.append(
                Flaw(pointer, f"character {start + 1}: {{{{ is not closed within {PLACEHOLDER_CHARS_MAX} characters")
            )
            return Source(tuple(parts))
        count += 1
        if count > PLACEHOLDERS_MAX:
            flaws.append(Flaw(pointer, f"character {start + 1}: more than {PLACEHOLDERS_MAX} placeholders"))
            return Source(tuple(parts))
        found = placeholder(text[start + len(OPEN) : close], variables, f"character {start + 1}", pointer, flaws)
        if found is not None:
            if opened is not None and not found.is_link:
                flaws.append(Flaw(pointer, f"character {start + 1}: a variable stands in the text, not inside a tag"))
            parts.append(found)
        end = close + len(CLOSE)
    rest = text[end:]
    stray = rest.find(CLOSE)
    if stray >= 0:
        flaws.append(Flaw(pointer, f"character {end + stray + 1}: }}}} without {{{{ before it"))
    if rest:
        parts.append(rest)
    return Source(tuple(parts))


def foreign(text: str, variables: Mapping[str, VariableAsk], pointer: str) -> list[Flaw]:
    """What people would receive as it stands because it is another template's spelling: ``{% if %}``, a variable in one brace."""
    return [
        Flaw(pointer, f"character {found.start() + 1}: write {OPEN}name{CLOSE}; there is no other logic in a text")
        for found in _FOREIGN.finditer(text)
        if found[1] is None or found[1] in variables
    ][:PLACEHOLDERS_MAX]


def _tag(words: str, inside: bool) -> int | None:
    """Whether a tag is open after these words; the place where it opened, or None."""
    last_open, last_close = words.rfind("<"), words.rfind(">")
    if last_open > last_close:
        return last_open
    if last_close >= 0:
        return None
    return 0 if inside else None


def placeholder(
    inside: str, variables: Mapping[str, VariableAsk], where: str, pointer: str, flaws: list[Flaw]
) -> Placeholder | None:
    """What stands between the braces; None when it cannot be used."""
    name, bar, form = (part.strip(" ") for part in inside.partition("|"))
    if _NAME.match(name) is None:
        flaws.append(Flaw(pointer, f"{where}: a variable's name is small letters, digits and underscores"))
        return None
    if name == LINK:
        if bar:
            flaws.append(Flaw(pointer, f"{where}: {{{{link}}}} takes no format"))
        return Placeholder(LINK, "")
    declared = variables.get(name)
    if declared is None:
        flaws.append(Flaw(pointer, f"{where}: there is no variable “{name}” in /variables"))
        return None
    formats = FORMATS[declared.type]
    if bar and form not in formats:
        flaws.append(
            Flaw(pointer, f"{where}: “{name}” is of type {declared.type}, whose formats are {', '.join(formats)}")
        )
        return None
    return Placeholder(name, form if bar else formats[0])


# ---- values -----------------------------------------------------------------------------------------------------------


def values_of(
    given: Mapping[str, str | int],
    variables: Mapping[str, VariableAsk],
    needed: Iterable[str],
    pointer: str,
    flaws: list[Flaw],
) -> dict[str, Value]:
    """The values by kind; whatever is missing, too many or not of its kind is a flaw at ``pointer``/name."""
    found: dict[str, Value] = {}
    for name in sorted(set(needed) - given.keys()):
        flaws.append(Flaw(f"{pointer}/{name}", "is needed by the template, and left out"))
    for name, value in given.items():
        declared = variables.get(name)
        where = f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"
        if declared is None:
            flaws.append(Flaw(where, "the template has no such variable"))
            continue
        read_value = value_of(value, declared)
        if isinstance(read_value, Unfit):
            flaws.append(Flaw(where, read_value.why))
        else:
            found[name] = read_value
    return found


@dataclass(frozen=True, slots=True)
class Unfit:
    """A value that is not of its kind, and why; never the value itself."""

    why: str


def value_of(value: str | int, declared: VariableAsk) -> Value | Unfit:
    """One value as its kind."""
    match declared.type:
        case "text" | "name":
            return _words(value, declared)
        case "number":
            text = str(value)
            if _NUMBER.fullmatch(text) is None:
                return Unfit("is not a number such as 12 or 12.5")
            return Decimal(text)
        case "money":
            return _money(str(value), declared.currency)
        case "date":
            if not isinstance(value, str) or _DATE.fullmatch(value) is None:
                return Unfit("is not a day as YYYY-MM-DD")
            try:
                day = date.fromisoformat(value)
            except ValueError:
                return Unfit("there is no such day")
            return day if 1900 <= day.year <= 2199 else Unfit("lies between the years 1900 and 2199")


def _words(value: str | int, declared: VariableAsk) -> str | Unfit:
    text = value if isinstance(value, str) else str(value)
    text = text.replace("\r\n", "\n").replace("\t", " ")
    if len(text) > min(declared.chars_max, VALUE_CHARS_MAX):
        return Unfit(f"is longer than {declared.chars_max} characters")
    if OPEN in text or CLOSE in text:
        return Unfit("holds the braces of a placeholder")
    if _UNFIT.search(text):
        return Unfit("holds control characters")
    if not text.strip():
        return Unfit("is blank")
    return text


@lru_cache(maxsize=1)
def _currencies() -> frozenset[str]:
    return frozenset(list_currencies())


def is_currency(code: str) -> bool:
    """Whether ISO 4217 knows it."""
    return code in _currencies()


def _money(text: str, currency: str | None) -> Money | Unfit:
    match = _MONEY.fullmatch(text)
    if match is None:
        return Unfit("is not an amount such as 120000, 120000.50 or 120000.50 COP")
    code = match[2] or currency
    if code is None:
        return Unfit("names no currency, and the template has none for it")
    if not is_currency(code):
        return Unfit(f"{code} is not a currency of ISO 4217")
    amount = Decimal(match[1])
    exponent = amount.as_tuple().exponent
    assert isinstance(exponent, int)
    if -exponent > get_currency_precision(code):
        return Unfit(f"has more decimals than {code}")
    return amount, code


def sample(declared: VariableAsk) -> Value:
    """A value to try a text with: the example given, or a harmless one."""
    if declared.example is not None:
        found = value_of(declared.example, declared)
        if not isinstance(found, Unfit):
            return found
    samples: dict[str, Value] = {
        "text": "123",
        "name": "Ana",
        "number": Decimal(3),
        "money": (Decimal(120000), declared.currency or "USD"),
        "date": date(2026, 11, 24),
    }
    return samples[declared.type]


# ---- filling ----------------------------------------------------------------------------------------------------------


def filled(
    source: Source, values: Mapping[str, Value], locale: str, *, html: bool = False, one_line: bool = False
) -> str:
    """The text with its values. ``{{link}}`` stays as it stands: it is the person's, and is made where the message leaves."""
    said: list[str] = []
    for part in source.parts:
        if isinstance(part, str):
            said.append(part)
        elif part.is_link:
            said.append(f"{OPEN}{LINK}{CLOSE}")
        else:
            text = formatted(values[part.name], part.format, locale)
            if one_line:
                text = " ".join(text.split())
            said.append(escape(text, quote=True) if html else text)
    return "".join(said)


def formatted(value: Value, form: str, locale: str) -> str:
    """A value as people of a language write it."""
    return _FORMAT[type(value)](value, form, locale)


def _text(value: Value, form: str, _: str) -> str:
    assert isinstance(value, str)
    if form in ("name", "first"):
        return _name(value, first=form == "first")
    return value


#: Words within names that are written small, unless they come first.
_SMALL: Final = frozenset(
    ["da", "das", "de", "del", "do", "dos", "e", "el", "la", "las", "los", "y", "van", "von", "di"]
)


def _name(value: str, *, first: bool) -> str:
    """A name without spare spaces; one that came in capitals or in small letters only gets its capitals."""
    words = value.split()
    if value.isupper() or value.islower():
        words = [
            word.lower() if index and word.lower() in _SMALL else _capital(word) for index, word in enumerate(words)
        ]
    return words[0] if first else " ".join(words)


def _capital(word: str) -> str:
    return "-".join(part[:1].upper() + part[1:].lower() for part in word.split("-"))


#: “COP120,000” is hard to read, and to speak.
_CODE_NUMBER: Final = re.compile(r"([A-Z]{3})(-?[0-9])")


@lru_cache(maxsize=4096)
def _money_text(text: str, currency: str, locale: str) -> str:
    # By its text: 25 and 25.00 are one number, and are not written alike.
    amount = Decimal(text)
    exponent = amount.as_tuple().exponent
    if exponent == 0:
        # A round sum is said without its cents, as it was given.
        plain = format_currency(amount, currency, _round_pattern(locale), locale=_locale(locale), currency_digits=False)
    else:
        plain = format_currency(amount, currency, locale=_locale(locale))
    return _CODE_NUMBER.sub(r"\1 \2", plain.translate(_HARD_SPACES))


@lru_cache(maxsize=256)
def _round_pattern(locale: str) -> str:
    return re.sub(r"\.0+", "", str(_locale(locale).currency_formats["standard"].pattern))


@lru_cache(maxsize=4096)
def _number_text(number: Decimal, locale: str) -> str:
    return format_decimal(number, locale=_locale(locale), decimal_quantization=False).translate(_HARD_SPACES)


@lru_cache(maxsize=4096)
def _date_text(day: date, form: str, locale: str) -> str:
    width = form.partition(":")[2] or "long"
    return format_date(day, width, locale=_locale(locale)).translate(_HARD_SPACES)


def _money_of(value: Value, _: str, locale: str) -> str:
    assert isinstance(value, tuple)
    return _money_text(str(value[0]), value[1], locale)


def _number_of(value: Value, _: str, locale: str) -> str:
    assert isinstance(value, Decimal)
    return _number_text(value, locale)


def _date_of(value: Value, form: str, locale: str) -> str:
    assert isinstance(value, date)
    return _date_text(value, form, locale)


_FORMAT: Final[Mapping[type, Callable[[Value, str, str], str]]] = {
    str: _text,
    tuple: _money_of,
    Decimal: _number_of,
    date: _date_of,
}


# ---- languages --------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def _locale(tag: str) -> Locale:
    return Locale.parse(tag, sep="-")


def is_locale(tag: str) -> bool:
    """Whether dates and money can be written as people of that language and place do."""
    try:
        _locale(tag)
    except (UnknownLocaleError, ValueError):
        return False
    return True


def fallback(wanted: str | None, default: str) -> Sequence[str]:
    """The languages to look in, nearest first: lookup by RFC 4647 §3.4, then the default; in small letters."""
    found: list[str] = []
    parts = wanted.lower().split("-") if wanted else []
    while parts:
        found.append("-".join(parts))
        parts.pop()
        if parts and len(parts[-1]) == 1:  # a singleton is nothing without what follows it
            parts.pop()
    return list(dict.fromkeys([*found, default.lower()]))


def written_in(wanted: str | None, found: str) -> str:
    """The language in which figures and dates are written: hers where the words are in the same one, else that of the words."""
    if wanted is not None and wanted.lower().partition("-")[0] == found.lower().partition("-")[0] and is_locale(wanted):
        return wanted
    return found

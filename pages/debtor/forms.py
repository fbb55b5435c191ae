"""What the forms of her page may say: each field read strictly, nothing else taken, and one plain value for each wish."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Final

from pages.debtor.view import LANGUAGES

WORDS_CHARACTERS_MAX: Final = 2_000
#: A promise for a day further away than this is no day that anybody meant.
PROMISE_DAYS_MAX: Final = 366
AMOUNT_MAX: Final = Decimal("999999999999")
FIELDS_MAX: Final = 20


class Wrong(StrEnum):
    """What is wrong with a form, as a key of ``words.toml``."""

    DATE = "wrong_date"
    DATE_PAST = "wrong_date_past"
    AMOUNT = "wrong_amount"
    EMPTY = "wrong_empty"
    LONG = "wrong_long"
    CHOICE = "wrong_choice"


class BadForm(Exception):
    """The form cannot be taken; ``wrong`` says why, ``name`` which field."""

    def __init__(self, wrong: Wrong, name: str) -> None:
        super().__init__(wrong.value)
        self.wrong = wrong
        self.name = name


@dataclass(frozen=True, slots=True)
class StopHere:
    """No more on the channel and address that the link came by."""


@dataclass(frozen=True, slots=True)
class StopAll:
    """No more anywhere."""


@dataclass(frozen=True, slots=True)
class NotMe:
    """This address is not that person's."""


@dataclass(frozen=True, slots=True)
class Disputes:
    """She denies the debt, or its amount."""

    words: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class CannotNow:
    """She cannot pay now."""

    words: str | None = field(default=None, repr=False)


class When(StrEnum):
    """The part of the day in which she wants to be called."""

    ANY = "any"
    MORNING = "morning"
    AFTERNOON = "afternoon"


@dataclass(frozen=True, slots=True)
class CallMe:
    """She wants to be called."""

    when: When


@dataclass(frozen=True, slots=True)
class WillPay:
    """She promises to pay on a day; ``amount`` is a decimal as text."""

    on: date
    amount: str | None


@dataclass(frozen=True, slots=True)
class Prefers:
    """She would rather be reached there: the key of one of the ways that the page offered."""

    way: str


class NotThen(StrEnum):
    """Times and places at which she does not want to be contacted."""

    MORNING = "not_morning"
    MIDDAY = "not_midday"
    EVENING = "not_evening"
    WEEKEND = "not_weekend"
    WORK = "not_work"


@dataclass(frozen=True, slots=True)
class NotAt:
    """Not at these times or places. Only ever less contact than before: a link alone never allows more."""

    times: tuple[NotThen, ...]


@dataclass(frozen=True, slots=True)
class Speaks:
    """The language in which she wants to be written to."""

    language: str


@dataclass(frozen=True, slots=True)
class Answers:
    """What she writes back."""

    text: str = field(repr=False)


Wish = StopHere | StopAll | NotMe | Disputes | CannotNow | CallMe | WillPay | Prefers | NotAt | Speaks | Answers

#: Digits with one mark between groups of them at a time: two in a row are a slip, and a guess at money is worse than a question.
_AMOUNT: Final = re.compile(r"(?=.{1,25}$)[0-9]+(?:[ .,'][0-9]+)*")


def wish_of(fields: Mapping[str, str], today: date) -> Wish:
    """Read one form. ``today`` is hers. Raises BadForm."""
    match fields.get("do"):
        case "stop_here":
            return StopHere()
        case "stop_all":
            return StopAll()
        case "not_me":
            return NotMe()
        case "dispute":
            return Disputes(_words(fields, "dispute_words"))
        case "hardship":
            return CannotNow(_words(fields, "hardship_words"))
        case "call":
            return CallMe(_chosen(When, fields.get("when", ""), "when"))
        case "promise":
            return WillPay(_day(fields.get("on", ""), today), _amount(fields.get("amount", "")))
        case "channel":
            way = fields.get("way", "")
            if not way or len(way) > 64:
                raise BadForm(Wrong.CHOICE, "way")
            return Prefers(way)
        case "hours":
            times = tuple(one for one in NotThen if fields.get(one) == "yes")
            if not times:
                raise BadForm(Wrong.CHOICE, "hours")
            return NotAt(times)
        case "language":
            if fields.get("speaks") not in LANGUAGES:
                raise BadForm(Wrong.CHOICE, "speaks")
            return Speaks(fields["speaks"])
        case "answer":
            text = _words(fields, "text")
            if text is None:
                raise BadForm(Wrong.EMPTY, "text")
            return Answers(text)
        case _:
            raise BadForm(Wrong.CHOICE, "do")


def _words(fields: Mapping[str, str], name: str) -> str | None:
    # A browser sends line breaks as CR LF (HTML, "multipart form data"); what is kept has one spelling.
    text = fields.get(name, "").replace("\r\n", "\n").strip()
    if len(text) > WORDS_CHARACTERS_MAX:
        raise BadForm(Wrong.LONG, name)
    if any("\ud800" <= c <= "\udfff" or c == "\x00" for c in text):
        raise BadForm(Wrong.EMPTY, name)
    return text or None


def _day(text: str, today: date) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise BadForm(Wrong.DATE, "on") from None
    if day < today:
        raise BadForm(Wrong.DATE_PAST, "on")
    if day > today + timedelta(days=PROMISE_DAYS_MAX):
        raise BadForm(Wrong.DATE, "on")
    return day


def _amount(text: str) -> str | None:
    """A decimal from what people write: ``150.000``, ``150,000.50``, ``1 500,5``. The last mark before one or two digits is the point."""
    text = text.strip().removeprefix("$").strip()
    if not text:
        return None
    if _AMOUNT.fullmatch(text) is None:
        raise BadForm(Wrong.AMOUNT, "amount")
    match = re.fullmatch(r"(.*[0-9])[.,]([0-9]{1,2})", text)
    whole, cents = (match[1], match[2]) if match else (text, "")
    digits = re.sub(r"[ .,']", "", whole)
    try:
        amount = Decimal(f"{digits}.{cents}" if cents else digits)
    except InvalidOperation:
        raise BadForm(Wrong.AMOUNT, "amount") from None
    if not 0 < amount <= AMOUNT_MAX:
        raise BadForm(Wrong.AMOUNT, "amount")
    return str(amount)


def _chosen(kind: type[When], text: str, name: str) -> When:
    try:
        return kind(text)
    except ValueError:
        raise BadForm(Wrong.CHOICE, name) from None

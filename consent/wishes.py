"""What a reply names beside its meaning: the day and sum of a promise, the channel refused or preferred, hours that do not suit.

Only what stands there plainly is read. Two days, two sums or a word that could be either is nothing: a person reads it then.
"""

import calendar
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Final

from consent.normal import MARKS, tokens
from vocabulary.channel import AddressKind, Channel
from vocabulary.event import ALL_DAYS, Weekday

#: A promise further away than this is a plan, and is not kept as a date.
PROMISE_DAYS_MAX: Final = 120
#: More than this is a reference or a telephone number.
AMOUNT_MAX: Final = Decimal(1_000_000_000)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split(" "))


_WEEKDAYS: Final = {
    name: day
    for day, names in enumerate(
        (
            "lunes segunda monday mon",
            "martes terca tuesday tue tues",
            "miercoles quarta wednesday wed",
            "jueves quinta thursday thu thurs",
            "viernes sexta friday fri",
            "sabado sabados saturday sat saturdays",
            "domingo domingos sunday sun sundays",
        )
    )
    for name in names.split(" ")
}
_PLURAL: Final = {"mondays": 0, "tuesdays": 1, "wednesdays": 2, "thursdays": 3, "fridays": 4}
_MONTHS: Final = {
    name: month
    for month, names in enumerate(
        (
            "enero janeiro january jan",
            "febrero fevereiro february feb",
            "marzo marco march mar",
            "abril april apr",
            "mayo maio may",
            "junio junho june jun",
            "julio julho july jul",
            "agosto august aug",
            "septiembre setiembre setembro september sept sep",
            "octubre outubro october oct",
            "noviembre novembro november nov",
            "diciembre dezembro december dec",
        ),
        1,
    )
    for name in names.split(" ")
}
_TODAY: Final = frozenset({"hoy", "hoje", "today", "tonight"})
_TOMORROW: Final = frozenset({"manana", "amanha", "tomorrow", "tmrw"})
_AFTER: Final = frozenset({("pasado", "manana"), ("depois", "de", "amanha"), ("day", "after", "tomorrow")})
#: "mañana" is also the morning.
_MORNING: Final = frozenset({"la", "de", "da", "na", "esta"})
_BEFORE_DAY: Final = frozenset({"el", "dia", "the", "on", "hasta", "antes", "al", "no", "ate"})
_SKIPPED: Final = frozenset({"de", "del", "of", "do", "dia", "the"})
_MONTH_END: Final = (("fin", "de", "mes"), ("fim", "do", "mes"), ("end", "of", "month"), ("end", "of", "the", "month"))
_NUMBER: Final = re.compile(r"\d{1,2}(?:st|nd|rd|th)?", re.ASCII)
_AMOUNT: Final = re.compile(
    r"(?P<sign>[$£€]|R\$|US\$|S/)\s?(?P<signed>\d[\d.,]*)"
    r"|(?<![\d/.-])(?P<plain>\d[\d.,]*)\s?(?P<unit>mil|k|pesos|reais|soles|lucas|d[oó]lares|dollars|bucks|usd|quid|pounds|euros)\b",
    re.IGNORECASE,
)
_THOUSANDS: Final = frozenset({"mil", "k", "lucas"})

_CHANNEL_WORDS: Final = {
    Channel.SMS: _words("sms text texts texting txt txts texto textos torpedo torpedos textear"),
    Channel.EMAIL: _words("email emails mail mails correo correos emailing mailing"),
    Channel.WHATSAPP: _words("whatsapp whatsapps whats wsp wpp zap zaps wasap whatsap"),
    Channel.VOICE: _words(
        "call calls calling phone robocalls llamada llamadas llamado llamados llamen llame llamar llamarme llames llamando "
        "llameis marquen marque marcar ligacao ligacoes ligue liguem liga ligar ligando chamada chamadas telefonem"
    ),
    Channel.TELEGRAM: frozenset({"telegram"}),
}
_CHANNEL_OF: Final = {word: channel for channel, words in _CHANNEL_WORDS.items() for word in words}
_NO: Final = _words(
    "no not dont never stop quit cancel remove unsubscribe baja bajas paren pare parem para deje dejen deja dejad cancelen "
    "cancele cancela cancelar nao sem chega basta quitenme saquenme quitadme dadme denme darme desuscribirme tira sair ya "
    "descadastrar"
)
_YES: Final = _words(
    "si sim yes ok okay fine good bien pode podem puede pueden instead mejor prefiero prefer prefiro better solo only just "
    "apenas somente keep mandenme manden mandame escribanme escriban escribime escribeme escriba email mail use usen usem sigan "
    "manda mande write ring but pero sigo"
)
_WORK: Final = _words("work job office trabajo oficina empleo laburo chamba pega trabalho escritorio servico firma")
_NEVER: Final = _words("no not dont never nao ni")
_AFTER_WORDS: Final = frozenset({"despues", "after", "depois", "partir"})
_BEFORE_WORDS: Final = frozenset({"antes", "before"})
_EVENING: Final = frozenset({"pm", "tarde", "noche", "noite", "night", "evening"})
_HOUR: Final = re.compile(r"(\d{1,2})(am|pm|h|hs)?", re.ASCII)
_ONLY: Final = frozenset({"solo", "only", "so", "apenas", "somente", "solamente"})
_NOON: Final = 12
_EVENING_FIRST: Final = 8


@dataclass(frozen=True, slots=True)
class Promise:
    """What she says that she will pay, as far as it stands there: a day, and a sum without its currency."""

    pays_on: date | None = None
    amount: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Unwelcome:
    """When or where it does not suit: hours of some days (``closes`` None: the day's end), or a kind of place."""

    days: tuple[Weekday, ...] = ALL_DAYS
    opens: time | None = None
    closes: time | None = None
    place: AddressKind | None = None


def promise(text: str, today: date, *, month_first: bool = False) -> Promise:
    """The day and the sum of a promise. ``month_first``: 12/01 is the first of December."""
    words = tokens(text)
    days = set(_days(words, today, month_first))
    amounts = {amount for amount in _amounts(text) if 0 < amount <= AMOUNT_MAX}
    latest = today + timedelta(days=PROMISE_DAYS_MAX)
    named = [day for day in days if today <= day <= latest]
    return Promise(
        pays_on=named[0] if len(days) == len(named) == 1 else None,
        amount=amounts.pop() if len(amounts) == 1 else None,
    )


def _days(words: Sequence[str], today: date, month_first: bool) -> Iterator[date]:
    taken = -1
    for at, word in enumerate(words):
        if at <= taken:
            continue
        three = tuple(words[at : at + 3])
        if three[:2] in _AFTER or three in _AFTER:
            yield today + timedelta(days=2)
            taken = at + (2 if three in _AFTER else 1)
        elif word in _TODAY:
            yield today
        elif word in _TOMORROW and (at == 0 or words[at - 1] not in _MORNING):
            yield today + timedelta(days=1)
        elif any(tuple(words[at : at + len(end)]) == end for end in _MONTH_END):
            yield today.replace(day=_last_day(today.year, today.month))
        elif word in _WEEKDAYS and not _is_month(words, at):
            yield today + timedelta(days=(_WEEKDAYS[word] - today.weekday() - 1) % 7 + 1)
        elif word in _MONTHS and at + 1 < len(words) and _NUMBER.fullmatch(words[at + 1]):
            yield from _dated(_number(words[at + 1]), _MONTHS[word], today)
            taken = at + 1
        elif _NUMBER.fullmatch(word):
            found, taken = _by_number(words, at, today, month_first)
            yield from found


def _is_month(words: Sequence[str], at: int) -> bool:
    """``mar`` is a month and no day of the week in these lists; ``sat`` after "I" is a verb."""
    return words[at] == "sat" and at > 0 and words[at - 1] == "i"


def _by_number(words: Sequence[str], at: int, today: date, month_first: bool) -> tuple[list[date], int]:
    """The day that a number names: "15 de diciembre", "15/12", "el 15", "the 15th"."""
    number = _number(words[at])
    after = at + 1
    while after < len(words) and words[after] in _SKIPPED:
        after += 1
    if after < len(words) and words[after] in _MONTHS:
        return list(_dated(number, _MONTHS[words[after]], today)), after
    if at + 2 < len(words) and words[at + 1] == "|" and words[at + 2].isdigit() and len(words[at + 2]) <= 2:
        other = int(words[at + 2])
        day, month = (other, number) if month_first else (number, other)
        return list(_dated(day, month, today)), at + 2
    before = words[at - 1] if at else ""
    if (before in _BEFORE_DAY and not _hour_follows(words, at)) or not words[at].isdigit():
        return list(_next_day(number, today)), at
    return [], at


def _hour_follows(words: Sequence[str], at: int) -> bool:
    return at + 1 < len(words) and (
        words[at + 1] in {"am", "pm", "h", "hs", "horas", "mil", "pesos", "reais", "cuotas"}
    )


def _number(word: str) -> int:
    return int("".join(c for c in word if c.isdigit()))


def _last_day(year: int, month: int) -> int:
    return calendar.monthrange(year, month)[1]


def _dated(day: int, month: int, today: date) -> Iterator[date]:
    """That day of that month, this year or the next."""
    for year in (today.year, today.year + 1):
        if 1 <= month <= 12 and 1 <= day <= _last_day(year, month) and (found := date(year, month, day)) >= today:
            yield found
            return


def _next_day(day: int, today: date) -> Iterator[date]:
    """The next day with that number in its month."""
    year, month = today.year, today.month
    for _ in range(3):
        if 1 <= day <= _last_day(year, month) and (found := date(year, month, day)) >= today:
            yield found
            return
        year, month = (year + 1, 1) if month == _NOON else (year, month + 1)


def _amounts(text: str) -> Iterator[Decimal]:
    for match in _AMOUNT.finditer(text[:500]):
        figure = (match["signed"] or match["plain"]).rstrip(".,")
        unit = (match["unit"] or "").casefold()
        rest = text[match.end() : match.end() + 5].lstrip().casefold()
        amount = _figure(figure)
        if amount is not None:
            yield amount * (1000 if unit in _THOUSANDS or rest.startswith("mil") else 1)


def _figure(figure: str) -> Decimal | None:
    """``1.200.000``, ``1,200.50``, ``50,5``: the last mark with one or two figures behind it is the decimal one."""
    whole, cents = figure, ""
    for mark in ".,":
        head, found, tail = figure.rpartition(mark)
        if found and len(tail) in (1, 2) and (not cents or len(head) > len(whole)):
            whole, cents = head, tail
    digits = whole.replace(".", "").replace(",", "")
    return Decimal(f"{digits}.{cents or 0}") if digits.isdigit() and len(digits) <= 12 else None


@dataclass(frozen=True, slots=True)
class Ways:
    """The channels that a reply refuses by name, and those that it leaves open; what it says both of is refused."""

    refused: frozenset[Channel] = frozenset()
    left: frozenset[Channel] = frozenset()


def ways(text: str) -> Ways:
    """Which channels a reply that refuses one speaks of, and how."""
    refused: set[Channel] = set()
    left: set[Channel] = set()
    for clause in _clauses(tokens(text)):
        no: bool | None = None
        for at, word in enumerate(clause):
            if word in _NO and not (word == "ya" and no is not None):
                no = True
            elif word in _YES and word not in _CHANNEL_OF and not (no and word in _ONLY):
                no = False
            channel = _CHANNEL_OF.get(word)
            if channel is None:
                continue
            after = {other for other in clause[at + 1 : at + 3] if other not in _CHANNEL_OF}
            if not after.isdisjoint({"no", "nao"}):
                refused.add(channel)
            elif no is False or not (after - _ONLY if no else after).isdisjoint(_YES):
                left.add(channel)
            elif no:
                refused.add(channel)
    return Ways(frozenset(refused), frozenset(left - refused))


def preferred_channel(text: str) -> Channel | None:
    """The one channel that the reply asks for, when it names one and refuses none."""
    words = tokens(text)
    if not _NEVER.isdisjoint(words):
        return None
    named = {_CHANNEL_OF[word] for word in words if word in _CHANNEL_OF}
    return named.pop() if len(named) == 1 else None


def unwelcome(text: str) -> tuple[Unwelcome, ...]:
    """Hours and places that do not suit, as far as they stand there plainly; never the other way round."""
    words = [word for word in tokens(text) if word not in MARKS]
    found: list[Unwelcome] = []
    negative = not _NEVER.isdisjoint(words)
    if negative and not _WORK.isdisjoint(words) and not any(w in _AFTER_WORDS or w in _BEFORE_WORDS for w in words):
        found.append(Unwelcome(place=AddressKind.WORK))
    hours = [(at, hour) for at in range(len(words)) if (hour := _hour(words, at)) is not None]
    if len(hours) == 1:
        at, hour = hours[0]
        before = words[max(0, at - 4) : at]
        if any(word in (_BEFORE_WORDS if negative else _AFTER_WORDS) for word in before):
            found.append(Unwelcome(opens=time(0), closes=time(hour)))
    days = sorted({_WEEKDAYS.get(w, _PLURAL.get(w, -1)) for w in words} - {-1})
    if days and negative and not hours and _ONLY.isdisjoint(words):
        found.append(Unwelcome(days=tuple(ALL_DAYS[day] for day in days), opens=time(0)))
    return tuple(found)


def _hour(words: Sequence[str], at: int) -> int | None:
    match = _HOUR.fullmatch(words[at])
    if match is None or (at and words[at - 1] in _MONTHS):
        return None
    hour = int(match[1])
    after = {match[2] or "", *words[at + 1 : at + 4]}
    if hour < _NOON and not after.isdisjoint(_EVENING):
        hour += _NOON
    elif hour < _EVENING_FIRST and "am" not in after and not (_AFTER_WORDS.isdisjoint(words[max(0, at - 4) : at])):
        hour += _NOON  # "after six" is in the evening
    return hour if 0 < hour < 24 else None


def _clauses(words: Sequence[str]) -> Iterator[list[str]]:
    clause: list[str] = []
    for word in words:
        if word in MARKS:
            yield clause
            clause = []
        else:
            clause.append(word)
    yield clause

"""What a reply means: one intent per reply, the one that a careful compliance officer would act on.

Words of every language are looked for whatever the person's locale: people answer in the language of the moment. Only
stops, their opposite and what could be either are told apart yet; everything else is ``other``.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from consent.lexicon import Lexicon, Meaning, lexicon, squeezed
from consent.normal import MARKS, QUESTION, tokens
from consent.phrases import Found

#: What a list's ``near`` word may lack, have too much, or have wrong.
EDITS_MAX: Final = 2
#: What stands where a phrase was taken out: no word, no pause.
_TAKEN: Final = "\x00"

#: What may stand beside a stop keyword without taking anything back: "no, stop", a thumb down.
_STOP_AND_THE_LIKE: Final = frozenset(
    {Meaning.STOP, Meaning.STOP_IF_PROMPTED, Meaning.UNSURE, Meaning.UNSURE_IF_PROMPTED}
)

#: Looked for where the phrases that only sound like a stop are taken out; the other meanings in the reply as it stands.
_ASKED_OF_WHAT_IS_LEFT: Final = frozenset({Meaning.STOP, Meaning.UNSURE})

_DIGITS: Final = str.maketrans("01345780", "oieastbo")
_REPEATED: Final = re.compile(r"(.)\1+")
_REPEATED_OFTEN: Final = re.compile(r"(.)\1{2,}")


class Intent(StrEnum):
    """The contract's intents (§8)."""

    STOP_ALL = "stop_all"
    STOP_CHANNEL = "stop_channel"
    START = "start"
    WRONG_PERSON = "wrong_person"
    DISPUTE = "dispute"
    ALREADY_PAID = "already_paid"
    HARDSHIP = "hardship"
    PROMISE_TO_PAY = "promise_to_pay"
    CALL_ME = "call_me"
    HUMAN = "human"
    PREFERENCE = "preference"
    ABUSE = "abuse"
    AUTO_REPLY = "auto_reply"
    OTHER = "other"
    UNSURE = "unsure"


class Context(StrEnum):
    """Our last message to that address: one that names a stop word, an offer, any other, or none."""

    REMINDER = "reminder"
    STOP_PROMPT = "stop_prompt"
    PAYMENT_OFFER = "payment_offer"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Reading:
    """A reply's intent, and whether it is a keyword and nothing else (which takes back one channel and address only)."""

    intent: Intent
    bare: bool = False


def classify(text: str, *, context: Context | None = None, locale: str | None = None) -> Intent:
    """The intent of a reply. ``locale`` (``pt-BR``, ``es``) settles only what a word means that two languages share."""
    return read(text, context=context, locale=locale).intent


def read(text: str, *, context: Context | None = None, locale: str | None = None) -> Reading:
    """The intent of a reply and how it was said."""
    lists = lexicon()
    words = _mended(tokens(text), lists)
    plain = [word for word in words if word not in MARKS]
    if not plain:
        return Reading(Intent.OTHER)
    alone = _alone(plain, lists)
    if alone is not None:
        return Reading(_intent_alone(alone, QUESTION in words, context, locale), bare=True)
    if len(plain) == 1 and len(plain[0]) == 1 and plain[0].isalpha():
        return Reading(Intent.UNSURE, bare=True)
    return Reading(_intent_in_words(words, lists))


def asks_for_help(text: str) -> bool:
    """Whether the reply is the carriers' help keyword in one of the languages (CTIA's HELP), to be answered at once."""
    lists = lexicon()
    return _alone([word for word in tokens(text) if word not in MARKS], lists) is Meaning.HELP


def _intent_alone(meaning: Meaning, asked: bool, context: Context | None, locale: str | None) -> Intent:
    match meaning:
        case Meaning.STOP:
            return Intent.UNSURE if asked else Intent.STOP_ALL
        case Meaning.STOP_IF_PROMPTED:
            prompted = context is Context.STOP_PROMPT or (locale or "").casefold().startswith("pt")
            return Intent.STOP_ALL if prompted and not asked else Intent.UNSURE
        case Meaning.START:
            return Intent.UNSURE if asked else Intent.START
        case Meaning.UNSURE:
            return Intent.UNSURE
        case Meaning.UNSURE_IF_PROMPTED:
            return Intent.UNSURE if context is Context.STOP_PROMPT else Intent.OTHER
        case _:
            return Intent.OTHER


def _intent_in_words(words: list[str], lists: Lexicon) -> Intent:
    found = lists.phrases.find(words)
    meanings = {one.meaning for one in found}
    if Meaning.AUTO_REPLY in meanings:
        return Intent.AUTO_REPLY
    left = words
    if Meaning.NOT_STOP in meanings:
        left = words[:]
        for one in found:
            if one.meaning == Meaning.NOT_STOP:
                left[one.start : one.end] = [_TAKEN] * (one.end - one.start)
        meanings -= _ASKED_OF_WHAT_IS_LEFT
        meanings |= {one.meaning for one in lists.phrases.find(left)} & _ASKED_OF_WHAT_IS_LEFT
    if Meaning.STOP in meanings:
        return Intent.STOP_CHANNEL if _leaves_a_way(found) else Intent.STOP_ALL
    said_between_pauses = any(_is_stop_clause(clause, lists) for clause in _clauses(left))
    if Meaning.START in meanings:
        return Intent.UNSURE if said_between_pauses else Intent.START
    if said_between_pauses:
        return Intent.STOP_ALL
    return Intent.OTHER if meanings.isdisjoint({Meaning.UNSURE, Meaning.QUESTION}) else Intent.UNSURE


def _leaves_a_way(found: list[Found]) -> bool:
    """Whether only one way is refused, or another asked for in other words: "don't call me" asks for no call."""
    stops = [one for one in found if one.meaning == Meaning.STOP]
    return any(
        one.meaning == Meaning.STOP_ONLY
        or (
            one.meaning == Meaning.STOP_CHANNEL
            and all(one.end <= stop.start or stop.end <= one.start for stop in stops)
        )
        for one in found
    )


def _alone(plain: list[str], lists: Lexicon) -> Meaning | None:
    """What the reply means as a keyword, courtesies aside; a keyword may be repeated."""
    whole = squeezed(plain)
    meaning = lists.alone.get(whole)
    if meaning is not None:
        return meaning
    said = [word for word in plain if word not in lists.filler]
    if not said:
        return None
    meaning = lists.alone.get(squeezed(said))
    if meaning is not None:
        return meaning
    meanings = {lists.alone.get(word) for word in said}
    if Meaning.STOP in meanings and meanings <= _STOP_AND_THE_LIKE:
        return Meaning.STOP
    return meanings.pop() if len(meanings) == 1 else None


def _clauses(words: list[str]) -> Iterator[list[str]]:
    """What stands between two pauses, without what ends in a question mark."""
    clause: list[str] = []
    for word in words:
        if word not in MARKS:
            clause.append(word)
            continue
        if word != QUESTION:
            yield clause
        clause = []
    yield clause


def _is_stop_clause(clause: list[str], lists: Lexicon) -> bool:
    if squeezed(clause) in lists.clause:
        return True
    return squeezed(word for word in clause if word not in lists.filler) in lists.clause


def _mended(words: list[str], lists: Lexicon) -> list[str]:
    """Words as they were meant: keywords with digits for letters, letters held down or nearly right, common misspellings."""
    return [word if word in MARKS or word in lists.alone else _meant(word, lists) for word in words]


def _meant(word: str, lists: Lexicon) -> str:
    if word in lists.spelling:
        return lists.spelling[word]
    if not word.isalpha() and not word.isdigit():
        lettered = word.translate(_DIGITS)
        if lettered in lists.alone:
            return lettered
    if _REPEATED.search(word):
        for pattern in (_REPEATED_OFTEN, _REPEATED):
            once = pattern.sub(r"\1", word)
            if once in lists.alone:
                return once
    once = _period(word)
    if once in lists.alone:
        return once
    for right in lists.near:
        if word[0] == right[0] and abs(len(word) - len(right)) <= EDITS_MAX and _edits(word, right) <= EDITS_MAX:
            return right
    return word


def _period(text: str) -> str:
    """The shortest text that repeated gives this one."""
    return text[: (text + text).find(text, 1)]


def _edits(one: str, other: str) -> int:
    """Letters to insert, delete, change or swap with their neighbour (optimal string alignment)."""
    before: list[int] = []
    above = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        row = [i]
        for j, b in enumerate(other, 1):
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, above = above, row
    return above[-1]

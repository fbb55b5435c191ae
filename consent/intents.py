"""What a reply means: one intent per reply, the one that a careful compliance officer would act on.

Words of every language are looked for whatever the person's locale: people answer in the language of the moment. Rules
(``consent/words``) decide what is clear; what they have no phrase for is compared with labelled replies
(``consent.learned``). Where one says stop and the other doubts it, the answer is ``unsure``: held, and asked.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from typing import Final

from rapidfuzz.distance import OSA
from rapidfuzz.process import extractOne

from consent.learned import Learned, learned
from consent.lexicon import Lexicon, Meaning, lexicon, squeezed
from consent.normal import BREAK, MARKS, QUESTION, tokens
from consent.phrases import Found

#: Letters that may be missing, too many, wrong or swapped in a list's ``near`` word, and in a long word of a phrase.
EDITS_MAX: Final = 2
#: So long a word must be to be read as the nearest one of the phrases, with one letter wrong, and with two.
MENDED_LETTERS_MIN: Final = 6
MENDED_TWICE_LETTERS_MIN: Final = 10
MENDED_LETTERS_MAX: Final = 24
MENDED_KEPT_MAX: Final = 4_096
#: A question of so few words, marks among them, is a person's: whether this is a machine, when somebody is there.
QUESTION_WORDS_MAX: Final = 9
#: What stands where a phrase was taken out: no word, no pause.
_TAKEN: Final = "\x00"

#: What may stand beside a stop keyword without taking anything back: "no, stop", a thumb down.
_STOP_AND_THE_LIKE: Final = frozenset(
    {Meaning.STOP, Meaning.STOP_IF_PROMPTED, Meaning.UNSURE, Meaning.UNSURE_IF_PROMPTED}
)

#: Looked for where the phrases that only sound like a stop are taken out; the other meanings in the reply as it stands.
_ASKED_OF_WHAT_IS_LEFT: Final = frozenset({Meaning.STOP, Meaning.UNSURE})

#: What a stop may end with and still be a sentence of its own: "no me escriban más".
_NO_MORE: Final = frozenset({"mas", "mais", "more", "anymore", "again", "ever", "nunca", "jamas", "me", "us"})

#: What, so shortly before what sounds like a start, makes the opposite of it: "que nadie me vuelva a mandar".
_DENIED_BY: Final = frozenset(
    {
        "no",
        "ni",
        "nadie",
        "nunca",
        "jamas",
        "nao",
        "n",
        "num",
        "nem",
        "ninguem",
        "not",
        "never",
        "dont",
        "didnt",
        "nobody",
    }
)
_DENIED_WORDS_MAX: Final = 3

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
    """A reply's intent and how it was said.

    ``bare``: a keyword and nothing else, which takes back one channel and address only. ``ruled``: a rule said so; what is
    only resembled loosens nothing.
    """

    intent: Intent
    bare: bool = False
    ruled: bool = True


@dataclass(frozen=True, slots=True)
class Limits:
    """Scores of resembling a stop from which a reply is a stop, and below which a rule that says stop is doubted.

    ``hold``: from where on it is held, less half of how much it resembles anything else. ``unsure``: by how much a reply must resemble
    the unclear ones more than anything else to be held as one of them.
    """

    hold: int
    stop: int
    veto: int
    unsure: int


@dataclass(frozen=True, slots=True)
class Ways:
    """By what a reply is judged beside the rules; all of it, except where each part is measured."""

    rules: bool = True
    mending: bool = True
    model: Learned | None = None
    limits: Limits | None = None


@dataclass(frozen=True, slots=True)
class _Ruled:
    """What the rules say.

    ``denied``: something in the reply sounds like a stop and is none; ``clear``: it is a sentence of its own; ``machine``: there is
    something that machines say; ``silent``: and, besides, nothing that sounds like a stop.
    """

    intent: Intent
    bare: bool = False
    denied: bool = False
    clear: bool = False
    machine: bool = True
    silent: bool = False


@cache
def _all_ways() -> Ways:
    return Ways(model=learned())


_STOPS: Final = frozenset({Intent.STOP_ALL, Intent.STOP_CHANNEL})
_STOPS_OR_DOUBTS: Final = _STOPS | {Intent.UNSURE}

#: What is told apart by resemblance where the rules heard nothing.
_RESEMBLED: Final = tuple(
    intent for intent in Intent if intent not in (Intent.STOP_ALL, Intent.STOP_CHANNEL, Intent.UNSURE)
)
#: The same where nothing in the reply is what a machine says: courtesy alone makes nobody one.
_SAID_BY_PEOPLE: Final = tuple(intent for intent in _RESEMBLED if intent is not Intent.AUTO_REPLY)


def classify(text: str, *, context: Context | None = None, locale: str | None = None) -> Intent:
    """The intent of a reply. ``locale`` (``pt-BR``, ``es``) settles only what a word means that two languages share."""
    return read(text, context=context, locale=locale).intent


def read(text: str, *, context: Context | None = None, locale: str | None = None) -> Reading:
    """The intent of a reply and how it was said."""
    return read_by(_all_ways(), text, context=context, locale=locale)


def read_by(ways: Ways, text: str, *, context: Context | None = None, locale: str | None = None) -> Reading:
    """The intent of a reply by some of the means, so that each can be measured."""
    lists = lexicon()
    words = prepared(text, mending=ways.mending)
    plain = [word for word in words if word not in MARKS]
    if not plain:
        return Reading(Intent.OTHER)
    ruled = _by_rules(words, plain, context, locale, lists) if ways.rules else _Ruled(Intent.OTHER)
    if ruled.bare or ways.model is None:
        return Reading(ruled.intent, ruled.bare)
    return _weighed(ruled, words, context, ways.model, ways.limits or limits_of(ways.model, locale))


def limits_of(model: Learned, locale: str | None) -> Limits:
    """The limits for a person's language, where it has its own, chosen as ``tools.fit_intents`` says."""
    language = (locale or "").casefold()[:2]
    by = {
        name: model.limits.get(f"{name} {language}", limit) for name, limit in model.limits.items() if " " not in name
    }
    return Limits(**by)


def prepared(text: str, *, mending: bool = True) -> list[str]:
    """The words of a reply as they were meant, misspellings mended."""
    return _mended(tokens(text), lexicon(), mending)


def _by_rules(
    words: list[str], plain: list[str], context: Context | None, locale: str | None, lists: Lexicon
) -> _Ruled:
    alone = _alone(plain, lists)
    if alone is not None:
        return _Ruled(_intent_alone(alone, QUESTION in words, context, locale), bare=True)
    if len(plain) == 1 and len(plain[0]) == 1 and plain[0].isalpha():
        return _Ruled(Intent.UNSURE, bare=True)
    return _intent_in_words(words, lists)


def _weighed(ruled: _Ruled, words: list[str], context: Context | None, model: Learned, limits: Limits) -> Reading:
    """The rules' answer beside what the reply resembles: agreed, doubted, or found where the rules heard nothing."""
    like = model.resemblance(words, context, lexicon().classes)
    likeliest = Intent(like.likeliest(tuple(like.intents)))
    person = Intent(like.likeliest(_SAID_BY_PEOPLE))
    asked = len(words) <= QUESTION_WORDS_MAX and words[-1:] == [QUESTION]
    # Who is away, drives or thanks is a person until it resembles a machine by as much more as makes a doubt.
    machine = not asked and like.intents[Intent.AUTO_REPLY] - like.intents[person] >= limits.unsure
    match ruled.intent:
        case Intent.STOP_ALL | Intent.STOP_CHANNEL:
            other = like.stop < 0 and likeliest not in _STOPS_OR_DOUBTS
            doubted = (like.stop < limits.veto or other) and not ruled.clear
            return Reading(Intent.UNSURE if doubted else ruled.intent)
        case Intent.START:
            return Reading(Intent.UNSURE if like.stop >= 0 else Intent.START)
        case Intent.AUTO_REPLY if not ruled.silent or machine or likeliest in _STOPS_OR_DOUBTS:
            # People dictate while they drive, too.
            spoken = like.stop >= 0 and likeliest in _STOPS
            return Reading(Intent.UNSURE if spoken else Intent.AUTO_REPLY)
        case Intent.OTHER | Intent.AUTO_REPLY:
            if like.stop >= limits.stop and likeliest in _STOPS and not ruled.denied:
                return Reading(Intent(like.likeliest((Intent.STOP_ALL, Intent.STOP_CHANNEL))), ruled=False)
            likeliest = Intent(like.likeliest(_RESEMBLED))
            # What clearly is something else may resemble a stop further: who says whose number it is not, whoever asks.
            if like.stop - like.intents[likeliest] // 2 >= limits.hold:
                return Reading(Intent.UNSURE, ruled=False)
            if like.intents[Intent.UNSURE] - like.intents[likeliest] > limits.unsure:
                likeliest = Intent.UNSURE
            elif likeliest is Intent.AUTO_REPLY and not (machine and ruled.machine):
                likeliest = person
            return Reading(likeliest, ruled=False)
        case _:
            return Reading(ruled.intent)


def asks_for_help(text: str) -> bool:
    """Whether the reply is the carriers' help keyword in one of the languages (CTIA's HELP), to be answered at once."""
    lists = lexicon()
    return _alone([word for word in tokens(text) if word not in MARKS], lists) is Meaning.HELP


def language_of(text: str) -> str | None:
    """The language of a keyword that only one language has (``es en pt``); None for any other reply."""
    return lexicon().languages.get(squeezed(prepared(text)))


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
        case Meaning.WRONG_PERSON:
            return Intent.OTHER if asked else Intent.WRONG_PERSON
        case _:
            return Intent.OTHER


def _intent_in_words(words: list[str], lists: Lexicon) -> _Ruled:
    found = lists.phrases.find(words)
    meanings = {one.meaning for one in found}
    machine = not meanings.isdisjoint({Meaning.AUTO_REPLY, Meaning.MACHINE})
    if Meaning.AUTO_REPLY in meanings:
        stops = Meaning.STOP in meanings or any(_is_stop_clause(clause, lists) for clause in _clauses(words))
        return _Ruled(Intent.AUTO_REPLY, silent=not stops)
    left, of_what_is_left = words, found
    denied = Meaning.NOT_STOP in meanings
    if denied:
        left = words[:]
        for one in found:
            if one.meaning == Meaning.NOT_STOP:
                left[one.start : one.end] = [_TAKEN] * (one.end - one.start)
        meanings -= _ASKED_OF_WHAT_IS_LEFT
        of_what_is_left = lists.phrases.find(left)
        meanings |= {one.meaning for one in of_what_is_left} & _ASKED_OF_WHAT_IS_LEFT
    said_between_pauses = any(_is_stop_clause(clause, lists) for clause in _clauses(left))
    if Meaning.STOP in meanings:
        clear = said_between_pauses or any(_stands_alone(one, left, lists) for one in of_what_is_left)
        return _Ruled(Intent.STOP_CHANNEL if _leaves_a_way(found) else Intent.STOP_ALL, clear=clear)
    if Meaning.STOP_ONE in meanings:
        return _Ruled(Intent.STOP_CHANNEL)
    if any(one.meaning == Meaning.START and not _is_denied(one, words) for one in found):
        return _Ruled(Intent.UNSURE if said_between_pauses else Intent.START)
    if said_between_pauses:
        return _Ruled(Intent.STOP_ALL, clear=True)
    unsure = not meanings.isdisjoint({Meaning.UNSURE, Meaning.QUESTION})
    return _Ruled(Intent.UNSURE if unsure else Intent.OTHER, denied=denied, machine=machine)


def _stands_alone(one: Found, words: list[str], lists: Lexicon) -> bool:
    """Whether a stop is all that is said between two pauses, courtesies aside."""
    if one.meaning != Meaning.STOP:
        return False
    before = next((word for word in reversed(words[: one.start]) if word not in lists.filler), BREAK)
    after = next((word for word in words[one.end :] if word not in lists.filler and word not in _NO_MORE), BREAK)
    return before in MARKS and after in MARKS and after != QUESTION


def _is_denied(one: Found, words: list[str]) -> bool:
    """Whether what was found is said not to be wished, by a word shortly before it and before any pause."""
    for word in reversed(words[max(0, one.start - _DENIED_WORDS_MAX) : one.start]):
        if word in MARKS:
            return False
        if word in _DENIED_BY:
            return True
    return False


def _leaves_a_way(found: list[Found]) -> bool:
    """Whether only one way is refused, or another asked for in other words: "don't call me" asks for no call."""
    stops = [one for one in found if one.meaning == Meaning.STOP]
    return any(
        one.meaning in (Meaning.STOP_ONLY, Meaning.STOP_ONE)
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


def _mended(words: list[str], lists: Lexicon, mending: bool) -> list[str]:
    """Words as they were meant: keywords with digits for letters, letters held down or nearly right, common misspellings."""
    return [word if word in MARKS or word in lists.alone else _meant(word, lists, mending) for word in words]


def _meant(word: str, lists: Lexicon, mending: bool) -> str:
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
        if word[0] == right[0] and OSA.distance(word, right, score_cutoff=EDITS_MAX) <= EDITS_MAX:
            return right
    if mending and MENDED_LETTERS_MIN <= len(word) <= MENDED_LETTERS_MAX and word.isalpha():
        return _nearest(word)
    return word


@lru_cache(maxsize=MENDED_KEPT_MAX)
def _nearest(word: str) -> str:
    """The word of the phrases that this one misspells, or itself. Words that people are known to write are left alone."""
    lists = lexicon()
    if word in lists.known:
        return word
    edits = 2 if len(word) >= MENDED_TWICE_LETTERS_MIN else 1
    found = extractOne(word, lists.mendable.get(word[0], ()), scorer=OSA.distance, score_cutoff=edits)
    return word if found is None else str(found[0])


def _period(text: str) -> str:
    """The shortest text that repeated gives this one."""
    return text[: (text + text).find(text, 1)]

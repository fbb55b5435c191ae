"""Simulated people with habits: where they live, what they have, when they read, what they answer, in their own words.

Pure: people and everything they do follow from a seed. Numbers whose last digits mean something to the
simulated carriers (0001 to 0005) belong to those who read, whose number is dead, and so on.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from random import Random
from typing import Any, Final

from sandbox.people_words import NAMES, WORDS
from vocabulary.channel import Channel


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where people live: the law's code, the clock, the language and what a mobile number begins with and how long it is."""

    code: str
    zone: str
    locale: str
    prefixes: tuple[str, ...]
    digits: int
    share: int

    @property
    def language(self) -> str:
        """``es``, ``en`` or ``pt``."""
        return self.locale[:2]


#: So many that each of a hundred thousand people has a number of her own, and only such as are given out.
_PREFIXES: Final[Mapping[str, tuple[str, ...]]] = {
    "CO": tuple(f"+57{each}" for each in (300, 301, 302, 304, 305, *range(310, 319), *range(320, 323), 350)),
    "CL": ("+5692", "+5694", "+5695", "+5698"),
    "AR": ("+549112", "+549113", "+549114", "+549115", "+549116", "+549117"),
    "US": tuple(f"+1{each}" for each in (305, 786, 954, 561, 407, 321, 813, 727, 904, 850, 352, 386, 239)),
}
#: ``digits`` are those after the prefix, ``share`` how many of a hundred live there.
PLACES: Final = (
    Place(code="CO", zone="America/Bogota", locale="es-CO", prefixes=_PREFIXES["CO"], digits=7, share=24),
    Place(code="MX", zone="America/Mexico_City", locale="es-MX", prefixes=("+5255", "+5233", "+5281"), digits=8, share=20),
    Place(code="PE", zone="America/Lima", locale="es-PE", prefixes=("+519",), digits=8, share=12),
    Place(code="CL", zone="America/Santiago", locale="es-CL", prefixes=_PREFIXES["CL"], digits=7, share=10),
    Place(code="BR", zone="America/Sao_Paulo", locale="pt-BR", prefixes=("+55119", "+55219"), digits=8, share=14),
    Place(code="AR", zone="America/Argentina/Buenos_Aires", locale="es-AR", prefixes=_PREFIXES["AR"], digits=7, share=8),
    Place(code="ES", zone="Europe/Madrid", locale="es-ES", prefixes=("+346",), digits=8, share=6),
    Place(code="US-FL", zone="America/New_York", locale="en-US", prefixes=_PREFIXES["US"], digits=7, share=6),
)  # fmt: skip

#: What the last digits of a number tell the simulated carriers, and how many of a hundred thousand have it. The rest is delivered.
_FATES: Final = (("0001", 34_000), ("0002", 2_500), ("0003", 1_200), ("0004", 250), ("0005", 800))
#: Among the first few there is one of each, so that the smallest crowd knows every ending.
_FIRST_FATES: Final = {7: "0005", 11: "0002", 17: "0003", 23: "0004"}

#: What people may be like, and how many of a hundred are.
_TEMPERS: Final = (
    ("settles", 30),
    ("promises", 24),
    ("silent", 20),
    ("asks", 10),
    ("stops", 7),
    ("disputes", 4),
    ("struggles", 3),
    ("stranger", 2),
)
#: What each temper answers, by kind of words and weight.
_ANSWERS: Final[Mapping[str, tuple[tuple[str, int], ...]]] = {
    "settles": (("promise", 45), ("paid", 25), ("thanks", 30)),
    "promises": (("promise", 65), ("thanks", 15), ("later", 20)),
    "silent": (("thanks", 70), ("later", 30)),
    "asks": (("human", 35), ("call", 25), ("question", 40)),
    "stops": (("stop", 75), ("stop_sentence", 25)),
    "disputes": (("dispute", 80), ("question", 20)),
    "struggles": (("hardship", 80), ("later", 20)),
    "stranger": (("stranger", 100),),
}
#: How likely each temper answers at all, against what its habits say.
_TALKATIVE: Final = {
    "settles": 1.0, "promises": 1.0, "silent": 0.1, "asks": 1.1, "stops": 0.9, "disputes": 0.9, "struggles": 0.8, "stranger": 1.0,
}  # fmt: skip

CHANNELS: Final = (Channel.SMS, Channel.WHATSAPP, Channel.EMAIL, Channel.VOICE)
#: The parts of the day by which habits go: 00-06, 06-09, 09-12, 12-15, 15-18, 18-21, 21-24.
_PARTS: Final = (0, 6, 9, 12, 15, 18, 21)
_RHYTHMS: Final = {
    "mornings": (0.1, 1.6, 1.3, 0.7, 0.5, 0.6, 0.3),
    "middays": (0.1, 0.5, 0.8, 1.7, 1.0, 0.7, 0.3),
    "evenings": (0.1, 0.4, 0.5, 0.7, 1.1, 1.8, 1.0),
    "always": (0.3, 1.0, 1.0, 1.0, 1.0, 1.0, 0.7),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What a person does with a message. ``likes``: how likely she answers by channel, at an hour that neither suits nor disturbs."""

    temper: str
    likes: Mapping[Channel, float]
    rhythm: tuple[float, ...]
    weekend: float
    delay_minutes: int

    def answers(self, channel: Channel, local: datetime) -> float:
        """How likely she answers what reaches her on a channel at an instant of her own clock."""
        part = max(place for place, hour in enumerate(_PARTS) if hour <= local.hour)
        often = self.likes.get(channel, 0.0) * self.rhythm[part] * (self.weekend if local.weekday() >= 5 else 1.0)
        return min(0.95, often * _TALKATIVE[self.temper])


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """One person. ``states``: the channel that she once said she prefers, if any."""

    id: str
    place: Place
    name: str = field(repr=False)
    number: str = field(repr=False)
    mail: str = field(repr=False)
    channels: tuple[Channel, ...]
    states: Channel | None
    habits: Habits
    amount: int
    seed: str

    def address(self, channel: Channel) -> str:
        """Where she is reached."""
        return self.mail if channel is Channel.EMAIL else self.id if channel is Channel.WEB else self.number

    def contact(self, allowed_at: datetime) -> dict[str, Any]:
        """Her profile as a CRM puts it; she allowed every channel then, by a paper of its own."""
        authorised = {"at": allowed_at.isoformat(), "instrument": "separate"}
        return {
            "id": self.id,
            "name": self.name,
            "role": "debtor",
            "locale": self.place.locale,
            "jurisdictions": [self.place.code],
            "zones": [self.place.zone],
            "addresses": [
                {"channel": each.value, "address": self.address(each), "kind": "personal", "source": "supplied", "authorised": authorised}
                for each in self.channels
            ],
        }  # fmt: skip

    def chance(self, what: str) -> float:
        """A number in [0, 1) that is hers and this occasion's."""
        return int.from_bytes(sha256(f"{self.seed} {what}".encode()).digest()[:8]) / (1 << 64)

    def answer(self, channel: Channel, local: datetime, occasion: str) -> tuple[str, str, timedelta] | None:
        """What she answers, if she does: the kind of it, her words, and after how long."""
        if self.chance(f"answers {occasion}") >= self.habits.answers(channel, local):
            return None
        random = Random(f"{self.seed} {occasion}")
        kinds = _ANSWERS[self.habits.temper]
        kind = random.choices([each for each, _ in kinds], [weight for _, weight in kinds])[0]
        words = random.choice(WORDS[self.place.language][kind]).format(amount=f"{self.amount // 2}")
        return kind, words, timedelta(minutes=random.randint(1, 2 * self.habits.delay_minutes))


def _person(seed: int, place_in_line: int, given: Counter[tuple[str, str]]) -> Simulated:
    """The person at a place of the line. ``given``: how many before her live where she does and have the fate that she has."""
    random = Random(f"{seed} {place_in_line}")
    where = random.choices(PLACES, [each.share for each in PLACES])[0]
    first, last = (random.choice(each) for each in NAMES[where.language])
    identity = f"p{place_in_line:06d}"
    rhythm = random.choices(list(_RHYTHMS), [20, 20, 35, 25])[0]
    favourite = random.choices(CHANNELS, [24, 46, 18, 12])[0]
    owned = tuple(each for each in CHANNELS if each is favourite or random.random() < _OWNED[each])
    if place_in_line in _FIRST_FATES:
        owned = (Channel.SMS,)
    likes = {each: random.uniform(0.35, 0.75) if each is favourite else random.uniform(0.01, 0.12) for each in CHANNELS}
    fate = _fate(place_in_line, random)
    before = given[where.code, fate or ""]
    given[where.code, fate or ""] += 1
    return Simulated(
        id=identity,
        place=where,
        name=f"{first} {last}",
        number=_number(where, fate, before),
        mail=f"{first}.{last}.{place_in_line}@correo.test".lower().translate(_PLAIN).replace(" ", "."),
        channels=tuple(random.sample(owned, len(owned))),
        states=favourite if random.random() < 0.08 else None,
        habits=Habits(
            temper=random.choices([each for each, _ in _TEMPERS], [weight for _, weight in _TEMPERS])[0],
            likes=likes,
            rhythm=_RHYTHMS[rhythm],
            weekend=random.choice((0.5, 1.0, 1.4)),
            delay_minutes=random.choice((5, 20, 60, 180)),
        ),
        amount=random.randrange(40, 900) * (1_000 if where.code in ("CO", "CL", "AR") else 1),
        seed=f"{seed} {place_in_line}",
    )


def people(seed: int, number: int) -> Sequence[Simulated]:
    """The first so many: the same for the same seed, however many come after them."""
    given: Counter[tuple[str, str]] = Counter()
    return [_person(seed, place, given) for place in range(number)]


_OWNED: Final = {Channel.SMS: 0.95, Channel.WHATSAPP: 0.7, Channel.EMAIL: 0.6, Channel.VOICE: 0.25}
_PLAIN: Final = str.maketrans("áéíóúñãçâêôÁÉÍÓÚÑ", "aeiounacaeoaeioun")


def _number(where: Place, fate: str | None, before: int) -> str:
    """A mobile number of hers alone, whose last four digits say what becomes of what is sent to it.

    ``before``: how many have the same fate in the same place, so that no two have the same digits in front.
    """
    # Numbers of the United States begin their exchange with 2 to 9.
    first = 200 if where.code.startswith("US") else 0
    room = 10 ** (where.digits - 4) - first
    middle, prefix = first + before % room, before // room % len(where.prefixes)
    last = f"{1000 + before % 8999}" if fate is None else fate
    return f"{where.prefixes[prefix]}{middle:0{where.digits - 4}d}{last}"


def _fate(place_in_line: int, random: Random) -> str | None:
    """Last digits that mean something; None where what is sent arrives and no more is told."""
    chance = random.randrange(100_000)
    found = None
    for digits, share in _FATES:
        if chance < share:
            found = digits
            break
        chance -= share
    return _FIRST_FATES.get(place_in_line, found)

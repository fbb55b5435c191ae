"""W3: how many cases the law's engine decides a second on one core, each with ten past contacts; no database, no network.

Making the cases is not timed, and every one is decided once a round; what is kept ready (plans, calendars, clocks) is what a
running gateway keeps too, and no answer is kept.
"""

import argparse
import gc
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from statistics import median
from typing import Any, Final

from bench.sizes import SEED
from gateway.deciding.decide import decide
from jurisdictions.library import Library, load
from vocabulary.channel import AddressKind, AddressSource, Channel, Role, SenderRole
from vocabulary.event import Consented, ConsentState, Contacted, ContactOutcome, Event, Instrument
from vocabulary.message import Content, Message, Person, Question, Sender
from vocabulary.verdict import Answer

#: What the project promises: decisions a second on one core.
DECISIONS_PER_SECOND_MIN: Final = 25_000
CASES: Final = 25_000
CONTACTS: Final = 10
ROUNDS: Final = 5
BATCH: Final = 1_000
DAYS: Final = 14
#: How often a past contact was made on the channel that is asked about.
USUAL: Final = 0.85

#: Where people live, as (packs, zones): most of them in the first.
PLACES: Final = (
    (("CO",), ("America/Bogota",)),
    (("CO",), ("America/Bogota",)),
    (("CO",), ("America/Bogota",)),
    (("PE",), ("America/Lima",)),
    (("MX",), ("America/Mexico_City",)),
    (("CL",), ("America/Santiago",)),
    (("BR", "BR-SP"), ("America/Sao_Paulo",)),
    (("US",), ("America/New_York", "America/Chicago")),
)
_BEGIN: Final = datetime(2026, 3, 1, tzinfo=UTC)
_CHANNELS: Final = (Channel.SMS, Channel.WHATSAPP, Channel.VOICE, Channel.EMAIL)
_OUTCOMES: Final = (
    ContactOutcome.DELIVERED,
    ContactOutcome.ATTEMPTED,
    ContactOutcome.NO_ANSWER,
    ContactOutcome.CONVERSATION,
)
_NAMES: Final = ("Ana", "Beatriz", "Carlos", "Daniela", "Esteban")
_TEXT: Final = "Hola {name}, su cuota de julio está lista para pagar. Responda BAJA para no recibir más mensajes."


def cases(number: int = CASES, seed: int = SEED) -> Iterator[Question]:
    """So many different questions, one after the other: always the same ones for a seed."""
    chance = random.Random(seed)
    # A gateway decides in the order of time: two weeks, by day and a little before and after.
    days = [_BEGIN + timedelta(days=day) for day in range(DAYS)]
    instants = sorted(
        chance.choice(days) + timedelta(hours=11, seconds=chance.randrange(13 * 3600)) for _ in range(number)
    )
    return (_case(each, now, chance) for each, now in enumerate(instants))


def _case(number: int, now: datetime, chance: random.Random) -> Question:
    packs, zones = PLACES[number % len(PLACES)]
    person, debt = f"P{number}", f"D{number}"
    channel = chance.choice(_CHANNELS)  # the one that is mostly used with this person
    history: list[Event] = [
        Consented(
            at=now - timedelta(days=300),
            state=ConsentState.GRANTED,
            all=True,
            instrument=Instrument.SEPARATE,
            person=person,
        )
    ]
    # Most contacts are weeks old, some of this week: counts are neither always empty nor always full.
    ages = sorted((chance.uniform(0.1, 60.0) for _ in range(CONTACTS)), reverse=True)
    history += [
        Contacted(
            at=now - timedelta(days=age),
            channel=channel if chance.random() < USUAL else chance.choice(_CHANNELS),
            outcome=chance.choice(_OUTCOMES),
            debts=(debt,),
            address=f"N{number}",
            address_kind=AddressKind.PERSONAL,
            creditor="C1",
            collector="A1",
            person=person,
            role=Role.DEBTOR,
        )
        for age in ages
    ]
    return Question(
        message=Message(
            channel=channel,
            debts=(debt,),
            address=f"N{number}",
            address_kind=AddressKind.PERSONAL,
            address_source=AddressSource.SUPPLIED,
            content=Content(text=_TEXT.format(name=f"{chance.choice(_NAMES)} {number}")),
        ),
        sender=Sender(role=SenderRole.THIRD_PARTY, creditor="C1", collector="A1"),
        person=Person(person=person, role=Role.DEBTOR, zones=zones),
        debts={},
        history=tuple(history),
        now=now,
        packs=dict.fromkeys(packs, "jurisdictions given"),
        readings={},
    )


def measure(number: int = CASES, rounds: int = ROUNDS) -> dict[str, Any]:
    """Decide every case once a round. ``decisions_per_second`` is the median over rounds, by this process's own CPU time.

    Cases are made a thousand at a time and decided at once, as a gateway decides what it has just read: made all beforehand,
    they would be fetched from memory again one by one, and that would be measured too.
    """
    law = load()
    _decided(law, cases(max(number // 10, 1), SEED + 1))  # plans and calendars, as after a gateway's first minute
    by_cpu: list[float] = []
    by_wall: list[float] = []
    answers: Counter[Answer] = Counter()
    gc.collect()
    gc.freeze()
    try:
        for _ in range(rounds):
            wall = cpu = 0.0
            answers = Counter()
            making = cases(number)
            while batch := list(islice(making, BATCH)):
                wall_before, cpu_before = time.perf_counter(), time.process_time()
                answers += _decided(law, batch)
                cpu += time.process_time() - cpu_before
                wall += time.perf_counter() - wall_before
            by_cpu.append(number / cpu)
            by_wall.append(number / wall)
    finally:
        gc.unfreeze()
    return {
        "name": "W3",
        "cases": number,
        "contacts": CONTACTS,
        "rounds": rounds,
        "decisions_per_second": round(median(by_cpu)),
        "decisions_per_second_lowest": round(min(by_cpu)),
        "decisions_per_second_highest": round(max(by_cpu)),
        "decisions_per_second_by_the_wall": round(median(by_wall)),
        "answers": {answer.value: answers[answer] for answer in Answer},
        "holds": median(by_cpu) >= DECISIONS_PER_SECOND_MIN,
    }


def section(found: dict[str, Any]) -> str:
    """The figures as a part of ``results.md``."""
    names = ("decisions_per_second", "decisions_per_second_lowest", "decisions_per_second_highest")
    figures = " | ".join(f"{found[name]:,}" for name in names)
    answers = ", ".join(f"{count:,} {answer}" for answer, count in found["answers"].items())
    return (
        "\n## W3: the engine alone, on one core\n\n"
        "| workload | decisions/s | lowest round | highest round | answers |\n"
        "| --- | ---: | ---: | ---: | --- |\n"
        f"| W3 | {figures} | {answers} |\n\n"
        f"{found['cases']:,} different cases a round, {CONTACTS} past contacts each; {found['rounds']} rounds, by CPU time. "
        f"Wanted: {DECISIONS_PER_SECOND_MIN:,}.\n"
    )


def _decided(law: Library, asked: Iterable[Question]) -> Counter[Answer]:
    return Counter([decide(question, law).answer for question in asked])


def main() -> int:
    """0: as many as promised. 1: fewer."""
    parser = argparse.ArgumentParser(prog="python -m bench.engine", description=__doc__)
    parser.add_argument("--cases", type=int, default=CASES, help=f"how many different cases (default {CASES:,})")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often each is decided (default {ROUNDS})")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    given = parser.parse_args()
    found = measure(given.cases, given.rounds)
    if given.json:
        print(json.dumps(found))
    else:
        print(
            f"W3: {found['decisions_per_second']:,} decisions/s on one core "
            f"({found['decisions_per_second_lowest']:,} to {found['decisions_per_second_highest']:,} in {found['rounds']} rounds; "
            f"{found['decisions_per_second_by_the_wall']:,} by the wall), {found['cases']:,} cases of {CONTACTS} past contacts; "
            + ", ".join(f"{count:,} {answer}" for answer, count in found["answers"].items())
        )
    return 0 if found["holds"] else 1


if __name__ == "__main__":
    sys.exit(main())

"""The rules of every house, from files of their own in the packs' format: they tighten, and no policy sets them aside."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

from jurisdictions.compile import PackError, Rule
from jurisdictions.library import read
from vocabulary.event import Consented, ConsentState, Event, Inconvenient, NotAssociated, StatusKind, StatusSet
from vocabulary.verdict import Force

#: The pack that house rules are said to stand in.
HOUSE: Final = "HOUSE"
#: The register of those who had themselves erased, and how a house's own lists are called.
ERASED: Final = "tregua:erased"
HOUSE_LIST: Final = "house:"

_OWN: Final = Path(__file__).parent / "own"


@cache
def always() -> tuple[Rule, ...]:
    """Those that are asked of every message."""
    return house_rules(_OWN / "always.toml")


@cache
def her_word() -> tuple[Rule, ...]:
    """Those that keep what a person asked for: asked where the law by itself does not deny, of whom ``asked_for`` is true."""
    return house_rules(_OWN / "her-word.toml")


def house_rules(file: Path) -> tuple[Rule, ...]:
    """The rules of a file of the house's own. Raises ``PackError``."""
    pack = read(HOUSE, file.read_bytes(), label=HOUSE)
    if pack.table.kind != "house" or not pack.binds:
        raise PackError(file.name, "kind", "a file of the house's own says so, and is in force")
    for rule in pack.rules:
        if rule.table.force is not Force.HOUSE:
            raise PackError(file.name, rule.where, "the force of a house rule is house")
    return pack.rules


def asked_for(history: Iterable[Event]) -> bool:
    """Whether anything happened that a rule of ``her_word`` could keep."""
    return any(_asks(event) for event in history if type(event) in _WORDS)


def _asks(event: Event) -> bool:
    match event:
        case Consented():
            return event.state is ConsentState.WITHDRAWN
        case StatusSet():
            return event.status is StatusKind.WRONG_PARTY
        case _:
            return True


_WORDS: Final = frozenset({Consented, StatusSet, Inconvenient, NotAssociated})

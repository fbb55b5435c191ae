"""``[portfolios]``: which ways share a business account whose platform counts the people it writes to first."""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.page.settings import Unfit

NAME_CHARACTERS_MAX: Final = 64
PEOPLE_MAX: Final = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """To how many people a portfolio may write first in its platform's period."""

    portfolio: str
    people_max: int


def portfolio_settings(table: object, ways: Container[str]) -> dict[str, Tier]:
    """The tier of each way that has one. ``ways``: those that there are. Raises Unfit."""
    if not isinstance(table, Mapping):
        raise Unfit("[portfolios] must be a table of portfolios")
    found: dict[str, Tier] = {}
    for name, each in table.items():
        if not 0 < len(name) <= NAME_CHARACTERS_MAX or not name.replace("-", "").isalnum() or not name.isascii():
            raise Unfit(f"[portfolios] {name[:NAME_CHARACTERS_MAX]}: a name is letters, digits and hyphens")
        if not isinstance(each, Mapping) or set(each) != {"people_max", "ways"}:
            raise Unfit(f'[portfolios] {name} must look like {{ people_max = 2000, ways = ["whatsapp-main"] }}')
        people_max, named = each["people_max"], each["ways"]
        if isinstance(people_max, bool) or not isinstance(people_max, int) or not 1 <= people_max <= PEOPLE_MAX:
            raise Unfit(f"[portfolios] {name}: people_max must be a whole number from 1 to {PEOPLE_MAX}")
        if not isinstance(named, list) or not named or not all(isinstance(way, str) for way in named):
            raise Unfit(f"[portfolios] {name}: ways must be a list of names of providers")
        for way in named:
            if way not in ways:
                raise Unfit(f"[portfolios] {name} names {way}, and there is no [providers.{way}]")
            if way in found:
                raise Unfit(f"[portfolios] {way} stands in two portfolios, or twice in one")
            found[way] = Tier(portfolio=name, people_max=people_max)
    return found

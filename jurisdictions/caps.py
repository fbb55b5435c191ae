"""How much a house lets itself spend: caps in one currency, per house, campaign, debt or person, by day, by month or for good."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Annotated, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

CAPS_MAX: Final = 20
#: More is a slip of the keys, and less than a millionth is not kept.
AMOUNT_MAX: Final = Decimal(1_000_000_000)
PLACES_MAX: Final = 6


class Per(StrEnum):
    """Whose spending is counted together."""

    TENANT = "tenant"
    CAMPAIGN = "campaign"
    DEBT = "debt"
    CONTACT = "contact"


class Period(StrEnum):
    """When counting begins anew."""

    DAY = "day"
    MONTH = "month"
    TOTAL = "total"


class Over(StrEnum):
    """What becomes of a message that would go over."""

    DEFER = "defer"
    BLOCK = "block"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """No more than ``amount`` in ``currency`` is spent. ``of``: on this campaign only. Days and months are those of ``zone``."""

    per: Per
    period: Period
    amount: Decimal
    currency: str
    over: Over
    of: str | None
    zone: str

    def begun(self, now: datetime) -> str:
        """The name of the period that ``now`` stands in."""
        here = now.astimezone(ZoneInfo(self.zone))
        match self.period:
            case Period.DAY:
                return here.strftime("%Y-%m-%d")
            case Period.MONTH:
                return here.strftime("%Y-%m")
            case Period.TOTAL:
                return ""

    def renewed(self, now: datetime) -> datetime | None:
        """When the next period begins (UTC); None: never."""
        zone = ZoneInfo(self.zone)
        today = now.astimezone(zone).date()
        match self.period:
            case Period.DAY:
                first = today + timedelta(days=1)
            case Period.MONTH:
                first = (today.replace(day=1) + timedelta(days=32)).replace(day=1)
            case Period.TOTAL:
                return None
        return datetime.combine(first, time(), zone).astimezone(UTC)

    @property
    def said(self) -> str:
        """The cap in words."""
        whose = {Per.TENANT: "", Per.CAMPAIGN: " for a campaign", Per.DEBT: " for a debt", Per.CONTACT: " for a person"}
        when = {Period.DAY: " a day", Period.MONTH: " a month", Period.TOTAL: ""}
        return f"at most {self.amount} {self.currency}{when[self.period]}{whose[self.per]}"


class CapAsk(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A cap as a policy writes it."""

    per: Per = Per.TENANT
    period: Period = Period.TOTAL
    amount: Annotated[str, msgspec.Meta(min_length=1, max_length=20, description="A decimal number, as in `25.00`.")]
    currency: Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{3}(?![\s\S])", description="ISO 4217.")]
    over: Over = Over.DEFER
    of: (
        Annotated[str, msgspec.Meta(min_length=1, max_length=500, description="The one campaign it is about.")] | None
    ) = None
    zone: Annotated[str, msgspec.Meta(max_length=64, description="Whose days and months, as in `America/Bogota`.")] = (
        "UTC"
    )


def caps_of(given: Sequence[CapAsk]) -> tuple[tuple[Cap, ...], list[tuple[str, str]]]:
    """The caps, and what is wrong with them: a JSON Pointer into the list, and why."""
    flaws: list[tuple[str, str]] = []
    if len(given) > CAPS_MAX:
        return (), [("", f"more than {CAPS_MAX} caps")]
    caps: list[Cap] = []
    for number, ask in enumerate(given):
        amount = _amount(ask.amount)
        if amount is None:
            flaws.append(
                (f"/{number}/amount", f"is a decimal number from 0 to {AMOUNT_MAX}, with up to {PLACES_MAX} places")
            )
            continue
        if not _is_zone(ask.zone):
            flaws.append((f"/{number}/zone", "there is no such time zone"))
            continue
        if ask.of is not None and ask.per is not Per.CAMPAIGN:
            flaws.append((f"/{number}/of", "goes with caps per campaign"))
            continue
        caps.append(
            Cap(
                per=ask.per,
                period=ask.period,
                amount=amount,
                currency=ask.currency,
                over=ask.over,
                of=ask.of,
                zone=ask.zone,
            )
        )
    return tuple(caps), flaws


def _amount(text: str) -> Decimal | None:
    if not (text.isascii() and text.replace(".", "", 1).isdigit()):
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return None
    places = -int(amount.as_tuple().exponent)
    return amount if amount <= AMOUNT_MAX and places <= PLACES_MAX else None


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return bool(name)

"""Which packs bind and which clocks count: from what was given and what the facts say, each with the fact that chose it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Final

import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberType
from phonenumbers import timezone as phone_zones
from phonenumbers.tzdata import TIMEZONE_DATA

from vocabulary.channel import Channel

#: Why a jurisdiction binds that the CRM named.
GIVEN: Final = "jurisdictions given"

#: Countries (ISO 3166) whose pack is called otherwise.
PACK_OF: Final[Mapping[str, str]] = {"GB": "UK"}

#: Places for which there is a pack of law in force; a fact that points elsewhere adds none.
PLACES: Final = frozenset(
    {
        "AR",
        "AU",
        "BR",
        "BR-AL",
        "BR-ES",
        "BR-RJ",
        "BR-SP",
        "CA",
        "CA-AB",
        "CA-BC",
        "CA-ON",
        "CA-QC",
        "CL",
        "CO",
        "DO",
        "EC",
        "ES",
        "GT",
        "IN",
        "IT",
        "MX",
        "PE",
        "PH",
        "UK",
        "US",
        "US-DC",
        "US-FL",
        "US-MA",
        "US-NYC",
        "US-WA",
        "US-WV",
        "ZA",
    }
)

#: Numbers that belong to no place: where they are called from says nothing about where she is.
_PLACELESS: Final = frozenset(
    {
        PhoneNumberType.TOLL_FREE,
        PhoneNumberType.PREMIUM_RATE,
        PhoneNumberType.SHARED_COST,
        PhoneNumberType.VOIP,
        PhoneNumberType.PERSONAL_NUMBER,
        PhoneNumberType.PAGER,
        PhoneNumberType.UAN,
        PhoneNumberType.VOICEMAIL,
        PhoneNumberType.UNKNOWN,
    }
)
_UNKNOWN_ZONE: Final = "Etc/Unknown"


def packs_for(
    *,
    given: Iterable[str],
    countries: Iterable[str] = (),
    residence: str | None = None,
    seat: str | None = None,
    known: frozenset[str] = PLACES,
) -> dict[str, str]:
    """The packs that bind, each with the fact that selected it; the strictest of them wins.

    ``given``: codes that the CRM named; they always bind, known here or not. ``countries``: of the numbers used (ISO 3166).
    ``residence``: where she lives (``US-MA``). ``seat``: the creditor's country. ``known``: places with a pack.
    """
    packs = dict.fromkeys(given, GIVEN)
    if residence is not None:
        _add(packs, residence, f"she lives in {residence}", known)
    for country in countries:
        _add(packs, country, f"the number is of {country}", known)
    if seat is not None:
        _add(packs, seat, f"the creditor's seat is in {seat}", known)
    # What binds in a part of a country binds beside the law of the whole.
    for code in list(packs):
        whole, _, part = code.partition("-")
        if part and whole in known:
            packs.setdefault(whole, f"{code} is a part of {whole}")
    return packs


def _add(packs: dict[str, str], place: str, because: str, known: frozenset[str]) -> None:
    country, _, part = place.partition("-")
    code = PACK_OF.get(country, country)
    if code in known:
        packs.setdefault(code, because)
    if part and f"{code}-{part}" in known:
        packs.setdefault(f"{code}-{part}", because)


def zones_for(*, given: Sequence[str], number: str | None = None, stated: Sequence[str] = ()) -> tuple[str, ...]:
    """Every zone she may be in, each once: those given and those of the number (E.164). All of them must be open.

    ``stated``: zones that she named herself, which replace the others. A number without geography adds none.
    """
    if stated:
        return tuple(dict.fromkeys(stated))
    zones = _each_once(tuple(given))
    if number is not None and not _within(number, zones):
        return _each_once((*zones, *_zones_of(number)))
    return zones


@lru_cache(maxsize=1024)
def _each_once(zones: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(zones))


def _within(number: str, zones: tuple[str, ...]) -> bool:
    """Whether a number can add nothing, wherever in its country it is: most countries have one zone, which is given."""
    try:
        return _covered(country_code_of(number), zones)
    except phonenumbers.NumberParseException:
        return True


@lru_cache(maxsize=1024)
def _covered(code: int, zones: tuple[str, ...]) -> bool:
    return frozenset(zones) >= _zones_of_country(code)


@cache
def _zones_of_country(code: int) -> frozenset[str]:
    """Every zone that some number under a country's code is in."""
    digits = str(code)
    return frozenset(
        name
        for prefix, names in TIMEZONE_DATA.items()
        if prefix.startswith(digits) or digits.startswith(prefix)
        for name in names
    )


_COUNTRY_CODES: Final = frozenset(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)


@cache
def _dialled_within(code: int) -> re.Pattern[str]:
    """How numbers begin in one country when they are dialled there; a pattern that nothing matches where there is no such way."""
    (region, *_) = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[code]
    known = phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code(code, region)
    prefix = known.national_prefix_for_parsing if known is not None else None
    return re.compile(f"(?:{prefix})" if prefix else r"(?!)")


@lru_cache(maxsize=4096)  # one message asks several times, and reading a number costs more than deciding
def number_of(number: str) -> PhoneNumber:
    """A number in E.164, read. Canonical ones, as kept, are cut by hand: the reader's patterns cost twenty times as much.

    Raises NumberParseException.
    """
    cut = _cut(number)
    if cut is None:
        return phonenumbers.parse(number)
    code, length = cut
    return PhoneNumber(country_code=code, national_number=int(number[length + 1 :]))


def country_code_of(number: str) -> int:
    """The country code of a number in E.164 (``57``). Raises NumberParseException."""
    cut = _cut(number)
    if cut is not None:
        return cut[0]
    code = number_of(number).country_code
    assert code is not None, "a number that was read has one"
    return code


@lru_cache(maxsize=4096)
def _cut(number: str) -> tuple[int, int] | None:
    """The country code and how many digits it has; None for what the reader must look at."""
    digits = number[1:]
    if number.startswith("+") and digits.isascii() and digits.isdecimal() and 7 <= len(digits) <= 15:
        for length in (1, 2, 3):
            code = int(digits[:length])
            # What begins with a zero, or as numbers do that are dialled within the country, is left to the reader.
            if code in _COUNTRY_CODES and digits[length] != "0" and not _dialled_within(code).match(digits, length):
                return code, length
    return None


@lru_cache(maxsize=4096)
def _zones_of(number: str) -> tuple[str, ...]:
    try:
        parsed = number_of(number)
    except phonenumbers.NumberParseException:
        return ()
    if phonenumbers.number_type(parsed) in _PLACELESS:
        return ()
    return tuple(name for name in phone_zones.time_zones_for_number(parsed) if name != _UNKNOWN_ZONE)


#: Twilio's own rule about collection binds messages to these countries.
_TWILIO_BANS_IN: Final = frozenset({"US", "CA"})


def platforms_for(*, channel: Channel, way: str | None, countries: Iterable[str] = ()) -> dict[str, str]:
    """The platform packs that bind by the way a message would take. ``way``: the kind of that way (``twilio``), None unknown."""
    packs: dict[str, str] = {}
    if channel is Channel.WHATSAPP:
        packs["WHATSAPP"] = "the message would go by WhatsApp"
    if channel is Channel.TELEGRAM:
        packs["TELEGRAM"] = "the message would go by Telegram"
    banned = sorted(_TWILIO_BANS_IN.intersection(countries))
    if way == "twilio" and channel is Channel.SMS and banned:
        packs["TWILIO"] = f"the message would go by Twilio to a number of {banned[0]}"
    return packs

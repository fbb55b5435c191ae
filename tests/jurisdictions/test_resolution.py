"""Which packs and zones count, and why."""

import random

import phonenumbers
import pytest
from phonenumbers import timezone as phone_zones

from jurisdictions.resolution import GIVEN, number_of, packs_for, zones_for

KNOWN = frozenset({"CO", "US", "US-MA", "UK"})


def test_given_codes_always_bind_even_unknown_ones():
    assert packs_for(given=["CO", "XX"], known=KNOWN) == {"CO": GIVEN, "XX": GIVEN}


def test_what_was_given_keeps_its_reason():
    assert packs_for(given=["CO"], countries=["CO"], known=KNOWN) == {"CO": GIVEN}


def test_facts_add_packs_with_the_fact():
    assert packs_for(given=[], countries=["US", "GB"], residence="CO", seat="US", known=KNOWN) == {
        "CO": "she lives in CO",
        "US": "the number is of US",
        "UK": "the number is of GB",
    }


def test_a_part_binds_beside_the_whole():
    assert packs_for(given=["US-MA"], known=KNOWN) == {"US-MA": GIVEN, "US": "US-MA is a part of US"}
    assert packs_for(given=[], residence="US-MA", known=KNOWN) == {
        "US": "she lives in US-MA",
        "US-MA": "she lives in US-MA",
    }


def test_a_fact_that_points_where_no_pack_is_adds_none():
    assert packs_for(given=["CO"], countries=["FR"], residence="US-TX", known=KNOWN) == {
        "CO": GIVEN,
        "US": "she lives in US-TX",
    }
    assert packs_for(given=[], known=KNOWN) == {}


@pytest.mark.parametrize(
    ("number", "zones"),
    [
        ("+573001234567", ("America/Bogota",)),
        ("+12125550123", ("America/New_York",)),
        ("+18005550123", ()),
        ("+18885551234", ()),
        ("+5511987654321", ("America/Sao_Paulo",)),
        ("not a number", ()),
    ],
)
def test_zones_of_numbers(number: str, zones: tuple[str, ...]):
    assert zones_for(given=(), number=number) == zones


def test_given_zones_and_those_of_the_number_all_count_once():
    assert zones_for(given=["America/Los_Angeles", "America/New_York"], number="+12125550123") == (
        "America/Los_Angeles",
        "America/New_York",
    )
    assert zones_for(given=["America/Los_Angeles"], number="+12125550123") == (
        "America/Los_Angeles",
        "America/New_York",
    )


def test_what_she_said_herself_replaces_the_rest():
    assert zones_for(given=["America/Bogota"], number="+12125550123", stated=["Europe/Madrid"]) == ("Europe/Madrid",)


def test_numbers_are_read_by_hand_as_the_reader_reads_them() -> None:
    """Every country's examples, and numbers that keep what is dialled within a country: no shortcut reads another number."""
    chance = random.Random(7)
    codes = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)
    tried = [
        phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
        for region in phonenumbers.SUPPORTED_REGIONS
        for kind in range(11)
        if (example := phonenumbers.example_number_for_type(region, kind)) is not None
    ]
    tried += [f"+{chance.choice(codes)}{chance.randrange(10 ** chance.randrange(5, 12))}" for _ in range(5_000)]
    for number in tried:
        try:
            expected = phonenumbers.parse(number)
        except phonenumbers.NumberParseException:
            with pytest.raises(phonenumbers.NumberParseException):
                number_of(number)
            continue
        assert number_of(number) == expected, number


def test_a_number_is_left_aside_only_where_its_country_can_add_no_zone() -> None:
    """Examples of every country beside all zones of the country, one of them, and a foreign one."""
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in (0, 1, 3, 6):  # fixed, mobile, toll-free, voice over the net
            example = phonenumbers.example_number_for_type(region, kind)
            if example is None:
                continue
            number = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
            own = zones_for(given=[], number=number)
            whole = phonenumbers.PhoneNumber(country_code=example.country_code, national_number=0)
            everywhere = phone_zones.time_zones_for_geographical_number(whole)
            for given in (everywhere, everywhere[:1], ["Africa/Lagos"]):
                assert zones_for(given=given, number=number) == tuple(dict.fromkeys([*given, *own])), number

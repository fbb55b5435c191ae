"""Pools of senders: one of her own country, always the same, whoever else comes or goes; and what ``Retry-After`` may say."""

from collections import Counter

import pytest

from adapters.kit.retry import RETRY_AFTER_SECONDS_MAX, retry_after
from adapters.kit.senders import sender_for

COLOMBIA = ["+573150000001", "+573150000002", "+573150000003"]
POOL = [*COLOMBIA, "+12025550100", "+5511900000000", "TREGUA"]
PEOPLE = [f"+57300{number:07d}" for number in range(3000)]


@pytest.mark.parametrize(
    ("to", "among"),
    [
        ("+573001234567", set(COLOMBIA)),
        ("+13055550123", {"+12025550100"}),
        ("+14165550123", {"+12025550100"}),
        ("+5521998765432", {"+5511900000000"}),
        ("+34600000000", set(POOL)),
        ("not a number", set(POOL)),
    ],
)
def test_a_person_is_written_to_from_her_own_country_where_we_have_a_number_there(to: str, among: set[str]) -> None:
    assert sender_for(POOL, to) in among


def test_always_from_the_same_and_people_are_spread_evenly() -> None:
    first = {to: sender_for(POOL, to) for to in PEOPLE}
    assert first == {to: sender_for(list(reversed(POOL)), to) for to in PEOPLE}
    shares = Counter(first.values())
    assert set(shares) == set(COLOMBIA)
    assert min(shares.values()) > 0.9 * len(PEOPLE) / 3


def test_a_sender_that_comes_or_goes_moves_only_whom_it_must() -> None:
    before = {to: sender_for(COLOMBIA, to) for to in PEOPLE}
    without = {to: sender_for(COLOMBIA[:2], to) for to in PEOPLE}
    assert all(without[to] == before[to] for to in PEOPLE if before[to] != COLOMBIA[2])
    more = {to: sender_for([*COLOMBIA, "+573150000004"], to) for to in PEOPLE}
    assert all(more[to] == before[to] for to in PEOPLE if more[to] != "+573150000004")
    assert Counter(more.values())["+573150000004"] == pytest.approx(len(PEOPLE) / 4, rel=0.15)


DATE = "Tue, 24 Nov 2026 15:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": " 0 "}, 0.0),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "٣"}, None),
        ({"Retry-After": "1.5"}, None),
        ({"Retry-After": "99999999999999999999"}, RETRY_AFTER_SECONDS_MAX),
        ({"Retry-After": "Tue, 24 Nov 2026 15:00:30 GMT", "Date": DATE}, 30.0),
        ({"Retry-After": "Tue, 24 Nov 2026 14:00:30 GMT", "Date": DATE}, 0.0),
        ({"Retry-After": "Tue, 24 Nov 2026 15:00:30 GMT"}, None),
        ({"Retry-After": "soon", "Date": DATE}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds

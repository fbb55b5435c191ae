"""When a way is used, left alone and tried again: every claim as endings in, use out."""

import pytest

from throttling.circuit import (
    OPEN_SECONDS,
    OPEN_SECONDS_MAX,
    PROBE_SECONDS,
    RECENT_MAX,
    REFUSED_SECONDS,
    REFUSED_SECONDS_MAX,
    Circuit,
    Ending,
    Told,
    Use,
)

NOW = 1_000_000.0


def after(circuit: Circuit, ending: Ending, times: int, now: float = NOW) -> Circuit:
    for _ in range(times):
        circuit = circuit.after(ending, now)
    return circuit


@pytest.mark.parametrize(
    ("good", "bad", "use"),
    [
        (0, 0, Use.CLOSED),
        (0, 4, Use.CLOSED),
        (0, 5, Use.OPEN),
        (5, 5, Use.OPEN),
        (6, 5, Use.CLOSED),
        (100, 20, Use.CLOSED),
    ],
)
def test_it_opens_when_enough_and_half_of_all_are_bad(good: int, bad: int, use: Use) -> None:
    assert after(after(Circuit(), Ending.GOOD, good), Ending.BAD, bad).use(NOW) is use


def test_old_endings_are_forgotten() -> None:
    found = after(Circuit(), Ending.BAD, 4)
    assert found.after(Ending.BAD, NOW + 60).use(NOW + 60) is Use.CLOSED
    many_good = after(Circuit(), Ending.GOOD, 1000)
    assert after(many_good, Ending.BAD, 5, NOW + 300).use(NOW + 300) is Use.OPEN


def test_open_it_waits_then_one_probe_at_a_time_decides() -> None:
    found = after(Circuit(), Ending.BAD, 5)
    assert found.wait_seconds(NOW) == OPEN_SECONDS
    later = NOW + OPEN_SECONDS
    assert found.use(later) is Use.PROBING
    assert found.wait_seconds(later) == 0
    probing = found.probe(later)
    assert probing.wait_seconds(later) == PROBE_SECONDS
    assert probing.unprobed().wait_seconds(later) == 0
    assert probing.wait_seconds(later + PROBE_SECONDS) == 0, "a probe that nobody tells of is given up"
    assert probing.after(Ending.GOOD, later).use(later) is Use.CLOSED
    again = probing.after(Ending.BAD, later)
    assert again.use(later) is Use.OPEN
    assert again.wait_seconds(later) == 2 * OPEN_SECONDS


def test_it_waits_longer_each_time_and_never_for_ever() -> None:
    found, now = after(Circuit(), Ending.BAD, 5), NOW
    waits = []
    for _ in range(10):
        waits.append(found.wait_seconds(now))
        now += waits[-1]
        found = found.after(Ending.BAD, now)
    assert waits == sorted(waits)
    assert waits[-1] == OPEN_SECONDS_MAX
    found = found.after(Ending.GOOD, now + OPEN_SECONDS_MAX)
    assert after(found, Ending.BAD, 5, now + OPEN_SECONDS_MAX).wait_seconds(now + OPEN_SECONDS_MAX) == OPEN_SECONDS


def test_what_was_in_the_air_when_it_opened_lengthens_nothing() -> None:
    found = after(Circuit(), Ending.BAD, 5)
    assert after(found, Ending.BAD, 50).wait_seconds(NOW) == OPEN_SECONDS
    assert found.after(Ending.GOOD, NOW + 1).use(NOW + 1) is Use.OPEN


def test_a_pause_that_the_provider_asks_for_is_kept_and_is_no_trouble() -> None:
    found = Circuit().after(Ending.PACED, NOW, seconds=7)
    assert (found.use(NOW), found.wait_seconds(NOW)) == (Use.RESTING, 7)
    assert found.after(Ending.PACED, NOW, seconds=1).wait_seconds(NOW) == 7, "the longer one stands"
    assert found.use(NOW + 7) is Use.CLOSED


def test_a_provider_that_refuses_us_is_left_alone_from_the_first_time_on() -> None:
    found, now, waits = Circuit(), NOW, []
    for _ in range(9):
        found = found.after(Ending.REFUSED, now)
        waits.append(found.wait_seconds(now))
        now += waits[-1]
    assert waits[:3] == [REFUSED_SECONDS, 2 * REFUSED_SECONDS, 4 * REFUSED_SECONDS]
    assert waits[-1] == REFUSED_SECONDS_MAX


def test_only_the_last_endings_are_kept() -> None:
    found = Circuit()
    for number in range(100):
        found = found.after(Ending.GOOD, NOW, told=Told(at=NOW + number, ending="sent"))
    assert len(found.recent) == RECENT_MAX
    assert found.recent[-1].at == NOW + 99

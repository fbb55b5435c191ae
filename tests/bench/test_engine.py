"""W3 measures what it says: different cases, the same for a seed, each with its contacts, answered in every way."""

from bench import against, engine
from bench.processes import CHECKOUT
from tests.conftest import settle
from vocabulary.event import Contacted


def test_cases_are_the_same_for_a_seed_and_no_two_alike() -> None:
    first, again, other = list(engine.cases(64)), list(engine.cases(64)), list(engine.cases(64, seed=7))
    assert first == again != other
    assert len({question.message.address for question in first}) == 64
    for question in first:
        contacts = [event for event in question.history if isinstance(event, Contacted)]
        assert len(contacts) == engine.CONTACTS
        assert all(event.at < question.now for event in question.history)


def test_every_case_is_decided_and_some_are_held_back() -> None:
    found = engine.measure(number=1_500, rounds=2)
    settle()  # it gave back what stood, for the collector to walk through
    assert sum(found["answers"].values()) == found["cases"] == 1_500
    assert 0 < found["answers"]["defer"] < found["answers"]["allow"]
    assert 0 < found["decisions_per_second_lowest"] <= found["decisions_per_second"]
    assert found["holds"] is (found["decisions_per_second"] >= engine.DECISIONS_PER_SECOND_MIN)


def test_a_checkout_is_about_as_fast_as_itself() -> None:
    """Alternating batches say so even where the machine is not quiet."""
    here, again = against.least([CHECKOUT, CHECKOUT], rounds=3)
    assert 0.5 < here / again < 2

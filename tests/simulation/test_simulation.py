"""Nothing sent twice, nothing lost, nobody written to against the law or her word, through everything that can go wrong at once."""

import os
from collections.abc import Iterator

import pytest

from storage.migrate import migrate
from tests.conftest import NewDatabase
from tests.simulation.checker import check
from tests.simulation.mutants import MUTANTS, Mutant, applied
from tests.simulation.report import Tally, mutants_table, runs_table
from tests.simulation.stage import Ran, Stage
from tests.simulation.town import WORLDS
from tests.sizes import LONG, SIMULATED_MUTANTS, SIMULATED_RUNS

#: One world again, by its number: ``SEED=4711 make test ARGS="-k simulation"``.
ONLY = os.environ.get("SEED")
#: Runs in which a mutant must be caught, those with most going wrong first.
#: No test of this file waits for anybody but itself: on a busy machine it is slow, and that is all.
pytestmark = pytest.mark.timeout(1800)

MUTANT_RUNS = (14, 4, 13, 15, 20, 11, 23, 9, 5, 7, 3, 12, 18, 28, 1, 6, 8, 16, 17, 22)


@pytest.fixture(scope="module")
async def simulated_url(new_database: NewDatabase) -> str:
    url = await new_database()
    await migrate(url)
    return url


@pytest.fixture(scope="module")
def stage(simulated_url: str) -> Iterator[Stage]:
    """The loop of runs stands beside the tests' own: these tests are no coroutines."""
    made = Stage(simulated_url)
    yield made
    made.close()


def violations(ran: Ran) -> list[str]:
    return [f"{violation}  (SEED={violation.world})" for world, told in ran.worlds for violation in check(world, told)]


@pytest.mark.campaign
def test_simulation_keeps_every_promise(stage: Stage, request: pytest.FixtureRequest) -> None:
    runs = [int(ONLY) // WORLDS] if ONLY else range(1, SIMULATED_RUNS + 1)
    tally = Tally()
    for seed in runs:
        ran = stage.run(seed)
        found = violations(ran)
        tally.add(ran, len(found))
        assert not found, f"run {seed} ({ran.kind}):\n" + "\n".join(found)
    assert ONLY or tally.taken > 2 * len(runs), "hardly anything was sent: nothing was shown"
    if LONG and not ONLY:
        runs_table(request.config.rootpath, tally)


def test_the_same_seed_is_the_same_history(stage: Stage) -> None:
    """Else no failure could be looked at again."""
    first, second = stage.run(4), stage.run(4)
    for (world, told), (again, told_again) in zip(first.worlds, second.worlds, strict=True):
        assert world == again
        assert [row.header for row in told.rows] == [row.header for row in told_again.rows]
    assert first.fired == second.fired


def caught(stage: Stage, mutant: Mutant) -> tuple[int, list[str]] | None:
    """After how many worlds, and by which invariants."""
    with applied(mutant):
        for count, seed in enumerate(MUTANT_RUNS, 1):
            ran = stage.run(seed)
            found = {violation.invariant for world, told in ran.worlds for violation in check(world, told)}
            if found:
                return count * WORLDS, sorted(found)
    return None


@pytest.mark.campaign
def test_every_mutant_is_caught(stage: Stage, request: pytest.FixtureRequest) -> None:
    """A few of them every day; all of them, and their table, in the campaign."""
    lives: list[str] = []
    rows: list[tuple[str, int, list[str]]] = []
    for mutant in MUTANTS if LONG else MUTANTS[:SIMULATED_MUTANTS]:
        found = caught(stage, mutant)
        if found is None:
            lives.append(mutant.name)
        else:
            rows.append((mutant.name, *found))
    if LONG:
        mutants_table(request.config.rootpath, rows, lives)
    assert not lives


def test_every_mutant_still_fits_the_source() -> None:
    for mutant in MUTANTS:
        with applied(mutant):
            pass

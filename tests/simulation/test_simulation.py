"""Nothing sent twice, nothing lost, nobody written to against the law or her word, through everything that can go wrong at once."""

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.migrate import migrate
from tests.conftest import NewDatabase, settle
from tests.simulation.checker import check
from tests.simulation.mutants import MUTANTS, Mutant, applied
from tests.simulation.report import Tally, kept, kept_mutants, mutants_table, runs_table
from tests.simulation.stage import Ran, Stage
from tests.simulation.town import WORLDS
from tests.sizes import LONG, PART, SHARE, SIMULATED_MUTANTS, SIMULATED_RUNS, hangs_after

CHECKOUT = Path(__file__).resolve().parents[2]
#: One world again, by its number: ``SEED=4711 make test ARGS="-k simulation"``.
ONLY = os.environ.get("SEED")
#: A slice of the campaign, by the numbers of its worlds: ``make campaign SEEDS=50000:60000 ARGS="-k simulation"``.
SLICE = os.environ.get("SEEDS")
pytestmark = [
    # No test of this file waits for anybody but itself: on a busy machine it is slow, and that is all.
    pytest.mark.timeout(hangs_after(7 * 86_400, short=1_200)),
    # A process that is killed here leaves coroutines that are never resumed; one that would have tidied up says so when it is collected.
    pytest.mark.filterwarnings(
        "ignore:Exception ignored in. <coroutine object:pytest.PytestUnraisableExceptionWarning"
    ),
]

#: The first run: from here on each kind of trouble has its turn, the quiet one first.
FIRST = 5
#: Runs in which a mutant must be caught, those with most going wrong first; before them a small one, which is enough for many.
MUTANT_RUNS = (4, 6, 7, 8, 9, 11, 12, 14)
MUTANT_FIRST = (4, 10)


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
    settle()  # here, and not in the middle of somebody else's test


def violations(ran: Ran) -> list[str]:
    return [f"{violation}  (SEED={violation.world})" for world, told in ran.worlds for violation in check(world, told)]


def wanted() -> range:
    """The runs that are asked for."""
    if ONLY:
        return range(int(ONLY) // WORLDS, int(ONLY) // WORLDS + 1)
    if SLICE:
        first, _, last = SLICE.partition(":")
        return range(int(first) // WORLDS, -(-int(last) // WORLDS))
    return range(FIRST + PART * SIMULATED_RUNS, FIRST + (PART + 1) * SIMULATED_RUNS)


@pytest.mark.campaign
def test_simulation_keeps_every_promise(stage: Stage, request: pytest.FixtureRequest) -> None:
    runs = wanted()
    tally = Tally(first=runs.start * WORLDS)
    broken: list[str] = []
    for seed in runs:
        ran = stage.run(seed)
        found = violations(ran)
        broken += [f"run {seed} ({ran.kind}): {each}" for each in found]
        tally.add(ran, len(found))
        if broken and not LONG:
            break
    if LONG and not ONLY:
        kept(request.config.rootpath, tally)
        runs_table(request.config.rootpath)
    assert not broken, "\n".join(broken[:50])
    assert ONLY or not tally.silent(), f"hardly anything was sent under {tally.silent()}: nothing was shown of it"


def test_the_same_seed_is_the_same_history(stage: Stage) -> None:
    """Else no failure could be looked at again."""
    first, second = stage.run(6, worlds=10), stage.run(6, worlds=10)
    for (world, told), (again, told_again) in zip(first.worlds, second.worlds, strict=True):
        assert world == again
        assert [row.header for row in told.rows] == [row.header for row in told_again.rows]
    assert first.fired == second.fired


def caught(stage: Stage, mutant: Mutant) -> tuple[int, list[str]] | None:
    """After how many worlds, and by which invariants."""
    count = 0
    with applied(mutant):
        for seed, worlds in (MUTANT_FIRST, *((seed, WORLDS) for seed in MUTANT_RUNS)):
            ran = stage.run(seed, worlds)
            count += worlds
            found = {violation.invariant for world, told in ran.worlds for violation in check(world, told)}
            if found:
                return count, sorted(found)
    return None


@pytest.mark.campaign
def test_every_mutant_is_caught(stage: Stage, request: pytest.FixtureRequest) -> None:
    """A few of them every day; all of them, or the share that is asked for, and their table, in the campaign."""
    lives: list[str] = []
    rows: list[tuple[str, int, list[str]]] = []
    for mutant in MUTANTS[PART :: max(1, round(1 / SHARE))] if LONG else MUTANTS[:SIMULATED_MUTANTS]:
        found = caught(stage, mutant)
        if found is None:
            lives.append(mutant.name)
        else:
            rows.append((mutant.name, *found))
        if LONG:  # after each, for a campaign may be cut short
            kept_mutants(request.config.rootpath, PART, rows, lives)
            mutants_table(request.config.rootpath, [each.name for each in MUTANTS])
    assert not lives


def test_the_checker_knows_nothing_of_the_product() -> None:
    """It may read the packs' files, and nobody's code but the simulation's own plain values."""
    ours = {folder.name for folder in CHECKOUT.iterdir() if (folder / "__init__.py").exists()}
    assert {"gateway", "jurisdictions", "storage", "vocabulary"} <= ours
    for name in ("checker", "truth"):
        tree = ast.parse((CHECKOUT / "tests" / "simulation" / f"{name}.py").read_text("utf-8"))
        named = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
        named += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        assert {each for each in named if each.split(".")[0] in ours} <= {"tests.simulation.truth"}


def test_every_mutant_still_fits_the_source() -> None:
    for mutant in MUTANTS:
        with applied(mutant):
            pass

"""The house stands: floors, circles, and who may touch the world. Each rule fails by the name of what broke it."""

import ast
import sys
import tomllib
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

CHECKOUT = Path(__file__).resolve().parent.parent

FLOORS = (
    ("vocabulary",),
    ("jurisdictions", "adapters", "tracelog"),
    ("throttling", "consent"),
    ("storage", "webhooks", "pages"),
    ("gateway",),
)
FLOOR_OF = {package: number for number, floor in enumerate(FLOORS) for package in floor}
#: The world outside, as it is simulated: beside the house, not in it.
ASIDE = "sandbox"
PACKAGES = (*FLOOR_OF, ASIDE)

#: What the sandbox may use of the house: its words, and what every adapter is given (to count segments as carriers do).
SANDBOX_USES = ("vocabulary", "adapters.kit")
#: The one door to it: ``tregua dev`` starts it, and nothing that runs in production does.
SANDBOX_DOOR = "gateway.cli"

#: The room of the roof in which the law is asked: as pure as what it stands on.
DECIDING = "gateway.deciding"
PURE = ("vocabulary", "jurisdictions", "throttling", "consent", "tracelog", DECIDING)
#: Talks to Redis so that what surrounds it need not.
IMPURE_FILES = ("throttling.pacing",)
#: What reaches the network, a database or another process.
WORLD = {
    *("aiohttp", "aiosmtplib", "arq", "asyncpg", "httpx", "redis", "requests", "telegram", "twilio", "urllib3"),
    *("asyncio", "http", "multiprocessing", "smtplib", "socket", "sqlite3", "ssl", "subprocess"),
}

#: The one file that asks the machine what time it is; everybody else asks the clock port.
CLOCK_FILE = "gateway.compose"
#: Identifiers are ordered by real time, which no law reads.
REAL_TIME_FILES = ("vocabulary.ids",)
CLOCK_READS = frozenset(
    f"datetime.{name}" for name in ("datetime.now", "datetime.utcnow", "datetime.today", "date.today")
)
PURE_CLOCK_READS = CLOCK_READS | {
    f"time.{name}" for name in ("time", "time_ns", "localtime", "gmtime", "ctime", "strftime", "sleep")
}


def modules(package: str) -> dict[str, Path]:
    """Every module of a package by its dotted name."""
    named = {}
    for path in sorted(CHECKOUT.joinpath(*package.split(".")).rglob("*.py")):
        parts = path.relative_to(CHECKOUT).with_suffix("").parts
        named[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return named


def within(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(
        *(name for name in PACKAGES if modules(name)), include_external_packages=True, cache_dir=None
    )


def imports(graph: grimp.ImportGraph, package: str) -> list[tuple[str, str]]:
    """(who, whom) for every import written in a package."""
    return [
        (name, used)
        for name in sorted(modules(package))
        for used in sorted(graph.find_modules_directly_imported_by(name))
    ]


def test_every_folder_with_code_has_its_floor() -> None:
    outside = {"tests", "bench", "tools", "clients", ".venv"}
    found = {path.relative_to(CHECKOUT).parts[0] for path in CHECKOUT.glob("*/**/*.py") if ".venv" not in path.parts}
    assert found - outside == set(PACKAGES)
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    assert set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_file_is_seen(graph: grimp.ImportGraph, package: str) -> None:
    """A folder without ``__init__.py`` would escape every other rule here."""
    assert set(modules(package)) <= graph.modules
    assert modules(package), f"{package} is empty"


@pytest.mark.parametrize("package", FLOOR_OF)
def test_imports_go_down_only(graph: grimp.ImportGraph, package: str) -> None:
    wrong = []
    for name, used in imports(graph, package):
        other = used.partition(".")[0]
        if other in FLOOR_OF and other != package and FLOOR_OF[other] >= FLOOR_OF[package]:
            wrong.append(f"{name} (floor {FLOOR_OF[package]}) imports {used} (floor {FLOOR_OF[other]})")
    assert not wrong


def test_deciding_knows_nothing_of_the_rooms_around_it(graph: grimp.ImportGraph) -> None:
    wrong = [
        f"{name} imports {used}"
        for name, used in imports(graph, DECIDING)
        if FLOOR_OF.get(used.partition(".")[0], 0) > FLOOR_OF["consent"] and not within(used, DECIDING)
    ]
    assert not wrong


@pytest.mark.parametrize("package", FLOOR_OF)
def test_nobody_but_the_command_line_knows_the_sandbox(graph: grimp.ImportGraph, package: str) -> None:
    known = [(name, used) for name, used in imports(graph, package) if within(used, ASIDE)]
    assert not [f"{name} imports {used}" for name, used in known if not within(name, SANDBOX_DOOR)]


def test_the_sandbox_stands_on_words_alone(graph: grimp.ImportGraph) -> None:
    wrong = [
        f"{name} imports {used}"
        for name, used in imports(graph, ASIDE)
        if used.partition(".")[0] in FLOOR_OF and not within(used, *SANDBOX_USES)
    ]
    assert not wrong


def test_no_file_imports_itself_by_way_of_others(graph: grimp.ImportGraph) -> None:
    sorter = TopologicalSorter({name: graph.find_modules_directly_imported_by(name) for name in graph.modules})
    try:
        sorter.prepare()
    except CycleError as found:
        pytest.fail(f"a circle: {' <- '.join(found.args[1])}")


def test_vocabulary_needs_the_standard_library_only(graph: grimp.ImportGraph) -> None:
    allowed = sys.stdlib_module_names | {"vocabulary"}
    assert not [
        f"{name} imports {used}" for name, used in imports(graph, "vocabulary") if used.partition(".")[0] not in allowed
    ]


@pytest.mark.parametrize("package", PURE)
def test_what_decides_does_not_touch_the_world(graph: grimp.ImportGraph, package: str) -> None:
    wrong = [
        f"{name} imports {used}"
        for name, used in imports(graph, package)
        if used.partition(".")[0] in WORLD and name not in IMPURE_FILES
    ]
    assert not wrong


@pytest.mark.parametrize("package", PURE)
def test_what_decides_is_told_the_time(package: str) -> None:
    wrong = []
    for name, path in modules(package).items():
        if name not in IMPURE_FILES + REAL_TIME_FILES:
            wrong += [f"{name}:{line} reads {what}" for line, what in reads(path, PURE_CLOCK_READS)]
    assert not wrong


@pytest.mark.parametrize("package", FLOOR_OF)
def test_one_file_asks_the_machine_for_the_time(package: str) -> None:
    wrong = []
    for name, path in modules(package).items():
        if name != CLOCK_FILE:
            wrong += [f"{name}:{line} reads {what}" for line, what in reads(path, CLOCK_READS)]
    assert not wrong


def reads(path: Path, names: frozenset[str] | set[str]) -> list[tuple[int, str]]:
    """Where a file speaks one of these dotted names, by whatever other name it imported them."""
    tree = ast.parse(path.read_text())
    meant: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            meant |= {alias.asname or alias.name.partition(".")[0]: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            meant |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name):
            spoken = dotted(node, meant)
            if spoken in names:
                found.append((node.lineno, str(spoken)))
    return sorted(set(found))


def dotted(node: ast.expr, meant: dict[str, str]) -> str | None:
    if isinstance(node, ast.Name):
        return meant.get(node.id)
    if isinstance(node, ast.Attribute):
        base = dotted(node.value, meant)
        return None if base is None else f"{base}.{node.attr}"
    return None


@pytest.mark.parametrize(
    ("claim", "source", "line"),
    [
        ("a call by the class", "from datetime import UTC, datetime\nx = datetime.now(UTC)\n", 2),
        ("a call by the module", "import datetime\nx = datetime.datetime.now()\n", 2),
        ("another name for the class", "from datetime import datetime as moment\nx = moment.utcnow()\n", 2),
        ("another name for the module", "import datetime as d\nx = d.date.today()\n", 2),
        (
            "a reference without a call",
            "from datetime import datetime\nfield = dict(default_factory=datetime.now)\n",
            2,
        ),
        ("an import within a function", "def f():\n    from datetime import datetime\n    return datetime.now()\n", 3),
        ("the port's own word is not the machine's", "async def f(clock):\n    return await clock.now()\n", None),
        ("an instant that is given", "from datetime import datetime\nx = datetime(2026, 1, 1)\n", None),
    ],
)
def test_a_clock_read_is_seen_whatever_it_is_called(claim: str, source: str, line: int | None, tmp_path: Path) -> None:
    path = tmp_path / "source.py"
    path.write_text(source)
    assert [number for number, _ in reads(path, CLOCK_READS)] == ([] if line is None else [line]), claim

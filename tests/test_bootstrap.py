"""A bare machine gets exactly the packages that were pinned, from wherever its user fetches packages."""

import importlib.util
import os
import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path
from types import ModuleType

import pytest

#: A name and version pinned in a requirements file, its hashes on the lines below.
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", re.MULTILINE)


def pins(path: Path) -> dict[str, str]:
    return dict(PIN.findall(path.read_text()))


@pytest.fixture(scope="module")
def bootstrap(checkout: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("bootstrap", checkout / "tools" / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def told_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A user who has told neither pip nor uv anything (the machine may have)."""
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")) or name in {"SSL_CERT_FILE", "ALL_PROXY"}:
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    (tmp_path / "pip.conf").write_text("")
    return monkeypatch


def files(checkout: Path) -> list[Path]:
    return [*checkout.glob("requirements*.txt"), *checkout.glob("tools/requirements*.txt")]


def test_every_pin_has_hashes_and_no_file_says_where_packages_come_from(checkout: Path) -> None:
    assert len(files(checkout)) == 6
    for path in files(checkout):
        text = path.read_text()
        assert "://" not in text, path
        for block in re.split(r"\n(?=\S)", text):
            if PIN.match(block):
                assert "--hash=sha256:" in block, f"{path.name}: {block}"


def test_development_production_and_the_newcomer_use_the_same_versions(checkout: Path) -> None:
    everything = pins(checkout / "requirements-dev.txt")
    for extra in ("", "-embedded", "-voice", "-otel"):
        name = f"requirements{extra}.txt"
        assert pins(checkout / name).items() <= everything.items(), f"{name} differs: run make lock"


def test_the_pins_were_made_from_this_pyproject(checkout: Path) -> None:
    project = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]

    def names(wanted: list[str]) -> set[str]:
        return {re.split(r"[^A-Za-z0-9._-]", word)[0].lower().replace("_", "-") for word in wanted}

    assert set(pins(checkout / "requirements-embedded.txt")) == names(extras["embedded"])
    for extra in ("voice", "otel"):
        assert names(extras[extra]) <= set(pins(checkout / f"requirements-{extra}.txt"))
    assert names(project["dependencies"]) <= set(pins(checkout / "requirements.txt"))
    assert names([*extras["test"], *extras["lint"]]) <= set(pins(checkout / "requirements-dev.txt"))


@pytest.mark.parametrize(
    ("claim", "settings", "expected"),
    [
        (
            "an index in pip's file",
            "index-url = https://index.example/simple",
            {"UV_DEFAULT_INDEX": "https://index.example/simple"},
        ),
        (
            "several more of them, a line each",
            "extra-index-url =\n  https://a.example/simple\n  https://b.example/simple",
            {"UV_INDEX": "https://a.example/simple https://b.example/simple"},
        ),
        ("folders with wheels", "find-links = /wheels /more", {"UV_FIND_LINKS": "/wheels,/more"}),
        ("an authority of one's own", "cert = /ca.pem", {"SSL_CERT_FILE": "/ca.pem"}),
        ("no index at all", "no-index = true\nfind-links = /wheels", {"UV_NO_INDEX": "1", "UV_FIND_LINKS": "/wheels"}),
        ("nothing", "", {}),
    ],
)
def test_what_pip_was_told_uv_is_told(
    bootstrap: ModuleType,
    told_nothing: pytest.MonkeyPatch,
    tmp_path: Path,
    claim: str,
    settings: str,
    expected: dict[str, str],
) -> None:
    told_nothing.setattr(bootstrap, "pip_command", lambda: [sys.executable, str(wheel(bootstrap) / "pip")])
    before = bootstrap.uv_environment()  # what this machine tells everybody
    (tmp_path / "pip.conf").write_text(f"[global]\n{settings}\n")
    after = bootstrap.uv_environment()
    assert {name: after[name] for name in after if after[name] != before.get(name)} == expected, claim


def test_the_environment_is_stronger_than_a_file_and_uv_told_itself_is_strongest(
    bootstrap: ModuleType, told_nothing: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = https://file.example\nextra-index-url = https://more.example\n"
    )
    told_nothing.setenv("PIP_INDEX_URL", "https://environment.example")
    told_nothing.setenv("UV_INDEX", "https://uv.example")
    told_nothing.setattr(bootstrap, "pip_command", lambda: [sys.executable, str(wheel(bootstrap) / "pip")])
    environment = bootstrap.uv_environment()
    assert environment["UV_DEFAULT_INDEX"] == "https://environment.example"
    assert environment["UV_INDEX"] == "https://uv.example"


def wheel(bootstrap: ModuleType) -> Path:
    (found,) = bootstrap.TOOLS.glob("pip-*.whl")
    return Path(found)


@pytest.mark.parametrize("name", ["plain", "con espacio y ñ", "d" * 200])
def test_the_command_runs_from_any_path(
    bootstrap: ModuleType, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first line may hold 127 bytes and no space; paths may be longer, and people's folders do have spaces."""
    checkout = tmp_path / name
    (checkout / "gateway" / "cli").mkdir(parents=True)
    (checkout / "pyproject.toml").write_text('[project.scripts]\ntregua = "gateway.cli.main:run"\n')
    (checkout / "gateway" / "cli" / "main.py").write_text(
        "def run():\n    import sys\n    print(sys.argv[1:], sys.prefix)\n    return 3\n"
    )
    environment = checkout / ".venv"
    venv.create(environment, with_pip=False)
    monkeypatch.setattr(bootstrap, "CHECKOUT", checkout)
    bootstrap.link(environment)
    answer = subprocess.run(
        [environment / "bin" / "tregua", "a b", "$HOME"], capture_output=True, text=True, cwd="/", check=False
    )
    assert answer.stdout == f"['a b', '$HOME'] {environment}\n", answer.stderr
    assert answer.returncode == 3


def test_a_python_too_old_is_told_so(checkout: Path, tmp_path: Path) -> None:
    """By the script itself, whatever of it that Python would not understand."""
    source = (checkout / "tools" / "bootstrap.py").read_text()
    raised = tmp_path / "tools" / "bootstrap.py"
    raised.parent.mkdir()
    raised.write_text(source.replace("PYTHON_MIN = (3, 11)", "PYTHON_MIN = (4, 0)"))
    answer = subprocess.run([sys.executable, raised, "run"], capture_output=True, text=True, check=False)
    assert answer.returncode == 1
    assert "needs Python" in answer.stderr
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize("target", ["run", "test", "lint", "bench", "campaign", "help"])
def test_make_knows_the_contracts_targets_and_says_what_they_do(checkout: Path, target: str) -> None:
    told = subprocess.run(["make", "-s", "help"], cwd=checkout, capture_output=True, text=True, check=True).stdout
    assert re.search(rf"^  make {target}\s+\S", told, re.MULTILINE), told

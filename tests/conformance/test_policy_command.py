"""``tregua policy`` in a process of its own, as a compliance officer runs it."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from gateway.compose import house
from gateway.settings import Settings
from jurisdictions.compile import PackError
from jurisdictions.library import load

CASES = Path(__file__).parent / "cases"
ROOT = Path(__file__).parents[2]


def tregua(*arguments: object) -> subprocess.CompletedProcess[str]:
    code = "from gateway.cli.policy import app; app(prog_name='tregua policy')"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
        env={"PATH": "/usr/bin:/bin", "COLUMNS": "200", "NO_COLOR": "1"},
    )


def test_cases_that_hold_are_counted():
    result = tregua("test", CASES / "co.yaml", CASES / "us.yaml")
    assert result.returncode == 0, result.stderr
    assert "cases hold" in result.stdout


def test_json_is_one_line_a_case():
    result = tregua("test", CASES / "co.yaml", "--json")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.returncode == 0
    assert all(set(line) == {"id", "ok", "outcome", "until", "rules", "expected"} for line in lines)
    sunday = next(line for line in lines if line["id"] == "CO-T06")
    assert sunday["ok"] is True
    assert sunday["outcome"] == "defer"
    assert sunday["until"] == "2026-03-24T07:00:00-05:00"
    assert sunday["rules"] == ["CO-HRS-3c"]
    assert sunday["expected"] == {"outcome": "defer", "until": "2026-03-24T07:00:00-05:00", "rules": ["CO-HRS-3c"]}


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    """The first two cases of Colombia, the first with a wrong expectation."""
    text = (CASES / "co.yaml").read_text()
    head = text[: text.index("- id: CO-T03")]
    path = tmp_path / "wrong.yaml"
    path.write_text(head.replace("07:00:00-05:00', rules", "08:00:00-05:00', rules", 1))
    return path


def test_a_case_that_disagrees_is_named(wrong: Path):
    result = tregua("test", wrong)
    assert result.returncode == 1
    assert "CO-T01" in result.stdout
    assert "CO-T02" not in result.stdout
    lines = [json.loads(line) for line in tregua("test", wrong, "--json").stdout.splitlines()]
    assert [line["ok"] for line in lines] == [False, True]


@pytest.mark.parametrize(
    "arguments",
    [
        ("test",),
        ("test", "no-such-file.yaml"),
        ("test", ROOT / "pyproject.toml"),
        ("show", "XX"),
        ("explain", CASES / "co.yaml", "--case", "NO"),
        ("explain", CASES / "co.yaml", "--lang", "de"),
        ("nonsense",),
    ],
)
def test_wrong_use_is_exit_2(arguments: tuple[object, ...]):
    result = tregua(*arguments)
    assert result.returncode == 2
    assert result.stderr.strip()


def test_a_misspelt_pack_stops_with_the_keys_name(tmp_path: Path):
    source = (ROOT / "jurisdictions" / "packs" / "CO.toml").read_text()
    (tmp_path / "CO.toml").write_text(source.replace("unlisted =", "unlited =", 1))
    result = tregua("list", "--packs", tmp_path)
    assert result.returncode == 2
    assert "unlited" in result.stderr
    assert "CO-HRS-3a" in result.stderr


async def test_a_misspelt_pack_stops_the_start_of_every_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    source = (ROOT / "jurisdictions" / "packs" / "CO.toml").read_text()
    (tmp_path / "CO.toml").write_text(source.replace("unlisted =", "unlited =", 1))
    monkeypatch.setattr("gateway.compose.load", lambda: load(tmp_path))
    settings = cast("Settings", SimpleNamespace(traces_url=None))
    with pytest.raises(PackError, match=r"CO-HRS-3a.*unlited"):
        await house(settings).__aenter__()


def test_list_and_show():
    listed = [json.loads(line) for line in tregua("list", "--json").stdout.splitlines()]
    by_code = {pack["code"]: pack for pack in listed}
    assert by_code["CO"]["readings"]["co.week"] == "iso"
    assert "USF-7IN7" in by_code["US"]["rules"]
    shown = tregua("show", "CO").stdout
    assert by_code["CO"]["pack"] in shown
    assert "Ley 2300 de 2023, art. 7" in shown
    assert json.loads(tregua("show", "CO", "--json").stdout)["text"].startswith("# Colombia")


def test_explain_tells_rule_count_window_reading_and_instant():
    told = tregua("explain", CASES / "co.yaml", "--case", "CO-T10").stdout
    for part in (
        "CO-FREQ-3e",
        "WhatsApp 2026-03-10 09:00 America/Bogota",
        "co.week=iso",
        "07:00-19:00",
        "2026-03-16T07:00:00-05:00",
        "Ley 2300 de 2023, art. 3",
    ):
        assert part in told
    assert "hola" not in told
    data = json.loads(tregua("explain", CASES / "co.yaml", "--case", "CO-T10", "--json").stdout)
    assert data["verdict"]["answer"] == "defer"
    assert any(line["rule"] == "CO-FREQ-3e" and line["blocks"] for line in data["lines"])


@pytest.mark.parametrize("command", ["test", "list", "show", "explain"])
def test_help_has_an_example(command: str):
    result = tregua(command, "--help")
    assert result.returncode == 0
    assert "Example: tregua policy" in result.stdout
    assert "--json" in result.stdout


def test_neither_database_nor_web_is_imported():
    code = "import gateway.cli.policy, sys; print(sorted({'aiohttp', 'asyncpg', 'redis', 'arq'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert result.stdout.strip() == "[]", result.stdout + result.stderr

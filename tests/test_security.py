"""docs/security.md says nothing that no test shows; the bill of materials is whole; an audit that asked nobody is no audit."""

import ast
import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tools.audit import against, command
from tools.sbom import write

THREATS = 30


def rows(checkout: Path) -> list[list[str]]:
    lines = (checkout / "docs" / "security.md").read_text().splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if re.match(r"\| T\d+ ", line)]


def there_are(checkout: Path) -> set[str]:
    return {
        node.name
        for path in (checkout / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def test_every_threat_has_its_line_and_every_line_its_test(checkout: Path) -> None:
    found = rows(checkout)
    assert [row[0] for row in found] == [f"T{n}" for n in range(1, THREATS + 1)]
    there = there_are(checkout)
    for number, threat, stops, shown, left in found:
        assert threat, number
        assert stops, number
        assert left, number
        named = re.findall(r"`(test_\w+)`", shown)
        assert named, f"{number} names no test"
        assert set(named) <= there, f"{number} names tests that are not there: {set(named) - there}"


def test_the_bill_of_materials_holds_every_pin(checkout: Path, tmp_path: Path) -> None:
    told = write(tmp_path / "sbom.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(told) is None
    parts = {(part["name"].lower().replace("_", "-"), part["version"]) for part in json.loads(told)["components"]}
    pins = {
        (name.lower().replace("_", "-"), version)
        for name, version in re.findall(
            r"^([\w.-]+)(?:\[[\w,-]+\])?==([^\s;\\]+)", (checkout / "requirements.txt").read_text(), re.M
        )
    }
    assert len(pins) > 40
    assert parts == pins


def test_an_audit_that_cannot_ask_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pins = tmp_path / "requirements.txt"
    pins.write_text(f"certifi==2026.1.1 --hash=sha256:{'0' * 64}\n")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        proxy = f"http://127.0.0.1:{taken.getsockname()[1]}"
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, proxy)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        asked = command(pins, "pypi")
        assert asked[0] == sys.executable
        assert "--strict" in asked
        ended = subprocess.run([*asked, f"--cache-dir={tmp_path}"], capture_output=True, text=True, timeout=120)
    assert ended.returncode != 0


ADVISORY = """
id: PYSEC-0000-{number}
affected:
- package: {{ecosystem: PyPI, name: {name}}}
  ranges:
  - type: ECOSYSTEM
    events: {events}
  versions: {versions}
"""


@pytest.mark.parametrize(
    ("name", "events", "versions", "found"),
    [
        ("Certi.Fi", '[{introduced: "0"}, {fixed: 2026.2.0}]', "[]", True),
        ("certi-fi", '[{introduced: "0"}, {fixed: 2026.1.1}]', "[]", False),
        ("certi-fi", '[{introduced: "0"}, {last_affected: 2026.1.1}]', "[]", True),
        ("certi-fi", "[{introduced: 2026.1.2}]", "[]", False),
        ("certi-fi", '[{introduced: "1"}, {fixed: "2"}, {introduced: 2026.1.0}]', "[]", True),
        ("certi-fi", "[]", "[2026.1.1]", True),
        ("other", '[{introduced: "0"}]', "[]", False),
    ],
)
def test_pins_are_held_against_a_folder_of_advisories(
    tmp_path: Path, name: str, events: str, versions: str, found: bool
) -> None:
    pins = tmp_path / "requirements.txt"
    pins.write_text(f"certi-fi==2026.1.1 --hash=sha256:{'0' * 64}\n")
    (tmp_path / "one.yaml").write_text(ADVISORY.format(number=1, name=name, events=events, versions=versions))
    assert against(tmp_path, [pins]) == (["certi-fi 2026.1.1: PYSEC-0000-1"] if found else [])


def test_a_folder_without_advisories_is_no_audit(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        against(tmp_path, [])

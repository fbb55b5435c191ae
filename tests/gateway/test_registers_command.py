"""``tregua registers`` and ``tregua contacts import`` as an operator runs them, against a real database."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from typer.testing import CliRunner

from gateway.cli.main import app
from gateway.people.imports import NoFileOfPeople, people_of
from gateway.refusals import Refused
from gateway.tenants.opening import create_tenant
from storage.database import Database
from tests.conftest import NewDatabase


@pytest.fixture
async def url(new_database: NewDatabase, template_url: str) -> str:
    found = await new_database(like=template_url)
    database = await Database.open(found)
    await create_tenant(database, "acme", "Acme", {"sender": {"role": "creditor", "creditor": "C1", "collector": "A1"}})
    await database.close()
    return found


@dataclass
class Ended:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def tregua(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a command as the console script would, in a folder of its own; in a thread, since it makes its own event loop."""
    for name in [name for name in os.environ if name.startswith("TREGUA_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TREGUA_DATABASE_URL", url)
    monkeypatch.setenv("TREGUA_REDIS_URL", "redis://127.0.0.1:1")
    monkeypatch.setenv("TREGUA_PUBLIC_URL", "https://gateway.example")
    monkeypatch.setenv("TREGUA_SECRET_KEY", "a secret of more than thirty-two characters")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Ended:
        with ThreadPoolExecutor(1) as thread:
            found = thread.submit(CliRunner().invoke, app, list(arguments)).result(60)
        assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
        return Ended(found.exit_code, found.stdout, found.stderr)

    return run


def test_a_register_is_imported_listed_and_shown(tregua: Any, tmp_path: Path) -> None:
    file = tmp_path / "rne.csv"
    file.write_text("telefono;canal;fecha\n3015550001;SMS;01/02/2026\nmal\n3015550002;todos;\n")
    told = tregua("registers", "import", "RNE", str(file), "--tenant", "acme", "--as-of", "2026-11-20")
    assert told.returncode == 0, told.stderr
    assert "RNE version 1" in told.stdout
    assert "2 entries, 2 new, 0 gone; 4 lines, 1 bad" in told.stdout
    assert "line 3: a phone number is written in E.164" in told.stdout
    assert "asked by CO CO-RNE-5" in told.stdout
    file.write_text("3015550002\n")
    report = json.loads(tregua("registers", "import", "rne", str(file), "--tenant", "acme", "--json").stdout)
    assert (report["version"], report["entries"], report["new"], report["gone"]) == (2, 1, 1 - 1, 1)
    (listed,) = json.loads(tregua("registers", "list", "--tenant", "acme", "--json").stdout)
    assert (listed["register"], listed["version"], listed["entries"]) == ("RNE", 2, 1)
    shown = json.loads(tregua("registers", "show", "RNE", "--tenant", "acme", "--json").stdout)
    assert [each["state"] for each in shown] == ["in_force", "past"]
    file.write_text("nothing\n")
    refused = tregua("registers", "import", "RNE", str(file), "--tenant", "acme")
    assert refused.returncode == 1
    assert "not one of 1 lines holds an address" in refused.stderr
    assert tregua("registers", "show", "REPEP", "--tenant", "acme").returncode == 1
    assert tregua("registers", "import", "RNE", "none.csv", "--tenant", "acme").returncode == 2
    unknown = tregua("registers", "import", "DNC", str(file), "--tenant", "acme", "--calling-code", "57")
    assert unknown.returncode == 1


async def test_people_are_imported_and_a_second_time_changes_nothing(tregua: Any, tmp_path: Path, url: str) -> None:
    file = tmp_path / "people.ndjson"
    good = {"id": "p-1", "name": "Ana", "jurisdictions": ["CO"], "zones": ["America/Bogota"]}
    address = {"channel": "sms", "address": "+573015550001"}
    authorised = {"at": "2026-01-05T10:00:00-05:00", "instrument": "separate"}
    lines = [
        json.dumps({**good, "addresses": [{**address, "authorised": authorised}]}),
        "{not json",
        json.dumps({"id": "p-2", "zones": ["Mars/Olympus"]}),
        "",
        json.dumps({"id": "p-3", "color": "red"}),
        json.dumps({"id": "p-4", "residence": "BR-SP"}),
        json.dumps({"id": "p-1", "name": "Ana María", "addresses": [{**address, "authorised": authorised}]}),
    ]
    file.write_text("\n".join(lines))
    checked = tregua("contacts", "import", str(file), "--tenant", "acme", "--check", "--json")
    report = json.loads(checked.stdout)
    assert (checked.returncode, report["people"], report["bad"], report["lines"]) == (1, 3, 3, 6)
    assert [(e["line"], e["pointer"]) for e in report["errors"]] == [(2, ""), (3, "/zones/0"), (5, "/color")]
    assert await rows(url, "SELECT FROM contact") == []
    for _ in range(2):
        told = tregua("contacts", "import", str(file), "--tenant", "acme")
        assert "3 people put, 3 bad lines of 6" in told.stdout
        found = await rows(url, "SELECT id, name FROM contact ORDER BY id")
        assert [tuple(row) for row in found] == [("p-1", "Ana María"), ("p-4", None)]
        assert len(await rows(url, "SELECT FROM contact_event WHERE type = 'consent'")) == 1
    kinds = [row["kind"] for row in await rows(url, "SELECT kind FROM trace ORDER BY idx")]
    assert kinds.count("event") == 1
    rest = tregua("contacts", "import", str(file), "--tenant", "acme", "--from-line", "6", "--json")
    assert (rest.returncode, json.loads(rest.stdout)["people"]) == (0, 2)


async def test_people_come_from_a_spreadsheet_too(tregua: Any, tmp_path: Path, url: str) -> None:
    file = tmp_path / "people.csv"
    file.write_text(
        "id;name;jurisdictions;zones;sms;email;kind;authorised_at\n"
        'p-1;"Ana; la primera";CO;America/Bogota;+573015550001;ana@example.com;personal;2026-01-05T10:00:00-05:00\n'
        "p-2;;CO\n"
        "p-3;;CO;;301;;;\n"
    )
    told = tregua("contacts", "import", str(file), "--tenant", "acme")
    assert told.returncode == 1
    assert "1 people put, 2 bad lines of 3" in told.stdout
    assert "line 4 /addresses/0/address" in told.stdout
    ((name,),) = await rows(url, "SELECT name FROM contact")
    assert name == "Ana; la primera"
    assert len(await rows(url, "SELECT FROM contact_event WHERE type = 'consent'")) == 2
    file.write_text("id,colour\np-1,red\n")
    refused = tregua("contacts", "import", str(file), "--tenant", "acme")
    assert (refused.returncode, "column 2 of the first line is none" in refused.stderr) == (2, True)


@pytest.mark.parametrize("text", ["", "name,sms\n", "id,id\n", "p-1,Ana Pérez,+573001234567\n", "id,Ana Pérez\n"])
def test_a_file_of_nobody_is_none(text: str) -> None:
    with pytest.raises(NoFileOfPeople) as refused:
        list(people_of(iter(text.splitlines(keepends=True))))
    assert not [cell for cell in ("Ana", "+573001234567", "p-1") if cell in str(refused.value)]


def test_a_line_that_is_no_person_keeps_its_number() -> None:
    found = list(people_of(['{"id": "a"}\n', "[" * 100 + "\n", '{"id": "b", "id": "c"}\n']))
    assert [(number, isinstance(raw, Refused)) for number, raw in found] == [(1, False), (2, True), (3, True)]


async def rows(url: str, sql: str) -> list[Any]:
    connection = await asyncpg.connect(url, server_settings={"search_path": "tregua"})
    try:
        return list(await connection.fetch(sql))
    finally:
        await connection.close()

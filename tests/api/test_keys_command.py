"""``tregua keys`` as an operator runs it: a process of its own against a real database."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.tenants.keys import digest_of
from storage import tenancy
from storage.database import Database
from storage.migrate import migrate
from tests.conftest import NewDatabase


@pytest.fixture(scope="module")
async def url(new_database: NewDatabase) -> str:
    found = await new_database()
    await migrate(found)
    return found


@pytest.fixture
def tregua(url: str, checkout: Path, tmp_path: Path) -> Any:
    """Run ``tregua keys …`` in an empty folder."""

    def run(*arguments: str, database_url: str = url) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TREGUA_")} | {
            "PYTHONPATH": str(checkout),
            "TREGUA_DATABASE_URL": database_url,
            "TREGUA_REDIS_URL": "redis://127.0.0.1:1",
            "TREGUA_PUBLIC_URL": "https://gateway.example",
            "TREGUA_SECRET_KEY": "a secret of more than thirty-two characters",
        }
        command = [sys.executable, "-c", "from gateway.cli.main import run; run()", "keys", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)

    return run


async def test_a_key_is_made_listed_and_revoked(tregua: Any, url: str) -> None:
    refused = tregua("create", "--tenant", "acme", "--scope", "send")
    assert refused.returncode == 1
    assert "--new-tenant" in refused.stderr
    made = tregua(
        "create", "--tenant", "acme", "--new-tenant", "Acme", "--scope", "read", "--scope", "send", "--label", "CRM"
    )
    assert made.returncode == 0, made.stderr
    key = made.stdout.strip()
    assert re.fullmatch(r"gwk_live_\S+", key)
    assert "read send" in made.stderr or "send read" in made.stderr
    digest = digest_of(key)
    assert digest is not None
    identity = key.split("_")[2]

    listed = json.loads(tregua("list", "--json").stdout)
    (row,) = [one for one in listed if one["id"] == identity]
    assert (row["tenant"], set(row["scopes"]), row["label"], row["revoked_at"]) == (
        "acme",
        {"send", "read"},
        "CRM",
        None,
    )
    shown = tregua("list", "--tenant", "acme").stdout
    assert identity in shown
    assert key not in shown + json.dumps(listed)
    assert json.loads(tregua("list", "--tenant", "nobody", "--json").stdout) == []

    database = await Database.open(url)
    try:
        assert (await database.read(lambda c: tenancy.key_by_digest(c, digest))) is not None
        assert tregua("revoke", identity).returncode == 0
        assert (await database.read(lambda c: tenancy.key_by_digest(c, digest))) is None
    finally:
        await database.close()
    again = tregua("revoke", identity, "--json")
    assert (again.returncode, json.loads(again.stdout)) == (1, {"id": identity, "revoked": False})
    assert "revoked" in tregua("list", "--tenant", "acme").stdout


def test_roles_are_sets_of_scopes(tregua: Any) -> None:
    made = json.loads(tregua("create", "--tenant", "roles", "--new-tenant", "R", "--role", "officer", "--json").stdout)
    assert (made["tenant"], made["scopes"]) == ("roles", ["read", "audit"])
    assert digest_of(made["key"]) is not None
    made = json.loads(tregua("create", "--tenant", "roles", "--role", "officer", "--scope", "send", "--json").stdout)
    assert made["scopes"] == ["send", "read", "audit"]
    made = json.loads(tregua("create", "--tenant", "roles", "--scope", "admin", "--scope", "send", "--json").stdout)
    assert made["scopes"] == ["admin"]


WRONG = {
    "no tenant": ["create", "--scope", "send"],
    "no scope": ["create", "--tenant", "acme"],
    "a scope that is none": ["create", "--tenant", "acme", "--scope", "root"],
    "a role that is none": ["create", "--tenant", "acme", "--role", "boss"],
    "a tenant that cannot be signed for": ["create", "--tenant", "a/b", "--scope", "send", "--new-tenant", "x"],
    "an environment in capitals": ["create", "--tenant", "acme", "--scope", "send", "--env", "LIVE"],
    "a label with a line feed": ["create", "--tenant", "acme", "--scope", "send", "--label", "a\nb"],
    "no id": ["revoke"],
}


@pytest.mark.parametrize("arguments", WRONG.values(), ids=WRONG.keys())
def test_wrong_use_is_exit_2(tregua: Any, arguments: list[str]) -> None:
    ended = tregua(*arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_absent_database_is_a_sentence(tregua: Any, tmp_path: Path) -> None:
    ended = tregua("list", database_url=f"postgresql://nobody@/none?host={tmp_path}")
    assert ended.returncode == 1
    assert "PostgreSQL cannot be reached where TREGUA_DATABASE_URL says" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("command", ["create", "list", "revoke"])
def test_help_shows_an_example(tregua: Any, command: str) -> None:
    shown = tregua(command, "--help").stdout
    assert f"tregua keys {command}" in shown.split("Example:")[1]

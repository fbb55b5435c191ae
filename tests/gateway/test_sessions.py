"""A session goes back to the pool as it came, for no statement of the house changes more of it than its own transaction."""

import re
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parents[2]
#: The owner's own connections, which no pool has.
APART = {HOUSE / "storage" / "migrate.py", HOUSE / "storage" / "database.py"}
#: What would outlive a transaction: settings without LOCAL, locks and cursors of the session, calls to listen.
LASTING = re.compile(
    r"(?m)^\s*SET\s+(?!LOCAL\b)(?:SESSION\b|ROLE\b|[a-z_.]+\s*(?:=|\bTO\b)\s*'?\w+'?\s*;?\s*$)"
    r"|set_config\s*\([^)]*,\s*false\s*\)"
    r"|\bpg_(?:try_)?advisory_lock\b|\bWITH\s+HOLD\b|^\s*LISTEN\b|^\s*PREPARE\b"
)


def lasting(text: str) -> list[str]:
    return [found.group().strip() for found in LASTING.finditer(text)]


@pytest.mark.parametrize(
    "text",
    [
        "SET ROLE tregua_owner",
        "SET SESSION statement_timeout = 5",
        "SET enable_seqscan = on",
        "SELECT set_config('role', $1, false)",
        "SELECT pg_advisory_lock(1)",
        "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
        "LISTEN due",
    ],
)
def test_what_would_last_is_seen(text: str) -> None:
    assert lasting(text)


@pytest.mark.parametrize(
    "text",
    [
        "SET LOCAL ROLE tregua_eraser",
        "SELECT set_config('recheck.since', $1, true)",
        "UPDATE message m\nSET status = t.status",
        "SELECT pg_advisory_xact_lock(1)",
    ],
)
def test_what_ends_with_its_transaction_is_not(text: str) -> None:
    assert not lasting(text)


def test_no_statement_of_the_house_outlives_its_transaction() -> None:
    files = [path for folder in ("storage/sql", "storage") for path in (HOUSE / folder).iterdir() if path.is_file()]
    told = {path.name: found for path in files if path not in APART and (found := lasting(path.read_text()))}
    assert not told

"""The report as columns: every value as it is, of its own type, whatever a name holds; and nothing left on disk."""

import json
import os
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from pages.reports import columns
from pages.reports.columns import Columns
from pages.reports.frequency import Checkpoint, Close, Head, Line, Recount
from pages.reports.sheets import COLUMNS

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
HEAD = Head(
    report="rpt_1", tenant="o'brien", language="es", since=AT, until=AT, made_at=AT, contact=None, jurisdiction=None,
    checkpoint=Checkpoint(note="tregua/x\n1\n", size=1, verifier_key="k", url="https://t.test"),
)  # fmt: skip
CLOSE = Close(
    people=1, lines=1, totals=(), packs=(), rules=(), readings=(),
    recount=Recount(compared=1, differing=("it's '); DROP",), not_compared=0, contacts=1, breaches=()),
)  # fmt: skip
LINE = Line(
    contact="ana", rule="CO-FREQ-3d", pack="CO@1", citation="Ley 2300, art. 3", asks="count", channels=("sms", "email"),
    debt="d1", contacts=3, peak=2, peak_at=AT, limit=1, counted=1, held=4,
)  # fmt: skip
NAMES = ["", '"', "a\nb", "a\r\nb", ",", "' OR 1", "NULL", "ñ\u202e𝄞", "=1+1", " ", "\\N", "\\"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_every_value_comes_out_as_it_went_in(folder: Path) -> None:
    named = [replace(LINE, contact=name, debt=name, citation=name) for name in NAMES]
    bare = replace(LINE, debt=None, channels=(), peak_at=None, peak=0)
    writer = Columns()
    assert writer.begin(HEAD) == writer.lines([LINE, bare]) == writer.lines(named) == b""
    file = folder / "report.parquet"
    file.write_bytes(writer.end(CLOSE))
    assert os.listdir(folder) == ["report.parquet"], "what was laid aside is gone"
    found = duckdb.sql(f"SELECT * REPLACE (epoch_us(peak_at) AS peak_at) FROM read_parquet('{file}')")
    assert tuple(found.columns) == COLUMNS
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in found.fetchall()]
    assert rows[0] == {
        "contact": "ana", "rule": "CO-FREQ-3d", "pack": "CO@1", "citation": "Ley 2300, art. 3", "asks": "count",
        "channels": ["sms", "email"], "debt": "d1", "contacts": 3, "peak": 2, "peak_at": int(AT.timestamp()) * 10**6,
        "limit": 1, "margin": -1, "counted_at_end": 1, "held": 4,
    }  # fmt: skip
    assert (rows[1]["debt"], rows[1]["channels"], rows[1]["peak_at"], rows[1]["margin"]) == (None, [], None, 1)
    assert [(row["contact"], row["debt"], row["citation"]) for row in rows[2:]] == [(name,) * 3 for name in NAMES]
    told = duckdb.sql(f"SELECT key::varchar, value::varchar FROM parquet_kv_metadata('{file}')").fetchall()
    about = {
        key: json.loads(bytes(value, "latin-1").decode("unicode_escape")) for key, value in told if "tregua" in key
    }
    assert about["tregua.head"]["tenant"] == "o'brien"
    assert about["tregua.close"]["recount"]["differing"] == ["it's '); DROP"]


def test_nobody_at_all_is_a_file_too(folder: Path) -> None:
    writer = Columns()
    writer.begin(HEAD)
    file = folder / "report.parquet"
    file.write_bytes(writer.end(CLOSE))
    assert duckdb.sql(f"SELECT count(*) FROM read_parquet('{file}')").fetchall() == [(0,)]


def test_what_is_never_finished_leaves_nothing(folder: Path) -> None:
    writer = Columns()
    writer.lines([LINE])
    assert os.listdir(folder)
    del writer
    assert not os.listdir(folder)


def test_it_says_whether_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert columns.available()
    monkeypatch.setattr(columns, "find_spec", lambda _name: None)
    assert not columns.available()

"""Reports: asked for, made with progress, in four formats whose figures are one another's and the trace's; harmless, and gone in time."""

import asyncio
import csv
import io
import json
import tracemalloc
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import pypdf
import pytest
import zxingcpp
from PIL import Image

from gateway.audit.reports import KEPT, _Totals
from gateway.cli.audit_report import write
from gateway.compose import reports
from pages.reports import columns
from pages.reports.frequency import Line
from pages.reports.paper import words
from pages.reports.text import cell, printable, visible
from tests.gateway.policy_command import tregua
from tests.gateway.town import TENANT, TUESDAY, Town, message, number, person
from tracelog.head import opened

BIDI = "c\u202etxt.exe"


async def made(town: Town, *, by_worker: bool = False, **ask: Any) -> tuple[dict[str, Any], bytes]:
    """A report, asked for and followed to its end: what was said of it, and the file."""
    status, asked, headers = await town.call("POST", "/v1/reports", ask)
    assert status == 202, asked
    assert headers["Location"] == f"/v1/reports/{asked['id']}"
    if not by_worker:
        await reports(town.house).round()
    for _ in range(400):
        _, shown, _ = await town.call("GET", f"/v1/reports/{asked['id']}")
        if shown["state"] in ("ready", "failed"):
            break
        await asyncio.sleep(0.05)
    assert shown["state"] == "ready", shown
    headers = {"Authorization": f"Bearer {town.key}"}
    async with town.session.get(f"{town.url}/v1/reports/{asked['id']}/file", headers=headers) as answer:
        assert answer.status == 200
        body = await answer.read()
    assert (len(body), sha256(body).hexdigest()) == (shown["size"], shown["sha256"])
    return shown, body


async def book(town: Town) -> None:
    """Five people: contacted once, twice by exemption of none, elsewhere, and not at all; one held back."""
    await town.set_clock(TUESDAY)
    await town.call("PUT", "/v1/debts/d1", {"creditor": "C1"})
    sent = [await town.send(message(person(f"p{n}", number(n)))) for n in range(3)]
    for each in sent:
        await town.until(each["id"], "delivered")
    again = await town.send(message("p0"))
    assert again["status"] == "deferred"
    await town.call("PUT", "/v1/contacts/never", person("never", number(8)))
    await town.call("PUT", "/v1/contacts/elsewhere", person("elsewhere", number(9)))
    happened = {
        "type": "contact",
        "channel": "call_live",
        "outcome": "connected",
        "at": "2026-11-23T10:00:00-05:00",
        "debts": ["d1"],
    }
    status, answered, _ = await town.call(
        "POST", "/v1/contacts/p1/events", {**happened, "creditor": "C1", "purpose": "collection"}
    )
    assert status == 200, answered
    status, answered, _ = await town.call("POST", "/v1/contacts/elsewhere/events", [{**happened, "id": uuid4().hex}])
    assert status == 200, answered


def lines_of(body: bytes) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]:
    read = [json.loads(line) for line in body.splitlines()]
    return read[0], read[1:-1], read[-1]


@pytest.fixture
async def told(busy: Town) -> Town:
    await book(busy)
    return busy


async def test_each_format_says_the_same_and_the_trace_says_it_too(told: Town, tmp_path: Path) -> None:
    since = {"since": "2026-11-01T00:00:00-05:00"}
    shown, body = await made(told, by_worker=True, format="ndjson", **since)
    head, lines, close = lines_of(body)
    assert (shown["done"], shown["total"]) == (5, 5)
    by_person = {(line["contact"], line["rule"]): line for line in lines}
    day = by_person["p0", "CO-FREQ-3d"]
    assert (day["contacts"], day["peak"], day["limit"], day["margin"], day["counted_at_end"], day["held"]) == (
        1,
        1,
        1,
        0,
        1,
        1,
    )
    assert by_person["never", "CO-FREQ-3d"]["peak"] == 0
    assert by_person["elsewhere", "CO-FREQ-3d"]["contacts"] == 1
    # The digest covers every byte before the last line.
    assert close["sha256"] == sha256(body[: body.rindex(b'{"type":"close"')]).hexdigest()
    assert close["recount"]["compared"] > 0
    assert close["recount"]["differing"] == []
    assert close["recount"]["breaches"] == []
    assert any(rule["rule"] == "CO-FREQ-3d" and "Ley 2300" in rule["citation"] for rule in close["rules"])
    assert {reading["name"] for reading in close["readings"]} >= {"co.week", "co.contact_counts"}

    _, sheet = await made(told, format="csv", **since)
    rows = list(csv.DictReader(io.StringIO(sheet.decode("utf-8-sig"))))
    assert [(row["contact"], row["rule"], int(row["peak"]), int(row["held"])) for row in rows] == [
        (line["contact"], line["rule"], line["peak"], line["held"]) for line in lines
    ]
    _, file = await made(told, format="parquet", **since)
    (tmp_path / "report.parquet").write_bytes(file)
    found = duckdb.sql(f"SELECT * EXCLUDE peak_at FROM read_parquet('{tmp_path / 'report.parquet'}')")
    assert [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()] == [
        {name: value for name, value in line.items() if name not in ("type", "peak_at")} for line in lines
    ]
    assert head["checkpoint"]["size"] > 0
    # What was made stands in the trace, by its digest.
    _, entries, _ = await told.call("GET", "/v1/trace?kind=report")
    assert [entry["facts"]["sha256"] for entry in entries["items"]] == [
        shown["sha256"],
        sha256(sheet).hexdigest(),
        sha256(file).hexdigest(),
    ]


async def test_a_recount_by_hand_finds_the_same(told: Town) -> None:
    """SQL written for this test alone, over the rows of contacts, not the trace and not the engine."""
    _, body = await made(told, format="ndjson", since="2026-11-01T00:00:00-05:00")
    _, lines, _ = lines_of(body)
    rows = await told.rows(
        "SELECT c.contact, max(n)::int AS peak, count(*)::int AS contacts FROM contact_event c, LATERAL ("
        " SELECT count(*) AS n FROM contact_event e WHERE e.contact = c.contact AND e.type = 'contact' AND e.outcome <> 'failed'"
        " AND e.at <= c.at AND (e.at AT TIME ZONE 'America/Bogota')::date = (c.at AT TIME ZONE 'America/Bogota')::date) d"
        " WHERE c.type = 'contact' AND c.outcome <> 'failed' GROUP BY 1"
    )
    found = {row["contact"]: (row["contacts"], row["peak"]) for row in rows}
    assert len(found) == 4
    told_of = {line["contact"]: (line["contacts"], line["peak"]) for line in lines if line["rule"] == "CO-FREQ-3d"}
    assert {contact: figures for contact, figures in told_of.items() if figures != (0, 0)} == found


async def test_a_breach_that_was_planted_is_told(told: Town) -> None:
    """A contact that nobody reserved by the law, put into the trace itself: the recount and the recheck both see it."""
    original = await told.rows("SELECT * FROM contact_event WHERE contact = 'p2' AND type = 'contact'")
    await told.rows(
        "INSERT INTO contact_event (id, tenant, contact, at, type, channel, form, outcome, purpose, debts, creditor, collector, role)"
        " SELECT gen_random_uuid(), tenant, contact, at + interval '1 minute', type, channel, form, outcome, purpose, debts, creditor,"
        " collector, role FROM contact_event WHERE id = $1",
        original[0]["id"],
    )
    await told.set_clock("2026-11-24T12:00:00-05:00")
    _, body = await made(told, format="ndjson", contact="p2", since="2026-11-01T00:00:00-05:00")
    _, lines, close = lines_of(body)
    day = next(line for line in lines if line["rule"] == "CO-FREQ-3d")
    assert (day["peak"], day["margin"]) == (2, -1)
    assert next(each for each in close["totals"] if each["rule"] == "CO-FREQ-3d")["beyond"] == 1
    # The row stands in the book and not in the trace: the two counts differ, and the report says so.
    assert any("p2 CO-FREQ-3d" in each for each in close["recount"]["differing"])


def test_of_ten_thousand_people_only_sums_stay_in_memory(tmp_path: Path) -> None:
    """What is compared with the trace later lies on disk, whole and quoted; a name may be anything."""
    line = Line(
        contact="", rule="CO-FREQ-3d", pack="CO@1", citation="art. 3", asks="count", channels=("sms",), debt=None,
        contacts=1, peak=1, peak_at=None, limit=1, counted=1, held=2,
    )  # fmt: skip
    with (tmp_path / "figures").open("w+b") as figures:
        totals = _Totals(figures)
        tracemalloc.start()
        try:
            for page in range(100):
                people = [f'p{page}-{n},"\n' for n in range(100)]
                totals.take([replace(line, contact=each, peak=peak) for each in people for peak in (1, 2)])
            grown, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert grown < 100_000, f"{grown} bytes stay of 10,000 people"
        figures.seek(0)
        kept = list(csv.reader(io.StringIO(figures.read().decode(), newline="")))
        assert len(kept) == 10_000
        assert kept[-1] == ['p99-99,"\n', "CO-FREQ-3d", "CO@1", "1", "2"]
    (total,) = totals.by_rule.values()
    assert (total.people, total.held, total.contacts, total.peak, total.beyond) == (10_000, 20_000, 20_000, 2, 10_000)


@pytest.mark.parametrize("language", ["en", "es", "pt"])
async def test_on_paper(told: Town, language: str) -> None:
    _, body = await made(told, format="pdf", language=language, since="2026-11-01T00:00:00-05:00")
    read = pypdf.PdfReader(io.BytesIO(body))
    said = words(language)
    text = "\n".join(page.extract_text() for page in read.pages)
    for name in ("title", "summary", "rules", "readings", "recount", "proof", "column_peak"):
        assert said[name] in text
    assert "CO-FREQ-3d" in text
    assert "Ley 2300 de 2023" in text
    assert "co.week" in text
    assert f"{len(read.pages)}" in read.pages[-1].extract_text().splitlines()[-1]
    pictures = [image for page in read.pages for image in page.images]
    (code,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(pictures[-1].data)).convert("L"))
    _, trace_head, _ = await told.call("GET", "/v1/trace/head")
    signed = opened(code.text, bytes.fromhex(trace_head["public_key"]))
    assert signed.head.size > 0


async def test_the_command_makes_the_same_files(told: Town, tmp_path: Any) -> None:
    for kind in ("csv", "ndjson", "pdf"):
        to = tmp_path / f"audit.{kind}"
        ended = await tregua(told, "frequency", "--report", to, "--since", "2026-11-01", group="audit")
        assert ended.code == 0, ended.err
        assert to.stat().st_size > 300
    _, body = await made(told, format="csv", since="2026-11-01T00:00:00+00:00")
    assert (tmp_path / "audit.csv").read_bytes() == body
    assert (await tregua(told, "frequency", "--report", tmp_path / "x.doc", group="audit")).code == 2


async def test_what_is_refused(told: Town) -> None:
    for body, pointer in (
        ({"format": "doc"}, "/format"),
        ({"format": "csv", "since": "2027-01-01T00:00:00Z"}, "/since"),
        ({"format": "csv", "since": "2020-01-01T00:00:00Z"}, "/since"),
        ({"format": "csv", "name": "x"}, "/name"),
    ):
        status, answered, _ = await told.call("POST", "/v1/reports", body)
        assert (status, answered["errors"][0]["pointer"]) == (422, pointer)
    assert (await told.call("POST", "/v1/reports", {"format": "csv", "contact": "nobody"}))[0] == 404
    assert (await told.call("GET", "/v1/reports/rpt_" + "0" * 32))[0] == 404


async def test_columns_are_refused_by_name_where_what_writes_them_is_not_installed(
    quiet: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, asked, _ = await quiet.call("POST", "/v1/reports", {"format": "parquet"})
    assert status == 202
    monkeypatch.setattr(columns, "find_spec", lambda _name: None)
    status, answered, _ = await quiet.call("POST", "/v1/reports", {"format": "parquet"})
    assert (status, answered["errors"][0]["pointer"]) == (422, "/format")
    assert "tregua[parquet]" in answered["errors"][0]["detail"]
    # A worker that lacks what the API has says so once, and makes the next.
    await quiet.call("POST", "/v1/reports", {"format": "csv"})
    assert await reports(quiet.house).round() == 2
    _, shown, _ = await quiet.call("GET", f"/v1/reports/{asked['id']}")
    assert shown["state"] == "failed"
    refused = await write(
        quiet.house,
        TENANT,
        tmp_path / "x.parquet",
        contact=None,
        jurisdiction=None,
        since=None,
        until=None,
        language="en",
    )
    assert refused is not None
    assert "tregua[parquet]" in refused
    assert not list(tmp_path.glob("*x.parquet*"))


async def test_not_yet_made_is_said_and_a_tenant_may_wait_for_ten(quiet: Town) -> None:
    asked = [await quiet.call("POST", "/v1/reports", {"format": "csv"}) for _ in range(11)]
    assert [status for status, _, _ in asked] == [202] * 10 + [429]
    status, problem, _ = await quiet.call("GET", f"/v1/reports/{asked[0][1]['id']}/file")
    assert (status, problem["type"].rpartition("/")[2], problem["state"]) == (409, "report-not-ready", "waiting")


async def test_who_is_erased_stands_in_no_report_and_nobody_else_goes_with_her(told: Town) -> None:
    """A report about her is gone; one about everybody is made anew without her, under the same name."""
    one, _ = await made(told, format="csv", contact="p1")
    other, _ = await made(told, format="csv", contact="p2")
    everybody, _ = await made(told, format="csv")
    assert everybody["remade"] == 0
    await told.stop_workers()  # nobody makes anew what is looked at below
    status, _, _ = await told.call("DELETE", "/v1/contacts/p1")
    assert status in (200, 202)
    for _ in range(200):
        if not await told.rows("SELECT FROM contact WHERE id = 'p1'"):
            break
        await asyncio.sleep(0.05)
    left = [(await told.call("GET", f"/v1/reports/{each['id']}"))[0] for each in (one, other, everybody)]
    assert left == [404, 200, 200]
    _, again, _ = await told.call("GET", f"/v1/reports/{everybody['id']}")
    assert (again["state"], again["sha256"], again["size"], again["remade"]) == ("waiting", None, None, 1)
    status, problem, _ = await told.call("GET", f"/v1/reports/{everybody['id']}/file")
    assert (status, problem["state"], problem["remade"]) == (409, "waiting", 1)
    assert (
        await told.rows("SELECT FROM report_part p JOIN report r ON r.id = p.report WHERE r.contact IS NULL") == []
    ), "what named her is gone with her, and not when somebody makes it anew"
    before = (await told.rows("SELECT tries FROM report WHERE contact IS NULL"))[0]["tries"]
    await reports(told.house).round()
    _, again, _ = await told.call("GET", f"/v1/reports/{everybody['id']}")
    assert (again["state"], again["done"], again["remade"]) == ("ready", everybody["done"] - 1, 1)
    assert again["sha256"] != everybody["sha256"]
    status, file, _ = await told.call("GET", f"/v1/reports/{everybody['id']}/file")
    assert status == 200
    assert "p2" in file
    assert "p1" not in file
    (row,) = await told.rows("SELECT tries, tried, remade FROM report WHERE contact IS NULL")
    assert (row["tries"], row["tried"], row["remade"]) == (before + 1, before, 1)
    await told.rows("UPDATE report SET expires_at = clock_timestamp() - interval '1 second'")
    assert (await told.call("GET", f"/v1/reports/{other['id']}"))[0] == 404
    await reports(told.house).round()
    assert await told.rows("SELECT FROM report_part") == []
    assert KEPT.days == 7


HOSTILE = {
    "=1+1": "'=1+1",
    "+57": "'+57",
    "-2": "'-2",
    "@SUM(A1)": "'@SUM(A1)",
    "\t=1": "'\\u{9}=1",
    "＝1": "'＝1",
    "a=b": "a=b",
    BIDI: "c\\u{202e}txt.exe",
    "\x00\x1b[31m": "\\u{0}\\u{1b}[31m",
    "a\nb": "a\\u{a}b",
}


@pytest.mark.parametrize(("text", "shown"), HOSTILE.items(), ids=ascii)
def test_no_cell_is_computed_and_nothing_is_hidden(text: str, shown: str) -> None:
    assert cell(text) == shown


def test_what_a_font_lacks_is_written_out() -> None:
    assert printable("Peña – 5 €") == "Peña – 5 €"
    assert printable("名") == "\\u{540d}"
    assert visible("ñ") == "ñ"


def test_every_language_has_every_word() -> None:
    names = words("en").keys()
    assert all(words(language).keys() == names for language in ("es", "pt"))

"""`tregua send`: checked first, sent once whatever interrupts it, spread after the opening, and told in words."""

import asyncio
import csv
import io
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.campaigns.columns import Unreadable
from gateway.campaigns.rows import Bad, Campaign, CampaignFile, Row
from gateway.cli.send import _report as write_report
from gateway.templates.asks import VariableAsk
from tests import sizes
from tests.campaigns import tally
from tests.gateway.town import SUNDAY, Town

NOTICE = "Responda BAJA para no recibir más mensajes."
TEMPLATE = {
    "default": "es",
    "variables": {"name": {"type": "name"}, "amount": {"type": "money", "currency": "COP"}, "due": {"type": "date"}},
    "locales": {"es": {"any": {"text": "Hola {{name|first}}: {{amount}} hasta el {{due}}. " + NOTICE}}},
}
HEADER = "contact,role,name,sms,address_kind,address_source,authorised_at,jurisdictions,zones,debt,amount,due\n"


def line(number: int, **more: str) -> str:
    cells = {
        "contact": f"cli-{number}", "role": "debtor", "name": "ANA PÉREZ", "sms": f"+57300{number % 100_000:05d}77", "kind": "personal",
        "source": "supplied", "at": "2026-01-05T10:00:00-05:00", "j": "CO", "z": "America/Bogota", "debt": f"obl-{number}",
        "amount": "120000", "due": "2026-12-05",
    } | more  # fmt: skip
    return ",".join(cells.values()) + "\n"


def file_of(folder: Path, *lines: str, header: str = HEADER) -> Path:
    path = folder / "campaign.csv"
    path.write_text(header + "".join(lines), "utf-8")
    return path


CAMPAIGN = Campaign(
    template="cuota",
    variables={
        "name": VariableAsk(type="name"),
        "amount": VariableAsk(type="money", currency="COP"),
        "due": VariableAsk(type="date"),
    },
    channels=("sms",),
)


def read(path: Path, mapping: dict[str, str] | None = None) -> tuple[list[Row], list[Bad]]:
    rows: list[Row] = []
    bad: list[Bad] = []
    for found in CampaignFile(path, CAMPAIGN, mapping or {}).rows():
        if isinstance(found, Row):
            rows.append(found)
        else:
            bad += found
    return rows, bad


def test_a_row_is_a_message(tmp_path: Path) -> None:
    rows, bad = read(file_of(tmp_path, line(1), line(2)))
    assert bad == []
    assert [row.line for row in rows] == [2, 3]
    assert rows[0].body["contact"] == {
        "id": "cli-1", "role": "debtor", "name": "ANA PÉREZ", "jurisdictions": ["CO"], "zones": ["America/Bogota"],
        "addresses": [
            {"channel": "sms", "address": "+573000000177", "kind": "personal", "source": "supplied",
             "authorised": {"at": "2026-01-05T10:00:00-05:00", "instrument": "separate"}}
        ],
    }  # fmt: skip
    assert rows[0].body["content"] == {
        "template": "cuota",
        "variables": {"name": "ANA PÉREZ", "amount": "120000", "due": "2026-12-05"},
    }
    # One column may be a fact of the debt and a word of the text.
    assert rows[0].body["debts"] == [{"id": "obl-1", "due": "2026-12-05"}]
    assert rows[0].key != rows[1].key


def test_keys_are_of_the_file_the_template_and_the_row(tmp_path: Path) -> None:
    def keys(campaign: Campaign, text: str) -> list[str]:
        path = file_of(tmp_path, text)
        return [row.key for row in CampaignFile(path, campaign, {}).rows() if isinstance(row, Row)]

    import dataclasses

    first = keys(CAMPAIGN, line(1) + line(2))
    assert keys(CAMPAIGN, line(1) + line(2)) == first
    assert keys(dataclasses.replace(CAMPAIGN, spread_seconds=60), line(1) + line(2)) == first
    for other in (
        keys(CAMPAIGN, line(1) + line(3)),
        keys(dataclasses.replace(CAMPAIGN, name="again"), line(1) + line(2)),
        keys(dataclasses.replace(CAMPAIGN, template="otra"), line(1) + line(2)),
    ):
        assert not set(other) & set(first)


BAD_ROWS: dict[str, tuple[str, str, str]] = {
    "no contact": (line(1, contact=""), "contact", "is empty"),
    "a number that is none": (line(1, sms="3001234567"), "sms", "a phone number is written in E.164"),
    "a number as spreadsheets write it": (line(1, sms="5.73E+11"), "sms", "a phone number is written in E.164"),
    "no address": (line(1, sms=""), "", "holds no address"),
    "an amount in words": (line(1, amount="mucho"), "amount", "is not an amount"),
    "a day of another country": (line(1, due="05/12/2026"), "due", "is not a day"),
    "a kind that is none": (line(1, kind="mobile"), "address_kind", "none of the values that may stand here: personal"),
    "an instant without offset": (
        line(1, at="2026-01-05T10:00:00"),
        "authorised_at",
        "expected an RFC 3339 instant with an offset",
    ),
    "an id with a blank": (line(1, debt="a b"), "debt", "expected string matching regex"),
    "cells too many": (line(1).strip() + ",x\n", "", "has 13 cells where there are 12 columns"),
    "a zone by its town": (line(1, z="Bogota"), "zones", "is not an IANA time zone"),
    "a placeholder": (line(1, name="{{link}}"), "name", "holds the braces"),
}


@pytest.mark.parametrize(("text", "column", "why"), BAD_ROWS.values(), ids=BAD_ROWS.keys())
def test_a_bad_row_is_named_by_line_and_column_and_never_quoted(
    tmp_path: Path, text: str, column: str, why: str
) -> None:
    rows, bad = read(file_of(tmp_path, line(7), text, line(8)))
    assert [row.line for row in rows] == [2, 4]
    assert [(one.line, one.column) for one in bad] == [(3, column)]
    assert bad[0].why.lower().startswith(why.lower()), bad


def test_all_that_is_wrong_with_a_row_is_told_at_once(tmp_path: Path) -> None:
    wrong = {
        "contact": "", "sms": "3017654321", "kind": "mobile", "source": "hearsay", "at": "ayer", "j": "Colombia", "z": "Medellin",
        "debt": "a b", "amount": "mucho", "due": "05/12/2026",
    }  # fmt: skip
    _, bad = read(file_of(tmp_path, line(7), line(1, **wrong)))
    assert {one.line for one in bad} == {3}
    assert sorted(one.column for one in bad) == [
        "address_kind", "address_source", "amount", "authorised_at", "contact", "debt", "due", "jurisdictions", "sms", "zones"
    ]  # fmt: skip
    assert not [one for one in bad for value in wrong.values() if value and value in one.why]


def test_a_bad_row_keeps_its_key(tmp_path: Path) -> None:
    header = "idempotency_key,contact,sms,debt\n"
    _, bad = read(file_of(tmp_path, "ñ,a,+573001234567,d\nk1,b,none,d\nk1,,+573001234567,d\n", header=header))
    assert [(one.line, one.column) for one in bad] == [
        (2, "idempotency_key"), (3, "sms"), (4, "contact"), (4, "idempotency_key")
    ]  # fmt: skip


POINTERS: dict[str, tuple[str, str]] = {
    "a number": ("/contact/addresses/0/address", "sms"),
    "when it was authorised": ("/contact/addresses/0/authorised/at", "authorised_at"),
    "what no column says of an address": ("/contact/addresses/0/authorised/instrument", "authorised_instrument"),
    "one zone of several": ("/contact/zones/1", "zones"),
    "the debt by its id": ("/debts/0", "debt"),
    "a fact of the debt": ("/debts/0/due", "due"),
    "a variable": ("/content/variables/amount", "amount"),
    "a variable that no column brings": ("/content/variables/total", "var.total"),
    "the template": ("/content/template", "--template"),
    "the channel": ("/channel", "--channel"),
    "the message": ("", ""),
    "what nobody knows": ("/content/text", "/content/text"),
}


@pytest.mark.parametrize(("pointer", "where"), POINTERS.values(), ids=POINTERS.keys())
def test_a_pointer_of_the_gateways_is_a_column_again(tmp_path: Path, pointer: str, where: str) -> None:
    source = CampaignFile(file_of(tmp_path, line(1)), CAMPAIGN, {})
    (row,) = source.rows()
    assert isinstance(row, Row)
    assert source.where(row, pointer) == where


def test_a_key_column_may_not_repeat(tmp_path: Path) -> None:
    header = "idempotency_key,contact,sms,debt\n"
    _, bad = read(
        file_of(tmp_path, "k1,a,+573001234567,d\nk2,b,+573001234567,d\nk1,c,+573001234567,d\n", header=header)
    )
    assert bad == [Bad(4, "idempotency_key", "the same as in line 2")]


BAD_FILES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "the first line must name the columns, and is empty; fields are contact, name"),
    "blank": (b" , \n", "the first line must name the columns, and is empty"),
    "no contact": (b"sms,debt\n", "no column stands for contact"),
    "a column that means nothing": (b"contact,saldo\n", "nothing known here in column B. Name the meaning"),
    "a column misspelt": (b"contact,amout\n", r"column B \(is amount meant\?\)"),
    "a column twice": (b"contact,contact\n", "more than one column stands for contact: A and B"),
    "two columns of one meaning": (b"contact,sms,phone\n", "more than one column stands for sms"),
    "Latin-1": ("contact,año\n".encode("latin-1"), "line 1 is not CSV in UTF-8"),
    "a quote that never ends": (b'contact,"sms\n1,2\n', "line 1 is not CSV"),
}


@pytest.mark.parametrize(("raw", "why"), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_a_file_that_is_no_campaign_is_refused_whole(tmp_path: Path, raw: bytes, why: str) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(raw)
    with pytest.raises(Unreadable, match=why):
        read(path)


#: Rows of people where the names of columns should be.
NO_HEADER: dict[str, str] = {
    "every cell hers": "cli-1,debtor,Ana Pérez,+573001234567,Calle 10,America/Bogota,obl-9,120000",
    "one cell that is a name of a column": "Ana Pérez,contact,+573001234567",
    "a cell twice": "contact,Ana Pérez,Ana Pérez",
    "one cell": "Ana Pérez",
}


@pytest.mark.parametrize("text", NO_HEADER.values(), ids=NO_HEADER.keys())
@pytest.mark.parametrize("mapping", [{}, {"saldo": "amount"}], ids=["plain", "with a column that is mapped"])
def test_a_file_without_a_header_prints_nobody(tmp_path: Path, text: str, mapping: dict[str, str]) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text + "\n" + text + "\n", "utf-8")
    with pytest.raises(Unreadable) as refused:
        read(path, mapping)
    assert not [cell for cell in text.split(",") if cell != "contact" and cell in str(refused.value)]
    assert "saldo" in str(refused.value) or "the first line must name the columns" in str(refused.value)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "byte order mark"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_files_come_as_programs_write_them(tmp_path: Path, delimiter: str, mark: str, end: str) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end)
    writer.writerow(["Contact ID", "Phone", "Debt", "name", "nota"])
    writer.writerow(["cli-1", "+573001234567", "d1", f'Ana "la{delimiter} {end}grande"', "x"])
    writer.writerow(["", "", "", "", ""])
    writer.writerow(["cli-2", "+573001234567", "d2", "Luis", "y"])
    path = tmp_path / "x.csv"
    path.write_bytes((mark + out.getvalue()).encode())
    rows, bad = read(path, {"nota": "meta.nota"})
    assert bad == []
    assert [row.body["contact"]["id"] for row in rows] == ["cli-1", "cli-2"]
    assert rows[1].body["metadata"] == {"nota": "y"}
    # A cell may hold a line feed: lines are those of the file.
    assert [row.line for row in rows] == [2, 5]


@pytest.mark.parametrize("text", ["=1+1", "+57", "-1", "@x", "\tx", "＝1"])
def test_no_cell_of_a_report_is_a_formula(tmp_path: Path, text: str) -> None:
    path = tmp_path / "report.csv"
    write_report(path, [Bad(3, text, text), Bad(4, "x" + text, "x" + text)])
    _, first, second = csv.reader(path.read_text("utf-8-sig").splitlines())
    assert [first[0], *(cell[0] for cell in first[1:])] == ["3", "'", "'"]
    assert [second[0], *(cell[0] for cell in second[1:])] == ["4", "x", "x"]


# ---- the command ------------------------------------------------------------------------------------------------------


async def start(town: Town, *words: str) -> asyncio.subprocess.Process:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("TREGUA_")},
        "TREGUA_API_URL": town.url,
        "TREGUA_API_KEY": town.key,
    }
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from gateway.cli.main import run; run()", "send", *words,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment,
    )  # fmt: skip


async def run(town: Town, *words: str) -> tuple[int, dict[str, Any]]:
    process = await start(town, *words, "--json")
    out, err = await asyncio.wait_for(process.communicate(), 3_600 if sizes.LONG else 120)
    assert process.returncode is not None
    return process.returncode, json.loads(out) if out else {"error": err.decode()}


async def save(town: Town) -> None:
    status, shown, _ = await town.call("PUT", "/v1/templates/cuota", TEMPLATE)
    assert status == 200, shown


async def counted(town: Town) -> int:
    count: int = (await town.rows("SELECT count(*) AS n FROM message"))[0]["n"]
    return count


async def test_nothing_is_sent_while_a_row_is_bad_unless_said(quiet: Town, tmp_path: Path) -> None:
    await save(quiet)
    path = file_of(tmp_path, line(1), line(2, sms="nope", amount="mucho"), line(3))
    report = tmp_path / "report.csv"
    code, told = await run(quiet, "--csv", str(path), "--template", "cuota", "--report", str(report))
    assert (code, told["rows"], told["accepted"]) == (1, 3, 0)
    assert [(bad["line"], bad["where"]) for bad in told["bad"]] == [(3, "amount"), (3, "sms")]
    assert await counted(quiet) == 0
    lines = report.read_text("utf-8-sig").splitlines()
    assert [one.split(",")[:2] for one in lines[1:]] == [["3", "amount"], ["3", "sms"]]
    code, told = await run(quiet, "--csv", str(path), "--template", "cuota", "--skip-bad")
    assert (code, told["accepted"], told["by_status"]) == (1, 2, {"queued": 2})
    assert await counted(quiet) == 2


async def test_what_the_gateway_refuses_is_told_by_line_and_column(quiet: Town, tmp_path: Path) -> None:
    await save(quiet)
    path = file_of(tmp_path, "nobody-1,d1\n", "nobody-1,d1\n", header="contact,debt\n")
    for words in ((), ("--dry-run",)):
        code, told = await run(quiet, "--csv", str(path), "--template", "cuota", *words)
        assert code == 1
        assert {(one["line"], one["where"]) for one in told["refused"]} == {(2, "contact"), (3, "contact")}, told


async def test_a_dry_run_tells_rules_and_articles_and_stores_nothing(quiet: Town, tmp_path: Path) -> None:
    await save(quiet)
    await quiet.set_clock(SUNDAY)
    path = file_of(tmp_path, *(line(number) for number in range(12)), line(99, at=""))
    code, told = await run(quiet, "--csv", str(path), "--template", "cuota", "--dry-run")
    assert code == 0
    assert told["outcomes"] == {"defer": 12, "deny": 1}
    rules = {(one["outcome"], one["rule"]): (one["messages"], one["citation"]) for one in told["rules"]}
    messages, citation = rules["defer", "CO-HRS-3c"]
    assert (messages, citation.startswith("Ley 2300 de 2023, art. 3")) == (12, True)
    assert told["until"] == {"2026-11-23T07:00:00-05:00": 12}
    assert await counted(quiet) == 0
    assert (await quiet.rows("SELECT count(*) AS n FROM contact"))[0]["n"] == 0


async def test_what_the_law_defers_is_spread_after_its_opening(quiet: Town, tmp_path: Path) -> None:
    await save(quiet)
    await quiet.set_clock(SUNDAY)
    path = file_of(tmp_path, *(line(number) for number in range(200)))
    code, told = await run(quiet, "--csv", str(path), "--template", "cuota", "--spread", "2")
    assert (code, told["by_status"]) == (0, {"deferred": 200})
    rows = await quiet.rows(
        "SELECT extract(epoch FROM due_at - timestamptz '2026-11-23 07:00-05') AS late, decision->>'until' AS until FROM message"
    )
    assert {row["until"] for row in rows} == {"2026-11-23T07:00:00-05:00"}, "the law's instant is told as it is"
    late = sorted(float(row["late"]) for row in rows)
    assert late[0] >= 0
    assert late[-1] < 7200
    quarters = [sum(quarter <= second // 1800 < quarter + 1 for second in late) for quarter in range(4)]
    assert min(quarters) > 25, quarters


async def test_spreading_ends_with_the_hours_of_the_law(quiet: Town, tmp_path: Path) -> None:
    """Friday evening: wanted at 18:30, the law closes at 19:00 (Ley 2300, art. 3)."""
    await save(quiet)
    header = HEADER.strip() + ",send_at\n"
    lines = [line(number).strip() + ",2026-11-27T18:30:00-05:00\n" for number in range(40)]
    path = file_of(tmp_path, *lines, header=header)
    code, _ = await run(quiet, "--csv", str(path), "--template", "cuota", "--spread", "6")
    assert code == 0
    rows = await quiet.rows(
        "SELECT due_at BETWEEN '2026-11-27 18:30-05' AND '2026-11-27 19:00-05' AS inside FROM message"
    )
    assert [row["inside"] for row in rows] == [True] * 40


@pytest.mark.campaign
async def test_a_campaign_killed_twice_is_accepted_once(quiet: Town, tmp_path: Path) -> None:
    """kill -9 in the middle, twice, and once more to the end: every row once."""
    await save(quiet)
    path = file_of(tmp_path, *(line(number) for number in range(sizes.CAMPAIGN_ROWS)))
    words = ("--csv", str(path), "--template", "cuota")
    with tally.counted("C19", "a file of messages, killed on its way and sent again", planned=("killed",)) as found:
        for share in (0.2, 0.6):
            process = await start(quiet, *words)
            while await counted(quiet) < sizes.CAMPAIGN_ROWS * share:
                assert process.returncode is None, await process.communicate()
                await asyncio.sleep(0.2 if sizes.LONG else 0.02)
            process.send_signal(signal.SIGKILL)
            await process.communicate()
            found.faults["killed"] += 1
            assert await counted(quiet) < sizes.CAMPAIGN_ROWS
        code, told = await run(quiet, *words)
        assert (code, told["accepted"], told["refused"]) == (0, sizes.CAMPAIGN_ROWS, [])
        assert told["replayed"] >= sizes.CAMPAIGN_ROWS * 0.6 - 1
        assert await counted(quiet) == sizes.CAMPAIGN_ROWS
        people = await quiet.rows("SELECT count(DISTINCT contact) AS n FROM message")
        assert people[0]["n"] == sizes.CAMPAIGN_ROWS
        again, told = await run(quiet, *words)
        assert (again, told["replayed"]) == (0, sizes.CAMPAIGN_ROWS)
        assert await counted(quiet) == sizes.CAMPAIGN_ROWS
        found.trials = sizes.CAMPAIGN_ROWS


async def test_wrong_use_is_exit_two_and_a_gateway_that_is_away_exit_one(quiet: Town, tmp_path: Path) -> None:
    await save(quiet)
    path = file_of(tmp_path, line(1))
    for words, code in (
        (("--csv", str(path), "--template", "cuota", "--channel", "fax"), 2),
        (("--csv", str(path), "--template", "cuota", "--map", "sms"), 2),
        (("--csv", str(path), "--template", "cuota", "--spread", "13"), 2),
        (("--csv", str(path), "--template", "nothing"), 1),
        (("--csv", str(tmp_path / "none.csv"), "--template", "cuota"), 1),
        (("--csv", str(path), "--template", "cuota", "--url", "http://127.0.0.1:1"), 1),
    ):
        found, told = await run(quiet, *words)
        assert found == code, (words, told)
        assert told["error"].startswith("tregua: ")
        assert "Traceback" not in told["error"]

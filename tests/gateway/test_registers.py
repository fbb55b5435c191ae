"""Do-not-contact registers: read in versions from CSV, in force at once, only digests kept, their age asked for by law."""

import json
import time
from collections.abc import AsyncIterator
from resource import RUSAGE_SELF, getrusage
from typing import Any

import pytest

from gateway.addresses import endpoint
from gateway.compose import registers
from gateway.people.register_lines import Bad, Line, LineReader
from gateway.people.registers import CHUNK_LINES, Import
from tests import sizes
from tests.gateway.town import TENANT, Town, message, person
from vocabulary.channel import Channel

NUMBER = "+573015550001"
OTHER = "+573015550002"


async def pieces(text: str | bytes, size: int = 7) -> AsyncIterator[bytes]:
    """The file as a network might bring it: cut anywhere."""
    data = text.encode() if isinstance(text, str) else text
    for begin in range(0, len(data), size):
        yield data[begin : begin + size]


async def bring(town: Town, name: str, csv: str | bytes, *, expect: int = 201, query: str = "") -> Any:
    url = f"{town.url}/v1/registers/{name}/versions{query}"
    headers = {"Authorization": f"Bearer {town.key}", "Content-Type": "text/csv"}
    async with town.session.post(url, data=pieces(csv), headers=headers) as answer:
        document = json.loads(await answer.text())
        assert answer.status == expect, document
        return document


async def call(town: Town, method: str, path: str, body: Any = None) -> Any:
    status, answered, _ = await town.call(method, path, body)
    assert status in (200, 201), answered
    return answered


async def rules(town: Town, contact: Any, **more: Any) -> list[str]:
    decision = await call(town, "POST", "/v1/decisions", message(contact, **more))
    return [reason["rule"] for reason in decision["reasons"]]


# ---- lines ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code", "found"),
    [
        ("number\n+573015550001\n", None, ["+573015550001"]),
        ("3015550001", "57", ["+573015550001"]),
        ("573015550001", "57", ["+573015550001"]),
        ("00573015550001", "57", ["+573015550001"]),
        ("(301) 555-0001", "57", ["+573015550001"]),
        ("11987654321", "55", ["+5511987654321"]),
        ("5511987654321", "55", ["+5511987654321"]),
        ("212,5550123", "1", ["+12125550123"]),
        ("Fecha;Teléfono;Correo\n01/02/2026;3015550001;ana@example.com", "57", ["+573015550001", "ana@example.com"]),
        ("\ufeffNUMERO\tcanal\n3015550001\tsms", "57", ["+573015550001"]),
        ("3015550001", None, [1]),
        ("number\nhello\n+573015550001\n\n+1\n", None, [2, "+573015550001", 5]),
        ("number,channel\n+573015550001,fax", None, [2]),
        ("number,since\n+573015550001,31/31/2026", None, [2]),
        ("number,since\n,2026-01-01", None, [2]),
        ('number\n"+57301', None, [2]),
        ("number\n" + "9" * 3_000, None, [2]),
    ],
)
def test_lines_as_authorities_write_them(text: str, code: str | None, found: list[object]) -> None:
    """An address in its one spelling, or the number of the line that holds none."""
    read = LineReader(code).read(text.splitlines(keepends=True))
    assert [each.address if isinstance(each, Line) else each.number for each in read] == found


def test_a_line_says_of_which_channels_and_since_when() -> None:
    (line,) = LineReader("57").read(["numero;canal;desde", "3015550001;SMS|llamadas;15/03/2026"])
    assert isinstance(line, Line)
    assert (line.channels, str(line.since)) == ((Channel.SMS, Channel.VOICE), "2026-03-15")


def test_why_a_line_is_bad_never_says_what_it_holds() -> None:
    for text in ("number\n+5730155500019999", "number\nAna Perez", "number,since\n+573015550001,3015550001"):
        bad = LineReader().read(text.splitlines())[-1]
        assert isinstance(bad, Bad)
        assert not any(part in bad.why for part in ("3015550001", "Ana", "9999"))


def test_pieces_of_a_file_are_read_as_one() -> None:
    reader = LineReader("57")
    first = reader.read(["telefono;canal", "3015550001;sms"])
    assert reader.read(["x;sms", "3015550002;sms"])[0] == Bad(
        3,
        first
        and "a phone number is written in E.164: a plus sign, the country code and the number, such as +573001234567",
    )


# ---- versions ---------------------------------------------------------------------------------------------------------


async def test_a_register_blocks_from_the_instant_it_is_in_force(busy: Town) -> None:
    """What is queued for tomorrow to somebody whose number comes onto a list is blocked within seconds, and hers alone."""
    for identity, number in (("r-1", NUMBER), ("r-2", OTHER)):
        await call(busy, "PUT", f"/v1/contacts/{identity}", person(identity, number))
    later = "2026-11-25T10:00:00-05:00"
    hers = await busy.send(message("r-1", send_at=later))
    others = await busy.send(message("r-2", send_at=later))
    report = await bring(busy, "house:lawyers", f"number\n{NUMBER}\nnonsense\n{NUMBER}\n")
    assert {key: report[key] for key in ("version", "lines", "entries", "new", "gone", "bad", "decided_again")} == {
        "version": 1, "lines": 4, "entries": 1, "new": 1, "gone": 0, "bad": 1, "decided_again": 1,
    }  # fmt: skip
    assert [error["line"] for error in report["errors"]] == [3]
    assert report["asked_by"] == ["HOUSE HOUSE-LISTED"]
    blocked = await busy.until(hers["id"], "blocked")
    assert [reason["rule"] for reason in blocked["decision"]["reasons"]] == ["HOUSE-LISTED"]
    assert (await busy.get(others["id"]))["status"] == "deferred"
    # The next version without her lets her be written to again.
    report = await bring(busy, "house:lawyers", f"number\n{OTHER}\n")
    assert (report["version"], report["entries"], report["new"], report["gone"]) == (2, 1, 1, 1)
    assert await rules(busy, "r-1") == []
    assert await rules(busy, "r-2") == ["HOUSE-LISTED"]


async def test_a_pack_asks_its_own_register_with_its_delay_and_its_age(quiet: Town) -> None:
    """No-Llame is asked for offers only, and not past 30 days; Procon-SP binds 30 days after the entry."""
    number = "+5491150001234"
    contact = {**person("r-3", number), "jurisdictions": ["AR"], "zones": ["America/Argentina/Buenos_Aires"]}
    offer = {"purpose": "marketing", "debts": []}
    report = await bring(quiet, "No-Llame", "1150009999\n", query="?as_of=2026-10-25T10:00:01-05:00")
    assert report["asked_by"] == ["AR AR-NOLL-7"]
    assert "AR-NOLL-7" not in await rules(quiet, contact, **offer)
    await bring(quiet, "no-llame", "1150009999\n", query="?as_of=2026-10-25T09:59:59-05:00")
    assert "AR-NOLL-7" in await rules(quiet, contact, **offer)
    await bring(quiet, "No-Llame", "+5491150001234\n")
    assert "AR-NOLL-7" in await rules(quiet, contact, **offer)
    assert "AR-NOLL-7" not in await rules(quiet, contact)
    brazilian = {**person("r-4", "+5511987654321"), "jurisdictions": ["BR-SP"], "zones": ["America/Sao_Paulo"]}
    await bring(quiet, "Procon-SP", "telefone;data\n11987654321;26/10/2026\n")
    assert "BR-SP-DNC" not in await rules(quiet, brazilian)
    await bring(quiet, "Procon-SP", "telefone;data\n11987654321;25/10/2026\n")
    assert "BR-SP-DNC" in await rules(quiet, brazilian)
    await bring(quiet, "Procon-SP", "telefone\n11987654321\n")
    assert "BR-SP-DNC" in await rules(quiet, brazilian)


async def test_an_entry_for_one_channel_leaves_the_others_open(quiet: Town) -> None:
    contact = person("r-5", NUMBER)
    await bring(quiet, "house:calls", f"number,channel\n{NUMBER},llamadas\n")
    assert await rules(quiet, contact) == []
    await bring(quiet, "house:texts", f"number,channel\n{NUMBER},sms|email\n")
    assert await rules(quiet, contact) == ["HOUSE-LISTED"]


async def test_adding_keeps_what_stands(quiet: Town) -> None:
    await bring(quiet, "house:vip", f"number\n{NUMBER}\n")
    report = await bring(quiet, "house:vip", f"number\n{OTHER}\n", query="?mode=add")
    assert (report["entries"], report["new"], report["gone"]) == (2, 1, 0)
    for number in (NUMBER, OTHER):
        assert await rules(quiet, person(f"r{number[-1]}", number)) == ["HOUSE-LISTED"]


async def test_a_file_that_was_cut_off_changes_nothing(quiet: Town) -> None:
    many = "number\n" + "".join(f"+57301555{n:04d}\n" for n in range(200))
    await bring(quiet, "house:many", many)
    for csv, pointer in ((f"number\n{OTHER}\n", "/force"), ("number\n", ""), ("", ""), ("number\nx\n", "")):
        refused = await bring(quiet, "house:many", csv, expect=422)
        assert [error["pointer"] for error in refused["errors"]] == [pointer]
        assert await rules(quiet, person("r-6", "+573015550150")) == ["HOUSE-LISTED"]
    await bring(quiet, "house:many", f"number\n{OTHER}\n", query="?force=true")
    assert await rules(quiet, person("r-6", "+573015550150")) == []
    states = [v["state"] for v in (await call(quiet, "GET", "/v1/registers/house:many/versions"))["items"]]
    assert states == ["in_force", *["given_up"] * 4, "past"]
    await bring(quiet, "house:many", f"number\n{OTHER}\n", query="?as_of=2027-01-01T00:00:00Z", expect=422)
    (shown,) = (await call(quiet, "GET", "/v1/registers"))["items"]
    assert (shown["register"], shown["entries"]) == ("house:many", 1)


async def test_what_is_past_is_cleared_and_a_reading_that_died_too(quiet: Town) -> None:
    await bring(quiet, "house:x", f"number\n{NUMBER}\n{OTHER}\n")
    await bring(quiet, "house:x", f"number\n{NUMBER}\n")
    await quiet.rows(
        "INSERT INTO register_version (id, tenant, key, number, state, as_of, begun_at, report) "
        "VALUES ('00000000-0000-0000-0000-000000000001', $1, 'house:x', 9, 'reading', now(), now() - interval '7 hours', '{}')",
        TENANT,
    )
    await quiet.rows(
        "INSERT INTO register_entry (version, endpoint) VALUES ('00000000-0000-0000-0000-000000000001', 'e')"
    )
    await registers(quiet.house).clear()
    ((left,),) = await quiet.rows("SELECT count(*) FROM register_entry")
    assert left == 1
    assert await rules(quiet, person("r-7", NUMBER)) == ["HOUSE-LISTED"]


async def test_no_number_of_a_register_is_kept_anywhere(quiet: Town) -> None:
    """The trace says what was read and how large it was; digests are keyed, and equal to those of addresses."""
    await bring(quiet, "house:secret", f"number\n{NUMBER}\n")
    digest = endpoint(quiet.house.endpoint_secret, TENANT, Channel.SMS, NUMBER)
    ((kept,),) = await quiet.rows("SELECT endpoint FROM register_entry")
    assert kept == digest
    tables = await quiet.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'tregua'")
    for (table,) in tables:
        for row in await quiet.rows(f'SELECT t::text FROM "{table}" t'):
            assert NUMBER[1:] not in row[0]
    entries = (await call(quiet, "GET", "/v1/trace?limit=500"))["items"]
    (entry,) = [each for each in entries if each["kind"] == "register"]
    assert (entry["facts"]["register"], entry["facts"]["entries"]) == ("house:secret", 1)


async def test_a_register_is_its_tenants_own(quiet: Town) -> None:
    await bring(quiet, "house:mine", f"number\n{NUMBER}\n")
    await quiet.rows("UPDATE register SET version = NULL")
    assert await rules(quiet, person("r-8", NUMBER)) == []


async def test_a_name_that_is_none_is_not_there(quiet: Town) -> None:
    for name in ("-x", "a" * 65, "a%2Fb", "a%0A", "%20"):
        await bring(quiet, name, f"number\n{NUMBER}\n", expect=404)


@pytest.mark.campaign
@pytest.mark.timeout(sizes.hangs_after(1_800))
async def test_many_lines_are_read_in_bounded_memory(quiet: Town, capsys: pytest.CaptureFixture[str]) -> None:
    """The reader asks for more only when what it holds is committed, so memory does not grow with the file."""
    lines, piece = sizes.REGISTER_LINES, 500
    committed = 0
    ahead: list[int] = []

    async def file() -> AsyncIterator[bytes]:
        yield b"number\n"
        for begin in range(0, lines, piece):
            ahead.append(begin - committed)
            yield b"".join(b"+57301%07d\n" % n for n in range(begin, begin + piece))

    def progress(done: int) -> None:
        nonlocal committed
        committed = done

    before, started = getrusage(RUSAGE_SELF).ru_maxrss, time.monotonic()
    report = await registers(quiet.house).read(TENANT, Import(name="house:big"), file(), progress)
    grown = (getrusage(RUSAGE_SELF).ru_maxrss - before) / 1024
    with capsys.disabled():
        print(f"\nregister of {lines} lines: {time.monotonic() - started:.1f} s, memory grew by {grown:.0f} MiB")
    assert (report["lines"], report["entries"], report["bad"]) == (lines + 1, lines, 0)
    assert max(ahead) <= CHUNK_LINES
    assert grown < 64

"""``tregua send``: a campaign from a CSV file: checked first, then sent in batches, once, however often it is interrupted."""

import asyncio
import csv
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.cli.environment import FOLDER
from gateway.cli.exits import fail

if TYPE_CHECKING:
    import aiohttp
    from rich.progress import Progress

    from gateway.campaigns.rows import Bad, CampaignFile, Row

app = typer.Typer(help="Send a campaign from a CSV file.")

BATCH_MAX: Final = 500
#: Batches in the air.
OPEN_BATCHES: Final = 2
OPEN_DECISIONS: Final = 16
#: Tries of one batch while the gateway is away or asks for patience; with the waits between them a good hour.
TRIES_MAX: Final = 60
WAIT_SECONDS_MAX: Final = 60.0
TIMEOUT_SECONDS: Final = 120.0
BAD_SHOWN_MAX: Final = 20
SPREAD_HOURS: Final = 2.0


@dataclass(slots=True)
class Tally:
    """What became of the rows so far."""

    rows: int = 0
    bad: "list[Bad]" = field(default_factory=list)
    good: int = 0
    accepted: Counter[str] = field(default_factory=Counter)
    replayed: int = 0
    refused: "list[Bad]" = field(default_factory=list)
    stopped: str = ""

    @property
    def holds(self) -> bool:
        """Whether every row was good and was accepted."""
        return not self.bad and not self.refused and not self.stopped

    def document(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "rows": self.rows,
            "bad": [_told(bad) for bad in self.bad],
            "accepted": sum(self.accepted.values()),
            "by_status": dict(self.accepted),
            "replayed": self.replayed,
            "refused": [_told(bad) for bad in self.refused],
            "stopped": self.stopped or None,
        }


class Away(Exception):
    """The gateway cannot be spoken to; the text says why."""


@app.command()
def send(
    file: Annotated[Path, typer.Option("--csv", metavar="FILE", help="UTF-8, with a header; a row is a message.")],
    template: Annotated[str, typer.Option(metavar="NAME", help="The template that the rows fill.")],
    channel: Annotated[
        list[str] | None, typer.Option(metavar="CHANNEL", help="sms (default), ...; repeat in order.")
    ] = None,
    purpose: Annotated[str, typer.Option(metavar="PURPOSE", help="collection, reminder, ...")] = "collection",
    jurisdiction: Annotated[list[str] | None, typer.Option(metavar="CODE", help="Where the file names none.")] = None,
    zone: Annotated[list[str] | None, typer.Option(metavar="ZONE", help="Where the file names none.")] = None,
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="COLUMN=FIELD", help="What a column stands for; - passes over it."),
    ] = None,
    metadata: Annotated[list[str] | None, typer.Option("--meta", metavar="NAME=TEXT", help="On every message.")] = None,
    campaign: Annotated[
        str, typer.Option(metavar="NAME", help="Tells two sendings of the same file apart; same name, same messages.")
    ] = "",
    template_version: Annotated[int | None, typer.Option(metavar="N", help="Not the version in force.")] = None,
    spread: Annotated[
        float,
        typer.Option(metavar="HOURS", help="What the law defers leaves within so many hours of its opening; 0: at it."),
    ] = SPREAD_HOURS,
    rate: Annotated[
        float, typer.Option(metavar="N", help="Messages a second at the most; 0: as fast as they are taken.")
    ] = 0,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Send the good rows although some are bad.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only ask what would be decided, row by row; nothing is stored.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write bad and refused rows there, as CSV.")
    ] = None,
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="The gateway; else TREGUA_API_URL or the settings here.")
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The key; else TREGUA_API_KEY or .tregua/sandbox.key.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what became of it as one JSON object.")] = False,
) -> None:
    """Check a CSV file row by row, then send each row as a message, once.

    Nothing is sent while a row is bad, unless --skip-bad. After an interruption run the same command again: rows that were
    accepted are answered as before and never sent twice, for their keys come from the file, the template and the row.

    Columns: contact, name, role, locale, jurisdictions, zones, household; sms, whatsapp, voice, email, telegram; address_kind,
    address_source, authorised_at, authorised_instrument; debt, creditor, contract_signed, due, debt_kind; send_at, expires_at,
    idempotency_key; the template's variables by their names (or var.NAME), meta.NAME.

    Exit 0: every row was accepted (blocked by law is accepted too). Exit 1: some were bad or refused. Exit 2: wrong use.

    Example: tregua send --csv july.csv --template cuota --jurisdiction CO --zone America/Bogota --dry-run
    """
    from gateway.asks import SPREAD_SECONDS_MAX
    from vocabulary.channel import SENDABLE, Purpose

    channels = tuple(channel or ["sms"])
    for name in channels:
        if name not in SENDABLE and name != "auto":
            fail(2, f"there is no channel {name}: choose {', '.join(sorted(SENDABLE))} or auto")
    if purpose not in set(Purpose):
        fail(2, f"there is no purpose {purpose}: choose {', '.join(Purpose)}")
    seconds = int(timedelta(hours=spread).total_seconds())
    if not 0 <= seconds <= SPREAD_SECONDS_MAX:
        fail(2, f"--spread is 0 to {SPREAD_SECONDS_MAX // 3600} hours")
    asked = _Asked(
        file=file,
        template=template,
        channels=channels,
        purpose=purpose,
        jurisdictions=tuple(jurisdiction or ()),
        zones=tuple(zone or ()),
        mapping=_pairs(mapping or [], "--map"),
        metadata=_pairs(metadata or [], "--meta"),
        campaign=campaign,
        version=template_version,
        spread_seconds=seconds,
        rate=rate,
        skip_bad=skip_bad,
        url=_url(url),
        key=_key(key_file),
    )
    try:
        if dry_run:
            outcome: Tally | Forecast = asyncio.run(_forecast(asked))
        else:
            outcome = asyncio.run(_send(asked))
    except Away as error:
        fail(1, str(error))
    if report is not None:
        _report(report, [*outcome.bad, *(outcome.refused)])
    if as_json:
        typer.echo(json.dumps(outcome.document(), ensure_ascii=False))
    else:
        _show(outcome)
    raise typer.Exit(0 if outcome.holds else 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    file: Path
    template: str
    channels: tuple[str, ...]
    purpose: str
    jurisdictions: tuple[str, ...]
    zones: tuple[str, ...]
    mapping: dict[str, str]
    metadata: dict[str, str]
    campaign: str
    version: int | None
    spread_seconds: int
    rate: float
    skip_bad: bool
    url: str
    key: str = field(repr=False)


# ---- sending ----------------------------------------------------------------------------------------------------------


async def _send(asked: _Asked) -> Tally:
    tally = Tally()
    async with _gateway(asked) as session:
        source = await _source(asked, session)
        with _progress() as progress:
            _check(source, tally, progress)
            if tally.bad and not asked.skip_bad:
                tally.stopped = "nothing was sent: some rows are bad (--skip-bad sends the others)"
                return tally
            await _pour(asked, session, source, tally, progress)
    return tally


def _check(source: "CampaignFile", tally: Tally, progress: "Progress") -> None:
    """Every row once, before any is sent."""
    from gateway.campaigns.columns import Unreadable
    from gateway.campaigns.rows import Row

    task = progress.add_task("checking", total=None)
    try:
        for found in source.rows():
            tally.rows += 1
            if isinstance(found, Row):
                tally.good += 1
            else:
                tally.bad += found
            if tally.rows % 500 == 0:
                progress.update(task, completed=tally.rows)
    except Unreadable as error:
        fail(1, f"{error}; nothing was sent")
    progress.update(task, completed=tally.rows, total=tally.rows)


def _good(source: "CampaignFile") -> "Iterator[Row]":
    from gateway.campaigns.rows import Row

    return (found for found in source.rows() if isinstance(found, Row))


async def _pour(
    asked: _Asked, session: "aiohttp.ClientSession", source: "CampaignFile", tally: Tally, progress: "Progress"
) -> None:
    from gateway.campaigns.rows import batches

    task = progress.add_task("sending", total=tally.good)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    size = BATCH_MAX if not asked.rate else max(1, min(BATCH_MAX, int(asked.rate)))
    left = batches(_good(source), size)
    loop = asyncio.get_running_loop()
    next_at = loop.time()

    async def take() -> None:
        nonlocal next_at
        for batch in left:
            if stop.is_set():
                tally.stopped = "interrupted: run the same command again, and it goes on"
                return
            if asked.rate:
                wait, next_at = next_at - loop.time(), max(next_at, loop.time()) + len(batch) / asked.rate
                await asyncio.sleep(max(0.0, wait))
            results = await _post(session, batch)
            _count(source, tally, batch, results)
            progress.update(task, advance=len(batch))

    try:
        await asyncio.gather(*(take() for _ in range(OPEN_BATCHES)))
    except Away as error:
        tally.stopped = f"{error}; run the same command again, and it goes on"


async def _post(session: "aiohttp.ClientSession", batch: "list[Row]") -> list[dict[str, Any]]:
    """One batch, sent again while nobody answers: its keys make that harmless."""
    import aiohttp

    body = b"".join(json.dumps(row.body, ensure_ascii=False).encode() + b"\n" for row in batch)
    headers = {"Content-Type": "application/x-ndjson"}
    why = ""
    for tried in range(TRIES_MAX):
        wait = min(WAIT_SECONDS_MAX, 0.5 * 2**tried)
        try:
            async with session.post("/v1/messages/batch", data=body, headers=headers) as answer:
                raw = await answer.read()
                if answer.status == 200:
                    results = [json.loads(line) for line in raw.split(b"\n") if line]
                    if len(results) == len(batch) and not any(result["status"] in (409, 503) for result in results):
                        return results
                    why = "the gateway could not take all of a batch"
                elif answer.status in (429, 500, 502, 503, 504):
                    why = f"the gateway answers {answer.status}"
                    wait = _patience(answer.headers.get("Retry-After"), wait)
                else:
                    raise Away(f"the gateway answers {answer.status}: {_detail(raw)}")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            why = f"the gateway does not answer ({type(error).__name__})"
        await asyncio.sleep(wait)
    raise Away(why)


def _count(source: "CampaignFile", tally: Tally, batch: "list[Row]", results: list[dict[str, Any]]) -> None:
    for row, result in zip(batch, results, strict=True):
        if result["status"] == 202:
            tally.accepted[result["message"]["status"]] += 1
            tally.replayed += bool(result.get("replayed"))
            continue
        tally.refused += _refused(source, row, result["problem"])


def _refused(source: "CampaignFile", row: "Row", problem: dict[str, Any]) -> "list[Bad]":
    """All that the gateway says is wrong with a row, by the columns that it came from."""
    from gateway.campaigns.rows import Bad

    errors = problem.get("errors") or [{"pointer": "", "detail": problem["detail"]}]
    return [Bad(row.line, source.where(row, error["pointer"]), error["detail"]) for error in errors]


# ---- asking only ------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Forecast:
    """What would be decided now, by outcome, rule and article."""

    rows: int = 0
    bad: "list[Bad]" = field(default_factory=list)
    refused: "list[Bad]" = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    rules: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    until: Counter[str] = field(default_factory=Counter)

    @property
    def holds(self) -> bool:
        """Whether every row could be asked about."""
        return not self.bad and not self.refused

    def document(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "rows": self.rows,
            "bad": [_told(bad) for bad in self.bad],
            "refused": [_told(bad) for bad in self.refused],
            "outcomes": dict(self.outcomes),
            "rules": [
                {"outcome": outcome, "rule": rule, "citation": citation, "messages": count}
                for (outcome, rule, citation), count in self.rules.most_common()
            ],
            "until": dict(self.until.most_common(50)),
        }


async def _forecast(asked: _Asked) -> Forecast:
    """Each good row as a question; nothing is stored."""
    found = Forecast()
    async with _gateway(asked) as session:
        source = await _source(asked, session)
        with _progress() as progress:
            tally = Tally()
            _check(source, tally, progress)
            found.rows, found.bad = tally.rows, tally.bad
            task = progress.add_task("asking", total=tally.good)
            left = _good(source)

            async def take() -> None:
                for row in left:
                    await _ask(session, source, row, found)
                    progress.update(task, advance=1)

            await asyncio.gather(*(take() for _ in range(OPEN_DECISIONS)))
    return found


async def _ask(session: "aiohttp.ClientSession", source: "CampaignFile", row: "Row", found: Forecast) -> None:
    import aiohttp

    body = {name: value for name, value in row.body.items() if name != "idempotency_key"}
    try:
        async with session.post("/v1/decisions", json=body) as answer:
            document = json.loads(await answer.read())
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Away(f"the gateway does not answer ({type(error).__name__})") from None
    if answer.status != 200:
        if answer.status != 422:
            raise Away(f"the gateway answers {answer.status}: {document.get('detail', '')}")
        found.refused += _refused(source, row, document)
        return
    found.outcomes[document["outcome"]] += 1
    if document["until"] is not None:
        found.until[document["until"]] += 1
    for reason in document["reasons"]:
        found.rules[document["outcome"], reason["rule"], reason["citation"]] += 1


# ---- the gateway ------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _gateway(asked: _Asked) -> "AsyncIterator[aiohttp.ClientSession]":
    import aiohttp

    async with aiohttp.ClientSession(
        base_url=asked.url,
        headers={"Authorization": f"Bearer {asked.key}"},
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
    ) as session:
        yield session


async def _source(asked: _Asked, session: "aiohttp.ClientSession") -> "CampaignFile":
    """The file, read under the template as the gateway has it."""
    import aiohttp
    import msgspec

    from gateway.campaigns.columns import Unreadable
    from gateway.campaigns.rows import Campaign, CampaignFile
    from gateway.templates.asks import VariableAsk

    query = {} if asked.version is None else {"version": str(asked.version)}
    try:
        async with session.get(f"/v1/templates/{asked.template}", params=query) as answer:
            raw = await answer.read()
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Away(f"the gateway at {asked.url} does not answer ({type(error).__name__})") from None
    if answer.status == 404:
        fail(1, f"there is no template {asked.template}")
    if answer.status != 200:
        raise Away(f"the gateway answers {answer.status}: {_detail(raw)}")
    variables = msgspec.convert(json.loads(raw)["variables"], dict[str, VariableAsk])
    campaign = Campaign(
        template=asked.template,
        variables=variables,
        channels=asked.channels,
        purpose=asked.purpose,
        jurisdictions=asked.jurisdictions,
        zones=asked.zones,
        name=asked.campaign,
        template_version=asked.version,
        spread_seconds=asked.spread_seconds,
        metadata=asked.metadata,
    )
    try:
        return CampaignFile(asked.file, campaign, asked.mapping)
    except Unreadable as error:
        fail(1, str(error))


def _patience(retry_after: str | None, otherwise: float) -> float:
    if retry_after is not None and retry_after.isascii() and retry_after.isdigit():
        return min(WAIT_SECONDS_MAX, float(retry_after))
    return otherwise


def _detail(raw: bytes) -> str:
    try:
        return str(json.loads(raw).get("detail", ""))[:300]
    except (ValueError, AttributeError):
        return ""


def _url(given: str | None) -> str:
    from gateway.settings import FILE

    url = given or os.environ.get("TREGUA_API_URL") or os.environ.get("TREGUA_PUBLIC_URL")
    if url is None:
        import tomllib

        for file in (Path(FILE), FOLDER / FILE):
            if file.exists():
                url = tomllib.loads(file.read_text("utf-8")).get("public_url")
                break
    return (url or "http://127.0.0.1:8080").rstrip("/") + "/"


def _key(file: Path | None) -> str:
    if file is None and (given := os.environ.get("TREGUA_API_KEY")):
        return given.strip()
    file = file or FOLDER / "sandbox.key"
    try:
        return file.read_text("utf-8").strip()
    except OSError:
        fail(2, f"no key: set TREGUA_API_KEY or name a file with --key-file ({file} cannot be read)")


def _pairs(given: list[str], option: str) -> dict[str, str]:
    found = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals or not name:
            fail(2, f"{option} is written NAME=VALUE")
        found[name.strip()] = value.strip()
    return found


# ---- telling ----------------------------------------------------------------------------------------------------------


def _progress() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description:>8}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(file=sys.stderr),
        disable=not sys.stderr.isatty(),
    )


def _show(outcome: Tally | Forecast) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, soft_wrap=True)
    for title, rows in (("Bad rows", outcome.bad), ("Refused by the gateway", outcome.refused)):
        if rows:
            table = Table("line", "where", "why", title=f"{title}: {len(rows)}", title_justify="left")
            for bad in rows[:BAD_SHOWN_MAX]:
                table.add_row(str(bad.line), bad.column, bad.why)
            console.print(table)
            if len(rows) > BAD_SHOWN_MAX:
                console.print(f"… and {len(rows) - BAD_SHOWN_MAX} more (--report FILE, --json)")
    if isinstance(outcome, Forecast):
        said = ", ".join(f"{name} {count:,}" for name, count in outcome.outcomes.most_common())
        console.print(f"{outcome.rows:,} rows: {said or 'none asked about'}")
        if outcome.rules:
            table = Table("outcome", "rule", "citation", "messages")
            for (name, rule, citation), count in outcome.rules.most_common():
                table.add_row(name, rule, citation, f"{count:,}")
            console.print(table)
        return
    said = ", ".join(f"{name} {count:,}" for name, count in outcome.accepted.most_common())
    console.print(f"{outcome.rows:,} rows, {sum(outcome.accepted.values()):,} accepted" + (f": {said}" if said else ""))
    if outcome.replayed:
        console.print(f"{outcome.replayed:,} of them had been accepted before")
    if outcome.stopped:
        console.print(outcome.stopped)


def _report(file: Path, rows: "list[Bad]") -> None:
    from pages.reports.text import cell

    with file.open("w", encoding="utf-8-sig", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["line", "where", "why"])
        writer.writerows([str(bad.line), cell(bad.column), cell(bad.why)] for bad in rows)


def _told(bad: "Bad") -> dict[str, Any]:
    return {"line": bad.line, "where": bad.column, "why": bad.why}

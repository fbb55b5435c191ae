"""Runs a simulated month from the command line: checks first, shows how far it is, says what came of it."""

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta

import aiohttp
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from gateway.cli.dev import TENANT
from gateway.cli.exits import DOES_NOT_HOLD, WRONG_USE, fail
from gateway.cli.month import Month, Refused, Report, is_empty
from gateway.compose import real_now
from gateway.settings import Settings
from storage.database import Database, DatabaseAway


def run_month(
    settings: Settings,
    *,
    key: str,
    url: str | None,
    number: int,
    days: int,
    seed: int,
    step_minutes: int,
    begins: str | None,
    anyway: bool,
    recheck: bool,
    as_json: bool,
) -> None:
    """``tregua demo month``: ends the command with a sentence where it cannot be done, or broke a law."""
    if settings.sandbox_url is None:
        fail(WRONG_USE, "these settings are no sandbox's: a month is simulated in `make run` only")
    start = _begins(begins, days)
    if start is None:
        fail(WRONG_USE, "--begins is no RFC 3339 instant with an offset")
    where = url or settings.public_url
    try:
        report = asyncio.run(
            _run(
                settings,
                where,
                key,
                number,
                days,
                seed,
                timedelta(minutes=step_minutes),
                start,
                begins is None,
                anyway,
                recheck,
            )
        )
    except (Refused, DatabaseAway) as error:
        fail(DOES_NOT_HOLD, f"{error}. Is `make run` running?")
    if report is None:
        fail(
            WRONG_USE,
            "there are messages here already, and a month would be mixed with them. Start afresh (stop `make run`, "
            "remove .tregua, start it again), or say --anyway",
        )
    if as_json:
        typer.echo(json.dumps(report.shown(), ensure_ascii=False))
    else:
        _print(report)
    if report.breaches:
        raise typer.Exit(DOES_NOT_HOLD)


def _begins(given: str | None, days: int) -> datetime | None:
    if given is None:
        return real_now().replace(microsecond=0) - timedelta(days=days)
    try:
        at = datetime.fromisoformat(given)
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo is not None else None


async def _run(
    settings: Settings,
    url: str,
    key: str,
    number: int,
    days: int,
    seed: int,
    step: timedelta,
    begins: datetime,
    until_now: bool,
    anyway: bool,
    recheck: bool,
) -> Report | None:
    database = await Database.open(settings.database_url, connections_max=2)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    try:
        async with aiohttp.ClientSession() as session:
            if not anyway and not await is_empty(session, url, key):
                return None
            month = Month(
                session,
                database,
                url=url,
                sandbox_url=url,
                key=key,
                tenant=TENANT,
                number=number,
                days=days,
                seed=seed,
                begins=begins,
                step=step,
            )
            with Progress(*columns, console=Console(file=sys.stderr)) as bar:
                task = bar.add_task(f"{days} days of {number} people", total=1.0)

                def show(share: float, so_far: Report) -> None:
                    day = min(so_far.days, int(share * so_far.days) + 1)
                    said = f"day {day} of {so_far.days}: {so_far.arrived} messages arrived, {sum(so_far.replies.values())} answers"
                    bar.update(task, completed=share, description=said)

                report = await month.run(show)
            if recheck:
                await month.recheck()
            if until_now:
                await month.real_time()
            return report
    finally:
        await database.close()


def _print(report: Report) -> None:
    console = Console()
    table = Table(
        title=f"{report.days} days of {report.people} people, from {report.begins[:16]}Z", title_justify="left"
    )
    for title in ("", "number"):
        table.add_column(title, justify="right" if title else "left")
    rows = {
        "messages accepted": report.accepted,
        **{f"  {status}": count for status, count in report.statuses.items()},
        "calls by the creditor's people": report.calls,
        "answers": sum(report.replies.values()),
        **{f"  {kind}": count for kind, count in report.replies.items()},
    }
    for name, count in rows.items():
        table.add_row(name, f"{count:,}")
    console.print(table)
    console.print(f"{report.seconds:.0f} s, {report.arrived / max(report.seconds, 0.1):.0f} messages a second.")
    if report.rechecked is None:
        console.print("Not rechecked: `tregua audit recheck` says whether any limit was broken.")
    else:
        console.print(
            f"Rechecked {report.rechecked:,} contacts in {report.recheck_seconds:.0f} s: {len(report.breaches)} breaches."
        )

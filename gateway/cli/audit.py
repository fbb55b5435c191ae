"""``tregua audit``: ask the trace whether anybody was contacted more than the law allows, and how close each person is."""

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.cli.environment import opened, tenant_of
from gateway.cli.exits import DOES_NOT_HOLD, WRONG_USE, fail

if TYPE_CHECKING:
    from gateway.audit.margins import Scope

app = typer.Typer(no_args_is_help=True, help="Ask whether every limit was kept, and how close each person is to one.")

#: People asked about at a time.
PAGE: Final = 200


@app.callback()
def audit() -> None:
    """Ask whether every limit was kept, and how close each person is to one."""


@app.command("recheck")
def recheck_command(
    tenant: Annotated[str | None, typer.Option(metavar="ID", help="Only this tenant.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="WHEN", help="Only contacts since a date or an RFC 3339 instant.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Recompute from the trace, by SQL and the packs' text alone, whether any contact broke a limit.

    Exit 0: no breach. Exit 1: breaches, each named by rule and entry. Exit 2: wrong use.

    Example: tregua audit recheck --tenant acme --since 2026-11-01
    """
    begins = None if since is None else _instant(since)
    found = asyncio.run(_rechecked(tenant, begins))
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
    else:
        for line in _said(found):
            typer.echo(line)
    if found["breaches"]:
        raise typer.Exit(DOES_NOT_HOLD)


@app.command("frequency")
def frequency_command(
    tenant: Annotated[str | None, typer.Option(metavar="ID", help="The tenant; needed when there are several.")] = None,
    contact: Annotated[str | None, typer.Option(metavar="ID", help="Only this person.")] = None,
    jurisdiction: Annotated[str | None, typer.Option(metavar="CODE", help="Only people of this law.")] = None,
    creditor: Annotated[str | None, typer.Option(metavar="ID", help="As if this creditor were to write.")] = None,
    debt: Annotated[str | None, typer.Option(metavar="ID", help="Only about this debt.")] = None,
    channel: Annotated[str | None, typer.Option(metavar="NAME", help="Only by this channel.")] = None,
    margin_max: Annotated[
        int | None, typer.Option("--margin-max", min=0, help="Only people this close to a limit, or closer.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON a person.")] = False,
    kept: Annotated[
        bool,
        typer.Option(
            "--kept",
            help="The whole book at once: what is kept of everybody, brought up to now; one line of JSON a person and limit.",
        ),
    ] = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="With --kept: a table instead, which is written in a third of the time.")
    ] = False,
    rule: Annotated[str | None, typer.Option(metavar="ID", help="With --kept: only what this rule counts.")] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="FILE",
            help="Write a report of a period: FILE.pdf, FILE.csv, FILE.ndjson or FILE.parquet.",
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="WHEN", help="With --report: from when; 30 days before the end if left out.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="WHEN", help="With --report: to when; now if left out.")] = None,
    language: Annotated[str, typer.Option(metavar="en|es|pt", help="With --report: its language.")] = "en",
) -> None:
    """Say per person what every counting rule counts, its limit, and what is left.

    Exit 0, or 1 when the database is away. Exit 2: wrong use.

    Example: tregua audit frequency --jurisdiction CO --margin-max 0
    Example: tregua audit frequency --kept --margin-max 0
    Example: tregua audit frequency --kept --csv --rule CO-FREQ-3d
    Example: tregua audit frequency --report november.pdf --since 2026-11-01 --language es
    """
    if report is not None:
        if creditor or debt or channel or margin_max is not None or as_json:
            raise typer.BadParameter(
                "takes --contact, --jurisdiction, --since, --until and --language", param_hint="--report"
            )
        asyncio.run(_report(tenant, report, contact, jurisdiction, since, until, language))
        return
    if since is not None or until is not None:
        raise typer.BadParameter("belongs to --report: what counts is the law's", param_hint="--since")
    if kept:
        if contact or creditor or debt or channel:
            raise typer.BadParameter("takes --jurisdiction, --margin-max, --rule and --csv", param_hint="--kept")
        asyncio.run(_kept(tenant, jurisdiction, margin_max, rule, columns=as_csv))
        return
    if as_csv or rule:
        raise typer.BadParameter("belongs to --kept", param_hint="--csv" if as_csv else "--rule")
    from gateway.audit.margins import Scope
    from vocabulary.channel import SENDABLE, Channel

    known = sorted(each.value for each in SENDABLE)
    if channel is not None and channel not in known:
        raise typer.BadParameter(f"is none of {', '.join(known)}", param_hint="--channel")
    scope = Scope(
        contact=contact,
        jurisdiction=jurisdiction,
        creditor=creditor,
        debt=debt,
        channel=None if channel is None else Channel(channel),
        margin_max=margin_max,
    )
    asyncio.run(_frequency(tenant, scope, as_json=as_json))


async def _frequency(tenant: str | None, scope: "Scope", *, as_json: bool) -> None:
    from gateway.compose import auditor

    async with opened() as made:
        whose = await tenant_of(made, tenant)
        asked, after = auditor(made), ""
        while True:
            items, more = await asked.page(whose, scope, after, PAGE)
            for item in items:
                for line in [json.dumps(item, ensure_ascii=False)] if as_json else _told(item):
                    typer.echo(line)
            if more is None:
                return
            after = more


async def _kept(
    tenant: str | None, jurisdiction: str | None, margin_max: int | None, rule: str | None, *, columns: bool
) -> None:
    from gateway.compose import tally
    from storage import audit
    from storage.database import Connection

    async with opened() as made:
        whose = await tenant_of(made, tenant)
        await tally(made).catch_up()

        async def write(connection: Connection) -> int:
            out = sys.stdout.buffer
            return await audit.kept(
                connection, whose, out, jurisdiction=jurisdiction, margin_max=margin_max, rule=rule, columns=columns
            )

        await made.database.run(write)


async def _report(
    tenant: str | None,
    to: Path,
    contact: str | None,
    jurisdiction: str | None,
    since: str | None,
    until: str | None,
    language: str,
) -> None:
    from gateway.cli import audit_report
    from gateway.seal import Broken

    if audit_report.format_of(to) is None:
        raise typer.BadParameter(f"{to.name} ends in none of .pdf, .csv, .ndjson, .parquet", param_hint="--report")
    if language not in ("en", "es", "pt"):
        raise typer.BadParameter("is none of en, es, pt", param_hint="--language")
    begins, ends = (None if each is None else _instant(each) for each in (since, until))
    try:
        async with opened() as made:
            wrong = await audit_report.write(
                made,
                await tenant_of(made, tenant),
                to,
                contact=contact,
                jurisdiction=jurisdiction,
                since=begins,
                until=ends,
                language=language,
            )
    except Broken as error:
        fail(DOES_NOT_HOLD, f"the trace does not hold, so nothing is reported of it: {error}")
    except OSError as error:
        fail(DOES_NOT_HOLD, f"{to}: {error.strerror}")
    if wrong is not None:
        fail(WRONG_USE, wrong)
    typer.echo(str(to))


def _told(item: dict[str, Any]) -> list[str]:
    lines = [f"{item['contact']}: {'no rule counts' if item['margin'] is None else 'margin ' + str(item['margin'])}"]
    for each in item["limits"]:
        about = f" debt {each['debt']}" if each["debt"] is not None else ""
        frees = f", frees {each['frees_at']}" if each["frees_at"] is not None else ""
        lines.append(
            f"  {each['rule']} {each['pack']} ({', '.join(each['channels'])}{about}): "
            f"{each['counted']} of {each['limit']}{frees}"
        )
    lines += [f"  held by {each['rule']}: {each['messages']} ({each['effect']})" for each in item["held"]]
    return lines


async def _rechecked(tenant: str | None, since: datetime | None) -> dict[str, Any]:
    from gateway.audit.recheck import rechecked
    from storage import past

    async with opened() as made:
        whose = await made.database.read(past.tenants) if tenant is None else [await tenant_of(made, tenant)]
        reports = [(await rechecked(made.database, each, since)).shown() for each in whose]
    return {
        "contacts": sum(report["contacts"] for report in reports),
        "breaches": [{"tenant": report["tenant"], **each} for report in reports for each in report["breaches"]],
        "other_texts": sorted({label for report in reports for label in report["other_texts"]}),
        "unasked": [
            dict(each) for each in sorted({tuple(each.items()) for report in reports for each in report["unasked"]})
        ],
    }


def _said(found: dict[str, Any]) -> list[str]:
    lines = [
        f"{each['tenant']} entry {each['index']} {each['at']} {each['rule']} {each['pack']} {each['message'] or ''}: "
        f"{each['observed']}"
        for each in found["breaches"]
    ]
    lines += [f"decided under a text that this release no longer has: {label}" for label in found["other_texts"]]
    if found["unasked"]:
        lines.append("not asked again (the trace does not hold what they ask about):")
        lines += [f"  {each['rule']} {each['pack']}: {each['why']}" for each in found["unasked"]]
    lines.append(f"{found['contacts']} contacts asked about, {len(found['breaches'])} breaches")
    return lines


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text} is no date and no instant", param_hint="--since") from None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)

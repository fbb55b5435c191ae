"""``tregua audit``: ask the trace whether anybody was contacted more than the law allows, and how close each person is."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Annotated, Any, Final, NoReturn

import typer

from gateway.cli.environment import settings

app = typer.Typer(no_args_is_help=True, help="Ask whether every limit was kept, and how close each person is to one.")

DOES_NOT_HOLD: Final = 1
WRONG_USE: Final = 2


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


async def _rechecked(tenant: str | None, since: datetime | None) -> dict[str, Any]:
    from gateway.compose import house
    from gateway.recheck import rechecked
    from storage import past
    from storage.database import DatabaseAway

    try:
        async with house(settings()) as made:
            known = await made.database.read(past.tenants)
            if tenant is not None and tenant not in known:
                _fail(DOES_NOT_HOLD, f"there is no tenant {tenant}")
            reports = [
                (await rechecked(made.database, each, since)).shown() for each in known if tenant in (None, each)
            ]
    except DatabaseAway:
        _fail(DOES_NOT_HOLD, "the database cannot be reached; is it running, and is it migrated?")
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


def _fail(code: int, sentence: str) -> NoReturn:
    typer.echo(f"tregua: {sentence}", err=True)
    raise typer.Exit(code)

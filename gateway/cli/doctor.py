"""``tregua doctor``: what is wrong with this installation, in words, and what to do about it."""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gateway.health import Found

app = typer.Typer(help="Say in words what is wrong with this installation.")


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Look at settings, database, migrations, clocks, worker, queue, Redis, API, public URL, disk and every provider.

    Changes nothing and sends nothing: providers are asked for what costs nothing, and no secret is ever printed.

    Exit 0: everything holds (or only wants a look). Exit 1: something does not hold.

    Example: TREGUA_DATABASE_URL=postgresql://… tregua doctor --json
    """
    from gateway.cli.environment import found as found_settings
    from gateway.compose import real_now
    from gateway.health import Found, State, holds, look
    from gateway.settings import Wrong

    try:
        settings = found_settings()
    except Wrong as error:
        found = [Found("settings", State.FAIL, str(error))]
    else:
        found = [Found("settings", State.OK, "read, and every name is known")]
        found += asyncio.run(look(settings, real_now, Path.cwd()))
    if as_json:
        parts = [{"part": each.part, "state": each.state.value, "said": each.said} for each in found]
        typer.echo(json.dumps({"holds": holds(found), "parts": parts}, ensure_ascii=False))
    else:
        _show(found)
    raise typer.Exit(0 if holds(found) else 1)


def _show(found: "list[Found]") -> None:
    from rich.console import Console
    from rich.text import Text

    colours = {"ok": "green", "warn": "yellow", "fail": "bold red"}
    console = Console(highlight=False, soft_wrap=True)
    width = max(len(each.part) for each in found)
    for each in found:
        line = Text(f"{each.state.value:<5}", style=colours[each.state.value])
        line.append(f" {each.part:<{width}}  {each.said}", style="default")
        console.print(line)
    failing = sum(each.state.value == "fail" for each in found)
    console.print(f"{failing} of {len(found)} do not hold" if failing else "everything holds")

"""``tregua demo``: see it work, against the sandbox of a gateway that runs."""

import asyncio
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

import typer

from gateway.cli.environment import FOLDER, settings
from gateway.cli.exits import DOES_NOT_HOLD, WRONG_USE, fail

if TYPE_CHECKING:
    from gateway.cli.tour import Report

CHANNELS: Final = ("sms", "email", "voice", "whatsapp", "telegram", "web")

app = typer.Typer(no_args_is_help=True, help="See it work, against a gateway that runs.")


@app.callback()
def demo() -> None:
    """See it work, against a gateway that runs."""


@app.command()
def tour(
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="Where it runs; left out: what .tregua here says.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(metavar="KEY", envvar=None, help="A tenant's key; left out: .tregua/sandbox.key.")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(metavar="CHANNEL", help="Only this channel; repeatable.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Send one message by each way of a running sandbox, answer each as the person, and show her timeline.

    Exit 0: all of it came out. Exit 1: something did not, and it is named. Exit 2: wrong use.

    Example: tregua demo tour
    """
    from gateway.cli.tour import Refused, Stuck
    from gateway.cli.tour import tour as toured

    unknown = sorted(set(only or ()) - set(CHANNELS))
    if unknown:
        raise typer.BadParameter(f"is none of: {', '.join(CHANNELS)}", param_hint="--only")
    where = url or settings().public_url
    file = FOLDER / "sandbox.key"
    if key is None and not file.exists():
        fail(WRONG_USE, f"there is no {file} here: give --key, or stand where `make run` was started")
    try:
        report = asyncio.run(toured(where, key or file.read_text("utf-8").strip(), frozenset(only or ())))
    except (Stuck, Refused) as error:
        fail(DOES_NOT_HOLD, f"{error}. Is `make run` running?")
    if as_json:
        typer.echo(json.dumps({**asdict(report), "held": report.held}, ensure_ascii=False))
    else:
        _print(report)
    if not report.held:
        raise typer.Exit(1)


@app.command()
def month(
    number: Annotated[int, typer.Option("--people", min=1, max=100_000, help="How many people.")] = 1_000,
    days: Annotated[int, typer.Option(min=1, max=366, help="How many days of their lives.")] = 30,
    seed: Annotated[int, typer.Option(help="The same seed gives the same people and the same plan.")] = 1,
    step: Annotated[int, typer.Option(min=1, max=240, metavar="MINUTES", help="How far the clock goes at least.")] = 60,
    begins: Annotated[
        str | None, typer.Option(metavar="WHEN", help="An RFC 3339 instant; left out: so many days before now.")
    ] = None,
    anyway: Annotated[bool, typer.Option("--anyway", help="Also where there are messages already.")] = False,
    recheck: Annotated[bool, typer.Option(help="Recheck the trace at the end, as `tregua audit recheck` does.")] = True,
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="Where it runs; left out: what .tregua here says.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Drive the running sandbox through a month of simulated people, so that the console is alive.

    Everything goes by the API, the law, dispatch and the simulated carriers, under a clock that is set on. Takes some minutes for
    1,000 people, and is refused where messages are already. At the end the clock is real again if the month ends today.

    Exit 0: it came out, and the recheck found no breach. Exit 1: it did not. Exit 2: wrong use.

    Example: tregua demo month --days 7 --people 200
    """
    from gateway.cli.month_run import run_month

    file = FOLDER / "sandbox.key"
    if not file.exists():
        fail(WRONG_USE, f"there is no {file} here: stand where `make run` was started")
    run_month(
        settings(),
        key=file.read_text("utf-8").strip(),
        url=url,
        number=number,
        days=days,
        seed=seed,
        step_minutes=step,
        begins=begins,
        anyway=anyway,
        recheck=recheck,
        as_json=as_json,
    )


@app.command("auto")
def auto_command(
    number: Annotated[int, typer.Option("--people", min=1, max=5_000, help="How many people.")] = 200,
    days: Annotated[int, typer.Option(min=2, max=366, help="How many days of their lives.")] = 90,
    seed: Annotated[int, typer.Option(help="The same seed gives the same people.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Try `channel: "auto"` on simulated people whose likings are known, against a fixed order and against who knows them.

    Pure: needs no gateway and no database. Exit 0, or 1 when a choice was ever outside what the law allowed.

    Example: tregua demo auto --people 100 --days 60
    """
    from gateway.cli.auto_trial import Trial
    from jurisdictions.library import load

    found = Trial(load(), number=number, days=days, seed=seed).run()
    if as_json:
        typer.echo(json.dumps([each.shown() for each in found]))
    else:
        typer.echo(
            f"{'':12} {'contacts':>9} {'answers':>8} {'per contact':>12} {'cost':>8} {'per answer':>11} {'outside the law':>16}"
        )
        for each in found:
            typer.echo(
                f"{each.name:12} {each.contacts:9,} {each.answers:8,} {each.per_contact:12.3f} {each.cost:8.2f} "
                f"{each.cost / max(1, each.answers):11.3f} {each.violations:16}"
            )
    if any(each.violations for each in found):
        raise typer.Exit(1)


def _print(report: "Report") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    ways = Table(title="One message by each way", title_justify="left")
    for title in ("channel", "way", "status", "her answer", "taken for", "told the CRM", ""):
        ways.add_column(title)
    for leg in report.legs:
        said = leg.outcome if leg.why is None else leg.why
        style = "green" if leg.outcome == "came out" else "dim" if leg.why is None else "bold red"
        told = ", ".join(event.removeprefix("message.") for event in leg.events)
        cells = (leg.channel, leg.provider, leg.status, leg.answered, leg.intent, told)
        # Text, not markup: what a person writes is never a colour.
        ways.add_row(*(Text(cell or "") for cell in cells), Text(said, style=style))
    console.print(ways)
    line = Table(title=f"The timeline of {report.contact}", title_justify="left")
    for title in ("at", "what", "channel", ""):
        line.add_column(title)
    for item in reversed(report.timeline):
        data = item["data"]
        shown = data.get("text") or data.get("outcome") or data.get("state") or data.get("status") or data.get("kind")
        line.add_row(*(Text(str(cell or "")) for cell in (item["at"][11:23], item["type"], item["channel"], shown)))
    console.print(line)

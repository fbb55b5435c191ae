"""``tregua contacts``: people, brought in from a file."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.exits import fail
from gateway.cli.registers import progress, with_house

if TYPE_CHECKING:
    from gateway.compose import House
    from gateway.people.imports import Report

app = typer.Typer(no_args_is_help=True, help="People.")


@app.callback()
def contacts() -> None:
    """People."""


@app.command("import")
def import_contacts(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="NDJSON of profiles as the API takes them, or a CSV.")],
    tenant: Annotated[str, typer.Option(metavar="TENANT", help="Whose people they are.")],
    check: Annotated[bool, typer.Option("--check", help="Read everything and store nothing.")] = False,
    from_line: Annotated[
        int, typer.Option(min=1, metavar="N", help="Go on from here; reading a line again changes nothing.")
    ] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Put everybody in a file; a line that is wrong spoils only itself, and is told with its number and why.

    A CSV has a heading: id, name, role, locale, residence, jurisdictions, zones, household, then sms, whatsapp, voice, email,
    telegram with the addresses, and kind, source, authorised_at, instrument for all of them. Statements are never touched.

    Exit 0: everybody was put. Exit 1: some lines were not. Exit 2: wrong use.

    Example: tregua contacts import people.ndjson --tenant acme --check
    """
    from gateway.people.imports import Importer, NoFileOfPeople, Report, people_of

    if not file.is_file():
        fail(2, f"there is no file {file}")
    report = Report()

    async def job(made: "House") -> "Report":
        importer = Importer(database=made.database, clock=made.clock, scribe=made.scribe, secret=made.endpoint_secret)
        with file.open(encoding="utf-8", errors="replace", newline="") as stream:
            total = sum(1 for _ in stream)
            stream.seek(0)
            with progress("checking" if check else "importing", total) as moved:
                people = people_of(stream, from_line=from_line)
                return await importer.read(tenant, people, report, check=check, progress=moved)

    try:
        with_house(job)
    except NoFileOfPeople as error:
        fail(2, str(error))
    except KeyboardInterrupt:
        fail(1, f"broken off; go on with --from-line {report.last_line + 1}")
    if as_json:
        typer.echo(json.dumps(asdict(report)))
    else:
        typer.echo(
            f"{report.people} people {'would be put' if check else 'put'}, {report.bad} bad lines of {report.lines}"
        )
        for bad in report.errors:
            typer.echo(f"  line {bad.line}{bad.pointer and ' ' + bad.pointer}: {bad.why}")
    if report.bad:
        raise typer.Exit(1)

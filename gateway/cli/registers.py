"""``tregua registers``: do-not-contact registers, read in from files of any size, listed and shown."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

from gateway.cli.environment import opened
from gateway.cli.exits import fail

if TYPE_CHECKING:
    from gateway.compose import House

T = TypeVar("T")

PIECE_BYTES: Final = 1024 * 1024

app = typer.Typer(no_args_is_help=True, help="Do-not-contact registers.")

Tenant = Annotated[str, typer.Option(metavar="TENANT", help="Whose register it is.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def registers() -> None:
    """Do-not-contact registers."""


@app.command("import")
def import_register(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="RNE, REPEP, REUS, Procon-SP, No-Llame, DNC or house:NAME.")
    ],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A CSV, with a heading or with numbers alone.")],
    tenant: Tenant,
    as_of: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d"], help="How old the list is; left out = of now."),
    ] = None,
    calling_code: Annotated[
        str | None, typer.Option(metavar="CODE", help="Of the country where numbers stand without a plus sign: 57.")
    ] = None,
    add: Annotated[bool, typer.Option("--add", help="Beside what stands, not in its place.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Take a file by which most of the register would go.")] = False,
    as_json: AsJson = False,
) -> None:
    """Read a register; nothing of it is in force before the whole file was read. Only keyed digests are kept.

    Exit 0: in force. Exit 1: refused, and what stood before stands. Exit 2: wrong use.

    Example: tregua registers import RNE excluidos-2026-11-20.csv --tenant acme --as-of 2026-11-20
    """
    from gateway.compose import registers as reader
    from gateway.people.registers import Import
    from gateway.refusals import Refused

    if not file.is_file():
        fail(2, f"there is no file {file}")
    if as_of is not None and as_of.tzinfo is None:
        as_of = as_of.astimezone()
    what = Import(name=name, as_of=as_of, calling_code=calling_code, add=add, force=force)
    size = file.stat().st_size

    async def job(made: "House") -> dict[str, Any]:
        with progress(f"reading {name}", size) as moved:
            return await reader(made).read(tenant, what, _pieces(file, moved))

    try:
        report = with_house(job)
    except Refused as error:
        fail(1, "; ".join(f"{flaw.pointer} {flaw.detail}".strip() for flaw in error.flaws))
    if as_json:
        typer.echo(json.dumps(report))
        return
    typer.echo(
        f"{report['register']} version {report['version']}, of {report['as_of']}: {report['entries']} entries, "
        f"{report['new']} new, {report['gone']} gone; {report['lines']} lines, {report['bad']} bad"
    )
    for bad in report["errors"]:
        typer.echo(f"  line {bad['line']}: {bad['why']}")
    asked = ", ".join(report["asked_by"])
    typer.echo(
        f"asked by {asked}" if asked else "no rule asks this register: name it in a house rule, or call it house:NAME"
    )


@app.command("list")
def list_registers(tenant: Tenant, as_json: AsJson = False) -> None:
    """List registers: entries, how old each is, and which rules ask it.

    Example: tregua registers list --tenant acme
    """
    from gateway.compose import registers as reader

    async def job(made: "House") -> list[dict[str, Any]]:
        return await reader(made).listed(tenant)

    found = with_house(job)
    if as_json:
        typer.echo(json.dumps(found))
        return
    for each in found:
        asked = ", ".join(each["asked_by"]) or "no rule"
        typer.echo(f"{each['register']}  {each['entries']} entries  of {each['as_of'] or '-'}  asked by {asked}")


@app.command("show")
def show_register(
    name: Annotated[str, typer.Argument(metavar="NAME")], tenant: Tenant, as_json: AsJson = False
) -> None:
    """Show the versions of a register, newest first, each with its report.

    Exit 1: there is no such register.

    Example: tregua registers show RNE --tenant acme
    """
    from gateway.compose import registers as reader
    from gateway.refusals import NotThere

    async def job(made: "House") -> list[dict[str, Any]]:
        return await reader(made).versions(tenant, name)

    try:
        found = with_house(job)
    except NotThere:
        fail(1, f"there is no register {name}")
    if as_json:
        typer.echo(json.dumps(found))
        return
    for each in found:
        report = each["report"]
        counts = ", ".join(f"{report[key]} {key}" for key in ("entries", "new", "gone", "bad") if key in report)
        typer.echo(f"{each['version']}  {each['state']}  of {each['as_of']}  {counts}")


async def _pieces(file: Path, moved: Callable[[int], None]) -> AsyncIterator[bytes]:
    done = 0
    with file.open("rb") as stream:
        while piece := await asyncio.to_thread(stream.read, PIECE_BYTES):
            yield piece
            done += len(piece)
            moved(done)


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar where somebody watches."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


def with_house(job: "Callable[[House], Awaitable[T]]") -> T:
    """Run a job in a house made for it."""

    async def run() -> T:
        async with opened() as made:
            return await job(made)

    return asyncio.run(run())

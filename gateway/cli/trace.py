"""``tregua trace``: take a trace out, and check one from the outside, without a database, settings or a network."""

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Final

import typer

from tracelog.export import Broken, Holds, lines_of, verify
from tracelog.head import pinned_key

if TYPE_CHECKING:
    from gateway.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Prove the trace.")

KEY_FILE_BYTES_MAX: Final = 16 * 1024
#: Lines between two moves of the progress bar.
PROGRESS_LINES: Final = 5_000


@app.callback()
def trace() -> None:
    """Prove the trace."""


@app.command("verify")
def verify_command(
    export: Annotated[str, typer.Argument(metavar="EXPORT.ndjson", help="The export, or - for standard input.")],
    key: Annotated[
        str | None,
        typer.Option(
            metavar="PUB", help="The public key that must have signed: a verifier key, hex, base64 or a file."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Check an export offline, byte by byte, and name the first bad entry.

    Exit 0: it holds. Exit 1: it does not. Exit 2: wrong use.

    Example: tregua trace verify july.ndjson --key tregua/acme+5f1c0d2e+AQ...
    """
    public_key = None if key is None else _pinned(key)
    with _opened(export) as stream:
        result = verify(_shown(stream), public_key=public_key)
    match result:
        case Holds():
            typer.echo(json.dumps(_plain(result)) if as_json else _said(result))
        case Broken():
            typer.echo(json.dumps(_plain(result)) if as_json else _said(result))
            raise typer.Exit(1)


@app.command("export")
def export_command(
    tenant: Annotated[str, typer.Option(metavar="TENANT", help="Whose trace.")],
    to: Annotated[str, typer.Option(metavar="FILE", help="Where to; - is standard output.")] = "-",
) -> None:
    """Seal what was committed and write the whole trace: one entry a line, the signed head last.

    Exit 0: written. Exit 1: nothing was ever signed, or the database is away. Exit 2: wrong use.

    Example: tregua trace export --tenant acme --to july.ndjson
    """
    from gateway.cli.environment import settings

    here = settings()
    with _written(to) as stream:
        written = asyncio.run(_exported(here, tenant, stream))
        stream.flush()
    if not written:
        raise typer.Exit(1)


async def _exported(here: "Settings", tenant: str, stream: BinaryIO) -> bool:
    from gateway.compose import house
    from gateway.exports import lines, prepared
    from gateway.seal import Broken as NeverSealed
    from storage import tenancy
    from storage.database import DatabaseAway

    try:
        async with house(here) as made:
            if tenant not in await made.database.read(lambda c: tenancy.policy_versions(c, [tenant])):
                typer.echo(f"tregua: there is no tenant {tenant}", err=True)
                return False
            export = await prepared(made.database, made.sealer, tenant)
            async for piece in lines(made.database, made.sealer, export):
                stream.write(piece)
    except (DatabaseAway, NeverSealed, ValueError) as error:
        typer.echo(f"tregua: {error}", err=True)
        return False
    return True


def _written(to: str) -> AbstractContextManager[BinaryIO]:
    if to == "-":
        return nullcontext(sys.stdout.buffer)
    try:
        return Path(to).open("wb")
    except OSError as error:
        raise typer.BadParameter(f"{to}: {error.strerror}", param_hint="--to") from None


def _opened(export: str) -> AbstractContextManager[BinaryIO]:
    if export == "-":
        return nullcontext(sys.stdin.buffer)
    try:
        return Path(export).open("rb")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise typer.BadParameter(f"{export}: {reason}", param_hint="EXPORT.ndjson") from None


def _pinned(key: str) -> bytes:
    """The key itself, or what stands in the file of that name."""
    try:
        path = Path(key)
        if path.is_file() and path.stat().st_size <= KEY_FILE_BYTES_MAX:
            key = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        pass  # too long for a file's name, or no text: then it is a key or it is wrong
    try:
        return pinned_key(key)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--key") from None


def _said(result: Holds | Broken) -> str:
    match result:
        case Broken():
            where = "head" if result.index is None else f"entry {result.index}"
            return f"does not hold: {where} (line {result.line}): {result.why}"
        case Holds():
            lines = [
                f"holds: {result.size} entries of {result.origin}",
                f"root {result.root.hex()}",
                f"signed by key {result.key_id.hex()}, public key {result.public_key.hex()}",
                f"payloads: {result.payloads} here, {result.payloads_absent} erased or left out",
            ]
            if not result.pinned:
                lines.append("unpinned: the key is the file's own word; give --key to check whose it is")
            return "\n".join(lines)


def _plain(result: Holds | Broken) -> dict[str, Any]:
    fields = {name: value.hex() if isinstance(value, bytes) else value for name, value in asdict(result).items()}
    return {"holds": isinstance(result, Holds), **fields}


def _shown(stream: BinaryIO) -> Iterator[bytes]:
    """The stream's lines, with a progress bar where somebody watches and the size is known."""
    if not sys.stderr.isatty() or not stream.seekable():
        yield from lines_of(stream)
        return
    from rich.console import Console
    from rich.progress import Progress

    total = os.fstat(stream.fileno()).st_size
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("verifying", total=total)
        read = 0
        for number, line in enumerate(lines_of(stream)):
            read += len(line)
            if number % PROGRESS_LINES == 0:
                progress.update(task, completed=read)
            yield line

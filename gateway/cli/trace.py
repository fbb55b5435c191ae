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

from gateway.cli.exits import DOES_NOT_HOLD, fail
from tracelog.export import Broken, Holds, blocks_of, differs, lines_of, verify
from tracelog.head import pinned_key

if TYPE_CHECKING:
    from gateway.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Prove the trace.")

KEY_FILE_BYTES_MAX: Final = 16 * 1024


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
    before: Annotated[
        str | None,
        typer.Option(
            metavar="OLDER.ndjson", help="An older export of the same trace: names entries rewritten since, exactly."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Check an export offline, byte by byte, and name the first bad entry.

    Exit 0: it holds. Exit 1: it does not. Exit 2: wrong use.

    Example: tregua trace verify july.ndjson --key tregua/acme+5f1c0d2e+AQ... --before june.ndjson
    """
    if before is not None and "-" in (before, export):
        raise typer.BadParameter("two exports are compared as files", param_hint="--before")
    public_key = None if key is None else _pinned(key)
    result = _verified(export, public_key)
    if before is not None and (isinstance(result, Holds) or result.index is None):
        result = _beside(before, export, public_key, result)
    match result:
        case Holds():
            typer.echo(json.dumps(_plain(result)) if as_json else _said(result))
        case Broken():
            typer.echo(json.dumps(_plain(result)) if as_json else _said(result))
            raise typer.Exit(1)


def _verified(export: str, public_key: bytes | None) -> Holds | Broken:
    from gateway.cli.verifying import pieces

    with _opened(export) as stream:
        return verify(_shown(stream), public_key=public_key, elsewhere=pieces)


def _beside(before: str, export: str, public_key: bytes | None, result: Holds | Broken) -> Holds | Broken:
    """The result, or what an older export that holds shows to be wrong."""
    if isinstance(_verified(before, public_key), Broken):
        raise typer.BadParameter(f"{before} does not hold itself", param_hint="--before")
    with _opened(before) as older, _opened(export) as newer:
        index = differs(lines_of(older), lines_of(newer))
    if index is None:
        return result
    return Broken(line=index + 1, index=index, why=f"not the entry that stood there when {before} was exported")


@app.command("witness")
def witness_command(
    url: Annotated[str, typer.Option(metavar="URL", help="Where the gateway answers.")],
    key: Annotated[
        str, typer.Option(envvar="TREGUA_WITNESS_KEY", metavar="KEY", help="An API key with the scope audit.")
    ],
    state: Annotated[Path, typer.Option(metavar="FOLDER", help="Where this witness keeps what it has seen.")],
    name: Annotated[str, typer.Option(metavar="NAME", help="The name it signs under.")] = "witness",
    pub: Annotated[
        str | None, typer.Option(metavar="PUB", help="The public key that must sign; else the first one met is pinned.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """See that the trace only grew since the last run, and sign what was seen. To be run by somebody else than the operator.

    Exit 0: it grew, or stands. Exit 1: it was cut or rewritten, or does not answer. Exit 2: wrong use.

    Example: tregua trace witness --url https://tregua.example --key gwk_... --state /var/lib/witness --name notary.example
    """
    from gateway.cli.witness import witnessed
    from gateway.compose import real_now

    found = witnessed(url, key, state, name, pub, real_now())
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    grew = "seen for the first time" if found["seen_before"] is None else f"grew from {found['seen_before']}"
    typer.echo(f"holds: {found['origin']}, {found['size']} entries ({grew})\nroot {found['root']}")
    if not found["kept"]:
        typer.echo(f"the gateway did not take the cosignature: {found['refused']}", err=True)
    if not found["pinned"]:
        typer.echo("the key was met for the first time and is pinned from now on; give --pub to say which it must be")


@app.command("stamp")
def stamp_command(
    tsa: Annotated[str | None, typer.Option(metavar="URL", help="The time-stamping authority (RFC 3161).")] = None,
    tenant: Annotated[str | None, typer.Option(metavar="TENANT", help="With --tsa: whose trace.")] = None,
    to: Annotated[
        Path, typer.Option(metavar="FILE", help="With --tsa: where the note goes; the token beside it.")
    ] = Path("head.note"),
    note: Annotated[
        Path | None, typer.Option("--verify", metavar="FILE", help="Check the token beside this note, offline.")
    ] = None,
    root: Annotated[
        Path | None, typer.Option(metavar="PEM", help="With --verify: the authority's root certificates.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(metavar="PUB", help="With --verify: the key that must have signed the note.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Have a time-stamping authority say that the signed head stood by now; or check such a token offline. Needs the extra stamping.

    Exit 0: stamped, or it holds. Exit 1: it does not, or nobody answers. Exit 2: wrong use.

    Example: tregua trace stamp --tenant acme --tsa https://freetsa.org/tsr --to july.note
    Example: tregua trace stamp --verify july.note --root freetsa.pem --key tregua/acme+5f1c0d2e+AQ...
    """
    from gateway.cli import stamp

    if note is not None and root is not None and tsa is None:
        found = stamp.checked(note, root, None if key is None else _pinned(key))
        said = f"holds: {found['size']} entries stood at {found['at']}"
        if not found["pinned"]:
            said += "\nunpinned: whose note it is was not checked; give --key"
    elif tsa is not None and tenant is not None and note is None:
        from gateway.cli.environment import settings

        found = stamp.stamped(settings(), tenant, tsa, to)
        said = f"{found['size']} entries stood at {found['at']}: {found['note']}, {found['token']}"
    else:
        raise typer.BadParameter("give --tenant and --tsa, or --verify and --root")
    typer.echo(json.dumps(found) if as_json else said)


@app.command("export")
def export_command(
    tenant: Annotated[str, typer.Option(metavar="TENANT", help="Whose trace.")],
    to: Annotated[str, typer.Option(metavar="FILE", help="Where to; - is standard output.")] = "-",
) -> None:
    """Seal what was committed and write the whole trace: one entry a line, the signed head last.

    Exit 0: written. Exit 1: nothing was ever signed, or the database is away. Exit 2: wrong use.

    Example: tregua trace export --tenant acme --to july.ndjson
    """
    from gateway.cli.environment import settings, told

    here = settings()
    with told(), _written(to) as stream:
        asyncio.run(_exported(here, tenant, stream))
        stream.flush()


async def _exported(here: "Settings", tenant: str, stream: BinaryIO) -> None:
    from gateway.cli.environment import tenant_of
    from gateway.compose import house
    from gateway.exports import lines, prepared
    from gateway.seal import Broken as NeverSealed

    async with house(here) as made:
        try:
            export = await prepared(made.database, made.sealer, await tenant_of(made, tenant))
            async for piece in lines(made.database, made.sealer, export):
                stream.write(piece)
        except (NeverSealed, ValueError) as error:
            fail(DOES_NOT_HOLD, str(error))


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
    """The stream in pieces, with a progress bar where somebody watches and the size is known."""
    if not sys.stderr.isatty() or not stream.seekable():
        yield from blocks_of(stream)
        return
    from rich.console import Console
    from rich.progress import Progress

    total = os.fstat(stream.fileno()).st_size
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("verifying", total=total)
        read = 0
        for block in blocks_of(stream):
            read += len(block)
            progress.update(task, completed=read)
            yield block

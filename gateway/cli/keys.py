"""``tregua keys``: who may speak to the API, and until when."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn, TypeVar

import typer

from gateway.cli.environment import settings

if TYPE_CHECKING:
    from storage.database import Connection, Database
    from storage.tenancy import KeyRow

T = TypeVar("T")

LABEL_CHARS_MAX: Final = 100

app = typer.Typer(no_args_is_help=True, help="Create, list and revoke API keys.")


@app.callback()
def keys() -> None:
    """Create, list and revoke API keys."""


@app.command()
def create(
    tenant: Annotated[str, typer.Option(metavar="TENANT", help="Whose key it is.")],
    scope: Annotated[
        list[str] | None, typer.Option(metavar="SCOPE", help="send, read, contacts, audit or admin (all); repeatable.")
    ] = None,
    role: Annotated[
        str | None, typer.Option(metavar="ROLE", help="The scopes of an officer, an operator or an admin.")
    ] = None,
    label: Annotated[str, typer.Option(metavar="TEXT", help="What it is for, to tell keys apart.")] = "",
    env: Annotated[
        str, typer.Option(metavar="NAME", help="Stands in the key: live, test, ... (small letters).")
    ] = "live",
    new_tenant: Annotated[
        str | None, typer.Option(metavar="NAME", help="Make the tenant too, under this name; needed once.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the key and what it may as JSON.")] = False,
) -> None:
    """Make a key and print it, this once: only its digest is kept.

    Exit 0: made. Exit 1: there is no such tenant. Exit 2: wrong use.

    Example: tregua keys create --tenant acme --scope send --scope read --label "CRM, production"
    """
    from gateway.tenants import create_key, create_tenant
    from storage import keyring

    scopes = _scopes(scope or [], role)
    _check(tenant, label, env)

    async def job(database: "Database") -> str | None:
        if new_tenant is not None:
            await create_tenant(database, tenant, new_tenant)
        elif not await database.read(lambda connection: keyring.knows(connection, tenant)):
            return None
        return await create_key(database, tenant, env=env, scopes=scopes, label=label)

    text = _with_database(job)
    if text is None:
        _fail(1, f"there is no tenant {tenant}; --new-tenant NAME makes it")
    if as_json:
        made = {"id": text.split("_")[2], "tenant": tenant, "scopes": scopes, "label": label, "key": text}
        typer.echo(json.dumps(made))
        return
    typer.echo(text)
    typer.echo(f"{tenant}: {' '.join(scopes)}. Keep it now, it cannot be shown again.", err=True)


@app.command("list")
def list_keys(
    tenant: Annotated[str | None, typer.Option(metavar="TENANT", help="Only this tenant's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
) -> None:
    """List keys: whose, with which scopes, last used when, revoked or not. Keys themselves are kept nowhere.

    Example: tregua keys list --tenant acme
    """
    from storage import keyring

    async def job(database: "Database") -> "list[KeyRow]":
        return await database.read(lambda connection: keyring.listed(connection, tenant))

    rows = _with_database(job)
    if as_json:
        typer.echo(json.dumps([_plain(asdict(row)) for row in rows]))
        return
    table = [("ID", "TENANT", "SCOPES", "CREATED", "LAST USED", "STATE", "LABEL")]
    table += [
        (
            row.id,
            row.tenant,
            " ".join(row.scopes),
            _day(row.created_at),
            _day(row.last_used_at),
            "live" if row.revoked_at is None else f"revoked {_day(row.revoked_at)}",
            row.label,
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    for line in table:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="ID", help="The key's id: the third part of its text.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """End a key. Every process has noticed within five seconds.

    Exit 0: ended. Exit 1: no living key has this id.

    Example: tregua keys revoke 4f0aK2mPq9Zx
    """
    from storage import tenancy
    from storage.clock import DatabaseClock

    async def job(database: "Database") -> bool:
        async def write(connection: "Connection") -> bool:
            now, _ = await DatabaseClock().now(connection)
            return await tenancy.revoke_key(connection, key, now)

        return await database.run(write)

    revoked = _with_database(job)
    if as_json:
        typer.echo(json.dumps({"id": key, "revoked": revoked}))
        raise typer.Exit(0 if revoked else 1)
    if not revoked:
        _fail(1, f"no living key has the id {key}")
    typer.echo(f"revoked {key}")


def _scopes(named: list[str], role: str | None) -> list[str]:
    from gateway.keys import ROLES, Scope

    if role is not None and role not in ROLES:
        _fail(2, f"there is no role {role}: choose {', '.join(ROLES)}")
    unknown = [scope for scope in named if scope not in set(Scope)]
    if unknown:
        _fail(2, f"there is no scope {unknown[0]}: choose {', '.join(Scope)}")
    if role == "admin" or Scope.ADMIN in named:
        return [Scope.ADMIN.value]
    chosen = set(named) | ({scope.value for scope in ROLES[role]} if role else set())
    if not chosen:
        _fail(2, "a key needs at least one --scope, or a --role")
    return [scope.value for scope in Scope if scope.value in chosen]


def _check(tenant: str, label: str, env: str) -> None:
    from gateway.keys import fresh
    from tracelog.head import origin_of

    try:
        origin_of(tenant)
        fresh(env)
    except ValueError as error:
        _fail(2, str(error))
    if len(label) > LABEL_CHARS_MAX or not label.isprintable():
        _fail(2, f"a label is at most {LABEL_CHARS_MAX} printable characters")


def _with_database(job: "Callable[[Database], Awaitable[T]]") -> T:
    from storage.database import Database, DatabaseAway

    url = settings().database_url

    async def run() -> T:
        database = await Database.open(url, connections_max=1)
        try:
            return await job(database)
        finally:
            await database.close()

    try:
        return asyncio.run(run())
    except DatabaseAway:
        _fail(1, "the database cannot be reached; is it running, and is it migrated?")


def _fail(code: int, sentence: str) -> NoReturn:
    typer.echo(f"tregua: {sentence}", err=True)
    raise typer.Exit(code)


def _day(at: datetime | None) -> str:
    return "-" if at is None else at.strftime("%Y-%m-%d %H:%M")


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}

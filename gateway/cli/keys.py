"""``tregua keys``: who may speak to the API, and until when."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

from gateway.cli.environment import settings, told
from gateway.cli.exits import fail

if TYPE_CHECKING:
    from storage.database import Connection, Database
    from storage.tenancy import KeyRow

T = TypeVar("T")

LABEL_CHARS_MAX: Final = 100
OVERLAP_MAX: Final = timedelta(days=30)

app = typer.Typer(no_args_is_help=True, help="Create, list, rotate and revoke API keys; bound what a tenant asks for.")


@app.callback()
def keys() -> None:
    """Create, list, rotate and revoke API keys; bound what a tenant asks for."""


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
    from gateway.tenants.opening import create_key, create_tenant
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
        fail(1, f"there is no tenant {tenant}; --new-tenant NAME makes it")
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
    """List keys: whose, with which scopes, last used when, until when they open anything. Keys themselves are kept nowhere.

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
            _state(row),
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
        fail(1, f"no living key has the id {key}")
    typer.echo(f"revoked {key}")


@app.command()
def rotate(
    key: Annotated[str, typer.Argument(metavar="ID", help="The key's id: the third part of its text.")],
    overlap: Annotated[
        str, typer.Option(metavar="SPAN", help="How long both open: 30m, 24h, 7d; 0h ends the old one now.")
    ] = "24h",
    env: Annotated[str, typer.Option(metavar="NAME", help="Stands in the new key, as with `create`.")] = "live",
    as_json: Annotated[bool, typer.Option("--json", help="Print the new key and the end of the old one.")] = False,
) -> None:
    """Let a new key of the same scopes take over, and print it, this once. Both open for a while; then the old one ends by itself.

    No more than two live beside each other: the one that the old key took over from ends at once.

    Exit 0: rotated. Exit 1: no living key has this id. Exit 2: wrong use.

    Example: tregua keys rotate 4f0aK2mPq9Zx --overlap 24h
    """
    from gateway.tenants.opening import Rotated, rotate_key

    span = _span(overlap)
    _check("a", "", env)

    async def job(database: "Database") -> Rotated | None:
        return await rotate_key(database, key, env=env, overlap=span)

    made = _with_database(job)
    if made is None:
        fail(1, f"no living key has the id {key}")
    if as_json:
        shown = {"id": made.key.id, "tenant": made.key.tenant, "scopes": list(made.key.scopes), "key": made.text}
        typer.echo(json.dumps({**shown, "follows": made.old, "old_until": made.old_until.isoformat()}))
        return
    typer.echo(made.text)
    typer.echo(
        f"{made.old} opens until {_day(made.old_until)} UTC. Keep this one now, it cannot be shown again.", err=True
    )


@app.command()
def limits(
    tenant: Annotated[str, typer.Argument(metavar="TENANT", help="Whose.")],
    requests_per_second: Annotated[
        float | None, typer.Option(metavar="N", min=0.001, max=100_000, help="Requests a second.")
    ] = None,
    burst: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=1_000_000, help="Requests at once after a rest; left out: a second's."),
    ] = None,
    messages_per_day: Annotated[
        int | None, typer.Option(metavar="N", min=0, max=2_000_000_000, help="Messages accepted in a day (UTC).")
    ] = None,
    none: Annotated[bool, typer.Option("--none", help="Take every bound away.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the bounds as JSON.")] = False,
) -> None:
    """Show what a tenant may ask for, or set it: what is given replaces all that stood. Felt everywhere within five seconds.

    Exit 0: shown or set. Exit 1: there is no such tenant. Exit 2: wrong use.

    Example: tregua keys limits acme --requests-per-second 50 --burst 200 --messages-per-day 100000
    """
    from storage import tenancy
    from storage.tenancy import Limits

    wanted = Limits(requests_per_second=requests_per_second, requests_burst=burst, messages_per_day=messages_per_day)
    if none and wanted != Limits():
        fail(2, "either --none or bounds")
    if burst is not None and requests_per_second is None:
        fail(2, "--burst goes with --requests-per-second")

    async def job(database: "Database") -> Limits | None:
        async def write(connection: "Connection") -> Limits | None:
            if (none or wanted != Limits()) and not await tenancy.put_limits(connection, tenant, wanted):
                return None
            return await tenancy.limits(connection, tenant)

        return await database.run(write)

    found = _with_database(job)
    if found is None:
        fail(1, f"there is no tenant {tenant}")
    if as_json:
        typer.echo(json.dumps({"tenant": tenant, **asdict(found)}))
        return
    for name, value in asdict(found).items():
        typer.echo(f"{name.replace('_', ' ')}: {'unbounded' if value is None else value}")


def _span(text: str) -> timedelta:
    """A span as people write it. Leaves with exit 2 when it is none."""
    match = re.fullmatch(r"(\d{1,4})([mhd])", text)
    span = None if match is None else timedelta(minutes=int(match[1]) * {"m": 1, "h": 60, "d": 1440}[match[2]])
    if span is None or span > OVERLAP_MAX:
        fail(2, f"--overlap is a span like 30m, 24h or 7d, and at most {OVERLAP_MAX.days}d")
    return span


def _state(row: "KeyRow") -> str:
    from gateway.compose import real_now

    if row.revoked_at is not None:
        return f"revoked {_day(row.revoked_at)}"
    if row.expires_at is None:
        return "live"
    return f"{'live until' if row.expires_at > real_now() else 'expired'} {_day(row.expires_at)}"


def _scopes(named: list[str], role: str | None) -> list[str]:
    from gateway.tenants.keys import ROLES, Scope

    if role is not None and role not in ROLES:
        fail(2, f"there is no role {role}: choose {', '.join(ROLES)}")
    unknown = [scope for scope in named if scope not in set(Scope)]
    if unknown:
        fail(2, f"there is no scope {unknown[0]}: choose {', '.join(Scope)}")
    if role == "admin" or Scope.ADMIN in named:
        return [Scope.ADMIN.value]
    chosen = set(named) | ({scope.value for scope in ROLES[role]} if role else set())
    if not chosen:
        fail(2, "a key needs at least one --scope, or a --role")
    return [scope.value for scope in Scope if scope.value in chosen]


def _check(tenant: str, label: str, env: str) -> None:
    from gateway.tenants.keys import fresh
    from tracelog.head import origin_of

    try:
        origin_of(tenant)
        fresh(env)
    except ValueError as error:
        fail(2, str(error))
    if len(label) > LABEL_CHARS_MAX or not label.isprintable():
        fail(2, f"a label is at most {LABEL_CHARS_MAX} printable characters")


def _with_database(job: "Callable[[Database], Awaitable[T]]") -> T:
    from storage.database import Database

    url = settings().database_url

    async def run() -> T:
        database = await Database.open(url, connections_max=1)
        try:
            return await job(database)
        finally:
            await database.close()

    with told():
        return asyncio.run(run())


def _day(at: datetime | None) -> str:
    return "-" if at is None else at.strftime("%Y-%m-%d %H:%M")


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}

"""``tregua migrate``: the database's schema."""

import asyncio
import json
import os
from typing import Annotated

import typer

from gateway.cli.environment import settings, told
from gateway.cli.exits import DOES_NOT_HOLD, fail

app = typer.Typer()


@app.command()
def migrate(
    finish: Annotated[
        bool, typer.Option("--finish", help="No old process is left: apply what would not have suited it.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was applied as JSON.")] = False,
) -> None:
    """Apply the migrations that are missing. The role of TREGUA_DATABASE_URL must own the schema.

    Exit 0: all of them stand. Exit 1: the database is away, or its role may not. Exit 2: a setting is wrong.

    Example: TREGUA_DATABASE_URL=postgresql://owner@db/tregua tregua migrate
    """
    import asyncpg

    from storage.migrate import migrate as apply

    # A migration needs nothing but the database: the other settings may not be there yet.
    url = os.environ.get("TREGUA_DATABASE_URL") or settings().database_url
    try:
        with told():
            applied = asyncio.run(apply(url, finish=finish))
    except asyncpg.InsufficientPrivilegeError as error:
        fail(DOES_NOT_HOLD, f"the role of TREGUA_DATABASE_URL may not change the schema: {error}")
    if as_json:
        typer.echo(json.dumps({"applied": applied}))
    else:
        typer.echo("\n".join(f"applied {name}" for name in applied) or "nothing to apply")

"""``tregua telegram``: tells Telegram where to bring what people write to the bot, and shows what it was told."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer

from gateway.cli.environment import settings
from gateway.cli.exits import DOES_NOT_HOLD, WRONG_USE, fail

app = typer.Typer(no_args_is_help=True, help="Have Telegram bring what people write to the bot.")

Way = Annotated[str | None, typer.Argument(metavar="WAY", help="The bot's name in tregua.toml; needed with several.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print what Telegram says as JSON.")]


@app.callback()
def telegram() -> None:
    """Have Telegram bring what people write to the bot."""


@app.command("set")
def set_webhook(way: Way = None, as_json: AsJson = False) -> None:
    """Have updates brought to TREGUA_PUBLIC_URL/hooks/WAY, with the secret of tregua.toml; again after either has changed.

    Exit 0: Telegram took it. Exit 1: it did not. Exit 2: wrong use.

    Example: tregua telegram set telegram-main
    """

    async def job(name: str, bot: Any) -> Any:
        await bot.set_webhook(f"{settings().public_url}/hooks/{name}")
        return await bot.webhook()

    _done(way, job, as_json)


@app.command("show")
def show_webhook(way: Way = None, as_json: AsJson = False) -> None:
    """Show where Telegram brings updates, how many wait, and what went wrong last.

    Exit 0: they come here. Exit 1: they do not. Exit 2: wrong use.

    Example: tregua telegram show --json
    """

    async def job(_name: str, bot: Any) -> Any:
        return await bot.webhook()

    name, told = _done(way, job, as_json)
    if told.get("url") != f"{settings().public_url}/hooks/{name}":
        raise typer.Exit(1)


@app.command("delete")
def delete_webhook(way: Way = None, as_json: AsJson = False) -> None:
    """Have nothing brought any more; Telegram keeps for a day what people write meanwhile.

    Exit 0: Telegram took it. Exit 1: it did not. Exit 2: wrong use.

    Example: tregua telegram delete telegram-main
    """

    async def job(_name: str, bot: Any) -> Any:
        await bot.delete_webhook()
        return await bot.webhook()

    _done(way, job, as_json)


def _done(way: str | None, job: Callable[[str, Any], Awaitable[Any]], as_json: bool) -> tuple[str, Any]:
    """Do something with the bot and print what Telegram says afterwards."""
    from telegram.error import TelegramError

    from adapters.telegram_bot import SPEC

    tables = {name: table for name, table in settings().providers.items() if table["kind"] == SPEC.kind}
    name = way if way is not None else next(iter(tables), None)
    if name is None or name not in tables or (way is None and len(tables) > 1):
        known = ", ".join(tables) or "none"
        fail(WRONG_USE, f"name a bot of tregua.toml; there are: {known}")

    async def run() -> Any:
        bot = SPEC.build(name, tables[name], b"nothing is marked here")
        try:
            return await job(name, bot)
        finally:
            await bot.close()

    try:
        told = asyncio.run(run())
    except ValueError as error:
        fail(WRONG_USE, str(error))
    except TelegramError as error:
        # Telegram's words name neither token nor secret; what else went wrong is told by its kind alone.
        fail(DOES_NOT_HOLD, f"Telegram did not take it: {error.message[:200]}")
    if as_json:
        typer.echo(json.dumps({"way": name, **told}))
    else:
        typer.echo(f"{name}: updates go to {told.get('url') or 'nobody'}; {told.get('pending_update_count', 0)} wait")
        if told.get("last_error_message"):
            typer.echo(f"last error: {told['last_error_message']}")
    return name, told

"""``tregua``: one command, one file a group of its commands, each loaded only when it is called."""

import importlib
from typing import Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_command

#: Groups and commands by the file that has them; nothing is imported before it is asked for.
COMMANDS: Final = {
    "dev": ("gateway.cli.dev", "Start everything on this machine: servers, API, worker and sandbox."),
    "serve": ("gateway.cli.serve", "Serve the API."),
    "work": ("gateway.cli.work", "Run the worker: dispatch, sweeps and deliveries."),
    "migrate": ("gateway.cli.migrate", "Bring the database to this release's schema."),
    "keys": ("gateway.cli.keys", "Create, list and revoke API keys."),
    "send": ("gateway.cli.send", "Send a campaign from a CSV file."),
    "policy": ("gateway.cli.policy", "The law: test it, list it, show it, have it explained."),
    "intents": ("gateway.cli.intents", "What replies mean."),
    "contacts": ("gateway.cli.contacts", "People, brought in from a file."),
    "registers": ("gateway.cli.registers", "Do-not-contact registers: read, list, show."),
    "telegram": ("gateway.cli.telegram", "Have Telegram bring what people write to the bot."),
    "trace": ("gateway.cli.trace", "Prove the trace."),
    "audit": ("gateway.cli.audit", "Ask whether every limit was kept."),
    "doctor": ("gateway.cli.doctor", "Say in words what is wrong with this installation."),
    "demo": ("gateway.cli.demo", "See it work, against a gateway that runs."),
}


class _Lazy(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        """The names, in the order above."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Load one."""
        if cmd_name not in COMMANDS:
            return None
        command = get_command(importlib.import_module(COMMANDS[cmd_name][0]).app)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Every command with its line, without loading any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


app = typer.Typer(
    cls=_Lazy,
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    help="Tregua: messages that go out only when the law and the person allow it.",
)


@app.callback()
def tregua() -> None:
    """Tregua: messages that go out only when the law and the person allow it."""


def run() -> None:
    """The console script."""
    app()

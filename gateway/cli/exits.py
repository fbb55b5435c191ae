"""How a command ends that cannot do what it was asked: a sentence on standard error, and one of two exit statuses."""

from typing import Final, NoReturn

import typer

DOES_NOT_HOLD: Final = 1
WRONG_USE: Final = 2


def fail(code: int, sentence: str) -> NoReturn:
    """End with a sentence and an exit status."""
    typer.echo(f"tregua: {sentence}", err=True)
    raise typer.Exit(code)

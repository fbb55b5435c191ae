"""Where the command line finds its settings: the environment and ``tregua.toml``, or what ``make run`` left in ``.tregua``."""

import os
from pathlib import Path

import typer

from gateway.settings import FILE, Settings, Wrong, read

FOLDER = Path(".tregua")


def settings() -> Settings:
    """Read settings, or end with exit 2 and a sentence."""
    file = Path(FILE)
    if "TREGUA_DATABASE_URL" not in os.environ and not file.exists() and (FOLDER / FILE).exists():
        file = FOLDER / FILE
    try:
        return read(os.environ, file)
    except Wrong as error:
        typer.echo(f"tregua: {error}", err=True)
        raise typer.Exit(2) from None

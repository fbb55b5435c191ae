"""``tregua serve``: the API process."""

import typer

from gateway.cli.environment import settings, told

app = typer.Typer()


@app.command()
def serve() -> None:
    """Serve the API until SIGTERM. Settings come from TREGUA_* and tregua.toml.

    Exit 1: the database is away, or an address to listen at is taken. Exit 2: a setting is wrong.

    Example: TREGUA_PORT=8080 tregua serve
    """
    from gateway import processes

    with told():
        processes.run(settings(), processes.serve)

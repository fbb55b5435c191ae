"""``tregua serve``: the API process."""

import typer

from gateway.cli.environment import settings

app = typer.Typer()


@app.command()
def serve() -> None:
    """Serve the API until SIGTERM. Settings come from TREGUA_* and tregua.toml.

    Example: TREGUA_PORT=8080 tregua serve
    """
    from gateway import processes

    processes.run(settings(), processes.serve)

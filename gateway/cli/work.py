"""``tregua work``: the worker process."""

import typer

from gateway.cli.environment import settings

app = typer.Typer()


@app.command()
def work() -> None:
    """Run the worker until SIGTERM. Any number of them may run beside each other.

    Example: tregua work
    """
    from gateway import processes

    processes.run(settings(), processes.work)

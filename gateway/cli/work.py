"""``tregua work``: the worker process."""

import typer

from gateway.cli.environment import settings, told

app = typer.Typer()


@app.command()
def work() -> None:
    """Run the worker until SIGTERM. Any number of them may run beside each other.

    Exit 1: the database is away, or the address of its metrics is taken. Exit 2: a setting is wrong.

    Example: tregua work
    """
    from gateway import processes

    with told():
        processes.run(settings(), processes.work)

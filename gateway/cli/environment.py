"""Where the command line finds its settings, its house and its tenant, and how it says that it cannot begin: never a traceback."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli.exits import DOES_NOT_HOLD, WRONG_USE, fail
from gateway.settings import FILE, Settings, Wrong, read

if TYPE_CHECKING:
    from gateway.compose import House

FOLDER = Path(".tregua")


def found() -> Settings:
    """The settings of the environment and ``tregua.toml``, or what ``make run`` left in ``.tregua``. Raises Wrong."""
    file = Path(FILE)
    if "TREGUA_DATABASE_URL" not in os.environ and not file.exists() and (FOLDER / FILE).exists():
        file = FOLDER / FILE
    return read(os.environ, file)


def settings() -> Settings:
    """Read settings, or end with exit 2 and a sentence."""
    with told():
        return found()


@asynccontextmanager
async def opened() -> "AsyncIterator[House]":
    """A house of these settings; where it cannot be had, the command ends with a sentence."""
    from gateway.compose import house

    with told():
        async with house(settings()) as made:
            yield made


async def tenant_of(made: "House", named: str | None) -> str:
    """The tenant named, or the only one there is; else the command ends with a sentence."""
    from storage import past

    known = await made.database.read(past.tenants)
    if named is None and len(known) == 1:
        return known[0]
    if named is None:
        fail(WRONG_USE, f"there are {len(known)} tenants: say which with --tenant" if known else "there is no tenant")
    if named not in known:
        fail(DOES_NOT_HOLD, f"there is no tenant {named}")
    return named


@contextmanager
def told() -> Iterator[None]:
    """Tell what keeps a command from its work: exit 2 for a setting, 1 for a database that is away and an address that is taken."""
    try:
        yield
    except Wrong as error:
        fail(WRONG_USE, str(error))
    except Exception as error:
        # Only now is the driver worth loading: a command that ends well never asks.
        sentence = _sentence(error)
        if sentence is None:
            raise
        fail(DOES_NOT_HOLD, sentence)


def _sentence(error: Exception) -> str | None:
    """What is away, taken or missing, in words; None for our own bugs."""
    import asyncpg

    from gateway.health import why_no_database
    from gateway.listening import CannotListen
    from storage.database import DatabaseAway

    match error:
        case CannotListen():
            return str(error)
        case (
            DatabaseAway()
            | asyncpg.InvalidAuthorizationSpecificationError()
            | asyncpg.InvalidCatalogNameError()
            | asyncpg.InvalidParameterValueError()
            | asyncpg.UndefinedTableError()
        ):
            return why_no_database(error)
        case _:
            return None

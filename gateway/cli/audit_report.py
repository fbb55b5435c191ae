"""``tregua audit frequency --report``: the same file that the API makes, written here and now."""

import os
import sys
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from gateway.compose import House

FORMATS: Final = ("csv", "ndjson", "parquet", "pdf")


def format_of(to: Path) -> str | None:
    """Which format a file's name asks for."""
    ending = to.suffix.removeprefix(".").lower()
    return ending if ending in FORMATS else None


async def write(
    made: "House",
    tenant: str,
    to: Path,
    *,
    contact: str | None,
    jurisdiction: str | None,
    since: datetime | None,
    until: datetime | None,
    language: str,
) -> str | None:
    """Write the report; a sentence where it cannot be asked for. The file appears whole or not at all. Raises Broken, OSError."""
    from gateway.audit.reports import PERIOD_DAYS, PERIOD_DAYS_MAX, Asked, missing
    from gateway.audit.reports_counts import Period
    from gateway.compose import report_maker

    now, _ = await made.database.read(made.clock.now)
    until = now if until is None else min(until, now)
    since = until - timedelta(days=PERIOD_DAYS) if since is None else since
    if since >= until:
        return "the period ends before it begins; it never ends later than now"
    if until - since > timedelta(days=PERIOD_DAYS_MAX):
        return f"a period is at most {PERIOD_DAYS_MAX} days"
    kind = format_of(to)
    assert kind is not None
    if (how := missing(kind)) is not None:
        return f"what writes .{kind} is not installed here: {how}"
    period = Period(since=since, until=until, contact=contact, jurisdiction=jurisdiction)
    asked = Asked(format=kind, language=language, period=period)
    aside = to.with_name(f".{to.name}.{os.getpid()}")
    try:
        with aside.open("wb") as stream, _bar() as bar:
            task = bar and bar.add_task("counting", total=None)

            async def progress(done: int, total: int) -> bool:
                if bar is not None:
                    bar.update(task, completed=done, total=total)
                return True

            async for piece in report_maker(made).pieces(tenant, to.stem, asked, progress):
                stream.write(piece)
        aside.replace(to)
    finally:
        aside.unlink(missing_ok=True)
    return None


def _bar() -> AbstractContextManager[Any]:
    """A progress bar where somebody watches."""
    if not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console
    from rich.progress import Progress

    return Progress(console=Console(stderr=True), transient=True)

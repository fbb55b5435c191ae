"""Logs: one JSON object a line on standard error, of allowed keys only; a person is in none of them."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

#: Whatever is not named here is dropped: ids, counts, codes and names of our own things.
ALLOWED: Final = frozenset(
    {
        "event", "level", "timestamp", "attempt", "message", "tenant", "provider", "channel", "route", "method", "status",
        "request", "error", "reason", "kind", "count", "seconds", "what", "process", "job", "where",
        "logger", "url", "slug", "port", "index", "rule", "pack", "version", "media",
    }
)  # fmt: skip


def configure(level: str) -> None:
    """Set logging up for this process, the libraries' own included."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            _only_allowed,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # Libraries log sentences that may hold whatever they were given: only warnings pass, and only their template.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Templates())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def _only_allowed(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: value for key, value in event.items() if key in ALLOWED}


class _Templates(logging.Formatter):
    """A record as its template and place, without the values that were put into it."""

    def format(self, record: logging.LogRecord) -> str:
        """One JSON line."""
        said = structlog.processors.JSONRenderer()(
            None,
            "",
            {
                "event": str(record.msg)[:200],
                "level": record.levelname.lower(),
                "logger": record.name,
                "error": record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None,
            },
        )
        return said if isinstance(said, str) else said.decode()

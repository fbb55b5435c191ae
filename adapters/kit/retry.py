"""When a provider wants to be asked again: ``Retry-After`` in both of its forms, never longer than an hour."""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

RETRY_AFTER_SECONDS_MAX: Final = 3_600.0


def retry_after(headers: Mapping[str, str]) -> float | None:
    """RFC 9110 section 10.2.3: seconds, or a date, which is read against the answer's own ``Date``. None: it does not say."""
    told = headers.get("Retry-After", "")
    seconds = seconds_told(told)
    if seconds is not None:
        return seconds
    try:
        apart = parsedate_to_datetime(told) - parsedate_to_datetime(headers.get("Date", ""))
    except (ValueError, TypeError):
        return None
    return min(max(apart.total_seconds(), 0.0), RETRY_AFTER_SECONDS_MAX)


def seconds_told(text: str) -> float | None:
    """A span in whole seconds, as many providers also write it into their answers. None: it is none."""
    text = text.strip()
    return min(float(text[:9]), RETRY_AFTER_SECONDS_MAX) if text.isascii() and text.isdigit() else None

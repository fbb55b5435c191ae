"""What a trace is carried by from the request to the message that it makes: W3C trace context, ours where the CRM sent none."""

from contextvars import ContextVar
from typing import Final

from msgspec import UNSET, UnsetType

#: The ``traceparent`` that messages accepted in this context are kept with; unset while nobody collects traces.
CARRIED: Final[ContextVar[str | UnsetType]] = ContextVar("carried", default=UNSET)

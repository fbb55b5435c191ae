"""Which makers the house is made of: none traces while no collector is named, and then nothing is imported for it."""

from gateway.settings import Wrong
from gateway.telemetry.kinds import Kinds


def makers_for(traces_url: str | None) -> Kinds:
    """Those that trace to a collector's address for OTLP/HTTP, or none that does. Raises Wrong without the packages for it."""
    if traces_url is None:
        return Kinds()
    try:
        from gateway.telemetry.spans import traced
    except ImportError:
        raise Wrong(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, and the packages of the extra otel are not installed"
        ) from None
    return traced(traces_url)

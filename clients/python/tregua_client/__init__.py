"""Client of the Tregua messaging gateway.

``Tregua`` is to be called, ``AsyncTregua`` to be awaited; both have every operation of the API with its types. What is safe to
repeat is repeated by itself: a message is sent with an idempotency key, so a lost answer never sends it twice.
"""

from tregua_client import types
from tregua_client.client import AsyncTregua, Tregua
from tregua_client.errors import Flaw, GatewayError, Problem
from tregua_client.webhooks import Event, Forged, verified

__all__ = ["AsyncTregua", "Event", "Flaw", "Forged", "GatewayError", "Problem", "Tregua", "types", "verified"]

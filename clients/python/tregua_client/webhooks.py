"""Events from the gateway, verified: nothing is read from a call whose signature does not hold."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, cast

from standardwebhooks.webhooks import Webhook, WebhookVerificationError


class Event(TypedDict):
    """One event. ``id`` is the same at every repeat: keep it, and do each once."""

    type: str
    id: str
    occurred_at: str
    accepted_at: str
    tenant: str
    data: dict[str, Any]


class Forged(Exception):
    """The call does not carry the endpoint's signature, or is too old."""


def verified(body: bytes | str, headers: Mapping[str, str], secrets: str | Sequence[str]) -> Event:
    """The event in a call, by Standard Webhooks. ``secrets``: one, or the two that live while rotating. Raises ``Forged``."""
    text = body.decode() if isinstance(body, bytes) else body
    lower = {name.lower(): value for name, value in headers.items()}
    for secret in (secrets,) if isinstance(secrets, str) else secrets:
        try:
            Webhook(secret).verify(text, lower)
        except WebhookVerificationError:
            continue
        return cast(Event, json.loads(text))
    raise Forged("the signature is of none of the secrets, or the call is too old")

"""What the CRM is told, as it is put into the outbox."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from gateway.answers import Told, told_of
from storage.messages import MessageRow
from storage.outbox import EventOut
from vocabulary.ids import new_uuid, shown


def crm_event(kind: str, row: MessageRow, at: datetime, ask: Told | None = None, /, **more: Any) -> EventOut:
    """An event about a message. ``more`` goes into ``data`` beside what every such event says; ``ask``: as ``answers`` takes it."""
    data = {
        "message": shown("msg", row.id),
        "contact": row.contact,
        "channel": row.channel,
        "status": kind.removeprefix("message."),
        "metadata": (ask or told_of(row)).metadata,
        **more,
    }
    return event(kind, row.tenant, row.contact, at, data)


def undelivered(row: MessageRow, at: datetime, channels_left: Sequence[str], **more: Any) -> EventOut:
    """A message did not reach her. ``channels_left``: those that will still be asked about; none: this is final."""
    return crm_event("message.undelivered", row, at, channels_left=list(channels_left), **more)


def event(kind: str, tenant: str, contact: str, at: datetime, data: dict[str, Any]) -> EventOut:
    """Any event about a person."""
    return EventOut(
        id=new_uuid(),
        tenant=tenant,
        contact=contact,
        type=kind,
        body=msgspec.json.encode(data).decode(),
        occurred_at=at,
    )

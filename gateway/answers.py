"""How decisions and messages are said to a CRM: the contract's words, instants in the person's own offset."""

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from gateway.asks import Pinned, StoredAsk
from storage.messages import AttemptRow, MessageRow
from vocabulary.channel import Channel
from vocabulary.ids import shown
from vocabulary.verdict import Reason, Verdict

#: What attempts are called outside: an attempt in the air has no outcome yet.
_OUTCOMES = {"dispatching": None, "absent": "unknown"}


class Told(msgspec.Struct, frozen=True):
    """What of an ask is told again with every answer and event."""

    purpose: str
    metadata: dict[str, str] = {}
    template: Pinned | None = None


_TOLD: Final = msgspec.json.Decoder(Told)
_ENCODER: Final = msgspec.json.Encoder()


def told_of(row: MessageRow) -> Told:
    """Read it, passing over the rest."""
    return _TOLD.decode(row.ask)


def told(ask: StoredAsk) -> Told:
    """The same of an ask that is at hand."""
    return Told(ask.purpose, ask.metadata, ask.template)


def instant(at: datetime | None, zone: tzinfo) -> str | None:
    """RFC 3339 with the zone's offset, to the second where nothing finer was meant."""
    if at is None:
        return None
    local = at.astimezone(zone)
    return local.isoformat(timespec="seconds" if local.microsecond == 0 else "milliseconds")


def zone_of(zones: Sequence[str]) -> tzinfo:
    """The zone in which a person is told her instants: her first one, or UTC."""
    return ZoneInfo(zones[0] if zones else "UTC")


def decision(verdict: Verdict, zone: tzinfo) -> dict[str, Any]:
    """A verdict as the contract writes it."""
    return {
        "outcome": verdict.answer.value,
        "until": instant(verdict.until, zone),
        "decided_at": instant(verdict.decided_at, zone),
        "packs": [{"pack": used.pack, "because": used.because} for used in verdict.packs],
        "reasons": [_reason(reason, zone) for reason in verdict.reasons],
        "obligations": [
            {"rule": duty.rule, "pack": duty.pack, "citation": duty.citation, "duty": duty.duty}
            for duty in verdict.obligations
        ],
    }


def decided(
    verdict: Verdict,
    asked: Sequence[tuple[Channel, Verdict]],
    zone: tzinfo,
    passed_over: Sequence[tuple[str, Verdict]] = (),
    auto: Mapping[str, Any] | None = None,
) -> tuple[str, str]:
    """The decision that stands, and those of every channel when several were asked, as they are kept.

    ``passed_over``: the ways of the channel that the law forbids, while it allows the one that was taken. ``auto``: how
    the order of the channels came about.
    """
    each = [{"channel": channel.value, **decision(one, zone)} for channel, one in asked] if len(asked) > 1 else []
    stands = decision(verdict, zone)
    if passed_over:
        stands["passed_over"] = [{"provider": way, **decision(one, zone)} for way, one in passed_over]
    if auto is not None:
        stands["auto"] = auto
    return _ENCODER.encode(stands).decode(), _ENCODER.encode(each).decode()


def message(
    row: MessageRow, attempts: Sequence[AttemptRow], cost: dict[str, Any] | None, ask: Told | None = None
) -> dict[str, Any]:
    """A message as the contract writes it. ``ask``: what is told of it, where somebody has it."""
    if ask is None:
        ask = told_of(row)
    answered: dict[str, Any] = {
        "id": shown("msg", row.id),
        "contact": row.contact,
        "channel": row.channel,
        "status": row.status,
        "purpose": ask.purpose,
        "created_at": _utc(row.created_at),
        "expires_at": _utc(row.expires_at),
        "updated_at": _utc(row.updated_at),
        "decision": _kept(row.decision),
        "attempts": [_attempt(attempt) for attempt in attempts],
        "cost": cost,
        "metadata": ask.metadata,
    }
    if len(row.channels) > 1:
        answered["channels"] = list(row.channels)
        answered["decisions"] = _kept(row.decisions)
    if ask.template is not None:
        answered["template"] = {"name": ask.template.name, "version": ask.template.version}
    if row.resolution is not None:
        answered["resolution"] = row.resolution
    return answered


def _kept(text: str) -> msgspec.Raw:
    """What is kept as JSON, told as it is kept: it is not read only to be written again."""
    return msgspec.Raw(text.encode())


def _reason(reason: Reason, zone: tzinfo) -> dict[str, Any]:
    said = {
        "rule": reason.rule,
        "pack": reason.pack,
        "force": reason.force.value,
        "citation": reason.citation,
        "effect": reason.effect.value,
        "until": instant(reason.until, zone),
        "observed": reason.observed,
        "limit": reason.limit,
    }
    if reason.reading is not None:
        said["reading"] = reason.reading
    return said


def _attempt(attempt: AttemptRow) -> dict[str, Any]:
    return {
        "id": shown("att", attempt.id),
        "provider": attempt.provider,
        "channel": attempt.channel,
        "provider_id": attempt.provider_id,
        "provider_status": attempt.provider_status,
        "outcome": _OUTCOMES.get(attempt.state, attempt.state),
        "reason": attempt.reason,
        "at": _utc(attempt.reserved_at),
    }


@lru_cache(maxsize=256)  # messages of one commit share their instants
def _utc(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")

"""What the trace says of each step: headers without a person, her words sealed beside them."""

from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from gateway.asks import StoredAsk
from storage.chain import Written
from tracelog.entry import Canonical, instant, written
from tracelog.sealed import seal
from vocabulary.ids import new_uuid
from vocabulary.verdict import Verdict

TOKENS_KEPT_MAX: Final = 4_096
#: Of SHA-256, which HMAC fills with the key.
_BLOCK_BYTES: Final = 64


class _Accepted(msgspec.Struct, frozen=True, gc=False):
    """What the trace says of a message that was taken in: texts, their fields in the order of the canonical form."""

    channels: list[str]
    collector: str
    creditor: str
    debts: list[str]
    expires_at: str
    form: str
    purpose: str
    send_at: str | None
    sender: str
    template: str | UnsetType = UNSET
    version: int | UnsetType = UNSET


_ENCODER: Final = msgspec.json.Encoder()


class Scribe:
    """Writes entries down. ``secret`` keys the digests under which references of the CRM's stand in headers."""

    def __init__(self, secret: bytes) -> None:
        # HMAC (RFC 2104) taken as far as the key goes: from there a digest costs a third of what it costs from the beginning.
        block = (sha256(secret).digest() if len(secret) > _BLOCK_BYTES else secret).ljust(_BLOCK_BYTES, b"\0")
        self._inner = sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = sha256(bytes(byte ^ 0x5C for byte in block))
        # Creditors and collectors are the same in every message of a campaign.
        self._token = lru_cache(maxsize=TOKENS_KEPT_MAX)(self._digest)

    def entry(
        self,
        kind: str,
        *,
        tenant: str,
        at: datetime,
        facts: dict[str, Any] | Canonical,
        subject: UUID | None = None,
        message: UUID | None = None,
        words: bytes | None = None,
        key: bytes = b"",
    ) -> Written:
        """One entry. ``words`` name or quote a person and are sealed under her ``key``."""
        identity = new_uuid()
        sealed = seal(key, words, tenant=tenant, entry=identity) if words is not None else None
        entry = written(
            tenant=tenant,
            entry=identity,
            kind=kind,
            at=at,
            subject=subject,
            message=message,
            facts=facts,
            sealed=sealed,
        )
        return Written(kind=kind, at=at, entry=entry, subject=subject, message=message)

    def accepted(self, tenant: str, ask: StoredAsk, expires_at: datetime) -> Canonical:
        """What an ``accepted`` entry says. Every message has one, and its fields are known: nothing of it has to be looked at."""
        template = ask.template
        facts = _Accepted(
            channels=ask.channels,
            collector=self._token(tenant, ask.collector),
            creditor=self._token(tenant, ask.creditor),
            debts=[self._digest(tenant, debt) for debt in ask.debts],
            expires_at=instant(expires_at),
            form=ask.form,
            purpose=ask.purpose,
            send_at=None if ask.send_at is None else instant(ask.send_at),
            sender=ask.role,
            template=UNSET if template is None else template.name,
            version=UNSET if template is None else template.version,
        )
        return Canonical(msgspec.Raw(_ENCODER.encode(facts)))

    def token(self, tenant: str, reference: str) -> str:
        """A CRM's reference as a keyed digest: equal where it is equal, and nothing else."""
        return self._token(tenant, reference)

    def _digest(self, tenant: str, reference: str) -> str:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(f"{tenant}\n{reference}".encode())
        outer.update(inner.digest())
        return outer.hexdigest()[:16]


def verdict_facts(verdict: Verdict) -> dict[str, Any]:
    """A verdict as facts of an entry; ``overridden`` only where a rule that would have blocked was set aside."""
    facts: dict[str, Any] = {
        "outcome": verdict.answer.value,
        "until": None if verdict.until is None else instant(verdict.until),
        "packs": [used.pack for used in verdict.packs],
        "reasons": [
            {
                "rule": reason.rule,
                "pack": reason.pack,
                "force": reason.force.value,
                "effect": reason.effect.value,
                "until": None if reason.until is None else instant(reason.until),
                "observed": reason.observed,
                "limit": reason.limit,
                "reading": reason.reading,
            }
            for reason in verdict.reasons
        ],
    }
    if verdict.set_aside:
        facts["overridden"] = [
            {"rule": each.rule, "pack": each.pack, "authority": each.authority} for each in verdict.set_aside
        ]
    return facts

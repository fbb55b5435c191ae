"""What the law answers: allow, exactly when, or never, with every rule that blocks."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from vocabulary.values import quickly_made


class Answer(StrEnum):
    """Deny means that no amount of waiting alone makes this message lawful."""

    ALLOW = "allow"
    DEFER = "defer"
    DENY = "deny"


class Force(StrEnum):
    """How strongly a rule binds, which decides who may override it: a binding rule nobody."""

    BINDING = "binding"
    PRESUMPTION = "presumption"
    GUIDANCE = "guidance"
    CODE = "code"
    HOUSE = "house"


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One rule that blocks now. ``until``: the first instant at which this rule alone would let it pass (None: no hour known)."""

    rule: str
    pack: str
    force: Force
    citation: str
    effect: Answer
    until: datetime | None
    observed: str
    limit: str
    reading: str | None = None


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class PackUsed:
    """A pack that was asked, as ``CODE@digest``, and the fact that selected it."""

    pack: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Obligation:
    """A duty that the message must meet and that no binding rule makes blocking."""

    rule: str
    pack: str
    citation: str
    duty: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """A rule that would have blocked now and was overridden, and by whose authority."""

    rule: str
    pack: str
    authority: str


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The whole answer. ``until`` is the least instant that satisfies every rule together; None on allow and on deny."""

    answer: Answer
    decided_at: datetime
    until: datetime | None = None
    packs: tuple[PackUsed, ...] = ()
    reasons: tuple[Reason, ...] = ()
    obligations: tuple[Obligation, ...] = ()
    set_aside: tuple[SetAside, ...] = ()

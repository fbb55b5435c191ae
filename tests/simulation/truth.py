"""What really happened in a run, as carriers, people and CRMs know it: plain values, nothing of the house's own telling."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Law:
    """Under which law a world lives, by its packs' codes; the first place of the checker's own arithmetic."""

    name: str
    packs: tuple[str, ...]
    zones: tuple[str, ...]
    stop_word: str
    offer: str
    #: Where else some of them may be; when hours begin and end on the wall; ways whose platform forbids collection here.
    elsewhere: str
    edges: tuple[tuple[int, int], ...]
    barred: tuple[str, ...] = ()
    #: Whether she must have allowed electronic messages to the one who sends.
    asks_leave: bool = False
    #: Whether a limit runs by the hour from each message: whoever is written to as often as it lets is written to at its very end.
    rolling: bool = False


@dataclass(slots=True)
class Debtor:
    """A person as she knows herself. ``zones``: every one that she may be in."""

    id: str
    phone: str
    mail: str
    zones: tuple[str, ...]


@dataclass(slots=True)
class Taken:
    """One send that a carrier took. ``reached``: when it lay before her, if ever; ``until``: the last instant it could.

    ``failed_at``: when the carrier gave it up. ``told``: the instant at which the house acknowledged that it was delivered.
    """

    attempt: str
    way: str
    channel: str
    to: str
    at: datetime
    until: datetime
    provider_id: str
    #: Whom its words name.
    named: str | None = None
    reached: datetime | None = None
    failed_at: datetime | None = None
    told: datetime | None = None
    #: When the house acknowledged a word that ends the doubt when it reached her.
    confirmed: datetime | None = None


@dataclass(slots=True)
class Stop:
    """She said stop. ``address`` None: everywhere. ``kept``: when the house acknowledged it (None: never)."""

    debtor: str | None
    channel: str | None
    address: str | None
    said: datetime
    by: str
    kept: datetime | None = None


@dataclass(slots=True)
class Elsewhere:
    """A contact by somebody else that the CRM told of. ``corrected``: it was taken back at that instant."""

    debtor: str
    channel: str
    at: datetime
    told: datetime
    corrected: datetime | None = None


@dataclass(slots=True)
class World:
    """One tenant of one run."""

    seed: int
    tenant: str
    law: Law
    debtors: list[Debtor] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    stops: list[Stop] = field(default_factory=list)
    elsewhere: list[Elsewhere] = field(default_factory=list)
    #: Messages that the CRM was told are accepted: id by idempotency key.
    acknowledged: dict[str, str] = field(default_factory=dict)
    #: Keys under which a CRM was told of two messages.
    doubled: list[str] = field(default_factory=list)
    cancelled: dict[str, datetime] = field(default_factory=dict)
    ended: datetime | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the trace as it stands on disk."""

    idx: int
    header: bytes
    payload_digest: bytes | None
    leaf: bytes


@dataclass(frozen=True, slots=True)
class Shown:
    """A message as the CRM sees it at the end."""

    id: str
    status: str
    resolution: str | None
    due_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the house has to say for itself: its trace, its signed head, its messages."""

    rows: list[Row]
    size: int
    sealed_size: int
    sealed_root: bytes | None
    messages: list[Shown]

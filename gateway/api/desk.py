"""What the surface needs of the rest of the house, declared here and handed over by ``gateway.compose``."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Protocol
from uuid import UUID

from gateway.asks import ContactAsk, DebtAsk, DecisionAsk, EventAsk, MessageAsk
from gateway.audit.margins import Scope as AuditScope
from gateway.audit.proofs import Proof
from gateway.audit.reports import Reports
from gateway.audit.witnesses import Witnesses
from gateway.exports import Sealer
from gateway.media.recordings import Taken
from gateway.metrics import Metrics
from gateway.people.erasure import Eraser
from gateway.people.exports import Exporter
from gateway.people.registers import Registers
from gateway.refusals import Flaw
from gateway.templates.asks import PreviewAsk, TemplateAsk
from gateway.tenants.keys import Keyring
from gateway.tenants.quotas import Quotas
from storage.clock import LegalClock
from storage.database import Connection, Database
from storage.media import MediaRow


class Accepted(Protocol):
    """A message as answered, and whether this answer was given before."""

    @property
    def document(self) -> dict[str, Any]:
        """The message in the contract's words."""
        ...

    @property
    def replayed(self) -> bool:
        """Whether the key had been used for it."""
        ...


class Acceptor(Protocol):
    """Takes messages in."""

    async def submit(self, tenant: str, key: str, digest: bytes, ask: MessageAsk, /) -> Accepted:
        """Raises Refused, KeyReused, KeyInWork, Gone or DatabaseAway."""
        ...

    def put(
        self, tenant: str, key: str, digest: bytes, ask: MessageAsk, /, *, bulk: bool = False
    ) -> asyncio.Future[Any]:
        """The same: it stands in line at once. ``bulk``: one of many. The future's result is an ``Accepted``."""
        ...


class Shelf(Protocol):
    """Shows messages."""

    async def show(self, connection: Connection, tenant: str, identity: UUID, /) -> dict[str, Any] | None:
        """One message, or None when there is none of this tenant's."""
        ...

    async def page(
        self,
        connection: Connection,
        tenant: str,
        /,
        *,
        contact: str | None,
        status: str | None,
        since: datetime | None,
        until: datetime | None,
        before: UUID | None,
        limit: int,
    ) -> list[dict[str, Any]]:
        """Messages, newest first."""
        ...


class Canceller(Protocol):
    """Stops messages that have not left."""

    async def cancel(self, tenant: str, identity: UUID, /) -> dict[str, Any]:
        """The message, cancelled. Raises NotThere or TooLate."""
        ...


class Adviser(Protocol):
    """Answers what would be decided."""

    async def decide(self, tenant: str, ask: DecisionAsk, /) -> dict[str, Any]:
        """The decision. Raises Refused."""
        ...


class Registrar(Protocol):
    """Keeps people, debts and what happened elsewhere."""

    async def put_contact(self, tenant: str, ask: ContactAsk, /) -> dict[str, Any]:
        """The person as kept. Raises Refused."""
        ...

    async def put_debt(self, tenant: str, ask: DebtAsk, /) -> dict[str, Any]:
        """The debt as kept. Raises Refused."""
        ...

    async def add_events(self, tenant: str, contact: str, events: list[EventAsk], /) -> list[str]:
        """The events' ids in order. Raises NotThere or Refused."""
        ...


class Starts(Protocol):
    """Offers links that bind a person's chat."""

    async def offer(self, tenant: str, contact: str, /) -> dict[str, str]:
        """A new link. Raises Refused or NotThere."""
        ...


class Policies(Protocol):
    """A tenant's policy."""

    async def unreadable(self) -> Mapping[str, Sequence[Flaw]]:
        """The tenants whose policy this release does not understand, with what is wrong with it."""
        ...

    async def get(self, tenant: str, /) -> dict[str, Any]:
        """What is in force."""
        ...

    async def put(self, tenant: str, body: dict[str, Any], /) -> dict[str, Any]:
        """The next version, in force. Raises Refused."""
        ...


class MediaRoom(Protocol):
    """Takes recordings in and hands media out."""

    async def take(self, tenant: str, audio: bytes, /) -> Taken:
        """Keep a recording as a voice note. Raises Refused."""
        ...

    async def show(self, tenant: str, identity: str, /) -> MediaRow:
        """One of the tenant's. Raises NotThere."""
        ...


class Templates(Protocol):
    """A tenant's templates."""

    async def put(self, tenant: str, name: str, ask: TemplateAsk, /) -> dict[str, Any]:
        """The version in force, with the law's warnings. Raises Refused."""
        ...

    async def document(self, tenant: str, name: str, version: int | None, /) -> dict[str, Any]:
        """One version. Raises NotThere."""
        ...

    async def listed(self, tenant: str, after: str | None, limit: int, /) -> list[dict[str, Any]]:
        """Templates by name."""
        ...

    async def versions(self, tenant: str, name: str, before: int | None, limit: int, /) -> list[dict[str, Any]]:
        """Versions, newest first. Raises NotThere."""
        ...

    async def preview(self, tenant: str, name: str, ask: PreviewAsk, /) -> dict[str, Any]:
        """What each channel would say. Raises NotThere or Refused."""
        ...


class Prover(Protocol):
    """Proves what the trace holds."""

    async def inclusion(self, tenant: str, index: int, size: int | None, /) -> Proof:
        """That an entry stands in it. Raises NoSuchTree or Broken."""
        ...

    async def consistency(self, tenant: str, old: int, size: int | None, /) -> Proof:
        """That it only grew. Raises NoSuchTree or Broken."""
        ...


class Auditor(Protocol):
    """Answers how close people are to their limits."""

    async def page(
        self, tenant: str, scope: AuditScope, after: str, limit: int, /
    ) -> tuple[list[dict[str, Any]], str | None]:
        """People by their ids, after one, and the id to go on after."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Everything that handlers reach for. ``redis_ready`` answers within a second and raises nothing."""

    database: Database
    clock: LegalClock
    keyring: Keyring
    quotas: Quotas
    metrics: Metrics
    acceptor: Acceptor
    shelf: Shelf
    canceller: Canceller
    adviser: Adviser
    registrar: Registrar
    policies: Policies
    registers: Registers
    eraser: Eraser
    exporter: Exporter
    templates: Templates
    media: MediaRoom
    starts: Starts
    sealer: Sealer
    prover: Prover
    witnesses: Witnesses
    auditor: Auditor
    reports: Reports
    #: The ways out in the words of the API, and how each may be used.
    ways: Callable[[], Awaitable[list[dict[str, Any]]]]
    way_states: Callable[[], Awaitable[Mapping[str, str]]]
    redis_ready: Callable[[], Awaitable[bool]]
    public_url: str
    #: Networks, private ones too, that events to the CRM may go to, by http as well.
    allow_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    version: str = field(default="0.1.0")

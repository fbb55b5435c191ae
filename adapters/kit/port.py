"""The port that every way out meets: send one parcel, look a lost one up, read what the provider tells us."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, runtime_checkable

from vocabulary.channel import Channel
from vocabulary.outcome import Bill, CannotTell, Lost, Outcome, Parcel, Quote, Receipt, Reply, Traced


class Forged(Exception):
    """The hook does not carry the provider's signature: answered 403, nothing stored but a counter."""


class Unreadable(Exception):
    """The hook is the provider's, but we cannot read it: kept raw, answered 200, shown to the operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """One call of a provider, as it came: ``url`` is the public one that the provider signed, never taken from ``Host``.

    ``remote`` is the address at the other end of the socket, never what a header says: behind a proxy it is the proxy's.
    """

    method: str
    url: str
    kind: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    remote: str | None = field(default=None, repr=False)


@runtime_checkable
class HasSenders(Protocol):
    """A way with several numbers of ours, each of which its provider paces by itself."""

    def sender(self, to: str, /) -> str | None:
        """The one from which that address is written to, None where the provider chooses."""
        ...


@runtime_checkable
class Pulls(Protocol):
    """A way that can list what people sent us: no hook that was lost takes a stop with it."""

    async def pulled(self, since: datetime, until: datetime, /) -> tuple[Reply, ...] | CannotTell:
        """What came in that span of real time, each under the key that its hook would have had."""
        ...


@runtime_checkable
class Bills(Protocol):
    """A way whose provider tells some time afterwards what each send cost."""

    async def billed(self, asked: Mapping[str, datetime], /) -> Mapping[str, Bill] | CannotTell:
        """What is billed for sends, by the provider's ids; those without a price yet are left out. ``asked``: when each was made."""
        ...


class Adapter(Protocol):
    """A way out. Every method is safe to call concurrently; none of them retries a send."""

    @property
    def name(self) -> str:
        """The operator's name for this way (``twilio-main``)."""
        ...

    @property
    def channel(self) -> Channel:
        """The channel it sends on."""
        ...

    async def send(self, parcel: Parcel, /) -> Outcome:
        """Hand one parcel to the provider. Never raises for what a provider or the network does: that is an ending."""
        ...

    def quote(self, to: str, text: str, /) -> Quote | None:
        """What sending this text there is expected to cost; None where the way does not count so."""
        ...

    async def find(self, lost: Lost, /) -> Traced:
        """Look a parcel of unknown ending up in the provider's own list."""
        ...

    def read(self, hook: Hook, /) -> tuple[Receipt | Reply, ...]:
        """Verify and read a hook. Raises ``Forged`` or ``Unreadable``."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


@runtime_checkable
class Answers(Protocol):
    """A way whose provider does what the answer to a hook says: a call goes on with it."""

    def answer(self, hook: Hook, /) -> bytes | None:
        """The document for a hook that ``read`` took and that is kept; None when any 200 will do."""
        ...


@runtime_checkable
class Greeted(Protocol):
    """A way whose provider first asks, by a GET, whether the address of its hooks is ours."""

    def challenge(self, hook: Hook, /) -> bytes:
        """What it awaits as the answer. Raises ``Forged`` for anybody else, ``Unreadable`` when there is nothing to answer."""
        ...

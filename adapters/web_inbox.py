"""The person's own page as a way out: a message is sent by lying in her inbox, where the commit of its ending puts it.

Nobody is called to send it, so there is no ending but ``Sent``. ``announce_url`` is for whoever shows people that something
waits for them (an app, a portal): it is told of each message with the address of her page, once, and what it answers changes
nothing. Docs: docs/channels/web.md.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from adapters.kit.discovery import Spec
from adapters.kit.links import page_url
from adapters.kit.port import Forged, Hook
from adapters.kit.settings import Table
from adapters.kit.transport import Transport
from vocabulary.channel import Channel
from vocabulary.outcome import Found, Lost, Outcome, Parcel, Quote, Receipt, Reply, Sent, Traced

#: Announcements on their way at once; one more is dropped, for the message itself lies where it lies.
ANNOUNCED_MAX: Final = 200
ANNOUNCE_SECONDS_MAX: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``[providers.NAME] kind = "web_inbox"``. Without ``announce_url`` nobody is told."""

    announce_url: str | None = None
    announce_secret: str | None = field(default=None, repr=False)


def settings(provider: str, table: Mapping[str, object]) -> Settings:
    """Read the table of one provider; raises ``SettingsError``, which names the setting and never its value."""
    asked = Table(provider, table)
    announce_url = asked.base_url("announce_url", "https://nobody.invalid")
    announce_secret = asked.text_or_none("announce_secret")
    asked.done()
    told = "announce_url" in table
    if told != (announce_secret is not None):
        raise asked.wrong("announce_url", "and announce_secret are given together or not at all")
    return Settings(announce_url=announce_url if told else None, announce_secret=announce_secret)


class WebInbox:
    """Everybody's inbox on their pages."""

    def __init__(self, name: str, settings: Settings, mark_secret: bytes, transport: Transport) -> None:
        self._name = name
        self._settings = settings
        self._mark_secret = mark_secret
        self._transport = transport
        self._announcing: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"WebInbox({self._name!r})"

    @property
    def name(self) -> str:
        """The operator's name for this way."""
        return self._name

    @property
    def channel(self) -> Channel:
        """Her page."""
        return Channel.WEB

    def quote(self, _to: str, _text: str, /) -> Quote | None:
        """Nobody is billed for it."""
        return None

    async def send(self, parcel: Parcel, /) -> Outcome:
        """It lies in her inbox from the commit of this ending on."""
        if self._settings.announce_url is not None and len(self._announcing) < ANNOUNCED_MAX:
            task = asyncio.create_task(self._announce(self._settings.announce_url, parcel))
            self._announcing.add(task)
            task.add_done_callback(self._announcing.discard)
        return Sent(provider_id=parcel.attempt.hex, provider_status="in the inbox")

    async def _announce(self, url: str, parcel: Parcel) -> None:
        # The address of hooks begins with the public address, which is all that a page's address needs.
        public_url = parcel.status_url.partition("/hooks/")[0]
        told = {
            "contact": parcel.to,
            "attempt": parcel.attempt.hex,
            "url": page_url(public_url, self._mark_secret, parcel.attempt),
        }
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._settings.announce_secret}"}
        await self._transport.exchange("POST", url, headers=headers, body=json.dumps(told).encode(), once=True)

    async def find(self, lost: Lost, /) -> Traced:
        """An ending that nobody told is told now: there is no other place where the message could be than her inbox."""
        return Found(provider_id=lost.attempt.hex, provider_status="in the inbox")

    def read(self, _hook: Hook, /) -> tuple[Receipt | Reply, ...]:
        """Nobody calls by a hook: what she reads and writes comes by her page."""
        raise Forged("her page does not call hooks")

    async def close(self) -> None:
        """Let go of announcements that nobody waits for."""
        for task in list(self._announcing):
            task.cancel()
        await asyncio.gather(*self._announcing, return_exceptions=True)
        await self._transport.close()


def _build(name: str, table: Mapping[str, object], mark_secret: bytes) -> WebInbox:
    return WebInbox(name, settings(name, table), mark_secret, Transport(call_seconds=ANNOUNCE_SECONDS_MAX))


SPEC: Final = Spec(kind="web_inbox", channel=Channel.WEB, hooks=frozenset(), build=_build)

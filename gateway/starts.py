"""Telegram's ``/start``: a link for one person, used once, binds the chat that it is opened in to her.

What it states: the chat is hers, and she wants messages there, if she never took that back. A link, which anybody may pass
on, lifts nothing; she herself does, by saying so in the chat.
"""

import asyncio
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final, Protocol, runtime_checkable

import structlog

from consent.intents import Intent, Reading
from gateway.addresses import Unusable, canonical, endpoint
from gateway.entries import Scribe
from gateway.events import event
from gateway.people.profiles import statement_entry
from gateway.refusals import Flaw, NotThere, Refused
from gateway.settle import Round
from storage import hooks, people, starts
from storage.clock import LegalClock
from storage.database import Connection, Database
from storage.history import EventRow
from storage.people import AddressRow, ContactRow, Key
from vocabulary.channel import AddressKind, AddressSource, Channel
from vocabulary.event import Consented, ConsentState, Instrument
from vocabulary.ids import new_uuid
from vocabulary.outcome import Reply

log = structlog.get_logger()

#: How long a link can be used, real time.
START_DAYS: Final = 7
#: 192 random bits: 32 letters, digits, ``_`` and ``-``, which is what Telegram carries (64 at most).
TOKEN_BYTES: Final = 24
#: Links of one person that wait at the same time.
OPEN_MAX: Final = 20
#: Answers to strangers that may be on their way at once.
ANSWERS_MAX: Final = 50

#: https://core.telegram.org/bots/features#deep-linking: the command, the bot's name in some programs, and what the link held.
_COMMAND: Final = re.compile(r"/start(?:@[A-Za-z0-9_]+)?(?:[ \n]+([A-Za-z0-9_-]{1,64}))?\s*")
COMMAND: Final = "/start"

#: What the command says of her consent by itself: nothing. The word START is another thing.
SAID: Final = Reading(Intent.OTHER, bare=True)

SORRY: Final = {
    "es": "Este enlace ya no sirve: venció o ya se usó. Pida uno nuevo a quien se lo envió. No recibirá más mensajes de este chat.",
    "en": "This link no longer works: it has expired or was used before. Please ask whoever sent it for a new one. "
    "You will get no more messages from this chat.",
    "pt": "Este link não funciona mais: expirou ou já foi usado. Peça um novo a quem o enviou. "
    "Você não receberá mais mensagens deste chat.",
}


@runtime_checkable
class Bot(Protocol):
    """What is asked of a way that has chats to start; met by ``adapters.telegram_bot`` without being imported."""

    def start_url(self, payload: str, /) -> str:
        """A link that opens a chat and brings ``/start <payload>`` from it."""
        ...

    async def say(self, chat: str, text: str, /) -> bool:
        """Answer somebody who just wrote, once and at best."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A link that was used in this transaction: whose, and from which chat."""

    key: Key
    reply: Reply = field(repr=False)
    address: AddressRow = field(repr=False)
    stopped_at: datetime | None = None
    withdrew: bool = True
    fresh: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorry:
    """An answer to somebody whom nobody knows."""

    provider: str
    chat: str = field(repr=False)
    text: str


class Starter:
    """Offers links, and binds the chats that they are opened in. ``bots`` by the operator's name, first choice first."""

    def __init__(
        self, *, database: Database, clock: LegalClock, scribe: Scribe, secret: bytes, bots: Mapping[str, Bot]
    ) -> None:
        self._database = database
        self._clock = clock
        self._scribe = scribe
        self._secret = secret
        self._bots = bots
        self._answers: set[asyncio.Task[Any]] = set()

    async def offer(self, tenant: str, contact: str) -> dict[str, str]:
        """A new link for a person. Raises Refused when no bot is configured or too many wait, NotThere for nobody."""
        name = next(iter(self._bots), None)
        if name is None:
            raise Refused([Flaw("", "no way is configured for telegram")])
        token = secrets.token_urlsafe(TOKEN_BYTES)

        async def job(connection: Connection) -> datetime:
            if not await people.contacts(connection, [(tenant, contact)]):
                raise NotThere
            _, real = await self._clock.now(connection)
            if await starts.still_open(connection, (tenant, contact), real) >= OPEN_MAX:
                raise Refused([Flaw("", f"{OPEN_MAX} links of this contact wait to be used already")])
            until = real + timedelta(days=START_DAYS)
            await starts.offer(connection, _digest(token), (tenant, contact), name, real, until)
            return until

        until = await self._database.run(job)
        shown = until.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        return {"url": self._bots[name].start_url(token), "expires_at": shown}

    async def used(self, connection: Connection, provider: str, reply: Reply, real: datetime) -> Key | None:
        """Take the link that a reply carries; whose it is. Before messages and contacts are locked, always."""
        token = payload(reply)
        return None if token is None else await starts.use(connection, _digest(token), provider, real)

    async def bind(
        self,
        connection: Connection,
        used: Mapping[str, Key],
        replies: Iterable[Reply],
        contacts: dict[Key, ContactRow],
        real: datetime,
    ) -> list[Start]:
        """Give each person her chat, in ``contacts`` too, whose rows are locked. Before endpoints are."""
        bound: list[Start] = []
        for reply in replies:
            key = used.get(reply.key)
            if key is None or key not in contacts:
                continue
            contact, chat = contacts[key], canonical(Channel.TELEGRAM, reply.sender)
            known = next((a for a in contact.on(Channel.TELEGRAM) if a.address == chat), None)
            digest = endpoint(self._secret, key[0], Channel.TELEGRAM, chat)
            if known is None:
                await people.hold_addresses(connection, [(Channel.TELEGRAM, chat)])
            # Somebody else of this tenant's has the chat: whoever reads there is not surely she alone.
            others = [k for k in await people.using(connection, Channel.TELEGRAM, chat) if k[0] == key[0] and k != key]
            kind = AddressKind.SHARED if others else AddressKind.PERSONAL
            address = known or AddressRow(
                channel=Channel.TELEGRAM, address=chat, endpoint=digest, kind=kind, source=AddressSource.SUPPLIED
            )
            await starts.bind(connection, key, chat, digest, address.kind, real)
            if known is None:
                contacts[key] = replace(contact, addresses=(*contact.addresses, address))
            stops = await people.stops_of_strangers(connection, [(Channel.TELEGRAM, chat)])
            stopped_at = stops.get((Channel.TELEGRAM, chat))
            withdrew = stopped_at is not None or await starts.withdrew(connection, key)
            bound.append(
                Start(
                    key=key, reply=reply, address=address, stopped_at=stopped_at, withdrew=withdrew, fresh=known is None
                )
            )
        return bound

    def tell(self, todo: Round, bound: Iterable[Start], contacts: Mapping[Key, ContactRow], now: datetime) -> None:
        """What the trace and the CRM hear of it, and what it states."""
        for start in bound:
            contact, used = contacts[start.key], start.address
            facts = {"channel": used.channel, "endpoint": used.endpoint, "kind": used.kind, "source": used.source}
            entries = todo.entries.setdefault(contact.tenant, [])
            entries.append(
                self._scribe.entry("bound", tenant=contact.tenant, at=now, subject=contact.subject, facts=facts)
            )
            if start.stopped_at is not None and start.fresh:
                self._state(todo, contact, used, ConsentState.WITHDRAWN, start.stopped_at, now)
            elif not start.withdrew:
                self._state(todo, contact, used, ConsentState.GRANTED, now, now)

    async def sorry(self, connection: Connection, provider: str, reply: Reply, real: datetime) -> Sorry | None:
        """The answer to a stranger whose link binds nothing; None when it was given before."""
        if payload(reply) is None or provider not in self._bots:
            return None
        digest = hmac.digest(self._secret, f"answered\n{reply.sender}".encode(), "sha256").hex()[:32]
        if not await hooks.first_seen(connection, [(provider, f"answered:{digest}")], real):
            return None
        return Sorry(provider=provider, chat=reply.sender, text=sorry_in(reply.language))

    def answer(self, sorry: Iterable[Sorry]) -> None:
        """Say it, after the commit and beside everything else: nobody waits for it and nothing depends on it."""
        for one in sorry:
            if len(self._answers) >= ANSWERS_MAX:
                log.warning("start.not_answered", provider=one.provider)
                continue
            task = asyncio.create_task(self._bots[one.provider].say(one.chat, one.text))
            self._answers.add(task)
            task.add_done_callback(self._answers.discard)

    async def close(self) -> None:
        """Let the answers on their way land."""
        await asyncio.gather(*self._answers, return_exceptions=True)

    def _state(
        self, todo: Round, contact: ContactRow, used: AddressRow, state: ConsentState, at: datetime, now: datetime
    ) -> None:
        said = EventRow(
            id=new_uuid(),
            tenant=contact.tenant,
            contact=contact.id,
            event=Consented(
                at=at,
                state=state,
                channel=Channel.TELEGRAM,
                address=used.endpoint,
                instrument=Instrument.REPLY,
                person=contact.id,
            ),
        )
        todo.statements.append(said)
        todo.entries.setdefault(contact.tenant, []).append(statement_entry(self._scribe, contact, said, now))
        data = {"contact": contact.id, "state": state.value, "channel": used.channel, "by": "start"}
        todo.events.append(event("consent.changed", contact.tenant, contact.id, now, data))


def sorry_in(language: str | None) -> str:
    """The answer in the language of her program; Spanish where it is none of ours."""
    return SORRY.get((language or "")[:2].lower(), SORRY["es"])


def commanded(reply: Reply) -> bool:
    """Whether she pressed start, with a link or without."""
    return reply.channel is Channel.TELEGRAM and reply.afresh and _COMMAND.fullmatch(reply.text) is not None


def payload(reply: Reply) -> str | None:
    """What the link held that she started by; None when there was none, or nobody can be known by that address."""
    found = _COMMAND.fullmatch(reply.text) if commanded(reply) else None
    if found is None or found[1] is None:
        return None
    try:
        canonical(Channel.TELEGRAM, reply.sender)
    except Unusable:
        return None
    return str(found[1])


def without_payload(reply: Reply) -> Reply:
    """The reply as it is kept: a token is nobody's words."""
    return replace(reply, text=COMMAND) if commanded(reply) else reply


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()

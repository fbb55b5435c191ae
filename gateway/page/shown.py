"""Gathers what a person's page shows: her message, who wrote and why, her inbox, the contacts there were, her rights, what she said."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, Protocol
from zoneinfo import ZoneInfo

import msgspec

from gateway.addresses import country_of
from gateway.asks import ContentAsk, StoredAsk, content_for
from gateway.page.links import Opened
from gateway.parcels import LINK
from jurisdictions.library import Library
from jurisdictions.resolution import packs_for, zones_for
from pages.debtor.render import words_in
from pages.debtor.rights import rights
from pages.debtor.view import LANGUAGES, Done, Line, Note, Page, Said, Way
from storage import history, person_page
from storage.database import Connection
from storage.people import ContactRow
from storage.person_page import ContactMade, InboxRow
from vocabulary.channel import SENDABLE, AddressKind, Channel, Form
from vocabulary.event import (
    CallRequested,
    ChannelPreferred,
    Consented,
    ConsentState,
    Event,
    LanguagePreferred,
    Promised,
    StatusKind,
    StatusSet,
    ZoneStated,
)

INBOX_MAX: Final = 50
HISTORY_MAX: Final = 50
HISTORY: Final = timedelta(days=365)

#: Addresses that others read too: what is not in the message itself is not shown behind a link that went there.
_NOT_HERS_ALONE: Final = frozenset({AddressKind.SHARED, AddressKind.WORK})

#: How a contact ended, in words of the page; what is left out is not said.
_HOW: Final[Mapping[str, str]] = {
    "sent": "how_attempted",
    "attempted": "how_attempted",
    "delivered": "how_delivered",
    "read": "how_read",
    "conversation": "how_conversation",
    "no_answer": "how_no_answer",
    "not_connected": "how_no_answer",
    "voicemail_reached": "how_voicemail",
    "voicemail_left": "how_voicemail",
}
_WHAT: Final[Mapping[str, str]] = {
    Channel.VOICE: "line_call",
    Channel.CALL_LIVE: "line_call",
    Channel.VISIT: "line_visit",
    Channel.LETTER: "line_letter",
}


class Heard(Protocol):
    """Where voice notes can be heard."""

    async def lying(
        self, connection: Connection, tenant: str, content: ContentAsk, locale: str | None, real: datetime, /
    ) -> str | None:
        """The address of a note that was made already, for a while; None where there is none."""
        ...


class Gatherer:
    """Gathers pages. ``names``: what those who write are called, by the CRM's ids."""

    def __init__(
        self, *, law: Library, names: Mapping[str, str], help_text: str | None, live: bool, notes: Heard
    ) -> None:
        self._notes = notes
        self._law = law
        self._names = names
        self._help = help_text
        self._live = live

    async def page(
        self,
        connection: Connection,
        opened: Opened,
        *,
        token: str,
        form: str,
        language: str | None,
        now: datetime,
        real: datetime,
        done: Done | None = None,
    ) -> Page:
        """Her page as it stands at ``now``. Reads only. ``language``: the one she asked for on the page itself."""
        contact, attempt = opened.contact, opened.attempt
        ask = msgspec.json.decode(opened.message.ask, type=StoredAsk)
        private = opened.kind not in _NOT_HERS_ALONE
        endpoints = [opened.endpoint, *(address.endpoint for address in contact.addresses)]
        events = (await history.histories(connection, {(contact.tenant, contact.id): endpoints}, now))[
            contact.tenant, contact.id
        ]
        hers = [event for event in events if event.person == contact.id]
        spoken = language or language_of(contact, hers)
        zone = ZoneInfo((zones_of(opened, hers) or ("UTC",))[0])
        made: list[ContactMade] = []
        inbox: list[InboxRow] = []
        if private:
            inbox = await person_page.inbox(connection, contact.tenant, contact.id, INBOX_MAX)
            made = await person_page.contacts_made(connection, contact.tenant, contact.id, now - HISTORY, HISTORY_MAX)
        content = content_for(ask, attempt.channel)
        channel = Channel(attempt.channel)
        creditor = self._names.get(ask.creditor, ask.creditor)
        collector = self._names.get(ask.collector, ask.collector)
        behalf = creditor if creditor != collector and ask.role != "creditor" else None
        given = packs_for(
            given=contact.jurisdictions,
            countries=[country for country in [country_of(channel, attempt.address)] if country],
            residence=contact.residence,
            seat=ask.seat,
        )
        return Page(
            language=spoken,
            zone=zone,
            token=token,
            form=form,
            sender=collector if behalf is not None else creditor,
            behalf=behalf,
            purpose=ask.purpose.value,
            channel=channel.value,
            hint=hint(channel, attempt.address, spoken),
            message=Note(
                id="first",
                at=attempt.reserved_at,
                text=_words(content.text or (content.audio.speech if content.audio else None), spoken),
                subject=None if content.subject is None else _words(content.subject, spoken),
            ),
            private=private,
            inbox=tuple([await self._note(connection, contact, row, spoken, real) for row in inbox]),
            history=tuple(_line(one) for one in made),
            rights=rights(self._law, given, spoken, now.astimezone(zone).date()),
            ways=tuple(ways_of(contact, spoken)) if private else (),
            said=standing(opened, hers, ask.debts),
            done=done,
            today=now.astimezone(zone).date().isoformat(),
            help=self._help,
            live=self._live and private,
        )

    async def _note(
        self, connection: Connection, contact: ContactRow, row: InboxRow, language: str, real: datetime
    ) -> Note:
        ask = msgspec.json.decode(row.ask, type=StoredAsk)
        content = content_for(ask, Channel.WEB)
        audio: str | None = None
        if content.audio is not None or ask.form is Form.VOICE_NOTE:
            audio = await self._notes.lying(connection, contact.tenant, content, contact.locale, real)
        return Note(
            id=row.attempt.hex,
            at=row.at,
            text=_words(content.text or (content.audio.speech if content.audio else None), language),
            read=row.state == "read",
            audio=audio,
        )


def language_of(contact: ContactRow, hers: Sequence[Event]) -> str:
    """The language she asked for last, else that of her profile, else the page's first."""
    asked = [event.locale for event in hers if isinstance(event, LanguagePreferred)]
    for locale in [*reversed(asked), contact.locale]:
        if locale is not None and locale[:2].lower() in LANGUAGES:
            return locale[:2].lower()
    return LANGUAGES[0]


def zones_of(opened: Opened, hers: Sequence[Event]) -> tuple[str, ...]:
    """The clocks that her page shows: hers by her own word, else those that are supposed."""
    stated: tuple[str, ...] = ()
    for event in hers:
        if isinstance(event, ZoneStated):
            stated = () if event.ended else event.zones
    number = opened.attempt.address if country_of(Channel(opened.attempt.channel), opened.attempt.address) else None
    return zones_for(given=opened.contact.zones, number=number, stated=stated)


def ways_of(contact: ContactRow, language: str) -> Iterable[Way]:
    """Her addresses that she may prefer, each under a key that says nothing outside this page: its endpoint."""
    for address in contact.addresses:
        channel = Channel(address.channel)
        if channel in SENDABLE:
            yield Way(key=address.endpoint, channel=channel.value, hint=hint(channel, address.address, language))


def hint(channel: Channel, address: str, language: str) -> str:
    """Enough of an address for her to know which, and too little for anybody else."""
    if channel is Channel.WEB:
        return words_in(language)("web")
    if channel is Channel.EMAIL:
        local, _, domain = address.partition("@")
        return f"{local[:1]}…@{domain[:1]}…{domain[domain.rfind('.') :]}"
    return f"…{address[-2:]}"


def standing(opened: Opened, hers: Sequence[Event], debts: Sequence[str]) -> Said:
    """What of her words stands, for the address and the debts of this message."""
    said = Said()
    channel = Channel(opened.attempt.channel)
    for event in hers:
        match event:
            case Consented(grants=None) if event.state is ConsentState.WITHDRAWN:
                if event.all or (event.channel is None and event.address is None):
                    said = replace(said, stopped_all=event.at)
                elif event.channel in (None, channel) and event.address in (None, opened.endpoint):
                    said = replace(said, stopped_here=event.at)
            case Consented(grants=None) if event.instrument is not None:
                if event.all or event.channel in (None, channel):
                    said = replace(said, stopped_here=None, stopped_all=None)
            case StatusSet(status=StatusKind.DISPUTE) if _about(event.debts, debts):
                said = replace(said, disputed=None if event.ended else event.at)
            case StatusSet(status=StatusKind.HARDSHIP) if _about(event.debts, debts):
                said = replace(said, hardship=None if event.ended else event.at)
            case CallRequested():
                said = replace(said, call=None if event.ended else event.at)
            case Promised() if _about(event.debts or None, debts):
                day = None if event.ended or event.pays_on is None else event.pays_on.isoformat()
                said = replace(said, promised=day)
            case ChannelPreferred():
                said = replace(said, preferred=None if event.ended else event.channel.value)
            case _:
                pass
    return said


def _about(said: Sequence[str] | None, debts: Sequence[str]) -> bool:
    return said is None or not debts or bool(set(said) & set(debts))


def _words(text: str | None, language: str) -> str:
    """A text as she reads it on the page that its link leads to."""
    return (text or "").replace(LINK, words_in(language)("this_page"))


def _line(one: ContactMade) -> Line:
    if one.type == "reply":
        return Line(at=one.at, what="line_reply", channel=one.channel)
    if one.type == "inbound_call":
        return Line(at=one.at, what="line_inbound_call")
    return Line(
        at=one.at,
        what=_WHAT.get(one.channel or "", "line_message"),
        channel=one.channel,
        how=_HOW.get(one.outcome or ""),
    )

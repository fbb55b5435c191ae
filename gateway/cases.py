"""Turns what a CRM asks into what is kept: every reference resolved, every flaw named, before anything is stored."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from msgspec import UNSET, UnsetType

from gateway.addresses import Unusable, canonical
from gateway.asks import ContactAsk, DebtAsk, MessageAsk, Pinned, Rendering, SenderAsk, StoredAsk
from gateway.lengths import too_long
from gateway.media.asks import Recordings, audio_flaws, recordings
from gateway.people.profiles import Profile, debt, profile
from gateway.refusals import Flaw, Refused
from gateway.templates.text import values_of
from gateway.templates.versions import Templates, Version, rendering
from jurisdictions.house import Policy
from storage import history, people
from storage.database import Connection
from storage.people import ContactRow, DebtRow, Key
from storage.templates import TemplateKey
from vocabulary.channel import SENDABLE, Channel, Form, Purpose, Sector, SenderRole
from vocabulary.ids import parsed
from vocabulary.values import quickly_made

EXPIRY_MAX: Final = timedelta(days=365)

_NO_SENDER: Final = SenderAsk()
_SENDERS: Final = {each.value: each for each in SenderRole}
#: Purposes that are always about a debt.
_ABOUT_DEBTS: Final = frozenset({Purpose.COLLECTION, Purpose.REMINDER})
_VOICE_NOTES: Final = frozenset({Channel.WHATSAPP, Channel.TELEGRAM, Channel.WEB})


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the database knew of the references in a batch."""

    contacts: Mapping[Key, ContactRow]
    debts: Mapping[Key, DebtRow]
    replies: Mapping[tuple[str, str, UUID], str]
    templates: Mapping[TemplateKey, Version]
    recordings: Recordings


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A message that may be stored: the person and debts to put first, and the ask that is kept."""

    contact: str
    profile: Profile | None
    debts: tuple[DebtRow, ...]
    ask: StoredAsk


async def references(connection: Connection, asks: Iterable[tuple[str, MessageAsk]], templates: Templates) -> Known:
    """Look up everything that a batch names by id."""
    named = list(asks)
    contacts = await people.contacts(connection, [(t, a.contact) for t, a in named if isinstance(a.contact, str)])
    debts = await people.debts(connection, [(t, d) for t, a in named for d in a.debts if isinstance(d, str)])
    replies: dict[tuple[str, str, UUID], str] = {}
    for tenant, ask in named:
        reply = parsed("evt", ask.in_reply_to) if ask.in_reply_to else None
        if reply is not None:
            contact = ask.contact if isinstance(ask.contact, str) else ask.contact.id
            channel = await history.reply_of(connection, tenant, contact, reply)
            if channel is not None:
                replies[tenant, contact, reply] = channel
    filled = {_template(t, a) for t, a in named if a.content.template is not None}
    versions = await templates.find(connection, filled) if filled else {}
    there = await recordings(connection, named)
    return Known(contacts=contacts, debts=debts, replies=replies, templates=versions, recordings=there)


def _template(tenant: str, ask: MessageAsk) -> TemplateKey:
    return tenant, ask.content.template or "", ask.content.template_version or 0


class Drafter:
    """Reads asks. ``ways`` by channel, by name and in order; with ``advising`` every channel may be asked about."""

    def __init__(self, *, secret: bytes, ways: Mapping[Channel, tuple[str, ...]], advising: bool = False) -> None:
        self._secret = secret
        self._ways = ways
        self._sendable = frozenset(channel for channel, names in ways.items() if names)
        self._advising = advising

    def draft(
        self,
        known: Known,
        policy: Policy,
        tenant: str,
        ask: MessageAsk,
        now: datetime,
        trace: str | UnsetType = UNSET,
    ) -> Draft:
        """Read one ask. Raises Refused naming every field that is wrong."""
        flaws: list[Flaw] = []
        person: Profile | None = None
        contact: ContactRow | None
        if isinstance(ask.contact, ContactAsk):
            try:
                person = profile(self._secret, tenant, ask.contact, pointer="/contact")
            except Refused as error:
                raise Refused([*error.flaws, *flaws]) from None
            contact = person.contact
        else:
            contact = known.contacts.get((tenant, ask.contact))
            if contact is None:
                raise Refused([Flaw("/contact", "there is no contact with this id")])
        channels = self._channels(ask, contact, flaws)
        address = self._address(ask, contact, channels, flaws)
        debts = _debts(ask, known, tenant, flaws)
        _content(ask, channels, flaws)
        flaws.extend(audio_flaws(tenant, ask, channels, known.recordings))
        version = self._version(ask, known, tenant, flaws)
        renderings = self._renderings(ask, version, contact, channels, flaws) if version is not None else {}
        _times(ask, now, flaws)
        sender = policy.sender
        given = ask.sender or _NO_SENDER
        role = given.role or sender.get("role")
        creditor = given.creditor or sender.get("creditor")
        collector = given.collector or sender.get("collector")
        sector = given.sector or sender.get("sector")
        for name, value in (("role", role), ("creditor", creditor), ("collector", collector)):
            if not value:
                flaws.append(Flaw(f"/sender/{name}", "is needed: the tenant's policy names no default"))
        answers_channel = self._answered(ask, known, tenant, contact.id, flaws)
        if flaws:
            raise Refused(flaws)
        assert role is not None
        assert creditor is not None
        assert collector is not None
        return Draft(
            contact=contact.id,
            profile=person,
            debts=tuple(row for row, given in debts if given),
            ask=StoredAsk(
                channels=[channel.value for channel in channels],
                purpose=ask.purpose,
                content=ask.content,
                role=_SENDERS[role],
                creditor=creditor,
                collector=collector,
                sector=Sector(sector) if sector else None,
                seat=given.seat or sender.get("seat"),
                debts=[row.id for row, _ in debts],
                form=ask.form,
                address=address,
                in_reply_to=ask.in_reply_to,
                answers_channel=answers_channel,
                send_at=ask.send_at,
                spread_seconds=ask.spread_seconds or 0,
                auto=ask.channel == "auto",
                best_hour=ask.best_hour,
                metadata=ask.metadata,
                renderings=renderings,
                template=None if version is None else Pinned(name=version.name, version=version.version),
                trace=trace,
            ),
        )

    def _version(self, ask: MessageAsk, known: Known, tenant: str, flaws: list[Flaw]) -> Version | None:
        content = ask.content
        if content.template is None:
            return None
        version = known.templates.get(_template(tenant, ask))
        if version is None:
            field = "template" if content.template_version is None else "template_version"
            flaws.append(Flaw(f"/content/{field}", "there is no template with this name and version"))
        return version

    def _renderings(
        self, ask: MessageAsk, version: Version, contact: ContactRow, channels: list[Channel], flaws: list[Flaw]
    ) -> dict[str, Rendering]:
        """The words on each channel, in the language nearest to hers."""
        content, template = ask.content, version.template
        wanted = content.locale or contact.locale
        variants = {channel: template.variant(channel, wanted) for channel in channels}
        needed: set[str] = set()
        for channel, variant in variants.items():
            if variant is None:
                flaws.append(Flaw("/content/template", f"has no words for {channel.value}"))
            else:
                needed |= variant.names()
        before = len(flaws)
        values = values_of(content.variables or {}, template.variables, needed, "/content/variables", flaws)
        if len(flaws) > before:
            return {}
        return {
            channel.value: rendering(
                template,
                variant,
                channel,
                values,
                wanted=wanted,
                form=ask.form,
                flags=content,
                ways=self._ways.get(channel, ()),
                flaws=flaws,
            )
            for channel, variant in variants.items()
            if variant is not None
        }

    def _channels(self, ask: MessageAsk, contact: ContactRow, flaws: list[Flaw]) -> list[Channel]:
        if (ask.channel is None) == (ask.channels is None):
            flaws.append(Flaw("/channel", "give either channel or channels"))
            return []
        if ask.channel == "auto":
            channels = list(dict.fromkeys(Channel(a.channel) for a in contact.addresses if a.channel in self._sendable))
            if not channels:
                flaws.append(Flaw("/channel", "the contact has no address on a channel that has a way"))
            return channels
        named = [(Channel(ask.channel), "/channel")] if ask.channel is not None else []
        named += [(Channel(name), f"/channels/{index}") for index, name in enumerate(ask.channels or [])]
        seen: set[Channel] = set()
        for channel, pointer in named:
            if channel in seen:
                flaws.append(Flaw(pointer, "stands here twice"))
            seen.add(channel)
            if channel not in SENDABLE:
                if not self._advising:
                    flaws.append(Flaw(pointer, "the gateway does not send on this channel; it may be asked about it"))
                continue
            if channel not in self._sendable and not self._advising:
                flaws.append(Flaw(pointer, "no way is configured for this channel"))
            elif not contact.on(channel):
                flaws.append(Flaw(pointer, f"the contact has no {channel.value} address"))
        return [channel for channel, _ in named]

    def _address(self, ask: MessageAsk, contact: ContactRow, channels: list[Channel], flaws: list[Flaw]) -> str | None:
        if ask.address is None or not channels:
            return None
        if len(channels) > 1:
            flaws.append(Flaw("/address", "an address goes with one channel"))
            return None
        try:
            spelt = canonical(channels[0], ask.address, contact=contact.id)
        except Unusable as error:
            flaws.append(Flaw("/address", str(error)))
            return None
        if channels[0] in SENDABLE and all(row.address != spelt for row in contact.on(channels[0])):
            flaws.append(Flaw("/address", "is none of the contact's addresses on this channel"))
        return spelt

    def _answered(self, ask: MessageAsk, known: Known, tenant: str, contact: str, flaws: list[Flaw]) -> str | None:
        if ask.in_reply_to is None:
            return None
        reply = parsed("evt", ask.in_reply_to)
        channel = known.replies.get((tenant, contact, reply)) if reply is not None else None
        if channel is None:
            flaws.append(Flaw("/in_reply_to", "there is no such reply of this contact's"))
        return channel


def _debts(ask: MessageAsk, known: Known, tenant: str, flaws: list[Flaw]) -> list[tuple[DebtRow, bool]]:
    """The debts with whether they came along whole."""
    found: list[tuple[DebtRow, bool]] = []
    for index, given in enumerate(ask.debts):
        row = debt(tenant, given) if isinstance(given, DebtAsk) else known.debts.get((tenant, given))
        if row is None:
            flaws.append(Flaw(f"/debts/{index}", "there is no debt with this id"))
        elif any(row.id == other.id for other, _ in found):
            flaws.append(Flaw(f"/debts/{index}", "stands here twice"))
        else:
            found.append((row, isinstance(given, DebtAsk)))
    if not ask.debts and ask.purpose in _ABOUT_DEBTS:
        flaws.append(Flaw("/debts", f"are required for the purpose {ask.purpose.value}"))
    return found


def _content(ask: MessageAsk, channels: list[Channel], flaws: list[Flaw]) -> None:
    content = ask.content
    bodies = [name for name in ("text", "template", "audio") if getattr(content, name) is not None]
    if len(bodies) != 1:
        flaws.append(Flaw("/content", "needs exactly one of text, template and audio"))
    for name in ("variables", "template_version", "locale") if content.template is None else ("subject", "html"):
        if getattr(content, name) is not None:
            why = "goes with a template" if content.template is None else "comes from the template"
            flaws.append(Flaw(f"/content/{name}", why))
    if content.audio is not None and (content.audio.media is None) == (content.audio.speech is None):
        flaws.append(Flaw("/content/audio", "needs either media or speech"))
    if content.text is not None and not content.text.strip():
        flaws.append(Flaw("/content/text", "is blank"))
    for channel in channels:
        if channel is not Channel.EMAIL and content.template is None:
            flaws.extend(
                Flaw(f"/content/{name}", f"does not go with {channel.value}")
                for name in ("subject", "html")
                if getattr(content, name) is not None
            )
        long = too_long(channel, content.text or "") if ask.form is Form.TEXT else None
        # Of channels that she merely has, another may take it; this one's own way will say no.
        if long is not None and ask.channel != "auto":
            flaws.append(Flaw("/content/text", long))
        if content.audio is not None and channel in (Channel.SMS, Channel.EMAIL):
            flaws.append(Flaw("/content/audio", f"does not go with {channel.value}"))
        if ask.form is Form.VOICE_NOTE and channel not in _VOICE_NOTES:
            flaws.append(Flaw("/form", f"{channel.value} carries no voice notes"))


def _times(ask: MessageAsk, now: datetime, flaws: list[Flaw]) -> None:
    if ask.best_hour and ask.channel != "auto":
        flaws.append(Flaw("/best_hour", "goes with the channel auto"))
    if ask.best_hour and ask.send_at is not None:
        flaws.append(Flaw("/best_hour", "does not go with send_at"))
    if ask.expires_at is not None:
        if ask.expires_at <= now:
            flaws.append(Flaw("/expires_at", "has passed"))
        elif ask.expires_at > now + EXPIRY_MAX:
            flaws.append(Flaw("/expires_at", f"is more than {EXPIRY_MAX.days} days away"))
        if ask.send_at is not None and ask.send_at >= ask.expires_at:
            flaws.append(Flaw("/send_at", "is not before expires_at"))
    elif ask.send_at is not None and ask.send_at > now + EXPIRY_MAX:
        flaws.append(Flaw("/send_at", f"is more than {EXPIRY_MAX.days} days away"))

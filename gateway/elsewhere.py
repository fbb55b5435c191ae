"""What happened elsewhere and counts here: a CRM's words, read into events."""

import contextlib
from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import Final, assert_never
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gateway import asks
from gateway.addresses import Unusable, canonical, endpoint
from gateway.refusals import Flaw, Refused
from gateway.templates.text import is_currency
from storage.history import EventRow
from storage.people import ContactRow
from vocabulary.channel import AddressKind, Channel, Role
from vocabulary.event import (
    ALL_DAYS,
    CallRequested,
    ChannelPreferred,
    Consented,
    ConsentState,
    Contacted,
    Event,
    Evidence,
    Held,
    HoursRequested,
    InboundCall,
    Inconvenient,
    LanguagePreferred,
    Listed,
    NotAssociated,
    NoticeGiven,
    Promised,
    Replied,
    StatusSet,
    ZoneStated,
)
from vocabulary.ids import new_uuid

#: Longer than this is not a doubt but a decision, and has words of its own.
HELD_MAX: Final = timedelta(days=30)


class Reader:
    """Reads events about one person. ``sender`` is the tenant's own: who collected where an event does not say."""

    def __init__(self, *, secret: bytes, contact: ContactRow, sender: Mapping[str, str], now: datetime) -> None:
        self._secret = secret
        self._contact = contact
        self._sender = sender
        self._now = now

    def read(self, events: Sequence[asks.EventAsk]) -> list[EventRow]:
        """All of them, or Refused naming every flaw."""
        flaws: list[Flaw] = []
        rows: list[EventRow] = []
        names: set[str] = set()
        for index, ask in enumerate(events):
            pointer = f"/{index}"
            if ask.at > self._now:
                flaws.append(Flaw(f"{pointer}/at", "is in the future"))
            if ask.id is not None:
                if ask.id in names:
                    flaws.append(Flaw(f"{pointer}/id", "stands here twice"))
                names.add(ask.id)
            try:
                event = self._event(ask)
                evidence = self._evidence(ask.evidence)
            except Refused as error:
                flaws.extend(Flaw(pointer + flaw.pointer, flaw.detail) for flaw in error.flaws)
                continue
            rows.append(
                EventRow(
                    id=new_uuid(),
                    tenant=self._contact.tenant,
                    contact=self._contact.id,
                    event=event,
                    words=_words(ask),
                    evidence=evidence,
                    external_id=ask.id,
                )
            )
        if flaws:
            raise Refused(flaws)
        return rows

    def _event(self, ask: asks.EventAsk) -> Event:
        person = self._contact.id
        match ask:
            case asks.ContactEventAsk():
                address, kind = self._address(ask.channel, ask.address)
                if ask.address_kind is not AddressKind.UNKNOWN:
                    kind = ask.address_kind
                return Contacted(
                    at=ask.at,
                    channel=Channel(ask.channel),
                    outcome=ask.outcome,
                    form=ask.form,
                    purpose=ask.purpose,
                    debts=tuple(ask.debts),
                    address=address,
                    address_kind=kind,
                    creditor=ask.creditor or (self._sender.get("creditor")),
                    collector=ask.collector or (self._sender.get("collector")),
                    reply_to_inbound=ask.reply_to_inbound,
                    person=person,
                    role=ask.role or Role(self._contact.role),
                )
            case asks.ReplyEventAsk():
                address, _ = self._address(ask.channel, ask.address)
                return Replied(
                    at=ask.at, channel=Channel(ask.channel), debts=tuple(ask.debts), address=address, person=person
                )
            case asks.InboundCallEventAsk():
                return InboundCall(at=ask.at, outcome=ask.outcome, debts=tuple(ask.debts), person=person)
            case asks.ConsentEventAsk():
                if ask.all and (ask.channel is not None or ask.address is not None):
                    raise Refused([Flaw("/all", "goes with neither channel nor address")])
                address, _ = self._address(ask.channel, ask.address)
                return Consented(
                    at=ask.at,
                    state=ask.state,
                    channel=Channel(ask.channel) if ask.channel else None,
                    address=address,
                    all=ask.all,
                    purpose=ask.purpose,
                    instrument=ask.instrument,
                    given_to=ask.given_to,
                    grants=ask.grants,
                    debts=None if ask.debts is None else tuple(ask.debts),
                    for_days=ask.for_days,
                    person=person,
                )
            case asks.HoursRequestedEventAsk():
                opens, closes = _hours(ask.opens, ask.closes)
                return HoursRequested(
                    at=ask.at,
                    days=tuple(ask.days or ALL_DAYS),
                    opens=opens,
                    closes=closes,
                    instrument=ask.instrument,
                    requested_by=ask.requested_by,
                    person=person,
                )
            case asks.InconvenientEventAsk():
                return self._inconvenient(ask)
            case asks.StatusEventAsk():
                address, _ = self._address(ask.channel, ask.address)
                return StatusSet(
                    at=ask.at,
                    status=ask.status,
                    kind=ask.kind,
                    ended=ask.ended,
                    debts=None if ask.debts is None else tuple(ask.debts),
                    address=address,
                    person=person,
                )
            case asks.ListedEventAsk():
                address, _ = self._address(ask.channel, ask.address)
                return Listed(
                    at=ask.at,
                    register=ask.register,
                    channel=Channel(ask.channel) if ask.channel else None,
                    address=address,
                    since=ask.since,
                    person=person,
                )
            case asks.NotAssociatedEventAsk():
                address, _ = self._address(ask.channel, ask.address)
                assert address is not None
                return NotAssociated(at=ask.at, address=address, person=person)
            case asks.NoticeEventAsk():
                return NoticeGiven(
                    at=ask.at, notice=ask.notice, debts=tuple(ask.debts), channel=Channel(ask.channel), person=person
                )
            case (
                asks.ChannelPreferredEventAsk()
                | asks.LanguagePreferredEventAsk()
                | asks.ZoneStatedEventAsk()
                | asks.CallRequestedEventAsk()
                | asks.PromiseEventAsk()
                | asks.HeldEventAsk()
            ):
                return self._wish(ask)
            case _:
                assert_never(ask)

    def _wish(
        self,
        ask: asks.ChannelPreferredEventAsk
        | asks.LanguagePreferredEventAsk
        | asks.ZoneStatedEventAsk
        | asks.CallRequestedEventAsk
        | asks.PromiseEventAsk
        | asks.HeldEventAsk,
    ) -> Event:
        """What she wishes or announces, rather than allows or forbids."""
        person = self._contact.id
        match ask:
            case asks.ChannelPreferredEventAsk():
                address, _ = self._address(ask.channel, ask.address)
                return ChannelPreferred(
                    at=ask.at, channel=Channel(ask.channel), address=address, ended=ask.ended, person=person
                )
            case asks.LanguagePreferredEventAsk():
                return LanguagePreferred(at=ask.at, locale=ask.locale, person=person)
            case asks.ZoneStatedEventAsk():
                if bool(ask.zones) == ask.ended:
                    raise Refused([Flaw("/zones", "give zones, or ended to take them back")])
                unknown = [index for index, zone in enumerate(ask.zones) if not known_zone(zone)]
                if unknown:
                    raise Refused(
                        [Flaw(f"/zones/{index}", "not an IANA time zone, such as America/Bogota") for index in unknown]
                    )
                return ZoneStated(at=ask.at, zones=tuple(dict.fromkeys(ask.zones)), ended=ask.ended, person=person)
            case asks.CallRequestedEventAsk():
                if ask.begins is not None and ask.ends is not None and ask.begins >= ask.ends:
                    raise Refused([Flaw("/from", "is not before to")])
                address, _ = self._address(ask.channel or Channel.VOICE, ask.address)
                return CallRequested(
                    at=ask.at,
                    begins=ask.begins,
                    ends=ask.ends,
                    address=address,
                    debts=tuple(ask.debts),
                    ended=ask.ended,
                    person=person,
                )
            case asks.PromiseEventAsk():
                if (ask.amount is None) != (ask.currency is None):
                    raise Refused([Flaw("/amount", "and currency go together")])
                if ask.currency is not None and not is_currency(ask.currency):
                    raise Refused([Flaw("/currency", "is not a currency of ISO 4217")])
                return Promised(
                    at=ask.at,
                    pays_on=ask.pays_on,
                    amount=ask.amount,
                    currency=ask.currency,
                    debts=tuple(ask.debts),
                    ended=ask.ended,
                    person=person,
                )
            case asks.HeldEventAsk():
                return self._held(ask)

    def _held(self, ask: asks.HeldEventAsk) -> Held:
        if ask.ended:
            if ask.until is not None:
                raise Refused([Flaw("/until", "does not go with ended")])
        elif ask.until is None:
            raise Refused([Flaw("/until", "is needed: until when nobody may write to her")])
        elif not ask.at < ask.until <= ask.at + HELD_MAX:
            raise Refused([Flaw("/until", f"is not within {HELD_MAX.days} days after at")])
        return Held(at=ask.at, until=ask.until, reason=ask.reason, ended=ask.ended, person=self._contact.id)

    def _evidence(self, ask: asks.EvidenceAsk | None) -> Evidence | None:
        if ask is None:
            return None
        try:
            address, _ = self._address(ask.channel, ask.address)
        except Refused as error:
            raise Refused([Flaw(f"/evidence{flaw.pointer}", flaw.detail) for flaw in error.flaws]) from None
        found = Evidence(
            channel=Channel(ask.channel) if ask.channel else None,
            address=address,
            purpose=ask.purpose,
            instrument=ask.instrument,
            page=ask.page,
            provider_id=ask.provider_id,
        )
        return None if found == Evidence() else found

    def _inconvenient(self, ask: asks.InconvenientEventAsk) -> Inconvenient:
        if (ask.opens is None) != (ask.closes is None):
            raise Refused([Flaw("/from", "and to go together")])
        if (ask.opens is None) == (ask.place is None):
            raise Refused([Flaw("/place", "give either hours or a place")])
        opens: time | None = None
        closes: time | None = None
        if ask.opens is not None and ask.closes is not None:
            opens, closes = _hours(ask.opens, ask.closes)
        return Inconvenient(
            at=ask.at,
            days=tuple(ask.days or ALL_DAYS),
            opens=opens,
            closes=closes,
            place=ask.place,
            person=self._contact.id,
        )

    def _address(self, channel: str | None, address: str | None) -> tuple[str | None, AddressKind]:
        """The endpoint behind a real address, and what kind of address the CRM said it is."""
        if address is None:
            return None, AddressKind.UNKNOWN
        try:
            digest = _digest(self._secret, self._contact.tenant, self._contact.id, channel, address)
        except Unusable as error:
            raise Refused([Flaw("/address", str(error))]) from None
        kind = next((a.kind for a in self._contact.addresses if a.endpoint == digest), AddressKind.UNKNOWN)
        return digest, AddressKind(kind)


def closed_addresses(secret: bytes, tenant: str, contact: str, events: Sequence[asks.EventAsk]) -> set[str]:
    """The endpoints that these events close for whoever uses them. What cannot be read is for ``Reader`` to refuse."""
    found = set()
    for ask in events:
        match ask:
            case (
                asks.ConsentEventAsk(state=ConsentState.WITHDRAWN, channel=channel, address=str() as address)
                | asks.ListedEventAsk(channel=channel, address=str() as address)
            ):
                with contextlib.suppress(Unusable):
                    found.add(_digest(secret, tenant, contact, channel, address))
    return found


def _digest(secret: bytes, tenant: str, contact: str, channel: str | None, address: str) -> str:
    """The endpoint behind a real address. Raises Unusable."""
    if channel is None:
        channel = Channel.EMAIL if "@" in address else Channel.SMS
    spelt = canonical(Channel(channel), address, contact=contact)
    return endpoint(secret, tenant, Channel(channel), spelt)


def known_zone(zone: str) -> bool:
    """Whether IANA knows the zone."""
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _words(ask: asks.EventAsk) -> str | None:
    """Hers, as she wrote or said them."""
    if isinstance(ask, asks.ReplyEventAsk) and ask.text is not None:
        return ask.text
    return ask.evidence.words if ask.evidence is not None else None


def _hours(opens: str, closes: str) -> tuple[time, time | None]:
    """Clock times; the end of the day is None."""
    if opens >= closes:
        raise Refused([Flaw("/from", "is not before to; name hours over midnight as two events")])
    return time.fromisoformat(opens), None if closes == "24:00" else time.fromisoformat(closes)

"""Keeps people and debts as the CRM describes them: canonical addresses, and consent kept once as a statement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from msgspec import UNSET

from gateway.addresses import Unusable, canonical, endpoint
from gateway.asks import ContactAsk, DebtAsk
from gateway.elsewhere import known_zone
from gateway.entries import Scribe
from gateway.refusals import Flaw, Refused
from storage import history, people
from storage.chain import Written
from storage.database import Connection
from storage.history import EventRow
from storage.people import AddressRow, ContactRow, DebtRow, Key
from tracelog.sealed import fresh_key
from vocabulary.channel import Channel
from vocabulary.event import Consented, ConsentState, Instrument
from vocabulary.ids import new_uuid


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A person as asked for, in the form in which she is kept, and the consents that came along."""

    contact: ContactRow
    consents: tuple[EventRow, ...]


def profile(secret: bytes, tenant: str, ask: ContactAsk, *, pointer: str = "") -> Profile:
    """Read a person. Raises Refused naming each field that does not fit."""
    flaws: list[Flaw] = []
    for index, zone in enumerate(ask.zones):
        if not known_zone(zone):
            flaws.append(Flaw(f"{pointer}/zones/{index}", "not an IANA time zone, such as America/Bogota"))
    addresses: list[AddressRow] = []
    consents: list[EventRow] = []
    for index, given in enumerate(ask.addresses):
        channel = Channel(given.channel)
        try:
            spelt = canonical(channel, given.address, contact=ask.id)
        except Unusable as error:
            flaws.append(Flaw(f"{pointer}/addresses/{index}/address", str(error)))
            continue
        if any(row.channel == channel and row.address == spelt for row in addresses):
            flaws.append(Flaw(f"{pointer}/addresses/{index}/address", "the same address stands here twice"))
            continue
        digest = endpoint(secret, tenant, channel, spelt)
        addresses.append(
            AddressRow(channel=channel, address=spelt, endpoint=digest, kind=given.kind, source=given.source)
        )
        if given.authorised is not None:
            consents.append(_consent(tenant, ask.id, channel, digest, given.authorised.at, given.authorised.instrument))
    if flaws:
        raise Refused(flaws)
    contact = ContactRow(
        tenant=tenant,
        id=ask.id,
        subject=new_uuid(),
        name=ask.name,
        role=ask.role,
        locale=ask.locale,
        jurisdictions=tuple(dict.fromkeys(ask.jurisdictions)),
        zones=tuple(dict.fromkeys(ask.zones)),
        household=ask.household,
        residence=ask.residence,
        addresses=tuple(addresses),
        key=fresh_key(),
    )
    return Profile(contact=contact, consents=tuple(consents))


def debt(tenant: str, ask: DebtAsk) -> DebtRow:
    """Read a debt."""
    ties = None if ask.contacts is UNSET else tuple((tie.contact, tie.role.value) for tie in ask.contacts)
    return DebtRow(
        tenant=tenant,
        id=ask.id,
        creditor=ask.creditor,
        contract_signed=ask.contract_signed,
        due=ask.due,
        kind=ask.kind,
        contacts=ties,
    )


async def put_profiles(
    connection: Connection, scribe: Scribe, profiles: Sequence[Profile], now: datetime
) -> dict[str, list[Written]]:
    """Store people with the consents that came along; what the trace says of it, per tenant.

    A consent dated in the future is kept for the day it begins: laws read it by its own instant.
    """
    if not profiles:
        return {}
    keys = {(p.contact.tenant, p.contact.id) for p in profiles}
    before = await people.contacts(connection, keys, lock=True)
    await people.hold_addresses(connection, _new_addresses(profiles, before))
    await people.put_contacts(connection, [p.contact for p in profiles], now)
    said = [row for p in profiles for row in p.consents] + await stopped_before(connection, profiles)
    added = await history.add(connection, said)
    after = await people.contacts(connection, keys)
    entries: dict[str, list[Written]] = {}
    for key in sorted(keys):
        row = after[key]
        if _bears_on_law(before.get(key)) != _bears_on_law(row):
            entries.setdefault(row.tenant, []).append(
                scribe.entry(
                    "profile",
                    tenant=row.tenant,
                    at=now,
                    subject=row.subject,
                    facts={
                        "role": row.role,
                        "jurisdictions": list(row.jurisdictions),
                        "zones": list(row.zones),
                        "residence": row.residence,
                        "addresses": [
                            {"channel": a.channel, "endpoint": a.endpoint, "kind": a.kind, "source": a.source}
                            for a in row.addresses
                        ],
                    },
                )
            )
    for statement in said:
        if statement.id in added:
            row = after[statement.tenant, statement.contact]
            entries.setdefault(row.tenant, []).append(statement_entry(scribe, row, statement, now))
    return entries


def _new_addresses(profiles: Sequence[Profile], before: Mapping[Key, ContactRow]) -> set[tuple[str, str]]:
    """The addresses by which nobody of these was known."""
    had = {(key, a.channel, a.address) for key, row in before.items() for a in row.addresses}
    return {
        (a.channel, a.address)
        for p in profiles
        for a in p.contact.addresses
        if ((p.contact.tenant, p.contact.id), a.channel, a.address) not in had
    }


async def stopped_before(connection: Connection, profiles: Sequence[Profile]) -> list[EventRow]:
    """What somebody at an address of theirs told us before we knew whose it was."""
    named = [(p.contact, address) for p in profiles for address in p.contact.addresses]
    stops = await people.stops_of_strangers(connection, [(a.channel, a.address) for _, a in named])
    return [
        EventRow(
            id=new_uuid(),
            tenant=contact.tenant,
            contact=contact.id,
            event=Consented(
                at=stops[address.channel, address.address],
                state=ConsentState.WITHDRAWN,
                channel=Channel(address.channel),
                address=address.endpoint,
                instrument=Instrument.REPLY,
                person=contact.id,
            ),
            # Once for each word of hers, however often the profile is put.
            external_id=f"stranger/{contact.id}/{address.endpoint}/{stops[address.channel, address.address].timestamp()}",
        )
        for contact, address in named
        if (address.channel, address.address) in stops
    ]


def statement_entry(
    scribe: Scribe, contact: ContactRow, row: EventRow, now: datetime, corrects: UUID | None = None
) -> Written:
    """What the trace says of something that happened to a person or that she said, and of which earlier word it ``corrects``."""
    columns = history.facts_of(row.event)
    for name in ("debts", "creditor", "collector"):
        value = columns.get(name)
        if isinstance(value, list):
            columns[name] = [scribe.token(row.tenant, reference) for reference in value]
        elif isinstance(value, str):
            columns[name] = scribe.token(row.tenant, value)
    if row.evidence is not None:
        columns["evidence"] = history.evidence_of(row.evidence)
        if row.evidence.provider_id is not None:
            columns["evidence"]["provider_id"] = scribe.token(row.tenant, row.evidence.provider_id)
    return scribe.entry(
        "event",
        tenant=row.tenant,
        at=now,
        subject=contact.subject,
        facts={"event": row.id.hex, **({} if corrects is None else {"corrects": corrects.hex}), **columns},
        words=row.words.encode() if row.words is not None else None,
        key=contact.key,
    )


def show_contact(row: ContactRow) -> dict[str, Any]:
    """A person as the CRM gave her."""
    shown: dict[str, Any] = {
        "id": row.id,
        "name": row.name,
        "role": row.role,
        "locale": row.locale,
        "jurisdictions": list(row.jurisdictions),
        "zones": list(row.zones),
        "household": row.household,
        "addresses": [
            {"channel": a.channel, "address": a.address, "kind": a.kind, "source": a.source} for a in row.addresses
        ],
    }
    if row.residence is not None:
        shown["residence"] = row.residence
    return shown


def show_debt(row: DebtRow) -> dict[str, Any]:
    """A debt as the CRM gave it."""
    return {
        "id": row.id,
        "creditor": row.creditor,
        "contract_signed": row.contract_signed and row.contract_signed.isoformat(),
        "due": row.due and row.due.isoformat(),
        "kind": row.kind,
        "contacts": [{"contact": contact, "role": role} for contact, role in row.contacts or ()],
    }


def _bears_on_law(row: ContactRow | None) -> tuple[Any, ...] | None:
    return None if row is None else (row.role, row.jurisdictions, row.zones, row.residence, row.addresses)


def _consent(tenant: str, contact: str, channel: Channel, digest: str, at: datetime, instrument: Any) -> EventRow:
    # The slash cannot stand in an id of the CRM's, so the two kinds of names never meet.
    named = sha256(f"{contact}\n{channel}\n{digest}\n{at.timestamp()}\n{instrument}".encode()).hexdigest()[:32]
    return EventRow(
        id=new_uuid(),
        tenant=tenant,
        contact=contact,
        event=Consented(
            at=at,
            state=ConsentState.GRANTED,
            channel=channel,
            address=digest,
            instrument=instrument,
            person=contact,
        ),
        external_id=f"authorised/{named}",
    )

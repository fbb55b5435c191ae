"""People, their addresses and the debts that tie them: the profile a CRM keeps up to date."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from storage.database import Connection, Overtaken
from storage.queries import queries
from vocabulary.values import quickly_made, reading

_SQL = "people"

#: (tenant, the CRM's id)
Key = tuple[str, str]


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class AddressRow:
    """One way to reach a person. ``endpoint`` is the keyed digest by which laws and stops know it."""

    channel: str
    address: str = field(repr=False)
    endpoint: str
    kind: str
    source: str
    #: Since when a provider says that it is none. Never part of what a CRM describes.
    invalid_at: datetime | None = field(default=None, compare=False)


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class ContactRow:
    """A person as the CRM described her, with the addresses in her order of preference."""

    tenant: str
    id: str
    subject: UUID
    name: str | None = field(repr=False)
    role: str
    locale: str | None
    jurisdictions: tuple[str, ...]
    zones: tuple[str, ...]
    household: str | None
    #: Where she lives: a country or a part of one (``US-FL``).
    residence: str | None = None
    addresses: tuple[AddressRow, ...] = ()
    key: bytes = field(default=b"", repr=False)

    def on(self, channel: str) -> tuple[AddressRow, ...]:
        """Her addresses on a channel, first choice first."""
        return tuple([address for address in self.addresses if address.channel == channel])


@quickly_made
@dataclass(frozen=True, slots=True)
class Subject:
    """A person as the trace knows her: our name for her, and the key her words are sealed with."""

    subject: UUID
    key: bytes = field(repr=False)


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class DebtRow:
    """What laws ask about a debt. ``contacts`` of None leaves those that stand."""

    tenant: str
    id: str
    creditor: str | None
    contract_signed: date | None
    due: date | None
    kind: str | None
    contacts: tuple[tuple[str, str], ...] | None = ()


async def put_contacts(connection: Connection, contacts: Sequence[ContactRow], now: datetime) -> None:
    """Insert or replace profiles and their addresses, locking in key order; statements are never touched."""
    if not contacts:
        return
    rows = sorted({(row.tenant, row.id): row for row in contacts}.values(), key=lambda row: (row.tenant, row.id))
    await connection.execute(
        queries(_SQL)["put_contacts"],
        [r.tenant for r in rows],
        [r.id for r in rows],
        [r.subject for r in rows],
        [r.name for r in rows],
        [r.role for r in rows],
        [r.locale for r in rows],
        ["\n".join(r.jurisdictions) for r in rows],
        ["\n".join(r.zones) for r in rows],
        [r.household for r in rows],
        [r.key for r in rows],
        now,
        [r.residence for r in rows],
    )
    addresses = [(r.tenant, r.id, position, a) for r in rows for position, a in enumerate(r.addresses)]
    await connection.execute(
        queries(_SQL)["put_endpoints"],
        [t for t, _, _, _ in addresses],
        [a.endpoint for _, _, _, a in addresses],
    )
    await connection.execute(
        queries(_SQL)["put_addresses"],
        [r.tenant for r in rows],
        [r.id for r in rows],
        [t for t, _, _, _ in addresses],
        [c for _, c, _, _ in addresses],
        [a.channel for _, _, _, a in addresses],
        [a.address for _, _, _, a in addresses],
        [a.endpoint for _, _, _, a in addresses],
        [a.kind for _, _, _, a in addresses],
        [a.source for _, _, _, a in addresses],
        [p for _, _, p, _ in addresses],
    )


async def contacts(connection: Connection, keys: Iterable[Key], *, lock: bool = False) -> dict[Key, ContactRow]:
    """The people of ``keys`` that exist. ``lock`` holds their rows, in key order, until the transaction ends."""
    wanted = sorted(set(keys))
    if not wanted:
        return {}
    if lock:
        await connection.execute(queries(_SQL)["lock_contacts"], [k[0] for k in wanted], [k[1] for k in wanted])
    rows = await connection.fetch(queries(_SQL)["contacts"], [k[0] for k in wanted], [k[1] for k in wanted])
    people: dict[Key, list[Any]] = {}
    for row in rows:
        people.setdefault((row["tenant"], row["id"]), []).append(row)
    return {key: _contact(found) for key, found in people.items()}


async def subjects(connection: Connection, keys: Iterable[Key]) -> dict[Key, Subject]:
    """Of the people of ``keys`` that exist what an entry of the trace needs to know."""
    wanted = sorted(set(keys))
    if not wanted:
        return {}
    rows = await connection.fetch(queries(_SQL)["subjects"], [k[0] for k in wanted], [k[1] for k in wanted])
    return {(row["tenant"], row["id"]): Subject(row["subject"], row["key"] or b"") for row in rows}


async def lock_endpoints(connection: Connection, keys: Iterable[Key]) -> None:
    """Hold the rows of these (tenant, endpoint) pairs, in order, and the registers that hold them. After the contacts, always."""
    wanted = sorted(set(keys))
    if wanted:
        await connection.execute(queries(_SQL)["lock_endpoints"], [k[0] for k in wanted], [k[1] for k in wanted])
        await connection.execute(queries(_SQL)["hold_registers"], [k[0] for k in wanted])


async def using(connection: Connection, channel: str, address: str) -> list[Key]:
    """Everybody, of every tenant, who uses an address on a channel."""
    rows = await connection.fetch(queries(_SQL)["using"], channel, address)
    return [(row["tenant"], row["contact"]) for row in rows]


async def sharing(connection: Connection, tenant: str, endpoints: Iterable[str], limit: int) -> list[Key]:
    """Who of a tenant's people uses any of these addresses; at most ``limit`` of them."""
    wanted = sorted(set(endpoints))
    if not wanted:
        return []
    return [(tenant, row["contact"]) for row in await connection.fetch(queries(_SQL)["sharing"], tenant, wanted, limit)]


async def hold_addresses(connection: Connection, addresses: Collection[tuple[str, str]]) -> None:
    """Before somebody is given these (channel, address) pairs: stops of strangers are kept first. After contacts are locked."""
    if addresses:
        await connection.execute(queries(_SQL)["hold_addresses"], [c for c, _ in addresses], [a for _, a in addresses])


async def hold_strangers(connection: Connection, addresses: Collection[tuple[str, str]]) -> None:
    """Before a stop from these addresses, which nobody has, is kept. After contacts. Raises ``Overtaken``: somebody has one now."""
    if not addresses:
        return
    await connection.execute(queries(_SQL)["hold_strangers"], [c for c, _ in addresses], [a for _, a in addresses])
    for channel, address in addresses:
        if await using(connection, channel, address):
            raise Overtaken


async def stranger_stopped(connection: Connection, channel: str, address: str, at: datetime) -> None:
    """An address that nobody has told us to stop; it is held."""
    await connection.execute(queries(_SQL)["stranger_stopped"], channel, address, at)


async def stops_of_strangers(
    connection: Connection, addresses: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], datetime]:
    """Of ``(channel, address)``: those from which somebody told us to stop before anybody named them."""
    rows = await connection.fetch(
        queries(_SQL)["stops_of_strangers"], [c for c, _ in addresses], [a for _, a in addresses]
    )
    return {(row["channel"], row["address"]): row["at"] for row in rows}


async def mark_invalid(connection: Connection, rows: Sequence[tuple[str, str, str, datetime, str, str]]) -> None:
    """Keep that addresses are none on a channel: ``(tenant, endpoint, channel, at, provider, its code)``; the first word stands."""
    if rows:
        await connection.execute(queries(_SQL)["mark_invalid"], *[list(column) for column in zip(*rows, strict=True)])


async def mark_alive(connection: Connection, keys: Sequence[tuple[str, str, str]]) -> None:
    """These (tenant, endpoint, channel) have shown life: no longer invalid."""
    if keys:
        await connection.execute(queries(_SQL)["mark_alive"], *[list(column) for column in zip(*keys, strict=True)])


async def put_debts(connection: Connection, debts: Sequence[DebtRow], now: datetime) -> None:
    """Insert or replace debts and whom they tie."""
    if not debts:
        return
    rows = sorted({(row.tenant, row.id): row for row in debts}.values(), key=lambda row: (row.tenant, row.id))
    await connection.execute(
        queries(_SQL)["put_debts"],
        [r.tenant for r in rows],
        [r.id for r in rows],
        [r.creditor for r in rows],
        [r.contract_signed for r in rows],
        [r.due for r in rows],
        [r.kind for r in rows],
        now,
    )
    tied = [r for r in rows if r.contacts is not None]
    if not tied:
        return
    ties = [(r.tenant, r.id, contact, role) for r in tied for contact, role in r.contacts or ()]
    await connection.execute(
        queries(_SQL)["put_debt_contacts"],
        [r.tenant for r in tied],
        [r.id for r in tied],
        [t for t, _, _, _ in ties],
        [d for _, d, _, _ in ties],
        [c for _, _, c, _ in ties],
        [role for _, _, _, role in ties],
    )


async def debts(connection: Connection, keys: Iterable[Key]) -> dict[Key, DebtRow]:
    """The debts of ``keys`` that exist."""
    wanted = sorted(set(keys))
    if not wanted:
        return {}
    rows = await connection.fetch(queries(_SQL)["debts"], [k[0] for k in wanted], [k[1] for k in wanted])
    return {
        (row["tenant"], row["id"]): _debt(row, tuple(zip(row["contacts"], row["roles"], strict=True))) for row in rows
    }


_address: Final = reading(AddressRow, under={"invalid_at": "invalid"})
_person: Final = reading(
    ContactRow, made={"jurisdictions": tuple, "zones": tuple, "key": lambda key: key or b""}, beside=("addresses",)
)
_debt: Final = reading(DebtRow, beside=("contacts",))


def _contact(rows: Sequence[Any]) -> ContactRow:
    """One person out of her rows, of which each has one of her addresses."""
    return _person(rows[0], tuple([_address(row) for row in rows if row["channel"] is not None]))

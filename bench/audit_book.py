"""A book that was collected on for ninety days: people, what happened to them, and the trace of it, copied in by rows.

Every contact was lawful but a few that stand on Sundays, so that a recheck which finds anything else, or not just these, is wrong.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from bench.databases import Cluster
from bench.house import PROVIDER, TENANT, settings_of, write_settings
from bench.sizes import BOGOTA, SEED, TUESDAY
from bench.workload import COLLECTOR, CREDITOR, contact_id, debt_id, number
from gateway.addresses import endpoint
from gateway.compose import House, house
from gateway.people.profiles import statement_entry
from gateway.tenants.opening import create_tenant
from storage.chain import Written
from storage.history import EventRow
from storage.migrate import migrate
from storage.people import ContactRow
from tracelog.entry import instant
from tracelog.sealed import fresh_key
from vocabulary.channel import AddressKind, AddressSource, Channel, Form, Purpose, Role, SenderRole
from vocabulary.event import Consented, ConsentState, ContactOutcome, Instrument
from vocabulary.ids import new_uuid

NAME: Final = "bench_audit"
DAYS: Final = 90
#: Contacts on a Sunday, when Colombia's law is closed all day: what a recheck must find, and nothing else.
BREACHES: Final = 3
#: One row in the air at a time would be slow, all of them would be much memory.
BATCH: Final = 20_000
_WORDS: Final = b'{"text":"' + b"Hola, su cuota de noviembre esta lista para pagar. " * 3 + b'"}'
_WEEKS: Final = DAYS // 7
_EVENT_COLUMNS: Final = (
    "id", "tenant", "contact", "at", "type", "channel", "form", "outcome", "purpose", "debts", "endpoint", "address_kind",
    "creditor", "collector", "role", "attempt", "detail",
)  # fmt: skip
_TRACE_COLUMNS: Final = ("tenant", "idx", "kind", "at", "subject", "message", "header", "payload_digest", "leaf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """What stands in the database: how many of what, and the indices of the entries that broke a limit."""

    contacts: int
    rows: int
    entries: int
    breaches: frozenset[int]
    settings: Path


async def write(cluster: Cluster, redis_url: str, folder: Path, *, contacts: int, rows: int) -> Book:
    """Make the database. ``rows``: past contacts, spread over the people and over ninety days before the workload's Tuesday."""
    await cluster.make(NAME)
    url = cluster.url(NAME)
    await migrate(url)
    file = folder / "audit.toml"
    write_settings(file, database_url=url, redis_url=redis_url, port=1, carrier_port=1)
    async with house(settings_of(file)) as made, cluster.connected(NAME) as connection:
        sender = {"sender": {"role": "creditor", "creditor": CREDITOR, "collector": COLLECTOR}}
        await create_tenant(made.database, TENANT, "Bench", sender)
        people = [_person(made, person) for person in range(contacts)]
        await _copy_people(connection, people)
        before = await connection.fetchval("SELECT size FROM chain WHERE tenant = $1", TENANT)
        index, wrong = before, set()
        batch: list[tuple[Written, tuple[Any, ...]]] = []
        for entry, row, breach in _happened(made, people, rows):
            if breach:
                wrong.add(index)
            batch.append((entry, row))
            index += 1
            if len(batch) == BATCH:
                await _copy(connection, batch, index - len(batch))
                batch = []
        await _copy(connection, batch, index - len(batch))
        await connection.execute("UPDATE chain SET size = $2 WHERE tenant = $1", TENANT, index)
        await connection.execute("VACUUM (ANALYZE)")
        while await made.sealer.seal_all():  # everything that was copied is signed before anything is measured
            pass
    return Book(contacts=contacts, rows=rows, entries=index, breaches=frozenset(wrong), settings=file)


def _person(made: House, person: int) -> tuple[ContactRow, str]:
    row = ContactRow(
        tenant=TENANT,
        id=contact_id(person),
        subject=new_uuid(),
        name=f"Persona {person}",
        role=Role.DEBTOR,
        locale="es-CO",
        jurisdictions=("CO",),
        zones=("America/Bogota",),
        household=None,
        addresses=(),
        key=fresh_key(),
    )
    return row, endpoint(made.endpoint_secret, TENANT, Channel.SMS, number(person))


async def _copy_people(connection: Any, people: Sequence[tuple[ContactRow, str]]) -> None:
    at = TUESDAY - timedelta(days=DAYS + 1)

    async def copy(table: str, columns: str, rows: Iterable[tuple[Any, ...]], schema: str = "tregua") -> None:
        await connection.copy_records_to_table(table, schema_name=schema, columns=columns.split(), records=rows)

    everybody = list(enumerate(people))
    await copy(
        "contact",
        "tenant id subject name role locale jurisdictions zones created_at updated_at",
        ((TENANT, r.id, r.subject, r.name, r.role, r.locale, ["CO"], list(r.zones), at, at) for _, (r, _) in everybody),
    )
    await copy("person_key", "subject key", ((r.subject, r.key) for _, (r, _) in everybody), "vault")
    await copy("endpoint", "tenant digest", ((TENANT, digest) for _, (_, digest) in everybody))
    kinds = AddressKind.PERSONAL, AddressSource.SUPPLIED
    await copy(
        "address",
        "tenant contact channel address endpoint kind source position",
        ((TENANT, r.id, Channel.SMS, number(n), digest, *kinds, 0) for n, (r, digest) in everybody),
    )
    await copy("debt", "tenant id creditor updated_at", ((TENANT, debt_id(n), CREDITOR, at) for n, _ in everybody))
    roles = ((TENANT, debt_id(n), r.id, Role.DEBTOR) for n, (r, _) in everybody)
    await copy("debt_contact", "tenant debt contact role", roles)


def _happened(
    made: House, people: Sequence[tuple[ContactRow, str]], rows: int
) -> Iterator[tuple[Written, tuple[Any, ...], bool]]:
    """Entry and row of each event in the order of time, and whether it broke a limit."""
    consented = TUESDAY - timedelta(days=DAYS + 1)
    for row, _ in people:
        said = Consented(
            at=consented, state=ConsentState.GRANTED, all=True, instrument=Instrument.SEPARATE, person=row.id
        )
        event = EventRow(id=new_uuid(), tenant=TENANT, contact=row.id, event=said)
        detail = '{"state": "granted", "all": true, "instrument": "separate"}'
        yield (
            statement_entry(made.scribe, row, event, consented),
            _event_row(event.id, row.id, consented, "consent", detail=detail),
            False,
        )
    label = made.law.packs["CO"].label
    for at, person, breach in _instants(made, len(people), rows):
        row, digest = people[person]
        identity, attempt, message = new_uuid(), new_uuid(), new_uuid()
        entry = _reserved(made, row, digest, debt_id(person), (identity, attempt, message), at, label)
        contacted = _event_row(
            identity, row.id, at, "contact", endpoint=digest, debts=[debt_id(person)], attempt=attempt
        )
        yield entry, contacted, breach


def _instants(made: House, contacts: int, rows: int) -> list[tuple[datetime, int, bool]]:
    """When whom: at most once a week, Tuesday to Thursday by day and on no holiday; and a few Sundays."""
    chance = random.Random(SEED)
    holidays = list(made.law.packs["CO"].calendars.values())
    monday = (TUESDAY - timedelta(days=1)).replace(hour=0, minute=0)
    weeks = [[monday - timedelta(days=7 * week - weekday) for weekday in (1, 2, 3)] for week in range(1, _WEEKS + 1)]
    days = [[day for day in week if not any(each.holiday(day.date()) for each in holidays)] for week in weeks]
    if rows > contacts * len(days):
        raise ValueError(f"{rows} contacts at most once a week need more than {contacts} people")
    found: list[tuple[datetime, int, bool]] = []
    for person in range(contacts):
        often = rows // contacts + (person < rows % contacts)
        for week in chance.sample(days, often):
            at = chance.choice(week).replace(tzinfo=BOGOTA) + timedelta(seconds=chance.randrange(8 * 3600, 17 * 3600))
            found.append((at.astimezone(UTC), person, False))
    for place in range(min(BREACHES, len(found))):
        at, person, _ = found[place * len(found) // BREACHES]
        moved = (at.astimezone(BOGOTA) + timedelta(days=6 - at.astimezone(BOGOTA).weekday())).astimezone(UTC)
        found[place * len(found) // BREACHES] = (moved, person, True)
    found.sort()
    return found


def _reserved(
    made: House, row: ContactRow, digest: str, debt: str, ids: tuple[UUID, UUID, UUID], at: datetime, label: str
) -> Written:
    """An entry as dispatch writes it, with words sealed beside it as the entries before and after it have them."""
    identity, attempt, message = ids
    token = made.scribe.token
    return made.scribe.entry(
        "reserved",
        tenant=TENANT,
        at=at,
        subject=row.subject,
        message=message,
        facts={
            "attempt": attempt.hex,
            "event": identity.hex,
            "provider": PROVIDER,
            "endpoint": digest,
            "form": Form.TEXT,
            "purpose": Purpose.COLLECTION,
            "creditor": token(TENANT, CREDITOR),
            "collector": token(TENANT, COLLECTOR),
            "sender_role": SenderRole.CREDITOR,
            "sector": None,
            "role": Role.DEBTOR,
            "address_kind": AddressKind.PERSONAL,
            "address_source": AddressSource.SUPPLIED,
            "answers": False,
            "debts": [token(TENANT, debt)],
            "zones": ["America/Bogota"],
            "latest": instant(at + timedelta(minutes=10)),
            "validity_seconds": 600,
            "channel": Channel.SMS.value,
            "outcome": "allow",
            "until": None,
            "packs": [label],
            "reasons": [],
        },
        words=_WORDS,
        key=row.key,
    )


def _event_row(
    identity: UUID,
    contact: str,
    at: datetime,
    kind: str,
    *,
    endpoint: str | None = None,
    debts: list[str] | None = None,
    attempt: UUID | None = None,
    detail: str | None = None,
) -> tuple[Any, ...]:
    if kind == "consent":
        return (identity, TENANT, contact, at, kind, *[None] * 10, None, detail)
    return (
        identity, TENANT, contact, at, kind, Channel.SMS, Form.TEXT, ContactOutcome.DELIVERED, Purpose.COLLECTION, debts,
        endpoint, AddressKind.PERSONAL, CREDITOR, COLLECTOR, Role.DEBTOR, attempt, detail,
    )  # fmt: skip


async def _copy(connection: Any, batch: Sequence[tuple[Written, tuple[Any, ...]]], first: int) -> None:
    if not batch:
        return
    await connection.copy_records_to_table(
        "contact_event", schema_name="tregua", columns=_EVENT_COLUMNS, records=[row for _, row in batch]
    )
    numbered = list(enumerate((written for written, _ in batch), first))
    await connection.copy_records_to_table(
        "trace",
        schema_name="tregua",
        columns=_TRACE_COLUMNS,
        records=[
            (TENANT, idx, w.kind, w.at, w.subject, w.message, w.entry.header, w.entry.payload_digest, w.entry.leaf)
            for idx, w in numbered
        ],
    )
    await connection.copy_records_to_table(
        "trace_payload",
        schema_name="tregua",
        columns=("tenant", "idx", "nonce", "ciphertext"),
        records=[(TENANT, idx, s.nonce, s.ciphertext) for idx, w in numbered if (s := w.entry.sealed) is not None],
    )

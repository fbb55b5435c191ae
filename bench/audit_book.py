"""A book that was collected on for ninety days: people, what happened to them, and the trace of it, copied in by rows.

Every contact was lawful but a few that stand on Sundays, so that a recheck which finds anything else, or not just these, is wrong.
"""

import asyncio
import os
import random
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg

from bench import audit_layout
from bench.databases import Cluster
from bench.house import PROVIDER, TENANT, settings_of, write_settings
from bench.processes import started
from bench.sizes import BOGOTA, SEED, TUESDAY
from bench.workload import COLLECTOR, CREDITOR, contact_id, debt_id, number
from gateway.addresses import endpoint
from gateway.compose import House, house, tally
from gateway.people.profiles import statement_entry
from gateway.tenants.opening import create_tenant
from storage.chain import Written
from storage.history import EventRow
from storage.migrate import migrate
from storage.people import ContactRow
from tracelog.entry import instant
from vocabulary.channel import AddressKind, AddressSource, Channel, Form, Purpose, Role, SenderRole
from vocabulary.event import Consented, ConsentState, ContactOutcome, Instrument
from vocabulary.ids import new_uuid

NAME: Final = "bench_audit"
DAYS: Final = 90
#: Contacts on a Sunday, when Colombia's law is closed all day: what a recheck must find, and nothing else.
BREACHES: Final = 3
#: One row in the air at a time would be slow, all of them would be much memory.
BATCH: Final = 20_000
COPY_SECONDS_MAX: Final = 3_600.0
#: Processes that write a large book.
HANDS_MAX: Final = 4
#: People of a pattern at the most: their names have six digits.
PATTERN_MAX: Final = 1_000_000
_CREATED: Final = TUESDAY - timedelta(days=DAYS + 1)
_WORDS: Final = b'{"text":"' + b"Hola, su cuota de noviembre esta lista para pagar. " * 3 + b'"}'
_WEEKS: Final = DAYS // 7
_EVENT_COLUMNS: Final = (
    "id", "tenant", "contact", "at", "type", "channel", "form", "outcome", "purpose", "debts", "endpoint", "address_kind",
    "creditor", "collector", "role", "detail",
)  # fmt: skip
#: What is written of a book, whose indexes are made when all of it stands.
_TABLES: Final = ("contact", "endpoint", "address", "debt", "debt_contact", "contact_event", "trace", "trace_payload")
_TRACE_COLUMNS: Final = ("tenant", "idx", "kind", "at", "subject", "message", "header", "payload_digest", "leaf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """What stands in the database: how many of what, and the indices of the entries that broke a limit."""

    contacts: int
    rows: int
    entries: int
    breaches: frozenset[int]
    settings: Path


async def write(
    cluster: Cluster, redis_url: str, folder: Path, *, contacts: int, rows: int, pattern: int | None = None
) -> Book:
    """Make the database. ``rows``: past contacts, spread over the people and over ninety days before the workload's Tuesday.

    With a ``pattern`` only so many people are written one by one, everybody else is like one of them, and nothing of it stands in the
    trace. Raises ValueError where not everybody would have as many contacts.
    """
    if pattern is not None and (rows % contacts or pattern > min(contacts, PATTERN_MAX)):
        raise ValueError(
            f"{rows} contacts are not as many for each of {contacts} people, or the pattern is no part of them"
        )
    await cluster.make(NAME)
    url = cluster.url(NAME)
    await migrate(url)
    file = folder / "audit.toml"
    write_settings(file, database_url=url, redis_url=redis_url, port=1, carrier_port=1)
    few = contacts if pattern is None else pattern
    of_few = rows // contacts * few if pattern is not None else rows
    async with house(settings_of(file)) as made, cluster.connected(NAME) as connection:
        sender = {"sender": {"role": "creditor", "creditor": CREDITOR, "collector": COLLECTOR}}
        await create_tenant(made.database, TENANT, "Bench", sender)
        # The policy is older than everything that happened: before the first one nobody is known to send anything.
        await connection.execute("UPDATE policy SET at = $1", TUESDAY - timedelta(days=DAYS + 2))
        before: int = await connection.fetchval("SELECT size FROM chain WHERE tenant = $1", TENANT)
        instants = _instants(made, few, of_few)
        entries = before if pattern is not None else before + contacts + rows
        async with audit_layout.as_restored(connection, *_TABLES):
            for first in range(0, few, BATCH):
                batch = [_person(made.endpoint_secret, person) for person in range(first, min(few, first + BATCH))]
                await _copy_people(connection, list(enumerate(batch, first)))
            # Sealing words and writing entries down is a processor's work, and each of them has an index of its own.
            hands = min(HANDS_MAX, os.cpu_count() or 1, -(-(contacts + rows) // BATCH))
            if pattern is not None:
                for first in range(0, few + of_few, BATCH):
                    last = min(first + BATCH, few + of_few)
                    await _copy_events(connection, _rows(made, instants, few, first, last))
                await audit_layout.lay_people_out(connection, few, contacts, _CREATED)
            elif hands == 1:
                await _lay_out(made, connection, instants, contacts, before, 0, 1)
            else:
                await asyncio.gather(
                    *(_laid_out(folder, file, url, contacts, rows, before, hand, hands) for hand in range(hands))
                )
        await connection.execute("UPDATE chain SET size = $2 WHERE tenant = $1", TENANT, entries)
        await connection.execute("VACUUM (ANALYZE)", timeout=COPY_SECONDS_MAX)
        while await made.sealer.seal_all():  # everything that was copied is signed before anything is measured
            pass
    wrong = frozenset(before + contacts + place for place, (_, _, breach) in enumerate(instants) if breach)
    return Book(contacts=contacts, rows=rows, entries=entries, breaches=wrong, settings=file)


async def lay_margins_out(cluster: Cluster, settings: Path, pattern: int, contacts: int) -> None:
    """Have so many people reckoned by the gateway's own job, and lay what it kept of them out over everybody else."""
    async with house(settings_of(settings)) as made, cluster.connected(NAME) as connection:
        await connection.execute(
            "INSERT INTO console_due (tenant, contact, at) SELECT $1, unnest($2::text[]), '-infinity'",
            TENANT,
            [contact_id(person) for person in range(pattern)],
        )
        await tally(made).catch_up()
        await audit_layout.lay_margins_out(connection, pattern, contacts)
        await connection.execute("VACUUM (ANALYZE)", timeout=COPY_SECONDS_MAX)


async def _laid_out(
    folder: Path, file: Path, url: str, contacts: int, rows: int, before: int, hand: int, hands: int
) -> None:
    words = [str(file), url, *map(str, (contacts, rows, before, hand, hands))]
    async with started(f"book-{hand}", folder, "bench.audit_book", *words) as process:
        await process.hear()


async def _lay_out(
    made: House,
    connection: Any,
    instants: Sequence[tuple[datetime, int, bool]],
    contacts: int,
    before: int,
    hand: int,
    hands: int,
) -> None:
    """Every so manieth batch of what happened: events with their entries, under the indices that all of them have in order."""
    for first in range(hand * BATCH, contacts + len(instants), hands * BATCH):
        last = min(first + BATCH, contacts + len(instants))
        await _copy(connection, _happened(made, instants, contacts, first, last), before + first)


@lru_cache(maxsize=300_000)  # somebody of whom several processes write comes out the same in each
def _person(secret: bytes, person: int) -> tuple[ContactRow, str]:
    row = ContactRow(
        tenant=TENANT,
        id=contact_id(person),
        subject=UUID(bytes=sha256(f"subject {person}".encode()).digest()[:16], version=4),
        name=f"Persona {person}",
        role=Role.DEBTOR,
        locale="es-CO",
        jurisdictions=("CO",),
        zones=("America/Bogota",),
        household=None,
        addresses=(),
        key=sha256(f"key {person}".encode()).digest(),
    )
    return row, endpoint(secret, TENANT, Channel.SMS, number(person))


async def _copy_people(connection: Any, everybody: Sequence[tuple[int, tuple[ContactRow, str]]]) -> None:
    at = _CREATED

    async def copy(table: str, columns: str, rows: Iterable[tuple[Any, ...]], schema: str = "tregua") -> None:
        await connection.copy_records_to_table(table, schema_name=schema, columns=columns.split(), records=rows)

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
    made: House, instants: Sequence[tuple[datetime, int, bool]], contacts: int, first: int, last: int
) -> list[tuple[Written, tuple[Any, ...]]]:
    """Entry and row of each event from one place to another: what everybody allowed, then the contacts in the order of time."""
    consented = _CREATED
    found: list[tuple[Written, tuple[Any, ...]]] = []
    for person in range(first, min(last, contacts)):
        row, _ = _person(made.endpoint_secret, person)
        said = Consented(
            at=consented, state=ConsentState.GRANTED, all=True, instrument=Instrument.SEPARATE, person=row.id
        )
        event = EventRow(id=new_uuid(), tenant=TENANT, contact=row.id, event=said)
        detail = '{"state": "granted", "all": true, "instrument": "separate"}'
        entry = statement_entry(made.scribe, row, event, consented)
        found.append((entry, _event_row(event.id, row.id, consented, "consent", detail=detail)))
    label = made.law.packs["CO"].label
    for at, person, _ in instants[max(0, first - contacts) : max(0, last - contacts)]:
        row, digest = _person(made.endpoint_secret, person)
        identity, attempt, message = new_uuid(), new_uuid(), new_uuid()
        entry = _reserved(made, row, digest, debt_id(person), (identity, attempt, message), at, label)
        contacted = _event_row(identity, row.id, at, "contact", endpoint=digest, debts=[debt_id(person)])
        found.append((entry, contacted))
    return found


def _instants(made: House, contacts: int, rows: int) -> list[tuple[datetime, int, bool]]:
    """When whom: at most once a week, Tuesday to Thursday by day and on no holiday, this week this morning; and a few Sundays."""
    chance = random.Random(SEED)
    holidays = list(made.law.packs["CO"].calendars.values())
    today = TUESDAY.replace(hour=0)
    monday = today - timedelta(days=1)
    weeks = [[monday - timedelta(days=7 * week - weekday) for weekday in (1, 2, 3)] for week in range(1, _WEEKS + 1)]
    days = [[day for day in week if not any(each.holiday(day.date()) for each in holidays)] for week in weeks]
    days.append([today])
    if rows > contacts * len(days):
        raise ValueError(f"{rows} contacts at most once a week need more than {contacts} people")
    found: list[tuple[datetime, int, bool]] = []
    for person in range(contacts):
        often = rows // contacts + (person < rows % contacts)
        for week in chance.sample(days, often):
            day = chance.choice(week)
            ends = TUESDAY.hour if day == today else 17
            at = day.replace(tzinfo=BOGOTA) + timedelta(seconds=chance.randrange(8 * 3600, ends * 3600))
            found.append((at.astimezone(UTC), person, False))
    past = [place for place, (at, _, _) in enumerate(found) if at < today]
    for nth in range(min(BREACHES, len(past))):
        place = past[nth * len(past) // BREACHES]
        at, person, _ = found[place]
        moved = (at.astimezone(BOGOTA) + timedelta(days=6 - at.astimezone(BOGOTA).weekday())).astimezone(UTC)
        found[place] = (moved, person, True)
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
    detail: str | None = None,
) -> tuple[Any, ...]:
    if kind == "consent":
        return (identity, TENANT, contact, at, kind, *[None] * 10, detail)
    return (
        identity, TENANT, contact, at, kind, Channel.SMS, Form.TEXT, ContactOutcome.DELIVERED, Purpose.COLLECTION, debts,
        endpoint, AddressKind.PERSONAL, CREDITOR, COLLECTOR, Role.DEBTOR, detail,
    )  # fmt: skip


def _rows(
    made: House, instants: Sequence[tuple[datetime, int, bool]], contacts: int, first: int, last: int
) -> list[tuple[Any, ...]]:
    """The same events without their entries."""
    detail = '{"state": "granted", "all": true, "instrument": "separate"}'
    found = [
        _event_row(new_uuid(), contact_id(person), _CREATED, "consent", detail=detail)
        for person in range(first, min(last, contacts))
    ]
    for at, person, _ in instants[max(0, first - contacts) : max(0, last - contacts)]:
        row, digest = _person(made.endpoint_secret, person)
        found.append(_event_row(new_uuid(), row.id, at, "contact", endpoint=digest, debts=[debt_id(person)]))
    return found


async def _copy_events(connection: Any, rows: Sequence[tuple[Any, ...]]) -> None:
    await connection.copy_records_to_table("contact_event", schema_name="tregua", columns=_EVENT_COLUMNS, records=rows)


async def _copy(connection: Any, batch: Sequence[tuple[Written, tuple[Any, ...]]], first: int) -> None:
    await _copy_events(connection, [row for _, row in batch])
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


async def _hand(words: Sequence[str]) -> None:
    """One of several processes that write a book."""
    file, url = words[:2]
    contacts, rows, before, hand, hands = map(int, words[2:])
    async with house(settings_of(Path(file))) as made:
        connection = await asyncpg.connect(url, server_settings={"session_replication_role": "replica"})
        try:
            await _lay_out(made, connection, _instants(made, contacts, rows), contacts, before, hand, hands)
        finally:
            await connection.close()


if __name__ == "__main__":
    asyncio.run(_hand(sys.argv[1:]))
    print("{}", flush=True)

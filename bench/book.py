"""The people whom the gateway knows before the clock starts: each with one debt, a consent to SMS and two past contacts.

Written by the storage layer in bulk, once, into a database that every round copies; through the API it would take minutes,
and nothing of it is measured.
"""

from datetime import timedelta
from pathlib import Path
from typing import Final

from bench.databases import Cluster
from bench.house import TENANT, settings_of, write_settings
from bench.sizes import TUESDAY
from bench.workload import COLLECTOR, CREDITOR, contact_id, debt_id, number
from gateway.addresses import endpoint
from gateway.compose import house
from gateway.tenants.opening import create_key, create_tenant
from storage import history, people
from storage.database import Connection
from storage.history import EventRow
from storage.migrate import migrate
from storage.people import AddressRow, ContactRow, DebtRow
from tracelog.sealed import fresh_key
from vocabulary.channel import AddressKind, AddressSource, Channel, Role
from vocabulary.event import Consented, ConsentState, Contacted, ContactOutcome, Event, Instrument
from vocabulary.ids import new_uuid

BOOK: Final = "bench_book"
BATCH: Final = 2_000
#: Both before the week that Colombia's law counts, in hours at which they were lawful.
PAST: Final = (timedelta(days=26), timedelta(days=12))
CONSENTED: Final = timedelta(days=300)


async def write(cluster: Cluster, redis_url: str, folder: Path, contacts: int) -> str:
    """Make the database; the tenant's key, which opens every copy."""
    await cluster.make(BOOK)
    url = cluster.url(BOOK)
    await migrate(url)
    file = folder / "book.toml"
    write_settings(file, database_url=url, redis_url=redis_url, port=1, carrier_port=1)
    async with house(settings_of(file)) as made:
        sender = {"sender": {"role": "creditor", "creditor": CREDITOR, "collector": COLLECTOR}}
        await create_tenant(made.database, TENANT, "Bench", sender)
        key = await create_key(made.database, TENANT, env="bench", scopes=["admin"], label="bench")
        for start in range(0, contacts, BATCH):
            batch = range(start, min(contacts, start + BATCH))

            async def job(connection: Connection, batch: range = batch) -> None:
                await _write(connection, made.endpoint_secret, batch)

            await made.database.run(job)
    async with cluster.connected(BOOK) as connection:
        # A book that stands for a while has been analysed, and its pages carry their hint bits.
        await connection.execute("VACUUM (ANALYZE)")
    return key


async def _write(connection: Connection, secret: bytes, batch: range) -> None:
    rows, debts, events = [], [], []
    for person in batch:
        address = AddressRow(
            channel=Channel.SMS,
            address=number(person),
            endpoint=endpoint(secret, TENANT, Channel.SMS, number(person)),
            kind=AddressKind.PERSONAL,
            source=AddressSource.SUPPLIED,
        )
        rows.append(
            ContactRow(
                tenant=TENANT,
                id=contact_id(person),
                subject=new_uuid(),
                name=f"Persona {person}",
                role=Role.DEBTOR,
                locale="es-CO",
                jurisdictions=("CO",),
                zones=("America/Bogota",),
                household=None,
                addresses=(address,),
                key=fresh_key(),
            )
        )
        debts.append(
            DebtRow(
                tenant=TENANT,
                id=debt_id(person),
                creditor=CREDITOR,
                contract_signed=None,
                due=None,
                kind=None,
                contacts=((contact_id(person), Role.DEBTOR),),
            )
        )
        consent = Consented(
            at=TUESDAY - CONSENTED,
            state=ConsentState.GRANTED,
            channel=Channel.SMS,
            address=address.endpoint,
            instrument=Instrument.SEPARATE,
            person=contact_id(person),
        )
        past = [
            Contacted(
                at=TUESDAY - ago,
                channel=Channel.SMS,
                outcome=ContactOutcome.DELIVERED,
                debts=(debt_id(person),),
                address=address.endpoint,
                address_kind=AddressKind.PERSONAL,
                creditor=CREDITOR,
                collector=COLLECTOR,
                person=contact_id(person),
                role=Role.DEBTOR,
            )
            for ago in PAST
        ]
        happened: list[Event] = [consent, *past]
        events += [
            EventRow(id=new_uuid(), tenant=TENANT, contact=contact_id(person), event=event) for event in happened
        ]
    await people.put_contacts(connection, rows, TUESDAY)
    await people.put_debts(connection, debts, TUESDAY)
    await history.add(connection, events)
